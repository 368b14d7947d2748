"""io_uring, where a kernel or a sandbox grants less of it than all: what is used instead, what is said, and
that no byte is lost on the way down.

The kernel's refusals are strace's or those of a filter. What holds on every engine is elsewhere: tests that
take the `engine` or the `echo` fixture.
"""

import contextlib
import functools
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from conftest import PATIENCE, eventually, fill, fin_sent, receive_all, receive_exactly, reset
from evil_client import ENDURE, Crowd, never_readers
from sockets import unacknowledged

HARNESS = pathlib.Path(__file__).resolve().parents[1] / "harness"
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
HINT = "; --engine epoll serves as well"

# How the kernel says no, and what the line then says.
EPERM = r"Operation not permitted \(kernel.io_uring_disabled, or the profile of a container, forbids it\)"
ENOSYS = r"Function not implemented \(Linux 6.0 or later is needed\)"


@pytest.fixture(autouse=True)
def _built_in(build):
    version = subprocess.run([build / "meari-server", "--version"], check=True, stdout=subprocess.PIPE,
                             text=True).stdout
    if "io_uring" not in version:
        pytest.skip("io_uring is not built in")


@pytest.fixture
def uring(server):
    """A server on this engine, which must be had."""
    def start(*args, **how):
        return server("--engine", "io_uring", *args, **how)
    return start


def injecting(*faults):
    """strace(1) answers these calls itself."""
    prefix = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=/io_uring_.*"]
    return prefix + [word for fault in faults for word in ("-e", "inject=" + fault)]


def filtered(code, *calls):
    return [sys.executable, str(HARNESS / "filtered.py"), code, ",".join(calls), "--"]


def echoes(sock, message=b"hello"):
    sock.sendall(message)
    return receive_exactly(sock, len(message)) == message


def falls_back(srv, reason):
    """It serves with epoll, all of it, and one line says why."""
    lines = re.findall("^.*io_uring.*$", srv.log, re.M)
    assert len(lines) == 1, srv.log
    assert re.fullmatch(f"io_uring cannot be used: {reason}; serving with epoll", lines[0]), lines
    assert re.search(r"^listening on .*, engine epoll, \d workers?$", srv.log, re.M)
    with srv.connect() as sock:
        assert echoes(sock)
    assert rings(srv) == 0


