"""The harness bites: a crowd of clients finds each way in which an echo can be wrong, and a bad link is
as bad as it was told to be."""

import contextlib
import socket
import threading

import pytest

import faulty_server
from conftest import PATIENCE, receive_all
from delay_server import DelayServer
from evil_client import FINISH, Crowd
from evil_server import FakeServer, honest
from sockets import receive_exactly
from streams import Exchange, Mismatch, Stream

pytestmark = pytest.mark.once  # no program of ours runs here


def crowd(server, connections=1):
    def connect():
        return socket.create_connection(("127.0.0.1", server.port), PATIENCE)
    return Crowd(connect, seed=1, ends=[FINISH]).run(connections, connections)


def one_byte_wrong(conn):
    while data := conn.read():
        conn.send(data[:-1] + bytes([data[-1] ^ 1]))


def the_last_byte_missing(conn):
    held = b""
    while data := held + conn.read():
        conn.send(data[:-1])
        if held == data:
            break
        held = data[-1:]


def one_byte_more(conn):
    honest(conn)
    conn.send(b"x")


def a_byte_twice(conn):
    while data := conn.read():
        conn.send(data + data[-1:])


def in_another_order(conn):
    held = conn.read()
    while data := conn.read():
        held += data
    conn.send(held[1:] + held[:1])


def too_early_an_end(conn):
    conn.send(conn.read()[:1])


@pytest.mark.parametrize("handler", [one_byte_wrong, the_last_byte_missing, one_byte_more, a_byte_twice,
                                     in_another_order, too_early_an_end], ids=lambda f: f.__name__)
def test_an_echo_that_is_wrong_is_found(handler):
    with FakeServer(handler) as server, pytest.raises((AssertionError, OSError)):
        crowd(server)


def test_bytes_of_another_connection_are_found():
    """Everybody gets what the other one sent."""
    pair = []
    both = threading.Barrier(2)

    def crossed(conn):
        pair.append(conn)
        both.wait(PATIENCE)
        other = next(c for c in pair if c is not conn)
        while data := conn.read():
            other.send(data)
        other.sock.shutdown(socket.SHUT_WR)
    with FakeServer(crossed) as server, pytest.raises((Mismatch, OSError)):
        crowd(server, connections=2)


def test_an_honest_echo_is_not_blamed():
    with FakeServer(honest) as server:
        assert crowd(server, connections=20)[FINISH] == 20


def test_a_stream_does_not_depend_on_how_it_is_read():
    whole, pieces = Stream(5, 6).read(30_000), Stream(5, 6)
    assert b"".join(pieces.read(n) for n in (0, 1, 4095, 4096, 4097, 17_711)) == whole
    assert Stream(5, 7).read(16) != whole[:16] != Stream(6, 6).read(16)


def test_what_was_not_sent_cannot_come_back():
    exchange = Exchange(1, 1)
    data = exchange.to_send(100)
    exchange.sent(60)
    exchange.received(data[:50])
    with pytest.raises(Mismatch, match="1 bytes more than the 60 that were sent"):
        exchange.received(data[50:61])
    with pytest.raises(Mismatch, match="the end after 50 of 60 bytes"):
        exchange.finished()


# --- the faulty echoes, and the late one ---------------------------------------------------------

FIRST, SECOND = b"aaaabbbbccccdddd", b"AAAABBBBCCCCDDDD"
FAULTS = {
    "changed": (faulty_server.changed(5), b"aaaarbbbcsccddtd"),
    "doubled": (faulty_server.doubled(4, 2), b"aaaabbbbbbbbccccdddd"),
    "skipped": (faulty_server.skipped(4, 2), b"aaaaccccdddd"),
    "unasked": (faulty_server.unasked(4, 2, b"!"), b"aaaabbbb!ccccdddd"),
    "swapped": (faulty_server.swapped(4, 2), b"aaaaccccbbbbdddd"),
    "crossed": (faulty_server.crossed(4, 2), b"aaaaBBBBccccdddd"),
    "closing": (faulty_server.closing(6), b"aaaabb"),
    "falling_silent": (faulty_server.falling_silent(6), b"aaaabb"),
}


def connect_in_order(fake, count):
    """So many connections; the server numbers them like this."""
    socks = []
    for _ in range(count):
        socks.append(socket.create_connection(("127.0.0.1", fake.port), PATIENCE))
    return socks


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_strikes_where_it_should(name):
    handler, expected = FAULTS[name]
    with FakeServer(handler) as fake:
        one, two = connect_in_order(fake, 2)
        with one, two:
            one.sendall(FIRST)
            two.sendall(SECOND)
            got = receive_exactly(one, len(expected)), receive_exactly(two, len(SECOND))
            for sock in one, two:
                sock.shutdown(socket.SHUT_WR)
                assert receive_all(sock) == b""
    others = {"changed": b"AAAARBBBCSCCDDTD", "crossed": b"AAAAbbbbCCCCDDDD"}
    assert got == (expected, others.get(name, SECOND))


def test_a_fault_that_resets():
    with FakeServer(faulty_server.resetting(6)) as fake:
        (sock,) = connect_in_order(fake, 1)
        with sock, pytest.raises(ConnectionResetError):
            sock.sendall(FIRST)
            while sock.recv(100):
                pass


def test_the_late_echo_knows_how_late_it_was():
    with DelayServer(size=4, delays_ms=[1, 1, 20]) as late:
        with socket.create_connection(("127.0.0.1", late.port), PATIENCE) as sock:
            for half in FIRST[:6], FIRST[6:]:
                sock.sendall(half)
            assert receive_exactly(sock, len(FIRST)) == b"aaaabbbbddddcccc"
        given = late.given()
    assert len(given) == 4
    assert all(delay >= 1_000_000 for delay in given) and given[3] >= 20_000_000


# --- the bad link, with datagrams in one direction ----------------------------------------------


@pytest.fixture
def datagrams(link):
    """Makes a link and returns it, with send(data) at our end of it and receive() at the other."""
    with contextlib.ExitStack() as socks:
        def make(**faults):
            ours, theirs, bad = link(**faults)
            with theirs.entered():
                there = socks.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            with ours.entered():
                here = socks.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            there.bind((bad.far, 0))
            there.settimeout(PATIENCE)
            here.connect(there.getsockname())
            return bad, here.send, lambda: there.recv(100)
        yield make


def test_a_link_that_loses(datagrams):
    bad, send, receive = datagrams(loss=50)
    for _ in range(200):
        send(b"some")
    for _ in range(50):
        send(b"end")
    got = 0
    while receive() == b"some":
        got += 1
    assert 0 < got < 200
    assert bad.end()["lost"] >= 200 - got


def test_a_link_that_doubles_and_reorders(datagrams):
    _, send, receive = datagrams(double=50, reorder=50, delay=5)
    for i in range(100):
        send(b"%d" % i)
    got = []
    while len(set(got)) < 100:
        got.append(int(receive()))
    assert len(got) > 100 and got != sorted(got)


def test_a_link_that_is_cut(datagrams):
    bad, send, receive = datagrams()
    for _ in range(3):
        send(b"through")
        assert receive() == b"through"
        bad.cut()
        send(b"never")
        bad.heal()
    assert bad.end()["cut"] >= 3


def who_gets_through(bad, send, receive):
    """Which of the first hundred packets."""
    for i in range(100):
        send(b"%d" % i)
    for _ in range(50):
        send(b"end")
    return list(iter(receive, b"end"))


def test_the_same_seed_is_the_same_fate(datagrams):
    once, again, other = (who_gets_through(*datagrams(loss=50, seed=seed)) for seed in (1, 1, 2))
    assert once == again != other
