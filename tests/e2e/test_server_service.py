"""The service around the echo: who gets in, who has to leave, how it ends, and what the log says."""

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import (ENGINES, PATIENCE, eventually, fill, fin_sent, long_enough, receive_all,
                      receive_exactly, reset, sanitizer_in, tcp_states)


def echoes(sock, message=b"hello"):
    sock.sendall(message)
    return receive_exactly(sock, len(message)) == message


def connect_in_background(server):
    """A connect(2) that is not waited for: the kernel completes it out of the backlog, or retries."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex(("127.0.0.1", server.port))
    return sock


# --- the classic pair ---------------------------------------------------------------------------


def test_classic_is_the_server_of_the_lesson(server):
    """One client after the other, a backlog of five, five clients, then the end."""
    srv = server("--classic")
    assert "backlog 5, engine classic, one client at a time" in srv.log
    first = srv.connect()
    assert echoes(first)
    waiting = [srv.connect() for _ in range(2)]
    for sock in waiting:
        sock.sendall(b"me too")
    srv.wait_log("client 1 connected from 127.0.0.1:%d$" % first.getsockname()[1])
    assert "client 2" not in srv.log
    first.close()
    for number, sock in enumerate(waiting, 2):
        assert receive_exactly(sock, 6) == b"me too"
        srv.wait_log("client %d connected" % number)
        assert f"client {number + 1} connected" not in srv.log
        sock.close()
    for number in (4, 5):
        with srv.connect() as sock:
            assert echoes(sock)
            assert srv.proc.poll() is None
    assert srv.wait_exit() == 0
    assert re.search(r"^served 5 clients in .*, 27 bytes echoed\n\Z", srv.log, re.M), srv.log


def test_classic_is_only_a_preset(server):
    srv = server("--clients", "1", "--classic")
    with srv.connect() as sock:
        assert echoes(sock)
    assert srv.wait_exit() == 0
    assert "engine classic" in srv.log and "served 1 client in" in srv.log


# rows: P20
def test_classic_backlog_admits_one_more_than_its_value(server):
    """listen(fd, 5) keeps six complete connections; the seventh's SYN is dropped."""
    srv = server("--classic")
    srv.serves_fresh_clients = False
    first = srv.connect()
    assert echoes(first)
    socks = [connect_in_background(srv) for _ in range(8)]
    eventually(lambda: tcp_states(srv.port).count("01") == 7, "the first client and six that wait")
    for sock in [first, *socks]:
        sock.close()
    assert srv.wait_exit() == 0  # there were more than five of them


# --- who gets in --------------------------------------------------------------------------------


def test_concurrency_holds_the_others_in_the_backlog(echo):
    srv = echo("--concurrency", "2")
    one, two, three = (srv.connect() for _ in range(3))
    three.sendall(b"waiting")
    assert echoes(one) and echoes(two)
    assert "client 3 connected" not in srv.log
    one.close()
    assert receive_exactly(three, 7) == b"waiting"
    two.close()
    three.close()


def test_a_reset_gives_the_place_back(echo):
    srv = echo("--concurrency", "1")
    for _ in range(20):
        sock = srv.connect()
        assert echoes(sock)
        reset(sock)


def test_ends_after_so_many_clients(echo):
    srv = echo("--clients", "3")
    socks = [srv.connect() for _ in range(3)]
    assert all(echoes(sock) for sock in socks)
    late = srv.connect()
    for sock in socks:
        assert srv.proc.poll() is None
        sock.close()
    assert srv.wait_exit() == 0
    assert "served 3 clients" in srv.log and "client 4" not in srv.log
    with pytest.raises(ConnectionResetError):
        late.recv(1)


def test_several_endpoints_share_one_server(launch):
    srv = launch("--clients", "3", "127.0.0.1:0", "[::1]:0", "localhost", "0")
    ports = [int(srv.wait_log(r"listening on \S+:(\d+)", n).group(1)) for n in (1, 2, 3)]
    for host, port in zip(("127.0.0.1", "::1", "localhost"), ports):
        with socket.create_connection((host, port)) as sock:
            assert echoes(sock)
    assert srv.wait_exit() == 0


