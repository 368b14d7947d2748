#!/usr/bin/env python3
"""relay.py -- a bad network: joins two network namespaces, and loses, delays, reorders and doubles packets.

    relay.py [--seed=N] [--loss=%] [--double=%] [--reorder=%] [--delay=MS] [--jitter=MS] [--mtu=N]
             [--seconds=N] NAMESPACE ADDRESS NAMESPACE ADDRESS

A namespace is a file such as /proc/PID/ns/net. Each gets a TUN device "relay" with its address; what the
kernel sends into one device is read here and, after `delay` and a random part of `jitter`, written into
the other. A reordered packet waits twice as long as it should. For each direction the n-th packet meets
the same fate whenever the seed is the same; which packet is the n-th is up to the kernels.

It says "ready" on standard output. From standard input it takes the lines "cut" (lose everything, also
what is on the way) and "heal", and repeats each when it is in force. At the end of its input, or after
--seconds at the latest, it says how many packets met which fate, and ends.

SPDX-License-Identifier: MIT
"""

import argparse
import collections
import fcntl
import heapq
import itertools
import os
import random
import select
import struct
import subprocess
import sys
import time

from network import entered

TUNSETIFF = 0x400454CA  # <linux/if_tun.h>
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
BATCH = 64  # packets taken from a device before the clock is looked at again


def open_device(namespace, address, mtu):
    """A TUN device is born in the namespace of the thread that opens it, and used from anywhere."""
    with entered(namespace):
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"relay", IFF_TUN | IFF_NO_PI))
        for words in (f"addr add {address}/24 dev relay",
                      "link set relay addrgenmode none",  # or IPv6 has things to say on its own account
                      f"link set relay mtu {mtu} up"):
            subprocess.run(["ip", *words.split()], check=True)
    return fd


class Relay:
    def __init__(self, options):
        self.options = options
        a, b = (open_device(options.namespaces[i], options.addresses[i], options.mtu) for i in (0, 1))
        self.other = {a: b, b: a}
        self.random = {a: random.Random(f"{options.seed} there"), b: random.Random(f"{options.seed} back")}
        self.on_the_way = []  # a heap of (when due, ordinal, device, packet)
        self.ordinal = itertools.count()
        self.is_cut = False
        self.counts = collections.Counter(packets=0, lost=0, doubled=0, reordered=0, cut=0)

    def run(self):
        end = time.monotonic() + self.options.seconds
        poll = select.poll()
        for fd in (*self.other, sys.stdin.fileno()):
            poll.register(fd, select.POLLIN)
        while (now := time.monotonic()) < end:
            due = self.on_the_way[0][0] if self.on_the_way else end
            for fd, _ in poll.poll(1000 * max(0, min(due, end) - now)):
                if fd in self.other:
                    self.take(fd)
                elif not self.obey():
                    return
            self.deliver()

    def obey(self):
        """One command from standard input; False at its end."""
        line = sys.stdin.readline()
        if line:
            self.is_cut = line.strip() == "cut"
            if self.is_cut:
                self.counts["cut"] += len(self.on_the_way)
                self.on_the_way.clear()
            print(line.strip(), flush=True)
        return bool(line)

    def take(self, device):
        """Reads what the kernel sends into a device, and decides what becomes of it."""
        for _ in range(BATCH):
            try:
                packet = os.read(device, 65536)
            except BlockingIOError:
                return
            self.counts["packets"] += 1
            if self.is_cut:
                self.counts["cut"] += 1
                continue
            for wait in self.fate(self.random[device]):
                item = (time.monotonic() + wait, next(self.ordinal), self.other[device], packet)
                heapq.heappush(self.on_the_way, item)

    def fate(self, rng):
        """How long each copy of the next packet is on the way: none, one or two of them. The same draws
        are made for every packet, so that one fault more or less does not change all that follow."""
        o = self.options
        lost, doubled, reordered = (100 * rng.random() < p for p in (o.loss, o.double, o.reorder))
        wait = (o.delay + rng.random() * o.jitter) / 1000
        if lost:
            self.counts["lost"] += 1
            return []
        self.counts["doubled"] += doubled
        self.counts["reordered"] += reordered
        return [wait * (1 + reordered)] * (1 + doubled)

    def deliver(self):
        now = time.monotonic()
        while self.on_the_way and self.on_the_way[0][0] <= now:
            _, _, device, packet = heapq.heappop(self.on_the_way)
            os.write(device, packet)


def main():
    p = argparse.ArgumentParser(allow_abbrev=False)
    p.add_argument("--seed", default="1")
    for name in ("loss", "double", "reorder", "delay", "jitter"):
        p.add_argument(f"--{name}", type=float, default=0)
    p.add_argument("--mtu", type=int, default=1400)
    p.add_argument("--seconds", type=float, default=120)
    p.add_argument("ends", nargs=4)
    options = p.parse_args()
    options.namespaces, options.addresses = options.ends[::2], options.ends[1::2]
    relay = Relay(options)
    print("ready", flush=True)
    relay.run()
    print(*(f"{name}={value}" for name, value in relay.counts.items()))


if __name__ == "__main__":
    main()
