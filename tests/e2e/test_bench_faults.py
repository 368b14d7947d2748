"""An echo that is wrong is found by the bench, named, and never called a success.

Each fault strikes one connection at a known place (harness/faulty_server.py): the kind, the connection and
the offset in the report must be those.
"""

import re
import signal
import socket

import pytest

import faulty_server
from benchrunner import Running, finish, run_bench, run_plain, start_bench
from conftest import eventually, long_enough
from evil_server import FakeServer

SIZE, AT = 64, 10
SEED = ["--seed", "1"]  # one in 256 streams goes on, by chance, with the byte that is wrong: then the next one is named
BEFORE = SIZE * (AT - 1)  # bytes of the struck connection that are right, where message AT is the victim

# fault -> (the echo, options beside the size, kind, offset of the first byte that is not as it should be)
FAULTS = {
    "doubled": (faulty_server.doubled(SIZE, AT), [], "doubled", BEFORE + SIZE + 1),
    "doubled among others": (faulty_server.doubled(SIZE, AT), ["--depth=8"], "doubled", BEFORE + SIZE + 1),
    "skipped": (faulty_server.skipped(SIZE, AT), ["--depth=2"], "skipped", BEFORE + 1),
    "swapped": (faulty_server.swapped(SIZE, AT), ["--depth=2"], "reordered", BEFORE + 1),
    "unasked": (faulty_server.unasked(SIZE, AT, b"who asked for this?"), [], "unasked", BEFORE + SIZE + 1),
    "one byte unasked": (faulty_server.unasked(SIZE, AT, b"!"), [], "unasked", BEFORE + SIZE + 1),
}


# rows: B02
@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_echo_is_named(name):
    echo, options, kind, offset = FAULTS[name]
    with FakeServer(echo) as fake:
        report = run_bench("-c", 2, "-n", 200, "-s", SIZE, *SEED, *options, f"127.0.0.1:{fake.port}", code=1)
    assert report.kinds() == {kind: 1}
    (first,) = report.troubles["first"]
    assert (first["kind"], first["connection"], first["offset"]) == (kind, 1, offset)
    assert first["text"].startswith("connection 1: ")


# rows: B02
@pytest.mark.parametrize("connections, depth", [(1, 1), (1, 16), (3, 4)])
def test_one_byte_in_a_million(connections, depth):
    with FakeServer(faulty_server.changed(1_000_000)) as fake:
        report = run_bench("-c", connections, "--depth", depth, "-s", 10_000, "-n", 150 * connections,
                           f"127.0.0.1:{fake.port}", code=1)
    assert report.kinds() == {"changed": connections}
    assert report.outcome["messages"] == 99 * connections  # what came before it was right, and counts
    named = {(first["connection"], first["offset"]) for first in report.troubles["first"]}
    assert named == {(number, 1_000_000) for number in range(1, connections + 1)}
    assert all(": 1 byte changed" in first["text"] for first in report.troubles["first"])


def test_crossed_connections():
    with FakeServer(faulty_server.crossed(SIZE, AT)) as fake:
        report = run_bench("-c", 2, "-n", 200, "-s", SIZE, *SEED, f"127.0.0.1:{fake.port}", code=1)
    assert report.kinds() == {"crossed": 2}
    found = {(first["connection"], first["offset"]): first["text"] for first in report.troubles["first"]}
    assert set(found) == {(1, BEFORE + 1), (2, BEFORE + 1)}
    assert f"connection 2 sent at offset {BEFORE + 1}" in found[1, BEFORE + 1]
    assert f"connection 1 sent at offset {BEFORE + 1}" in found[2, BEFORE + 1]


@pytest.mark.parametrize("echo, why", [(faulty_server.closing(BEFORE + 7), "closed by the server"),
                                       (faulty_server.resetting(BEFORE + 7), "reset")],
                         ids=["closing", "resetting"])