def test_a_bare_port_serves_both_families(launch):
    srv = launch("0").wait_ready()
    assert "listening on [::]:" in srv.log
    for host in ("127.0.0.1", "::1"):
        with srv.connect(host) as sock:
            assert echoes(sock)
    srv.wait_log(r"client 1 connected from 127\.0\.0\.1:\d+$")
    srv.wait_log(r"client 2 connected from \[::1\]:\d+$")


@pytest.mark.parametrize("flag,listens,serves,refuses", [
    ("-4", "0.0.0.0:", "127.0.0.1", "::1"),
    ("-6", "[::]:", "::1", "127.0.0.1"),
])
def test_one_family_only(launch, flag, listens, serves, refuses):
    srv = launch(flag, "0").wait_ready()
    srv.serves_fresh_clients = False
    assert "listening on " + listens in srv.log
    with srv.connect(serves) as sock:
        assert echoes(sock)
    with pytest.raises(ConnectionRefusedError):
        srv.connect(refuses)


# rows: R01
def test_out_of_descriptors_waits_and_resumes(echo):
    """R01: the limit shrinks under a running server. It pauses, burns no CPU, goes on by itself."""
    srv = echo("-w", "1")
    hard = resource.prlimit(srv.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(srv.pid, resource.RLIMIT_NOFILE, (srv.fds() + 24, hard))
    socks = [srv.connect() for _ in range(100)]
    for sock in socks:
        sock.sendall(b"x")
    srv.wait_log("accepting pauses with [0-9]+ clients: Too many open files")
    ticks, switches = srv.cpu_ticks(), srv.switches()
    time.sleep(0.5)  # a window to look at, not a wait
    assert srv.cpu_ticks() - ticks <= 5
    assert srv.switches() - switches < 100
    for sock in socks:  # each that ends makes room for one that waits
        assert sock.recv(1) == b"x"
        sock.close()
    assert len(re.findall("accepting pauses", srv.log)) < 5


STRACE = ["strace", "-f", "-qq", "-o", "/dev/null", "-e"]


# rows: R04
def test_a_listener_that_epoll_refuses_once_is_served_later(server):
    srv = server("-w", "1", "--engine", "epoll",
                 prefix=[*STRACE, "trace=epoll_ctl", "-e", "inject=epoll_ctl:error=ENOMEM:when=2"])
    srv.wait_log("accepting pauses with 0 clients: Cannot allocate memory")
    with srv.connect() as sock:
        assert echoes(sock)


# rows: R02 R03
def test_accepts_that_keep_failing_do_not_spin(server):
    srv = server("-w", "1", "--engine", "epoll",
                 prefix=[*STRACE, "trace=accept4", "-e", "inject=accept4:error=EPERM:when=1..100"])
    with srv.connect() as sock:
        assert echoes(sock)
    assert "accepting pauses with 0 clients: Operation not permitted" in srv.log


# rows: R09
def test_no_worker_runs_on_another_engine(launch):
    """The second worker's epoll fails: no quiet fall-back for this one, whose descriptors are epoll's."""
    srv = launch("-w", "2", "--engine", "epoll", "127.0.0.1:0", prefix=[
        *STRACE, "trace=epoll_create1", "-e", "inject=epoll_create1:error=EMFILE:when=2"])
    assert srv.wait_exit() == 2
    assert srv.log == ("meari-server: cannot set up the epoll engine: epoll_create1: "
                       "Too many open files\n")


# rows: R09
def test_without_threads_it_does_not_start(launch):
    srv = launch("-w", "3", "127.0.0.1:0", prefix=[
        *STRACE, "trace=clone3,clone", "-e", "inject=clone3,clone:error=EAGAIN"])
    assert srv.wait_exit() == 2
    assert "meari-server: cannot start a worker's thread: Resource temporarily unavailable" in srv.log
    assert "listening" not in srv.log


# rows: R04
def test_without_memory_for_a_buffer_clients_wait(server, build):
    """Stalled clients hold so many large buffers that the next client finds no memory for one."""
    if sanitizer_in(build):
        pytest.skip("an address-space limit leaves no room for the sanitizer")
    srv = server("-w", "1", "--engine", "epoll", "--buffer", "64m", "--sndbuf", "16k",
                 prefix=["prlimit", "--as=250000000"])
    stalled = [srv.connect(rcvbuf=4096) for _ in range(5)]
    for sock in stalled:
        push(sock)
    with srv.connect() as sock:
        sock.sendall(b"patience")
        eventually(lambda: "client 6 connected" in srv.log)
        for other in stalled:
            reset(other)
        assert receive_exactly(sock, 8) == b"patience"


# rows: R01
def test_the_concurrency_never_exceeds_the_descriptors(server):
    srv = server("--engine", "epoll", "-w", "1", prefix=["prlimit", "--nofile=64"])
    socks = [srv.connect() for _ in range(60)]
    for sock in socks:
        sock.sendall(b"x")
    for sock in socks[:32]:
        assert sock.recv(1) == b"x"
    assert "accepting pauses" not in srv.log
    for sock in socks:
        sock.close()


# rows: R02 R03
@pytest.mark.parametrize("error", [
    "ECONNABORTED", "EPROTO", "EPERM", "ENETDOWN", "ENOPROTOOPT", "EHOSTDOWN", "ENONET",
    "EHOSTUNREACH", "EOPNOTSUPP", "ENETUNREACH", "ETIMEDOUT", "EINTR",
    "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"])
def test_accept_errors_are_survived(server, error):
    """R02, R03: the first five accepts fail; the clients are served all the same."""
    srv = server("-w", "1", "--engine", "epoll", prefix=[
        "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=accept4",
        "-e", f"inject=accept4:error={error}:when=1..5"])
    with srv.connect() as sock:
        assert echoes(sock)


# --- who has to leave ---------------------------------------------------------------------------


# rows: P06 P14
def test_idle_connections_end_cleanly(echo):
    def attempt(limit):
        srv = echo("--idle-timeout", f"{limit}s")
        with srv.connect() as idle, srv.connect() as busy:
            if not echoes(idle):
                return False
            end = time.monotonic() + 3 * limit
            while time.monotonic() < end:
                if not echoes_still(busy):
                    return False
                time.sleep(0.02)
            assert idle.recv(1) == b""
        srv.wait_log("client 1 left after .*, 5 bytes echoed, idle$")
        srv.wait_log(r"client 2 left after .* bytes echoed$")
        return True
    long_enough(attempt, 0.3, 1.5, 5)


def echoes_still(sock):
    """Or has the server ended it?"""
    with contextlib.suppress(ConnectionError):
        return echoes(sock)


def push(sock):
    """Sends as much as goes without waiting: more than the server can send back unread."""
    total = 0
    sock.setblocking(False)
    while True:
        try:
            total += sock.send(b"p" * 65536)
        except BlockingIOError:
            break
    sock.settimeout(PATIENCE)
    return total


# rows: P14
def test_a_stalled_writer_is_idle_too(echo):
    srv = echo("--idle-timeout", "300ms", "--sndbuf", "16k", "--rcvbuf", "16k")
    with srv.connect(rcvbuf=4096) as sock:
        sent = push(sock)
        eventually(lambda: fin_sent(srv.port), "the server's FIN")
        got = len(receive_all(sock))
    found = srv.wait_log(r"(\d+) bytes echoed, (\d+) bytes cut, idle$")
    assert int(found.group(1)) == got and 0 < int(found.group(2)) <= sent - got


def receive_until_the_end(sock):
    try:
        return receive_all(sock)
    except ConnectionResetError:
        return None


# rows: P14
def test_a_slow_reader_is_not_idle(echo):
    """A few bytes at a time, far less than a buffer within the timeout: still something moves."""
    data = os.urandom(400_000)

    def attempt(limit):
        srv = echo("--idle-timeout", f"{limit}s", "--sndbuf", "4k", "--rcvbuf", "16k", "--buffer", "1m")
        with srv.connect(rcvbuf=2048) as sock:
            sender = threading.Thread(target=send_all_and_end, args=(sock, data))
            sender.start()
            got, longest = read_slowly(sock, 8000, 0.01)
            sender.join()
        assert data.startswith(got)
        assert len(got) == len(data) or longest > limit / 2, longest
        return len(got) == len(data)
    long_enough(attempt, 0.5, 2, 8)


def send_all_and_end(sock, data):
    with contextlib.suppress(OSError):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)


