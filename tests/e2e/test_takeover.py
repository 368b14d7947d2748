"""--takeover: a server takes the listening sockets from the one that runs, and nobody notices."""

import array
import contextlib
import itertools
import os
import pathlib
import re
import select
import selectors
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from conftest import PATIENCE, eventually, receive_all, receive_exactly

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from streams import Exchange  # noqa: E402

STRACE = ["strace", "-f", "-qq", "-o", "/dev/null", "-e"]


def echoes(sock, message=b"hello"):
    sock.sendall(message)
    return receive_exactly(sock, len(message)) == message


def serves(port):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        return echoes(sock)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "takeover")


@pytest.fixture
def start(launch, path):
    """Starts a server at the path and waits until it serves and offers its listeners."""
    def run(*args, endpoint="127.0.0.1:0", at=path, **how):
        srv = launch("--takeover", at, *args, *([endpoint] if endpoint else []), **how)
        srv.wait_log("^another process can take over at ")
        srv.number = srv.wait_ready().pid
        return srv
    return run


def handed_over(old, new):
    """The old server says so, loses nobody, and ends."""
    new.wait_log(f"^took over [0-9]+ listeners? from process {old.number}$")
    old.wait_log(f"^handing over to process {new.number}, draining, with [0-9]+ clients? being served$")
    assert old.wait_exit() == 0
    assert " cut" not in old.log and "left waiting" not in old.log, old.log


def refused(srv):
    assert srv.wait_exit() == 2
    lines = [line for line in srv.log.splitlines() if line.startswith("meari-server: ")]
    assert len(lines) == 1, srv.log
    return lines[0]


# --- what must go well --------------------------------------------------------------------------


class Newcomers:
    """Threads that connect, speak, hear, and leave, as fast as they can, and note whatever goes wrong."""

    def __init__(self, port, threads=4):
        self.port, self.served, self.wrong, self.stopped = port, 0, [], False
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self, name):
        for number in itertools.count():
            if self.stopped:
                return
            message = b"newcomer %d of %d" % (number, name)
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as sock:
                    sock.sendall(message)
                    sock.shutdown(socket.SHUT_WR)
                    got = receive_all(sock)
                if got != message:
                    self.wrong.append((message, got))
            except OSError as e:
                self.wrong.append((message, e))
            self.served += 1

    def wait_for(self, count):
        goal = self.served + count
        eventually(lambda: self.served >= goal, f"{count} more newcomers", patience=60)

    def stop(self):
        self.stopped = True
        for thread in self.threads:
            thread.join()


class LongStreams:
    """Connections that go on for several upgrades, each with a random stream of its own, in one thread."""

    def __init__(self, port):
        self.port, self.selector, self.wrong = port, selectors.DefaultSelector(), []
        self.numbers, self.finished, self.stopped = itertools.count(), 0, False
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def open(self, count):
        """Opens some, waits until the first bytes of each are back, and returns them."""
        streams = []
        for _ in range(count):
            sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
            sock.setblocking(False)
            stream = {"sock": sock, "exchange": Exchange("takeover", next(self.numbers)), "end": False}
            streams.append(stream)
            self.send(stream)
            with self.lock:  # from here on the thread's own
                self.selector.register(sock, selectors.EVENT_READ, stream)
        eventually(lambda: self.wrong or all(s["exchange"].back > 0 for s in streams), "their echo")
        return streams

    def send(self, stream):
        """The next piece goes out when the last one is back, so that the load is the machine's own."""
        exchange = stream["exchange"]
        while len(exchange.flight) < 1000:
            exchange.sent(stream["sock"].send(exchange.to_send(1000)))

    def receive(self, stream):
        sock, exchange = stream["sock"], stream["exchange"]
        chunk = sock.recv(65536)
        exchange.received(chunk)
        if not chunk:
            assert stream["end"], "the server ended a stream"
            exchange.finished()
            self.close(stream)
        elif not exchange.flight and stream["end"] is True:
            stream["end"] = "said"
            sock.shutdown(socket.SHUT_WR)
        elif not exchange.flight:
            self.send(stream)

    def close(self, stream):
        with self.lock:
            self.selector.unregister(stream["sock"])
        stream["sock"].close()
        self.finished += 1

    def run(self):
        while not self.stopped:
            with self.lock:
                ready = self.selector.select(0)
            for key, _ in ready:
                try:
                    self.receive(key.data)
                except (OSError, AssertionError) as e:
                    self.wrong.append((key.data["exchange"].name, e))
                    self.close(key.data)
            time.sleep(0.002)  # the rest of the machine wants to live, too

    def end(self, streams):
        for stream in streams:
            stream["end"] = stream["end"] or True

    def stop(self):
        self.stopped = True
        self.thread.join()


