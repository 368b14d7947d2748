"""The echo servers that are compared: ours, and the rivals in rivals/, each as its framework's good users write it.

Every one listens on 127.0.0.1 with TCP_NODELAY and a backlog of 4096, reads up to 64 KiB at a time, and says
"listening on 127.0.0.1:PORT" on stderr when it does.

SPDX-License-Identifier: MIT
"""

import contextlib
import os
import pathlib
import re
import select
import shutil
import subprocess
import time

SOURCES = pathlib.Path(__file__).resolve().parent / "rivals"
PATIENCE = 20  # seconds until a server that does not listen is given up

# name: (what it is, its own package's question for its version, how many threads it may use)
RIVALS = {
    "epoll": ("plain epoll, edge-triggered, by hand", None, "1"),
    "uring": ("plain io_uring, multishot receive, by hand", None, "1"),
    "threads": ("a thread per connection, blocking calls", None, "1 per connection"),
    "libuv": ("libuv, uv_try_write first", ["pkg-config", "--modversion", "libuv"], "1"),
    "libevent": ("libevent, plain events, edge-triggered",
                 ["pkg-config", "--modversion", "libevent_core"], "1"),
    "libev": ("libev, on epoll", ["dpkg-query", "-W", "-f", "${Version}", "libev-dev"], "1"),
    "go": ("Go's net, a goroutine per connection", ["go", "env", "GOVERSION"],
           "GOMAXPROCS=1, and the runtime's own"),
    "node": ("Node's net, a socket piped into itself", ["node", "--version"],
             "1 for JavaScript, and V8's own"),
}


OURS = "meari-server"

# Our server in other ways, for a comparison by name.
VARIANTS = {
    "by-epoll": ("meari-server --engine epoll", ["--engine", "epoll"]),
    "spinning": ("meari-server --spin 200us", ["--spin", "200us"]),
    "classic": ("meari-server --engine classic: a thread per connection", ["--engine", "classic"]),
    "unconfined": ("meari-server --sandbox off", ["--sandbox", "off"]),
}


class Unavailable(Exception):
    """This server cannot be started here; the text says what is missing."""


def want_built(build):
    """A clone in which nothing was measured yet has nothing to start."""
    for path, name in (build, f"{build.name}/"), (build / "meari-server", f"{build.name}/meari-server"):
        if not path.exists():
            raise Unavailable(f"{name} is missing: run ./dev bench --quick once")


def command(build, name):
    """Starts it on any free port."""
    if name == OURS:
        return ours(build)
    if name in VARIANTS:
        return ours(build, *VARIANTS[name][1])
    if name == "go":
        return [go_program(build), "0"]
    if name == "node":
        if shutil.which("node") is None:
            raise Unavailable("there is no node (nodejs)")
        return ["node", SOURCES / "node_net.js", "0"]
    program = build / "bench" / name
    if not program.exists():
        raise Unavailable(f"not built: its library was not there when {build.name}/ was set up")
    return [program, "0"]


def ours(build, *options):
    workers = [] if "classic" in options else ["-w", "1"]
    return [build / "meari-server", "-q", *workers, *options, "-b", "4096", "127.0.0.1:0"]


def describe(name):
    """What it is, its framework's version (empty where there is none or nobody knows), its threads."""
    if name in VARIANTS:
        return VARIANTS[name][0], "", "1 per connection" if name == "classic" else "1"
    what, question, threads = RIVALS[name]
    if question is None or shutil.which(question[0]) is None:
        return what, "", threads
    answer = subprocess.run(question, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return what, re.sub(r"^(go|v|\d+:)", "", answer.stdout.strip()), threads


def go_program(build):
    """Built by the go command itself, which knows when there is nothing to do."""
    if shutil.which("go") is None:
        raise Unavailable("there is no go (golang-go)")
    program = build / "bench" / "go_net"
    env = {**os.environ, "GOCACHE": str(build.resolve() / "bench" / "go-cache"), "GOPROXY": "off"}
    made = subprocess.run(["go", "build", "-o", program, SOURCES / "go_net.go"], env=env,
                          stderr=subprocess.PIPE, text=True)
    if made.returncode != 0:
        raise Unavailable(f"go build: {made.stderr.strip()}")
    return program


def port_from(proc):
    """Reads stderr until the line with the port."""
    text, end = "", time.monotonic() + PATIENCE
    while not (match := re.search(r"listening on \S+:(\d+)\b.*\n", text)):
        ready, _, _ = select.select([proc.stderr], [], [], max(0, end - time.monotonic()))
        chunk = os.read(proc.stderr.fileno(), 4096) if ready else b""
        if not chunk:
            raise Unavailable(f"does not listen: {text.strip() or 'it says nothing'}")
        text += chunk.decode(errors="replace")
    return int(match.group(1))


@contextlib.contextmanager
def running(command, cpu=None):
    """A server for as long as the block lasts, on that CPU: yields its process and its port."""
    pinned = [] if cpu is None else ["taskset", "-c", str(cpu)]  # which becomes the server
    proc = subprocess.Popen([*pinned, *map(str, command)], stdin=subprocess.DEVNULL,
                            stderr=subprocess.PIPE)
    try:
        yield proc, port_from(proc)
    finally:
        proc.kill()
        proc.wait()
        proc.stderr.close()
