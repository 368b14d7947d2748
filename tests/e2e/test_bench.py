"""What the bench does when all is well: each kind of load, and what its report says about it.

Numbers are held against a witness: the server's log, or an echo of ours that counts what it was sent. Times
are judged in test_bench_times.py only.
"""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from benchrunner import Report, Running, finish, load_json, run_bench, run_plain, start_bench
from conftest import PATIENCE, eventually, long_enough
from evil_server import FakeServer, honest
from procfs import states
from sockets import receive_exactly


@pytest.fixture
def witness():
    """An echo that keeps what it was sent."""
    with FakeServer(honest) as fake:
        fake.endpoint = f"127.0.0.1:{fake.port}"
        yield fake


# --- closed loop --------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_a_number_of_messages(server, threads):
    srv = server()
    report = run_bench("-c", 5, "-t", threads, "-n", 1000, "-s", 64, f"127.0.0.1:{srv.port}")
    assert report.plan["mode"] == "closed"
    assert (report.outcome["messages"], report.outcome["bytes"]) == (1000, 64_000)
    assert report.outcome["connections"] == report.connect["count"] == 5
    srv.wait_log(r"client 5 ")
    assert "client 6 " not in srv.log


def test_a_stretch_of_time(witness):
    report = run_bench("-c", 3, "-d", "200ms", witness.endpoint)
    assert report.outcome["messages"] > 0
    assert report.outcome["elapsed_ns"] >= 200_000_000
    assert len(witness.received) == report.outcome["bytes"] == 64 * report.outcome["messages"]


def test_what_is_sent_is_no_pattern(witness):
    """Each connection has bytes of its own, and no eight of them come twice."""
    run_bench("-c", 2, "-n", 200, witness.endpoint)
    words = {bytes(witness.received[i:i + 8]) for i in range(0, len(witness.received), 8)}
    assert len(words) == 200 * 64 / 8


@pytest.mark.parametrize("size, least, most", [("1", 1, 1), ("10:20", 10, 20), ("5,7,1000", 5, 1000),
                                               ("100k", 102_400, 102_400)])
def test_sizes(witness, size, least, most):
    """(A message of more than one buffer goes in pieces.)"""
    report = run_bench("-c", 2, "-n", 50, "-s", size, witness.endpoint)
    assert report.outcome["bytes"] == len(witness.received)
    assert 50 * least <= report.outcome["bytes"] <= 50 * most
    if least != most:
        assert 50 * least < report.outcome["bytes"] < 50 * most


def test_the_same_seed_is_the_same_run():
    sent = []
    for seed in 1, 1, 2:
        with FakeServer(honest) as fake:
            run_bench("-c", 1, "-n", 50, "-s", "10:500", "--seed", seed, f"127.0.0.1:{fake.port}")
        sent.append(bytes(fake.received))
    assert sent[0] == sent[1] != sent[2]


def test_depth():
    """The echo comes only when four are in flight, and never are there more."""
    def patient(conn):
        while data := receive_exactly(conn.sock, 4 * 8):
            assert not select.select([conn.sock], [], [], 0)[0], "more than four in flight"
            conn.send(data)
    with FakeServer(patient) as fake:
        report = run_bench("-c", 2, "-t", 1, "--depth", 4, "-n", 80, "-s", 8, f"127.0.0.1:{fake.port}")
    assert report.outcome["messages"] == 80


def test_depth_in_an_open_loop():
    """What is due goes out though echoes are outstanding, until four are."""
    def patient(conn):
        while data := receive_exactly(conn.sock, 4 * 8):
            assert not select.select([conn.sock], [], [], 0)[0], "more than four in flight"
            conn.send(data)
    with FakeServer(patient) as fake:
        report = run_bench("-c", 1, "--depth", 4, "-R", "2k", "-n", 80, "-s", 8, f"127.0.0.1:{fake.port}")
    assert report.outcome["messages"] == 80


def test_an_open_loop_that_is_answered_at_once(witness):
    """(The connection has a place before and after each echo.)"""
    report = run_bench("-c", 1, "--depth", 4, "-R", 1000, "-n", 50, witness.endpoint)
    assert report.outcome["messages"] == 50
    assert len(witness.received) == 50 * 64


def test_messages_far_longer_than_all_buffers(server):
    """Who only sends, until all is sent, waits for ever: so does the server that cannot get rid of its echo."""
    srv = server("--sndbuf", "8k", "--rcvbuf", "8k")
    report = run_bench("-c", 2, "-n", 4, "-s", "4m", "--sndbuf", "8k", "--rcvbuf", "8k", f"127.0.0.1:{srv.port}")
    assert report.outcome["bytes"] == 4 * 4 * 2**20


