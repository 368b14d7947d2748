"""load.py -- one client process of the soak: many connections at once, every byte checked.

    load.py JSON        {"port", "source", "seed", "number", "seconds", "target", "crowd"}

It begins with a `crowd` that hardly moves, and keeps `target` more connections going for `seconds`, of the
kinds below, drawn from the seed. Then, or at SIGTERM, it opens none any more, lets every transfer come to its
end, and ends itself. It may be stopped, continued and killed at any time.

For each connection that is over it writes one line of JSON to standard output, with one write(2), so that
what a killed process told is whole: kind, the address it came from, bytes sent and got, how it ended, and
in "wrong" what must not have happened (null when all is well).

Kinds:  short    a few KiB at once, half-close, all of it comes back
        talk     message and answer in turn, then a plain close
        stream   up to 16 MiB as fast as it goes, both ways at once
        late     sends and half-closes before it reads at all
        deaf     sends until nothing goes any more and never reads; in the end it either resets the
                 connection or reads all of it
        rude     resets the connection somewhere amid it
        crowd    a byte, a long silence, another byte

SPDX-License-Identifier: MIT
"""

import errno
import heapq
import json
import os
import pathlib
import random
import select
import signal
import socket
import struct
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from streams import Exchange, Mismatch  # noqa: E402

KIB, MIB = 1 << 10, 1 << 20
FOREVER = float("inf")
OVERTIME = 60  # seconds after the load's end in which every transfer must come to its own
IP_BIND_ADDRESS_NO_PORT = 24  # ip(7): connect(2) picks the port, and so knows which pairs are taken

FIN, CLOSE, RESET = "fin", "close", "reset"
WEIGHTS = {"short": 700, "talk": 170, "stream": 6, "late": 14, "deaf": 5, "rude": 105}  # of 1000


class Plan:
    """What one connection is going to do."""

    def __init__(self, kind, draw):
        self.kind = kind
        self.size = 1 + draw.randrange(4 * KIB)
        self.ahead = FOREVER      # how many bytes may be on their way
        self.deaf_for = 0         # seconds before it reads
        self.silent_for = 0       # seconds before it sends the rest after its first byte
        self.reset_after = None   # seconds
        self.end = FIN
        getattr(self, "_" + kind)(draw)

    def _short(self, draw):
        pass

    def _talk(self, draw):
        self.size = 200 + draw.randrange(20 * KIB)
        self.ahead = 1 + draw.randrange(2 * KIB)
        self.end = CLOSE

    def _stream(self, draw):
        self.size = MIB + draw.randrange(15 * MIB)

    def _late(self, draw):
        self.size = 100 * KIB + draw.randrange(2 * MIB)
        self.deaf_for = draw.uniform(0, 2)

    def _deaf(self, draw):
        self.size = 64 * MIB  # more than all the kernel's buffers take
        self.deaf_for = draw.uniform(0.5, 4)
        if draw.random() < 0.5:
            self.reset_after, self.deaf_for = self.deaf_for, FOREVER

    def _rude(self, draw):
        self.size = 1 + draw.randrange(MIB)
        self.reset_after = draw.choice([0, draw.uniform(0, 0.05)])

    def _crowd(self, draw):
        self.size = 2
        self.ahead = 1
        self.silent_for = draw.uniform(1, 60)


