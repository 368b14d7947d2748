"""What meets inside the bench: a verdict and the end, a count and a time, a warm-up and what is in flight, threads with
nothing to do, connections that will never answer. Each ends by itself, counts exactly, and names what is missing.
"""

import fcntl
import signal
import socket
import threading

import pytest

import evil_server
import faulty_server
from benchrunner import Report, finish, load_json, refused, run_bench, run_plain, start_bench
from conftest import PATIENCE, eventually, long_enough
from evil_server import FakeServer
from sockets import reset

SIZE = 64


@pytest.fixture
def echo():
    with FakeServer(faulty_server.echo) as fake:
        yield f"127.0.0.1:{fake.port}"


@pytest.fixture
def silent():
    """It accepts, reads, and never answers."""
    with FakeServer(evil_server.silent) as fake:
        yield f"127.0.0.1:{fake.port}"


# --- counts ---

@pytest.mark.parametrize("options", [
    ["-c", 1], ["-c", 7, "-t", 3], ["-c", 50, "-t", 2], ["-c", 3, "--depth", 16], ["-c", 4, "--crr"],
    ["-c", 4, "-R", "20k"], ["-c", 4, "-t", 2, "-R", "20k", "--arrival", "poisson"], ["-c", 2, "--crr", "-R", "2k"],
    ["-c", 4, "-t", 4, "-O", "200ms"], ["-c", 2, "--depth", 32, "-O", "200ms"], ["-c", 2, "--crr", "-O", "200ms"],
    ["-c", 4, "-t", 2, "-R", "20k", "-O", "200ms", "-i", "10ms"]])
def test_count_is_exact(echo, options):
    report = run_bench("-n", 30, *options, echo)
    assert report.outcome["messages"] == 30
    assert (report.outcome["lost_messages"], report.outcome["unsent_messages"]) == (0, 0)


def test_time_may_end_a_count(echo):
    report = run_bench("-n", "1g", "-d", "300ms", echo)
    assert not report.outcome["cut_short"]
    assert 0 < report.outcome["messages"] < 10**9


def test_what_was_right_before_a_wrong_byte_counts():
    with FakeServer(faulty_server.unasked(SIZE, 10, b"and more")) as fake:
        report = run_bench("-c", 1, "-n", 200, "-s", SIZE, f"127.0.0.1:{fake.port}", code=1)
    assert report.kinds() == {"unasked": 1}
    assert (report.outcome["messages"], report.outcome["lost_messages"]) == (10, 0)


def test_a_connection_that_fails_is_no_early_end():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        report = run_bench("--crr", "-c", 2, "-n", 10, f"127.0.0.1:{nobody.getsockname()[1]}", code=2)
    assert report.kinds() == {"connect": 10}
    assert not report.outcome["cut_short"]


# --- ends ---

def test_a_silent_server_ends_a_count(silent):
    report = run_bench("-c", 5, "-n", 5, "--timeout", "100ms", silent, code=1)
    assert report.kinds() == {"missing": 5}
    assert report.outcome["lost_messages"] == 5


def test_a_silent_server_ends_a_time(silent):
    report = run_bench("-c", 5, "-t", 2, "--depth", 3, "-d", "100ms", "--timeout", "100ms", silent, code=1)
    assert report.kinds() == {"missing": 5}
    assert report.outcome["lost_messages"] == 15


def test_a_server_that_reads_nothing_ends_a_run():
    """What is sent fills every buffer on the way; the rest of the message is still waiting to leave."""
    over = threading.Event()
    with FakeServer(lambda conn: over.wait(PATIENCE)) as fake:
        report = run_bench("-c", 2, "-n", 2, "-s", "32m", "--sndbuf", "8k", "--timeout", "100ms",
                           f"127.0.0.1:{fake.port}", code=1)
        over.set()
    assert report.kinds() == {"missing": 2}
    assert report.outcome["lost_messages"] == 2
    assert all(f"{32 << 20} bytes did not come back" in first["text"] for first in report.troubles["first"])


def test_silent_connections_do_not_hold_up_a_run_whose_others_are_gone():
    def handler(conn):
        while data := conn.read():
            conn.send(data)
            if conn.number <= 2 and len(conn.fake.received) > 1000:
                return

    with FakeServer(handler) as fake:
        report = run_bench("-c", 2, "--idle", 3, "-n", "1g", f"127.0.0.1:{fake.port}", code=1)
    assert report.kinds() == {"lost": 2}
    assert report.outcome["cut_short"]


def test_a_server_that_goes_on_talking_is_judged_all_the_same():
    """One byte every 20 ms that nobody asked for: it is never quiet."""
    gone = threading.Event()

    def handler(conn):
        for data in faulty_server.pieces(conn):
            conn.send(data)
            while not gone.wait(0.02):
                conn.send(b"!")

    with FakeServer(handler) as fake:
        report = run_bench("-c", 1, "-n", 1, f"127.0.0.1:{fake.port}", code=1)
        gone.set()
    assert report.kinds() == {"unasked": 1}


