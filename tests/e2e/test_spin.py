"""--spin: everything is as without it, but that nobody sleeps while messages come quickly; and everybody
does when they do not.

The budget is the largest there is where a test wants somebody to spin, so that a machine with other work does
not end it.
"""

import random
import signal
import socket
import threading
import time

import pytest

import procfs
from benchrunner import refused, run_bench
from conftest import ENGINES, PATIENCE, eventually, long_enough, receive_all, receive_exactly

SPINNERS = [name for name in ENGINES if name != "classic"]


@pytest.fixture(params=SPINNERS)
def engine(request):
    return request.param


@pytest.fixture
def spinning(server, engine):
    """A server that may spin, with one worker."""
    def start(*args, workers=1):
        return server("--engine", engine, "-w", workers, "--spin", "10ms", *args)
    return start


def chat(sock, n, word=b"as quick as we can"):
    """So many round trips, one after the other."""
    for _ in range(n):
        sock.sendall(word)
        assert receive_exactly(sock, len(word)) == word


def chats_until(condition, sock, limit, least=0):
    """Round trips, at least so many, until condition() is true. False where the server has ended the connection, for
    which we must have been silent for as long as the limit, or nearly."""
    last = time.monotonic()
    end = last + PATIENCE
    while not condition() or least > 0:
        now = time.monotonic()
        assert now < end
        least -= 1
        try:
            chat(sock, 1)
        except (AssertionError, ConnectionError):
            assert time.monotonic() - last > limit / 2
            return False
        last = now
    return True


def test_the_echo_is_exact(spinning):
    rng = random.Random(5)
    data = rng.randbytes(3_000_000)
    with spinning().connect() as sock:
        chat(sock, 200)
        sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
        sender.start()
        assert receive_all(sock) == data
        sender.join()


def test_who_comes_while_it_spins_is_served(spinning):
    """Also by another worker, which is woken for it."""
    srv = spinning(workers=2)
    with srv.connect() as busy:
        for _ in range(50):
            chat(busy, 20)
            with srv.connect() as guest:
                chat(guest, 3)
                guest.shutdown(socket.SHUT_WR)
                assert receive_all(guest) == b""


def test_no_sleep_between_quick_messages(server, engine):
    """Held against the same server without: it sleeps for nearly each. (On a busy machine we may be the ones who are not
    quick; but not for ten messages each time.)"""
    def sleeps_for_ten(srv, sock):
        before = procfs.sleeps(srv.pid)
        chat(sock, 10)
        return procfs.sleeps(srv.pid) - before

    def connected(*options):
        srv = server("--engine", engine, "-w", "1", *options)
        return srv, srv.connect()
    srv, sock = connected("--spin", "10ms")
    with sock:
        chat(sock, 20)
        eventually(lambda: sleeps_for_ten(srv, sock) == 0, "ten messages without sleep")
    srv, sock = connected()
    with sock:
        chat(sock, 20)
        assert sum(sleeps_for_ten(srv, sock) for _ in range(30)) > 30


# rows: O11
def test_an_idle_server_sleeps(spinning):
    srv = spinning()
    with srv.connect() as sock:
        def is_still():
            before = srv.cpu_ticks(), srv.switches()
            time.sleep(0.3)  # a window to look at, not a wait
            return (srv.cpu_ticks(), srv.switches()) == before
        chat(sock, 100)
        eventually(is_still, "a server that sleeps")
        chat(sock, 100)


# rows: O11
def test_an_idle_bench_sleeps(spinning, engine):
    """Messages that are slower than the budget, and silent connections."""
    srv = spinning()
    report = run_bench("--engine", engine, "--spin", "10ms", "-c", "1", "-R", "40", "-d", "1s",
                       "--idle", "20", f"127.0.0.1:{srv.port}")
    assert report.cost["bench"]["busiest_thread_spun_ns"] < report.outcome["elapsed_ns"] / 5


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_heard_while_it_spins(spinning, signo):
    """The client never pauses, so the server never sleeps; the drain waits for it, and ends with it."""
    def attempt(_):
        srv = spinning("--drain", "60s")
        with srv.connect() as sock:
            chat(sock, 100)
            srv.signal(signo)
            told = chats_until(lambda: "draining" in srv.log, sock, 0.2)  # who is silent for so long is ended
            told = told and chats_until(lambda: True, sock, 0.2, least=100)
        assert srv.wait_exit() == 0
        return told
    long_enough(attempt, *range(8))


def test_a_drain_right_after_a_message(spinning):
    """It spins when the signal comes, with nobody who talks."""
    srv = spinning("--drain", "60s")
    with srv.connect() as sock:
        chat(sock, 100)
        srv.signal(signal.SIGTERM)
        assert receive_all(sock) == b""
    assert srv.wait_exit() == 0


def test_a_deadline_passes_while_it_spins(spinning):
    """One client keeps the server from sleeping while another's time is over."""
    def attempt(limit):
        srv = spinning("--idle-timeout", f"{limit}s")
        with srv.connect() as silent, srv.connect() as busy:
            silent.settimeout(0)
            def ended():
                try:
                    return silent.recv(1) == b""
                except BlockingIOError:
                    return False
            return chats_until(ended, busy, limit) and chats_until(lambda: True, busy, limit, least=1)
    long_enough(attempt, 0.1, 1, 8)


@pytest.mark.parametrize("options", ["-n 2000", "-d 300ms -c 8 --depth 4 -s 100:9000 -t 2",
                                     "-d 300ms -R 2k -c 4", "--crr -n 100 -c 4"])
def test_a_bench_that_spins(spinning, engine, options):
    srv = spinning()
    report = run_bench("--engine", engine, "--spin", "200us", *options.split(), f"127.0.0.1:{srv.port}")
    assert report.outcome["verdict"] == "right" and report.outcome["engine"] == engine
    assert report.plan["spin_ns"] == 200_000
    assert report.cost["bench"]["busiest_thread_spun_ns"] >= 0


def test_a_bench_that_waits_by_spinning_is_not_the_limit(spinning, engine):
    """It has a CPU busy, and little to do there."""
    srv = spinning()
    report = run_bench("--engine", engine, "--spin", "10ms", "-c", "1", "-n", "3000", f"127.0.0.1:{srv.port}")
    assert report.cost["bench"]["busiest_thread_spun_ns"] > 0
    assert "try more threads" not in (report.outcome["limited"] or "")


# rows: C11
@pytest.mark.parametrize("args, words", [
    (("--classic", "--spin", "1ms"), "the classic engine cannot spin (--spin): it only knows to block"),
    (("--engine", "classic", "--spin", "1ms"), "the classic engine cannot spin (--spin)"),
    (("--spin", "11ms"), "--spin: '11ms' is too large: at most 10ms"),
    (("--spin", "-1"), "--spin: '-1' is not a duration"),
], ids=" ".join)
def test_a_server_that_cannot_spin(launch, args, words):
    srv = launch(*args, "127.0.0.1:0")
    assert srv.wait_exit() == 2
    assert words in srv.log


def test_no_spin_is_no_mistake(server):
    """On the classic engine, too."""
    srv = server("--classic", "--spin", "0")
    with srv.connect() as sock:
        chat(sock, 10)


def test_the_bench_has_the_same_bound():
    assert "--spin: '11ms' is too large" in refused("--spin", "11ms", "127.0.0.1", "7")
