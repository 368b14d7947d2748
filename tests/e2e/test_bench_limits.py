"""The bench at its limits: odd arguments, outputs that cannot be written, too few descriptors or ports, no
samples, a clock that jumps, a CPU that it does not have."""

import os
import subprocess
import sys
import time

import pytest

import faulty_server
import shim
from benchrunner import Report, finish, load_json, refused, run_bench, run_plain, start_bench

from evil_server import FakeServer, honest


@pytest.fixture
def witness():
    with FakeServer(honest) as fake:
        fake.endpoint = f"127.0.0.1:{fake.port}"
        yield fake


LONG_NAMES = {"c": "--connections", "t": "--threads", "n": "--count", "s": "--size", "d": "--duration",
              "R": "--rate", "O": "--omit", "i": "--interval", "B": "--bind"}


# rows: C20
@pytest.mark.parametrize("option", [
    "-c0", "-c-1", "-cx", "-c1.5", "-c99999999999999999999", "-t0", "-t-1", "-n-1", "-n1e400",
    "-s0", "-s-1", "-s2g", "-s99999999999999999999", "-s5:", "-s:5", "-s10:5", "-s5,", "-s,5", "-s1:2:3", "-s64kk",
    "-d-1s", "-d5m3s", "-d1y", "-d99999999999999999999", "-dnan", "-R0", "-R-5", "-Rinf", "-Rnan", "-Rx",
    "--depth=0", "--arrival=uniform", "--connect-rate=0", "--timeout=-1s", "--start-at=yesterday", "-O-1s",
    "-i0", "--fail-if=p101>1ms", "--fail-if=p99", "--fail-if=p99>", "--fail-if=99>1ms", "--fail-if=p99>1k",
    "--percentiles=101", "--percentiles=", "-B300.1.1.1", "--pid=0", "--pid=2147483647", "--pid=x", "--idle=-1"])
def test_odd_arguments_are_refused(witness, option):
    """Each is blamed by its name, and nobody is called."""
    err = refused(option, witness.endpoint)
    name = option.split("=")[0] if option.startswith("--") else LONG_NAMES[option[1]]
    assert f"{name}: " in err or option[2:] in err, err
    assert not witness.live


# rows: C20
@pytest.mark.parametrize("options, figures", [
    (["-n", "1k", "-s", "1k"], {"count": 1000, "sizes": {"kind": "fixed", "bytes": [1024]}}),
    (["-n10", "-s", "1k:2k"], {"sizes": {"kind": "range", "bytes": [1024, 2048]}}),
    (["-n10", "-s", "1,2,1k"], {"sizes": {"kind": "list", "bytes": [1, 2, 1024]}}),
    (["-d", "50ms"], {"duration_ns": 50_000_000}),
    (["-d", "0.05"], {"duration_ns": 50_000_000}),
    (["-d", "50000us", "-R", "2k"], {"duration_ns": 50_000_000, "rate": 2000}),
])
def test_numbers_as_people_write_them(witness, options, figures):
    report = run_bench("-c", 1, *options, witness.endpoint)
    assert {name: report.plan[name] for name in figures} == figures


# --- outputs ------------------------------------------------------------------------------------


# rows: C21
@pytest.mark.parametrize("option", ["--json", "--csv", "--html", "--hdr-log"])
def test_an_output_that_cannot_be_opened_is_seen_before_the_run(witness, tmp_path, option):
    err = refused("-n", 10, f"{option}={tmp_path}/missing/x", witness.endpoint)
    assert f"{tmp_path}/missing/x" in err and "No such file or directory" in err
    assert not witness.live


# rows: C21 B12
@pytest.mark.parametrize("option", ["--csv", "--html", "--hdr-log"])
def test_an_output_that_cannot_be_written(witness, option):
    """The result is still on standard output."""
    code, out, err = run_plain("-n", 10, "-J", f"{option}=/dev/full", witness.endpoint)
    assert code == 1
    assert "/dev/full" in err and "No space left on device" in err
    assert load_json(out)["outcome"]["messages"] == 10


# rows: C21
def test_json_that_cannot_be_written(witness):
    code, out, err = run_plain("-n", 10, "--json=/dev/full", witness.endpoint)
    assert code == 1
    assert "/dev/full" in err and "No space left on device" in err
    assert "round-trip" in out


# rows: C21
@pytest.mark.parametrize("option", [[], ["-J"]], ids=["text", "json"])
def test_standard_output_that_cannot_be_written(witness, option):
    with open("/dev/full", "w") as full:
        proc = start_bench("-n", 10, *option, witness.endpoint, stdout=full)
        code, _, err = finish(proc)
    assert code == 1
    assert "No space left on device" in err


# rows: B12
@pytest.mark.parametrize("echo, code", [(faulty_server.echo, 0), (faulty_server.closing(1000), 1)],
                         ids=["right", "cut short"])
def test_every_output_at_once(tmp_path, echo, code):
    """All of them are there and whole, whatever became of the run."""
    files = {name: tmp_path / name for name in ("json", "csv", "html")}
    with FakeServer(echo) as fake:
        ended, out, err = run_plain("-c", 1, "-n", 50, *(f"--{name}={path}" for name, path in files.items()),
                                    f"127.0.0.1:{fake.port}")
    assert ended == code, err
    assert "round-trip time" in out
    Report(code, files["json"].read_text(), err)
    head, row = files["csv"].read_text().splitlines()
    assert head.count(",") == row.count(",") > 5
    assert files["html"].read_text().rstrip().endswith("</html>")