def upgrade_often(start, path, engines, upgrades, streams_each):
    """Each server lives with the streams of three upgrades before it."""
    server = start("--engine", engines[0], "--drain", "10m")
    port = server.port
    newcomers, streams = Newcomers(port), LongStreams(port)
    unreachable = []
    stop_knocking = threading.Event()

    def knock():  # at every moment somebody answers at the path
        while not stop_knocking.wait(0.005):
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
                    sock.connect(path)
            except OSError as e:
                unreachable.append(e)
    knocker = threading.Thread(target=knock)
    knocker.start()
    servers, groups = [server], [streams.open(streams_each)]
    try:
        for number in range(1, upgrades + 1):
            newcomers.wait_for(100)
            new = start("--engine", engines[number % len(engines)], "--drain", "10m",
                        endpoint=f"127.0.0.1:{port}")
            new.wait_log(f"^took over 1 listener from process {servers[-1].number}$")
            servers.append(new)
            groups.append(streams.open(streams_each))
            if number >= 3:
                streams.end(groups[number - 3])
        newcomers.wait_for(100)
        assert not newcomers.wrong and not streams.wrong
        for group in groups:
            streams.end(group)
        eventually(lambda: streams.wrong or streams.finished == streams_each * len(groups),
                   "the streams' ends", patience=60)
    finally:
        stop_knocking.set()
        knocker.join()
        newcomers.stop()
        streams.stop()
    assert not newcomers.wrong and not streams.wrong and not unreachable
    for old, new in itertools.pairwise(servers):
        handed_over(old, new)
    new.port = None  # its descriptors were counted amid clients
    assert new.stop() == 0
    assert not os.path.exists(path) and os.listdir(os.path.dirname(path)).count("takeover") == 0
    assert "drained" not in "".join(srv.log for srv in servers)


# rows: U01
@pytest.mark.once
def test_twenty_upgrades_under_load(start, path, engine):
    """Nobody is refused or reset; streams that last for three upgrades end in the process they began in."""
    upgrade_often(start, path, [engine], 20, 13)


# rows: U01
def test_upgrades_from_engine_to_engine(start, path):
    upgrade_often(start, path, ["epoll", "classic", "classic", "epoll"], 5, 4)


# rows: G04 U01
def test_who_waits_in_the_backlog_is_served_by_the_successor(start, engine):
    """The old server is full; its queue is neither emptied by it nor counted as lost."""
    old = start("--engine", engine, "--concurrency", "1", "--drain", "60s")
    first = old.connect()
    assert echoes(first)
    waiting = [old.connect() for _ in range(5)]
    for number, sock in enumerate(waiting):
        sock.sendall(b"queued %d" % number)
    new = start("--engine", engine, endpoint=f"127.0.0.1:{old.port}")
    for number, sock in enumerate(waiting):
        assert receive_exactly(sock, 8) == b"queued %d" % number
        sock.close()
    assert old.proc.poll() is None and echoes(first, b"still here")
    first.close()
    handed_over(old, new)
    assert "served 1 client in" in old.log
    assert serves(new.port)
    new.port = None  # its descriptors were counted amid clients


def test_a_pause_ends_no_connection_after_a_takeover(start, engine):
    old = start("--engine", engine, "--drain", "60s")
    with old.connect() as sock:
        assert echoes(sock)
        new = start("--engine", engine, endpoint=f"127.0.0.1:{old.port}")
        old.wait_log("handing over to process")
        time.sleep(0.5)  # more than the 200 ms of a drain at the end of a service
        assert echoes(sock, b"after a pause")
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == b""
    handed_over(old, new)


def test_a_server_that_handed_over_can_be_asked_to_end(start, engine):
    """Its connections may stay for as long as --drain says; SIGTERM ends those that are quiet."""
    old = start("--engine", engine, "--drain", "1h")
    with old.connect() as first, old.connect() as second:
        assert echoes(first) and echoes(second)
        start("--engine", engine, "--drain", "1h", endpoint=f"127.0.0.1:{old.port}")
        old.wait_log("^handing over to process")
        assert echoes(first) and echoes(second)
        old.signal(signal.SIGTERM)
        assert receive_all(first) == b"" and receive_all(second) == b""
    assert old.wait_exit() == 0
    assert old.log.count(", drained\n") == 2, old.log


def test_the_drain_bounds_connections_after_a_takeover(start, engine):
    old = start("--engine", engine, "--drain", "300ms")
    with old.connect() as sock:
        assert echoes(sock)
        new = start("--engine", engine, endpoint=f"127.0.0.1:{old.port}")
        assert receive_all(sock) == b""  # FIN, not a reset
    handed_over(old, new)
    assert ", drained" in old.log


