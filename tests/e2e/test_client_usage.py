"""How meari-client is called, wrongly and rightly: one clear line, and the exit code that says whose fault
it was."""

import os
import re
import socket

import pytest

from clientrunner import results, run_client, run_shell
from conftest import eventually

LONG_LABEL = "a" * 64
LONG_NAME = "a." * 150


# --- what cannot be run ---------------------------------------------------------------------------


# rows: C01 C02 C03 C04 C05 C07
@pytest.mark.parametrize("args, words", [
    ([], "which server? HOST PORT is missing (try --help)"),
    (["127.0.0.1", "0"], "port 0 is not valid"),
    (["0"], "port 0 is not valid"),
    (["127.0.0.1", "65536"], "from 0 to 65535"),
    (["127.0.0.1", "99999999999999999999"], "from 0 to 65535"),
    (["127.0.0.1", "80x"], "'80x' is not a port"),
    (["127.0.0.1", "0x50"], "'0x50' is not a port"),
    (["127.0.0.1", "1e3"], "'1e3' is not a port"),
    (["127.0.0.1", " 80"], "' 80' is not a port"),
    (["127.0.0.1", "+80"], "'+80' is not a port"),
    (["127.0.0.1", "８０"], "'８０' is not a port"),
    (["127.0.0.1", "-1"], "unknown option '-1'"),
    (["--", "127.0.0.1", "-1"], "'-1' is not a port"),
    (["127.0.0.1", ""], "'' is not a port"),
    ([""], "the endpoint is empty"),
    (["127.0.0.1"], "write HOST PORT or HOST:PORT"),
    (["127.0.0.1:"], "'' is not a port"),
    (["127.0.0.1", "7\x1b[2J"], r"'7\x1b[2J' is not a port"),
    (["127.0.0.1", "7", "extra"], "'extra' is one operand too many"),
    (["127.0.0.1:7", "\u202e"], r"'\xe2\x80\xae' is one operand too many"),
    (["udp://127.0.0.1:7"], "only tcp:// is"),
    (["[127.0.0.1]:7"], "is not an IPv6 address"),
    (["[::1]7"], "is not of the form [V6]:PORT"),
    (["no.such.name.invalid", "7"], "cannot resolve 'no.such.name.invalid'"),
    ([LONG_LABEL, "7"], f"cannot resolve '{LONG_LABEL}'"),
    (["a..b", "7"], "cannot resolve 'a..b'"),
    ([LONG_NAME, "7"], "host name too long"),
    (["fe80::1", "7"], "needs a zone"),
    (["fe80::1%nope", "7"], "there is no network interface 'nope'"),
    (["--nosuch", "7"], "unknown option '--nosuch'"),
    (["--verb", "7"], "unknown option '--verb'"),
    (["-x", "7"], "unknown option '-x'"),
    (["--raw=1", "7"], "takes no argument"),
    (["7", "--timeout"], "option '--timeout' needs an argument"),
    (["--timeout", "1", "--timeout", "2", "7"], "option '--timeout' is given twice"),
    (["--timeout", "-1s", "7"], "'-1s'"),
    (["--timeout", "0", "7"], "'0'"),
    (["--timeout", "", "7"], "''"),
    (["--timeout", "5 s", "7"], "'5 s'"),
    (["--timeout", "1e9", "7"], "'1e9'"),
    (["--connect-timeout", "99999999999999999999", "7"], "'99999999999999999999'"),
    (["-4", "-6", "7"], "--ipv4 and --ipv6 exclude each other"),
    (["-q", "-v", "7"], "--quiet and --verbose exclude each other"),
    (["-6", "127.0.0.1", "7"], "cannot resolve '127.0.0.1'"),
    (["-4", "::1", "7"], "cannot resolve '::1'"),
], ids=lambda value: ascii(" ".join(value))[1:40] if isinstance(value, list) else "")
def test_a_mistake_gets_one_line(args, words):
    outcome = run_client(*args, stdin=b"hello\n")
    assert outcome.stderr.startswith("meari-client: ")
    assert outcome.stderr.count("\n") == 1 and outcome.stderr.endswith("\n")
    assert words in outcome.stderr
    assert (outcome.code, outcome.stdout) == (2, b"")


# rows: C11
@pytest.mark.parametrize("name, value, words", [
    ("MEARI_TIMEOUT", "soon", "MEARI_TIMEOUT"),
    ("MEARI_RAW", "yes", "MEARI_RAW"),
    ("MEARI_VERBOSE", "-1", "MEARI_VERBOSE"),
])
def test_a_mistake_in_the_environment_is_blamed_on_it(name, value, words):
    outcome = run_client("7", env={name: value})
    assert words in outcome.stderr and value in outcome.stderr
    assert outcome.code == 2


@pytest.mark.parametrize("form", ["127.0.0.1 {}", "127.0.0.1:{}", "tcp://127.0.0.1:{}", "-4 {}"])
def test_nobody_listens(deaf_port, form):
    host = "localhost" if form == "-4 {}" else "127.0.0.1"
    outcome = run_client(*form.format(deaf_port).split())
    assert outcome.failed(2, f"cannot connect to '{host}:{deaf_port}': Connection refused")


def test_an_ipv6_server_is_named_in_brackets():
    with socket.socket(socket.AF_INET6) as sock:
        sock.bind(("::1", 0))
        port = sock.getsockname()[1]
        outcome = run_client("::1", port)
    assert outcome.failed(2, f"cannot connect to '[::1]:{port}': Connection refused")


