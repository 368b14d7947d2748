"""meari-client --raw: exact bytes, both ways at once, and only counted."""

import fcntl
import os
import random
import re
import select
import struct
import termios
import threading

import pytest

from clientrunner import finish, results, run_client, start_client
from conftest import PATIENCE, eventually, long_enough
from evil_server import FakeServer, close_after, dribbling, flip, greeting, honest, with_surplus
from streams import Stream


def feed(proc, *pieces):
    """Writes all input and closes it, in the background."""
    def write(stdin):
        try:
            for piece in pieces:
                stdin.write(piece)
                stdin.flush()
            stdin.close()
        except OSError:
            pass  # it left
    thread = threading.Thread(target=write, args=(proc.stdin,), daemon=True)
    proc.stdin = None
    thread.start()
    return thread


def waiting_in(pipe):
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]


# rows: L04 P03 P04
@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 65536, 65537, 1_000_001])
def test_exact_bytes(echo, size):
    data = os.urandom(size)
    outcome = run_client("--raw", echo().port, stdin=data)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout == data


def test_nothing_is_a_command():
    """Neither q nor a control sequence."""
    data = b"q\nQ\n\x1b[2J\x00\xff\n"
    with FakeServer(honest) as fake:
        outcome = run_client("--raw", fake.port, stdin=data)
        assert bytes(fake.received) == data
    assert (outcome.code, outcome.stdout) == (0, data)


def test_bytes_come_back_before_the_input_ends(server):
    proc = start_client("--raw", server().port)
    for data in (b"one", b"two\n"):
        proc.stdin.write(data)
        proc.stdin.flush()
        assert proc.stdout.read(len(data)) == data
    assert finish(proc).code == 0


# rows: P04
def test_the_rest_is_waited_for_after_our_end():
    def handler(conn):
        conn.wait_for_end()
        conn.send(b"so you said: ")
        conn.send(bytes(conn.fake.received))
    with FakeServer(handler) as fake:
        outcome = run_client("--raw", fake.port, stdin=b"hello")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, b"so you said: hello", "")


def test_nothing_is_compared():
    with FakeServer(flip(1)) as fake:
        outcome = run_client("--raw", fake.port, stdin=b"hello\n")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, b"iello\n", "")


@pytest.mark.parametrize("handler", [with_surplus(b"!"), greeting(b"!")], ids=["surplus", "greeting"])
def test_more_than_was_sent_is_fine(handler):
    with FakeServer(handler) as fake:
        outcome = run_client("--raw", fake.port, stdin=b"hello\n")
    assert (outcome.code, len(outcome.stdout)) == (0, 7)


@pytest.mark.parametrize("count", [0, 3, 5])
def test_fewer_than_were_sent(count):
    with FakeServer(close_after(count)) as fake:
        outcome = run_client("--raw", fake.port, stdin=b"hello\n")
    assert outcome.stdout == b"hello\n"[:count]
    assert outcome.failed(1, f"connection closed after {count} of 6 bytes")


def test_a_close_with_input_still_open():
    with FakeServer(close_after(6)) as fake:
        proc = start_client("--raw", fake.port)
        proc.stdin.write(b"hello\n")
        proc.stdin.flush()
        proc.wait(PATIENCE)
        assert finish(proc).failed(1, "connection closed by the server before the end of the input")


def test_an_echo_in_single_bytes():
    with FakeServer(dribbling) as fake:
        outcome = run_client("--raw", fake.port, stdin="메아리".encode())
    assert (outcome.code, outcome.stdout) == (0, "메아리".encode())


# rows: P05
def test_a_reader_who_waits_until_all_is_written(server):
    """The four ends get ready in any order. The kernel holds some; the rest has to wait, not hang."""
    proc = start_client("--raw", server().port)
    data = os.urandom(8 << 20)
    stdin = os.dup(proc.stdin.fileno())  # feed() closes its own when all is written, which may be at any moment
    feeding = feed(proc, data)
    eventually(lambda: not select.select([], [stdin], [], 0)[1] or not feeding.is_alive())
    os.close(stdin)
    assert proc.stdout.read() == data
    feeding.join()
    assert finish(proc).code == 0


def test_each_direction_moves_whatever_the_other_does():
    """Nobody reads our output until the server has all of our input, and it has a lot to say meanwhile."""
    data = os.urandom(1 << 20)

    def handler(conn):
        talker = threading.Thread(target=conn.send, args=(bytes(8 << 20),))
        talker.start()
        conn.wait_for_end()
        talker.join()
    with FakeServer(handler) as fake:
        proc = start_client("--raw", fake.port)
        eventually(lambda: waiting_in(proc.stdout) == 65536, "a full pipe")
        feed(proc, data)
        eventually(lambda: bytes(fake.received) == data)
        outcome = finish(proc)
    assert (outcome.code, len(outcome.stdout)) == (0, 8 << 20)


