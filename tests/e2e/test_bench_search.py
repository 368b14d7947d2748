"""The highest rate (--find-max): of an echo that cannot do more than a known one, and of some that are broken."""

import re
import signal
import socket

import pytest

import evil_server
import faulty_server
from benchrunner import Report, finish, run_bench, run_plain, start_bench
from conftest import eventually, long_enough
from delay_server import DelayServer
from evil_server import FakeServer


@pytest.mark.once  # quick enough only as released
def test_the_highest_rate():
    """One message at a time, each at least 2 ms late: there is no more than 500 a second."""
    def attempt(_):
        with DelayServer(64, [2]) as server:
            report = run_bench("-c", 1, "--depth", 1, "-R", 100, "-d", "200ms", "-O", "1ms", "--find-max", "p99<10s",
                               f"127.0.0.1:{server.port}")
        found, refuted = report.outcome["search"]["found_rate"], report.outcome["search"]["refuted_rate"]
        assert found <= 500 / 0.99
        assert found < refuted <= found * 1.02 + 1
        assert report.plan["rate"] == found and report.outcome["verdict"] == "right"
        assert "p99" in report.stderr and "messages/s were reached" in report.stderr  # each trial was told of
        return found >= 100  # else the machine had no time for the first trials
    long_enough(attempt, *range(4))


def test_no_rate_will_do():
    with FakeServer(faulty_server.echo) as fake:
        report = run_bench("-c", 1, "-R", 4000, "-d", "5ms", "-O", "1ms", "--find-max", "p50<1ns",
                           f"127.0.0.1:{fake.port}", code=1)
    assert report.outcome["search"] == {"found_rate": None, "refuted_rate": report.plan["rate"]}


# rows: B02
def test_a_wrong_echo_ends_the_search():
    """It is no matter of the rate: the trials that were right do not make it good."""
    wrong = []

    def wrong_from_the_third(conn):
        if conn.number < 3:
            faulty_server.echo(conn)
        elif conn.sock.recv(1, socket.MSG_PEEK):  # (a bench without a CPU may have nothing to say in so short a time)
            wrong.append(conn.number)
            faulty_server.changed(10)(conn)
    with FakeServer(wrong_from_the_third) as fake:
        report = run_bench("-c", 1, "-R", 1000, "-d", "20ms", "-O", "1ms", "--find-max", "p99<10s",
                           f"127.0.0.1:{fake.port}", code=1)
        assert wrong == [len(fake.live)]  # two that agreed, and the wrong one
    assert report.kinds() == {"changed": 1}


def test_connections_that_end_hold_at_no_rate():
    """That is no matter of the condition, and the trials say so."""
    with FakeServer(lambda conn: None) as fake:
        code, out, err = run_plain("-c", 1, "-R", 2, "-d", "5ms", "-O", "1ms", "--find-max", "p99<10s",
                                   f"127.0.0.1:{fake.port}")
    assert code == 1
    assert re.search(r"^highest rate  none held, \S+ did not$", out, re.M)
    assert set(re.findall("messages/s: (.*)", err)) == {"does not hold, not every echo came back"}


def test_a_search_that_keeps_quiet():
    with FakeServer(faulty_server.echo) as fake:
        report = run_bench("-q", "-c", 1, "-R", 2, "-d", "5ms", "-O", "1ms", "--find-max", "p50<1ns",
                           f"127.0.0.1:{fake.port}", code=1)
    assert report.stderr == ""


def test_an_interrupt_ends_the_search():
    """The trial under way is what there is to report; no other begins."""
    with FakeServer(evil_server.honest) as fake:
        proc = start_bench("-J", "-c", 1, "-R", 100, "-d", "1h", "-O", "1ms", "--find-max", "p99<10s",
                           f"127.0.0.1:{fake.port}")
        eventually(lambda: len(fake.received) > 10 * 64)
        proc.send_signal(signal.SIGINT)
        report = Report(*finish(proc))
        assert len(fake.live) == 1
    assert (report.code, report.outcome["verdict"]) == (130, "interrupted")
    assert report.outcome["messages"] > 0
    assert report.outcome["search"] == {"found_rate": None, "refuted_rate": None}


def test_nobody_answers():
    with FakeServer(faulty_server.echo) as fake:
        pass
    code, _, _ = run_plain("-c", 1, "-O", "1ms", "--find-max", "p99<1ms", f"127.0.0.1:{fake.port}")
    assert code == 2
