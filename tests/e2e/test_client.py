"""meari-client with its input in a pipe: each line there and back, compared, and the verdict on it."""

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

from clientrunner import SAID, finish, results, run_client, run_shell, start_client
from conftest import PATIENCE, eventually, long_enough, tcp_states
from evil_server import (FakeServer, close_after, dribbling, flip, flooding, greeting, honest,
                         line_by_line, reset_after, silent, with_surplus)

EVERY_BYTE = bytes(b for b in range(256) if b != 10)


# --- what goes through --------------------------------------------------------------------------


def test_each_line_comes_back_as_a_result_and_nothing_else_is_printed(echo):
    outcome = run_client("127.0.0.1", echo().port, stdin="hello\n한국어\n".encode() + b"bye\n")
    assert outcome.stdout == results(b"hello\n", "한국어\n".encode(), b"bye\n")
    assert (outcome.code, outcome.stderr) == (0, "")


# rows: L04 L11 P03
@pytest.mark.parametrize("lines", [
    [], [b"x"], [b"\n"], [b"\n"] * 3, [b"a\n", b"no newline"], [b"\0\n"], [b"a\0b\0\n", b"\0"],
    [b"\r\n"], [EVERY_BYTE + b"\n"], [EVERY_BYTE], [b"q q\n", b" q\n", b"qq\n", b"Q\r\n"],
    [b"\xed\x95\n", b"\xf0\x9f"], [b"%d\n" % i for i in range(2000)],
], ids=lambda lines: str(b"".join(lines)[:16]))
def test_any_bytes(honest_port, lines):
    outcome = run_client(honest_port, stdin=b"".join(lines))
    assert outcome.stdout == results(*lines)
    assert (outcome.code, outcome.stderr) == (0, "")


# rows: L11
@pytest.mark.parametrize("size", [1, 2, 4095, 4096, 4097, 65535, 65536, 65537, 131072, 1 << 20, 3_000_001])
@pytest.mark.parametrize("end", [b"\n", b""], ids=["newline", "no-newline"])
def test_any_length(server, size, end):
    line = os.urandom(size).translate(bytes.maketrans(b"\nqQ", b"\rpP")) + end  # a lone q would end it
    outcome = run_client(server().port, stdin=b"first\n" + line)
    assert outcome.stdout == results(b"first\n", line)
    assert outcome.code == 0


# rows: P12
@pytest.mark.parametrize("mode", [[], ["--raw"]], ids=["lines", "raw"])
def test_64_mib_without_a_newline(echo, mode, tmp_path):
    """The server pushes back long before all is sent: sending and receiving must go on side by side."""
    line = tmp_path / "line"
    with open(line, "wb") as f:
        for _ in range(64):
            f.write(os.urandom(1 << 20).replace(b"\n", b"\r"))
    port = echo().port
    with open(line, "rb") as stdin, open(tmp_path / "out", "wb") as stdout:
        outcome = run_client(*mode, port, stdin=stdin, stdout=stdout)
    assert (outcome.code, outcome.stderr) == (0, "")
    words = b"" if mode else SAID
    with open(line, "rb") as sent, open(tmp_path / "out", "rb") as got:
        assert got.read(len(words)) == words
        while chunk := sent.read(1 << 20):
            assert got.read(1 << 20) == chunk
        assert got.read() == b""


@pytest.mark.parametrize("quit", [b"q\n", b"Q\n", b"q", b"Q"])
def test_q_alone_ends_and_what_follows_is_not_sent(quit):
    rest = b"never\n" if quit.endswith(b"\n") else b""
    with FakeServer(honest) as fake:
        outcome = run_client(fake.port, stdin=b"hello\n" + quit + rest)
        assert outcome.stdout == results(b"hello\n")
        assert outcome.code == 0
        assert bytes(fake.received) == b"hello\n"


def test_a_line_goes_out_before_the_next_is_typed(server):
    """Interactive also in a pipe: the echo is there while the input is still open."""
    proc = start_client(server().port)
    for line in (b"one\n", b"two\n"):
        proc.stdin.write(line)
        proc.stdin.flush()
        assert proc.stdout.read(len(SAID + line)) == SAID + line
    assert finish(proc).code == 0


