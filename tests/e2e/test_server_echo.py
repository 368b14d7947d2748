"""The echo itself, on every engine: every byte, in order, once, until either side closes."""

import random
import resource
import signal
import socket
import threading
import time

import pytest

from conftest import eventually, receive_all, receive_exactly, sanitizer_in

SIZES = [0, 1, 2, 63, 64, 65, 1000, 4096, 65535, 65536, 65537, 131072, 1_000_000, 3_000_000]


def send_in_chunks(sock, data, rng, largest=70_000):
    """Sends all of `data` in chunks of log-uniform length, then ends the stream."""
    at = 0
    while at < len(data):
        n = max(1, int(largest ** rng.random()))
        sock.sendall(data[at:at + n])
        at += n
    sock.shutdown(socket.SHUT_WR)


def round_trip(sock, data, rng):
    sender = threading.Thread(target=send_in_chunks, args=(sock, data, rng))
    sender.start()
    got = receive_all(sock)
    sender.join()
    return got


# rows: P01 P03
@pytest.mark.parametrize("size", SIZES)
def test_sizes_in_random_chunks(echo, size):
    seed = 1000 + size
    rng = random.Random(seed)
    data = rng.randbytes(size)
    with echo().connect() as sock:
        assert round_trip(sock, data, rng) == data, f"seed {seed}"


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_any_buffer_size(echo, size):
    rng = random.Random(size)
    data = rng.randbytes(50_000)
    with echo("--buffer", size).connect() as sock:
        assert round_trip(sock, data, rng) == data


# rows: P02
def test_one_byte_per_segment(echo):
    data = random.Random(2).randbytes(5_000)
    with echo().connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            sock.sendall(data[i:i + 1])
            if i % 7 == 0:
                assert sock.recv(1) == data[i:i + 1]
            elif i % 7 == 6:
                assert receive_exactly(sock, 6) == data[i - 5:i + 1]
        rest = len(data) % 7
        assert receive_exactly(sock, rest - 1 if rest else 0) == data[len(data) - rest + 1:][:rest]


# rows: P04 P05
def test_half_close_is_answered_to_the_last_byte(echo):
    """16 MiB through a reader that starts only after everything was sent."""
    data = random.Random(3).randbytes(1 << 20) * 16
    server = echo()
    with server.connect() as sock:
        sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
        sender.start()
        eventually(lambda: stalled(sock), "a stalled sender")
        assert receive_all(sock) == data
        sender.join()
    server.wait_log(f"{len(data)} bytes echoed$")


def stalled(sock):
    """Does nothing move in the send queue any more? (SIOCOUTQ stays above zero and constant.)"""
    import fcntl
    import struct

    def queued():
        return struct.unpack("i", fcntl.ioctl(sock, 0x5411, b"\0\0\0\0"))[0]
    before = queued()
    time.sleep(0.05)
    return before > 0 and queued() == before


# rows: P10
def test_urgent_bytes_stay_in_line(echo):
    with echo().connect() as sock:
        for _ in range(20):
            sock.sendall(b"ab")
            sock.send(b"!", socket.MSG_OOB)
            sock.sendall(b"cd")
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == b"ab!cd" * 20


# rows: P10
def test_urgent_byte_while_the_server_stands_still(echo):
    """All of it arrives before the server looks: a receive stops at the urgent mark, and the rest
    must not be forgotten behind it."""
    server = echo()
    with server.connect() as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        server.signal(signal.SIGSTOP)
        sock.sendall(b"ab")
        sock.send(b"!", socket.MSG_OOB)
        sock.sendall(b"cd")
        server.signal(signal.SIGCONT)
        assert receive_exactly(sock, 5) == b"ab!cd"


# rows: P10
@pytest.mark.parametrize("ends", [False, True], ids=["goes on", "ends"])
@pytest.mark.parametrize("before", ["quiet for long", "just served", "new"])
def test_urgent_bytes_before_any_other_while_the_server_stands_still(echo, before, ends):
    """A receive that begins at an urgent mark finds nothing while a signal is pending, and nobody says so later."""
    server = echo()
    for _ in range(6):  # a new one may be accepted before or after
        with server.connect() as sock:
            if before != "new":
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"
            if before == "quiet for long":
                time.sleep(0.25)  # whoever was active is looked at again for so long
            server.signal(signal.SIGSTOP)
            sock.send(b"!", socket.MSG_OOB)
            if ends:
                sock.send(b"?", socket.MSG_OOB)
                sock.sendall(b"c")
                sock.shutdown(socket.SHUT_WR)
            server.signal(signal.SIGCONT)
            assert (receive_all(sock) if ends else sock.recv(1)) == (b"!?c" if ends else b"!")


# rows: P10
def test_urgent_bytes_while_signals_come(echo):
    """Signals that are handled are pending for a moment, too."""
    server = echo("-q")
    over = threading.Event()

    def ask_for_figures():
        while not over.wait(0.0002):
            server.signal(signal.SIGUSR1)

    asking = threading.Thread(target=ask_for_figures)
    asking.start()
    try:
        for _ in range(100):
            with server.connect() as sock:
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"
                sock.send(b"!", socket.MSG_OOB)
                sock.shutdown(socket.SHUT_WR)
                assert receive_all(sock) == b"!"
    finally:
        over.set()
        asking.join()


# rows: P04 P05
def test_data_and_fin_at_once(echo):
    """A FIN right behind the data raises no second edge."""
    server = echo()
    with server.connect() as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        server.signal(signal.SIGSTOP)
        sock.sendall(b"last words")
        sock.shutdown(socket.SHUT_WR)
        server.signal(signal.SIGCONT)
        assert receive_all(sock) == b"last words"


def test_more_workers_than_cpus(echo):
    server = echo("-w", "7")
    socks = [server.connect() for _ in range(40)]
    for i, sock in enumerate(socks):
        sock.sendall(b"client %d" % i)
    for i, sock in enumerate(socks):
        assert receive_exactly(sock, len(b"client %d" % i)) == b"client %d" % i
        sock.close()


@pytest.mark.parametrize("engine", ["epoll", "io_uring"])
def test_an_idle_connection_costs_at_most_128_bytes(server, build, engine):
    """Of the server's own memory, as a slope, with as many connections as descriptors allow, up to
    15,000. A sanitizer's allocator adds its own to each, so there only the echo is looked at."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = min(15_000, (hard if hard != resource.RLIM_INFINITY else 1 << 20) - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    srv = server("-q", "-w", "2", "--idle-timeout", "1h", "--engine", engine)
    socks, sizes = [], []
    for step in (most // 2, most):
        while len(socks) < step:
            sock = srv.connect()
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
            socks.append(sock)
        sizes.append(srv.memory())
    # the heap, and what each of two workers keeps by itself, ends with a page that is not full
    grown = sizes[1] - sizes[0] - 3 * resource.getpagesize()
    slope = grown / (most - most // 2)
    assert sanitizer_in(build) or slope <= 128, f"{slope:.1f} bytes per connection"
    for sock in socks:
        sock.close()
