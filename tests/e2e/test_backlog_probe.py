"""meari-bench --backlog-probe: what a server serves at a time, and how many its accept queue admits.

The kernel's arithmetic is exact, and so is what is asked of the probe here. Where a verdict needs that nothing moves, the
server is one that cannot move, so a busy machine only makes the test slower; where something moves, the probe is
given more patience (--timeout) than it will need.
"""

import re
import signal
import socket
import threading

import pytest

from benchrunner import finish, load_json, refused, run_plain, start_bench
from conftest import PATIENCE, eventually
from delay_server import DelayServer
from evil_server import FakeServer, honest
from full_server import SYN_SENT, FullServer

PATIENT = ["--timeout", "60s"]  # never waited for
SETTLED = ["--timeout", "5s"]  # waited for once: as long as a real server may take to answer on a busy machine


def probe(*args, code=0, **how):
    """What the JSON says of the outcome; the exit code must be `code`."""
    ended, out, err = run_plain("--backlog-probe", "-J", *args, **how)
    assert ended == code, (ended, out, err)
    report = load_json(out)
    assert report["schema"] == {"name": "meari-backlog-probe", "version": 1}
    outcome = report["outcome"]
    parts = outcome["served"], outcome["waiting"], outcome["turned_away"], outcome["ended"]
    assert sum(parts) == outcome["opened"]
    return outcome


def silent_listener(backlog):
    """Nobody will ever accept from it."""
    return socket.create_server(("127.0.0.1", 0), backlog=backlog)


def port_of(listener):
    return listener.getsockname()[1]


# --- what there is to find ----------------------------------------------------------------------


# rows: B14 P20
def test_the_server_of_the_lesson(server):
    srv = server("--classic")
    code, out, err = run_plain("--backlog-probe", *SETTLED, srv.port)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "served 1, waiting 6 (backlog 5 + 1), then no answer"
    assert re.search(r"^opened +7 connections of at most 50, one after the other; the next one sent [2-9] SYNs in vain$",
                     out, re.M), out
    assert srv.wait_exit() == 0  # its five clients were ours


# rows: B14 P20
def test_three_at_a_time_and_six_that_wait(echo):
    srv = echo("--concurrency", 3, "--backlog", 5)
    outcome = probe(*SETTLED, srv.port)
    assert outcome["text"] == "served 3, waiting 6 (backlog 5 + 1), then no answer"
    assert (outcome["verdict"], outcome["backlog"], outcome["retried"]) == ("full", 5, 0)


# rows: B14
@pytest.mark.parametrize("bench_engine", ["io_uring", "epoll"])
def test_an_ordinary_server_keeps_up(echo, bench_engine):
    srv = echo()
    outcome = probe("--engine", bench_engine, "-c", 40, *PATIENT, srv.port)
    assert (outcome["verdict"], outcome["served"], outcome["waiting"]) == ("keeps_up", 40, 0)
    assert outcome["text"] == "accepts as fast as we connect" and outcome["engine"] == bench_engine
    eventually(lambda: srv.fds() == srv.fds_at_start, "the end of all connections")


# rows: B14
@pytest.mark.parametrize("backlog", [0, 3])
def test_a_listener_that_never_accepts(backlog):
    with silent_listener(backlog) as listener:
        code, out, _ = run_plain("--backlog-probe", port_of(listener))
    assert code == 0
    assert out.startswith(f"served 0, waiting {backlog + 1} (backlog {backlog} + 1), then no answer\n")
    assert "note: not one byte came back, so a server that accepts and does not echo" in out


# rows: B14 P22
def test_a_clamped_backlog_is_found_out(server, network):
    there = network("net.core.somaxconn=4")
    srv = server("--concurrency", 1, "--backlog", 1024, namespace=there)
    with there.entered():
        outcome = probe(*SETTLED, srv.port)
    assert outcome["text"] == "served 1, waiting 5 (backlog 4 + 1), then no answer"


# rows: B14
def test_more_may_wait_than_we_have_connections(server):
    srv = server("--concurrency", 2, "--backlog", 100)
    outcome = probe("-c", 6, *SETTLED, srv.port)
    assert outcome["text"] == "served 2, waiting 4, and more may wait"
    assert (outcome["verdict"], outcome["backlog"], outcome["syns"]) == ("room", None, None)


# --- servers that are slow ----------------------------------------------------------------------