def test_input_in_pieces_is_one_line(honest_port):
    proc = start_client(honest_port)
    for piece in (b"hel", b"lo wo", b"rld\n"):
        proc.stdin.write(piece)
        proc.stdin.flush()
        eventually(lambda: select.select([], [proc.stdin], [], 0)[1])
    assert finish(proc).stdout == results(b"hello world\n")


def test_an_echo_in_single_bytes():
    with FakeServer(dribbling) as fake:
        outcome = run_client("--timeout", "10s", fake.port, stdin="메아리 abc\n".encode())
    assert outcome.stdout == results("메아리 abc\n".encode())
    assert outcome.code == 0


def test_verbose_tells_address_and_time_on_standard_error(server):
    srv = server()
    outcome = run_client("-v", "127.1", srv.port, stdin=b"hello\nx\n")
    assert outcome.stdout == results(b"hello\n", b"x\n")
    assert re.fullmatch(rf"connected to 127\.0\.0\.1:{srv.port}\n"
                        r"6 bytes in \d+\.\d m?s\n2 bytes in \d+\.\d m?s\n", outcome.stderr)


# --- wrong, missing, unasked bytes ----------------------------------------------------------------


# rows: L07
@pytest.mark.parametrize("position, line, message", [
    (1, b"hello world\n", "mismatch at byte 1 of 12: sent 0x68, got 0x69"),
    (5, b"hello world\n", "mismatch at byte 5 of 12: sent 0x6f, got 0x6e"),
    (12, b"hello world\n", "mismatch at byte 12 of 12: sent 0x0a, got 0x0b"),
    (700_001, b"z" * 1_000_000 + b"\n", "mismatch at byte 700001 of 1000001: sent 0x7a, got 0x7b"),
], ids=["first", "middle", "last", "far"])
def test_a_wrong_byte(position, line, message):
    with FakeServer(flip(position)) as fake:
        assert run_client(fake.port, stdin=line).failed(1, message)


def test_what_came_is_shown_though_it_is_wrong():
    with FakeServer(line_by_line(lambda line: line.upper())) as fake:
        outcome = run_client(fake.port, stdin=b"hello\n")
    assert outcome.stdout == results(b"HELLO\n")
    assert outcome.failed(1, "mismatch at byte 1 of 6: sent 0x68, got 0x48")


# rows: L06
@pytest.mark.parametrize("count", [0, 1, 3, 11])
def test_a_server_that_closes_too_early(count):
    with FakeServer(close_after(count)) as fake:
        outcome = run_client(fake.port, stdin=b"hello world\n")
    assert outcome.failed(1, f"connection closed after {count} of 12 bytes")
    assert outcome.stdout == (SAID + b"hello world\n"[:count] if count else b"")


def test_a_server_that_resets():
    with FakeServer(reset_after(3)) as fake:
        outcome = run_client(fake.port, stdin=b"hello world\n")
    assert re.fullmatch(r"meari-client: connection lost after [03] of 12 bytes: "
                        r"Connection reset by peer\n", outcome.stderr)
    assert outcome.code == 1


# rows: L08
@pytest.mark.parametrize("surplus, words", [(b"!", "1 unexpected byte"), (b"more", "4 unexpected bytes")])
@pytest.mark.parametrize("end", [b"", b"q\n"], ids=["end-of-input", "q"])
def test_bytes_after_the_last_echo(surplus, words, end):
    with FakeServer(with_surplus(surplus)) as fake:
        outcome = run_client(fake.port, stdin=b"hello\n" + end)
    assert outcome.failed(1, words)
    assert outcome.stdout == results(b"hello\n")


def test_bytes_after_our_end():
    def handler(conn):
        conn.wait_for_end()
        conn.send(b"by the way")

    def attempt(_):
        with FakeServer(handler) as fake:
            outcome = run_client(fake.port, stdin=b"")
        return not went_before(outcome) and outcome.failed(1, "10 unexpected bytes")
    long_enough(attempt, *range(4))