def test_a_wrong_echo_is_named_though_the_time_is_over():
    """It comes when sending is over or --timeout is about to pass; to be examined it needs longer."""
    def attempt(_):
        with FakeServer(faulty_server.changed(10)) as fake:
            report = Report(*run_plain("-J", "-c", 1, "-R", 1, "-d", "50ms", "--timeout", "100ms",
                                       f"127.0.0.1:{fake.port}"))
        if report.kinds() == {"missing": 1} or report.outcome["unsent_messages"]:  # we or the bench had no CPU
            return False
        assert report.kinds() == {"changed": 1} and report.code == 1
        return True
    long_enough(attempt, *range(6))


def connecting_to(port):
    """How many connections to it are under way: SYN-SENT."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    return sum(row[2] == f"0100007F:{port:04X}" and row[3] == "02" for row in rows)


def test_interrupted_while_connecting():
    """The server's backlog is full, and nobody accepts."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        proc = start_bench("-J", "-c", 9, "-t", 2, f"127.0.0.1:{port}")
        eventually(lambda: connecting_to(port) > 0)
        proc.send_signal(signal.SIGINT)
        code, out, _ = finish(proc)
    report = load_json(out)
    assert (code, report["outcome"]["verdict"]) == (130, "interrupted")
    assert report["troubles"]["total"] == 0


def test_reset_of_all_connections_is_counted_for_each():
    """A reset while messages are in flight: lost once each, and not missing as well."""
    def handler(conn):
        conn.read()
        reset(conn.sock)

    with FakeServer(handler) as fake:
        report = run_bench("-c", 6, "-t", 2, "--depth", 4, "-d", "10s", f"127.0.0.1:{fake.port}", code=1)
    assert report.kinds() == {"lost": 6}
    assert report.outcome["cut_short"]


# --- records ---

def test_a_reporter_that_is_held_up_spoils_nothing():
    """Nobody reads the live report before all is over: so no record is taken when the warm-up ends, and none is lost."""
    ended = []

    def handler(conn):
        faulty_server.echo(conn)
        ended.append(conn.number)

    with FakeServer(handler) as fake:
        proc = start_bench("-J", "-c", 2, "-t", 2, "-R", 200, "-n", 50, "-O", "800ms", "-i", "10ms",
                           f"127.0.0.1:{fake.port}")
        fcntl.fcntl(proc.stderr, fcntl.F_SETPIPE_SZ, 4096)
        eventually(lambda: len(ended) == 2)
        code, out, _ = finish(proc)
    report = load_json(out)
    assert (code, report["outcome"]["messages"], report["response"]["count"]) == (0, 50, 50)
    measured = [span for span in report["intervals"] if span["begin_ns"] >= 0]
    assert sum(span["messages"] for span in measured) == 50
    ends = [(span["begin_ns"], span["begin_ns"] + span["length_ns"]) for span in report["intervals"]]
    assert all(end <= begin for (_, end), (begin, _) in zip(ends, ends[1:])), ends


# --- threads and schedules ---

def test_no_thread_has_a_share_that_it_cannot_send(echo):
    def attempt(_):
        report = run_bench("-c", 1, "-t", 4, "--idle", 6, "-R", 200, "-d", "500ms", echo)
        assert report.outcome["messages"] + report.outcome["unsent_messages"] == 100
        assert report.outcome["idle_right"] == 6
        return report.outcome["unsent_messages"] == 0  # the last ones, where an echo was late
    long_enough(attempt, *range(5))


def test_one_message_a_second(echo):
    def attempt(_):
        report = run_bench("-c", 3, "-t", 3, "-R", 1, "-d", "300ms", echo)
        assert report.outcome["messages"] + report.outcome["unsent_messages"] == 1
        return report.outcome["unsent_messages"] == 0
    long_enough(attempt, *range(5))


@pytest.mark.parametrize("arrival", ["constant", "poisson"])
def test_a_rate_that_nobody_can_serve(echo, arrival):
    report = run_bench("-c", 2, "-t", 2, "-R", "1g", "--arrival", arrival, "-d", "300ms", echo)
    scheduled = report.outcome["messages"] + report.outcome["unsent_messages"]
    assert abs(scheduled - 300_000_000) < 3_000_000


def test_crr_at_a_rate_of_connections(echo):
    report = run_bench("-c", 10, "--crr", "--connect-rate", 100, "-d", "500ms", echo)
    assert report.outcome["messages"] + report.outcome["unsent_messages"] == 50


@pytest.mark.parametrize("options", [["-n", 5], ["-R", 5], ["--crr"]])
def test_silent_connections_alone_cannot_send(echo, options):
    assert "some that send" in refused("-c", 0, "--idle", 2, *options, echo)


def test_depth_and_connections_at_their_most(echo):
    report = run_bench("-c", 64, "-t", 64, "--depth", 65536, "-s", 1, "-d", "200ms", "--timeout", "20s", echo)
    assert report.outcome["messages"] > 0
