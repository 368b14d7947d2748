"""A connect that took seconds found the accept queue full: bench and client count its SYNs and say so.

The queue is full before anybody calls, so each first SYN is certainly dropped, and opened when all callers wait. When they
are let in is the kernel's affair, a second later at the earliest; so nothing here asks how often each had to try.
"""

import re

import pytest

from benchrunner import finish, load_json, run_bench, run_plain, start_bench
from clientrunner import finish as finish_client
from clientrunner import start_client
from full_server import FullServer

HERE = "the accept queue was full"
ELSEWHERE = "SYN unanswered: accept queue full, or packet lost"
ADDRESS = "10.9.9.1"  # not a loopback one


@pytest.fixture
def elsewhere(network):
    """A network with an address that is not of 127.0.0.0/8."""
    there = network()
    there.run("ip", "address", "add", ADDRESS, "dev", "lo")
    return there


def through_a_full_queue(full, args, connections):
    """What the bench says after it found the queue full with each of its connections."""
    proc = start_bench("-c", connections, "-n", connections, *args, f"{full.host}:{full.port}")
    full.wait_for_silenced(connections)
    full.open()
    code, out, err = finish(proc)
    assert code == 0, err
    return out


# rows: B13
@pytest.mark.parametrize("engine", ["io_uring", "epoll"])
def test_the_bench_counts_connects_that_were_not_answered_at_once(engine, tmp_path):
    with FullServer() as full:
        files = [f"--json={tmp_path}/json", f"--csv={tmp_path}/csv", f"--html={tmp_path}/html"]
        text = through_a_full_queue(full, ["--engine", engine, "-t", 2, *files], 4)
    retries = load_json((tmp_path / "json").read_text())["syn_retries"]
    assert (retries["connections"], retries["given_up"], retries["reason"]) == (4, 0, HERE)
    assert sum(each["connections"] for each in retries["by_retries"]) == 4
    assert all(each["retries"] >= 1 <= each["after_ns"] / 1e9 for each in retries["by_retries"])
    said = re.search(rf"^SYN retries +(\d of 4 connects needed \d retr(y|ies) \(\d\.0 s\).*: {HERE})$", text, re.M)
    assert said, text
    assert f"SYN retries: {said.group(1)}." in (tmp_path / "html").read_text()
    head, row = ((line.split(",")) for line in (tmp_path / "csv").read_text().splitlines())
    assert row[head.index("connections_retried")] == "4"


# rows: B13
def test_elsewhere_a_packet_may_be_lost(elsewhere):
    with elsewhere.entered():
        with FullServer(ADDRESS) as full:
            text = through_a_full_queue(full, [], 1)
    assert re.search(rf"^SYN retries +1 of 1 connect needed \d retr(y|ies) \(\d\.0 s\): {ELSEWHERE}$", text, re.M)


# rows: B13
def test_who_is_answered_at_once_needs_no_word(server):
    srv = server()
    report = run_bench("-c", 3, "-n", 3, f"127.0.0.1:{srv.port}")
    assert report.syn_retries == {"connections": 0, "given_up": 0, "reason": None, "by_retries": []}
    assert "SYN" not in run_plain("-c", 3, "-n", 3, f"127.0.0.1:{srv.port}")[1]


# rows: B13
def test_who_is_never_answered_is_counted_too():
    with FullServer() as full:
        report = run_bench("-c", 2, "-n", 2, "--connect-timeout", "1500ms", f"127.0.0.1:{full.port}", code=2)
    assert (report.syn_retries["given_up"], report.syn_retries["connections"]) == (2, 0)
    assert report.syn_retries["reason"] == HERE
    assert re.fullmatch(r"connection \d: cannot connect: Connection timed out, with [2-9] SYNs unanswered",
                        report.troubles["first"][0]["text"])


# rows: B13
def test_the_client_says_it_when_asked():
    with FullServer() as full:
        proc = start_client("-v", full.port)
        full.wait_for_silenced(1)
        full.open()
        outcome = finish_client(proc, b"hello\n")
    assert outcome.code == 0
    assert re.search(rf"connected to 127.0.0.1:{full.port}; its SYN needed \d retr(y|ies) \(\d\.0 s\): {HERE}\n",
                     outcome.stderr), outcome.stderr
