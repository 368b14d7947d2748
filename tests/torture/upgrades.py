"""Two servers, one of which takes over from the other (--takeover), while something fails in one of them.

Whatever fails, somebody serves the port afterwards: the new one, or else the old one.

rows: U02

SPDX-License-Identifier: MIT
"""

import pathlib
import re
import signal
import subprocess
import tempfile
import time

import faults
from process import HANG, Process
from scenarios import HERE, OPEN, PATIENCE, Client, Run, end_with_parent, interrupted, one_line


class Plain:
    """A server in which nothing fails."""

    def __init__(self, build, args):
        self.proc = subprocess.Popen([build.folder / "meari-server", *args], stderr=subprocess.PIPE,
                                     env=build.environment, preexec_fn=end_with_parent)

    def port(self):
        for line in self.proc.stderr:
            found = re.search(rb":(\d+), backlog", line)
            if found:
                return int(found[1])
        return None

    def finish(self):
        try:
            self.err = self.proc.communicate(timeout=HANG)[1]
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.err = self.proc.communicate()[1]
        self.code = self.proc.returncode


class UpgradeScenario:
    program = "meari-server"
    calls = None
    root_only = False

    def __init__(self, name, fails_in_old):
        self.name, self.fails_in_old = name, fails_in_old

    def run(self, build, fault=None):
        run = Run()
        with tempfile.TemporaryDirectory(prefix="torture.") as folder:
            path = pathlib.Path(folder, "takeover")
            args = [*OPEN, "--engine", "epoll", "-w", "1", "--takeover", str(path)]
            if self.fails_in_old:
                old = run.process = Process(build, self.program, [*args, HERE], fault)
            else:
                old = Plain(build, [*args, HERE])
            port, new = old.port(), None
            if port and until(lambda: path.exists(), old):
                args.append(f"127.0.0.1:{port}")
                if self.fails_in_old:
                    new = Plain(build, args)
                else:
                    new = run.process = Process(build, self.program, args, fault)
                self._upgrade(run, fault, port, old, new)
            for server in filter(None, (old, new)):
                if server.proc.poll() is None:
                    server.proc.send_signal(signal.SIGTERM)
                server.finish()
        plain = new if self.fails_in_old else old
        run.complaints += [*self._judge(run.process, plain, fault), *interrupted(run.process, fault)]
        return run

    def _upgrade(self, run, fault, port, old, new):
        # who can never wait for a word does not hear it, and serves beside the other one
        deaf = fault and (fault.call, fault.mode) == ("poll", "ever")
        if not until(lambda: new.proc.poll() is not None, old, 0.5 if deaf else HANG) and not deaf:
            run.complaints.append("neither the old server nor the new one gives way")
        if self.fails_in_old and old.proc.poll() is not None:
            new.port()  # the old one may have ended of the fault, before the new one so much as asked it
        if fault and fault.mode == "ever" and run.process.proc.poll() is None:
            return  # the one that cannot work serves
        clients = [Client(port, PATIENCE, number) for number in (1, 2)]
        for client in clients:
            client.finish(600)
        harmed = [client for client in clients if client.trouble]
        if len(harmed) > (1 if fault and (fault.call, fault.code) in faults.CUTTING else 0):
            run.complaints.append(f"nobody serves any more: {harmed[0].trouble}")

    def _judge(self, p, plain, fault):
        if p.code == 2 and fault and (fault.call, fault.code) == ("connect", "ECONNREFUSED"):
            return  # nobody is there, it was told; so the port is taken
        if p.code == 2 and fault:
            yield from one_line(p, fault)
        elif p.code != 0:
            yield f"exit code {p.code}"
        # the new one may fail, or be ended while it starts and still waits for a word
        fine = (0, 2, -signal.SIGTERM) if fault and self.fails_in_old else (0,)
        if plain and plain.code not in fine:
            yield f"the other one ended with {plain.code}: {plain.err.decode(errors='replace')}"


def until(condition, server, patience=HANG):
    """Waits until it comes true, or the server has ended."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if condition() or server.proc.poll() is not None:
            return True
        time.sleep(0.001)
    return False


UPGRADES = [UpgradeScenario("take-over", fails_in_old=False), UpgradeScenario("hand-over", fails_in_old=True)]