def rings(srv):
    """How many it has."""
    count = 0
    for fd in pathlib.Path(f"/proc/{srv.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            count += os.readlink(fd) == "anon_inode:[io_uring]"
    return count


def refuses(launch, prefix, reason):
    """The same, where nothing else will do."""
    srv = launch("--engine", "io_uring", "-w", "2", "127.0.0.1:0", prefix=prefix)
    assert srv.wait_exit() == 2
    assert re.fullmatch(f"meari-server: io_uring cannot be used: {reason}{HINT}\n", srv.log), srv.log


# --- it is forbidden, or not there --------------------------------------------------------------


# What is refused: the ring itself, which is also what kernel.io_uring_disabled does; what is registered with it, its
# buffers, the restrictions and the start of one that is tried out; and that one's use.
REFUSALS = [
    ("io_uring_setup:error=EPERM", f"io_uring_setup: {EPERM}"),
    ("io_uring_setup:error=ENOSYS", f"io_uring_setup: {ENOSYS}"),
    ("io_uring_setup:error=EINVAL", r"io_uring_setup: Invalid argument \(Linux 6.0 or later is needed\)"),
    ("io_uring_setup:error=ENOMEM", r"io_uring_setup: Cannot allocate memory \(see the limit .*\)"),
    ("io_uring_setup:error=EPERM:when=2", f"io_uring_setup: {EPERM}"),
    ("io_uring_register:error=EPERM:when=1", f"a ring of buffers: {EPERM}"),
    ("io_uring_register:error=EPERM:when=2", f"its restrictions: {EPERM}"),
    ("io_uring_register:error=EPERM:when=3", f"io_uring_register: {EPERM}"),
    ("io_uring_enter:error=EPERM", f"io_uring_enter: {EPERM}"),
    ("io_uring_enter:error=ENOSYS", f"io_uring_enter: {ENOSYS}"),
]


# rows: K01 K03 K04
@pytest.mark.parametrize("fault,reason", REFUSALS)
def test_another_engine_serves_and_one_line_says_why(server, fault, reason):
    falls_back(server("-w", "2", prefix=injecting(fault)), reason)


# rows: K02
@pytest.mark.parametrize("fault,reason", REFUSALS)
def test_who_asks_for_it_is_told_why_not(launch, fault, reason):
    refuses(launch, injecting(fault), reason)


# rows: K01 K02 K04
@pytest.mark.parametrize("code,reason", [("EPERM", EPERM), ("ENOSYS", ENOSYS)])
@pytest.mark.parametrize("call", ["io_uring_setup", "io_uring_enter"])
def test_under_the_filter_of_a_container(server, launch, call, code, reason):
    falls_back(server(prefix=filtered(code, call)), f"{call}: {reason}")
    refuses(launch, filtered(code, call), f"{call}: {reason}")


# rows: K06
def test_where_a_filter_kills_the_way_out_is_the_documented_one(launch, server):
    killing = filtered("KILL", "io_uring_setup", "io_uring_register", "io_uring_enter")
    assert launch("127.0.0.1:0", prefix=killing).wait_exit() == -signal.SIGSYS
    with server("--engine", "epoll", prefix=killing).connect() as sock:
        assert echoes(sock)


# rows: K04
@pytest.mark.parametrize("fault,reason", [
    ("io_uring_setup:error=ENOMEM:when=3", r"io_uring_setup: Cannot allocate memory \(.*\)"),
    ("io_uring_register:error=ENOMEM:when=4", r"a ring of buffers: Cannot allocate memory \(.*\)"),
    ("io_uring_setup:error=EMFILE:when=5", "io_uring_setup: Too many open files"),
    ("io_uring_enter:error=EPERM:when=3", f"io_uring_enter: {EPERM}"),
])
def test_what_does_for_one_worker_and_not_for_the_next(server, fault, reason):
    """All workers have the same engine: a descriptor that one of them accepted goes to another. Each
    asks twice for a ring, one of which it only tries out, and registers three things."""
    falls_back(server("-w", "3", prefix=injecting(fault)), reason)


def test_each_worker_has_a_ring_and_none_is_left_over(server):
    assert rings(server("-w", "3")) == 3


# rows: R15
def test_without_locked_memory(build, server, tmp_path):
    """Whether a ring counts as such depends on the kernel; root's does not."""
    if os.geteuid() != 0:
        pytest.skip("wants root, to be somebody else")
    copy = tmp_path / "meari-server"
    copy.write_bytes((build / "meari-server").read_bytes())
    copy.chmod(0o755)
    for folder in copy.parents:
        if os.stat(folder).st_uid == 0:
            os.chmod(folder, os.stat(folder).st_mode | 0o011)
    srv = server("-w", "2", prefix=["prlimit", "--memlock=0:0", *AS_NOBODY], program=copy)
    if "engine epoll" in srv.log:
        falls_back(srv, r"io_uring_setup: Cannot allocate memory \(see the limit of locked memory, ulimit -l\)")
    with srv.connect() as sock:
        assert echoes(sock)


def test_an_error_that_the_look_for_stranded_bytes_finds(uring):
    """The kernel tells a reset once, here to a receive by system call while another one is armed."""
    srv = uring("-w", "1", prefix=["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=recvfrom",
                                   "-e", "inject=recvfrom:error=ECONNRESET:when=1"])
    with srv.connect() as sock:
        assert echoes(sock)
        assert receive_exactly(sock, 1) == b""
    srv.wait_log("^client 1 left after .*, 5 bytes echoed, reset by the client$")


def decoded(flags, name, bit):
    """Is it among the flags as strace(1) prints them? It knows the name, or adds the bit to those it does not know."""
    unknown = re.search(r"0x[0-9a-f]+", flags)
    return name in flags or (unknown is not None and int(unknown[0], 16) & bit != 0)


def test_who_waits_for_clients_does_not_wait_for_a_disk(uring, tmp_path):
    """In the accounts of the kernel (iowait), if it is one that can tell the two apart (Linux 6.15)."""
    trace = tmp_path / "trace"
    srv = uring("-w", "1", prefix=["strace", "-f", "-qq", "-o", str(trace), "-e",
                                   "trace=io_uring_setup,io_uring_enter"])
    with srv.connect() as sock:
        assert echoes(sock)
    srv.check_and_stop()
    lines = trace.read_text()
    features = re.findall(r"io_uring_setup.*features=([^,}]*)", lines)
    waits = re.findall(r"io_uring_enter\(\d+, \d+, [1-9]\d*, ([^,]*)", lines)
    assert features and waits
    able = decoded(features[0], "NO_IOWAIT", 1 << 17)
    assert [decoded(flags, "NO_IOWAIT", 1 << 7) for flags in waits] == [able] * len(waits)


def test_a_client_that_reads_slowly_gets_no_thread(uring):
    """Left to itself the kernel gives one to a send that waits again and again, and there are few of them."""
    srv = uring("-w", "1", "-q", "--buffer", "1m", "--sndbuf", "16k")
    data = random.Random(5).randbytes(6 << 20)
    for _ in range(4):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            sock.settimeout(PATIENCE)
            sock.connect(("127.0.0.1", srv.port))
            sender = threading.Thread(target=sock.sendall, args=(data,))
            sender.start()
            assert receive_exactly(sock, len(data)) == data
            sender.join()
    names = {task.joinpath("comm").read_text().strip() for task in pathlib.Path(f"/proc/{srv.pid}/task").iterdir()}
    assert not [name for name in names if name.startswith("iou-")]  # they stay for 5 s (io_uring/io-wq.c)


# --- few buffers --------------------------------------------------------------------------------


# rows: R13
def test_many_who_speak_at_once_share_few_buffers(uring):
    """Sixteen buffers and forty clients, whose messages are all there when the server looks. Who finds no
    buffer gets one as soon as others were answered, not after the 100 ms until it would be looked for."""
    srv = uring("-w", "1", "-v", "--memory", "256k")
    socks = [srv.connect() for _ in range(40)]
    quick = 0
    for turn in range(300):
        began = time.monotonic()
        messages = [b"%d of %d" % (turn, i) for i in range(len(socks))]
        srv.signal(signal.SIGSTOP)
        for sock, message in zip(socks, messages):
            sock.sendall(message)
        srv.signal(signal.SIGCONT)
        for sock, message in zip(socks, messages):
            assert receive_exactly(sock, len(message)) == message
        quick += time.monotonic() - began < 0.1
    assert quick >= 150  # whatever else keeps this machine busy
    for sock in socks:
        sock.close()
    assert srv.stop() == 0
    srv.wait_log(r"^\d{3,} times a client waited for a buffer to receive into$")


# rows: R13
def test_clients_that_never_read_and_have_all_memory(uring):
    """They keep buffers of the ring then, because there is no other place for what they are owed. Who comes
    waits for memory, perhaps until its own time is over; the others' time is over, too, and then there is some."""
    srv = uring("-w", "1", "-q", "--memory", "256k", "--sndbuf", "16k", "--rcvbuf", "16k",
                "--idle-timeout", "2s")
    stalled = never_readers(lambda: srv.connect(rcvbuf=4096), 120)


    def served():
        with srv.connect() as late, contextlib.suppress(ConnectionError):
            return echoes(late)
    eventually(served)
    for sock in stalled:
        reset(sock)


# --- less of it than all, or all of it at once --------------------------------------------------


@pytest.fixture(params=["COOP_TASKRUN", "faults 1", "faults 2", "faults 3", "faults 4"])
def strained(request, build, uring, tmp_path):
    """A server as on Linux 6.0, where completions may come with any system call; or one that meets with what
    src/io/uring_faults.h says: a tiny ring that overflows, late and reordered completions, receives that end early,
    sends that take a part, cancels that come too late. (In builds with instruments only.)"""
    kind, _, seed = request.param.partition(" ")
    if seed and b"URING_FAULTS" not in (build / "meari-server").read_bytes():
        pytest.skip("no instruments in this build")
    if seed:
        yield functools.partial(uring, "-w", "1", env={"URING_FAULTS": seed})
        return
    trace = tmp_path / "trace"
    yield functools.partial(uring, "-w", "1", prefix=[
        "strace", "-f", "-qq", "--seccomp-bpf", "-o", str(trace), "-e", "trace=io_uring_setup",
        "-e", "inject=io_uring_setup:error=EINVAL:when=1"])
    assert re.search("INJECTED.*\n.*IORING_SETUP_COOP_TASKRUN.* = [0-9]+\n", trace.read_text())


# rows: K05 R14
@pytest.mark.parametrize("size", [1, 65537, 16 << 20])
def test_strained_half_close(strained, size):
    """The reader is late, so the server's sends stall."""
    data = random.Random(size).randbytes(size)
    with strained().connect() as sock:
        sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
        sender.start()
        eventually(lambda: size < 1 << 20 or unacknowledged(sock), "a stalled sender")
        assert receive_all(sock) == data
        sender.join()


# rows: K05
def test_strained_urgent_bytes(strained):
    srv = strained()
    with srv.connect() as sock:
        for _ in range(20):
            srv.signal(signal.SIGSTOP)
            sock.sendall(b"ab")
            sock.send(b"!", socket.MSG_OOB)
            sock.sendall(b"cd")
            srv.signal(signal.SIGCONT)
            assert receive_exactly(sock, 5) == b"ab!cd"


# rows: K05 R14 O02
def test_strained_crowd(strained):
    """Descriptors are used again all the time, and completions of those before come late."""
    crowd = Crowd(strained("-q").connect, seed=5, longest=20_000)
    assert sum(crowd.run(connections=1500, parallel=150).values()) == 1500


# rows: K05
def test_strained_crowd_that_is_ended(strained):
    """By the server, which cancels receives: each gets all that was taken from it."""
    srv = strained("--log-format", "json", "--max-lifetime", "100ms")
    crowd = Crowd(srv.connect, seed=6, longest=50_000, ends=[ENDURE])
    assert crowd.run(connections=100, parallel=50)[ENDURE] == 100
    srv.check_and_stop()
    told = json.loads(srv.log.splitlines()[-1])
    assert (told["bytes"], told["resets"], told["cut"]) == (crowd.back + len(b"still there?"), 0, 0)


# rows: K05 R13
def test_strained_by_clients_that_do_not_read(strained):
    """What they wrote comes back when they do, and others do not notice."""
    srv = strained("-q", "--memory", "8m", "--sndbuf", "32k", "--rcvbuf", "32k")
    socks = [srv.connect(rcvbuf=16384) for _ in range(40)]
    total = fill(socks)
    with srv.connect() as lively:
        for i in range(100):
            assert echoes(lively, b"%d" % i)
    for sock in socks:
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == b"n" * total[sock]
        sock.close()


# rows: K05 G02
def test_strained_drain_that_cuts(strained):
    """Sends that wait for room are cancelled, perhaps too late: then they go on. What is said to have gone out arrives,
    no byte less and none more, and the server ends."""
    srv = strained("--log-format", "json", "--drain", "300ms", "--sndbuf", "32k", "--rcvbuf", "32k")
    socks = [srv.connect(rcvbuf=16384) for _ in range(30)]
    fill(socks)
    srv.signal(signal.SIGTERM)
    eventually(lambda: fin_sent(srv.port), "the server's FIN")
    received = 0
    for sock in socks:
        data = receive_all(sock)
        assert data == b"n" * len(data)
        received += len(data)
        sock.close()
    assert srv.wait_exit() == 0
    told = json.loads(srv.log.splitlines()[-1])
    assert (told["bytes"], told["resets"]) == (received, 0)
    assert told["cut"] > 0
