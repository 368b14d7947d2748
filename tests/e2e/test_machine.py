"""A machine that runs short: of memory, of threads, of disk; and nobody who reads the log."""

import errno
import fcntl
import json
import os
import pathlib
import re
import resource
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest

import cgroup
import procfs
from conftest import PATIENCE, SANITIZER, eventually, fill, receive_exactly, reset
from evil_client import FINISH, Crowd

MIB = 1 << 20


@pytest.fixture
def group():
    """Makes control groups. What runs in them ends before they do, because it is asked for later."""
    groups = []

    def make(controller):
        try:
            groups.append(cgroup.Cgroup(controller))
        except cgroup.Unavailable as e:
            pytest.skip(str(e))
        return groups[-1]
    yield make
    for made in groups:
        made.__exit__()


def echoes(sock, message=b"hello"):
    sock.sendall(message)
    return receive_exactly(sock, len(message)) == message


# --- memory -------------------------------------------------------------------------------------


def deaf_client(srv):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    sock.settimeout(PATIENCE)
    sock.connect(("127.0.0.1", srv.port))
    return sock


# rows: R07
@pytest.mark.once
def test_a_memory_limit_and_two_thousand_clients_that_never_read(group, server):
    """Their buffers alone would be 125 MiB: twice what may be used. Others are served beside them."""
    raise_own_descriptor_limit()
    box = group("memory")
    box.limit(64 * MIB)
    srv = server("--engine", "epoll", "-q", "--sndbuf", "16k", "--rcvbuf", "128k", preexec=box.enter)
    deaf = [deaf_client(srv) for _ in range(2000)]
    fill(deaf)
    used = srv.memory()
    with srv.connect() as sock:
        assert echoes(sock, b"others " * 20_000)
    for sock in deaf:
        reset(sock)
    eventually(lambda: srv.fds() == srv.fds_at_start, "the end of those who never read")
    assert max(used, srv.memory()) < 48 * MIB


# rows: R07
@pytest.mark.once
def test_a_memory_limit_and_a_thread_for_each_client_that_never_reads(group, server):
    """A thread costs memory too: who would be too many waits in the backlog."""
    box = group("memory")
    box.limit(64 * MIB)
    srv = server("--engine", "classic", "-q", "--sndbuf", "16k", "--rcvbuf", "128k", preexec=box.enter)
    deaf = [deaf_client(srv) for _ in range(900)]
    fill(deaf)
    with srv.connect() as sock:
        sock.sendall(b"patience")
        for other in deaf:
            reset(other)
        assert receive_exactly(sock, 8) == b"patience"


# rows: R07
@pytest.mark.once
def test_all_buffers_together_stay_within_their_memory(echo):
    srv = echo("--memory", "1m", "--sndbuf", "16k", "--rcvbuf", "128k", "-w", "2", "-v")
    deaf = [deaf_client(srv) for _ in range(300)]
    srv.wait_log("client 300 connected")
    fill(deaf[:150])
    before = srv.memory()
    fill(deaf[150:])  # no buffer is left for most of these
    assert srv.memory() - before < 150 * 65536 / 4
    with srv.connect() as sock:
        sock.sendall(b"patience")
        for other in deaf:
            reset(other)
        assert receive_exactly(sock, 8) == b"patience"


def raise_own_descriptor_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 20


# rows: R08
@pytest.mark.once
def test_little_memory_for_tcp_and_nothing_is_lost(group, server, engine):
    """Two MiB for the buffers of 40 connections that want 40 MB each way: slower, exact."""
    box = group("memory")
    if box.version != 1:
        pytest.skip("version 2 has no limit for TCP alone")
    box.set("memory.kmem.tcp.limit_in_bytes", 2 * MIB)
    srv = server("--engine", engine, preexec=box.enter)
    Crowd(srv.connect, seed=8, longest=2_000_000, ends=[FINISH]).run(connections=40, parallel=40)
    assert int(box.get("memory.kmem.tcp.max_usage_in_bytes")) >= 2 * MIB  # it was felt


def idle_crowd(srv, count):
    socks = [srv.connect() for _ in range(count)]
    assert all(echoes(sock) for sock in socks)

    def is_still():  # a thread that waits for a CPU may look so for a moment, and then it is not
        before = srv.cpu_ticks(), srv.switches()
        time.sleep(1)  # a window to look at, not a wait
        return (srv.cpu_ticks(), srv.switches()) == before
    eventually(is_still, "a server that sleeps")
    for sock in socks:
        sock.close()


