"""The network misbehaves: it loses, delays, reorders, doubles, cuts, throttles. What gets through is exact.

Each test has networks of its own (tests/harness/network.py); nothing here touches the machine's.
"""

import re
import signal
import socket

import pytest

from clientrunner import finish, start_client
from conftest import ENGINES, PATIENCE, eventually, long_enough, receive_all
from evil_client import FINISH, Crowd
from network import Link
from sockets import unacknowledged
from streams import Exchange, Stream

ANY_ADDRESS = "0.0.0.0:0"  # reached through the link, and on loopback by the check after each test


def across(server, ours):
    """A connect() from our end of a link to the server at the other."""
    def connect():
        with ours.entered():
            return socket.create_connection((Link.far, server.port), PATIENCE)
    return connect


def client_across(server, ours, *args, **how):
    with ours.entered():
        return start_client(*args, Link.far, server.port, **how)


@pytest.fixture
def input_file(tmp_path):
    """The beginning of a stream as a file: for a client whose input must not depend on its output."""
    def make(seed, size):
        data = Stream(seed, "input").read(size)
        (tmp_path / "input").write_bytes(data)
        return data, tmp_path / "input"
    return make


def exact(connect, client, data, seed, longest):
    """Clients that check every byte, and our own one beside them, which echoes `data`."""
    Crowd(connect, seed, longest, ends=[FINISH]).run(connections=4, parallel=4)
    outcome = finish(client)
    assert (outcome.code, outcome.stderr, outcome.stdout == data) == (0, "", True)


# --- a bad link ---------------------------------------------------------------------------------


# rows: P16 (both engines)
@pytest.mark.once
@pytest.mark.parametrize("seed", range(20))
def test_loss_delay_reordering_and_doubles(server, link, input_file, seed):
    """Each engine, with four clients that check every byte and our own client beside them."""
    ours, theirs, bad = link(seed=seed, loss=2, double=1, reorder=5, delay=3, jitter=7)
    data, path = input_file(seed, 100_000)
    for engine in ENGINES:
        srv = server("--engine", engine, endpoint=ANY_ADDRESS, namespace=theirs)
        with open(path, "rb") as stdin:
            client = client_across(srv, ours, "--raw", stdin=stdin)
        exact(across(srv, ours), client, data, seed, longest=100_000)
    counts = bad.end()
    assert counts["lost"] and counts["doubled"] and counts["reordered"], counts


# rows: P18
def test_a_partition_that_heals(echo, link, input_file):
    """In the middle of everything nothing arrives any more, either way; then it goes on as if nothing
    had been."""
    ours, theirs, bad = link(delay=1)
    data, path = input_file(18, 1_000_000)
    srv = echo(endpoint=ANY_ADDRESS, namespace=theirs)
    with open(path, "rb") as stdin:
        client = client_across(srv, ours, "--raw", stdin=stdin)
    with across(srv, ours)() as sock:
        exchange = Exchange(18, "waiting")
        exchange.sent(sock.send(exchange.to_send(1000)))
        exchange.received(sock.recv(1))
        bad.cut()
        exchange.sent(sock.send(exchange.to_send(1000)))
        eventually(lambda: retransmits(sock), "a second attempt of the kernel's")
        bad.heal()
        sock.shutdown(socket.SHUT_WR)
        exchange.received(receive_all(sock))
        exchange.finished()
    outcome = finish(client)
    assert (outcome.code, outcome.stderr, outcome.stdout == data) == (0, "", True)
    assert bad.end()["cut"]


