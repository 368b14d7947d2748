"""The backlog made visible: who waits, what is dropped, what the log says about it, and a queue that can be
watched filling and emptying. Each in a network of its own, so that the kernel's counters are about this server."""

import json
import os
import pathlib
import re
import signal
import socket
import struct
import time

import pytest

from conftest import eventually, fill, receive_all, receive_exactly
from terminal import Terminal

LINE = re.compile(r"^clients (?P<clients>\d+) \| (?P<reads>\S+) reads/s \| (?P<bytes>[\d.]+ \w+)/s"
                  r" \| backlog (?P<waiting>\d+)/(?P<limit>\d+)(?P<full> FULL)?(?: at (?P<address>\S+))?"
                  r" \| (?P<dropped>\d+) SYNs? dropped(?P<extra>.*)$", re.M)


@pytest.fixture
def lab(network, server):
    """A server in a network of its own: lab("--backlog", "5", sysctls=["net.core.somaxconn=16"])."""
    def start(*args, sysctls=(), **how):
        how.setdefault("env", {"LC_ALL": "C"})
        return server(*args, namespace=network(*sysctls), **how)
    return start


def call(srv, count):
    """So many connects, which are not waited for: the kernel completes them, or sends their SYNs again."""
    socks = []
    for _ in range(count):
        with srv.inside():
            sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", srv.port))
        socks.append(sock)
    return socks


def echoes(sock, message=b"hello"):
    """Once it is connected; a SYN that was dropped comes again after a second or two."""
    sock.settimeout(30)
    error = eventually_connected(sock)
    assert error == 0, os.strerror(error)
    sock.sendall(message)
    return receive_exactly(sock, len(message)) == message


def eventually_connected(sock):
    def outcome():
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            return [error]
        try:
            sock.getpeername()
            return [0]
        except OSError:
            return None
    return eventually(outcome, "a connection")[0]


def netstat(srv):
    with srv.inside():
        names, values = [line.split()[1:] for line in open("/proc/thread-self/net/netstat")
                         if line.startswith("TcpExt:")]
    return {name: int(value) for name, value in zip(names, values)}


def drops_of_ss(srv):
    """SO_MEMINFO of the listener, as ss shows it: skmem:(r0,...,d18)."""
    return int(re.search(r"skmem:\(\S*,d(\d+)\)", srv.namespace.run("ss", "-ltnmH")).group(1))


def ask(srv, pattern=LINE):
    """What SIGUSR1 makes it say."""
    before = len(pattern.findall(srv.log))
    srv.signal(signal.SIGUSR1)
    eventually(lambda: len(pattern.findall(srv.log)) > before, "an answer to SIGUSR1")
    return list(pattern.finditer(srv.log))[before]


def ask_between_drops(srv):
    """An answer, and the kernel's counters, with no SYN dropped between the one and the other."""
    def steady():
        before = netstat(srv)
        answer = ask(srv)
        return (answer, before) if before == netstat(srv) else None
    return eventually(steady, "a moment without a dropped SYN")


# --- the accept queue ---------------------------------------------------------------------------


# rows: P20 P21
def test_twelve_connects_to_a_backlog_of_five(lab, engine):
    """Six wait, the SYNs of six are dropped and counted; when accepting goes on, all twelve are served."""
    srv = lab("--engine", engine, "--backlog", "5", "--accept-pause")
    srv.wait_log("^accepting nobody until SIGUSR2$")
    socks = call(srv, 12)
    answer, kernel = ask_between_drops(srv)
    assert answer["waiting"] == "6" and answer["limit"] == "5" and answer["full"]
    assert int(answer["dropped"]) >= 6
    assert int(answer["dropped"]) == kernel["ListenDrops"] == kernel["ListenOverflows"]
    assert answer["extra"] == " | accepting paused" and answer["clients"] == "0"
    assert "connected from" not in srv.log
    srv.signal(signal.SIGUSR2)
    assert all(echoes(sock) for sock in socks)
    answer, kernel = ask_between_drops(srv)
    assert answer["waiting"] == "0" and not answer["full"] and answer["extra"] == ""
    assert answer["clients"] == "12"
    assert int(answer["dropped"]) == kernel["ListenDrops"] == drops_of_ss(srv)
    for sock in socks:
        sock.close()
    srv.wait_log("client 12 left")
    assert srv.stop() == 0
    assert re.search(r"^served 12 clients in .*, 60 bytes echoed$", srv.log, re.M), srv.log