def test_an_idle_predecessor_sleeps(start, engine):
    """Its listeners live on in another process; what happens there must not wake it."""
    old = start("--engine", engine, "--drain", "60s", "-w", "1")
    with old.connect() as sock:
        assert echoes(sock)
        new = start("--engine", engine, endpoint=f"127.0.0.1:{old.port}")
        old.wait_log("handing over to process")
        eventually(old.is_quiet, "an idle predecessor")
        before = old.switches()
        for _ in range(50):
            assert serves(new.port)
        assert old.switches() - before < 25
    handed_over(old, new)


# --- which listeners ----------------------------------------------------------------------------


def port_of(srv, nth):
    return int(srv.wait_log(r"^listening on \S+:(\d+),", nth).group(1))


def test_a_port_that_the_kernel_picked_is_kept(start):
    old = start()
    new = start()
    assert new.port == old.port
    handed_over(old, new)
    newer = start(endpoint=None)  # and without endpoints all are taken
    assert newer.port == old.port
    handed_over(new, newer)


def test_the_backlog_is_the_successors(start, engine):
    old = start("--engine", engine, "-b", "5")
    assert ", backlog 5," in old.log
    new = start("--engine", engine, "-b", "17", endpoint=f"127.0.0.1:{old.port}")
    assert ", backlog 17," in new.log
    handed_over(old, new)


def test_listeners_added_and_left_out(start, engine):
    """One endpoint stays, one is new, and one is gone: those who wait there are still served."""
    old = start("--engine", engine, "--concurrency", "1", "127.0.0.1:0")
    ports = port_of(old, 1), port_of(old, 2)
    first = socket.create_connection(("127.0.0.1", ports[0]))
    assert echoes(first)
    waits = socket.create_connection(("127.0.0.1", ports[1]))
    waits.sendall(b"late")
    new = start("--engine", engine, f"127.0.0.1:{ports[0]}", endpoint="[::1]:0")
    new.wait_log(r"^no longer listening on 127.0.0.1:%d, which no endpoint asks for$" % ports[1])
    new.wait_log(r"^took over 1 listener from process")
    first.close()
    assert receive_exactly(waits, 4) == b"late"
    waits.close()
    handed_over(old, new)
    assert f"no longer listening on 127.0.0.1:{ports[1]}\n" in old.log
    assert f"no longer listening on 127.0.0.1:{ports[0]}" not in old.log
    assert serves(ports[0])
    with pytest.raises(ConnectionRefusedError):
        serves(ports[1])
    new.port = None


def test_port_0_leaves_named_ports_alone(start):
    old = start("127.0.0.1:0")
    ports = port_of(old, 1), port_of(old, 2)
    new = start("127.0.0.1:0", endpoint=f"127.0.0.1:{ports[0]}")
    assert (port_of(new, 1), port_of(new, 2)) == (ports[1], ports[0])
    handed_over(old, new)


def test_a_socket_of_the_other_kind_of_ipv6_is_not_taken(start, launch, path):
    """-6 wants one that serves IPv6 only; what a bound socket is cannot be changed."""
    old = start(endpoint="0")
    log = refused(launch("-6", "--takeover", path, str(old.port)))
    assert f"cannot bind to '[::]:{old.port}': Address already in use" in log
    assert serves(old.port)


def test_more_listeners_than_one_message_takes(launch, path):
    log = refused(launch("--takeover", path, *["127.0.0.1:0"] * 254))
    assert log == "meari-server: --takeover can hand over 253 listeners, not 254"
    assert not os.listdir(os.path.dirname(path)) or "takeover" not in os.listdir(os.path.dirname(path))


def test_as_many_listeners_as_one_message_takes(start):
    old = start(*["127.0.0.1:0"] * 252)
    new = start(endpoint=None)
    assert "took over 253 listeners" in new.log
    handed_over(old, new)


def test_a_predecessor_accepts_nobody(start, engine):
    """Not even who waits while the successor stands still and there is room."""
    old = start("--engine", engine, "--concurrency", "1", "--drain", "60s")
    first = old.connect()
    assert echoes(first)
    new = start("--engine", engine, endpoint=f"127.0.0.1:{old.port}")
    old.wait_log("handing over to process")
    with new.standing_still():
        waiting = [old.connect() for _ in range(3)]
        first.close()
        assert old.wait_exit() == 0
        assert "served 1 client in" in old.log and "waiting" not in old.log
    for sock in waiting:
        assert echoes(sock)
        sock.close()


# --- what may go wrong --------------------------------------------------------------------------


def still_serves_and_offers(old, start):
    """Whatever happened, the old server serves, and the next one can take over."""
    assert serves(old.port)
    new = start(endpoint=f"127.0.0.1:{old.port}")
    handed_over(old, new)
    assert serves(new.port)


