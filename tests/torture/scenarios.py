"""The scenarios: what a server or a client goes through while something fails.

Each has a name, the program and its arguments, and a function that plays the other side. Scenario.run()
plays it once, and returns a Run: the process as it ended, and complaints about what was seen outside.

SPDX-License-Identifier: MIT
"""

import json
import os
import pty
import random
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time

import faults
from process import Process

PATIENCE = 8  # seconds for an answer that has to come
NO_PATIENCE = 0.1  # where it may stay out


class Client:
    """A client of the server under torture. It remembers what it sent and got; trouble is no exception."""

    def __init__(self, port, patience, number):
        self.sent = self.got = b""
        self.trouble = None
        self.number = number
        self.random = random.Random(number)
        self.sock = socket.socket()
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self.sock.setsockopt(socket.SOL_SOCKET, option, 8192)
        self.sock.settimeout(patience)
        self._try(lambda: self.sock.connect(("127.0.0.1", port)))

    def _try(self, step):
        if self.trouble:
            return None
        try:
            return step()
        except OSError as e:
            self.trouble = str(e)
            return None

    def _receive(self, count):
        while not self.trouble and len(self.got) < count:
            chunk = self._try(lambda: self.sock.recv(65536))
            if chunk == b"":
                self.trouble = "closed"
            self.got += chunk or b""

    def _send(self, n):
        data = self.random.randbytes(n)
        self.sent += data
        self._try(lambda: self.sock.sendall(data))

    def say(self, n):
        """Sends so much, and waits until it is back."""
        self._send(n)
        self._receive(len(self.sent))

    def finish(self, n):
        """Sends so much and half-closes; all of it has to come back, and then the end."""
        self._send(n)
        self._try(lambda: self.sock.shutdown(socket.SHUT_WR))
        self._receive(1 << 60)
        if self.trouble == "closed" and self.got == self.sent:
            self.trouble = None
        self.sock.close()

    def fill(self):
        """Sends until the server takes no more, and reads nothing."""
        self.sock.settimeout(0.02)
        while not self.trouble:
            data = self.random.randbytes(65536)
            try:
                taken = self.sock.send(data)
                self.sent += data[:taken]
            except TimeoutError:
                break
            except OSError as e:
                self.trouble = str(e)

    def read_to_the_end(self, patience):
        self.sock.settimeout(patience)
        self._receive(1 << 60)
        self.sock.close()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def is_prefix(self):
        return self.sent.startswith(self.got)


class Run:
    """One play: the process, the clients that it served, what an observer has to complain of."""

    def __init__(self):
        self.process = None
        self.clients = []
        self.signalled = False
        self.complaints = []


class ServerScenario:
    program = "meari-server"

    def __init__(self, name, args, play=None, calls=None, libraries=None, start_only=False,
                 tolerates=()):
        self.name, self.args, self.play = name, args, play
        self.calls, self.libraries, self.start_only = calls, libraries, start_only
        self.root_only = "--user" in args
        self.tolerates = tolerates

    def client(self, run):
        client = Client(run.port, run.patience, len(run.clients) + 1)
        run.clients.append(client)
        return client

    def run(self, build, fault=None):
        run = Run()
        run.patience = NO_PATIENCE if fault and fault.mode == "ever" else PATIENCE
        run.process = p = Process(build, self.program, self.args, fault, self.libraries)
        run.port = p.port()
        if run.port:
            if self.play:
                self.play(self, run)
            if p.proc.poll() is None:
                self._end(run, fault)
        p.finish()
        run.complaints += [*self._judge(run, fault), *interrupted(p, fault)]
        return run

    def _end(self, run, fault):
        """A passing fault must have left a server that serves. The fault may concern this client."""
        if not run.signalled and self.play and (not fault or fault.mode == "once"):
            self.client(run).finish(600)
        if not run.signalled:
            run.process.proc.send_signal(signal.SIGTERM)

    def _judge(self, run, fault):
        p = run.process
        if "json" in self.args:
            yield from broken_lines(p.err)
        harmed = [c for c in run.clients if c.trouble]
        for c in run.clients:
            if not c.is_prefix():
                yield f"client {c.number} got other bytes than it sent"
        if p.hung or p.code < 0:
            return
        if p.code == 2 and fault:
            yield from one_line(p, fault)
            return
        if fault and p.code == 1 and (fault.mode == "ever" and (fault.call, fault.code) in faults.ENGINE_FAILS
                                      or fault.call == "syscall"):  # a worker's ring is enabled when it begins
            yield from one_line(p, fault)
            return
        if p.code != 0:
            yield f"exit code {p.code}"
            return
        if not fault:
            yield from (f"client {c.number}: {c.trouble}" for c in harmed)
        elif fault.mode == "once":
            cuts = (fault.call, fault.code) in faults.CUTTING
            if len(harmed) > (1 if cuts and p.report.fired else 0):
                yield from (f"client {c.number}: {c.trouble}" for c in harmed)
        if self.start_only and p.report.fired:
            instead = re.search(b"; serving with (epoll|classic)", p.err)  # the engine that "auto" takes then
            yield from () if instead else self._went_on(fault, p.report)

    def _went_on(self, fault, report):
        """The fault was at the start, and the server runs: is that wanted?"""
        call = report.fired_call
        if report.fired_at == "a library":  # jansson's: then a line has fewer fields
            return
        if call == "socket" and report.option[0] in faults.TOLERATED_FAMILIES:
            return
        if call == "setsockopt":
            if report.option not in faults.TOLERATED_OPTIONS:
                yield f"it went on without setsockopt {report.option}"
        elif call not in faults.TOLERATED_AT_START and call not in self.tolerates \
                and (call, fault.code) not in faults.TOLERATED_ERRORS:
            yield f"it went on as if {call} had not failed"


