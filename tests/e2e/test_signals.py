"""Signals at every stage of a server's life and in storms; processes stopped, continued and killed."""

import contextlib
import os
import pathlib
import random
import re
import signal
import socket
import threading
import time

import pytest

import procfs
from clientrunner import finish, start_client
from conftest import eventually, long_enough, receive_all, receive_exactly, reset
from streams import Exchange, Stream

STOP_SIGNALS = [signal.SIGTERM, signal.SIGINT]


def echoes(sock, message=b"hello"):
    sock.sendall(message)
    return receive_exactly(sock, len(message)) == message


# --- during the start ---------------------------------------------------------------------------


def halted_at(call, seconds):
    """A prefix that holds the program for so long before its first call of this kind."""
    return ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
            "-e", f"inject={call}:delay_enter={int(seconds * 1e6)}:when=1"]


def behind(srv):
    """The process id of the server that strace runs, once it is there."""
    def found():
        try:
            return srv.pid if "meari-server" in os.readlink(f"/proc/{srv.pid}/exe") else None
        except (IndexError, OSError):
            return None
    return eventually(found, "the server behind strace")


def catches(pid, signo, mask="SigCgt"):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(mask + r":\s+(\w+)", status).group(1), 16) >> (signo - 1) & 1


# rows: G05
@pytest.mark.parametrize("signo", STOP_SIGNALS)
def test_a_signal_before_there_is_anything_to_drain(launch, engine, signo):
    """It has promised nothing yet: the signal ends it as it ends any program."""
    def attempt(seconds):
        srv = launch("--engine", engine, "127.0.0.1:0", prefix=halted_at("bind", seconds))
        os.kill(behind(srv), signo)
        code = srv.wait_exit()
        if "listening" in srv.log:  # we came too late
            return False
        assert code in (-signo, 128 + signo) and srv.log == ""
        return True
    long_enough(attempt, 0.5, 3, 10)


# rows: G05
@pytest.mark.parametrize("signo", STOP_SIGNALS)
def test_a_signal_between_listening_and_serving(launch, signo):
    """Who is connected by then is served, although the loop has not begun."""
    srv = launch("-w", "2", "127.0.0.1:0", prefix=halted_at("clone3,clone", 0.5))
    pid = behind(srv)
    eventually(lambda: catches(pid, signo), "a handler")
    os.kill(pid, signo)
    assert srv.wait_exit() == 0
    assert "draining" in srv.log and "served 0 clients in" in srv.log


# rows: G03 G05
def test_two_signals_between_listening_and_serving(launch):
    def attempt(seconds):
        srv = launch("-w", "2", "127.0.0.1:0", prefix=halted_at("clone3,clone", seconds))
        pid = behind(srv)
        eventually(lambda: catches(pid, signal.SIGTERM), "a handler")
        os.kill(pid, signal.SIGTERM)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)  # another number: two of one kind would be one
        code = srv.wait_exit()
        if "listening" in srv.log:  # we came too late
            return False
        assert code in (-signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM)
        return True
    long_enough(attempt, 0.5, 3, 10)


# ThreadSanitizer keeps a signal that comes right before a blocking call until that call ends, which an idle
# server's never does. So the two below are not for it.


# rows: G05
@pytest.mark.once
def test_a_signal_at_any_moment_of_the_start(launch, engine):
    """It ends by the signal or drains, and leaves no port behind; the delays only spread the moment."""
    codes = set()
    for i in range(40):
        srv = launch("--engine", engine, "127.0.0.1:0")
        time.sleep(i * 0.0005)
        srv.proc.send_signal(signal.SIGTERM)
        codes.add(srv.wait_exit())
    assert codes <= {0, -signal.SIGTERM}


# rows: G05
@pytest.mark.once
def test_a_signal_as_soon_as_it_is_ready(echo):
    for _ in range(20):
        srv = echo()
        assert srv.stop() == 0
        assert "served 0 clients in" in srv.log


# --- a second signal, and the last moments ------------------------------------------------------


def stall(srv):
    """A client that sends until nothing goes any more, and does not read: a drain waits for it."""
    sock = srv.connect(rcvbuf=4096)
    sock.settimeout(0.3)
    try:
        while True:
            sock.send(b"s" * 65536)
    except TimeoutError:
        return sock


