"""ledger.py -- the books of a soak: what the server's log says, held against what the clients did.

Every load process has a source address of its own, and one connection at a time per port of it. So the
log's "connected" lines, which name the peer, and the clients' reports can be matched one by one, and
audit(), called when nobody is connected, knows:

  - every client that was announced has left, and the ordinals have no gap and no double;
  - who closed cleanly got back all he had sent, and the log says the same number of bytes;
  - of any other, the log's count lies between what came back and what was sent;
  - every announced client is one of ours, and the other way round;
  - the log holds no warning and no error, and no client was ended by the server.

A client that was reset before it was accepted has no peer any more ("gone already"); those are matched by
number. What a killed process had not reported is not expected to be.

SPDX-License-Identifier: MIT
"""

import collections
import json


class Tail:
    """The new whole lines of a file that grows, as JSON."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.rest = b""

    def lines(self):
        *whole, self.rest = (self.rest + self.file.read()).split(b"\n")
        for line in whole:
            try:
                yield json.loads(line)
            except ValueError:
                yield {"level": "error", "message": f"no JSON: {line[:200]!r}"}

    def rewind(self):
        """The file was emptied."""
        self.file.seek(0)
        self.rest = b""

    def close(self):
        self.file.close()


class Ledger:
    def __init__(self, violation, open_at_once):
        self.violation = violation        # called with words
        self.open_at_once = open_at_once  # by one process: so many a killed one leaves unreported
        self.clients = self.left = self.bytes = 0  # so far, by the log
        self.reported = self.checked = 0           # so far, by the clients: connections, bytes
        self.kinds = collections.Counter()
        self.forget()

    def forget(self):
        self.ordinals = collections.defaultdict(collections.deque)  # by peer, as announced
        self.reports = collections.defaultdict(list)                # by peer, as they ended
        self.departures = {}                                        # ordinal: its "left" line
        self.here = set()                                           # ordinals
        self.nameless = 0                                           # announced as gone already
        self.vanished = 0                                           # reset before they had a name
        self.killed = set()                                         # source addresses of processes

    # --- taking down -------------------------------------------------------------------------------

    def log_line(self, line):
        event = line.get("event")
        if line["level"] in ("error", "warning"):
            self.violation(f"the server says: {line['message']}")
        elif event == "connected":
            self._connected(line)
        elif event == "left":
            self._left(line)

    def _connected(self, line):
        client = line["client"]
        self.clients += 1
        if client != self.clients:
            self.violation(f"client {client} was announced as the {self.clients}th")
        self.here.add(client)
        if "peer" in line:
            self.ordinals[line["peer"]].append(client)
        else:
            self.nameless += 1

    def _left(self, line):
        client = line["client"]
        self.left += 1
        self.bytes += line["bytes"]
        if client not in self.here:
            self.violation(f"client {client} left, and was not there")
        self.here.discard(client)
        self.departures[client] = line

    def report(self, line):
        self.reported += 1
        self.checked += line["got"]
        self.kinds[line["kind"]] += 1
        if line["wrong"]:
            self.violation(f"{line['kind']} client {line['source']}: {line['wrong']} "
                           f"(sent {line['sent']}, got {line['got']})")
        self.reports[line["source"]].append(line)

    # --- holding against each other ----------------------------------------------------------------

    def audit(self):
        """Nobody is connected: everything must add up. Begins a new page."""
        if self.here:
            self.violation(f"{len(self.here)} clients never left, one is {min(self.here)}")
        for peer, reports in self.reports.items():
            for line in self._announced(peer, reports):
                self._match(line, self.ordinals[peer].popleft())
        if self.nameless > self.vanished + len(self.killed) * self.open_at_once:
            self.violation(f"{self.nameless} clients were gone already when they were announced, but only "
                           f"{self.vanished} had gone so early")
        for peer, ordinals in self.ordinals.items():
            if ordinals and peer.rsplit(":", 1)[0] not in self.killed:
                self.violation(f"client {ordinals[0]} from {peer} was announced; no client knows of it")
        self.forget()

    def _announced(self, peer, reports):
        """Those of a peer's reports that the log must know. A client that reset its connection at once may
        have been gone before the server saw it, or before it could name it."""
        missing = max(0, len(reports) - len(self.ordinals[peer]))
        early = [line for line in reports if line["how"] == "reset" and line["got"] == 0]
        vanished = sorted(early, key=lambda line: line["sent"])[:missing]
        self.vanished += len(vanished)
        if len(vanished) < missing:
            self.violation(f"a client from {peer} was never announced")
            return []
        return [line for line in reports if not any(line is gone for gone in vanished)]

    def _match(self, line, client):
        left = self.departures.get(client)
        if left is None:
            return  # said above
        sent, got, echoed = line["sent"], line["got"], left["bytes"]
        if left["why"] not in ("closed", "reset by the client", "connection lost"):
            self.violation(f"client {client} was ended by the server: {left['why']}")
        if not got <= echoed <= sent or (line["how"] == "closed" and got != sent):
            self.violation(f"client {client} ({line['kind']}, {line['how']}) sent {sent} and got {got} "
                           f"bytes; the log says {echoed}")
