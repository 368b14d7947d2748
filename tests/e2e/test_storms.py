"""Every byte comes back when each call moves 1 to 3 bytes, is interrupted, or finds nothing ready: server
and client under the shim (tests/harness/shim/shim.h says what it does, and why the kernel could)."""

import errno
import random
import signal
import socket
import threading

import pytest

import shim
from clientrunner import results, run_client
from sockets import receive_all

pytestmark = pytest.mark.skipif(not shim.LIBRARY.exists(), reason=f"{shim.LIBRARY} is not built")

STORMS = ["short", "eintr=3", "eagain", "short,eintr=2,eagain"]


@pytest.fixture(params=STORMS)
def storm(request):
    return request.param


def in_storm(storm, seed):
    return shim.environment(storm=storm, seed=seed)


def send_in_pieces(sock, data, rng):
    while data:
        n = rng.randint(1, 2000)
        sock.sendall(data[:n])
        data = data[n:]


def echo_of(server, seed):
    """What comes back of random bytes, and the bytes; the sending side is closed while much is under way."""
    rng = random.Random(seed)
    data = rng.randbytes(rng.choice([0, 1, 3, 1000, 7919]))
    with server.connect() as sock:
        sender = threading.Thread(target=lambda: (send_in_pieces(sock, data, rng), sock.shutdown(1)))
        sender.start()
        got = receive_all(sock)
        sender.join()
    return got, data


# rows: R06 R08
def test_a_send_that_is_refused_though_there_is_room_is_tried_again(server):
    """As the kernel does when memory for TCP is short. After the first time the socket is watched, which brings an edge; after
    the second none comes, since nothing is under way."""
    srv = server("--engine", "epoll", env=shim.environment(fail=f"send:1:{errno.EAGAIN}:twice"))
    with srv.connect() as sock:
        sock.sendall(b"all the same")
        assert sock.recv(12, socket.MSG_WAITALL) == b"all the same"


# rows: R06
def test_a_server_in_a_storm_is_exact(echo, storm):
    server = echo("--buffer", "1k", env=in_storm(storm, 1))
    outcomes = []
    clients = [threading.Thread(target=lambda seed=seed: outcomes.append(echo_of(server, seed)))
               for seed in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert len(outcomes) == len(clients)
    for got, data in outcomes:
        assert got == data
    assert "dropped" not in server.log


# rows: R06 G01
def test_a_server_drains_in_a_storm_without_losing_a_byte(echo, storm):
    server = echo("--buffer", "1k", env=in_storm(storm, 2))
    data = random.Random(2).randbytes(6000)
    with server.connect() as sock:
        sock.sendall(data)
        server.wait_log("client 1 connected")
        server.signal(signal.SIGTERM)
        assert receive_all(sock) == data
    assert server.wait_exit() == 0


# rows: R06
@pytest.mark.parametrize("seed", range(3))
def test_a_client_in_a_storm_is_exact(server, storm, seed):
    rng = random.Random(seed)
    lines = [bytes(rng.randint(32, 126) for _ in range(rng.randint(0, 2000))) + b"\n" for _ in range(5)]
    outcome = run_client("127.0.0.1", server().port, stdin=b"".join(lines) + b"q\n",
                         env=in_storm(storm, seed))
    assert (outcome.code, outcome.stdout) == (0, results(*lines)), outcome.stderr


# rows: R06
def test_a_raw_client_in_a_storm_is_exact(server, storm):
    data = random.Random(4).randbytes(9999)
    outcome = run_client("--raw", "127.0.0.1", server().port, stdin=data, env=in_storm(storm, 4))
    assert (outcome.code, outcome.stdout) == (0, data), outcome.stderr