def read_slowly(sock, most, pause, pieces=1 << 30):
    """What came, until the end or so many pieces, and the longest time in which we did not read."""
    got, longest, last = bytearray(), 0, time.monotonic()
    with contextlib.suppress(ConnectionError):
        while pieces > 0 and (chunk := sock.recv(most)):
            got += chunk
            pieces -= 1
            time.sleep(pause)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
    return bytes(got), max(longest, time.monotonic() - last)


# rows: P14
def test_a_steady_reader_is_not_idle_though_no_call_of_ours_sees_it_read(echo):
    """With large kernel buffers a slow reader makes room for our next send only now and then."""
    def attempt(limit):
        srv = echo("--idle-timeout", f"{limit}s")
        with srv.connect() as sock:
            total = push(sock)
            got, longest = read_slowly(sock, 10_000, limit / 25, pieces=100)  # four times as long as that
            if "idle" in srv.log:
                assert longest > limit / 2, longest
                return False
            sock.shutdown(socket.SHUT_WR)
            rest = receive_until_the_end(sock)
            assert rest is None or len(got) + len(rest) == total or "idle" in srv.log
            return rest is not None and len(got) + len(rest) == total
    long_enough(attempt, 0.5, 2, 8)


# rows: P06
def test_lifetime_ends_a_busy_connection_without_losing_an_echo(echo):
    """P06: what the server took comes back, then FIN, although the client keeps sending."""
    long_enough(lambda limit: lives_for(limit, echo), 0.3, 2, 8)


