"""What every test of a program behind a socket needs: to wait for a condition, to read so many bytes, to
end a connection in the ways it can end.

SPDX-License-Identifier: MIT
"""

import fcntl
import socket
import struct
import termios
import time

PATIENCE = 20  # seconds until a condition that does not come true is a failure; never waited for in full


def eventually(condition, what="the condition", patience=PATIENCE):
    """Waits until condition() is true, and returns its value."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come true within {patience} s"
        time.sleep(0.005)


def long_enough(attempt, *limits):
    """Calls attempt(limit) with one limit after the other until it returns true.

    For a program that is given a time limit, and a test that has to do something within it: whoever is stopped for
    longer, by a busy machine, cannot. An attempt returns false if that is what has happened; all else that is wrong
    it asserts. So a test is quick where the machine is, and right everywhere. A limit that the program has by itself
    is tried several times: then the limits are just so many attempts."""
    assert any(attempt(limit) for limit in limits), f"not even {limits[-1]} was enough"


def receive_exactly(sock, count):
    """Reads `count` bytes, or fewer when the stream ends before."""
    chunks = []
    while count > 0:
        chunk = sock.recv(min(count, 1 << 20))
        if not chunk:
            break
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def receive_all(sock):
    """Reads until the peer's end."""
    return receive_exactly(sock, 1 << 62)


def reset(sock):
    """Closes with a reset instead of a FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    sock.close()


def unacknowledged(sock):
    """Bytes of ours that the peer's kernel has not taken yet (SIOCOUTQ)."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0]


def fill(socks):
    """Writes to each until none takes any more and nothing moves. Returns the bytes per socket. (One that its peer has
    ended, as it may when this takes long, takes no more either.)"""
    total = dict.fromkeys(socks, 0)
    quiet = 0
    for sock in socks:
        sock.setblocking(False)
    while quiet < 20:
        moved = False
        for sock in socks:
            try:
                total[sock] += sock.send(b"n" * 65536)
                moved = True
            except (BlockingIOError, ConnectionError):
                pass
        quiet = 0 if moved else quiet + 1
        time.sleep(0 if moved else 0.01)
    for sock in socks:
        sock.setblocking(True)
    return total