# rows: G03
@pytest.mark.parametrize("first", STOP_SIGNALS)
@pytest.mark.parametrize("second", STOP_SIGNALS)
def test_a_second_signal_does_not_wait(echo, first, second):
    srv = echo("--drain", "60s", "--sndbuf", "16k", "--rcvbuf", "16k")
    with stall(srv):
        srv.signal(first)
        srv.wait_log("draining")
        srv.signal(second)
        assert srv.wait_exit() == 128 + second


# rows: G03
def test_a_second_signal_while_the_last_client_lingers(echo):
    """The drain is over for it: a FIN was sent, and the client does not answer."""
    def attempt(_):
        srv = echo("--drain", "60s")
        with srv.connect() as sock:
            assert echoes(sock)
            srv.signal(signal.SIGTERM)
            assert sock.recv(1) == b""
            srv.proc.send_signal(signal.SIGTERM)
            code = srv.wait_exit()
            assert code in (0, 128 + signal.SIGTERM)
            return code != 0  # it waits for two seconds, which may have passed
    long_enough(attempt, *range(4))


# rows: G03 G05
def test_signals_until_the_very_end(echo):
    """From the first one on, without a pause, whatever it is just freeing."""
    for _ in range(20):
        srv = echo()
        with srv.connect() as sock:
            assert echoes(sock)
        while srv.proc.poll() is None:
            srv.proc.send_signal(random.choice(STOP_SIGNALS))
        assert srv.wait_exit() in (0, 128 + signal.SIGTERM, 128 + signal.SIGINT)


# --- storms, and pauses -------------------------------------------------------------------------


class Talkers:
    """Threads that talk to a server until they are told to stop, and check every byte."""

    def __init__(self, srv, count):
        self.over = threading.Event()
        self.exchanges = [Exchange("talkers", i) for i in range(count)]
        self.failures = []
        self.threads = [threading.Thread(target=self.talk, args=(srv.connect(), e)) for e in self.exchanges]
        for thread in self.threads:
            thread.start()

    def talk(self, sock, exchange):
        try:
            with sock:
                while not self.over.is_set():
                    exchange.sent(sock.send(exchange.to_send(3000)))
                    exchange.received(sock.recv(65536))
                sock.shutdown(socket.SHUT_WR)
                exchange.received(receive_all(sock))
                exchange.finished()
        except Exception as e:
            self.failures.append(e)

    def progress(self):
        return min(exchange.back for exchange in self.exchanges)

    def end(self):
        """Returns the bytes that went there and back."""
        self.over.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures
        return sum(exchange.back for exchange in self.exchanges)


def ends_with_exactly(srv, clients, count):
    assert srv.stop() == 0
    last = r"^served %d clients in .*, %d bytes echoed\n\Z" % (clients, count)
    assert re.search(last, srv.log, re.M), srv.log


# rows: G06
def test_ten_thousand_signals(echo):
    """Those that mean nothing, and those that make it speak."""
    srv = echo()
    talkers = Talkers(srv, 10)
    for signo in [signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE, signal.SIGHUP] * 2500:
        srv.signal(signo)
    ends_with_exactly(srv, 10, talkers.end())
    assert "reads/s" in srv.log


# rows: G06
def test_a_storm_of_pauses(echo):
    """However many of them come together: the service is whole, and the last word is the log's."""
    srv = echo()
    talkers = Talkers(srv, 10)
    for _ in range(2500):
        srv.signal(signal.SIGUSR2)
    newcomer = srv.connect()
    newcomer.sendall(b"hello")

    def see_that_it_is_open():
        """(It logs its figures when it has attended to all signals before; two at once would cancel out.)"""
        figures = srv.log.count("reads/s")
        srv.signal(signal.SIGUSR1)
        srv.wait_log("reads/s", figures + 1)
        paused, again = srv.log.count("accepting nobody"), srv.log.count("accepting again")
        if paused > again:
            srv.signal(signal.SIGUSR2)
            srv.wait_log("^accepting again$", again + 1)

    see_that_it_is_open()
    srv.wait_log("client 11 connected")
    assert receive_exactly(newcomer, 5) == b"hello"
    newcomer.close()
    srv.wait_log("client 11 left")
    talkers.end()