def lives_for(limit, echo):
    """Returns whether anything was said in that time."""
    srv = echo("--max-lifetime", f"{limit}s")
    with srv.connect() as sock:
        sent = bytearray()
        stop = threading.Event()

        def keep_sending():
            counter = 0
            while not stop.is_set():
                message = b"%08d" % counter
                try:
                    sock.sendall(message)
                except OSError:
                    return
                sent.extend(message)
                counter += 1
                time.sleep(0.001)
        sender = threading.Thread(target=keep_sending)
        sender.start()
        got = receive_all(sock)  # a reset would raise
        stop.set()
        sender.join()
    assert bytes(sent).startswith(got)
    echoed = int(srv.wait_log(r"client 1 left after .*, (\d+) bytes echoed, lifetime over$").group(1))
    assert echoed == len(got)
    return echoed


def test_lingering_connections_hold_no_place(echo):
    def attempt(limit):
        srv = echo("--concurrency", "1", "--max-lifetime", f"{limit}s")
        srv.serves_fresh_clients = False
        with srv.connect() as rude:
            if not echoes_still(rude):
                return False
            assert receive_all(rude) == b""  # ended by the server; not closed by us
            with srv.connect() as sock:
                return echoes_still(sock)
    long_enough(attempt, 0.2, 2, 8)


# --- how it ends --------------------------------------------------------------------------------