def broken_lines(log):
    """Each line of a JSON log is an object that says at least this."""
    for line in log.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            said = {}
        if not {"time", "level", "event", "message"} <= set(said):
            yield f"a line of the log is no event: {line}"


def interrupted(p, fault):
    """A call that was interrupted is made again, and nobody notices."""
    if fault and fault.code == "EINTR" and p.code != 0:
        yield "an interruption was the end of it"


def one_line(p, fault):
    """A program that gives up says why: one line, with the system's reason. (Threads may say it at once.)"""
    lines = p.err.decode(errors="replace").splitlines()
    name = os.path.basename(p.words[0])
    errors = {line for line in lines if line.startswith(f"{name}: ") or '"level":"error"' in line}
    errors -= {line for line in errors if "the sandbox is not whole" in line}  # a warning
    if len(errors) != 1:
        yield f"{len(errors)} lines of error, not one: {lines}"
    elif not any(words in min(errors) for words in faults.words(fault)):
        yield f"the reason is not told: {min(errors)}"


# --- what a server goes through ---

def two_at_once(scenario, run):
    """One client talks and half-closes, another one resets in between."""
    a, b = scenario.client(run), scenario.client(run)
    a.say(700)
    b.say(700)
    a.say(300)
    b.reset()
    a.finish(3000)


def one_after_the_other(scenario, run):
    a = scenario.client(run)
    a.say(700)
    b = scenario.client(run)
    a.finish(3000)
    b.say(700)
    b.reset()


def drain(scenario, run):
    """SIGTERM with a client that does not read, and later does."""
    idle, deaf = scenario.client(run), scenario.client(run)
    idle.say(100)
    deaf.fill()
    run.process.proc.send_signal(signal.SIGTERM)
    run.signalled = True
    time.sleep(0.04)  # it does not read: the drain ends meanwhile, or does not; both are fine
    deaf.read_to_the_end(run.patience)
    idle.read_to_the_end(run.patience)
    for c in (idle, deaf):
        if c.trouble == "closed":
            c.trouble = None


# Where clients cannot be accepted any more, the drain is as long as it may be; accepting pauses for a third of that.
SHORT = ["--drain", "300ms"]
OPEN = [*SHORT, "--sandbox", "off"]
SMALL = [*OPEN, "--sndbuf", "4k", "--rcvbuf", "4k", "--buffer", "4k"]
HERE = "127.0.0.1:0"

SERVERS = [
    # the sandbox is "auto" here: what it lacks is said
    ServerScenario("start", [*SHORT, "0", HERE], start_only=True,
                   tolerates={"seccomp_init", "seccomp_load", "syscall"}),
    ServerScenario("start-as-nobody", ["--user", "65534", "--sandbox", "require", HERE], start_only=True),
    ServerScenario("start-epoll", [*OPEN, "--engine", "epoll", "-w", "3", "--sndbuf", "64k",
                                   "--congestion", "reno", HERE], start_only=True),
    ServerScenario("start-classic", [*OPEN, "--classic", HERE], start_only=True),
    ServerScenario("start-json", [*OPEN, "--log-format", "json", "-w", "1", HERE], calls=["alloc"],
                   libraries="libjansson", start_only=True),
    ServerScenario("serve-epoll", ["--engine", "epoll", "-w", "2", *SMALL, HERE], two_at_once),
    # its system calls are liburing's own and pass by the shim: allocations, and what is done by call besides
    ServerScenario("serve-io_uring", ["--engine", "io_uring", "-w", "2", *SMALL, HERE], two_at_once,
                   calls=["alloc", "accept4", "recv", "epoll_ctl"]),
    ServerScenario("serve-json", [*OPEN, "--log-format", "json", "-w", "1", HERE], two_at_once,
                   calls=["alloc", "write"], libraries="libjansson"),
    ServerScenario("serve-classic", ["--engine", "classic", *SMALL, HERE], two_at_once),
    ServerScenario("serve-in-turn", ["--engine", "classic", "--concurrency", "1", *SMALL, HERE],
                   one_after_the_other),
    ServerScenario("drain-epoll", ["--engine", "epoll", "-w", "2", *SMALL, HERE],
                   drain),
    ServerScenario("drain-io_uring", ["--engine", "io_uring", "-w", "2", *SMALL, HERE], drain,
                   calls=["alloc", "accept4", "recv", "epoll_ctl"]),
    ServerScenario("drain-classic", ["--engine", "classic", *SMALL, HERE], drain),
]