def test_memory_does_not_grow_with_the_stream(server):
    """Two buffers, however much passes."""
    def peak():
        status = open(f"/proc/{proc.pid}/status").read()
        return 1024 * int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)[1])
    chunk = os.urandom(1 << 20)
    with open(os.devnull, "wb") as stdout:
        proc = start_client("--raw", server().port, stdout=stdout)
    peaks = []
    for _ in range(48):
        proc.stdin.write(chunk)
        peaks.append(peak())
    assert peaks[-1] - peaks[7] < 1 << 20
    assert finish(proc).code == 0


def test_idle_is_not_late(server):
    """With nothing due the timeout does not count; with the end due it does."""
    port = server().port

    def attempt(limit):
        proc = start_client("--raw", "--timeout", f"{limit}s", port)
        assert not select.select([proc.stderr], [], [], 1.5 * limit + 0.2)[0]
        outcome = finish(proc, b"hello")
        assert outcome.code == 0 or "no progress for " in outcome.stderr  # the echo was late
        return outcome.code == 0
    long_enough(attempt, 0.05, 1, 6)


def test_a_server_that_never_ends():
    def handler(conn):
        while data := conn.read():
            conn.send(data)
        threading.Event().wait(PATIENCE)

    def attempt(limit):
        with FakeServer(handler) as fake:
            outcome = run_client("--raw", "--timeout", f"{limit}ms", fake.port, stdin=b"hello\n")
        if outcome.stdout == b"":  # the echo was late
            return False
        span = f"{limit}.0 ms" if limit < 1000 else f"{limit // 1000}.0 s"
        assert outcome.failed(1, f"no progress for {span} after 6 of 6 bytes")
        assert outcome.stdout == b"hello\n"
        return True
    long_enough(attempt, 200, 1000, 6000)


def test_verbose_goes_to_standard_error(server):
    outcome = run_client("--raw", "-v", server().port, stdin=b"x")
    assert (outcome.code, outcome.stdout) == (0, b"x")
    assert re.fullmatch(r"connected to \S+\n", outcome.stderr)


# --- both modes, in pieces and cut off ----------------------------------------------------------


both_modes = pytest.mark.parametrize("mode", [[], ["--raw"]], ids=["lines", "raw"])


def shown(mode, data):
    """What standard output holds when these bytes came back."""
    return data if mode else results(*data.splitlines(keepends=True))


def cut_up(data, rng, largest=70_000):
    """Pieces of log-uniform length."""
    at = 0
    while at < len(data):
        n = max(1, int(largest ** rng.random()))
        yield data[at:at + n]
        at += n


# rows: P01
@both_modes
def test_input_in_random_pieces(echo, mode):
    """However it is cut up on its way in; with whatever line ends fall where."""
    data = Stream(1, "pieces").read(300_000).replace(b"\r", b"\n").replace(b"\nq\n", b"\n\n\n")
    proc = start_client(*mode, echo().port)
    feed(proc, *cut_up(data, random.Random(1)))
    outcome = finish(proc)
    assert (outcome.code, outcome.stderr, outcome.stdout == shown(mode, data)) == (0, "", True)


# rows: P02
@both_modes
def test_one_byte_at_a_time_both_ways(mode):
    data = Stream(2, "bytes").read(3000).replace(b"\r", b"\n")
    with FakeServer(dribbling) as fake:
        proc = start_client(*mode, fake.port)
        feed(proc, *(data[i:i + 1] for i in range(len(data))))
        outcome = finish(proc)
    assert (outcome.code, outcome.stderr, outcome.stdout == shown(mode, data)) == (0, "", True)


# rows: P06
@both_modes
def test_a_server_that_ends_it_while_we_send(echo, mode):
    """Every byte that it sent back is shown, and that something is missing is said."""
    long_enough(lambda limit: is_ended_amid(limit, echo, mode), 0.1, 1, 6)


def is_ended_amid(limit, echo, mode):
    """Returns whether it had begun by then."""
    block = b"".join(b"%08d\n" % i for i in range(100_000))
    srv = echo("--max-lifetime", f"{limit}s")
    proc = start_client(*mode, srv.port)
    feeding = feed(proc, *[block] * 1000)
    outcome = finish(proc)
    echoed = int(srv.wait_log(r"client 1 left after .*, (\d+) bytes echoed, lifetime over$")[1])
    feeding.join()
    assert echoed < 1000 * len(block)
    assert outcome.stdout == shown(mode, (block * (echoed // len(block) + 1))[:echoed])
    assert outcome.code == 1
    assert re.fullmatch("meari-client: connection closed (after [0-9]+ of [0-9]+ bytes|"
                        "by the server before the end of the input)\n", outcome.stderr), outcome.stderr
    return echoed > 0
