"""--trace: the calls of the lesson as they happen, word for word, at both ends.

Each test goes in lockstep: it waits until the trace shows one step before it takes the next, so that what the kernel
says of a state cannot depend on who was quicker.
"""

import fcntl
import json
import os
import re
import signal
import socket

import pytest

from clientrunner import finish, results, run_client, start_client
from conftest import eventually, fill, receive_exactly, reset
from evil_server import FakeServer, honest, reset_after
from full_server import FullServer

CALL = re.compile(r"^(?:\[\d+\] )?(?:(?:sqe|cqe|ok ) )?\w+\([^)]*\)(?: = |  |$)")
WAITS = re.compile(r"= EAGAIN")
ALONE = ["--workers", 1, "--concurrency", 1, "--backlog", 5]  # so that no line names a thread


def trace_of(log):
    """The lines of the trace, without attempts that only say "not yet": when those are made is an engine's own affair."""
    return [line for line in log.splitlines() if CALL.match(line) and not WAITS.search(line)]


def named(lines, port, clients=()):
    """The same with what differs from run to run replaced, column for column: the listener is L, clients are A, B ...,
    and ports are the letter of whose they are."""
    text = "\n".join(lines)
    listener = re.search(r"^listen\((\d)", text, re.M)
    if listener:
        text = text.replace(f"({listener[1]})", "(L)").replace(f"({listener[1]},", "(L,")
        text = re.sub(r"^(socket\(\w+\)) = \d ", r"\1 = L ", text, flags=re.M)
    text = re.sub(rf":{port}\b", ":LLLLL", text)
    for letter, sock in zip("ABC", clients):
        text = re.sub(rf":{sock}\b", f":{letter * 5}", text)
    return text.splitlines()


def descriptors_named(lines):
    """The same for a descriptor that is accepted: there is only one at a time."""
    fd = next(re.search(r"= (\d) ", line)[1] for line in lines if line.startswith("accept4"))
    return [line.replace(f"({fd})", "(C)").replace(f"({fd},", "(C,").replace(f"= {fd}  ", "= C  ")
            if not line.startswith(("socket", "bind", "listen")) else line for line in lines]


def step(server, pattern, count=1):
    server.wait_log(pattern, count)


BEGIN = """\
socket(AF_INET) = L                     a TCP socket
bind(L) = 0                             127.0.0.1:LLLLL
listen(L, 5) = 0           LISTEN       clients may come, queue 0/5
"""

LESSON = BEGIN + """\
accept4(L) = C             ESTABLISHED  client 1 from 127.0.0.1:AAAAA, queue 0/5
recv(C) = 6 "hello\\n"
send(C) = 6 "hello\\n"
recv(C) = 0                CLOSE_WAIT   the client has nothing more to say (FIN)
close(C) = 0               LAST_ACK     our FIN follows the last byte
"""

LESSON_OF_A_RING = BEGIN + """\
accept4(L) = C             ESTABLISHED  client 1 from 127.0.0.1:AAAAA, queue 0/5
sqe recv(C)                             multishot: for all that will come
cqe recv(C) = 6 "hello\\n"
sqe send(C)                             6 bytes
cqe recv(C) = 0            CLOSE_WAIT   the client has nothing more to say (FIN)
close(C) = 0               LAST_ACK     our FIN follows the last byte
"""

# A ring says nothing of a send that went out. When the engine takes that for an answer, it may wait until there is
# something else to see.
SILENTLY = 'ok  send(C) = 6 "hello\\n"               all of it: then no completion comes'


def is_ring(engine):
    return engine == "io_uring"


def recv_of(engine):
    return r"cqe recv\(\d\)" if is_ring(engine) else r"^recv\(\d\)"


def send_of(engine):
    return r"sqe send\(\d\)" if is_ring(engine) else r"^send\(\d\)"


def connect(server, count):
    """A client that was accepted, and for whose bytes the server waits."""
    sock = server.connect()
    server.wait_log(r"^accept4\(\d\) = \d.* client %d " % count)
    return sock, sock.getsockname()[1]


def say(sock, data):
    sock.sendall(data)
    assert receive_exactly(sock, len(data)) == data


# --- the server ---------------------------------------------------------------------------------


def test_the_lesson(echo, engine):
    server = echo("--trace", *ALONE)
    sock, own_port = connect(server, 1)
    say(sock, b"hello\n")
    step(server, send_of(engine))
    sock.shutdown(socket.SHUT_WR)
    step(server, r"^close\(\d\)")
    lines = descriptors_named(named(trace_of(server.log), server.port, [own_port]))
    expected = LESSON
    if is_ring(engine):
        expected = LESSON_OF_A_RING
        assert lines.index(SILENTLY) > lines.index("sqe send(C)                             6 bytes")
        lines.remove(SILENTLY)
    assert lines == expected.splitlines()


