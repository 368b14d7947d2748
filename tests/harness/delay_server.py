"""An echo that answers each message late, by a time that it was told, and knows how late it really was.

It is a process of its own, so that nothing else in the test takes its time. Each message is sent back once
the delay is over, counted from its last byte's arrival, which the kernel notes (SO_TIMESTAMPNS, socket(7)), so
it does not matter when this process woke up; what it really took until the send is noted, too. Delays are used
in turn, message by message over all connections, so a mixture is a list: [1] * 99 + [20].

    with DelayServer(size=64, delays_ms=[1]) as server:
        run_bench("-s", 64, f"127.0.0.1:{server.port}")
        given = server.given()        # nanoseconds, a number for each message, in order

SPDX-License-Identifier: MIT
"""

import ctypes
import heapq
import itertools
import select
import socket
import struct
import subprocess
import sys
import time

PR_SET_TIMERSLACK = 29  # <linux/prctl.h>
SO_TIMESTAMPNS = 35  # <asm-generic/socket.h>


def ahead_ns():
    """How far the time of day, which the kernel's notes are in, is ahead of the monotonic clock. Whoever is
    interrupted between two looks is wrong: of many the closest two count."""
    looks = []
    for _ in range(100):
        before, day, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        looks.append((after - before, day - before))
    return min(looks)[1]


AHEAD_NS = ahead_ns()


class DelayServer:
    def __init__(self, size, delays_ms):
        self.proc = subprocess.Popen([sys.executable, __file__, str(size), *map(str, delays_ms)],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.proc.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.given()

    def given(self):
        """Ends the server. Returns the delay that each message really had."""
        if self.proc.stdin.closed:
            return []
        out, _ = self.proc.communicate()
        return [int(word) for word in out.split()]


def serve(size, delays_ms):
    """Until the end of standard input."""
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)  # sleep to the nanosecond, not the usual 50 us
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)  # inherited: what comes before accept(2) is noted, too
    print(listener.getsockname()[1], flush=True)
    delays = itertools.cycle([int(ms * 1e6) for ms in delays_ms])
    held, due, given = {}, [], []  # connection -> its bytes; heap of (when, order, since, connection, message)
    order = itertools.count()
    while True:
        wait = max(0, due[0][0] - time.monotonic_ns()) / 1e9 if due else None
        ready, _, _ = select.select([sys.stdin, listener, *held], [], [], wait)
        for sock in ready:
            if sock is sys.stdin:
                return given
            if sock is listener:
                conn, _ = listener.accept()
                conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                held[conn] = bytearray()
                continue
            data, arrived = receive(sock)
            if not data:
                del held[sock]
                sock.close()
                continue
            held[sock] += data
            while len(held[sock]) >= size:
                message = bytes(held[sock][:size])
                del held[sock][:size]
                heapq.heappush(due, (arrived + next(delays), next(order), arrived, sock, message))
        while due and due[0][0] <= time.monotonic_ns():
            _, _, since, sock, message = heapq.heappop(due)
            given.append(time.monotonic_ns() - since)
            send(sock, message)


def receive(sock):
    """What came, and when its last byte did, by the monotonic clock."""
    try:
        data, notes, _, _ = sock.recvmsg(65536, 128)
    except ConnectionError:
        return b"", 0
    for _, _, stamp in notes:
        seconds, nanoseconds = struct.unpack("@ll", stamp)
        return data, seconds * 10**9 + nanoseconds - AHEAD_NS
    return data, time.monotonic_ns()


def send(sock, message):
    try:
        sock.sendall(message)
    except OSError:
        pass  # the peer left, as it may


if __name__ == "__main__":
    for delay in serve(int(sys.argv[1]), [float(word) for word in sys.argv[2:]]):
        print(delay)