FAILURES = {
    # what comes first on the command line or around it, the exit code, and what the log then says
    "bad option": (["--frobnicate"], {}, 2, "frobnicate"),
    "bad endpoint": (["127.0.0.1:x"], {}, 2, "'x' is not a port"),
    "address in use": (["127.0.0.1:{taken}"], {}, 2, "Address already in use"),
    "no thread": (["-w", "2"], {"prefix": [
        *STRACE, "trace=clone3,clone", "-e", "inject=clone3,clone:error=EAGAIN"]}, 2,
        "cannot start a worker's thread"),
    "crash": (["-w", "2"], {"prefix": [
        *STRACE, "trace=clone3,clone", "-e", "inject=clone3,clone:signal=KILL"]}, -signal.SIGKILL, None),
    "no library": ([], {"env": {"LD_LIBRARY_PATH": "{broken}"}}, 127, "libjansson"),
}


# rows: U02
@pytest.mark.parametrize("failure", FAILURES)
def test_a_successor_that_fails_changes_nothing(start, launch, path, engine, tmp_path, failure):
    args, how, code, words = FAILURES[failure]
    old = start("--engine", engine)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "libjansson.so.4").write_text("no library at all")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        args = [arg.format(taken=taken.getsockname()[1]) for arg in args]
        how = {key: {k: v.format(broken=tmp_path / "broken") for k, v in value.items()}
               if key == "env" else value for key, value in how.items()}
        with old.connect() as sock:
            assert echoes(sock)
            new = launch("--takeover", path, *args, f"127.0.0.1:{old.port}", **how)
            assert new.wait_exit() == code, new.log
            assert words is None or words in new.log
            assert echoes(sock)
    if failure in ("address in use", "no thread", "crash"):
        old.wait_log(r"process \d+ took the listeners and ended: going on$")
    assert "handing over" not in old.log
    still_serves_and_offers(old, start)


# --- one who speaks for a server, by hand -------------------------------------------------------


def say(sock, words, descriptors=()):
    beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    sock.sendmsg([b"meari-takeover 1 " + words], beside)


def hear(sock):
    """The next message without its protocol and version, and the sockets that came with it."""
    data, beside, _, _ = sock.recvmsg(400, socket.CMSG_SPACE(253 * array.array("i").itemsize))
    fds = array.array("i")
    for _, _, content in beside:
        fds.frombytes(content)
    sockets = [socket.socket(fileno=fd) for fd in fds]
    return data.removeprefix(b"meari-takeover 1 "), sockets


@contextlib.contextmanager
def caller(path):
    """One end of a connection to the path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.connect(path)  # waits while the queue is full; a socket with a timeout would not
        sock.settimeout(PATIENCE)
        yield sock


# rows: U02
def test_a_successor_that_hangs(start, launch, path):
    """It has the sockets and says nothing. Others are told to come later; it is given up after 10 s, and told
    so; until then, and after, the old server serves."""
    old = start()
    with caller(path) as hanging:
        say(hanging, b"hello")
        words, sockets = hear(hanging)
        assert words == b"listeners 1" and sockets[0].getsockname() == ("127.0.0.1", old.port)
        assert serves(old.port)
        log = refused(launch("--takeover", path, str(old.port)))
        assert log.endswith(f"process {old.number}, which answers at '{path}', is handing over to "
                            "another process already")
        assert hear(hanging)[0] == b"late"
        old.wait_log(f"process {os.getpid()} took the listeners and did not serve in time: going on$")
        with contextlib.suppress(BrokenPipeError):
            say(hanging, b"serving 1")
        with contextlib.suppress(ConnectionResetError):  # it may have come before the other side hung up
            assert hear(hanging) == (b"", [])
    sockets[0].close()
    assert "handing over" not in old.log
    still_serves_and_offers(old, start)


# rows: U02
@pytest.mark.once
def test_a_successor_that_stands_still_and_goes_on_too_late(start, launch, path):
    """A real one, delayed while it starts. It finds that the old server has given up on it, and ends."""
    old = start()
    new = launch("--takeover", path, f"127.0.0.1:{old.port}", prefix=[
        *STRACE, "trace=umask", "-e", "inject=umask:delay_enter=15000000:when=1"])
    old.wait_log("did not serve in time: going on$")
    assert new.wait_exit() == 2
    assert "has given up waiting and goes on serving" in new.log
    assert "serving began too late to take over" in new.log
    still_serves_and_offers(old, start)


# rows: U02
@pytest.mark.once
def test_a_predecessor_that_hangs(start, launch, path):
    """A successor does not wait for ever, and the old one goes on where it was."""
    old = start()
    with old.standing_still():
        log = refused(launch("--takeover", path, str(old.port)))
        assert log.endswith(f"process {old.number}, which answers at '{path}', hands nothing over "
                            "(it was given 5 s)")
    still_serves_and_offers(old, start)


@contextlib.contextmanager
def old_by_hand(path):
    """Answers at the path as a server would; yields a function that waits for the next caller's hello."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(PATIENCE)
        sock.bind(path)
        sock.listen()

        def answer():
            connection, _ = sock.accept()
            connection.settimeout(PATIENCE)
            assert hear(connection)[0] == b"hello"
            return connection
        yield answer


