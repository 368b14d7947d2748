"""Clients that misbehave, one and thousands of them: who is well behaved does not notice, nothing is
left over, and every byte that came back was checked."""

import contextlib
import json
import os
import re
import selectors
import socket
import subprocess
import threading

import pytest

from conftest import (PATIENCE, eventually, fill, long_enough, receive_all, receive_exactly, reset,
                      sanitizer_in)
from evil_client import ENDURE, FINISH, RESET, Crowd, Loris, never_readers


def echoes(sock, message=b"hello"):
    sock.sendall(message)
    return receive_exactly(sock, len(message)) == message


def summary(srv):
    """Ends the server as after every test, and returns the last line of its log in JSON."""
    srv.check_and_stop()
    events = [json.loads(line) for line in srv.log.splitlines()]
    assert all(event["level"] not in ("error", "warning") for event in events
               if event["event"] != "sandbox-lacks"), srv.log
    return events[-1]


# --- resets -------------------------------------------------------------------------------------


# rows: P07
def test_resets_at_any_moment(echo):
    """After any number of bytes sent and read, none included. Each is counted, and nothing else said."""
    srv = echo("--log-format", "json")
    ended = Crowd(srv.connect, seed=7, longest=20_000, ends=[RESET]).run(connections=3000, parallel=20)
    assert ended[RESET] == 3000
    assert summary(srv)["resets"] == 3000


# rows: P08
def test_reset_while_waiting_in_the_backlog(echo):
    """accept(2) succeeds on a connection that is gone already; getpeername does not."""
    srv = echo("-v")
    with srv.standing_still():
        for _ in range(50):
            reset(srv.connect())
    srv.wait_log("^client [0-9]+ connected, and is gone already$", count=50)
    srv.wait_log("^client [0-9]+ left after .*, 0 bytes echoed, reset by the client$", count=50)


# rows: P09
def test_connections_killed_from_outside(echo, network):
    """With ss -K: one that is silent, and one that is stalled with an echo under way."""
    ns = network()
    srv = echo("--sndbuf", "64k", namespace=ns)
    with srv.connect() as silent:
        assert echoes(silent)
        (stalled,) = never_readers(lambda: srv.connect(rcvbuf=4096), 1)
        for sock in (silent, stalled):
            port = sock.getsockname()[1]
            killed = ns.run("ss", "-KHtn", f"sport = :{srv.port} and dport = :{port}")
            if not killed:
                pytest.skip("this kernel lacks CONFIG_INET_DIAG_DESTROY")
            with pytest.raises(ConnectionResetError):
                receive_all(sock)
        stalled.close()
    srv.wait_log("^client [12] left after .*, connection lost$", count=2)


# --- who does not read, or hardly speaks --------------------------------------------------------


def kernel_queues(srv):
    """The server's side of its connections: (memory, limit) of each receive and each send queue, as the
    kernel counts it for ss -m."""
    with srv.inside():
        text = subprocess.run(["ss", "-Htnm", "state", "established", f"sport = :{srv.port}"],
                              check=True, stdout=subprocess.PIPE, text=True).stdout
    found = re.findall(r"skmem:\(r(\d+),rb(\d+),t\d+,tb(\d+),f\d+,w(\d+),", text)
    return [((int(r), int(rb)), (int(w), int(tb))) for r, rb, tb, w in found]


# rows: P11
@pytest.mark.parametrize("count,buffer", [(1, "64k"), (40, "256k"), (500, "64k")])
def test_a_client_that_never_reads_costs_a_fixed_amount_and_slows_nobody(echo, engine, build, count, buffer):
    """At most two buffers of ours each. What the kernel holds is capped by --sndbuf and --rcvbuf."""
    srv = echo("-q", "--buffer", buffer, "--sndbuf", "64k", "--rcvbuf", "64k")
    with srv.connect() as sock:
        assert echoes(sock)
    before = srv.memory()
    stalled = never_readers(lambda: srv.connect(rcvbuf=16384), count)
    with srv.connect() as lively:
        for i in range(100):
            assert echoes(lively, b"%d" % i)
    grown = srv.memory() - before
    extra = 128 * 1024 if sanitizer_in(build) else 0  # for its allocator and larger stacks
    if engine == "io_uring":  # the kernel goes round the ring of buffers: each worker's is touched once
        extra += os.cpu_count() * 128 * 1024 * int(buffer[:-1]) / count
    extra += 64 * 1024 / count  # and once for the thread and the buffer of the lively one
    fixed = count * (2 * 1024 * int(buffer[:-1]) + extra)
    assert grown <= fixed or sanitizer_in(build), f"{grown} bytes"  # a sanitizer keeps books of its own
    queues = kernel_queues(srv)
    assert len(queues) >= count
    for (received, receive_limit), (queued, send_limit) in queues:
        assert receive_limit == send_limit == 2 * 64 * 1024  # the kernel doubles it
        assert received <= 2 * receive_limit and queued <= 2 * send_limit  # by one segment too many
    for sock in stalled:
        reset(sock)