def test_a_connection_that_ends_early(echo, why):
    """The others go on."""
    with FakeServer(echo) as fake:
        report = run_bench("-c", 2, "-n", 200, "-s", SIZE, *SEED, f"127.0.0.1:{fake.port}", code=1)
    assert report.kinds() == {"lost": 1}
    assert why in report.troubles["first"][0]["text"]
    assert report.troubles["first"][0]["connection"] == 1
    assert report.outcome["lost_messages"] == 1
    assert report.outcome["messages"] == 199


def test_the_live_report_tells_of_trouble(tmp_path):
    """As soon as there is some: who looks on need not wait for the end."""
    said = tmp_path / "said"
    with FakeServer(faulty_server.closing(BEFORE + 7)) as fake, open(said, "w") as err:
        proc = start_bench("-c", 2, "-d", "1h", "-i", "50ms", "-s", SIZE, f"127.0.0.1:{fake.port}", stderr=err)
        eventually(lambda: said.read_text().endswith("  1 in trouble\n") or proc.poll() is not None, "a word of it")
        proc.send_signal(signal.SIGINT)
        code, _, _ = finish(proc)
    assert code == 1
    assert said.read_text().splitlines()[-1].endswith("  1 in trouble")


@pytest.mark.parametrize("end", [["-d", "200ms"], ["-n", 200]], ids=["duration", "count"])
def test_an_echo_that_never_comes(end):
    """It has --timeout from the moment on at which nothing more is sent, however that was determined."""
    def attempt(limit):
        with FakeServer(faulty_server.falling_silent(BEFORE + 7)) as fake:
            report = run_bench("-c", 2, *end, "-s", SIZE, f"--timeout={limit}ms", f"127.0.0.1:{fake.port}", code=1)
        if report.kinds() == {"missing": 2}:  # our other echo was late, too
            return False
        assert report.kinds() == {"missing": 1}
        assert report.troubles["first"][0]["connection"] == 1
        assert report.outcome["lost_messages"] == 1
        return True
    long_enough(attempt, 300, 1000, 5000)


def test_a_byte_too_many_at_the_very_end():
    """It comes when every echo is complete, in answer to the bench's own end of the stream."""
    def one_more(conn):
        faulty_server.echo(conn)
        conn.send(b"!")
    with FakeServer(one_more) as fake:
        report = run_bench("-c", 1, "-n", 5, "-s", SIZE, f"127.0.0.1:{fake.port}", code=1)
    assert report.kinds() == {"unasked": 1}
    assert report.outcome["messages"] == 5


def test_a_silent_connection_with_a_wrong_echo():
    """Idle connections are asked at the end, and what they say is checked as well."""
    def wrong_on_the_third(conn):
        (faulty_server.changed(1) if conn.number == 3 else faulty_server.echo)(conn)
    with FakeServer(wrong_on_the_third) as fake:
        report = run_bench("-c", 2, "--idle", 3, "-t", 1, "-n", 20, f"127.0.0.1:{fake.port}", code=1)
    assert report.kinds() == {"changed": 1}
    assert report.troubles["first"][0]["connection"] == 3
    assert report.outcome["idle_right"] == 2


def test_a_silent_connection_that_was_closed():
    def closing_the_third(conn):
        if conn.number != 3:
            faulty_server.echo(conn)
    with FakeServer(closing_the_third) as fake:
        report = run_bench("-c", 2, "--idle", 3, "-t", 1, "-n", 20, f"127.0.0.1:{fake.port}", code=1)
    assert report.kinds() == {"lost": 1}
    assert report.outcome["idle_right"] == 2


def test_each_connection_of_crr_is_checked():
    def wrong_on_the_fifth(conn):
        (faulty_server.changed(3) if conn.number == 5 else faulty_server.echo)(conn)
    with FakeServer(wrong_on_the_fifth) as fake:
        report = run_bench("--crr", "-c", 1, "-n", 20, "-s", 3, f"127.0.0.1:{fake.port}", code=1)
    assert report.kinds() == {"changed": 1}
    assert (report.troubles["first"][0]["connection"], report.troubles["first"][0]["offset"]) == (5, 3)