def udp_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


# rows: U02
@pytest.mark.parametrize("words,make,why", [
    (b"listeners 1", [udp_socket], "listener 1 of process .* cannot be served: it is not a TCP socket"),
    (b"listeners 2", [lambda: socket.create_server(("127.0.0.1", 0)), socket.socket],
     "listener 2 of process .* cannot be served: it does not listen"),
    (b"listeners 1", [lambda: open("/dev/null")], "cannot be served: Socket operation on non-socket"),
    (b"listeners 2", [udp_socket], "is no meari-server"),
    (b"listeners 0", [], "is no meari-server"),
    (b"yours", [], "is no meari-server"),
    (b"nonsense", [], "is no meari-server"),
], ids=["udp", "not listening", "file", "one missing", "none", "wrong word", "nonsense"])
def test_a_predecessor_that_answers_nonsense(launch, path, words, make, why):
    with old_by_hand(path) as answer, contextlib.ExitStack() as opened:
        new = launch("--takeover", path, "127.0.0.1:0")
        with answer() as connection:
            say(connection, words, [opened.enter_context(m()).fileno() for m in make])
            assert re.search(why, refused(new))
    os.unlink(path)


def test_a_predecessor_of_another_version(launch, path):
    with old_by_hand(path) as answer:
        new = launch("--takeover", path, "127.0.0.1:0")
        with answer() as connection:
            connection.send(b"meari-takeover 2 listeners 1")
            assert "speaks another version of the protocol" in refused(new)
    os.unlink(path)


def test_a_successor_of_another_version(start, path):
    old = start()
    with caller(path) as sock:
        sock.send(b"meari-takeover 2 hello")
        assert hear(sock) == (b"busy", [])
        assert hear(sock) == (b"", [])
    assert "took the listeners" not in old.log


# rows: U02
@pytest.mark.once
@pytest.mark.parametrize("end", ["yours", "gone", "late"])
def test_a_predecessor_that_is_silent_after_we_serve(launch, path, end):
    """Both serve beside each other until it speaks, or is gone."""
    with old_by_hand(path) as answer, socket.create_server(("127.0.0.1", 0)) as shared:
        new = launch("--takeover", path, "127.0.0.1:%d" % shared.getsockname()[1])
        connection = answer()
        say(connection, b"listeners 1", [shared.fileno()])
        assert hear(connection)[0] == b"serving 1"
        assert serves(shared.getsockname()[1])
        new.wait_log(r"process \d+ does not answer: serving beside it$")
        assert serves(shared.getsockname()[1])
        if end != "gone":
            say(connection, end.encode())
        connection.close()
        if end == "late":
            assert new.wait_exit() == 2
            assert "serving began too late to take over" in new.log
        else:
            new.wait_log(r"^took over 1 listener from process \d+$")
            new.wait_log("^another process can take over at")
    if end == "late":
        os.unlink(path)


# rows: U02
def test_a_predecessor_that_gives_up_while_serving_is_said(launch, path):
    """It says "late" and hangs up without having read that we serve: the kernel then reports a reset first, and
    its last word behind that. If it were not heard both would serve for ever."""
    with old_by_hand(path) as answer, socket.create_server(("127.0.0.1", 0)) as shared:
        new = launch("--takeover", path, "127.0.0.1:%d" % shared.getsockname()[1])
        connection = answer()
        say(connection, b"listeners 1", [shared.fileno()])
        assert select.select([connection], [], [], PATIENCE)[0]  # "serving" is there, unread
        with new.standing_still():
            say(connection, b"late")
            connection.close()
        assert new.wait_exit() == 2
        assert "serving began too late to take over" in new.log
    os.unlink(path)


# rows: U02
def test_a_predecessor_that_cannot_say_yours(start, launch, path):
    """Its word cannot be sent for want of memory. To the successor, who is alive, its hanging up means that the
    service is his: so it must be."""
    old = start(prefix=[*STRACE, "trace=sendmsg", "-e", "inject=sendmsg:error=ENOBUFS:when=2"])
    new = start(endpoint=f"127.0.0.1:{old.port}")
    new.wait_log(r"^took over 1 listener from process \d+$")
    old.wait_log("^handing over to process")
    assert old.wait_exit() == 0
    assert serves(new.port)


