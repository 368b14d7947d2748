"""Private networks for tests: namespaces that a thread steps into, and a bad link between two of them.

A Namespace is the network of a process that ns.sh started; it is gone when the test is, however that
ends. A socket belongs to the namespace it was made in, and a program to the one it was started in:

    with Namespace("net.core.somaxconn=16") as ns:
        with ns.entered():
            sock = socket.create_connection(("127.0.0.1", 7777))

A Link joins two of them through relay.py, which loses, delays, reorders and doubles packets:

    with Link(one, other, seed=3, loss=2, delay=10) as link:
        link.cut()
        link.heal()

SPDX-License-Identifier: MIT
"""

import contextlib
import ctypes
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
NS_SH = ["sh", str(HERE / "ns.sh")]
CLONE_NEWNET = 0x40000000  # <sched.h>
SKF_AD_OFF, SKF_AD_RANDOM = -0x1000, 56  # <linux/filter.h>
TC_ACT_OK, TC_ACT_SHOT = 0, 2  # <linux/pkt_cls.h>
SKIP = 77

libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """No private network can be had here; the text has the reason."""


@contextlib.contextmanager
def entered(path):
    """The calling thread is in the network namespace of this file, and afterwards where it was."""
    with open("/proc/thread-self/ns/net") as home, open(path) as there:
        change_to(there)
        try:
            yield
        finally:
            change_to(home)


def change_to(namespace):
    if libc.setns(namespace.fileno(), CLONE_NEWNET) == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")


def leave_for_a_private_one():
    """From here on the calling thread, and whom it starts, are in a network of their own, until they end."""
    if libc.unshare(CLONE_NEWNET) == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"unshare: {os.strerror(error)}")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class Namespace:
    def __init__(self, *sysctls):
        # it lives while its standard input is open: no longer than we do
        self.holder = subprocess.Popen([*NS_SH, *sysctls, "sh", "-c", "echo; exec cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
        if not self.holder.stdout.readline():
            _, why = self.holder.communicate()
            raise (Unavailable if self.holder.returncode == SKIP else OSError)(why.strip())
        self.path = f"/proc/{self.holder.pid}/ns/net"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.holder.communicate()

    def entered(self):
        return entered(self.path)

    def run(self, *command):
        """Runs a command in it that has to succeed, and returns its output."""
        with self.entered():
            return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def drop_at_random(self, percent):
        """Every packet on loopback is lost with this probability: classic BPF, so no compiler is needed."""
        share = int(percent / 100 * 2**32)
        program = [f"32 0 0 {SKF_AD_OFF + SKF_AD_RANDOM & 0xFFFFFFFF}",  # A = a random number
                   f"53 1 0 {share}",                                    # A >= share: skip the next
                   f"6 0 0 {TC_ACT_SHOT}",
                   f"6 0 0 {TC_ACT_OK}"]
        self.run("tc", "qdisc", "add", "dev", "lo", "clsact")
        self.run("tc", "filter", "add", "dev", "lo", "ingress", "bpf", "direct-action", "bytecode",
                 ",".join([str(len(program)), *program]))


class Link:
    """Between two namespaces: the first has the address `near`, the second `far`."""

    near, far = "10.9.0.1", "10.9.0.2"

    def __init__(self, first, second, **faults):
        if not os.path.exists("/dev/net/tun"):
            raise Unavailable("there is no /dev/net/tun for a bad link")
        options = [f"--{name}={value}" for name, value in faults.items()]
        self.relay = subprocess.Popen(
            [sys.executable, HERE / "relay.py", *options, first.path, self.near, second.path, self.far],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.counts = None
        self._expect("ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def _expect(self, word):
        line = self.relay.stdout.readline()
        if line.strip() != word:
            self.relay.stdin.close()
            raise OSError(f"the relay said {line!r} instead of {word}, exit code {self.relay.wait()}")

    def _command(self, word):
        self.relay.stdin.write(word + "\n")
        self.relay.stdin.flush()
        self._expect(word)

    def cut(self):
        """From now on nothing arrives, and what was on the way is lost."""
        self._command("cut")

    def heal(self):
        self._command("heal")

    def end(self):
        """Returns how many packets met each fate: {"packets": 812, "lost": 15, ...}."""
        if self.counts is None:
            words = self.relay.communicate()[0].split()
            self.counts = {name: int(value) for name, value in (word.split("=") for word in words)}
        return self.counts
