"""Servers that are not what they should be: lying, closing, dribbling, silent, greeting unasked.

A `FakeServer` runs a handler of yours, in a thread, for each connection; what the client sent is kept in
`received`. A handler that needs to wait for something waits for the client's end, never for time.

    with FakeServer(flip(5)) as fake:
        run_client(fake.port, stdin=b"hello world\\n")

SPDX-License-Identifier: MIT
"""

import contextlib
import socket
import threading

from sockets import PATIENCE, reset, unacknowledged


class FakeServer:
    def __init__(self, handler, host="127.0.0.1"):
        self.handler = handler
        self.received = bytearray()  # of all connections
        self.failure = None
        self.limit = None
        self.listener = socket.create_server((host, 0))
        self.port = self.listener.getsockname()[1]
        self.live = []
        self.thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def close_after(self, connections):
        """Who comes after so many is refused."""
        self.limit = connections

    def __exit__(self, *_):
        with contextlib.suppress(OSError):  # closed already
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for conn in self.live:
            try:
                conn.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.thread.join(PATIENCE)
        if self.failure:
            raise self.failure

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            conn = Conn(sock, self, number=len(self.live) + 1)
            self.live.append(conn)
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()
            if len(self.live) == self.limit:
                self.listener.close()

    def _serve(self, conn):
        try:
            self.handler(conn)
        except (ConnectionError, OSError):
            pass  # the client left, as it may
        except BaseException as e:
            self.failure = e
        finally:
            conn.sock.close()


class Conn:
    """One connection, as a handler sees it."""

    def __init__(self, sock, fake, number):
        self.sock = sock
        self.fake = fake
        self.number = number  # in the order they came, from 1
        self.buffer = b""
        self.ended = False
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self):
        """Some bytes, or b"" at the client's end."""
        data = self.sock.recv(65536)
        self.fake.received += data
        return data

    def line(self):
        """The next line with its newline, or what is left at the client's end."""
        while b"\n" not in self.buffer and not self.ended:
            data = self.read()
            self.ended = not data
            self.buffer += data
        line, newline, self.buffer = self.buffer.partition(b"\n")
        return line + newline

    def send(self, data):
        self.sock.sendall(data)

    def wait_for_end(self):
        while self.read():
            pass


# --- handlers -----------------------------------------------------------------------------------


def honest(conn):
    """An echo as it should be."""
    while data := conn.read():
        conn.send(data)


def silent(conn):
    """Reads everything and never says a word."""
    conn.wait_for_end()


def line_by_line(answer):
    """Sends answer(line) for each line."""
    def handler(conn):
        while line := conn.line():
            conn.send(answer(line))
    return handler


def dribbling(conn):
    """Each byte in a segment of its own (TCP_NODELAY is on)."""
    while data := conn.read():
        for i in range(len(data)):
            conn.send(data[i:i + 1])


def flip(position):
    """One bit of the byte at `position` (from 1) of each line is wrong."""
    def answer(line):
        wrong = bytearray(line)
        wrong[position - 1] ^= 1
        return bytes(wrong)
    return line_by_line(answer)


def close_after(count, lines=1):
    """Echoes `lines` - 1 lines, then `count` bytes of the next one, and closes."""
    def handler(conn):
        for _ in range(lines - 1):
            conn.send(conn.line())
        conn.send(conn.line()[:count])
        conn.sock.shutdown(socket.SHUT_WR)
        conn.wait_for_end()
    return handler


def reset_after(count):
    """As close_after, but with a reset, once the client has seen the bytes."""
    def handler(conn):
        conn.send(conn.line()[:count])
        while unacknowledged(conn.sock):
            pass
        reset(conn.sock)
    return handler


def with_surplus(surplus):
    """Echoes each line, and adds bytes nobody asked for."""
    return line_by_line(lambda line: line + surplus)


def greeting(words):
    """Speaks first."""
    def handler(conn):
        conn.send(words)
        honest(conn)
    return handler


def flooding(byte):
    """Reads nothing and sends without end."""
    def handler(conn):
        while True:
            conn.send(byte * 65536)
    return handler