@pytest.mark.parametrize("signo", [signal.SIGUSR1, signal.SIGUSR2])
def test_signals_of_the_laboratory_do_no_harm_before_the_start(launch, signo):
    """They are ignored until they mean something."""
    def attempt(seconds):
        srv = launch("127.0.0.1:0", prefix=halted_at("bind", seconds))
        pid = behind(srv)
        eventually(lambda: catches(pid, signo, "SigIgn") or catches(pid, signo), "the beginning of main")
        os.kill(pid, signo)
        if not catches(pid, signo, "SigIgn"):  # we came too late
            srv.proc.kill()
            srv.wait_exit()
            return False
        srv.wait_ready()
        assert "accepting nobody" not in srv.log and "reads/s" not in srv.log
        return True
    long_enough(attempt, 0.5, 3, 10)


# rows: G06 G07
def test_stopped_and_continued_under_load(echo):
    """Each SIGCONT ends the wait for events with EINTR, whatever its restart flag (signal(7))."""
    srv = echo()
    talkers = Talkers(srv, 10)
    for _ in range(300):
        srv.signal(signal.SIGSTOP)
        srv.signal(signal.SIGCONT)
    before = talkers.progress()
    eventually(lambda: talkers.progress() > before, "service after the storm")
    ends_with_exactly(srv, 10, talkers.end())


# rows: G07
def test_who_spoke_during_a_pause_is_not_idle(echo):
    """A pause longer than the idle timeout: whose bytes wait is served on, who was silent is ended."""
    long_enough(lambda limit: outlives_a_pause(limit, echo), 3, 10)


def outlives_a_pause(limit, echo):
    """False where we ourselves were stopped so long that some were idle before the pause or behind it."""
    srv = echo("--idle-timeout", f"{limit}s", "-v")
    began = time.monotonic()
    socks = [srv.connect() for _ in range(100)]
    if not all(echoes(sock) for sock in socks):
        assert time.monotonic() - began > limit
        return False
    with srv.standing_still():
        if srv.log.count(", idle\n"):
            assert time.monotonic() - began > limit
            return False
        spoke, silent = socks[:50], socks[50:]
        for sock in spoke:
            sock.sendall(b"are you there?")
        time.sleep(limit + 0.2)  # the pause
    began = time.monotonic()
    for sock in spoke:
        assert receive_exactly(sock, 14) == b"are you there?"
    if not all(echoes(sock, b"good") for sock in spoke):
        assert time.monotonic() - began > limit
        return False
    for sock in silent:
        assert sock.recv(1) == b""
    for sock in socks:
        sock.close()
    eventually(lambda: srv.log.count(" left after ") == 100, "the end of all")
    return srv.log.count(", idle\n") == 50


# rows: G07
@pytest.mark.parametrize("mode", [[], ["--raw"]], ids=["lines", "raw"])
def test_the_client_stopped_amid_a_transfer(echo, mode):
    """Others are served meanwhile, and when it goes on nothing is missing."""
    srv = echo()
    data = Stream("stopped", 0).read(30_000_000).replace(b"\n", b" ") + b"\n"
    proc = start_client(*mode, srv.port)
    writer = threading.Thread(target=lambda: (proc.stdin.write(data), proc.stdin.flush()))
    writer.start()
    srv.wait_log("client 1 connected")
    if mode:
        got = proc.stdout.read(1_000_000)  # now it is in the middle of it
    else:
        got = b""
    proc.send_signal(signal.SIGSTOP)
    with srv.connect() as sock:
        assert echoes(sock)
    proc.send_signal(signal.SIGCONT)
    if mode:
        got += proc.stdout.read(len(data) - len(got))
    writer.join()
    outcome = finish(proc)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert (got + outcome.stdout).endswith(data)


# --- killed -------------------------------------------------------------------------------------


# rows: C16 G08
def test_killed_and_started_again_with_live_clients(launch, engine):
    """SO_REUSEADDR, whatever the one before left behind: echoing, stalled, half-closed, not accepted."""
    srv = launch("--engine", engine, "--concurrency", "4", "127.0.0.1:0").wait_ready()
    port = srv.port
    for _ in range(20):
        socks = [srv.connect() for _ in range(2)]
        assert all(echoes(sock) for sock in socks)
        socks[1].shutdown(socket.SHUT_WR)
        socks.append(srv.connect(rcvbuf=4096))
        socks[-1].setblocking(False)
        try:
            while True:
                socks[-1].send(b"s" * 65536)
        except BlockingIOError:
            pass
        socks += [srv.connect() for _ in range(4)]  # more than it takes at once
        srv.proc.kill()
        srv.wait_exit()
        srv = launch("--engine", engine, "--concurrency", "4", f"127.0.0.1:{port}").wait_ready()
        reset(socks.pop(0))
        for sock in socks:
            sock.close()
