"""How far a long job is: one line that is redrawn on a terminal, a line now and then elsewhere.

SPDX-License-Identifier: MIT
"""

import sys
import time

QUIET = 15  # seconds between two lines where they are not redrawn


class Progress:
    def __init__(self, steps):
        self.steps, self.done = steps, 0
        self.begun = time.monotonic()
        self.said = self.begun - QUIET

    def step(self, what):
        """Before each step: what it is."""
        now = time.monotonic()
        text = f"{100 * self.done // self.steps:3} %  {what}"
        if self.done > 0:
            left = (now - self.begun) / self.done * (self.steps - self.done)
            text += f", about {int(left) // 60}:{int(left) % 60:02} left"
        self.done += 1
        if sys.stderr.isatty():
            print(f"\r{text:76.76}", end="", file=sys.stderr, flush=True)
        elif now - self.said >= QUIET:
            self.said = now
            print(text, file=sys.stderr, flush=True)

    def say(self, text):
        """A line that stays."""
        self.clear()
        print(text, file=sys.stderr, flush=True)

    def clear(self):
        if sys.stderr.isatty():
            print(f"\r{'':76}\r", end="", file=sys.stderr, flush=True)