# rows: O05 (both engines)
@pytest.mark.once
def test_thousands_of_idle_clients_wake_nobody(server):
    hard = raise_own_descriptor_limit()
    idle_crowd(server("-q", "--engine", "epoll", "--idle-timeout", "1h"), min(10_000, hard - 500))
    idle_crowd(server("-q", "--engine", "classic", "--idle-timeout", "1h"), 900)


# --- threads ------------------------------------------------------------------------------------


# rows: R09
def test_no_threads_for_the_workers(group, launch):
    box = group("pids")
    box.limit(4)
    srv = launch("-w", "8", "127.0.0.1:0", preexec=box.enter)
    assert srv.wait_exit() == 2
    assert srv.log == "meari-server: cannot start a worker's thread: Resource temporarily unavailable\n"


# rows: R09 (both engines)
@pytest.mark.once
def test_no_threads_for_more_clients(group, server):
    """The classic engine, where the test above is epoll's: who comes when there is no thread waits, and is
    served when one has ended."""
    box = group("pids")
    srv = server("--engine", "classic", preexec=box.enter)
    box.limit(srv.threads() + 3)
    socks = [srv.connect() for _ in range(20)]
    for sock in socks:
        sock.sendall(b"x")
    srv.wait_log("accepting pauses with 3 clients: Resource temporarily unavailable$")
    for sock in socks:
        assert sock.recv(1) == b"x"
        sock.close()
    assert srv.log.count("accepting pauses") < 5  # one in ten seconds


# --- the log ------------------------------------------------------------------------------------


class Logged:
    """A server whose log, as JSON, goes to something we hold the other end of, and read only when asked."""

    def __init__(self, build, ends, *args, prefix=()):
        self.end, log = ends
        self.log = b""
        self.proc = subprocess.Popen([*prefix, build / "meari-server", "-v", "--log-format", "json", *args,
                                      "127.0.0.1:0"], stderr=log)
        os.close(log)

    def __enter__(self):
        while not (found := re.search(rb'listening on [0-9.]+:(\d+)', self.log)):
            more = os.read(self.end, 4096)
            assert more, f"it ended: {self.log}"
            self.log += more
        self.port = int(found.group(1))
        return self

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        if self.end is not None:
            os.close(self.end)
        assert not SANITIZER.search(self.log.decode()), self.log

    def serve(self, clients):
        for _ in range(clients):
            with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as sock:
                assert echoes(sock)

    def serve_until(self, condition):
        """Returns the number of clients it took."""
        count = 0

        def one_more():
            nonlocal count
            self.serve(1)
            count += 1
            return condition()
        eventually(one_more, "what a served client should bring about")
        return count

    def read(self):
        """Whatever the log has to say from now on."""
        try:
            while data := os.read(self.end, 65536):
                self.log += data
        except OSError as e:
            assert e.errno == errno.EIO  # a terminal whose programs have ended

    def wait_for_reader(self):
        """Until there is room for the server's last lines: it waits for that no longer than a second."""
        eventually(lambda: waiting_in(self.end) == 0, "a reader who has read all")

    def hang_up(self):
        os.close(self.end)
        self.end = None

    def stop(self):
        self.proc.terminate()
        assert self.proc.wait(PATIENCE) == 0


def waiting_in(fd):
    return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0]


def pipe():
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    return read_end, write_end


def socket_pair():
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return ours.detach(), theirs.detach()


def tcp_connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return ours.detach(), theirs.detach()


def terminal():
    return os.openpty()


KINDS = [pipe, socket_pair, tcp_connection, terminal]


def is_json(line):
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


OTHERS = 5  # events that are not about a client: confined, listening, draining, no longer listening, summary


def accounted_for(log):
    """Lines that were written, and lines that were counted as dropped. Half a line is none."""
    told = dropped = 0
    for line in filter(is_json, log.splitlines()):
        event = json.loads(line)
        if event["event"] == "log-dropped":
            dropped += event["lines"]
        else:
            told += 1
    return told, dropped


def check_the_sum(log, clients):
    told, dropped = accounted_for(log)
    assert dropped > 0 and told + dropped == OTHERS + 2 * clients
    events = [json.loads(line) for line in filter(is_json, log.splitlines())]
    last = [event for event in events if event["event"] != "log-dropped"][-1]
    assert last["clients"] == clients


