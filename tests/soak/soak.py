"""soak.py -- a server on each engine under every misbehaviour at once, for as long as you like.

    soak.py [--seed N] [--server PATH] DURATION

Two servers, one on epoll, one on classic, run from the beginning to the end. In cycles of some seconds
three processes of load.py go at each of them: short connections, long streams, readers that are late or
never come, resets, half-closes, an idle crowd. In each cycle one of the processes is killed with SIGKILL,
one is stopped for a second, and so is the server. Then the load winds up, and when nobody is connected
any more the books are audited (ledger.py), descriptors and threads are counted, the server must sleep, and
its memory is measured. served.py judges how that grew: by its slope, when the soak lasted an hour or more.

Prints a line per cycle (and on a terminal one that changes all the time), then a summary. Exit code: 0 all
is well, 1 a promise was broken (each time a line "violation: ..."; the logs are kept), 2 cannot run,
130 ended by Ctrl-C and well so far. --seed repeats what the load decides, not what the kernel does.

SPDX-License-Identifier: MIT
"""
# rows: O04 (both engines)

import argparse
import pathlib
import random
import re
import shutil
import signal
import sys
import tempfile
import time

from served import MIB, CannotGoOn, CannotStart, Served

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENGINES = ["epoll", "classic"]
STOPPED = 1  # seconds of each SIGSTOP
SHOWN = 50   # violations


class Soak:
    def __init__(self, seed):
        self.seed = seed
        self.draw = random.Random(seed)
        self.violations = 0
        self.begin = time.monotonic()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="meari-soak."))
        self.servers = []

    def say(self, words):
        print("\r\033[K" + words if sys.stdout.isatty() else words, flush=True)

    def violation(self, words):
        self.violations += 1
        if self.violations <= SHOWN:
            self.say(f"violation: {words}")

    def state(self):
        """Elapsed time, and the sums so far."""
        elapsed = int(time.monotonic() - self.begin)
        books = [served.ledger for served in self.servers]
        memory = " + ".join(f"{served.memory() / MIB:.1f}" for served in self.servers)
        return (f"{elapsed // 60:3}:{elapsed % 60:02}  {sum(b.reported for b in books):,} connections  "
                f"{sum(b.checked for b in books) / 1e6:,.0f} MB checked  memory {memory} MiB  "
                f"{self.violations} violations")

    # --- a cycle -----------------------------------------------------------------------------------

    def cycle(self, seconds):
        """Load, mischief at moments of chance, quiet."""
        end = time.monotonic() + seconds
        mischief = []
        for served in self.servers:
            served.start_load(seconds)
            for deed in self.kill_client, self.stop_client, self.stop_server:
                mischief.append((end - self.draw.uniform(0.1, 0.8) * seconds, deed, served))
        mischief.sort(key=lambda due: due[0])
        stopped = []
        try:
            while time.monotonic() < end:
                while mischief and mischief[0][0] <= time.monotonic():
                    _, deed, served = mischief.pop(0)
                    deed(served, stopped)
                self.resume(stopped, time.monotonic() - STOPPED)
                self.look()
        finally:
            self.resume(stopped, time.monotonic())
        for served in self.servers:
            served.wind_up()
        self.say(self.state())

    def look(self):
        for served in self.servers:
            served.take_down()
        if sys.stdout.isatty():
            print("\r\033[K" + self.state(), end="", flush=True)
        time.sleep(0.2)

    def kill_client(self, served, _):
        served.kill_a_process(self.draw)

    def stop_client(self, served, stopped):
        self.stop(served.a_process(self.draw), stopped)

    def stop_server(self, served, stopped):
        self.stop(served.proc, stopped)

    def stop(self, proc, stopped):
        proc.send_signal(signal.SIGSTOP)
        stopped.append((time.monotonic(), proc))

    def resume(self, stopped, until):
        while stopped and stopped[0][0] <= until:
            stopped.pop(0)[1].send_signal(signal.SIGCONT)

    # --- from the beginning to the end -------------------------------------------------------------

    def start(self, server):
        for engine in ENGINES:
            self.servers.append(Served(self, engine, server))

    def run(self, seconds):
        length = min(15, max(5, seconds / 6))
        end = self.begin + seconds
        while time.monotonic() + length / 2 < end:
            self.cycle(min(length, end - time.monotonic()))
        for served in self.servers:
            served.end()

    def sum_up(self):
        self.say("")
        for served in self.servers:
            print(served.sum_up())
        if self.servers:
            print(f"seed {self.seed}: {self.violations} violations", flush=True)

    def clean_up(self):
        """Sums up, ends whatever still runs."""
        self.sum_up()
        for served in self.servers:
            served.abandon()
        if self.violations:
            print(f"the logs of the last cycle are in {self.folder}")
        else:
            shutil.rmtree(self.folder)


def duration(text):
    match = re.fullmatch(r"([0-9]+)([smh]?)", text)
    if not match or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no duration such as 30s, 10m or 12h")
    return int(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def main():
    parser = argparse.ArgumentParser(prog="soak", description="Soak a server on each engine.")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--server", default=str(ROOT / "build" / "meari-server"),
                        help="default: build/meari-server")
    parser.add_argument("duration", type=duration)
    args = parser.parse_args()
    soak = Soak(args.seed)
    code = 0
    try:
        soak.start(args.server)
        soak.run(args.duration)
    except KeyboardInterrupt:
        code = 130
    except CannotGoOn as e:
        soak.violation(str(e))
    except CannotStart as e:
        parser.exit(2, f"soak: {e}\n")
    finally:
        soak.clean_up()
    return 1 if soak.violations else code


if __name__ == "__main__":
    sys.exit(main())
