"""The rivals of bench/ are echo servers, every byte: else it would be no comparison.

They are built for it with their libraries, Go and Node, so these are `extra` tests.
"""

import pathlib
import json
import os
import select
import socket
import subprocess
import sys

import pytest

from conftest import PATIENCE
from evil_client import FINISH, LEAVE, RESET, Crowd, never_readers
from sockets import receive_all, receive_exactly
from streams import Stream

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import servers

pytestmark = pytest.mark.extra


@pytest.fixture(params=servers.RIVALS)
def rival_port(request):
    """Of each of them in turn."""
    try:
        command = servers.command(ROOT / "build-bench", request.param)
    except servers.Unavailable as e:
        pytest.skip(str(e))
    with servers.running(command) as (proc, port):
        yield port
        assert proc.poll() is None, "it has died"


@pytest.fixture
def rival(rival_port):
    """A way to connect to it."""
    return lambda: socket.create_connection(("127.0.0.1", rival_port), PATIENCE)


# rows: B08
@pytest.mark.parametrize("options", [["--depth", "8"], ["--crr"], ["--rate", "2000", "--idle", "10"]])
def test_meari_bench_finds_no_fault(rival_port, build, options):
    ended = subprocess.run([build / "meari-bench", "-q", "-J", "-c", "20", "-s", "1:70000", "-d", "300ms", *options,
                            "127.0.0.1", str(rival_port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads(ended.stdout)["outcome"]["messages"] > 0


def test_random_pieces_ends_and_resets(rival):
    ended = Crowd(rival, seed=41, longest=20_000).run(connections=600, parallel=60)
    assert {FINISH, LEAVE, RESET} <= ended.keys()


def test_a_half_close_gets_all_that_was_sent_then_the_end(rival):
    """By a client that wrote until nothing moved any more, so that the server is stuck in a write."""
    stream, sent = Stream(42, 0), bytearray()
    with rival() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        while select.select([], [sock], [], 0.2)[1]:
            piece = stream.read(1000)
            sent += piece[:sock.send(piece)]
            assert len(sent) < 64 << 20, "no back-pressure"
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == sent


def test_who_never_reads_holds_up_nobody(rival):
    deaf = never_readers(rival, 3)
    with rival() as sock:
        sock.sendall(b"and me?")
        assert receive_exactly(sock, 7) == b"and me?"
    for sock in deaf:
        sock.close()


def test_bytes_and_end_in_one_segment(rival):
    """The end has already come when the bytes are read, and there is no second notice of it."""
    for i in range(200):
        with rival() as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            sock.sendall(b"%d" % i)
            sock.shutdown(socket.SHUT_WR)
            assert receive_all(sock) == b"%d" % i


LOOP_THAT_LOSES = """#!/usr/bin/python3
import socket, sys, threading
def echo(sock):
    while data := sock.recv(65536):
        try:
            sock.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass
    sock.close()
listener = socket.create_server(("127.0.0.1", 0))
print("listening on 127.0.0.1:%d" % listener.getsockname()[1], file=sys.stderr, flush=True)
while True:
    threading.Thread(target=echo, args=(listener.accept()[0],)).start()
"""


@pytest.fixture
def comparison(tmp_path):
    """Runs the runner with a folder of its own, in which libev's server loses bytes and libuv's is missing."""
    (tmp_path / "bench").mkdir()
    for program in ["meari-server", "meari-bench", "bench/epoll", "bench/load"]:
        (tmp_path / program).symlink_to(ROOT / "build-bench" / program)
    (tmp_path / "bench" / "libev").write_text(LOOP_THAT_LOSES)
    (tmp_path / "bench" / "libev").chmod(0o755)

    def run(*args):
        return subprocess.run([ROOT / "bench" / "side-by-side", "--build", tmp_path, *args], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=100)
    return run


def test_a_comparison_lists_who_fails_as_failing_and_measures_the_others(comparison, tmp_path):
    ended = comparison("--quick", "--starts", "5", "--pairs", "2", "libev", "libuv", "epoll")
    assert ended.returncode == 0, ended.stderr
    page = (tmp_path / "RESULTS.md").read_text()
    rows = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("| ")}
    assert "fails: " in rows["libev"] and "could not be started: not built" in rows["libuv"]
    assert " to " in rows["epoll"] and " to " in rows["meari-server again"]
    assert "epoll</text>" in (tmp_path / "side-by-side-50x64.svg").read_text()
    raw = json.loads((tmp_path / "side-by-side.json").read_text())
    assert {name: [len(start) for start in starts] for name, starts in raw["runs"]["50x64"].items()} == {
        "epoll": [2] * 5, "meari-server": [2] * 5}


def test_when_our_own_server_is_not_exact_there_is_no_comparison(comparison, tmp_path):
    os.replace(tmp_path / "bench" / "libev", tmp_path / "meari-server")
    ended = comparison("--quick", "epoll")
    assert ended.returncode == 1 and "meari-server" in ended.stderr
    assert not (tmp_path / "RESULTS.md").exists()


@pytest.mark.parametrize("words", [["nobody"], ["--starts", "4"], ["--pairs", "0"], ["--seconds", "0"]])
def test_what_cannot_be_measured_is_a_usage_error(comparison, words):
    assert comparison(*words).returncode == 2


@pytest.mark.parametrize("words", [[], ["nobody"], ["--starts", "4", "spin"], ["--pairs", "0", "spin"]])
def test_what_nobody_can_answer_is_a_usage_error(words):
    ended = subprocess.run([ROOT / "bench" / "what-if", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert ended.returncode == 2 and ended.stdout == b""