# rows: G01
def test_sigterm_under_load_loses_nothing(echo):
    """G01: every byte that the server took comes back, with a FIN behind it, and the exit is 0. (Who pauses for 200 ms
    then is ended, and what he sends behind that FIN is not taken: his last message, if we were stopped so long.)"""
    srv = echo("--drain", "60s")
    results = []
    sums = []

    def talk(number):
        sock = srv.connect()
        sent = got = b""
        try:
            for i in range(100_000):
                message = b"%d:%d;" % (number, i)
                sock.sendall(message)
                sent += message
                reply = receive_exactly(sock, len(message))
                got += reply
                if len(reply) < len(message):
                    break
                if stop.is_set():
                    sock.shutdown(socket.SHUT_WR)
                    got += receive_all(sock)
                    break
            sums.append(len(got))
            results.append(sent in (got, got + message))
        except OSError as e:
            results.append(e)
    stop = threading.Event()
    threads = [threading.Thread(target=talk, args=(n,)) for n in range(30)]
    for t in threads:
        t.start()
    srv.wait_log("client 30 connected")
    srv.signal(signal.SIGTERM)
    srv.wait_log("draining")
    stop.set()
    for t in threads:
        t.join()
    assert results == [True] * 30
    assert srv.wait_exit() == 0
    assert re.search(r"^served 30 clients in .*, %d bytes echoed\n\Z" % sum(sums), srv.log, re.M), srv.log


# rows: G01
def test_sigterm_under_pressure_loses_nothing(echo):
    """All buffers are full when it comes; whatever happens meanwhile, nobody is quiet before all is back."""
    srv = echo("--drain", "60s", "--sndbuf", "32k", "--rcvbuf", "32k")
    socks = [srv.connect(rcvbuf=16384) for _ in range(20)]
    sent = fill(socks)
    srv.signal(signal.SIGTERM)
    srv.wait_log("draining")
    for sock in socks:
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == b"n" * sent[sock]
        sock.close()
    assert srv.wait_exit() == 0
    assert "served 20 clients" in srv.log and " cut" not in srv.log


# rows: G04
def test_drain_serves_who_waits_in_the_backlog(echo):
    """G04: connected and spoken, but not accepted when SIGTERM comes."""
    srv = echo()
    with srv.standing_still():
        socks = [srv.connect() for _ in range(20)]
        for i, sock in enumerate(socks):
            sock.sendall(b"queued %d" % i)
        srv.signal(signal.SIGTERM)
    for i, sock in enumerate(socks):
        assert receive_all(sock) == b"queued %d" % i
        sock.close()
    assert srv.wait_exit() == 0
    assert "served 20 clients" in srv.log


# rows: G04
def test_drain_serves_the_backlog_of_a_full_server_too(echo):
    srv = echo("--concurrency", "1")
    socks = [srv.connect() for _ in range(3)]
    for i, sock in enumerate(socks):
        sock.sendall(b"queued %d" % i)
    srv.wait_log("client 1 connected")
    srv.signal(signal.SIGTERM)
    for i, sock in enumerate(socks):
        assert receive_all(sock) == b"queued %d" % i
        sock.close()
    assert srv.wait_exit() == 0


@contextlib.contextmanager
def long_drain(echo):
    """A server whose drain does not end, because somebody has sent and does not read; afterwards it is ended."""
    srv = echo("--drain", "60s", "--sndbuf", "16k", "--rcvbuf", "16k")
    with srv.connect(rcvbuf=4096) as stalled:
        fill([stalled])
        srv.wait_log("client 1 connected")
        srv.signal(signal.SIGTERM)
        yield srv
        srv.signal(signal.SIGTERM)
        assert srv.wait_exit() == 128 + signal.SIGTERM
        receive_until_the_end(stalled)


# rows: U06
def test_the_port_is_gone_before_the_log_says_so(echo):
    with long_drain(echo) as srv:
        srv.wait_log(f"^no longer listening on 127.0.0.1:{srv.port}$")
        found = subprocess.run(["ss", "-ltnH", f"sport = :{srv.port}"], capture_output=True, text=True)
        assert (found.returncode, found.stdout) == (0, "")
        assert srv.proc.poll() is None


# rows: U06
def test_the_listener_is_closed_first_and_logged_then(echo, tmp_path):
    """The order of the calls themselves, which no fast machine can hide."""
    trace = tmp_path / "trace"
    srv = echo(prefix=["strace", "-f", "-qq", "-y", "-s", "99", "-e", "trace=close,write", "-o", trace])
    row = re.search("^.*: 0100007F:%04X 00000000:0000 0A .*$" % srv.port,
                    open("/proc/net/tcp").read(), re.M)
    inode = row.group().split()[9]
    assert srv.stop() == 0
    calls = trace.read_text()
    closed = calls.index(f"<socket:[{inode}]>")
    assert "close(" in calls[closed - 10:closed]
    assert closed < calls.index("no longer listening on")