# rows: B14
def test_a_slow_echo_is_no_queue():
    """Each takes longer than the next connection is held back for."""
    with DelayServer(size=1, delays_ms=[300]) as slow:
        outcome = probe("-c", 3, *PATIENT, f"127.0.0.1:{slow.port}")
    assert (outcome["verdict"], outcome["served"]) == ("keeps_up", 3)
    assert outcome["slowest_echo_ns"] >= 300e6


# rows: B14
def test_a_server_that_accepts_after_a_while_is_not_full():
    """It is found full; then, before nothing has moved for long enough, it moves."""
    with silent_listener(1) as listener:
        proc = start_bench("--backlog-probe", "-v", "-J", "-c", 6, *PATIENT, port_of(listener))
        said = iter(proc.stderr.readline, "")
        assert any("connection 3: no answer to its SYN" in line for line in said)
        eventually(lambda: max(retries(port_of(listener)), default=0) >= 2, "the second retry")
        stop = serve(listener)
        code, out, _ = finish(proc)
        stop()
    outcome = load_json(out)["outcome"]
    assert (code, outcome["verdict"], outcome["served"]) == (0, "keeps_up", 6), outcome
    assert outcome["retried"] >= 1
    assert outcome["text"] == "served 6, waiting 0, accepted more slowly than we connect"