def test_who_ended_before_it_was_accepted_and_who_still_waits(echo, engine):
    """The first one has the only place. Of those behind it one has sent everything, and its end: it is served all the
    same, which is half-close, and the queue behind it is what is left."""
    server = echo("--trace", *ALONE)
    first, _ = connect(server, 1)
    say(first, b"x")
    second, third = server.connect(), server.connect()
    second.sendall(b"all")
    second.shutdown(socket.SHUT_WR)
    own_port = second.getsockname()[1]
    first.close()
    assert receive_exactly(second, 4) == b"all"
    step(server, r"^close\(\d\)", 2)
    step(server, r"client 3 from .*, queue 0/5$")
    lines = [line.strip() for line in descriptors_named(named(trace_of(server.log), server.port, [own_port]))]
    begin = lines.index("accept4(L) = C             CLOSE_WAIT   client 2 from 127.0.0.1:AAAAA, queue 1/5")
    told = [line for line in lines[begin + 1:] if not line.startswith(("sqe", "ok"))][:4]
    word = "cqe " if is_ring(engine) else ""
    assert re.fullmatch(re.escape(word) + r'recv\(C\) = 3 "all" +CLOSE_WAIT', told[0])
    rest = [line for line in told[1:] if "send" not in line]
    assert rest[0] == f"{word}recv(C) = 0".ljust(27) + "CLOSE_WAIT   the client has nothing more to say (FIN)"
    assert rest[1] == "close(C) = 0               LAST_ACK     our FIN follows the last byte"
    third.close()


# rows: P20
@pytest.mark.parametrize("backlog", [0, 1, 3])
def test_a_queue_that_fills(echo, engine, backlog):
    """A backlog of N admits N + 1, and each accept shows one less."""
    server = echo("--trace", "--workers", 1, "--concurrency", 1, "--backlog", backlog)
    first, _ = connect(server, 1)
    waiting = [server.connect() for _ in range(backlog + 1)]
    first.close()
    for i, sock in enumerate(waiting):
        step(server, rf"^accept4\(\d\) = \d +ESTABLISHED  client {i + 2} from .*, queue {backlog - i}/{backlog}$")
        sock.close()
    assert f"listen({server.log.split('listen(')[1][0]}, {backlog}) = 0" in server.log


def test_the_backlog_that_is_in_force_is_told(server, network):
    small = network("net.core.somaxconn=3")
    s = server("--trace", *ALONE, namespace=small)
    assert re.search(r"^listen\(\d, 5\) = 0 +LISTEN +clients may come, queue 0/3$", s.log, re.M)


def test_a_reset(echo, engine):
    server = echo("--trace", *ALONE)
    sock, _ = connect(server, 1)
    say(sock, b"x")
    reset(sock)
    step(server, r"^close\(\d\)")
    lines = descriptors_named(trace_of(server.log))
    word = "cqe " if is_ring(engine) else ""
    assert (f"{word}recv(C) = ECONNRESET".ljust(27) + "CLOSED       reset by the client (RST)") in lines
    assert lines[-1] == "close(C) = 0               CLOSED"


PAYLOADS = [
    (b"\x1b[2J\x07", r'"\x1b[2J\x07"'),
    (b'"quoted" \\', r'"\"quoted\" \\"'),
    (b"\0\t\r\n\xff", r'"\x00\t\r\n\xff"'),
    ("한글".encode(), '"한글"'),
    ("\u202eevil".encode(), r'"\xe2\x80\xaeevil"'),
    (b"= EAGAIN", '"= EAGAIN"'),
    (b"a" * 24, '"%s"' % ("a" * 24)),
    (b"a" * 25, '"%s"...' % ("a" * 24)),
    (b"\n" * 100, '"%s"...' % (r"\n" * 12)),
    (b"b" * 5000, '"%s"...' % ("b" * 24)),
]


# rows: L05
@pytest.mark.parametrize("data,shown", PAYLOADS, ids=[repr(data[:8]) for data, _ in PAYLOADS])
def test_payload_is_escaped_and_shortened(echo, engine, data, shown):
    server = echo("--trace", *ALONE)
    sock, _ = connect(server, 1)
    say(sock, data)
    step(server, recv_of(engine) + rf" = {len(data)} " + re.escape(shown) + "$")
    sock.close()


def test_no_room_to_send(echo, engine):
    """A client that does not read: at last the server's send finds no room, and says so."""
    server = echo("--trace", *ALONE, "--sndbuf", "16k")
    sock, _ = connect(server, 1)
    fill([sock])
    if is_ring(engine):
        step(server, r"^sqe send\(\d\) +\d+ bytes?, when there is room$")
    else:
        step(server, r"^send\(\d\) = EAGAIN +no room: it is not read over there$")
        step(server, r'^send\(\d\) = \d+ "n{24}"\.\.\. of \d+: there was no room for more$')
    reset(sock)


