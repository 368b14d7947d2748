"""Echo servers that other people wrote: each a context that gives the port on loopback, and ends the server."""

import contextlib
import re
import socketserver
import subprocess
import threading

from procfs import listening_port
from sockets import PATIENCE, eventually


class EchoHandler(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)


@contextlib.contextmanager
def python_echo():
    """Python's own threading server."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), EchoHandler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def socat_echo():
    """A process for each client."""
    proc = subprocess.Popen(["socat", "-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1,fork,backlog=64", "PIPE"],
                            stderr=subprocess.PIPE, text=True)
    try:
        for line in proc.stderr:
            if match := re.search(r"listening on .*:(\d+)", line):
                break
        yield int(match.group(1))
    finally:
        proc.terminate()
        proc.communicate(timeout=PATIENCE)


@contextlib.contextmanager
def ncat_echo():
    proc = subprocess.Popen(["ncat", "-l", "-k", "127.0.0.1", "0", "--exec", "/bin/cat"], stderr=subprocess.DEVNULL)
    try:
        yield eventually(lambda: listening_port(proc.pid), "ncat listens")
    finally:
        proc.terminate()
        proc.wait(PATIENCE)


SERVERS = {"python": python_echo, "socat": socat_echo, "ncat": ncat_echo}