def retries(port):
    """How often each SYN on its way to this port was sent again."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    return [int(row[6], 16) for row in rows if row[2] == f"0100007F:{port:04X}" and row[3] == SYN_SENT]


def serve(listener):
    """From now on it is an honest echo. Returns what ends it."""
    conns = []

    def echo(conn):
        try:
            while data := conn.recv(100):
                conn.sendall(data)
        except OSError:
            pass  # it left, as it may

    def accept():
        while True:
            try:
                conns.append(listener.accept()[0])
            except OSError:
                return
            threading.Thread(target=echo, args=(conns[-1],), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()

    def stop():
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)
        for conn in conns:
            conn.close()
    return stop


# rows: B14
def test_the_queue_was_full_before():
    with FullServer() as full:
        code, out, _ = run_plain("--backlog-probe", full.port)
    assert code == 2
    assert out.startswith("served 0, waiting 0, then no answer\n")
    assert "note: the queue was full before we came, or packets are dropped on the way" in out


# --- servers that do something else -------------------------------------------------------------


# rows: B14
def test_who_is_turned_away_does_not_wait():
    def handler(conn):
        if conn.number <= 2:
            honest(conn)

    with FakeServer(handler) as fake:
        outcome = probe("-c", 5, *PATIENT, f"127.0.0.1:{fake.port}", code=1)
    assert outcome["text"] == "served 2, waiting 0, turned away 3"


# rows: B14
def test_a_server_that_ends_who_was_served():
    with FakeServer(lambda conn: conn.send(conn.read())) as fake:
        outcome = probe("-c", 5, *PATIENT, f"127.0.0.1:{fake.port}")
    assert outcome["verdict"] == "keeps_up"
    assert outcome["served"] + outcome["ended"] == 5


# rows: B14
@pytest.mark.parametrize("answer", [b"?", b"AA"], ids=["another byte", "two"])
def test_a_wrong_echo_is_no_service(answer):
    def handler(conn):
        conn.read()
        conn.send(answer)
        conn.wait_for_end()

    with FakeServer(handler) as fake:
        code, out, _ = run_plain("--backlog-probe", "-c", 1, *PATIENT, f"127.0.0.1:{fake.port}")
    assert code == 1
    assert "WRONG: 1 connection got something else than the byte it had sent" in out


# rows: B14
def test_a_second_answer_is_no_service():
    said_twice, second = threading.Event(), threading.Event()

    def handler(conn):
        data = conn.read()
        if conn.number == 1:
            conn.send(data)
            second.wait(PATIENCE)
            conn.send(data)
            said_twice.set()
        else:
            second.set()  # it calls, so the first one has been served
            said_twice.wait(PATIENCE)
            conn.send(data)
        conn.wait_for_end()

    with FakeServer(handler) as fake:
        code, out, _ = run_plain("--backlog-probe", "-c", 2, *PATIENT, f"127.0.0.1:{fake.port}")
    assert code == 1
    assert "WRONG: 1 connection got something else than the byte it had sent" in out


# rows: B14
def test_a_server_that_goes_away():
    def handler(conn):
        data = conn.read()
        if conn.number == 3:
            eventually(lambda: fake.listener.fileno() == -1, "the listener's end")
        conn.send(data)
        conn.wait_for_end()

    with FakeServer(handler) as fake:
        fake.close_after(3)
        outcome = probe("-c", 9, *PATIENT, f"127.0.0.1:{fake.port}", code=1)
    assert outcome["text"] == "served 3, waiting 0, then: Connection refused"
    assert (outcome["verdict"], outcome["error"]) == ("failed", "Connection refused")


# rows: B14
def test_nobody_there(deaf_port):
    assert refused("--backlog-probe", deaf_port) == \
        f"meari-bench: cannot connect to 'localhost:{deaf_port}': Connection refused\n"


# rows: B14
@pytest.mark.parametrize("first", ["refuses", "is silent"])
def test_the_next_address_of_a_name(server, two_addresses, first):
    """127.0.0.1 and 127.0.0.2 are one name; only the second one has a server."""
    srv = server("--concurrency", 1, "--backlog", 0, endpoint="127.0.0.2:0")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", srv.port))
        if first == "is silent":
            listener.listen(0)
            filler = socket.create_connection(("127.0.0.1", srv.port))
        outcome = probe("-4", *SETTLED, f"twofold:{srv.port}", prefix=two_addresses)
        if first == "is silent":
            filler.close()
    srv.serves_fresh_clients = False  # on 127.0.0.1 there is none
    assert outcome["address"] == f"127.0.0.2:{srv.port}"
    assert outcome["text"] == "served 1, waiting 1 (backlog 0 + 1), then no answer"


# --- how it is asked ----------------------------------------------------------------------------


# rows: B14
def test_elsewhere_it_wants_a_yes(network):
    there = network()
    there.run("ip", "address", "add", "10.9.9.1", "dev", "lo")
    with there.entered():
        with socket.create_server(("10.9.9.1", 0), backlog=1) as listener:
            target = f"10.9.9.1:{port_of(listener)}"
            assert f"'{target}' is no loopback address: --yes says that you may" in refused("--backlog-probe", target)
            listener.settimeout(0.1)
            with pytest.raises(TimeoutError):  # nobody was called
                listener.accept()
            outcome = probe("--yes", target)
    assert outcome["text"] == "served 0, waiting 2 (backlog 1 + 1), then no answer"


# rows: B14
def test_ctrl_c_closes_all_and_says_so():
    with silent_listener(100) as listener:
        proc = start_bench("--backlog-probe", "-v", "-c", 3, *PATIENT, port_of(listener))
        said = iter(proc.stderr.readline, "")
        assert any("connection 3: connected" in line for line in said)
        proc.send_signal(signal.SIGINT)
        code, out, _ = finish(proc)
        assert code == 130
        assert out.startswith("served 0, waiting 3, then interrupted\n") and "closed        all of them\n" in out
        for byte in (b"A", b"B", b"C"):
            conn, _ = listener.accept()
            with conn:
                assert (conn.recv(10), conn.recv(10)) == (byte, b"")


# rows: B14
@pytest.mark.parametrize("option", ["-R1", "-n1", "-d1", "--idle=1", "--crr", "--connect-rate=1", "--find-max=p99<1s",
                                    "--fail-if=p99>1s", "-O1", "-i1", "--csv", "--html=x", "--hdr-log=x", "--depth=2",
                                    "-t2", "--pid=1", "--spin=1ms"])
def test_a_probe_is_no_load(option):
    assert "--backlog-probe and --" in refused("--backlog-probe", option, "127.0.0.1:1")


def test_yes_is_for_the_probe():
    assert "--yes: " in refused("--yes", "127.0.0.1:1")


# rows: B14 C21
def test_a_report_that_cannot_be_written(server, tmp_path):
    srv = server()
    with open("/dev/full", "w") as full:
        assert finish(start_bench("--backlog-probe", "-c", 1, *PATIENT, srv.port, stdout=full))[0] == 1
    code, out, err = run_plain("--backlog-probe", "-c", 1, *PATIENT, "--json=/dev/full", srv.port)
    assert code == 1 and "No space left on device" in err and out.startswith("accepts as fast")
    assert "No such file" in refused("--backlog-probe", f"--json={tmp_path}/no/x", srv.port)
    code, out, _ = run_plain("--backlog-probe", "-c", 1, *PATIENT, f"--json={tmp_path}/json", srv.port)
    assert code == 0 and out.startswith("accepts as fast")
    assert load_json((tmp_path / "json").read_text())["outcome"]["good"]
