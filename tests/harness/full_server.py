"""A server whose accept queue is full: the kernel drops the SYN of whoever comes, who will try again (listen(2)).

    with FullServer() as full:
        proc = start_bench("-c", 4, f"127.0.0.1:{full.port}")
        full.wait_for_silenced(4)
        full.open()                 # from now on it is an honest echo with room for everybody

SPDX-License-Identifier: MIT
"""

import socket

from evil_server import FakeServer, honest
from sockets import eventually

SYN_SENT = "02"  # <net/tcp_states.h>


class FullServer(FakeServer):
    def __init__(self, host="127.0.0.1", handler=honest):
        super().__init__(handler, host)
        self.host = host
        self.listener.listen(0)  # which admits one
        self.filler = socket.create_connection((host, self.port))
        self.opened = False

    def __enter__(self):
        return self

    def open(self):
        self.listener.listen(64)
        self.opened = True
        self.thread.start()

    def __exit__(self, *how):
        self.filler.close()
        if self.opened:
            super().__exit__(*how)
        else:
            self.listener.close()

    def silenced(self):
        """How many wait for an answer to their SYN, in the network of the calling thread."""
        there = "".join(f"{byte:02X}" for byte in reversed(socket.inet_aton(self.host)))
        with open("/proc/thread-self/net/tcp") as table:
            rows = [line.split() for line in table][1:]
        return sum(row[2] == f"{there}:{self.port:04X}" and row[3] == SYN_SENT for row in rows)

    def wait_for_silenced(self, count):
        eventually(lambda: self.silenced() == count, f"{count} SYNs without an answer")
