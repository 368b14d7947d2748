"""Clients that are not what they should be: in a crowd, and each checking what comes back.

A Crowd keeps so many connections open at once, each with a stream of its own (streams.py), writes pieces
of random length to whichever is ready, and gives each an end by lot:

    finish   half-closes and reads on: all that was sent must come back, and then the end
    leave    closes with bytes under way: what came back is a beginning of what was sent
    reset    the same, with a reset
    endure   goes on until the server ends it, which must be an end and no reset

A connection that ends makes room for the next, which as a rule gets its descriptor; so a byte that the
server sends to the wrong one of two connections, or to a dead one's successor, is found.

    ended = Crowd(server.connect, seed=5).run(connections=50_000, parallel=200)

SPDX-License-Identifier: MIT
"""

import collections
import random
import selectors
import socket
import time

from sockets import PATIENCE, fill, reset
from streams import Exchange

FINISH, LEAVE, RESET, ENDURE = "finish", "leave", "reset", "endure"


class Member:
    """One connection of a crowd. `length` bytes are sent, then comes the end."""

    def __init__(self, sock, exchange, length, end):
        self.sock, self.exchange, self.end = sock, exchange, end
        self.left = length if end != ENDURE else float("inf")
        sock.setblocking(False)

    def write(self, count):
        data = self.exchange.to_send(min(count, self.left))
        n = self.sock.send(data)
        self.exchange.sent(n)
        self.left -= n

    def read(self):
        """False when there is nothing more to come."""
        chunk = self.sock.recv(65536)
        self.exchange.received(chunk)
        return bool(chunk)


class Crowd:
    def __init__(self, connect, seed, longest=2000, ends=(FINISH, FINISH, LEAVE, RESET)):
        self.connect, self.seed, self.longest, self.ends = connect, seed, longest, ends
        self.random = random.Random(f"crowd {seed}")
        self.selector = selectors.DefaultSelector()
        self.ended = collections.Counter()  # how many met which end
        self.opened = 0
        self.back = 0  # bytes that came back to those who ended

    def run(self, connections, parallel):
        """Returns how many met which end; an echo that is wrong is an exception."""
        try:
            while self.opened < min(connections, parallel):
                self.open()
            while self.selector.get_map():
                self.turn(connections)
        finally:
            for key in list(self.selector.get_map().values()):
                key.fileobj.close()
            self.selector.close()
        return self.ended

    def turn(self, connections):
        ready = self.selector.select(PATIENCE)
        assert ready, f"seed {self.seed}: nothing moves, {len(self.selector.get_map())} are left"
        for key, events in ready:
            if not self.go_on(key.data, events) and self.opened < connections:
                self.open()

    def open(self):
        exchange = Exchange(self.seed, self.opened)
        member = Member(self.connect(), exchange, self.random.randrange(self.longest + 1),
                        self.random.choice(self.ends))
        self.selector.register(member.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, member)
        self.opened += 1

    def go_on(self, member, events):
        """Whatever can be done for one that is ready. False when it has met its end."""
        if events & selectors.EVENT_READ and not self.read(member):
            if member.end != ENDURE:
                member.exchange.finished()
                assert member.left == 0, f"{member.exchange.name}: ended by the server"
            self.close(member)
            return False
        if events & selectors.EVENT_WRITE:
            member.write(1 + self.random.randrange(self.longest))
            if member.left == 0:
                return self.part(member)
        return True

    def read(self, member):
        """False at the end. Whom the server is to end looks for that before it sends any more, or else, after a long
        pause, it would send to one that waits for nothing more, and be reset."""
        more = member.read()
        while more and member.end == ENDURE:
            try:
                more = member.read()
            except BlockingIOError:
                break
        return more

    def part(self, member):
        """It has sent everything. True when it has to stay for the rest of its echo."""
        if member.end == FINISH:
            member.sock.shutdown(socket.SHUT_WR)
            self.selector.modify(member.sock, selectors.EVENT_READ, member)
            return True
        self.close(member)
        return False

    def close(self, member):
        self.selector.unregister(member.sock)
        reset(member.sock) if member.end == RESET else member.sock.close()
        self.ended[member.end] += 1
        self.back += member.exchange.back


class Loris:
    """Many connections that each say one byte now and then: at every turn(). The echo has to come."""

    def __init__(self, connect, count, seed):
        self.last = time.monotonic()
        self.members = [Member(connect(), Exchange(seed, i), 0, ENDURE) for i in range(count)]
        for member in self.members:
            member.sock.settimeout(PATIENCE)

    def turn(self, limit):
        """False where the server has ended one: some must have been silent for as long as the limit, or nearly."""
        last, self.last = self.last, time.monotonic()
        try:
            for member in self.members:
                member.write(1)
            alive = all([member.read() for member in self.members])
        except ConnectionError:
            alive = False
        assert alive or time.monotonic() - last > limit / 2, "one was ended by the server"
        return alive

    def close(self):
        for member in self.members:
            member.sock.close()


def never_readers(connect, count):
    """Connections that wrote until nothing moved any more, with buffers of their own that are small."""
    socks = [connect() for _ in range(count)]
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    fill(socks)
    return socks