def went_before(outcome):
    """It waits no more than a second for the server's end: what comes later it does not see."""
    return (outcome.code, outcome.stderr) == (0, "")


# rows: L08
def test_bytes_before_anything_was_sent():
    with FakeServer(greeting(b"220\n")) as fake:
        proc = start_client(fake.port)
        proc.wait(PATIENCE)
        assert finish(proc).failed(1, "4 unexpected bytes")


def test_bytes_between_two_lines():
    with FakeServer(with_surplus(b"??")) as fake:
        proc = start_client(fake.port)
        proc.stdin.write(b"one\n")
        proc.stdin.flush()
        proc.wait(PATIENCE)
        assert finish(proc).failed(1, "2 unexpected bytes")


# rows: L08
def test_a_server_that_never_stops_talking():
    with FakeServer(flooding(b"x")) as fake:
        proc = start_client(fake.port)
        proc.wait(PATIENCE)
        outcome = finish(proc)
    assert outcome.code == 1
    assert re.fullmatch(r"meari-client: \d+ unexpected bytes\n", outcome.stderr)


# rows: L08
def test_a_server_that_never_stops_talking_after_our_end():
    def handler(conn):
        conn.wait_for_end()
        flooding(b"x")(conn)
    def attempt(_):
        with FakeServer(handler) as fake:
            outcome = run_client(fake.port, stdin=b"")
        if went_before(outcome):
            return False
        assert outcome.code == 1
        assert re.fullmatch(r"meari-client: \d+ unexpected bytes\n", outcome.stderr)
        return True
    long_enough(attempt, *range(4))


def test_an_echo_ahead_of_what_was_sent():
    """The server guesses right, but nobody can echo what was not sent yet: it reads nothing, and most of
    the line cannot even have left."""
    def handler(conn):
        conn.sock.recv(1, socket.MSG_PEEK)
        conn.send(b"z" * (32 << 20))
        conn.wait_for_end()
    with FakeServer(handler) as fake:
        outcome = run_client(fake.port, stdin=b"z" * (64 << 20))
    assert outcome.code == 1
    assert re.fullmatch(r"meari-client: \d+ unexpected bytes\n", outcome.stderr)


# --- the server ends ------------------------------------------------------------------------------


@pytest.mark.parametrize("quiet, note", [([], "connection closed by the server\n"), (["-q"], "")])
def test_a_close_with_nothing_due_is_no_failure(quiet, note):
    with FakeServer(close_after(6)) as fake:
        proc = start_client(*quiet, fake.port)
        proc.stdin.write(b"hello\n")
        proc.stdin.close()
        proc.stdin = None
        outcome = finish(proc)
    assert (outcome.code, outcome.stdout) == (0, results(b"hello\n"))
    assert outcome.stderr in (note, "")  # at the very end nobody notes who closed first


def test_a_close_while_we_wait_for_input_that_ends():
    def handler(conn):
        conn.send(conn.line())
    with FakeServer(handler) as fake:
        proc = start_client(fake.port)
        proc.stdin.write(b"hello\n")
        proc.stdin.flush()
        assert proc.stdout.read(len(SAID) + 6) == results(b"hello\n")
        outcome = finish(proc)
    assert outcome.code == 0


def test_a_close_with_input_left():
    with FakeServer(close_after(6)) as fake:
        outcome = run_client(fake.port, stdin=b"hello\nworld\n")
    assert outcome.code == 1
    assert re.fullmatch(r"meari-client: connection closed (after 0 of 6 bytes|"
                        r"by the server before the end of the input)\n", outcome.stderr)


def test_a_close_with_input_still_open():
    """Nobody knows whether more would come: not the whole input was echoed."""
    with FakeServer(close_after(6)) as fake:
        proc = start_client(fake.port)
        proc.stdin.write(b"hello\n")
        proc.stdin.flush()
        proc.wait(PATIENCE)
        assert finish(proc).failed(1, "connection closed by the server before the end of the input")