# rows: C06 P20
@pytest.mark.parametrize("backlog,admits", [("0", 1), ("1", 2), ("5", 6)])
def test_a_backlog_admits_one_more_than_its_value(lab, engine, backlog, admits):
    srv = lab("--engine", engine, "--backlog", backlog, "--accept-pause")
    socks = []
    for n in range(admits + 1):
        answer = ask(srv)
        assert (int(answer["waiting"]), answer["limit"]) == (n, backlog)
        assert bool(answer["full"]) == (n == admits) and answer["dropped"] == "0"
        socks += call(srv, 1)
    assert int(ask(srv)["dropped"]) >= 1
    srv.signal(signal.SIGUSR2)
    assert all(echoes(sock) for sock in socks)


# rows: C06 P22
def test_somaxconn_clamps_what_is_shown(lab, engine):
    srv = lab("--engine", engine, "--backlog", "1024", "--accept-pause", sysctls=["net.core.somaxconn=16"])
    socks = call(srv, 18)
    answer = ask(srv)
    assert (answer["waiting"], answer["limit"]) == ("17", "16") and answer["full"]
    srv.signal(signal.SIGUSR2)
    assert all(echoes(sock) for sock in socks)


def test_drops_are_counted_from_our_start(lab, tmp_path, launch):
    """Who takes the listener over begins at 0, as it did not drop what was dropped before."""
    srv = lab("--backlog", "0", "--accept-pause", "--takeover", tmp_path / "at")
    socks = call(srv, 3)
    assert int(ask(srv)["dropped"]) >= 2
    srv.wait_log("can take over")
    next_one = launch("--backlog", "0", "--accept-pause", "--takeover", tmp_path / "at",
                      f"127.0.0.1:{srv.port}", namespace=srv.namespace, env={"LC_ALL": "C"}).wait_ready()
    next_one.wait_log("took over 1 listener")
    assert srv.wait_exit() == 0
    answer = ask(next_one)
    assert answer["waiting"] == "1" and int(answer["dropped"]) <= netstat(next_one)["ListenDrops"] - 2
    next_one.signal(signal.SIGUSR2)
    assert all(echoes(sock) for sock in socks)
    for sock in socks:
        sock.close()
    eventually(lambda: ask(next_one)["clients"] == "0", "three clients that are gone")
    next_one.wait_log("can take over")
    next_one.fds_at_start = next_one.fds()


# --- the SYN queue ------------------------------------------------------------------------------


# rows: P23
def test_cookies_are_counted(lab, engine):
    """With cookies always on, every SYN is answered with one, and the service is the same."""
    srv = lab("--engine", engine, sysctls=["net.ipv4.tcp_syncookies=2"])
    assert ask(srv)["extra"] == ""
    for sock in call(srv, 7):
        assert echoes(sock)
    answer, kernel = ask_between_drops(srv)
    assert kernel["TCPReqQFullDoCookies"] >= 7
    assert answer["extra"] == f" | {kernel['TCPReqQFullDoCookies']} SYN cookies"


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn(source, port, to_port):
    """A segment with the first byte of a handshake that nobody will finish."""
    from_addr, to_addr = socket.inet_aton(source), socket.inet_aton("127.0.0.1")
    tcp = struct.pack("!HHIIBBHHH", port, to_port, port, 0, 5 << 4, 2, 1024, 0, 0)
    check = checksum(from_addr + to_addr + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", check) + tcp[18:]
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, socket.IPPROTO_TCP, 0,
                       from_addr, to_addr) + tcp


