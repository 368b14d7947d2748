"""Streams of random bytes that can be told apart, and the check that an echo is one of them.

A Stream is given by a seed and the number of a connection: whoever knows the two knows every byte. An
Exchange is what one connection sent of its stream and what came back. The rule is the echo's promise:
what came back is a beginning of what was sent, at every moment; all of it, when the end was clean. The
streams of two connections share no eight bytes, so a byte of another connection is a Mismatch.

    exchange = Exchange(seed, connection)
    exchange.sent(sock.send(exchange.to_send(1000)))
    exchange.received(sock.recv(65536))
    exchange.finished()

SPDX-License-Identifier: MIT
"""

import random

BLOCK = 4096


class Mismatch(AssertionError):
    pass


class Stream:
    """Endless; read(n) has the next n bytes, however they are cut into pieces."""

    def __init__(self, seed, connection):
        self.key = f"{seed} {connection}"
        self.block = 0
        self.rest = b""

    def read(self, count):
        pieces = [self.rest]
        have = len(self.rest)
        while have < count:
            pieces.append(random.Random(f"{self.key} {self.block}").randbytes(BLOCK))
            self.block += 1
            have += BLOCK
        data = b"".join(pieces)
        self.rest = data[count:]
        return data[:count]


class Exchange:
    def __init__(self, seed, connection):
        self.name = f"seed {seed}, connection {connection}"
        self.stream = Stream(seed, connection)
        self.unsent = b""
        self.flight = bytearray()  # was sent, has not come back
        self.sent_bytes = self.back = 0

    def to_send(self, count):
        """The next `count` bytes of the stream; they stay the next ones until sent() was told."""
        if len(self.unsent) < count:
            self.unsent += self.stream.read(count - len(self.unsent))
        return self.unsent[:count]

    def sent(self, count):
        self.flight += self.unsent[:count]
        self.unsent = self.unsent[count:]
        self.sent_bytes += count

    def received(self, chunk):
        if not self.flight.startswith(chunk):
            raise Mismatch(f"{self.name}: {self._difference(chunk)}")
        del self.flight[:len(chunk)]
        self.back += len(chunk)

    def _difference(self, chunk):
        for i, (due, got) in enumerate(zip(self.flight, chunk)):
            if due != got:
                return (f"at byte {self.back + i} came {chunk[i:i + 16].hex()} "
                        f"instead of {self.flight[i:i + 16].hex()}")
        return f"{len(chunk) - len(self.flight)} bytes more than the {self.sent_bytes} that were sent"

    def finished(self):
        """The end was clean: nothing may be missing."""
        if self.flight:
            raise Mismatch(f"{self.name}: the end after {self.back} of {self.sent_bytes} bytes")
