"""--congestion: the congestion control of the connections of the server and of the bench, and what this kernel refuses."""

import os
import pathlib
import re
import socket
import subprocess
import sys

import pytest

import benchrunner
from benchrunner import run_bench, run_plain
from conftest import PATIENCE, receive_exactly

SYSCTL = pathlib.Path("/proc/sys/net/ipv4")
ACTIVATE = pathlib.Path(__file__).resolve().parents[1] / "harness" / "activate.py"


def names(which):
    return (SYSCTL / f"tcp_{which}_congestion_control").read_text().split()


@pytest.fixture
def default():
    with socket.socket() as sock:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode()


@pytest.fixture
def other(default):
    """One that everybody may have, and nobody has who does not ask for it."""
    found = [name for name in names("allowed") if name != default]
    if not found:
        pytest.skip(f"this kernel has only {default}")
    return found[0]


def echoes(sock):
    sock.sendall(b"hello")
    return receive_exactly(sock, 5) == b"hello"


def in_force(side, port):
    """The congestion control of each connection whose port this is on that side, as the kernel tells ss -i."""
    lines = subprocess.run(["ss", "-Htni", "state", "established", f"{side} = :{port}"], check=True,
                           stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return [name for line in lines if line[:1].isspace() for name in line.split() if name in names("available")]


def server_and_client(port):
    """Of the two ends of one connection to this port."""
    return in_force("sport", port), in_force("dport", port)


def refusal(program, name, prefix=()):
    """Exit code 2 and one line, which is returned without its beginning."""
    result = subprocess.run([*prefix, *benchrunner.PREFIX, benchrunner.BUILD / program, "--congestion", name,
                             "127.0.0.1", "1" if program == "meari-bench" else "0"], text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            timeout=PATIENCE)
    assert (result.returncode, result.stdout) == (2, ""), result
    start, newline = f"{program}: --congestion: ", result.stderr.count("\n")
    assert result.stderr.startswith(start) and newline == 1, result.stderr
    return result.stderr[len(start):-1]


def test_what_is_accepted_inherits_it(echo, default, other):
    srv = echo("--congestion", other)
    with srv.connect() as sock:
        assert echoes(sock)
        assert server_and_client(srv.port) == ([other], [default])


def test_without_the_option_it_is_the_systems(server, default):
    srv = server()
    with srv.connect() as sock:
        assert echoes(sock)
        assert server_and_client(srv.port) == ([default], [default])


# rows: U04
def test_a_socket_that_a_manager_passed_gets_it(launch, default, other):
    with socket.create_server(("127.0.0.1", 0)) as passed:
        fd = passed.fileno()
        srv = launch("--congestion", other, prefix=[sys.executable, ACTIVATE, str(fd), "--"],
                     pass_fds=[fd]).wait_ready()
        with srv.connect() as sock:
            assert echoes(sock)
            assert server_and_client(srv.port) == ([other], [default])


def test_a_successor_sets_its_own_on_what_it_takes_over(launch, tmp_path, default, other):
    def start(*args):
        srv = launch("--takeover", tmp_path / "takeover", *args)
        srv.wait_log("^another process can take over at ")  # its descriptors are all there
        return srv.wait_ready()

    old = start("127.0.0.1:0")
    new = start("--congestion", other, f"127.0.0.1:{old.port}")
    assert old.wait_exit() == 0
    with new.connect() as sock:
        assert echoes(sock)
        assert server_and_client(new.port) == ([other], [default])


def test_the_bench_has_it_and_says_so(server, default, other):
    srv = server()
    report = run_bench("--congestion", other, "-c", 2, "-n", 10, f"127.0.0.1:{srv.port}")
    assert (report.plan["congestion"], report.environment["congestion_control"]) == (other, other)
    report = run_bench("-c", 2, "-n", 10, f"127.0.0.1:{srv.port}")
    assert (report.plan["congestion"], report.environment["congestion_control"]) == (None, default)
    code, out, _ = run_plain("--congestion", other, "-c", 1, "-n", 1, f"127.0.0.1:{srv.port}")
    assert code == 0 and re.search(rf"^ *machine .*, {other}$", out, re.M), out


# --- what is refused ----------------------------------------------------------------------------

PROGRAMS = pytest.mark.parametrize("program", ["meari-server", "meari-bench"])


@PROGRAMS
@pytest.mark.parametrize("name, shown", [("no-such", "no-such"), ("", ""), ("x" * 16, "x" * 16), ("a\nb", "a\\x0ab")],
                         ids=["unknown", "empty", "long", "lines"])
def test_a_name_that_the_kernel_does_not_have(program, name, shown):
    assert refusal(program, name) == \
        f"'{shown}' is unknown to this kernel (available: {' '.join(names('available'))})"


@pytest.mark.once  # a sanitizer wants /proc itself
@PROGRAMS
def test_without_proc_there_is_no_list(program, without_proc):
    assert refusal(program, "no-such", prefix=without_proc) == "'no-such' is unknown to this kernel"


@PROGRAMS
def test_one_that_is_for_administrators(program, default):
    allowed = names("allowed")
    kept = [name for name in names("available") if name not in (*allowed, default)]
    if not kept:
        pytest.skip("this kernel keeps none for administrators")
    prefix = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"] if os.geteuid() == 0 else []
    assert refusal(program, kept[0], prefix) == \
        f"'{kept[0]}' takes CAP_NET_ADMIN (allowed without: {' '.join(allowed)})"