# rows: G03
def test_draining_refuses_newcomers(echo):
    def refused():
        try:
            socket.create_connection(("127.0.0.1", srv.port)).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            pass  # came between the last accept and the close of the listener
    with long_drain(echo) as srv:
        eventually(refused, "a closed port")


# rows: G02
def test_the_drain_cuts_who_does_not_read(echo):
    """G02: counted and said, exit 0; what was sent before the cut arrives whole."""
    srv = echo("--drain", "300ms", "--sndbuf", "16k", "--rcvbuf", "16k")
    with srv.connect(rcvbuf=4096) as sock:
        sent = push(sock)
        assert sock.recv(1, socket.MSG_PEEK)  # some is back
        srv.signal(signal.SIGTERM)
        eventually(lambda: fin_sent(srv.port), "the server's FIN")
        got = len(receive_all(sock))
    assert 0 < got < sent
    assert srv.wait_exit() == 0
    assert re.search(r"^served 1 client in .*, %d bytes echoed, 1 connection cut with \d+ bytes "
                     r"unsent\n\Z" % got, srv.log, re.M), srv.log


# rows: G02
def test_the_drain_bounds_a_connection_that_was_ending_already(echo):
    """Its lifetime is over, and 10 s would be left for the echo under way; the drain leaves less."""
    srv = echo("--max-lifetime", "200ms", "--drain", "200ms", "--sndbuf", "16k", "--rcvbuf", "16k")
    with srv.connect(rcvbuf=4096) as sock:
        push(sock)
        time.sleep(0.3)
        srv.signal(signal.SIGTERM)
        eventually(lambda: fin_sent(srv.port), "the server's FIN", patience=7)
        receive_until_the_end(sock)
    assert srv.wait_exit() == 0


# rows: G02
def test_who_is_left_in_the_backlog_is_counted(echo):
    srv = echo("--concurrency", "1", "--drain", "200ms", "--sndbuf", "16k", "--rcvbuf", "16k")
    with srv.connect(rcvbuf=4096) as sock:
        push(sock)
        srv.wait_log("client 1 connected")
        waiting = [srv.connect() for _ in range(3)]
        srv.signal(signal.SIGTERM)
        for other in waiting:
            with pytest.raises(ConnectionResetError):
                other.recv(1)
        receive_until_the_end(sock)
    assert srv.wait_exit() == 0
    assert re.search(r"^served 1 client in .*, 3 left waiting$", srv.log, re.M)


def test_the_last_client_of_several_listeners_is_the_last(launch, engine):
    srv = launch("--engine", engine, "--clients", "1", "127.0.0.1:0", "127.0.0.1:0")
    ports = [int(srv.wait_log(r"listening on \S+:(\d+)", n).group(1)) for n in (1, 2)]
    with socket.create_connection(("127.0.0.1", ports[0])) as first:
        assert echoes(first)
        fds = srv.fds()
        late = socket.create_connection(("127.0.0.1", ports[1]))
        assert echoes(first, b"again")
        assert srv.fds() == fds  # it waits in the backlog, not in our hands
    assert srv.wait_exit() == 0
    assert "served 1 client" in srv.log and ", 1 left waiting" in srv.log
    assert receive_until_the_end(late) in (None, b"")


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_stop_signals_end_an_idle_server_at_once(echo, build, signo):
    srv = echo()
    if sanitizer_in(build) == b"tsan":  # a signal that comes outside of a blocking call it keeps for the next one,
        eventually(srv.is_quiet, "a server that sleeps")  # and forgets it now and then
    srv.signal(signo)
    assert srv.wait_exit() == 0
    assert re.search(r"^served 0 clients in .*, 0 bytes echoed\n\Z", srv.log, re.M)