def test_our_own_end(echo, engine):
    """A timeout of the server's: it says FIN first, and the client's answer is what it waits for."""
    server = echo("--trace", *ALONE, "--idle-timeout", "50ms")
    sock, _ = connect(server, 1)
    assert sock.recv(1) == b""
    step(server, r"^shutdown\(\d, SHUT_WR\) = 0   FIN_WAIT_1   we have nothing more to say \(FIN\)$")
    sock.close()
    step(server, r"recv\(\d\) = 0 +TIME_WAIT    the client has nothing more to say \(FIN\)$")
    step(server, r"^close\(\d\) = 0 +TIME_WAIT    the kernel remembers it for a minute$")


def test_without_it_nothing_is_told(echo):
    server = echo(*ALONE)
    sock = server.connect()
    say(sock, b"hello\n")
    sock.close()
    step(server, "client 1 left")
    assert trace_of(server.log) == []


def test_it_is_told_in_quiet_too_and_from_the_environment(server):
    s = server("--quiet", *ALONE, env={"MEARI_TRACE": "1"})
    s.wait_log(r"^listen\(\d, 5\) = 0 ")


WAIT = {"epoll": "epoll_wait", "classic": "poll", "io_uring": "io_uring_enter"}


def test_waits_are_told_when_asked_for_twice(echo, engine):
    server = echo("--trace", "--trace", *ALONE)
    sock, _ = connect(server, 1)
    step(server, rf"^{WAIT[engine]}\(\) = \d +\d ready$")
    sock.close()


def test_waits_are_not_told_when_asked_for_once(echo, engine):
    server = echo("--trace", *ALONE)
    sock, _ = connect(server, 1)
    say(sock, b"x")
    sock.close()
    step(server, r"^close\(\d\)")
    assert WAIT[engine] + "(" not in server.log


def test_machines_get_fields(echo, engine):
    server = echo("--trace", "--log-format", "json", *ALONE)
    sock = server.connect()
    server.wait_log('"call":"accept4".*"result":')
    say(sock, b'"hello"\n')
    sock.close()
    server.wait_log('"call":"close"')
    events = [event for event in map(json.loads, server.log.splitlines()) if event["event"] == "trace"]
    accepted = next(e for e in events if e["call"] == "accept4" and "result" in e)
    assert (accepted["state"], accepted["level"]) == ("ESTABLISHED", "notice")
    word = "cqe recv" if is_ring(engine) else "recv"
    received = [e for e in events if e["call"] == word and "error" not in e]
    assert [e["result"] for e in received] == [8, 0]
    assert received[0]["data"] == r'"\"hello\"\n"'
    assert received[0]["fd"] == accepted["result"]
    assert received[1]["meaning"] == "the client has nothing more to say (FIN)"


def test_several_threads_name_themselves_and_do_not_interleave(echo):
    server = echo("--trace", "--workers", 3, "--backlog", 8)
    socks = [server.connect() for _ in range(6)]
    for turn in range(20):
        for sock in socks:
            sock.sendall(b"%d\n" % turn)
        for sock in socks:
            receive_exactly(sock, len(b"%d\n" % turn))
    for sock in socks:
        sock.close()
    step(server, "client [0-9] left", 6)
    whole = re.compile(r'\[\d\] ((sqe|cqe|ok ) )?\w+\(\w+(, \d+)?\)( = -?\w+)?( "\d+\\n")?( {2,}|$)[\w :()\[\].,/+]*')
    ours = re.compile(r"listening|confined|client \d+ (connected|left)")
    lines = server.log.splitlines()
    assert [line for line in lines if not whole.fullmatch(line) and not ours.match(line)] == []
    assert len({line[:4] for line in lines if line[0] == "["}) > 1  # worker 0, and another one at least