def test_the_server_ends_orderly(server):
    """A real one that drains: nothing is due, so nobody failed."""
    srv = server()
    proc = start_client(srv.port)
    proc.stdin.write(b"hello\n")
    proc.stdin.flush()
    assert proc.stdout.read(len(SAID) + 6) == results(b"hello\n")
    with srv.standing_still():  # so that its end comes behind ours
        srv.signal(signal.SIGTERM)
        proc.stdin.close()
        proc.stdin = None
        eventually(lambda: "08" in tcp_states(srv.port), "the client's FIN")
    assert finish(proc).code == 0
    assert srv.wait_exit() == 0


# --- time -----------------------------------------------------------------------------------------


# rows: L09
@pytest.mark.parametrize("mode", [[], ["--raw"]], ids=["lines", "raw"])
def test_a_server_that_never_answers(mode):
    with FakeServer(silent) as fake:
        proc = start_client(*mode, "--timeout", "200ms", fake.port)
        proc.stdin.write(b"hello\n")
        proc.stdin.flush()
        proc.wait(PATIENCE)
        outcome = finish(proc)
    assert outcome.failed(1, "no progress for 200.0 ms after 0 of 6 bytes")


# rows: P13
@pytest.mark.parametrize("mode", [[], ["--raw"]], ids=["lines", "raw"])
def test_a_server_that_stops_amid_a_transfer(server, mode, tmp_path):
    srv = server()
    size = 32 << 20
    with open(tmp_path / "line", "wb") as f:
        f.truncate(size)

    def attempt(limit):
        with open(tmp_path / "line", "rb") as stdin:
            proc = start_client(*mode, "--timeout", f"{limit}s", srv.port, stdin=stdin)
        if len(proc.stdout.read(1 << 20)) < 1 << 20:
            assert late(finish(proc))
            return False
        with srv.standing_still():
            outcome = finish(proc)
        assert outcome.code == 1
        match = re.fullmatch(r"meari-client: no progress for [0-9.]+ m?s after (\d+) of (\d+) bytes\n",
                             outcome.stderr)
        assert match, outcome.stderr
        assert int(match[1]) < size
        assert mode or int(match[2]) == size
        return True
    long_enough(attempt, 0.5, 5)


def test_thinking_is_not_timed(server):
    """The clock runs only while an echo is due."""
    port = server().port

    def attempt(limit):
        proc = start_client("--timeout", f"{limit}s", port)
        for line in (b"one\n", b"two\n"):
            ready, _, _ = select.select([proc.stderr], [], [], 1.5 * limit + 0.2)  # longer than the timeout
            assert not ready
            proc.stdin.write(line)
            proc.stdin.flush()
            if proc.stdout.read(len(SAID + line)) != SAID + line:
                assert late(finish(proc))  # the server was
                return False
        assert finish(proc).code == 0
        return True
    long_enough(attempt, 0.05, 1, 6)


def late(outcome):
    return outcome.code == 1 and "no progress for " in outcome.stderr


@pytest.mark.parametrize("mode", [[], ["--raw"]], ids=["lines", "raw"])
def test_a_slow_reader_of_ours_is_not_the_servers_fault(server, mode):
    port = server().port
    line = b"z" * (16 << 20)

    def feed(stdin):
        with contextlib.suppress(OSError):
            stdin.write(line)
            stdin.close()

    def attempt(limit):
        proc = start_client(*mode, "--timeout", f"{limit}s", port)
        feeding = threading.Thread(target=feed, args=(proc.stdin,))
        proc.stdin = None  # the thread's own from here on
        feeding.start()
        head = proc.stdout.read(1000)
        if len(head) == 1000:
            time.sleep(1.5 * limit + 0.2)  # nobody reads for longer than the timeout
        rest = proc.stdout.read()
        feeding.join()
        outcome = finish(proc)
        assert (line if mode else results(line)).startswith(head + rest)
        if late(outcome):  # the server was
            return False
        assert (outcome.code, outcome.stderr) == (0, "")
        return head + rest == (line if mode else results(line))
    long_enough(attempt, 0.1, 1, 6)