# rows: U01
def test_who_was_accepted_and_has_no_place_is_served(start, engine):
    """With two listeners and one place, two clients may be accepted, and one of them held. Its queue is gone, so
    no successor can serve it, and it need not wait until the other one leaves."""
    old = start("--engine", engine, "--concurrency", "1", "--drain", "60s", "127.0.0.1:0")
    ports = port_of(old, 1), port_of(old, 2)
    with old.connect() as first, socket.create_connection(("127.0.0.1", ports[1])) as held:
        assert echoes(first)
        held.sendall(b"held")
        new = start("--engine", engine, f"127.0.0.1:{ports[1]}", endpoint=f"127.0.0.1:{ports[0]}")
        old.wait_log("^handing over to process")
        assert receive_exactly(held, 4) == b"held" and echoes(first)
    handed_over(old, new)


# rows: U02
def test_sigterm_amid_a_takeover(start, launch, path, engine):
    """The old server ends although somebody has its sockets: that one's socket may be at the path by then, so it
    removes nothing, and a stale socket is in nobody's way."""
    old = start("--engine", engine)
    with caller(path) as other:
        say(other, b"hello")
        _, (shared,) = hear(other)
        assert old.stop() == 0
        assert hear(other)[0] == b""
        shared.close()
    assert stat.S_ISSOCK(os.lstat(path).st_mode)
    new = start("--engine", engine, endpoint=f"127.0.0.1:{old.port}")
    assert "took over" not in new.log and serves(new.port)


# rows: R16
def test_a_hundred_callers_that_say_nothing(start, path, engine):
    """A few are listened to at a time; the service does not notice, and one who speaks is heard."""
    old = start("--engine", engine)
    with old.connect() as sock, contextlib.ExitStack() as opened:
        assert echoes(sock)
        before, silent = old.fds(), []
        for number in range(100):
            silent.append(opened.enter_context(caller(path)))
            if number % 3 == 1:
                with contextlib.suppress(OSError):
                    silent[-1].send(b"\0" * 5000)  # and some say what they should not
            if number % 3 == 2:
                with contextlib.suppress(OSError):
                    say(silent[-1], b"serving 1", [sock.fileno()] * 10)
            assert old.fds() <= before + 8 + 1  # callers, and one about to be looked at
        assert echoes(sock)
        eventually(lambda: old.fds() == before, "the end of the silent ones")
        for one in silent:
            with contextlib.suppress(ConnectionResetError):
                assert hear(one) == (b"", [])
        many = [opened.enter_context(caller(path)) for _ in range(12)]
        new = start("--engine", engine, endpoint=f"127.0.0.1:{old.port}")
        assert echoes(sock)
        del many
    handed_over(old, new)


# --- the path -----------------------------------------------------------------------------------


def leftovers(path):
    """Everything that begins like the socket's name."""
    folder, name = os.path.split(path)
    return [entry for entry in os.listdir(folder) if entry.startswith(name)]


def test_the_socket_is_for_its_owner_only_and_gone_at_the_end(start, path):
    srv = start(preexec=lambda: os.umask(0))
    found = os.lstat(path)
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600
    assert leftovers(path) == ["takeover"]
    assert srv.stop() == 0
    assert leftovers(path) == []


def test_it_never_has_another_mode(start, path, tmp_path):
    """The order of the calls: bound under the mask that leaves 0600, beside the path, then moved there."""
    trace = tmp_path / "trace"
    srv = start(preexec=lambda: os.umask(0), prefix=[
        "strace", "-f", "-qq", "-e", "trace=umask,bind,rename,chmod,fchmod,unlink", "-o", trace])
    eventually(lambda: "rename(" in trace.read_text(), "the socket at its path")
    calls = re.sub(r"^\d+ +", "", trace.read_text(), flags=re.M)
    at = calls.index("umask(0177)")
    beside = re.search(r'^bind\(\d+, \{sa_family=AF_UNIX, sun_path="(%s\.[0-9a-f]{6})"' % path, calls[at:], re.M)
    assert beside and calls.count("umask(") == 2
    assert f'rename("{beside.group(1)}", "{path}")' in calls and "chmod" not in calls
    assert srv.stop() == 0
    assert f'unlink("{path}")' in trace.read_text()


def test_a_relative_path(start, tmp_path):
    srv = start(at="here", preexec=lambda: os.chdir(tmp_path))
    assert stat.S_ISSOCK(os.lstat(tmp_path / "here").st_mode)
    assert srv.stop() == 0 and not (tmp_path / "here").exists()