def connect(source, port):
    """A connection under way, from an address of our own."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    sock.bind((source, 0))
    code = sock.connect_ex(("127.0.0.1", port))
    if code not in (0, errno.EINPROGRESS):
        sock.close()
        raise OSError(code, os.strerror(code))
    return sock


class Connection:
    def __init__(self, load, plan, name):
        self.load, self.plan = load, plan
        self.exchange = Exchange(load.seed, name)
        self.mask = None  # what epoll was asked for
        self.shut = False
        now = time.monotonic()
        self.reads_at = now + plan.deaf_for
        self.sends_at = 0
        self.resets_at = FOREVER if plan.reset_after is None else now + plan.reset_after
        self.sock = connect(load.source, load.port)
        self.source = "%s:%d" % self.sock.getsockname()
        load.connections[self.sock.fileno()] = self
        for when in (self.reads_at, self.resets_at):
            if when < FOREVER:
                load.wake(when, self)

    @property
    def sent(self):
        return self.exchange.sent_bytes

    @property
    def got(self):
        return self.exchange.back

    def sendable(self):
        """How many bytes may be sent now."""
        return min(self.plan.size - self.sent, self.plan.ahead - (self.sent - self.got))

    def update(self):
        """Tells epoll what is waited for: sending while there is something to send, reading in time."""
        now = time.monotonic()
        mask = select.EPOLLIN if now >= self.reads_at else 0
        if self.sendable() > 0 and now >= self.sends_at:
            mask |= select.EPOLLOUT
        if self.mask is None:
            self.load.epoll.register(self.sock, mask)
        elif mask != self.mask:
            self.load.epoll.modify(self.sock, mask)
        self.mask = mask

    def on_event(self, events):
        try:
            if events & select.EPOLLOUT and self.sendable() > 0:
                self.send()
            if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                self.receive()
        except BlockingIOError:
            pass
        except (OSError, Mismatch) as e:
            self.over("lost", str(e))
        if self.sock:
            self.update()

    def send(self):
        self.exchange.sent(self.sock.send(self.exchange.to_send(min(self.sendable(), 64 * KIB))))
        if self.sent == 1 and self.plan.silent_for and not self.load.ending:
            self.sends_at = time.monotonic() + self.plan.silent_for
            self.load.wake(self.sends_at, self)
        self.shut_if_all_sent()

    def shut_if_all_sent(self):
        if self.sent == self.plan.size and self.plan.end == FIN and not self.shut:
            self.shut = True
            self.sock.shutdown(socket.SHUT_WR)

    def receive(self):
        data = self.sock.recv(256 * KIB)
        self.exchange.received(data)
        if not data:
            self.exchange.finished()
            self.over("closed", None if self.shut else "ended by the server")
        elif self.plan.end == CLOSE and self.got == self.plan.size:
            self.over("closed")

    def on_time(self):
        now = time.monotonic()
        if now >= self.resets_at:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.over("reset")
        else:
            self.update()

    def hurry(self):
        """The load is over: what was sent is to come back, no more will be."""
        if self.resets_at != FOREVER:
            self.resets_at = 0
            self.on_time()
            return
        self.plan.size = max(self.sent, 1)
        self.reads_at = self.sends_at = 0
        if self.plan.end == CLOSE and self.got == self.plan.size:
            self.over("closed")
            return
        try:
            self.shut_if_all_sent()
            self.update()
        except OSError as e:
            self.over("lost", str(e))

    def over(self, how, wrong=None):
        del self.load.connections[self.sock.fileno()]
        self.sock.close()
        self.sock = None
        self.load.tell(kind=self.plan.kind, source=self.source, sent=self.sent, got=self.got, how=how,
                       wrong=wrong)


class Load:
    def __init__(self, port, source, seed, number, seconds, target, crowd):
        self.port, self.source, self.seed, self.number = port, source, seed, number
        self.target, self.crowd = target, crowd
        self.draw = random.Random(f"{seed}/{number}")
        self.epoll = select.epoll()
        self.connections = {}  # by descriptor
        self.alarms = []
        self.opened = 0
        self.ending = False
        self.overtime = FOREVER
        self.end = time.monotonic() + seconds
        signal.signal(signal.SIGTERM, self.end_now)

    def end_now(self, *_):
        self.end = 0

    def tell(self, **line):
        os.write(1, json.dumps(line).encode() + b"\n")

    def wake(self, when, connection):
        heapq.heappush(self.alarms, (when, id(connection), connection))

    def open(self, kind):
        self.opened += 1
        connection = Connection(self, Plan(kind, self.draw), f"{self.number}/{self.opened}")
        connection.update()

    def open_more(self):
        kinds, weights = zip(*WEIGHTS.items())
        while self.opened < self.crowd:
            self.open("crowd")
        for _ in range(self.target + self.crowd - len(self.connections)):
            try:
                self.open(self.draw.choices(kinds, weights)[0])
            except OSError as e:
                if e.errno != errno.EADDRNOTAVAIL:
                    raise
                return  # every port of ours was used within the last seconds: later

    def turn(self):
        """Opens what is missing, waits, and serves what happened."""
        now = time.monotonic()
        if now < self.end:
            self.open_more()
        elif not self.ending:
            self.ending = True
            self.overtime = now + OVERTIME
            for connection in list(self.connections.values()):
                connection.hurry()
        elif now > self.overtime:
            for connection in list(self.connections.values()):
                connection.over("lost", f"no end within {OVERTIME} s")
        soon = self.alarms[0][0] - now if self.alarms else 0.05
        for fd, events in self.epoll.poll(max(0, min(soon, 0.05)), 256):
            if fd in self.connections:
                self.connections[fd].on_event(events)
        while self.alarms and self.alarms[0][0] <= time.monotonic():
            connection = heapq.heappop(self.alarms)[2]
            if connection.sock:
                connection.on_time()

    def run(self):
        while not self.ending or self.connections:
            self.turn()


if __name__ == "__main__":
    Load(**json.loads(sys.argv[1])).run()
