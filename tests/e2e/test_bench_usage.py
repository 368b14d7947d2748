"""What cannot be run, and how it is said: exit code 2 and one line before anybody is called. Odd values of single options
are in test_bench_limits.py.
"""

import re

import pytest

from benchrunner import finish, refused, run_plain, start_bench
from evil_server import FakeServer, honest


@pytest.fixture
def witness():
    with FakeServer(honest) as fake:
        fake.endpoint = f"127.0.0.1:{fake.port}"
        yield fake


# --- the server ---------------------------------------------------------------------------------


# rows: C20
@pytest.mark.parametrize("operands, words", [
    ([], "which server? HOST PORT is missing (try --help)"),
    (["127.0.0.1", "7", "8"], "'8' is one operand too many (try --help)"),
    (["127.0.0.1:7", "8"], "'8' is one operand too many (try --help)"),
    (["127.0.0.1", "0"], "port 0 is not valid"), (["127.0.0.1", "65536"], "port out of range"),
    (["127.0.0.1", "http"], "'http' is not a port"), (["localhost"], "localhost"),
    (["udp://127.0.0.1:7"], "only tcp:// is"), (["no such host", "7"], "cannot resolve 'no such host'"),
    (["-4", "::1", "7"], "cannot resolve '::1'"), (["-6", "127.0.0.1", "7"], "cannot resolve '127.0.0.1'"),
    (["-B", "::1", "127.0.0.1", "7"], "cannot resolve '127.0.0.1'"),
], ids=" ".join)
def test_no_server_to_call(operands, words):
    assert words in refused(*operands)


# rows: C20
@pytest.mark.parametrize("binds, words", [
    (["", "127.0.0.1"], "'' is no address"), (["a" * 300], "is no address"),
    (["no.such.host.invalid"], "cannot resolve 'no.such.host.invalid'"),
    (["127.0.0.1", "::1"], "'::1' is not of the same IP version as the first one"),
    (["127.0.0.1", "192.0.2.1"], "--bind: '192.0.2.1' is not an address of this machine"),  # RFC 5737: nobody's
], ids=["empty", "long", "unknown", "mixed", "not ours"])
def test_no_address_to_call_from(witness, binds, words):
    options = [word for address in binds for word in ("-B", address)]
    assert words in refused(*options, witness.endpoint)
    assert not witness.live


# --- what does not go together ------------------------------------------------------------------


# rows: C20
@pytest.mark.parametrize("options, words", [
    ("-4 -6", "--ipv4 and --ipv6 exclude each other"),
    ("-q -v", "--quiet and --verbose exclude each other"),
    ("-c 0", "--connections: without any, and without --idle, there is nothing to do"),
    ("--crr -R 5 --connect-rate 5", "--rate and --connect-rate exclude each other with --crr"),
    ("--crr --depth 2", "--crr and --depth exclude each other"),
    ("--find-max p99<1ms -n 5", "--find-max and --count exclude each other"),
    ("--find-max p99<1ms --hdr-log log", "--find-max and --hdr-log exclude each other"),
    ("-J --csv", "only one of --json, --csv, --html and --hdr-log can go to standard output"),
    ("--csv=- --html=-", "only one of --json, --csv, --html and --hdr-log can go to standard output"),
    ("-J --hdr-log -", "only one of --json, --csv, --html and --hdr-log can go to standard output"),
    ("--start-at 1", "--start-at: '1' has passed"),
    ("--start-at 2001-09-09T01:46:40Z", "--start-at: '2001-09-09T01:46:40Z' has passed"),
    ("--find-max fast", "--find-max: 'fast' is not a condition"),
    ("--find-max p99>1ms", "--find-max: 'p99>1ms' is nothing that a higher rate ends"),
    ("--find-max rate<5k", "--find-max: 'rate<5k' is nothing that a higher rate ends"),
    (f"--pid {2**22}", f"--pid: there is no process {2**22}"),  # no process has so high a number
])
def test_options_that_exclude_each_other(witness, tmp_path, options, words):
    err = refused(*options.split(), witness.endpoint, cwd=tmp_path)
    assert err.startswith(f"meari-bench: {words}")
    assert not witness.live
    assert list(tmp_path.iterdir()) == []


# rows: C20 C21
@pytest.mark.parametrize("mistake", ["--find-max=fast", "--fail-if=fast", "--percentiles=most"])
def test_a_mistake_spoils_no_earlier_report(witness, tmp_path, mistake):
    earlier = {name: tmp_path / name for name in ("json", "html", "csv")}
    for path in earlier.values():
        path.write_text("")
    earlier["json"].write_text("an earlier report")
    refused(*(f"--{name}={path}" for name, path in earlier.items()), mistake, witness.endpoint)
    assert [path.read_text() for path in earlier.values()] == ["an earlier report", "", ""]


# rows: C21
def test_a_table_with_other_columns(witness, tmp_path):
    """A row of other percentiles is not added to it."""
    table = tmp_path / "runs.csv"
    for _ in range(2):
        code, _, _ = run_plain("-c", 1, "-n", 10, f"--csv={table}", witness.endpoint)
        assert code == 0
    rows = table.read_text()
    assert rows.count("\n") == 3
    calls = len(witness.live)
    err = refused("-c", 1, "-n", 10, f"--csv={table}", "--percentiles=50", witness.endpoint)
    assert err == f"meari-bench: '{table}' has other columns than this run would add to it\n"
    assert (table.read_text(), len(witness.live)) == (rows, calls)


# --- help and version ---------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(option):
    code, out, err = run_plain(option)
    assert (code, err) == (0, "")
    assert out.startswith("usage: meari-bench [options] HOST PORT\n")
    for word in ["-c, --connections N", "-R, --rate RATE", "--find-max CONDITION", "-J, --json[=FILE]", "-4, --ipv4",
                 "-h, --help", "-V, --version", "Exit code 0:"]:
        assert word in out
    assert max(map(len, out.splitlines())) <= 90


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(option):
    code, out, err = run_plain(option)
    assert (code, err) == (0, "")
    assert re.match(r"meari-bench \d+\.\d+\.\d+", out) and out.count("\n") == 1


# rows: C21
@pytest.mark.parametrize("command", [[], ["merge"], ["diff"]], ids=["bench", "merge", "diff"])
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_that_nobody_can_read_is_a_failure(command, option):
    with open("/dev/full", "w") as full:
        code, _, err = finish(start_bench(*command, option, stdout=full))
    assert code == 1
    assert err.startswith(" ".join(["meari-bench", *command]) + ": cannot write to standard output: ")