def retransmits(sock):
    """How often the kernel has sent the oldest segment again: tcpi_retransmits, the third byte."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[2]


# rows: P18
def test_a_partition_that_does_not_heal(echo, link):
    """Each side ends by its own limit, and keeps nothing: what is left over of the server's connections,
    which nobody answers, is the kernel's."""
    def attempt(limit):
        ours, theirs, bad = link(delay=1)
        srv = echo("--idle-timeout", f"{3 * limit}ms", endpoint=ANY_ADDRESS, namespace=theirs)
        clients = [client_across(srv, ours, "--timeout", f"{limit}ms", *mode) for mode in ((), ("--raw",))]
        for client in clients:
            client.stdin.write(b"before\n")
            client.stdin.flush()
            client.stdout.readline()
        bad.cut()
        if not all(says_after(client) for client in clients):
            return False
        span = f"{limit}.0 ms" if limit < 1000 else f"{limit // 1000}.0 s"
        for client, progress in zip(clients, ("0 of 6", "7 of 13")):  # of the line; of all
            client.wait(PATIENCE)
            outcome = finish(client)
            if outcome.stderr != f"meari-client: no progress for {span} after {progress} bytes\n":
                return False
            assert outcome.code == 1
        srv.wait_log("left after .*, 7 bytes echoed, idle$", count=2)
        eventually(lambda: srv.fds() == srv.fds_at_start, "the descriptors' return")
        return True
    long_enough(attempt, 300, 1000, 5000)


def says_after(client):
    """Or has it ended because what it said before was late?"""
    try:
        client.stdin.write(b"after\n")
        client.stdin.flush()
        return client.poll() is None
    except BrokenPipeError:
        return False


# rows: P18
@pytest.mark.once
def test_what_is_only_sent_again_does_not_move(echo, link):
    """A connection whose echo the kernel sends in vain again and again is idle as long as one that is
    silent: it leaves before one that came when the silent one was gone."""
    ours, theirs, bad = link(delay=1)
    srv = echo("--idle-timeout", "1s", endpoint=ANY_ADDRESS, namespace=theirs)
    connect = across(srv, ours)
    with connect() as silent, connect() as owed:
        for sock in (silent, owed):
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
        srv.signal(signal.SIGSTOP)
        owed.sendall(b"never comes back")
        eventually(lambda: unacknowledged(owed) == 0)
        bad.cut()
        srv.signal(signal.SIGCONT)
        srv.wait_log("^client 1 left after .*, idle$")
        with srv.connect() as late:
            assert late.recv(1) == b""
        srv.wait_log("^client 3 left after .*, idle$")
        assert re.search("^client 2 left after .*, 17 bytes echoed, idle$", srv.log, re.M), srv.log


# --- loopback, made worse -----------------------------------------------------------------------


def loopback(ns, *commands):
    for command in commands:
        ns.run(*command.split())
    return ns


def exact_on_loopback(echo, ns, input_file, seed, size):
    data, path = input_file(seed, size)
    srv = echo(namespace=ns)
    with ns.entered(), open(path, "rb") as stdin:
        client = start_client("--raw", srv.port, stdin=stdin)
    exact(srv.connect, client, data, seed, longest=size)


# rows: P17
@pytest.mark.once
def test_packets_dropped_at_random(echo, network, input_file):
    # In packets of the usual size, thousands: of the few large ones that loopback carries otherwise, the
    # dice may spare all that hold data.
    ns = loopback(network(), "ip link set lo mtu 1500 gso_max_segs 1")
    ns.drop_at_random(percent=5)
    exact_on_loopback(echo, ns, input_file, 17, 500_000)
    assert retransmitted(ns) > 0


def retransmitted(ns):
    """Segments that had to be sent again in this network."""
    return int(re.search(r"TcpRetransSegs +(\d+)", ns.run("nstat", "-asz", "TcpRetransSegs"))[1])


# rows: P19
def test_a_small_mtu(echo, network, input_file):
    ns = loopback(network(), "ip link set lo mtu 1280")
    exact_on_loopback(echo, ns, input_file, 191, 1_000_000)


# rows: P19
def test_segments_of_88_bytes(echo):
    """The smallest that Linux agrees to, in both directions: the client's SYN asks for it."""
    srv = echo()
    smallest = (socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)

    def connect():
        sock = srv.connect(options=[smallest])
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= 88
        return sock
    Crowd(connect, seed=192, longest=100_000, ends=[FINISH]).run(connections=8, parallel=4)


# rows: P19
@pytest.mark.once
def test_a_rate_limit(echo, network, input_file):
    ns = loopback(network(), "ip link set lo mtu 1500",
                  "tc qdisc add dev lo root tbf rate 8mbit burst 4kb limit 20kb")
    exact_on_loopback(echo, ns, input_file, 193, 100_000)
    assert int(re.search(r"dropped (\d+)", ns.run("tc", "-s", "qdisc", "show", "dev", "lo"))[1]) > 0