@pytest.mark.parametrize("host, endpoint", [("::1", "[::1]:0"), ("localhost", "127.0.0.1:0")])
def test_addresses(server, host, endpoint):
    """(The name may have more addresses than the server.)"""
    srv = server(endpoint=endpoint)
    srv.serves_fresh_clients = host != "::1"
    report = run_bench("-c", 2, "-n", 10, host, srv.port)
    assert report.outcome["messages"] == 10


def test_options_from_the_environment(witness):
    report = run_bench("-n", 10, witness.endpoint, env={"MEARI_CONNECTIONS": "3", "MEARI_COUNT": "99"})
    assert (report.plan["connections"], report.plan["count"]) == (3, 10)


@pytest.mark.once  # the kernel takes its time
def test_packets_that_are_lost(network, server):
    """They are the kernel's matter: every byte comes back, and the report says what was sent again."""
    ns = network()
    srv = server(namespace=ns)
    ns.drop_at_random(3)
    with ns.entered():
        report = run_bench("-c", 10, "-n", 2000, "--timeout=20s", "--connect-timeout=30s", f"127.0.0.1:{srv.port}")
    assert report.outcome["messages"] == 2000
    assert report.cost["retransmitted_segments"] > 0


# --- open loop ----------------------------------------------------------------------------------


def scheduled(report):
    """What was due in time. A bench that has no CPU at the end cannot send the last of it, but does not hide that."""
    assert report.outcome["lost_messages"] == 0
    return report.outcome["messages"] + report.outcome["unsent_messages"]


def test_a_constant_rate(witness):
    """A message every millisecond, the first one at once: how many, does not depend on the echo."""
    report = run_bench("-c", 4, "-t", 2, "-R", 1000, "-d", "300ms", witness.endpoint)
    assert (report.plan["mode"], report.plan["arrival"]) == ("open", "constant")
    assert scheduled(report) == 300
    assert report.lag["count"] == report.outcome["messages"] > 0
    assert len(witness.received) == 64 * report.outcome["messages"]


def test_random_arrivals(witness):
    """As many as the dice of the seed say."""
    counts = []
    for seed in 1, 1, 2, 3:
        report = run_bench("-c", 4, "-R", 2000, "--arrival=poisson", "-d", "200ms", "--seed", seed,
                           witness.endpoint)
        assert report.plan["arrival"] == "poisson"
        counts.append(scheduled(report))
    assert counts[0] == counts[1]
    assert len(set(counts)) > 1
    assert all(300 < count < 500 for count in counts)  # five standard deviations


def test_a_number_of_messages_at_a_rate(witness):
    report = run_bench("-c", 4, "-R", "2k", "-n", 200, witness.endpoint)
    assert report.outcome["messages"] == 200


# --- connections --------------------------------------------------------------------------------


def test_crr(witness):
    report = run_bench("--crr", "-c", 3, "-n", 60, witness.endpoint)
    assert report.plan["mode"] == "connect"
    assert report.outcome["messages"] == report.outcome["connections"] == report.connect["count"] == 60
    assert len(witness.live) == 60


def test_crr_at_a_rate(witness):
    report = run_bench("--crr", "-c", 20, "-R", 500, "-d", "200ms", witness.endpoint)
    assert scheduled(report) == 100
    assert 0 < report.outcome["messages"] == report.outcome["connections"] == len(witness.live)


def test_connect_rate(witness):
    """Ten at fifty a second cannot all be there before nine fiftieths have passed."""
    began = time.monotonic()
    report = run_bench("-c", 10, "--connect-rate", 50, "-n", 10, witness.endpoint)
    assert time.monotonic() - began >= 9 / 50
    assert report.outcome["connections"] == report.connect["count"] == 10


def test_silent_connections(witness):
    """They say nothing until all is over, and then one message each."""
    report = run_bench("-c", 2, "--idle", 20, "-n", 10, witness.endpoint)
    assert report.outcome["idle_right"] == 20
    assert report.outcome["messages"] == 10
    assert len(witness.live) == report.outcome["connections"] == 22
    assert len(witness.received) == (10 + 20) * 64


def test_nothing_but_silent_connections(witness):
    report = run_bench("-c", 0, "--idle", 10, "-d", "50ms", witness.endpoint)
    assert (report.outcome["idle_right"], report.outcome["messages"]) == (10, 0)
    assert len(witness.received) == 10 * 64


