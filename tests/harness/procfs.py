"""What /proc says about a process: enough to see a leak, and a server that does not sleep.

SPDX-License-Identifier: MIT
"""

import os
import pathlib
import re


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def of_threads(pid, name):
    """This file of each thread. One that ends meanwhile has none: clients' threads do, and the kernel's for io_uring."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            yield (task / name).read_text()
        except (FileNotFoundError, ProcessLookupError):
            pass


def states(pid):
    """The letters that proc(5) has for the states of its threads: T is stopped."""
    return {stat.rsplit(")", 1)[1].split()[0] for stat in of_threads(pid, "stat")}


def switches(pid):
    """How often its threads gave up or lost a CPU: constant in a server with nothing to do."""
    return sum(int(n) for status in of_threads(pid, "status")
               for n in re.findall(r"ctxt_switches:\s+(\d+)", status))


def sleeps(pid):
    """How often its threads went to sleep by themselves."""
    return sum(int(n) for status in of_threads(pid, "status")
               for n in re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M))


def cpu_ticks(pid):
    """Processor time so far, in clock ticks (a hundredth of a second)."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def memory(pid):
    """Resident bytes that are its own: what it wrote, not what it mapped."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * int(re.search(r"^Anonymous:\s+(\d+)", text, re.M).group(1))


def targets(pid):
    """What its descriptors stand for, such as socket:[12345]."""
    found = set()
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(os.readlink(entry))
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


def listening_port(pid):
    """The port of the IPv4 socket that it listens on, where it cannot say so itself; None until it does."""
    own = targets(pid)
    for line in open("/proc/net/tcp").read().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in own:
            return int(fields[1].rsplit(":", 1)[1], 16)
    return None