# rows: P23
def test_a_flood_of_syns_fills_the_other_queue(lab, engine):
    """From an address that answers nothing: the SYN queue is full, cookies go out, and clients are served."""
    srv = lab("--engine", engine, "--backlog", "5", sysctls=["net.ipv4.tcp_syncookies=1"])
    srv.namespace.run("ip", "route", "add", "10.0.0.0/8", "dev", "lo")
    with srv.inside(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for i in range(100):
            raw.sendto(syn("10.1.2.3", 10000 + i, srv.port), ("127.0.0.1", 0))
    for sock in call(srv, 3):
        assert echoes(sock)
    answer, kernel = ask_between_drops(srv)
    assert kernel["TCPReqQFullDoCookies"] > 0
    assert f"{kernel['TCPReqQFullDoCookies']} SYN cookie" in answer["extra"]
    assert f"TCPReqQFullDoCookies {kernel['TCPReqQFullDoCookies']}," in srv.log


# --- the log says when it happens ---------------------------------------------------------------


@pytest.mark.parametrize("backlog,somaxconn,advice", [
    ("2", 128, "a larger --backlog lets more wait"),
    ("2", 2, "a larger net.core.somaxconn lets more wait"),
])
def test_a_full_queue_is_logged_with_what_to_change(lab, engine, backlog, somaxconn, advice):
    srv = lab("--engine", engine, "--concurrency", "1", "--backlog", backlog,
              sysctls=[f"net.core.somaxconn={somaxconn}"])
    first = srv.connect()
    assert echoes(first)
    others = call(srv, 4)
    line = srv.wait_log(r"the accept queue of 127\.0\.0\.1:\d+ is full \(3/2\)(, \d+ SYNs? dropped)?: .*").group()
    assert f"--concurrency 1 is reached, and a larger one serves more; {advice}" in line
    first.close()
    for sock in others:
        assert echoes(sock)
        sock.close()
    assert srv.log.count("the accept queue") + srv.log.count("dropped at") <= 2, srv.log


def test_a_full_queue_of_a_paused_server_is_logged(lab):
    srv = lab("--backlog", "1", "--accept-pause")
    call(srv, 3)
    srv.wait_log(r"is full \(2/1\).*: accepting is paused, and SIGUSR2 resumes it")
    srv.signal(signal.SIGUSR2)


def test_the_pause_is_what_filled_the_queue_also_when_it_is_over(lab):
    srv = lab("--backlog", "1", "--accept-pause")
    with srv.standing_still():
        socks = call(srv, 5)
        srv.signal(signal.SIGUSR2)
    line = srv.wait_log(r"the accept queue of .*|\d+ SYNs? dropped at .*").group()
    assert re.search(": accepting (is|was) paused", line), line
    assert all(echoes(sock) for sock in socks)


def test_who_comes_after_the_last_client_is_not_promised_anything(lab):
    srv = lab("--backlog", "1", "--clients", "1")
    with srv.connect() as only:
        assert echoes(only)
        call(srv, 3)
        srv.wait_log(r"is full \(2/1\).*: --clients 1 is reached, and nobody else is served$")
    assert srv.wait_exit() == 0


def test_drops_that_nobody_saw_happen_are_logged_before_accepting_goes_on(lab):
    """The process was stopped while they happened, so it cannot have looked."""
    srv = lab("--backlog", "1")
    with srv.standing_still():
        socks = call(srv, 5)
    assert all(echoes(sock) for sock in socks)
    line = srv.wait_log(r"(\d+) SYNs? dropped").group(1)
    assert 1 <= int(line) <= netstat(srv)["ListenDrops"]


def timeout_ms(pid):
    """Of the epoll_wait(2) that the first thread is in: -1 is for ever. None while it is in something else."""
    words = pathlib.Path(f"/proc/{pid}/task/{pid}/syscall").read_text().split()
    if words[0] in ("running", "-1"):
        return None
    timeout = int(words[4], 16) & 0xFFFFFFFF
    return -1 if timeout == 0xFFFFFFFF else timeout


def test_an_idle_server_does_not_look(lab):
    """Once there is nothing to see it sleeps without a deadline; while somebody waits it has one."""
    srv = lab("--engine", "epoll", "--backlog", "5")
    for _ in range(2):
        eventually(lambda: timeout_ms(srv.pid) == -1, "a sleep without end")
        with srv.connect() as sock:
            assert echoes(sock)
    srv.signal(signal.SIGUSR2)
    eventually(lambda: (timeout_ms(srv.pid) or -1) > 0, "a look to come")
    srv.signal(signal.SIGUSR2)
    eventually(lambda: timeout_ms(srv.pid) == -1, "a sleep without end")


# --- --stats ------------------------------------------------------------------------------------


def test_a_line_as_often_as_asked(lab, engine):
    srv = lab("--engine", engine, "--stats", "50ms")
    with srv.connect() as sock:
        for _ in range(20):
            assert echoes(sock, b"x" * 1000)
        srv.wait_log(LINE.pattern.replace("(?P<clients>\\d+)", "1"), 3)
    srv.wait_log("client 1 left")
    count = len(LINE.findall(srv.log))
    srv.wait_log(LINE.pattern, count + 2)
    srv.fds_at_start = srv.fds()
    assert srv.stop() == 0


def figures(srv, event="stats"):
    whole = srv.log.rpartition("\n")[0]
    return [entry for entry in map(json.loads, whole.splitlines()) if entry["event"] == event]


def test_the_figures_as_json(launch, network, engine):
    """Each read and each byte counts, also of helpers that are gone."""
    srv = launch("--engine", engine, "--log-format", "json", "--backlog", "7", "127.0.0.1:0", namespace=network())
    srv.port = int(srv.wait_log(r"listening on 127\.0\.0\.1:(\d+)").group(1))
    srv.fds_at_start = srv.fds()
    for _ in range(3):
        with srv.connect() as sock:
            for size in (1, 10, 100):
                assert echoes(sock, b"x" * size)
            sock.shutdown(socket.SHUT_WR)
            assert receive_all(sock) == b""
    def when_all_are_gone():
        srv.signal(signal.SIGUSR1)
        return next((entry for entry in figures(srv) if entry["clients"] == 0), None)
    stats = eventually(when_all_are_gone, "the last client's end")
    assert (stats["reads"], stats["bytes"]) == (9, 333)
    assert stats["level"] == "notice" and stats["reads_per_s"] >= 0 and stats["bytes_per_s"] >= 0
    assert (stats["waiting"], stats["backlog"], stats["syns_dropped"]) == (0, 7, 0)
    assert stats["address"] == f"127.0.0.1:{srv.port}"
    names = {"listen_overflows", "listen_drops", "syn_cookies", "syn_queue_drops"}
    assert {name: stats[name] for name in names} == dict.fromkeys(names, 0)
    network_line = eventually(lambda: figures(srv, "network"), "the network's")[0]
    assert {name: network_line[name] for name in names} == dict.fromkeys(names, 0)


def test_of_several_listeners_the_fullest_is_shown(launch, network):
    srv = launch("--backlog", "1", "--accept-pause", "127.0.0.1:0", "127.0.0.2:0", namespace=network(),
                 env={"LC_ALL": "C"}).wait_ready()
    srv.serves_fresh_clients = False
    other = int(srv.wait_log(r"listening on 127\.0\.0\.2:(\d+)").group(1))
    with srv.inside():
        socks = [socket.socket() for _ in range(3)]
    for sock in socks:
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.2", other))
    call(srv, 1)
    answer = ask(srv)
    assert answer["address"] == f"127.0.0.2:{other}" and answer["full"] and int(answer["dropped"]) >= 1
    srv.wait_log(r"^127\.0\.0\.1:\d+: backlog 1/1, 0 SYNs dropped$")
    srv.wait_log(r"^127\.0\.0\.2:%d: backlog 2/1 FULL, \d+ SYNs? dropped$" % other)


@pytest.mark.once  # the leak check wants /proc
def test_what_cannot_be_read_is_not_zero(lab, without_proc):
    srv = lab("--sandbox", "off", prefix=without_proc)
    ask(srv)
    srv.wait_log("ListenOverflows n/a, ListenDrops n/a, TCPReqQFullDoCookies n/a, TCPReqQFullDrop n/a")


def test_a_kernel_that_does_not_tell(server):
    srv = server("--sandbox", "off", env={"LC_ALL": "C"}, prefix=[
        "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=getsockopt", "-e", "inject=getsockopt:error=EPERM"])
    srv.signal(signal.SIGUSR1)
    srv.wait_log(r"^clients 0 \| 0 reads/s \| 0 B/s \| backlog n/a \| n/a SYNs dropped$")


@pytest.mark.parametrize("locale,dot", [("C.UTF-8", "·"), ("C", "\\|"), ("not_Installed.UTF-8", "\\|")])
def test_the_separator_follows_the_locale(server, locale, dot):
    srv = server(env={"LC_ALL": locale})
    srv.signal(signal.SIGUSR1)
    srv.wait_log(r"^clients 0 %s 0 reads/s %s 0 B/s %s backlog 0/\d+ %s 0 SYNs dropped$" % (dot, dot, dot, dot))


def test_whoever_it_becomes_can_read_them(launch, network):
    """The file with the network's counters is open before."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    srv = launch("--user", "nobody", "--sandbox", "require", "--log-format", "json", "127.0.0.1:0",
                 namespace=network())
    srv.wait_log("confined")
    srv.signal(signal.SIGUSR1)
    stats = eventually(lambda: figures(srv), "figures")[0]
    assert stats["listen_drops"] == stats["syns_dropped"] == stats["waiting"] == 0


def test_quiet_servers_answer(lab):
    srv = lab("--quiet")
    ask(srv)


# --- on a terminal ------------------------------------------------------------------------------


def terminal(build, *args, columns=120, **env):
    env = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm", **env}
    return Terminal([str(build / "meari-server"), *args, "127.0.0.1:0"], env=env, columns=columns)


def test_on_a_terminal_the_line_stays_below_the_log(build):
    with terminal(build, "--stats", "50ms", "--backlog", "5", "--accept-pause") as t:
        port = int(t.wait(re.compile(r"listening on 127\.0\.0\.1:(\d+)")).group(1))
        t.wait("backlog ░░░░░░░░░░ 0/5 · 0 SYNs dropped · accepting paused")
        socks = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        t.wait("backlog █████░░░░░ 3/5")
        socks += [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        t.wait("backlog ██████████ 6/5 FULL")
        os.kill(t.proc.pid, signal.SIGUSR2)
        t.wait("clients 6 · ")
        lines = re.findall(rb"\r\x1b\[Kclient \d connected from [\d.:]+\r\n(.*?)(?=\r)", t.raw)
        assert len(lines) == 6 and all(line.startswith(b"clients ") for line in lines), t.raw
        for sock in socks:
            sock.close()
        t.proc.terminate()
        assert t.end() == 0
        last = t.raw.rsplit(b"\r\n", 2)[-2]
        assert re.search(rb"\r\x1b\[Kserved 6 clients in [^\r]*$", last), t.raw


def test_a_second_signal_takes_the_line_away(build):
    with terminal(build, "--stats", "50ms", "--drain", "60s", "--sndbuf", "16k", "--rcvbuf", "16k") as t:
        port = int(t.wait(re.compile(r"listening on 127\.0\.0\.1:(\d+)")).group(1))
        with socket.create_connection(("127.0.0.1", port)) as stalled:
            fill([stalled])
            t.wait("client 1 connected")
            os.kill(t.proc.pid, signal.SIGTERM)
            t.wait(re.compile("clients 1 · [^\n]* · draining"))
            os.kill(t.proc.pid, signal.SIGTERM)
            assert t.end() == 128 + signal.SIGTERM
        assert t.raw.endswith(b"\r\x1b[K"), t.raw[-200:]


def test_a_narrow_terminal_is_not_wrapped(build):
    with terminal(build, "--stats", "50ms", columns=30) as t:
        t.wait("clients 0 · 0 reads/s · 0 B/s")
        for _ in range(3):
            t.wait("clients 0 ·")
        shown = re.findall(r"\r\x1b\[K(clients[^\r]*)", t.raw.decode())
        assert shown and all(len(line) == 29 for line in shown[:-1]), shown
        t.proc.terminate()
        assert t.end() == 0


@pytest.mark.parametrize("env,bar", [
    ({"LC_ALL": "C"}, "backlog .......... 0/"),
    ({"TERM": "dumb"}, "backlog 0/"),
])
def test_lesser_terminals(build, env, bar):
    with terminal(build, "--stats", "50ms", **env) as t:
        t.wait(bar)
        assert (b"\x1b" in t.raw) == ("LC_ALL" in env)
        t.proc.terminate()
        assert t.end() == 0


# --- the laboratory -----------------------------------------------------------------------------


def test_a_delay_before_each_accept(lab, engine):
    srv = lab("--engine", engine, "--accept-delay", "50ms")
    begun = time.monotonic()
    socks = call(srv, 4)
    assert all(echoes(sock) for sock in socks)
    assert time.monotonic() - begun > 3 * 0.05  # the delay of the first may have begun before


@pytest.mark.parametrize("how", [["--accept-delay", "1h"], ["--accept-pause"]])
def test_a_drain_takes_who_waits_whatever_it_was_told(lab, engine, how):
    srv = lab("--engine", engine, "--backlog", "5", *how)
    socks = call(srv, 6)
    for sock in socks:
        sock.sendall(b"hello")
    assert ask(srv)["full"]
    srv.signal(signal.SIGTERM)
    for sock in socks:
        sock.settimeout(30)
        assert receive_all(sock) == b"hello"
        sock.close()
    assert srv.wait_exit() == 0
    assert "served 6 clients in" in srv.log and "left waiting" not in srv.log


def test_accepting_is_paused_and_resumed(lab, engine):
    """Clients that are served already go on being served."""
    srv = lab("--engine", engine, "--backlog", "5")
    with srv.connect() as first:
        assert echoes(first)
        for n in range(1, 4):
            srv.signal(signal.SIGUSR2)
            srv.wait_log("^accepting nobody until SIGUSR2$", n)
            eventually(lambda: ask(srv)["extra"] == " | accepting paused", "the pause")
            second = srv.connect()
            second.sendall(b"hello")
            assert echoes(first)
            assert ask(srv)["waiting"] == "1"
            srv.signal(signal.SIGUSR2)
            srv.wait_log("^accepting again$", n)
            assert receive_exactly(second, 5) == b"hello"
            second.close()