# rows: L10
def test_when_all_addresses_fail_the_one_line_names_each(two_addresses, deaf_port):
    outcome = run_client("twofold", deaf_port, prefix=two_addresses)
    both = "; ".join(f"{a}:{deaf_port}: Connection refused" for a in ("127.0.0.1", "127.0.0.2"))
    assert outcome.failed(2, f"cannot connect to 'twofold:{deaf_port}': {both}")


# rows: L10
def test_a_name_whose_first_address_is_dead(two_addresses, server):
    srv = server(endpoint="127.0.0.2:0")
    srv.serves_fresh_clients = False  # not on 127.0.0.1, where they would knock
    outcome = run_client("-v", "twofold", srv.port, stdin=b"hello\n", prefix=two_addresses)
    assert outcome.stdout == results(b"hello\n")
    assert f"connected to 127.0.0.2:{srv.port}\n" in outcome.stderr


# rows: L09
def test_connecting_takes_too_long():
    """A full backlog: the kernel drops what more comes, and the client would retry for two minutes."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = []

        def full():
            sock = socket.socket()
            waiting.append(sock)
            sock.settimeout(0.2)
            return sock.connect_ex(("127.0.0.1", port)) != 0
        eventually(full)
        outcome = run_client("--connect-timeout", "100ms", "127.0.0.1", port)
        for sock in waiting:
            sock.close()
    assert outcome.failed(2, f"cannot connect to '127.0.0.1:{port}': Connection timed out")


# --- what can -------------------------------------------------------------------------------------


# rows: C08
@pytest.mark.parametrize("operands, reached", [
    ("127.0.0.1 {}", "127.0.0.1:{}"), ("127.0.0.1:{}", "127.0.0.1:{}"), ("0 {}", "0.0.0.0:{}"),
    ("tcp://127.0.0.1:{}", "127.0.0.1:{}"), ("-4 {}", "127.0.0.1:{}"), ("127.1 {}", "127.0.0.1:{}"),
    ("0x7f000001 {}", "127.0.0.1:{}"), ("2130706433 {}", "127.0.0.1:{}"), ("127.0.0.1 {} -q", None),
], ids=str)
def test_ways_to_name_a_server(honest_port, operands, reached):
    port = honest_port
    verbose = ["-v"] if reached else []
    outcome = run_client(*verbose, *operands.format(port).split(), stdin=b"hello\n")
    assert (outcome.code, outcome.stdout) == (0, results(b"hello\n"))
    if reached:
        assert outcome.stderr.startswith(f"connected to {reached.format(port)}\n")


# rows: C09
@pytest.mark.parametrize("operands", ["::1 {}", "[::1]:{}", "tcp://[::1]:{}", "-6 ::1 {}"])
def test_ways_to_name_an_ipv6_server(server, operands):
    srv = server(endpoint="[::1]:0")
    srv.serves_fresh_clients = False  # not on 127.0.0.1, where they are tried
    port = srv.port
    outcome = run_client("-v", *operands.format(port).split(), stdin=b"hello\n")
    assert (outcome.code, outcome.stdout) == (0, results(b"hello\n"))
    assert outcome.stderr.startswith(f"connected to [::1]:{port}\n")


def test_options_come_from_the_environment_too(server):
    port = server().port
    outcome = run_client(port, stdin=b"hello\n",
                         env={"MEARI_RAW": "1", "MEARI_VERBOSE": "2", "MEARI_TIMEOUT": "30s",
                              "MEARI_PORT": "tcp://10.0.0.1:80"})
    assert (outcome.code, outcome.stdout) == (0, b"hello\n")
    assert outcome.stderr.startswith("connected to ")


# rows: C23
@pytest.mark.parametrize("env", [
    {"LC_ALL": "xx_YY"}, {"LC_ALL": None, "LC_NUMERIC": "de_DE.UTF-8"}, {"LC_ALL": "C"}, {"TERM": ""},
    {"TERM": None}, {"TERM": "no-such-terminal"}, {"MALLOC_PERTURB_": "165"}, {"HOME": None},
    {"HOME": "/nonexistent"}, {"PATH": ""},
], ids=str)
def test_hostile_environments(honest_port, env):
    outcome = run_client(honest_port, stdin="메아리\n".encode(), env=env)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout == results("메아리\n".encode())


# rows: C23
def test_an_empty_environment(server):
    outcome = run_shell('printf "hello\\n" | env -i "$@"', server().port)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, results(b"hello\n"), "")


# --- help and version -----------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(option):
    outcome = run_client(option)
    assert (outcome.code, outcome.stderr) == (0, "")
    text = outcome.stdout.decode()
    assert text.startswith("usage: meari-client [options] HOST PORT\n")
    for word in ["--raw", "--timeout TIME", "--connect-timeout TIME", "-4, --ipv4", "-6, --ipv6",
                 "-q, --quiet", "-v, --verbose", "-h, --help", "-V, --version"]:
        assert word in text
    assert max(map(len, text.splitlines())) <= 90


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version_tells_what_is_built_in(option):
    outcome = run_client(option)
    assert outcome.code == 0
    assert re.fullmatch(rb"meari-client \d+\.\d+\.\d+ \((no )?libedit\)\n", outcome.stdout)


# rows: C12
@pytest.mark.parametrize("option", ["--help", "--version"])
@pytest.mark.parametrize("redirect", [">/dev/full", ">&-"])
def test_help_that_nobody_can_read_is_a_failure(option, redirect):
    outcome = run_shell(f'"$@" {redirect}', option)
    assert outcome.code == 1
    assert outcome.stderr.startswith("meari-client: cannot write to standard output: ")