# rows: B01 B12
@pytest.mark.parametrize("load", [[], ["-R", 5000], ["--crr"]], ids=["closed", "open", "crr"])
def test_the_server_is_killed(server, load):
    srv = server()
    run = Running("-c", 4, "-d", "1h", *load, f"127.0.0.1:{srv.port}")
    srv.signal(signal.SIGKILL)
    if "--crr" in load:  # it goes on calling, as it was told to
        eventually(lambda: " in trouble" in "".join(run.lines), "trouble")
        run.proc.send_signal(signal.SIGINT)
    report = run.report()
    assert report.code == 1 and report.outcome["verdict"] == "wrong"
    assert report.outcome["messages"] > 0
    if "--crr" not in load:
        assert report.kinds() == {"lost": 4}
        assert report.outcome["cut_short"]
    else:
        assert report.kinds()["connect"] > 0


def test_the_server_is_gone_before(deaf_port):
    report = run_bench("-c", 4, "-d", "200ms", f"127.0.0.1:{deaf_port}", code=2)
    assert report.kinds() == {"connect": 4}
    assert "Connection refused" in report.troubles["first"][0]["text"]


def test_who_reaches_nobody_says_so_and_reports_nothing(deaf_port):
    code, out, err = run_plain("-q", "-c", 4, "-d", "200ms", f"127.0.0.1:{deaf_port}")
    assert (code, out) == (2, "")
    assert err == (f"meari-bench: no connection to '127.0.0.1:{deaf_port}' could be made: connection 1: cannot connect: "
                   "Connection refused (and 3 more)\n")


@pytest.mark.parametrize("report", [["-J"], ["--csv"], ["--html=-"], ["--hdr-log", "-"]], ids=" ".join)
def test_where_standard_output_is_for_programs_people_are_told_in_a_line(report):
    with FakeServer(faulty_server.changed(10)) as fake:
        code, out, err = run_plain("-q", *report, "-c", 1, "-n", 10, f"127.0.0.1:{fake.port}")
    assert code == 1 and out
    assert re.fullmatch(r"meari-bench: 1 changed(, .* never echoed)?: connection 1: .* changed .*\n", err)


def test_another_address_of_the_name_answers(two_addresses):
    """That the first one refuses is no trouble."""
    with FakeServer(faulty_server.echo, host="127.0.0.2") as fake:
        report = run_bench("-c", 3, "-n", 30, "twofold", fake.port, prefix=two_addresses)
    assert report.plan["addresses"] == [f"127.0.0.1:{fake.port}", f"127.0.0.2:{fake.port}"]
    assert (report.outcome["connections"], report.outcome["messages"]) == (3, 30)
    assert report.kinds() == {}


def test_no_address_of_the_name_answers(two_addresses, deaf_port):
    """Each connection fails once, not once for each address."""
    report = run_bench("-c", 3, "-n", 30, "twofold", deaf_port, prefix=two_addresses, code=2)
    assert report.kinds() == {"connect": 3}
    assert "Connection refused" in report.troubles["first"][0]["text"]


# rows: B04
def test_some_connections_are_refused():
    """The server takes five; it is reported what became of the others."""
    with FakeServer(faulty_server.echo) as fake:
        fake.close_after(5)
        report = run_bench("-c", 10, "--connect-rate", 50, "-n", 100, f"127.0.0.1:{fake.port}", code=1)
    # some may have been in the queue when the listening socket was closed
    failed = {"connect": 0, "lost": 0, **report.kinds()}
    assert failed["connect"] + failed["lost"] == 5 == sum(failed.values())
    assert report.outcome["connections"] == 10 - failed["connect"]
    eventually(lambda: len(fake.live) == 5)


def test_connections_that_nobody_takes():
    """The accept queue is full: the kernel drops what comes, and no answer is an answer, too."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        endpoint = "127.0.0.1:%d" % listener.getsockname()[1]
        with socket.create_connection(listener.getsockname()):
            report = run_bench("-c", 3, "-n", 3, "--connect-timeout=200ms", endpoint, code=2)
    assert report.kinds() == {"connect": 3}
    assert "in time" in report.troubles["first"][0]["text"] or "timed out" in report.troubles["first"][0]["text"]
