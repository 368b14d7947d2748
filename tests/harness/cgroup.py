"""A control group of one's own, for programs that are to run short of something.

Either version of the hierarchy will do, where it is mounted as usual and we may make groups in it; version 2
has to have the controller enabled for the children of its root. Otherwise Unavailable says why.

    with Cgroup("memory") as group:
        group.limit(64 << 20)
        subprocess.Popen([...], preexec_fn=group.enter)
"""

import contextlib
import itertools
import os
import pathlib

from sockets import eventually

ROOT = pathlib.Path("/sys/fs/cgroup")
FILES = {"memory": ("memory.limit_in_bytes", "memory.max"), "pids": ("pids.max", "pids.max")}
serial = itertools.count()


class Unavailable(Exception):
    pass


class Cgroup:
    def __init__(self, controller):
        self.controller = controller
        self.version = 1 if (ROOT / controller / "cgroup.procs").exists() else 2
        top = ROOT / controller if self.version == 1 else ROOT
        self.path = top / f"meari-test-{os.getpid()}-{next(serial)}"
        try:
            self.path.mkdir()
        except OSError as e:
            raise Unavailable(f"no control group can be made here: {e}") from None
        if not (self.path / FILES[controller][self.version - 1]).exists():
            self.path.rmdir()
            raise Unavailable(f"no controller '{controller}' can be had here")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Whoever was in it must have ended; the kernel may need a moment to notice."""
        def removed():
            with contextlib.suppress(OSError):
                self.path.rmdir()
            return not self.path.exists()
        eventually(removed, "the end of the control group")

    def set(self, file, value):
        try:
            (self.path / file).write_text(str(value))
        except OSError as e:
            raise Unavailable(f"{file}: {e.strerror}") from None

    def get(self, file):
        return (self.path / file).read_text().strip()

    def limit(self, value):
        self.set(FILES[self.controller][self.version - 1], value)

    def enter(self):
        """The calling process, and the children it will have, belong to the group from now on."""
        (self.path / "cgroup.procs").write_text("0")