def test_source_addresses():
    sources = []

    def noting(conn):
        sources.append(conn.sock.getpeername()[0])
        honest(conn)
    with FakeServer(noting) as fake:
        report = run_bench("-c", 6, "-n", 6, "-B", "127.0.0.2", "--bind", "127.0.0.3", f"127.0.0.1:{fake.port}")
        eventually(lambda: len(sources) == 6)
    assert sorted(sources) == ["127.0.0.2"] * 3 + ["127.0.0.3"] * 3
    assert len(report.plan["binds"]) == 2


# rows: B06
def test_thousands_of_connections(server):
    srv = server()
    report = run_bench("-c", 2500, "-n", 5000, f"127.0.0.1:{srv.port}")
    assert report.outcome["connections"] == 2500
    assert report.outcome["messages"] == 5000


# --- the course of a run ------------------------------------------------------------------------


def test_the_warm_up_does_not_count(witness):
    def attempt(warm_up):
        witness.received.clear()
        report = run_bench("-c", 1, "-O", f"{warm_up}ms", "-d", "200ms", "-i", "50ms", witness.endpoint)
        warm, measured = [], []
        for span in report.intervals:
            (warm if span["begin_ns"] < 0 else measured).append(span)
        assert warm and measured and measured[0]["begin_ns"] == 0
        everything = sum(span["messages"] for span in warm + measured)
        # the one that began in the warm-up and was back in the measurement is in neither
        assert len(witness.received) - 64 * everything in (0, 64)
        assert report.outcome["bytes"] == 64 * sum(span["messages"] for span in measured)
        return any(span["messages"] for span in warm)
    long_enough(attempt, 100, 1000, 5000)


def test_the_live_report(witness):
    """Where standard error is no terminal: a line when all are connected, and one for each interval."""
    report = run_bench("-c", 2, "-d", "500ms", "-i", "100ms", witness.endpoint)
    first, *lines = report.stderr.splitlines()
    assert first == "2 of 2 connections are open"
    assert 1 <= len(lines) == len(report.intervals) <= 6
    assert all(" messages/s " in line and " p99 " in line for line in lines)
    assert "\r" not in report.stderr and "\x1b" not in report.stderr


def test_the_live_report_on_a_terminal(witness):
    """One line, drawn again and again, and gone at the end."""
    master, slave = pty.openpty()
    proc = start_bench("-J", "-c", 2, "-d", "300ms", "-i", "50ms", witness.endpoint, stderr=slave)
    os.close(slave)
    code, out, _ = finish(proc)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: nobody has it open any more, and all was read
        while data := os.read(master, 1 << 16):
            shown += data
    os.close(master)
    shown = shown.decode()
    assert code == 0
    assert 1 <= shown.count(" messages/s ") == len(load_json(out)["intervals"])
    assert "\n" not in shown and shown.endswith("\r\x1b[K")


def test_all_begin_at_the_same_time(witness):
    def attempt(lead):
        start = int(time.time() + lead)
        code, out, err = run_plain("-J", "-c", 2, "-n", 10, "--start-at", start, witness.endpoint)
        if "--start-at" in err:  # it has passed before the connections were there, or even before that
            return False
        report = Report(code, out, err)
        assert report.plan["start_at_real_ns"] == start * 10**9
        assert abs(report.outcome["begun_real_ns"] - start * 10**9) < 1_000_000
        assert time.time() >= start
        return True
    long_enough(attempt, 2, 6, 15)


def test_a_beginning_that_was_missed_is_said(witness):
    """Ten connections at four a second take longer than there is time."""
    def attempt(lead):
        start = int(time.time() + lead)
        code, out, err = run_plain("-J", "-q", "-c", 10, "--connect-rate", 8 / lead, "-n", 10, "--start-at", start,
                                   witness.endpoint)
        if "has passed" in err:  # before it was started
            return False
        report = Report(code, out, err)
        assert report.outcome["begun_real_ns"] > start * 10**9
        assert "after --start-at" in report.stderr
        return True
    long_enough(attempt, 2, 6, 15)


@pytest.mark.parametrize("condition, code", [("p99>1h", 0), ("p50>1ns", 1), ("max>1ns", 1), ("rate<1", 0),
                                             ("rate<1000m", 1)])