# --- what a client goes through ---

class ClientScenario:
    program = "meari-client"

    def __init__(self, name, args, stdin, expected, host="127.0.0.1"):
        self.name, self.args, self.host = name, args, host
        self.stdin, self.expected = stdin, expected
        self.calls = None
        self.root_only = False

    def run(self, build, fault=None):
        run = Run()
        run.process = p = Process(build, self.program, [*self.args, self.host, echo_port(build)],
                                  fault, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            p.proc.stdin.write(self.stdin)
            p.proc.stdin.flush()
        except BrokenPipeError:
            pass
        p.finish()
        run.complaints += [*self._judge(p, fault), *interrupted(p, fault)]
        return run

    def _judge(self, p, fault):
        if p.hung or p.code < 0:
            return
        if not self.expected.startswith(p.out):
            yield f"it printed something else: {p.out[-200:]!r}"
        if p.code == 0:
            if p.out != self.expected:
                yield f"success after {len(p.out)} of {len(self.expected)} bytes"
        elif p.code not in (1, 2) or not fault:
            yield f"exit code {p.code}: {p.err.decode(errors='replace')}"
        else:
            yield from one_line(p, fault)
            if (p.code == 2) == b"connection" in p.err and b"cannot" not in p.err:
                yield f"exit code {p.code} for {p.err}"


class EditorScenario:
    """The client on a terminal, with its editor and its history. What it shows there is not compared."""

    program = "meari-client"
    calls = None
    root_only = False
    name = "client-editor"

    def run(self, build, fault=None):
        run = Run()
        master, slave = pty.openpty()
        with tempfile.TemporaryDirectory(prefix="torture.") as home:
            run.process = p = Process(build, self.program, ["127.0.0.1", echo_port(build)], fault,
                                      stdin=slave, stdout=slave, env={"HOME": home, "TERM": "xterm"})
            os.close(slave)
            shown = self._await(master, b"", b"( q to quit ) ")
            os.write(master, b"hello\r")
            shown = self._await(master, shown, b"server : hello")
            os.write(master, b"q\r")
            self._await(master, shown, b"what never comes")  # until its end
            p.finish()
        os.close(master)
        if not p.hung and p.code > 0:
            run.complaints += one_line(p, fault) if fault else [f"exit code {p.code}"]
        elif not fault and b"server : hello" not in shown:
            run.complaints.append("no echo is shown")
        run.complaints += interrupted(p, fault)
        return run

    @staticmethod
    def _await(master, shown, words):
        """Reads on until the words were shown, or the client is gone."""
        while words not in shown and select.select([master], [], [], PATIENCE)[0]:
            try:
                shown += os.read(master, 4096)
            except OSError:  # EIO: nobody has the terminal open any more
                break
        return shown


echo_server = None


def echo_port(build):
    """An ordinary server for clients, one for each process of the driver."""
    global echo_server
    if not echo_server:
        echo_server = subprocess.Popen([build.folder / "meari-server", "-w", "1", "-q", HERE],
                                       stderr=subprocess.PIPE, env=build.environment,
                                       preexec_fn=end_with_parent)
        line = echo_server.stderr.readline().decode()
        echo_server.port = int(re.search(r":(\d+), backlog", line).group(1))
    return echo_server.port


def end_with_parent():
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


LINES = [b"hello\n", "메아리\n".encode(), b"x" * 20000 + b"\n"]
BYTES = random.Random(7).randbytes(30000)

CLIENTS = [
    ClientScenario("client-lines", [], b"".join(LINES) + b"q\n",
                   b"".join(b"message from server : " + line for line in LINES)),
    ClientScenario("client-raw", ["--raw"], BYTES, BYTES),
    ClientScenario("client-addresses", ["-v"], b"hello\n", b"message from server : hello\n",
                   host="127.0.0.2+127.0.0.1"),
    EditorScenario(),
]


# --- what a bench goes through ---

QUICK = ["--timeout", "100ms", "--connect-timeout", "300ms"]
PATIENT = ["--timeout", f"{PATIENCE}s", "--connect-timeout", f"{PATIENCE}s"]
WRONG_ECHO = "changed", "skipped", "doubled", "reordered", "crossed", "unasked"


class BenchScenario:
    """A run of so many messages. It may fail, or have its troubles, but never say that all is well when it is not."""

    program = "meari-bench"
    root_only = False
    # "not connected yet", for ever: the shim, which disconnects the socket for it, would make events for ever
    not_for_ever = {("getpeername", "ENOTCONN")}

    def __init__(self, name, args, messages, calls=None, libraries=None):
        self.name, self.args, self.messages = name, args, messages
        self.calls, self.libraries = calls, libraries

    def run(self, build, fault=None):
        run = Run()
        args = ["-q", "--json", *self._args(fault), "127.0.0.1", echo_port(build)]
        run.process = p = Process(build, self.program, args, fault, self.libraries, stdout=subprocess.PIPE)
        p.finish()
        run.complaints += [*self._judge(p, fault), *interrupted(p, fault)]
        return run

    def _args(self, fault):
        # where nothing is in its way, or nothing for long, it has time on a busy machine, too
        limits = QUICK if fault and fault.code != "EINTR" else PATIENT
        return [*limits, "-n", self.messages, *self.args]

    def _judge(self, p, fault):
        if p.hung or p.code < 0:
            return
        try:
            report = json.loads(p.out)
        except ValueError:
            report = None
        if p.code not in (0, 1, 2) or p.code > 0 and not fault:
            yield f"exit code {p.code}"
        elif report:
            yield from self._judge_report(p, report)
        elif p.code == 0:
            yield f"success without a report: {p.out[:200]!r}"
        else:
            yield from one_line(p, fault)

    def _judge_report(self, p, report):
        outcome, troubles = report["outcome"], report["troubles"]
        wrong = troubles["total"] + outcome["lost_messages"] > 0 or outcome["cut_short"]
        if sum(troubles["counts"].values()) != troubles["total"]:
            yield f"the troubles do not add up: {troubles}"
        if any(troubles["counts"][kind] for kind in WRONG_ECHO):
            yield f"the echo was right: {troubles['first']}"
        if p.code == 0 and (wrong or outcome["messages"] != self.messages or p.err):
            yield f"success, but {outcome} and {p.err}"
        if p.code > 0 and not wrong and not p.err:
            yield f"exit code {p.code} for no reason that it tells: {outcome}"


class ProbeScenario(BenchScenario):
    """A probe of a server that keeps up. Whatever it says else, it must say why."""

    def __init__(self, name, connections, **how):
        super().__init__(name, [], connections, **how)

    def _args(self, fault):
        return ["--backlog-probe", "--timeout", "2s", "--connect-timeout", "300ms", "-c", self.messages]

    def _judge_report(self, p, report):
        outcome = report["outcome"]
        answered = outcome["served"] + outcome["ended"]
        if outcome["opened"] != answered + outcome["waiting"] + outcome["turned_away"]:
            yield f"the counts do not add up: {outcome}"
        if outcome["wrong"]:
            yield f"the echo was right: {outcome}"
        if outcome["verdict"] == "keeps_up" and outcome["good"] and answered != self.messages:
            yield f"it keeps up, but {outcome}"
        if p.code != (0 if outcome["good"] and outcome["opened"] else 1 if outcome["opened"] else 2) and not p.err:
            yield f"exit code {p.code} for no reason that it tells: {outcome}"


BENCHES = [
    BenchScenario("bench-closed", ["-c", "2", "-t", "2", "--idle", "1", "--depth", "2", "-B", "127.0.0.1"], 12),
    BenchScenario("bench-open", ["-c", "2", "-R", "10k", "-O", "2ms", "-i", "10ms"], 12),
    BenchScenario("bench-crr", ["-c", "2", "--crr"], 8),
    BenchScenario("bench-large", ["-c", "2", "--sndbuf", "4k", "--rcvbuf", "4k", "--congestion", "reno",
                                  "-s", "60000"], 4),
    ProbeScenario("bench-probe", 3),
    BenchScenario("bench-report", ["-c", "1", "-R", "1k"], 1, calls=["alloc", "write"], libraries="libjansson"),
]
