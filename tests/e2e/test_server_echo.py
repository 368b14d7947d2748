"""The echo itself, on every engine: every byte, in order, once, until either side closes."""

import random
import resource
import selectors
import signal
import socket
import threading
import time

import pytest

from conftest import eventually, fill, receive_all, receive_exactly, reset

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


def test_urgent_bytes_stay_in_line(echo):
    with echo().connect() as sock:
        for _ in range(20):
            sock.sendall(b"ab")
            sock.send(b"!", socket.MSG_OOB)
            sock.sendall(b"cd")
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == b"ab!cd" * 20


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


def test_a_client_that_never_reads_costs_a_fixed_amount_and_slows_nobody(echo, build):
    """At most two buffers of ours each, here 40 clients with 256 KiB buffers; the kernel's are capped."""
    buffer = 256 * 1024
    server = echo("--buffer", buffer, "--sndbuf", "64k", "--rcvbuf", "64k")
    with server.connect() as sock:
        sock.sendall(b"warm")
        assert receive_exactly(sock, 4) == b"warm"
    before = server.memory()
    stalled_clients = [server.connect(rcvbuf=16384) for _ in range(40)]
    fill(stalled_clients)
    with server.connect() as lively:
        for i in range(100):
            message = b"%d" % i
            lively.sendall(message)
            assert receive_exactly(lively, len(message)) == message
    grown = server.memory() - before
    sanitized = b"__asan_init" in (build / "meari-server").read_bytes()
    extra = 128 * 1024 if sanitized else 0  # for the sanitizer's allocator and its larger stacks
    assert grown <= len(stalled_clients) * (2 * buffer + extra), f"{grown} bytes"
    for sock in stalled_clients:
        reset(sock)


def test_what_a_stalled_client_wrote_comes_back_when_it_reads(echo):
    with echo("--sndbuf", "32k", "--rcvbuf", "32k").connect(rcvbuf=16384) as sock:
        total = fill([sock])[sock]
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == b"n" * total


def test_resets_at_any_moment(echo):
    server = echo("-q")
    rng = random.Random(5)
    for _ in range(300):
        sock = server.connect()
        if rng.random() < 0.8:
            sock.sendall(rng.randbytes(rng.randrange(1, 100_000)))
            if rng.random() < 0.5:
                assert sock.recv(rng.randrange(1, 1000))
        reset(sock)


def test_reset_while_waiting_in_the_backlog(echo):
    """accept(2) succeeds on a connection that is gone already; getpeername does not."""
    server = echo()
    server.signal(signal.SIGSTOP)
    socks = [server.connect() for _ in range(20)]
    for sock in socks:
        reset(sock)
    server.signal(signal.SIGCONT)
    server.wait_log("client 20 left")
    server.wait_log("gone already", count=20)


def test_800_clients_interleaved_and_no_byte_of_another(echo):
    """Each connection carries a random stream of its own, in pieces that alternate with the others'."""
    server = echo("-q")
    rng = random.Random(8)
    selector = selectors.DefaultSelector()
    clients = []
    for i in range(800):
        sock = server.connect()
        sock.setblocking(False)
        stream = random.Random(f"stream {i}").randbytes(rng.randrange(1, 20_000))
        client = {"sock": sock, "stream": stream, "sent": 0, "got": bytearray()}
        clients.append(client)
        selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, client)
    while selector.get_map():
        ready = selector.select(20)
        assert ready, "nothing moves"
        for key, mask in ready:
            client = key.data
            if mask & selectors.EVENT_READ:
                chunk = client["sock"].recv(65536)
                client["got"] += chunk
                assert client["stream"].startswith(client["got"])
                if not chunk:
                    assert bytes(client["got"]) == client["stream"]
                    selector.unregister(client["sock"])
                    client["sock"].close()
                    continue
            if mask & selectors.EVENT_WRITE and client["sent"] < len(client["stream"]):
                n = rng.randrange(1, 3000)
                client["sent"] += client["sock"].send(client["stream"][client["sent"]:client["sent"] + n])
                if client["sent"] == len(client["stream"]):
                    client["sock"].shutdown(socket.SHUT_WR)
                    selector.modify(client["sock"], selectors.EVENT_READ, client)


def test_more_workers_than_cpus(echo):
    server = echo("-w", "7")
    socks = [server.connect() for _ in range(40)]
    for i, sock in enumerate(socks):
        sock.sendall(b"client %d" % i)
    for i, sock in enumerate(socks):
        assert receive_exactly(sock, len(b"client %d" % i)) == b"client %d" % i
        sock.close()


def test_an_idle_connection_costs_at_most_256_bytes(server, build):
    """Of the server's own memory, as a slope, with as many connections as descriptors allow, up to
    10,000. A sanitizer's allocator adds its own to each, so there only the echo is looked at."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = min(10_000, (hard if hard != resource.RLIM_INFINITY else 1 << 20) - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sanitized = b"__asan_init" in (build / "meari-server").read_bytes()
    srv = server("-q", "--idle-timeout", "1h")
    socks, sizes = [], []
    for step in (most // 2, most):
        while len(socks) < step:
            sock = srv.connect()
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
            socks.append(sock)
        sizes.append(srv.memory())
    slope = (sizes[1] - sizes[0]) / (most - most // 2)
    assert sanitized or slope <= 256, f"{slope:.0f} bytes per connection"
    for sock in socks:
        sock.close()
