"""Real servers for the tests, and what must hold after every one of them.

A test asks for `server` (a factory) and talks to the real binary over loopback. Ports are always 0; the
real one comes from the "listening on" line. Nothing sleeps blindly: `eventually` waits for a condition.
When the test is over, every server it started is held to the rules of the house (Server.check_and_stop).
"""

import contextlib
import functools
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))

import procfs
from deprived import WITHOUT_PROC
from evil_server import FakeServer, honest
from network import NS_SH, SKIP, Link, Namespace, Unavailable, leave_for_a_private_one
from sockets import PATIENCE, eventually, fill, long_enough, receive_all, receive_exactly, reset

ENGINES = ["epoll", "classic", "io_uring"]
SANITIZER = re.compile(r"Sanitizer|runtime error:|Assertion")
PREFIX = os.environ.get("MEARI_PREFIX", "").split()  # of every program: valgrind with its options


def pytest_configure(config):
    config.addinivalue_line("markers", "extra: wants other programs; left out of the core tests")
    config.addinivalue_line("markers", "once: heavy, or not for sanitizers; with the release build only")
    if hasattr(config, "workerinput"):  # one of several that run at once: none takes a port from another
        leave_for_a_private_one()


def tcp_states(port):
    """The states of the connections whose local port this is, as /proc/net/tcp has them: 01 is
    ESTABLISHED, 04 FIN_WAIT1, 05 FIN_WAIT2 (include/net/tcp_states.h)."""
    rows = [line.split() for line in open("/proc/net/tcp").read().splitlines()[1:]]
    return [row[3] for row in rows if row[1].endswith(":%04X" % port)]


def fin_sent(port):
    """Has the server said that it will send no more?"""
    return any(state in ("04", "05") for state in tcp_states(port))


@functools.cache
def sanitizer_in(build):
    """b"asan" or b"tsan" where the programs have one, or None."""
    match = re.search(rb"__([at]san)_init", (build / "meari-server").read_bytes())
    return match and match[1]


