"""A terminal for the tests: a program in a pseudo-terminal of its own, its keys and its screen.

    with Terminal([CLIENT, str(port)]) as t:
        t.wait("quit )")            # the screen shows the prompt
        t.keys("hello\\r")
        t.wait("message from server : hello")

`wait` looks only at what came after the last match, so that a test reads like the conversation. Leaving
the block ends the program and checks that the terminal's modes are what they were before.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from conftest import PATIENCE, SANITIZER, eventually

CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][0-9A-B]|\x1b[=>78M]|[\r\x07]")


class Terminal:
    def __init__(self, command, env=None, rows=24, columns=80, stdin=None, stdout=None):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns, tell=False)
        self.modes = termios.tcgetattr(self.slave)
        self.raw = b""   # everything that reached the terminal
        self.seen = 0    # how much of it `wait` has passed
        self.gone = False
        self.proc = subprocess.Popen(
            command, env=env, start_new_session=True, preexec_fn=self._take_terminal,
            stdin=self.slave if stdin is None else stdin,
            stdout=self.slave if stdout is None else stdout, stderr=self.slave)

    def _take_terminal(self):
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if self.proc.poll() is None:
                self._put_an_end()
                return
            if self.gone:
                return
            self._read()
            if kind is None:
                assert termios.tcgetattr(self.slave) == self.modes, "the terminal's modes changed"
                assert not SANITIZER.search(self.text), self.text
        finally:
            if not self.gone:
                os.close(self.master)
            os.close(self.slave)

    def _put_an_end(self):
        """First as a shell would, so that a build that counts coverage writes what it counted."""
        self.proc.terminate()
        self.proc.send_signal(signal.SIGCONT)
        try:
            self.proc.wait(2)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()

    def hang_up(self):
        """The window is closed, or the line to it cut."""
        os.close(self.master)
        self.gone = True

    def _read(self, timeout=0.0):
        while select.select([self.master], [], [], timeout)[0]:
            data = os.read(self.master, 65536)
            if not data:
                return
            self.raw += data
            timeout = 0

    @property
    def text(self):
        """What reached the screen, without what moves the cursor about."""
        return CONTROL.sub(b"", self.raw).decode(errors="replace")

    def wait(self, words, patience=PATIENCE):
        """Until the screen shows `words` (a string, or a compiled pattern), after what was seen before.
        Returns the match."""
        pattern = words if isinstance(words, re.Pattern) else re.compile(re.escape(words))
        end = time.monotonic() + patience
        while True:
            match = pattern.search(self.text, self.seen)
            if match:
                self.seen = match.end()
                return match
            assert time.monotonic() < end and (self.proc.poll() is None or self._more()), \
                f"no {pattern.pattern!r} after {self.text[:self.seen]!r} in {self.text[self.seen:]!r}"
            self._read(0.05)

    def _more(self):
        before = len(self.raw)
        self._read(0.1)
        return len(self.raw) > before

    def keys(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        while data:
            self._read()  # its echo must not fill the other direction
            data = data[os.write(self.master, data[:512]):]

    def resize(self, rows, columns, tell=True):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            os.kill(self.proc.pid, signal.SIGWINCH)

    def is_raw(self):
        """Does the program read keys one by one?"""
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def end(self):
        """Waits for the program to end by itself. Returns its exit code."""
        def ended():
            self._read()
            return self.proc.poll() is not None
        eventually(ended, f"the program's end; screen: {self.text!r}")
        self._read(0.05)
        return self.proc.returncode
