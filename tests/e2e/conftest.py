"""Real servers for the tests, and what must hold after every one of them.

A test asks for `server` (a factory) and talks to the real binary over loopback. Ports are always 0; the
real one comes from the "listening on" line. Nothing sleeps blindly: `eventually` waits for a condition.
When the test is over, every server it started is held to the rules of the house (Server.check_and_stop).
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest

ENGINES = ["epoll", "classic"]
PATIENCE = 20  # seconds until a condition that does not come true is a failure; never waited for in full
SANITIZER = re.compile(r"Sanitizer|runtime error:|Assertion")


def pytest_configure(config):
    config.addinivalue_line("markers", "extra: wants other programs; left out of the core tests")


def eventually(condition, what="the condition", patience=PATIENCE):
    """Waits until condition() is true, and returns its value."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come true within {patience} s"
        time.sleep(0.005)


def receive_exactly(sock, count):
    """Reads `count` bytes, or fewer when the stream ends before."""
    chunks = []
    while count > 0:
        chunk = sock.recv(min(count, 1 << 20))
        if not chunk:
            break
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def receive_all(sock):
    """Reads until the peer's end."""
    return receive_exactly(sock, 1 << 62)


def reset(sock):
    """Closes with a reset instead of a FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    sock.close()


def fill(socks):
    """Writes to each until none takes any more and nothing moves. Returns the bytes per socket."""
    total = dict.fromkeys(socks, 0)
    quiet = 0
    for sock in socks:
        sock.setblocking(False)
    while quiet < 20:
        moved = False
        for sock in socks:
            try:
                total[sock] += sock.send(b"n" * 65536)
                moved = True
            except BlockingIOError:
                pass
        quiet = 0 if moved else quiet + 1
        time.sleep(0 if moved else 0.01)
    for sock in socks:
        sock.setblocking(True)
    return total


def tcp_states(port):
    """The states of the connections whose local port this is, as /proc/net/tcp has them: 01 is
    ESTABLISHED, 04 FIN_WAIT1, 05 FIN_WAIT2 (include/net/tcp_states.h)."""
    rows = [line.split() for line in open("/proc/net/tcp").read().splitlines()[1:]]
    return [row[3] for row in rows if row[1].endswith(":%04X" % port)]


def fin_sent(port):
    """Has the server said that it will send no more?"""
    return any(state in ("04", "05") for state in tcp_states(port))


class Server:
    def __init__(self, build, folder, args, prefix=(), env=None, pass_fds=(), preexec=None):
        self.log_path = folder / f"server-{len(list(folder.glob('server-*')))}.log"
        env = {**os.environ, **(env or {})}
        if "strace" in prefix:  # the leak check is a tracer itself, and there can be only one
            env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        with open(self.log_path, "wb") as log:
            self.proc = subprocess.Popen(
                [*prefix, str(build / "meari-server"), *map(str, args)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=env, pass_fds=pass_fds, preexec_fn=preexec)
        self.stopped = False
        self.serves_fresh_clients = True
        self.port = None

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    @property
    def pid(self):
        """The server's own, also behind a prefix such as strace, which runs it as its child."""
        children = pathlib.Path(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children").read_text()
        exe = os.readlink(f"/proc/{self.proc.pid}/exe")
        return self.proc.pid if "meari-server" in exe else int(children.split()[0])

    def wait_log(self, pattern, count=1):
        """Waits until the log holds `count` matches, and returns the last of them."""
        def found():
            hits = list(re.finditer(pattern, self.log, re.M))
            ended = self.proc.poll() is not None
            assert len(hits) >= count or not ended, f"server ended, no {pattern!r} in:\n{self.log}"
            return hits[count - 1] if len(hits) >= count else None
        return eventually(found, f"{pattern!r} in the log")

    def wait_ready(self):
        match = self.wait_log(r'listening on \S+:(\d+), backlog')
        self.port = int(match.group(1))
        self.fds_at_start = self.fds()
        return self

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def switches(self):
        """How often its threads gave up or lost a CPU: constant in a server with nothing to do."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if "ctxt_switches" in line:
                    total += int(line.split()[1])
        return total

    def is_quiet(self):
        before = self.switches()
        time.sleep(0.05)
        return self.switches() == before

    def memory(self):
        """Resident bytes that are the server's own: what it wrote, not what it mapped."""
        text = pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return 1024 * int(re.search(r"^Anonymous:\s+(\d+)", text, re.M).group(1))

    def connect(self, host="127.0.0.1", timeout=PATIENCE, rcvbuf=None):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family)
        if rcvbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        sock.settimeout(timeout)
        sock.connect((host, self.port))
        return sock

    def signal(self, signo):
        os.kill(self.pid, signo)

    def wait_exit(self):
        code = self.proc.wait(PATIENCE)
        self.stopped = True
        assert not SANITIZER.search(self.log), self.log
        return code

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.wait_exit()

    def check_and_stop(self):
        """What must hold after every test: a fresh client is served, no descriptor is left over, the
        server sleeps, and it ends cleanly when asked to."""
        if self.stopped or self.proc.poll() is not None:
            self.wait_exit()
            return
        if self.port and self.serves_fresh_clients:
            with self.connect() as fresh:
                fresh.sendall(b"still there?")
                fresh.shutdown(socket.SHUT_WR)
                assert receive_all(fresh) == b"still there?"
            eventually(lambda: self.fds() == self.fds_at_start, "the descriptors' return")
            eventually(self.is_quiet, "an idle server that sleeps")
        code = self.stop()
        assert code == 0, f"exit code {code}\n{self.log}"


@pytest.fixture(scope="session")
def build():
    root = pathlib.Path(__file__).resolve().parents[2]
    return pathlib.Path(os.environ.get("MEARI_BUILD", root / "build"))


@pytest.fixture
def launch(build, tmp_path):
    """Starts meari-server with exactly these arguments; nothing is waited for."""
    servers = []

    def start(*args, **how):
        server = Server(build, tmp_path, args, **how)
        servers.append(server)
        return server

    yield start
    failed = None
    for server in servers:
        try:
            server.check_and_stop()
        except BaseException as e:  # the others must end too
            failed = failed or e
            if server.proc.poll() is None:
                server.proc.kill()
                server.proc.wait()
    if failed:
        raise failed


@pytest.fixture
def server(launch):
    """Starts meari-server on a free loopback port and waits until it listens."""
    def start(*args, endpoint="127.0.0.1:0", **how):
        return launch(*args, endpoint, **how).wait_ready()
    return start


@pytest.fixture(params=ENGINES)
def engine(request):
    """Each test that asks for it runs once per engine."""
    return request.param


@pytest.fixture
def echo(server, engine):
    """A server on each engine in turn."""
    def start(*args, **how):
        return server("--engine", engine, *args, **how)
    return start
