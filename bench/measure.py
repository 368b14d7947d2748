"""One measurement at a time: a server on one CPU, a load on another, and what the two cost.

A run is short, a tenth of a second or so; its server lives on and meets the next one.

The load is meari-bench, which checks every byte, and reads its own CPU clock and the server's at the same moments. For
its cost there are two others that do the same work: load, a plain closed loop on epoll (rivals/load.c), and
sockperf.

SPDX-License-Identifier: MIT
"""

import dataclasses
import json
import os
import random
import re
import resource
import select
import socket
import subprocess

import servers

PATIENCE = 20  # seconds until what does not move is a failure


class Failed(Exception):
    """The server, or what measures it, did not do what it should; the text says what."""


class Unmeasurable(Exception):
    """Nobody's fault, but there is no figure; the text says why."""


@dataclasses.dataclass(frozen=True)
class Workload:
    title: str
    key: str  # of its plot's file
    connections: int
    size: int
    depth: int = 1  # messages in flight per connection
    one_cpu: bool = False  # for server and load together
    reconnect: bool = False  # a connection for each message


MANY = Workload("50 connections, 64 bytes", "50x64", 50, 64)
TOGETHER = Workload("50 connections, 64 bytes, server and load on one CPU", "50x64-one-cpu", 50, 64, one_cpu=True)
ONE = Workload("1 connection, 64 bytes", "1x64", 1, 64)
CROWD = Workload("1000 connections, 64 bytes", "1000x64", 1000, 64)
DEEP = Workload("50 connections, 64 bytes, 16 in flight on each", "50x64x16", 50, 64, depth=16)
LARGE = Workload("50 connections, 16 KiB", "50x16k", 50, 16384)
BULK = Workload("8 connections, 16 KiB, 4 in flight on each", "8x16kx4", 8, 16384, depth=4)
SHORT = Workload("50 at a time, a connection for each 64 bytes", "connections", 50, 64, reconnect=True)

WORKLOADS = [MANY, TOGETHER, CROWD, DEEP, LARGE, BULK, SHORT, ONE]


@dataclasses.dataclass(frozen=True)
class Place:
    """Where things run, and for how long."""
    build: object  # the folder with the programs
    server_cpu: int
    load_cpu: int
    seconds: float

    @property
    def warm_up(self):
        """Of a run. Until then all are connected, and the first messages are through."""
        return max(0.1, 0.4 * self.seconds)

    def load(self, *command):
        """A command on the load's CPU."""
        return ["taskset", "-c", str(self.load_cpu), *map(str, command)]

    def bench(self, port, *options, engine="epoll"):
        """meari-bench with its report in JSON; anything but a right echo of everything is Failed."""
        command = self.load(self.build / "meari-bench", "-q", "-J", "--engine", engine, *options,
                            "127.0.0.1", port)
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            report = json.loads(ended.stdout)
        except ValueError:
            raise Failed(ended.stderr.strip() or f"meari-bench ended with {ended.returncode}") from None
        if ended.returncode != 0 or not report["outcome"]["good"]:
            first = report["troubles"]["first"]
            raise Failed(first[0]["text"] if first else f"meari-bench ended with {ended.returncode}")
        return report


def check_exactness(place, command):
    """Random lengths and a deep pipeline, then a half-close with a tail. Failed when a byte is not right."""
    with servers.running(command, place.server_cpu) as (_, port):
        place.bench(port, "-c", 20, "-s", "1:70000", "--depth", 8, "-d", "500ms")
        check_tail(port)


def check_tail(port):
    """Writes until nothing moves any more, half-closes, and only then reads: everything must come, and the end."""
    lot, sent, back = random.Random(7), bytearray(), 0
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
            while select.select([], [sock], [], 0.2)[1]:
                piece = lot.randbytes(10_000)
                sent += piece[:sock.send(piece)]
                if len(sent) > 64 << 20:
                    raise Failed("takes without bounds from a client that does not read")
            sock.shutdown(socket.SHUT_WR)
            while chunk := sock.recv(1 << 16):
                if chunk != sent[back:back + len(chunk)]:
                    raise Failed(f"half-close: a wrong byte after {back} of {len(sent)}")
                back += len(chunk)
    except OSError as e:
        raise Failed(f"half-close: {e} after {back} of {len(sent)} bytes") from e
    if back < len(sent):
        raise Failed(f"half-close: the end came after {back} of {len(sent)} bytes")