def test_thresholds(witness, condition, code):
    report = run_bench("-c", 1, "-n", 100, "--fail-if", condition, witness.endpoint, code=code)
    assert report.outcome["verdict"] == "right"
    assert (condition in report.stderr) == bool(code)


def test_each_threshold_counts(witness):
    run_bench("-c", 1, "-n", 10, "--fail-if", "p99>1h", "--fail-if", "p0>1ns", "--fail-if", "max>1h",
              witness.endpoint, code=1)


# rows: B12 G11
@pytest.mark.parametrize("load", [[], ["-R", 1000], ["--crr"]], ids=["closed", "open", "crr"])
def test_an_interrupt_gives_what_there_is(server, load):
    srv = server()
    run = Running("-c", 3, "-d", "1h", *load, f"127.0.0.1:{srv.port}")
    run.proc.send_signal(signal.SIGINT)
    report = run.report()
    assert report.code == 130
    assert report.outcome["interrupted"] and report.outcome["verdict"] == "interrupted"
    assert report.outcome["messages"] > 0
    assert report.kinds() == {}


def test_a_second_interrupt_does_not_wait(server):
    """The first one waits for what is in flight, and the server that is stopped does not send it."""
    srv = server()
    run = Running("-c", 3, "-d", "1h", "--timeout=1h", f"127.0.0.1:{srv.port}")
    srv.signal(signal.SIGSTOP)
    try:
        eventually(lambda: states(srv.pid) == {"T"})
        run.proc.send_signal(signal.SIGINT)
        time.sleep(0.05)  # (two that come at once are one)

        def ended():
            run.proc.send_signal(signal.SIGINT)
            return run.proc.poll() is not None
        eventually(ended, "the end")
        assert run.proc.returncode == 130
    finally:
        srv.signal(signal.SIGCONT)


def test_an_interrupt_before_there_is_anything(witness, tmp_path):
    """It waits for its time to begin, and says so; then there is nothing to report but that."""
    said = tmp_path / "said"
    with open(said, "w") as err:
        proc = start_bench("-J", "-v", "-c", 2, "--start-at", int(time.time()) + 3600, witness.endpoint, stderr=err)
    eventually(lambda: said.read_text().endswith("\n") or proc.poll() is not None, "its word")
    proc.send_signal(signal.SIGINT)
    code, _, _ = finish(proc)
    assert code == 130, said.read_text()
    assert re.fullmatch(r"2 of 2 connections are open, it begins in 3[56]\d\d s\n", said.read_text())


def test_an_interrupt_does_not_hide_that_a_threshold_was_missed(witness):
    run = Running("-c", 1, "-d", "1h", "--fail-if", "max>1ns", witness.endpoint)
    run.proc.send_signal(signal.SIGINT)
    report = run.report()
    assert (report.code, report.outcome["verdict"]) == (1, "interrupted")


# --- outputs ------------------------------------------------------------------------------------


def test_the_report_in_words(witness):
    code, out, _ = run_plain("-c", 2, "-n", 100, witness.endpoint)
    assert code == 0
    assert "round-trip time" in out.splitlines()[0] and "monotonic" in out.splitlines()[0].lower()
    for word in "p50", "p99", "max", "messages":
        assert word in out


def test_json_into_a_file(witness, tmp_path):
    path = tmp_path / "result.json"
    code, out, _ = run_plain("-c", 2, "-n", 100, f"--json={path}", witness.endpoint)
    assert code == 0
    assert "round-trip time" in out
    assert Report(0, path.read_text(), "").outcome["messages"] == 100


def test_the_cpu_time_of_the_server(server):
    srv = server()
    report = run_bench("-c", 2, "-d", "300ms", "--pid", srv.pid, f"127.0.0.1:{srv.port}")
    assert 0 < report.cost["server"]["total_ns"] < 10**9 * PATIENCE
    assert report.cost["bench"]["total_ns"] > 0
    assert report.plan["server_pid"] == srv.pid


def test_the_cpu_time_of_who_is_gone_is_unknown(witness):
    gone = subprocess.Popen(["sleep", "infinity"])
    bench = Running("-c", 1, "-d", "1h", "--pid", gone.pid, witness.endpoint)
    gone.kill()
    gone.wait()
    bench.proc.send_signal(signal.SIGINT)
    report = bench.report()
    assert report.cost["server"] == {"total_ns": None, "ns_per_message": None}


def test_a_port_alone_is_of_this_machine(witness):
    report = run_bench("-c", 1, "-n", 10, witness.port)
    assert report.plan["target"] == f"localhost:{witness.port}"