# rows: P11
def test_what_a_stalled_client_wrote_comes_back_when_it_reads(echo):
    with echo("--sndbuf", "32k", "--rcvbuf", "32k").connect(rcvbuf=16384) as sock:
        total = fill([sock])[sock]
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == b"n" * total


# rows: P14
@pytest.mark.once
def test_a_thousand_idle_and_trickling_clients(echo):
    """Who is silent is ended at the limit; who says a byte now and then is not idle, until it stops."""
    long_enough(lambda limit: ends_who_is_silent_only(limit, echo), 2, 8)


def ends_who_is_silent_only(limit, echo):
    """False where we ourselves were stopped for so long that nobody said anything in time."""
    srv = echo("-q", "--idle-timeout", f"{limit}s", "--concurrency", "1100")
    loris = Loris(srv.connect, 500, seed=14)
    with selectors.DefaultSelector() as silent, contextlib.ExitStack() as opened:
        opened.callback(loris.close)
        for _ in range(500):
            silent.register(opened.enter_context(srv.connect()), selectors.EVENT_READ)
        while silent.get_map():
            if not loris.turn(limit):
                return False
            for key, _ in silent.select(limit / 7):
                assert key.fileobj.recv(1) == b""
                silent.unregister(key.fileobj)
                key.fileobj.close()
        with srv.connect() as late:
            assert echoes(late)
        if not loris.turn(limit):
            return False
        for member in loris.members:
            assert not member.read()
    return True


# --- crowds -------------------------------------------------------------------------------------


# rows: P26
def test_hundreds_interleaved_and_no_byte_of_another(echo):
    """Each connection has a random stream of its own; one that ends in any way makes room for the next."""
    srv = echo("-q")
    ended = Crowd(srv.connect, seed=26, longest=20_000).run(connections=5000, parallel=500)
    assert sum(ended.values()) == 5000


# rows: P24
@pytest.mark.once
def test_churn(echo, network):
    """Fifty thousand, two hundred at a time: in a network of their own, for the sake of the ports."""
    srv = echo("--log-format", "json", namespace=network("net.ipv4.ip_local_port_range=1024 65535"))
    ended = Crowd(srv.connect, seed=24, longest=200).run(connections=50_000, parallel=200)
    assert sum(ended.values()) == 50_000
    told = summary(srv)
    assert told["clients"] == 50_001  # with the one that comes after every test
    assert ended[RESET] <= told["resets"] <= 50_000 - ended[FINISH]


# rows: P06
def test_a_lifetime_that_ends_amid_a_crowd_loses_no_byte(echo):
    """Nobody stops sending. Each gets all that the server took and echoed, as the sum of both shows."""
    srv = echo("--log-format", "json", "--max-lifetime", "100ms")
    crowd = Crowd(srv.connect, seed=6, longest=50_000, ends=[ENDURE])
    assert crowd.run(connections=200, parallel=50)[ENDURE] == 200
    told = summary(srv)
    assert (told["bytes"], told["resets"], told["cut"]) == (crowd.back + len(b"still there?"), 0, 0)


# --- the first and the last moment --------------------------------------------------------------


class Knocking:
    """Clients that connect again and again from now on. Each is served, refused or reset: in a moment."""

    def __init__(self, namespace, port, clients=8):
        self.namespace, self.port = namespace, port
        self.served = self.refused = 0
        self.failure = None
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self._knock, daemon=True) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join(2 * PATIENCE)
        assert not self.failure, f"a client was stuck: {self.failure!r}"

    def _knock(self):
        with self.namespace.entered():  # this thread alone
            while not self.done.is_set() and not self.failure:
                try:
                    self._try()
                except ConnectionError:
                    self.refused += 1
                except Exception as e:
                    self.failure = e

    def _try(self):
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as sock:
            sock.sendall(b"hello")
            answer = receive_exactly(sock, 5)
        assert answer in (b"hello", b"")  # nothing from a server whose drain was over
        self.served += answer == b"hello"


# rows: P27
def test_knocking_before_it_is_ready_and_after_it_ended(launch, engine, network):
    """Three servers on one port, one after the other, each slow to get from bind(2) to listen(2) and from
    there to its first accept(2)."""
    ns = network()
    slow = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=listen",
            "-e", "inject=listen:delay_enter=100ms:delay_exit=100ms"]
    with Knocking(ns, 7777) as clients:
        for _ in range(3):
            eventually(lambda refused=clients.refused: clients.refused > refused)
            srv = launch("--engine", engine, "-q", "--drain", "300ms", "127.0.0.1:7777", namespace=ns,
                         prefix=slow).wait_ready()
            eventually(lambda served=clients.served: clients.served > served + 100)
            assert srv.stop() == 0