# --- the ends of the pipe -------------------------------------------------------------------------


# rows: G09
@pytest.mark.parametrize("mode", [[], ["--raw"]], ids=["lines", "raw"])
@pytest.mark.parametrize("redirect, why", [
    (">/dev/full", "cannot write to standard output: No space left on device"),
    (">&-", "cannot write to standard output: Bad file descriptor"),
])
def test_results_that_cannot_be_written(server, mode, redirect, why):
    outcome = run_shell(f'printf "hello\\n" | "$@" {redirect}', *mode, server().port)
    assert outcome.failed(1, why)


# rows: L13
@pytest.mark.parametrize("mode", [[], ["--raw"]], ids=["lines", "raw"])
@pytest.mark.parametrize("redirect, why", [
    ("<&-", "cannot read standard input: Bad file descriptor"),
    ("</", "cannot read standard input: Is a directory"),
])
def test_input_that_cannot_be_read(server, mode, redirect, why):
    assert run_shell(f'"$@" {redirect}', *mode, server().port).failed(1, why)


# rows: L13
@pytest.mark.parametrize("mode", [[], ["--raw"]], ids=["lines", "raw"])
def test_no_input_at_all(server, mode):
    outcome = run_client(*mode, server().port, stdin=subprocess.DEVNULL)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, b"", "")


# rows: G09
@pytest.mark.parametrize("mode", [[], ["--raw"]], ids=["lines", "raw"])
def test_head_ends_the_client_quietly(server, mode):
    srv = server()
    proc = start_client(*mode, srv.port)
    proc.stdin.write(b"one\n")
    proc.stdin.flush()
    assert proc.stdout.readline().endswith(b"one\n")
    proc.stdout.close()
    proc.stdout = None
    outcome = finish(proc, b"two\n" * 1000)
    assert outcome.code in (-signal.SIGPIPE, 1)
    assert outcome.stderr in ("", "meari-client: cannot write to standard output: Broken pipe\n")


# rows: C13
@pytest.mark.parametrize("close", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors_never_become_the_socket(close):
    """Neither an error message nor a result may end up at the server."""
    with FakeServer(with_surplus(b"unasked")) as fake:
        outcome = run_shell(f'printf "hello\\n" | "$@" {close}', fake.port)
        assert bytes(fake.received) in (b"", b"hello\n")
    assert outcome.code == 1


def test_descriptors_without_blocking_are_fine(server):
    """Whoever shares our pipes may have made them non-blocking."""
    outer_in, inner_in = socket.socketpair()
    outer_out, inner_out = socket.socketpair()
    for sock in (inner_in, inner_out):
        sock.setblocking(False)
    proc = start_client(server().port, stdin=inner_in, stdout=inner_out)
    inner_in.close()
    inner_out.close()
    outer_in.sendall(b"hello\n" + b"x" * 1_000_000)
    outer_in.shutdown(socket.SHUT_WR)
    got = b""
    while chunk := outer_out.recv(65536):
        got += chunk
    assert got == results(b"hello\n", b"x" * 1_000_000)
    assert finish(proc).code == 0


@pytest.mark.parametrize("signo, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("mode", [[], ["--raw"]], ids=["lines", "raw"])
def test_signals(mode, signo, code):
    with FakeServer(silent) as fake:
        proc = start_client(*mode, fake.port)
        proc.stdin.write(b"hello\n")
        proc.stdin.flush()
        eventually(lambda: fake.received == b"hello\n")
        proc.send_signal(signo)
        outcome = finish(proc)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (code, b"", "")


def test_a_signal_ignored_by_the_caller_stays_ignored(server):
    """nohup, and what a script starts in the background."""
    proc = start_client(server().port, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    proc.stdin.write(b"one\n")
    proc.stdin.flush()
    assert proc.stdout.read(len(SAID) + 4) == results(b"one\n")
    proc.send_signal(signal.SIGHUP)
    outcome = finish(proc, b"two\n")
    assert (outcome.code, outcome.stdout) == (0, results(b"two\n"))