# rows: G05
@pytest.mark.parametrize("delay", [0, 0.0005, 0.001, 0.002, 0.004, 0.008])
def test_a_signal_while_the_server_ends_by_itself(server, delay):
    """The handler must not touch a server that is gone. The delays only spread the moment."""
    srv = server("--clients", "1")
    with srv.connect() as sock:
        assert echoes(sock)
    time.sleep(delay)
    try:
        srv.proc.send_signal(signal.SIGTERM)
    except ProcessLookupError:
        pass
    assert srv.wait_exit() == 0


# --- what the log says --------------------------------------------------------------------------


def test_every_client_is_announced(echo):
    srv = echo()
    with srv.connect() as sock:
        assert echoes(sock, b"x" * 38)
        port = sock.getsockname()[1]
    srv.wait_log(r"^client 1 connected from 127\.0\.0\.1:%d$" % port)
    srv.wait_log(r"^client 1 left after \d+\.\d (ms|s), 38 bytes echoed$")
    with srv.connect() as sock:
        assert echoes(sock, b"y")
    srv.wait_log(r"^client 2 left after \S+ (ms|s), 1 byte echoed$")


# rows: P24
def test_a_storm_is_summed_up(echo):
    srv = echo()
    clients = 0

    def storm():
        """On a slow machine the first may be no more than a breeze."""
        nonlocal clients
        for clients in range(clients + 1, clients + 301):
            with srv.connect() as sock:
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"
        return "and more: " in srv.log
    eventually(storm, "a sum")
    eventually(lambda: connected(srv.log) == clients, "the sum of all clients")
    eventually(lambda: left(srv.log) == clients, "the sum of all that left")
    assert len(srv.log.splitlines()) < 2 * clients


def connected(log):
    more = sum(int(n) for n in re.findall(r"and more: (\d+) connected", log))
    return more + len(re.findall(r"^client \d+ connected", log, re.M))


def left(log):
    more = sum(int(n) for n in re.findall(r"connected, (\d+) left", log))
    return more + len(re.findall(r"^client \d+ left", log, re.M))


def test_verbose_announces_every_client_of_a_storm(echo):
    srv = echo("-v")
    for _ in range(120):
        srv.connect().close()
    eventually(lambda: len(re.findall("connected from", srv.log)) == 120, "a line for each")
    eventually(lambda: len(re.findall("^client [0-9]+ left", srv.log, re.M)) == 120, "and for each end")


def test_quiet_logs_what_is_listening_and_nothing_else(echo):
    srv = echo("--quiet")
    with srv.connect() as sock:
        assert echoes(sock)
    assert srv.stop() == 0
    address = f"127.0.0.1:{srv.port}"
    first, last = srv.log.splitlines()
    assert first.startswith(f"listening on {address}, ")
    assert last == f"no longer listening on {address}"


def test_json_log(launch):
    srv = launch("--log-format", "json", "127.0.0.1:0")
    port = json.loads(srv.wait_log(r"^\{.*\}$").group(0))["address"].rsplit(":", 1)[1]
    with socket.create_connection(("127.0.0.1", int(port))) as sock:
        assert echoes(sock)
        peer = "127.0.0.1:%d" % sock.getsockname()[1]
    srv.wait_log('"event":"left"')
    assert srv.stop() == 0
    events = [json.loads(line) for line in srv.log.splitlines()]
    by_name = {e["event"]: e for e in events}
    assert [e["event"] for e in events] == ["listening", "confined", "connected", "left",
                                           "draining", "closed", "summary"]
    assert by_name["listening"]["backlog"] > 0 and by_name["listening"]["engine"] in ENGINES
    assert by_name["connected"]["peer"] == peer and by_name["connected"]["client"] == 1
    assert by_name["left"]["bytes"] == 5 and by_name["left"]["why"] == "closed"
    assert by_name["summary"]["clients"] == 1
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", e["time"]) for e in events)


def test_the_soft_descriptor_limit_is_raised(server):
    def lower():
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    srv = server(preexec=lower)
    limits = open(f"/proc/{srv.pid}/limits").read()
    soft, hard = re.search(r"Max open files\s+(\d+)\s+(\d+)", limits).groups()
    assert soft == hard