def test_a_stale_socket_is_replaced(start, path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stale:
        stale.bind(path)
    first = os.lstat(path).st_ino
    start()
    assert os.lstat(path).st_ino != first and leftovers(path) == ["takeover"]


def test_paths_that_cannot_be(launch, tmp_path):
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    long = str(tmp_path / ("n" * 108))
    for path, why in [
        (tmp_path / "file", "'%s' exists and is not a socket"),
        (tmp_path / "link", "'%s' is a symbolic link, not a socket"),
        (tmp_path / "folder", "'%s' exists and is not a socket"),
        (tmp_path / "missing" / "socket", "cannot make the socket '%s': No such file or directory"),
        (tmp_path / "file" / "socket", "cannot look at '%s': Not a directory"),
        ("/proc/self/socket", "cannot make the socket '%s': "),
    ]:
        log = refused(launch("--takeover", str(path), "127.0.0.1:0"))
        assert why % path in log
    assert "is too long for a socket: more than 99 bytes" in refused(launch("--takeover", long, "7"))
    assert "a socket's path is empty" in refused(launch("--takeover", "", "7"))
    assert (tmp_path / "file").read_text() == "precious" and (tmp_path / "link").is_symlink()
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith("server-")) == [
        "file", "folder", "link"]


def test_the_longest_path(start, tmp_path):
    folder = tmp_path
    if len(str(folder)) > 97:
        pytest.skip("the folder of this test is too deep")
    name = "n" * (99 - len(str(folder)) - 1)
    old = start(at=str(folder / name))
    handed_over(old, start(at=str(folder / name), endpoint=f"127.0.0.1:{old.port}"))