# --- descriptors and ports ----------------------------------------------------------------------


# rows: C22
def test_more_connections_than_descriptors(witness):
    err = refused("-c", 100, witness.endpoint, prefix=["prlimit", "--nofile=64:64"])
    assert "64" in err and any(str(needed) in err for needed in range(100, 140)), err
    assert not witness.live


# rows: C22
def test_more_connections_than_ports(network, witness):
    ns = network("net.ipv4.ip_local_port_range=40000 40009")
    with ns.entered():
        err = refused("-c", 15, "--idle", 6, "-B", "127.0.0.2", "-B", "127.0.0.3", witness.endpoint)
    assert " 21 " in err and " 20" in err and "--bind" in err


# rows: R12
def test_no_local_port_is_left(network, server):
    """Each connection is closed again, but its port stays in use for a while."""
    ns = network("net.ipv4.ip_local_port_range=40000 40009", "net.ipv4.tcp_tw_reuse=0")
    srv = server(namespace=ns, endpoint="127.0.0.1:5000")
    srv.serves_fresh_clients = False  # (nor has it a port for us)
    with ns.entered():
        report = run_bench("--crr", "-c", 2, "-n", 15, f"127.0.0.1:{srv.port}", code=1)
    assert report.outcome["messages"] == report.outcome["connections"] == 10
    assert set(report.kinds()) == {"connect"}
    assert "no local port is free" in report.troubles["first"][0]["text"]


# rows: R12
def test_more_addresses_have_more_ports(network, server):
    ns = network("net.ipv4.ip_local_port_range=40000 40009")
    srv = server(namespace=ns)
    with ns.entered():
        report = run_bench("-c", 20, "-n", 20, "-B", "127.0.0.2", "-B", "127.0.0.3", "-B", "127.0.0.4",
                           f"127.0.0.1:{srv.port}")
    assert report.outcome["connections"] == 20


# --- hardly anything to measure -----------------------------------------------------------------


# rows: B05
def test_no_samples(witness):
    """Its one message would have been due later than the end."""
    options = ["-c", 1, "-R", 1, "--arrival=poisson", "--seed", 1, "-d", "1ms", witness.endpoint]
    report = run_bench(*options)
    assert report.outcome["messages"] == 0
    assert report.response["count"] == 0
    _, out, _ = run_plain(*options)
    assert "nan" not in out.lower() and "inf" not in out.lower()


# rows: B05
def test_one_sample(witness):
    report = run_bench("-c", 1, "-n", 1, witness.endpoint)
    assert report.response["count"] == 1
    assert report.response["min_ns"] == report.response["max_ns"] == report.percentile("response", 50)
    assert report.response["stddev_ns"] == 0 or report.response["stddev_ns"] < report.response["max_ns"] / 100


# rows: B05
@pytest.mark.parametrize("options", [["-d", "100us"], ["-d", "1ns"], ["-d", "100us", "-R", "1k"],
                                     ["-d", "100us", "--crr"], ["-d", "100us", "-O", "100us"]], ids=" ".join)
def test_the_shortest_runs(witness, options):
    for _ in range(10):
        report = run_bench("-c", 2, "-t", 2, *options, witness.endpoint)
        assert 0 <= report.outcome["messages_per_s"] < 1e9


# --- the machine --------------------------------------------------------------------------------


# rows: B07
@pytest.mark.parametrize("options", [[], ["-R", "2k"]], ids=["closed", "open"])
def test_a_wall_clock_that_jumps(witness, options):
    """By an hour, at each reading: nothing but the time of day in the report shows it."""
    before = time.time()
    report = run_bench("-c", 2, "-d", "300ms", *options, witness.endpoint,
                       env=shim.environment(clock="jump"))
    assert abs(report.outcome["begun_real_ns"] / 1e9 - before) > 3000, "the clock did not jump"
    assert report.outcome["messages"] > 0
    assert report.outcome["elapsed_ns"] < 10**9 * 60
    assert all(report.json[view]["max_ns"] < 10**9 * 60 for view in ("response", "service", "connect"))


# rows: B11
def test_a_bench_without_a_cpu_says_so(server):
    """It shares one with three others that use all they get."""
    srv = server()
    cpu = min(os.sched_getaffinity(0))
    hogs = [subprocess.Popen(["taskset", "-c", str(cpu), sys.executable, "-c", "print(flush=True)\nwhile True: pass"],
                             stdout=subprocess.PIPE) for _ in range(3)]
    try:
        for hog in hogs:
            hog.stdout.readline()  # it is at it
        report = run_bench("-c", 50, "-t", 1, "-d", "500ms", f"127.0.0.1:{srv.port}", prefix=["taskset", "-c", str(cpu)])
    finally:
        for hog in hogs:
            hog.kill()
            hog.communicate()
    assert report.outcome["limited"]
    assert report.cost["bench"]["total_ns"] > 0