class Server:
    def __init__(self, build, folder, args, prefix=(), env=None, pass_fds=(), preexec=None,
                 namespace=None, program=None):
        self.namespace = namespace
        self.log_path = folder / f"server-{len(list(folder.glob('server-*')))}.log"
        env = {**os.environ, **(env or {})}
        if "strace" in prefix:  # the leak check is a tracer itself, and there can be only one
            env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        with open(self.log_path, "wb") as log, self.inside():
            self.proc = subprocess.Popen(
                [*prefix, *PREFIX, str(program or build / "meari-server"), *map(str, args)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=env, pass_fds=pass_fds, preexec_fn=preexec)
        self.stopped = False
        # while threads are being made ThreadSanitizer may give a signal to one of its own, for good
        self.loses_signals = sanitizer_in(build) == b"tsan"
        self.serves_fresh_clients = True
        self.gives_little_time = not {"--idle-timeout", "--max-lifetime"}.isdisjoint(args)
        self.port = None

    def inside(self):
        """While this lasts we are in the server's network, where that is a private one."""
        return self.namespace.entered() if self.namespace else contextlib.nullcontext()

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    @property
    def pid(self):
        """The server's own, also behind a prefix such as strace, which runs it as its child. (valgrind
        does not: it becomes the program, under its own name.)"""
        children = pathlib.Path(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children").read_text()
        exe = os.readlink(f"/proc/{self.proc.pid}/exe")
        return self.proc.pid if re.search("meari-server|valgrind", exe) else int(children.split()[0])

    def wait_log(self, pattern, count=1):
        """Waits until the log holds `count` matches, and returns the last of them."""
        def found():
            ended = self.proc.poll() is not None  # looked at first: its last words may come in between
            hits = list(re.finditer(pattern, self.log, re.M))
            assert len(hits) >= count or not ended, f"server ended, no {pattern!r} in:\n{self.log}"
            return hits[count - 1] if len(hits) >= count else None
        return eventually(found, f"{pattern!r} in the log")

    def wait_ready(self):
        match = self.wait_log(r'listening on \S+:(\d+), backlog')
        self.port = int(match.group(1))
        self.fds_at_start = self.fds()
        return self

    def fds(self):
        return procfs.fds(self.pid)

    def threads(self):
        return procfs.threads(self.pid)

    def switches(self):
        return procfs.switches(self.pid)

    def cpu_ticks(self):
        return procfs.cpu_ticks(self.pid)

    def is_quiet(self):
        before = self.switches()
        time.sleep(0.05)
        return self.switches() == before

    def memory(self):
        return procfs.memory(self.pid)

    def connect(self, host="127.0.0.1", timeout=PATIENCE, rcvbuf=None, options=()):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with self.inside():
            sock = socket.socket(family)
        if rcvbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        for option in options:
            sock.setsockopt(*option)
        sock.settimeout(timeout)
        sock.connect((host, self.port))
        return sock

    def signal(self, signo):
        if self.loses_signals:
            time.sleep(0.02)
            self.loses_signals = False
        os.kill(self.pid, signo)

    @contextlib.contextmanager
    def standing_still(self):
        """While this lasts it does nothing. (kill(2) returns before all threads have stopped.)"""
        self.signal(signal.SIGSTOP)
        try:
            eventually(lambda: procfs.states(self.pid) <= {"T", "t"}, "threads that have all stopped")
            yield
        finally:
            self.signal(signal.SIGCONT)

    def wait_exit(self):
        code = self.proc.wait(PATIENCE)
        self.stopped = True
        assert not SANITIZER.search(self.log), self.log
        return code

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.wait_exit()

    def serves_a_fresh_client(self):
        """False where it is given little time, which was over before it had said anything."""
        try:
            with self.connect() as fresh:
                fresh.sendall(b"still there?")
                fresh.shutdown(socket.SHUT_WR)
                got = receive_all(fresh)
        except ConnectionError:
            assert self.gives_little_time
            return False
        assert got == b"still there?" or (got == b"" and self.gives_little_time)
        return got != b""

    def check_and_stop(self):
        """What must hold after every test: a fresh client is served, no descriptor is left over, the
        server sleeps, and it ends cleanly when asked to."""
        if self.stopped or self.proc.poll() is not None:
            self.wait_exit()
            return
        if self.port and self.serves_fresh_clients:
            eventually(self.serves_a_fresh_client, "service for a fresh client")
            eventually(lambda: self.fds() == self.fds_at_start, "the descriptors' return")
            eventually(self.is_quiet, "an idle server that sleeps")
        code = self.stop()
        assert code == 0, f"exit code {code}\n{self.log}"


@pytest.fixture(scope="session")
def build():
    root = pathlib.Path(__file__).resolve().parents[2]
    return pathlib.Path(os.environ.get("MEARI_BUILD", root / "build"))


def in_private_network(*sysctls):
    """The beginning of a command line: what follows runs in a network of its own."""
    probe = subprocess.run([*NS_SH, "true"], stderr=subprocess.PIPE, text=True)
    if probe.returncode == SKIP:
        pytest.skip(probe.stderr.strip())
    return [*NS_SH, *sysctls]


@pytest.fixture
def without_proc():
    """The beginning of a command line: what follows finds /proc empty."""
    probe = subprocess.run([*WITHOUT_PROC, "true"], stderr=subprocess.PIPE, text=True)
    if probe.returncode != 0:
        pytest.skip(f"/proc cannot be hidden here: {probe.stderr.strip()}")
    return WITHOUT_PROC


@pytest.fixture
def deaf_port():
    """A port that is taken, and refuses connections."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture
def two_addresses(tmp_path):
    """A prefix under which the name `twofold` is 127.0.0.1 and then 127.0.0.2."""
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("no mounts of our own here: in a chroot, / is not a mount point")
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 twofold\n127.0.0.2 twofold\n")
    return ["unshare", "-m", "sh", "-c", f'mount --bind {hosts} /etc/hosts; exec "$@"', "sh"]


@pytest.fixture
def network():
    """Makes networks that we can step into: network("net.core.somaxconn=16"). They end with the test."""
    with contextlib.ExitStack() as networks:
        def make(*sysctls):
            try:
                return networks.enter_context(Namespace(*sysctls))
            except Unavailable as e:
                pytest.skip(str(e))
        yield make


@pytest.fixture
def link(network):
    """Makes a bad link between two networks, ours and the server's: ours, theirs, it = link(loss=2)."""
    with contextlib.ExitStack() as links:
        def make(**faults):
            ours, theirs = network(), network()
            try:
                return ours, theirs, links.enter_context(Link(ours, theirs, **faults))
            except Unavailable as e:
                pytest.skip(str(e))
        yield make


@pytest.fixture
def launch(build, tmp_path, network):  # the network outlives the servers
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


@pytest.fixture
def honest_port():
    """Of an echo that is quicker than a real one, for what does not depend on the server."""
    with FakeServer(honest) as fake:
        yield fake.port