def test_a_socket_of_another_type_is_not_ours(launch, path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
        log = refused(launch("--takeover", path, "127.0.0.1:0"))
        assert f"cannot connect to '{path}': Protocol wrong type for socket" in log
    assert stat.S_ISSOCK(os.lstat(path).st_mode)
    os.unlink(path)


def test_what_was_put_in_its_place_is_not_removed(start, path):
    srv = start()
    os.unlink(path)
    with open(path, "w") as file:
        file.write("precious")
    assert srv.stop() == 0
    assert open(path).read() == "precious"


def test_a_file_that_appears_at_the_last_moment_is_not_replaced(launch, path):
    """It serves, and says that nobody can take over."""
    with old_by_hand(path) as answer, socket.create_server(("127.0.0.1", 0)) as shared:
        new = launch("--takeover", path, "127.0.0.1:%d" % shared.getsockname()[1])
        with answer() as connection:
            say(connection, b"listeners 1", [shared.fileno()])
            assert hear(connection)[0] == b"serving 1"
            os.unlink(path)
            with open(path, "w") as file:
                file.write("precious")
            say(connection, b"yours")
            new.wait_log(f"nobody can take over from this process: cannot stand at '{path}'")
            new.wait_log("^took over 1 listener from")
        assert serves(shared.getsockname()[1])
    assert new.stop() == 0
    assert open(path).read() == "precious"
    assert leftovers(path) == ["takeover"]


# --- other users, and a service manager ---------------------------------------------------------


NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def commons():
    """A folder where everybody can come and write; pytest's own are for one user."""
    with tempfile.TemporaryDirectory(prefix="meari-") as folder:
        os.chmod(folder, 0o777)
        yield pathlib.Path(folder)


@contextlib.contextmanager
def as_nobody(act):
    """Runs act(say) in a process of its own, as nobody; yields what it has said, and its process."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            act(lambda words: os.write(write_end, words))
        except BaseException as e:  # what follows in this file is none of its business
            os.write(write_end, repr(e).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    try:
        yield os.read(read_end, 400), pid
    finally:
        os.close(read_end)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@as_root
def test_another_users_server_is_left_alone(launch, commons):
    path = str(commons / "socket")

    def serve(tell):
        with old_by_hand(path):
            tell(b"ready")
            signal.pause()
    with as_nobody(serve) as (said, pid):
        assert said == b"ready"
        inode = os.lstat(path).st_ino
        log = refused(launch("--takeover", path, "127.0.0.1:0"))
        assert f"process {pid}, which answers at '{path}', belongs to another user" in log
        assert os.lstat(path).st_ino == inode and leftovers(path) == ["socket"]


@as_root
def test_another_user_is_told_nothing(start, commons):
    path = str(commons / "socket")
    srv = start(at=path)
    os.chmod(path, 0o666)  # not even then

    def ask(tell):
        with caller(path) as sock:
            with contextlib.suppress(BrokenPipeError):
                say(sock, b"hello")
            with contextlib.suppress(ConnectionResetError):
                assert hear(sock) == (b"", [])
        tell(b"was told nothing")
    with as_nobody(ask) as (said, _):
        assert said == b"was told nothing"
    assert "about to take over" not in srv.log


@as_root
def test_a_directory_that_cannot_be_written(launch, tmp_path):
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("no mount namespace here")
    folder = tmp_path / "closed"
    folder.mkdir()
    log = refused(launch("--takeover", folder / "socket", "127.0.0.1:0", prefix=[
        "unshare", "-m", "sh", "-c", f"mount -t tmpfs -o ro none '{folder}' && exec \"$@\"", "sh"]))
    assert f"cannot make the socket '{folder}/socket': Read-only file system" in log


@as_root
@pytest.mark.parametrize("sandbox", ["require", "off"])
def test_takeover_as_another_user_and_in_the_sandbox(start, commons, engine, sandbox):
    """The socket is made by root, and moved and removed by whom the server has become."""
    folder = commons / "run"
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)
    path = str(folder / "socket")
    how = ["--engine", engine, "--user", "nobody", "--sandbox", sandbox]
    servers = [start(*how, at=path)]
    for _ in range(3):
        servers.append(start(*how, at=path, endpoint=f"127.0.0.1:{servers[0].port}"))
        assert serves(servers[-1].port)
        handed_over(*servers[-2:])
    found = os.lstat(path)
    assert found.st_uid == NOBODY and stat.S_IMODE(found.st_mode) == 0o600
    assert servers[-1].stop() == 0
    assert os.listdir(folder) == []


# rows: U05
def test_a_service_manager_hears_who_is_the_main_process(start, tmp_path):
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        manager.settimeout(PATIENCE)
        old = start(env={"NOTIFY_SOCKET": name})
        assert manager.recv(400) == b"READY=1\nSTATUS=Listening on 1 address"
        new = start(endpoint=f"127.0.0.1:{old.port}", env={"NOTIFY_SOCKET": name})
        assert manager.recv(400) == b"MAINPID=%d\nREADY=1\nSTATUS=Listening on 1 address" % new.number
        handed_over(old, new)
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):  # the service does not stop
            manager.recv(400)
        assert new.stop() == 0
        assert manager.recv(400).startswith(b"STOPPING=1\n")


# rows: U04
def test_a_socket_that_manager_and_predecessor_pass(start, engine):
    """It is one socket: it is served once, and the old server knows that its queue lives on."""
    activate = str(pathlib.Path(__file__).resolve().parents[1] / "harness" / "activate.py")
    with socket.create_server(("127.0.0.1", 0)) as passed:
        fd = passed.fileno()
        how = {"prefix": [sys.executable, activate, str(fd), "--"], "pass_fds": [fd], "endpoint": None}
        old = start("--engine", engine, **how)
        new = start("--engine", engine, **how)
        assert "took over 1 listener from" in new.log and new.log.count("listening on") == 1
        handed_over(old, new)
        assert "no longer listening" not in old.log + new.log
        assert serves(passed.getsockname()[1])


# --- out of something ---------------------------------------------------------------------------


# rows: U02
def test_a_successor_without_descriptors_for_the_listeners(start, launch, path):
    old = start(*["127.0.0.1:0"] * 59)
    log = refused(launch("--takeover", path, str(old.port), prefix=["prlimit", "--nofile=60:60"]))
    assert log.endswith(f"cannot take the listeners of process {old.number}: Too many open files")
    still_serves_and_offers(old, start)


# rows: U02
def test_a_predecessor_that_cannot_hear_for_a_moment(start):
    """recvmsg() brings the caller's "hello" first, then its "serving"."""
    old = start(prefix=[*STRACE, "trace=recvmsg", "-e", "inject=recvmsg:error=ENOMEM:when=2"])
    new = start(endpoint=f"127.0.0.1:{old.port}")
    handed_over(old, new)


# rows: U02
@pytest.mark.parametrize("prefix", [[], [*STRACE, "trace=sendmsg", "-e", "inject=sendmsg:delay_exit=300000:when=1"]],
                         ids=["", "before the thief is known to have hung up"])
def test_who_lost_a_listener_offers_nothing_any_more_and_says_so(start, path, prefix):
    old = start("127.0.0.1:0", prefix=prefix)
    with caller(path) as thief:
        say(thief, b"hello")
        _, sockets = hear(thief)
    sockets[0].shutdown(socket.SHUT_RDWR)
    address = "127.0.0.1:%d" % sockets[0].getsockname()[1]
    old.wait_log(f"{address} was shut down from outside: ")
    old.wait_log(f"{address} is lost: no other process can take over any more$")
    eventually(lambda: not os.path.exists(path), "the end of the offer")
    assert serves(sockets[1].getsockname()[1])
    for sock in sockets:
        sock.close()
    old.port = None
    assert old.stop() == 0