def stop_reading_and_read_again(build, engine, kind, prefix=()):
    with Logged(build, kind(), "--engine", engine, prefix=prefix) as srv:
        srv.serve(500)  # some 150 KB of log
        reader = threading.Thread(target=srv.read)
        reader.start()
        clients = 500 + srv.serve_until(lambda: re.search(rb'log-dropped.*"connected"', srv.log, re.S))
        srv.wait_for_reader()
        srv.stop()
        reader.join()
        check_the_sum(srv.log, clients)


# rows: R11
@pytest.mark.parametrize("kind", KINDS)
def test_a_log_that_nobody_reads_for_a_while(build, engine, kind):
    """It never blocks the service, and later says exactly how much was lost."""
    stop_reading_and_read_again(build, engine, kind)


# rows: R11 K08
@pytest.mark.once
@pytest.mark.parametrize("kind", KINDS)
def test_a_log_that_nobody_reads_for_a_while_without_proc(build, without_proc, kind):
    """The same where /proc is no help to open once more what stands behind it."""
    stop_reading_and_read_again(build, "epoll", kind, without_proc)


# rows: R11
@pytest.mark.parametrize("kind", KINDS)
def test_a_log_whose_reader_is_gone(build, engine, kind):
    with Logged(build, kind(), "--engine", engine) as srv:
        srv.serve(1)
        srv.hang_up()
        srv.serve(50)
        srv.stop()


# rows: R11
def test_a_log_whose_reader_is_stopped(build, engine, tmp_path):
    """A process of its own, by SIGSTOP, amid the service."""
    log = tmp_path / "log"
    ends = pipe()
    with open(log, "wb") as out:
        reader = subprocess.Popen(["tee", "/dev/stderr"], stdin=ends[0], stdout=out, stderr=subprocess.PIPE)
    os.close(ends[0])
    with Logged(build, (os.dup(reader.stderr.fileno()), ends[1]), "--engine", engine) as srv:
        reader.send_signal(signal.SIGSTOP)
        srv.serve(200)
        reader.send_signal(signal.SIGCONT)
        follower = threading.Thread(target=srv.read)
        follower.start()
        clients = 200 + srv.serve_until(lambda: re.search(rb'log-dropped.*"connected"', srv.log, re.S))
        srv.wait_for_reader()
        srv.stop()
        follower.join()
        assert reader.wait(PATIENCE) == 0
    reader.stderr.close()
    check_the_sum(log.read_bytes(), clients)


# rows: R10
def test_a_log_on_a_device_that_is_full(launch, tmp_path):
    srv = launch("127.0.0.1:0", prefix=["sh", "-c", 'exec "$@" 2>/dev/full', "sh"])
    srv.port = eventually(lambda: procfs.listening_port(srv.proc.pid), "the service")
    for _ in range(100):
        with srv.connect() as sock:
            assert echoes(sock)
    assert srv.stop() == 0


DISK = """
mount -t tmpfs -o size=64k none "$0" && head -c 32768 /dev/zero >"$0/ballast" || exit 77
exec "$@" 2>>"$0/log"
"""


# rows: R10
def test_a_disk_that_fills_up_and_is_emptied(launch, engine, tmp_path):
    """The lines that did not fit are counted, and none is spoilt by half of another before it."""
    srv = launch("--engine", engine, "-v", "--log-format", "json", "127.0.0.1:0",
                 prefix=["unshare", "-m", "sh", "-c", DISK, tmp_path])
    disk = pathlib.Path(f"/proc/{srv.proc.pid}/root{tmp_path}")
    log = disk / "log"

    def ready():
        if srv.proc.poll() == 77:
            pytest.skip(f"no disk of our own: {srv.log}")
        return log.exists() and re.search(r"listening on [0-9.]+:(\d+)", log.read_text())
    srv.port = int(eventually(ready, "the service").group(1))
    for _ in range(200):
        with srv.connect() as sock:
            assert echoes(sock)
    (disk / "ballast").unlink()
    with srv.connect() as sock:
        assert echoes(sock)
    def all_is_there():  # but the last three lines, which come when it ends
        return sum(accounted_for(log.read_bytes())) >= OTHERS - 3 + 2 * 201
    eventually(all_is_there, "a log")
    text = log.read_bytes()
    assert srv.stop() == 0
    spoilt = [line for line in text.splitlines() if not is_json(line)]
    assert len(spoilt) <= 1, spoilt
    told, dropped = accounted_for(text)
    assert dropped > 0 and told + dropped == OTHERS - 3 + 2 * 201