def run(place, server, port, workload):
    """One run against that server. Returns its measures."""
    if workload.one_cpu:
        place = dataclasses.replace(place, load_cpu=place.server_cpu)
    way = ["--crr"] if workload.reconnect else ["--depth", workload.depth]
    report = place.bench(port, "-c", workload.connections, "-s", workload.size, *way, "-d", f"{place.seconds:.3f}s",
                         "-O", f"{place.warm_up:.3f}s", "--percentiles", "50,99", "--pid", server.pid)
    outcome, cost, times = report["outcome"], report["cost"], report["response"]["percentiles_ns"]
    if not outcome["messages"] or not cost["server"]["total_ns"]:
        raise Unmeasurable("the server had no CPU in all of a run: the machine is too busy")
    return {
        "server_us": cost["server"]["ns_per_message"] / 1e3,
        "bench_us": cost["bench"]["ns_per_message"] / 1e3,
        "bench_per_server": cost["bench"]["total_ns"] / cost["server"]["total_ns"],
        "rate": outcome["messages_per_s"],
        "busy": cost["server"]["total_ns"] / outcome["elapsed_ns"],
        "p50_us": times["p50"] / 1e3,
        "p99_us": times["p99"] / 1e3,
        "retransmitted": cost["retransmitted_segments"],
        "limited": outcome["limited"],
    }


def run_fresh(place, command, workload):
    """The same against a server of its own."""
    with servers.running(command, place.server_cpu) as (server, port):
        return run(place, server, port, workload)


def run_plain_load(place, command, workload):
    """The same by rivals/load.c."""
    with servers.running(command, place.server_cpu) as (server, port):
        line = subprocess.run(
            place.load(place.build / "bench" / "load", port, workload.connections, workload.size,
                       place.seconds, server.pid), stdout=subprocess.PIPE, text=True)
    if line.returncode != 0:
        raise Failed("load has failed")
    words = line.stdout.split()
    found = dict(zip(words[::2], map(float, words[1::2])))
    return costs(found["client_cpu_ns"] / 1e3, found["server_cpu_ns"] / 1e3, found["messages"])


def run_sockperf(place, size):
    """sockperf in ping-pong over one TCP connection, with the server that it wants: its own. The costs are those of
    its whole life, for all that it sent, warm-up included."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = ["-i", "127.0.0.1", "-p", str(port), "--tcp"]
    server = subprocess.Popen(["taskset", "-c", str(place.server_cpu), "sockperf", "server", *address],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_it_listens(port, server)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        client = subprocess.run(
            place.load("sockperf", "ping-pong", *address, "-m", size, "-t", max(1, round(place.seconds))),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        server_us = cpu_us_of(server.pid)
    finally:
        server.kill()
        server.wait()
    sent = re.search(r"\[Total Run\].*SentMessages=(\d+)", client.stdout)
    if client.returncode != 0 or not sent:
        raise Failed(f"sockperf: {client.stdout.strip().splitlines()[-1:]}")
    spent = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return costs(spent * 1e6, server_us, int(sent.group(1)))


def costs(load_us, server_us, messages):
    return {"bench_us": load_us / messages, "server_us": server_us / messages,
            "bench_per_server": load_us / server_us}


def wait_until_it_listens(port, server):
    """Without calling it: sockperf's server takes whoever calls for a client."""
    wanted = f"0100007F:{port:04X}"
    for _ in range(PATIENCE * 100):
        rows = [line.split() for line in open("/proc/net/tcp").read().splitlines()[1:]]
        if any(row[1] == wanted and row[3] == "0A" for row in rows):
            return
        if server.poll() is not None:
            break
        select.select([], [], [], 0.01)
    raise Failed("sockperf's server does not listen")


def cpu_us_of(pid):
    """To 10 ms: proc(5) counts clock ticks."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")