# rows: R11
def test_a_log_that_nobody_reads_stops_nobody(launch, engine):
    """More is told than the pipe takes. What does not fit is dropped, and that is told when somebody reads."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    server = launch("--engine", engine, "--trace", *ALONE, "127.0.0.1:0", preexec=lambda: os.dup2(write_end, 2))
    os.close(write_end)
    log = b""
    while not (ready := re.search(rb"listening on \S+:(\d+), ", log)):
        log += os.read(read_end, 4096)
    server.port = int(ready[1])
    with server.connect() as sock:
        for _ in range(200):
            say(sock, b"hello\n")
    server.signal(signal.SIGTERM)
    while chunk := os.read(read_end, 4096):
        log += chunk
    os.close(read_end)
    assert server.wait_exit() == 0
    assert re.search(rb"\d+ log lines were dropped", log)


# --- the client ---------------------------------------------------------------------------------

CONVERSATION = """\
socket(AF_INET) = S                     a TCP socket
connect(S) = EINPROGRESS   SYN_SENT     a SYN to 127.0.0.1:LLLLL
SO_ERROR(S) = 0            ESTABLISHED  from 127.0.0.1:AAAAA to 127.0.0.1:LLLLL
send(S) = 6 "hello\\n"
recv(S) = 6 "hello\\n"
shutdown(S, SHUT_WR) = 0   FIN_WAIT_1   we have nothing more to say (FIN)
recv(S) = 0                TIME_WAIT    the server has nothing more to say (FIN)
close(S) = 0               TIME_WAIT    the kernel remembers it for a minute
"""


def client_trace(outcome, port):
    lines = trace_of(outcome.stderr)
    own = re.search(r"from \S+:(\d+) to", outcome.stderr)
    return named(lines, port, [own[1]] if own else [])


def test_the_clients_side(echo):
    port = echo().port
    outcome = run_client("--trace", "127.0.0.1", port, stdin=b"hello\n")
    assert (outcome.code, outcome.stdout) == (0, results(b"hello\n"))
    text = re.sub(r"\(\d", "(S", "\n".join(client_trace(outcome, port)))
    assert re.sub(r"^(socket.*?= )\d", r"\1S", text).splitlines() == CONVERSATION.splitlines()


def test_both_sides_name_the_same_ports(echo):
    server = echo("--trace", *ALONE)
    outcome = run_client("--trace", "127.0.0.1", server.port, stdin=b"hello\n")
    own = re.search(r"from (\S+) to", outcome.stderr)[1]
    step(server, rf"client 1 from {re.escape(own)}, queue 0/5")


def test_raw(honest_port):
    outcome = run_client("--trace", "--raw", "127.0.0.1", honest_port, stdin=b"hello\n")
    assert outcome.stdout == b"hello\n"
    calls = [line.split("(")[0] for line in client_trace(outcome, honest_port)]
    assert calls[:4] == ["socket", "connect", "SO_ERROR", "send"] and calls[-2:] == ["recv", "close"]
    assert sorted(calls[4:-2]) == ["recv", "shutdown"]


def test_nobody_listens(deaf_port):
    outcome = run_client("--trace", "127.0.0.1", deaf_port)
    assert outcome.code == 2
    assert re.search(r"^SO_ERROR\(\d\) = ECONNREFUSED CLOSED       nobody listens there \(RST\)$", outcome.stderr, re.M)
    assert re.search(r"^close\(\d\) = 0 +CLOSED$", outcome.stderr, re.M)


def test_a_full_queue_is_seen_from_the_other_end():
    with FullServer() as full:
        proc = start_client("--trace", "127.0.0.1", full.port)
        full.wait_for_silenced(1)
        full.open()
        outcome = finish(proc, b"hello\n")
    assert re.search(r"^SO_ERROR\(\d\) = 0 +ESTABLISHED  from \S+ to \S+, after \d SYN retr(y|ies)$", outcome.stderr, re.M)


def test_the_server_resets():
    with FakeServer(reset_after(3)) as fake:
        outcome = run_client("--trace", "127.0.0.1", fake.port, stdin=b"hello\n")
    assert outcome.code == 1
    assert re.search(r"^recv\(\d\) = ECONNRESET +CLOSED       reset by the server \(RST\)$", outcome.stderr, re.M)


def test_the_server_ends_first():
    """The client is left in CLOSE_WAIT, and its close sends the FIN that was missing."""
    with FakeServer(lambda conn: conn.sock.shutdown(socket.SHUT_WR)) as fake:
        proc = start_client("--trace", "--raw", "127.0.0.1", fake.port)
        seen = b""
        while b"close(" not in seen and (line := proc.stderr.readline()):
            seen += line
            if b"= 0  " in line and b"recv" in line:
                proc.stdin.close()
        proc.wait()
    assert re.search(rb"^recv\(\d\) = 0 +CLOSE_WAIT   the server has nothing more to say \(FIN\)$", seen, re.M)
    assert re.search(rb"^close\(\d\) = 0 +LAST_ACK     our FIN follows the last byte$", seen, re.M)


def test_without_it_the_client_tells_nothing(honest_port):
    assert run_client(honest_port, stdin=b"hello\n").stderr == ""


def test_waits_of_the_client(honest_port):
    outcome = run_client("--trace", "--trace", "127.0.0.1", honest_port, stdin=b"hello\n")
    assert re.search(r"^poll\(\) = 1 +1 ready$", outcome.stderr, re.M)
