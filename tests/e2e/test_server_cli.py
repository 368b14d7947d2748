"""Bad input and hostile circumstances: one clear line, and exit code 2 for what could not run.

The names of the tests carry the rows of the matrix (tests/matrix.md) that they hold.
"""

import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

import procfs
from conftest import PATIENCE, eventually, in_private_network, receive_all, receive_exactly, reset
from deprived import refuse_netlink


@pytest.fixture
def run(build):
    def start(*args, env=None, stdout=subprocess.PIPE, **how):
        return subprocess.run([build / "meari-server", *args], stdout=stdout, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, timeout=PATIENCE, text=True,
                              errors="surrogateescape",
                              env={**os.environ, **env} if env is not None else None, **how)
    return start


def complains(result, pattern):
    """Exit 2 and exactly one line that says what is wrong."""
    assert result.returncode == 2, result
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("meari-server: "), result.stderr
    assert re.search(pattern, lines[0]), lines[0]


# rows: C01
def test_C01_port_0_is_the_kernels_choice_and_the_log_says_which(server):
    srv = server()
    assert srv.port > 0
    with srv.connect() as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


# rows: C02
@pytest.mark.parametrize("port", ["65536", "99999999999999999999", "4294967296", "18446744073709551617"])
def test_C02_ports_out_of_range(run, port):
    complains(run(port), "port out of range: it must be from 0 to 65535")
    complains(run("127.0.0.1", port), "port out of range")
    complains(run("127.0.0.1:" + port), "port out of range")


# rows: C03
@pytest.mark.parametrize("port", ["80x", "0x50", "1e3", " 80", "80 ", "+80", "８０", "-", "8\x1b[2J0"])
def test_C03_ports_that_are_none(run, port):
    result = run("127.0.0.1", port)
    complains(result, "is not a port: a number from 0 to 65535")
    assert "\x1b" not in result.stderr
    complains(run("127.0.0.1:" + port), "is not a port")
    complains(run(port), "is not a port, and as a host it lacks one")


# rows: C04
@pytest.mark.parametrize("args,pattern", [
    ((), "ENDPOINT is missing"),
    (("",), "the endpoint is empty"),
    (("127.0.0.1", ""), "'' is not a port"),
    (("127.0.0.1:",), "'' is not a port"),
    (("127.0.0.1",), "'127.0.0.1' is not a port, and as a host it lacks one"),
    (("--backlog",), "option '--backlog' needs an argument"),
    (("0", "-b"), "option '-b' needs an argument"),
    (("--backlog", "", "0"), "--backlog: '' is not a whole number"),
])
def test_C04_empty_and_missing(run, args, pattern):
    complains(run(*args), pattern)


# rows: C05
@pytest.mark.parametrize("args,pattern", [
    (("-1",), "unknown option '-1'"),
    (("127.0.0.1", "--", "-1"), "'-1' is not a port"),
    (("--concurrency", "-5", "0"), "'-5' is not a whole number"),
    (("--idle-timeout", "-1s", "0"), "'-1s' is not a duration"),
    (("--workers=-1", "0"), "'-1' is not a whole number"),
])
def test_C05_negative(run, args, pattern):
    complains(run(*args), pattern)


# rows: C06
@pytest.mark.parametrize("backlog,pattern", [
    ("-1", "'-1' is not a whole number"),
    ("2147483648", "'2147483648' is too large"),
    ("99999999999999999999", "is too large"),
    ("5x", "'5x' is not a whole number"),
])
def test_C06_bad_backlogs(run, backlog, pattern):
    complains(run("--backlog", backlog, "0"), pattern)


# rows: C06
@pytest.mark.parametrize("backlog", ["0", "1", "5", "1k"])
def test_C06_backlogs_in_force(echo, engine, backlog):
    srv = echo("-b", backlog)
    assert f"backlog {backlog.replace('k', '000')}, engine {engine}" in srv.log
    assert "somaxconn" not in srv.log


# rows: C06 P22
def test_C06_a_clamped_backlog_is_announced(echo, engine, network):
    srv = echo("--backlog", "1024", namespace=network("net.core.somaxconn=16"))
    assert "a backlog of 1024 is more than net.core.somaxconn allows: 16 is in force" in srv.log
    assert f"backlog 16, engine {engine}" in srv.log


# rows: C06
def test_C06_the_default_backlog_is_somaxconn_without_a_warning(echo, engine, network):
    srv = echo(namespace=network("net.core.somaxconn=77"))
    assert f"backlog 77, engine {engine}" in srv.log and "in force" not in srv.log


# rows: C07 L05
@pytest.mark.parametrize("host,pattern", [
    ("a" * 300, "host name too long, 255 bytes at the most"),
    ("a" * 64 + ".invalid", "cannot resolve 'a+.invalid': "),
    ("nowhere.invalid", "cannot resolve 'nowhere.invalid': "),
    ("a..b", "cannot resolve 'a..b': "),
    ("nowhere.invalid.", "cannot resolve 'nowhere.invalid.': "),
    ("bad\x1b]0;name\x07", r"cannot resolve 'bad\\x1b\]0;name\\x07': "),
])
def test_C07_hosts_that_do_not_resolve(run, host, pattern):
    complains(run(host, "0"), pattern)


# rows: C08
@pytest.mark.parametrize("host,shown", [
    ("127.1", "127.0.0.1"), ("0x7f000001", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"),
])
def test_C08_odd_spellings_show_the_address_really_used(launch, host, shown):
    srv = launch(host, "0").wait_ready()
    assert f"listening on {shown}:{srv.port}, " in srv.log


# rows: C09
@pytest.mark.parametrize("args,pattern", [
    (("fe80::1", "0"), r"link-local address 'fe80::1' needs a zone, such as fe80::1%eth0"),
    (("[fe80::1]:0",), "needs a zone"),
    (("fe80::1%nope", "0"), "there is no network interface 'nope'"),
    (("[::1]",), r"'\[::1\]' is an IPv6 address without a port: write \[V6\]:PORT"),
    (("::1:7777",), r"'::1:7777' is an IPv6 address without a port: write \[V6\]:PORT"),
    (("[::1", "0"), "not of the form"),
    (("[127.0.0.1]:0",), "'127.0.0.1' is not an IPv6 address"),
    (("[::1]:80x",), "'80x' is not a port"),
    (("tcp://::1",), "is not a port"),
])
def test_C09_ipv6_mistakes(run, args, pattern):
    complains(run(*args), pattern)


# rows: C09
@pytest.mark.parametrize("args", [("::1", "0"), ("[::1]:0",), ("tcp://[::1]:0",)])
def test_C09_ipv6_spellings(launch, args):
    srv = launch(*args).wait_ready()
    srv.serves_fresh_clients = False
    with srv.connect("::1") as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


# rows: C09
def test_C09_a_zone_works_and_is_shown(server, network):
    """A link-local address on an interface of our own."""
    own = network()
    for words in ("link add v0 type veth peer name v1", "addr add fe80::5/64 dev v0 nodad",
                  "link set v0 up", "link set v1 up"):
        own.run("ip", *words.split())
    srv = server(endpoint="[fe80::5%v0]:0", namespace=own)
    srv.serves_fresh_clients = False  # on 127.0.0.1, where this one does not listen
    assert "listening on [fe80::5%v0]:" in srv.log
    with own.entered(), socket.create_connection(("fe80::5%v0", srv.port), PATIENCE) as sock:
        srv.wait_log(r"client 1 connected from \[fe80::5%%v0\]:%d$" % sock.getsockname()[1])


# rows: C10
@pytest.mark.parametrize("v6only", [0, 1])
def test_C10_dual_stack_whatever_bindv6only_says(server, network, v6only):
    srv = server(endpoint="0", namespace=network(f"net.ipv6.bindv6only={v6only}"))
    for host in ("127.0.0.1", "::1"):
        with srv.connect(host) as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
    srv.wait_log(r"client 1 connected from 127\.0\.0\.1:\d+$")
    srv.wait_log(r"client 2 connected from \[::1\]:\d+$")


# rows: C10
def test_C10_both_families_on_one_port_collide(run, network):
    """(In a network where nobody else has it.)"""
    with network().entered():
        complains(run("[::]:45871", "0.0.0.0:45871"), "cannot bind to '0.0.0.0:45871': Address already in use")


# rows: C11
@pytest.mark.parametrize("args,pattern", [
    (("--nosuch", "0"), "unknown option '--nosuch'"),
    (("-x", "0"), "unknown option '-x'"),
    (("-qx", "0"), "unknown option '-x'"),
    (("--back", "5", "0"), "unknown option '--back'"),
    (("-b", "5", "--backlog", "6", "0"), "option '--backlog' is given twice"),
    (("--quiet=1", "0"), "option '--quiet' takes no argument"),
    (("-4", "-6", "0"), "--ipv4 and --ipv6 exclude each other"),
    (("--engine", "sundial", "0"), "'sundial' is not one of auto, (io_uring, )?epoll, classic"),
    (("--log-format", "xml", "0"), "'xml' is not one of text, json"),
    (("udp://127.0.0.1:0",), "scheme of 'udp://127.0.0.1:0' is not supported"),
    (("--clients", "0", "0"), "'0' is too small"),
    (("--buffer", "1g", "0"), "'1g' is too large"),
])
def test_C11_options_and_operands_that_are_wrong(run, args, pattern):
    complains(run(*args), pattern)


# rows: C11
@pytest.mark.parametrize("variable,value,pattern", [
    ("MEARI_BACKLOG", "many", "^meari-server: MEARI_BACKLOG: 'many' is not a whole number"),
    ("MEARI_CLASSIC", "yes", "^meari-server: MEARI_CLASSIC: 'yes' is not 1 or 0"),
    ("MEARI_IDLE_TIMEOUT", "soon", "^meari-server: MEARI_IDLE_TIMEOUT: 'soon' is not a duration"),
    ("MEARI_ENGINE", "", "^meari-server: MEARI_ENGINE: '' is not one of"),
])
def test_C11_bad_values_from_the_environment(run, variable, value, pattern):
    complains(run("0", env={variable: value}), pattern)


def test_environment_and_command_line(server):
    srv = server("--backlog", "7", env={"MEARI_BACKLOG": "9", "MEARI_WORKERS": "3",
                                        "MEARI_SERVICE_PORT": "tcp://10.0.0.1:80"})
    assert re.search(r"backlog 7, engine \w+, 3 workers", srv.log)


# rows: C12
@pytest.mark.parametrize("flag", ["--help", "--version", "-h", "-V"])
def test_C12_output_that_cannot_be_written(run, flag):
    with open("/dev/full", "w") as full:
        result = run(flag, stdout=full)
    assert result.returncode == 1
    assert result.stderr == "meari-server: cannot write to standard output: No space left on device\n"
    result = subprocess.run(["sh", "-c", '"$0" "$1" >&-', run_path(run), flag],
                            stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert result.returncode == 1 and "cannot write to standard output" in result.stderr


def run_path(run):
    return run.__closure__[0].cell_contents / "meari-server"


@pytest.mark.parametrize("flag,pattern", [("--help", r"^usage: meari-server \[options\] \[ENDPOINT\.\.\.\]"),
                                          ("--version", r"^meari-server \d+\.\d+\.\d+ ")])
def test_help_and_version_go_to_standard_output(run, flag, pattern):
    result = run(flag)
    assert result.returncode == 0 and result.stderr == "" and re.search(pattern, result.stdout)


def test_a_buffer_that_does_not_fit_into_the_memory_is_announced(server):
    srv = server("--memory", "100k", "--buffer", "64k")
    assert srv.log.startswith(
        "meari-server: a buffer of 65536 bytes is more than half of the memory for all of them, 102400: "
        "small ones are used\n")
    data = os.urandom(200_000)
    with srv.connect() as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == data
    assert "a buffer of" not in server("--memory", "200k", "--buffer", "64k").log


CLOSED = ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"]


# rows: C13
@pytest.mark.parametrize("closed", CLOSED)
def test_C13_closed_standard_descriptors(launch, engine, closed):
    """No socket becomes descriptor 0, 1 or 2, so no line of the log ends up at a client."""
    srv = launch("-v", "--engine", engine, "127.0.0.1:0",
                 prefix=["sh", "-c", f'exec "$@" {closed}', "sh"])
    srv.port = eventually(lambda: procfs.listening_port(srv.proc.pid), "the service")
    with srv.connect() as first:
        first.sendall(b"hello")
        assert receive_exactly(first, 5) == b"hello"
        reset(srv.connect())  # a client comes, and leaves, while the first one is there
        with srv.connect() as second:
            second.sendall(b"me too")
            second.shutdown(socket.SHUT_WR)
            assert receive_all(second) == b"me too"
        for fd in (0, 1, 2):
            assert not os.readlink(f"/proc/{srv.pid}/fd/{fd}").startswith("socket:")
        srv.signal(signal.SIGTERM)
        assert receive_all(first) == b""  # after "draining", and "no longer listening"
    assert srv.wait_exit() == 0


# rows: C15
@pytest.mark.parametrize("workers", ["1", "2"])
def test_C15_address_in_use(server, run, workers):
    srv = server("-w", workers)
    for endpoint in (f"127.0.0.1:{srv.port}", f"{srv.port}"):
        complains(run("--workers", workers, endpoint), "cannot bind to '.*': Address already in use")


# C16 is test_signals.py::test_killed_and_started_again_with_live_clients


@pytest.fixture
def as_nobody(build, tmp_path):
    """The beginning of a command line that gives up every right, and a copy of the program that can be
    run without any: the build folder may be closed to others."""
    copy = tmp_path / "meari-server"
    shutil.copy(build / "meari-server", copy)
    os.chmod(copy, 0o755)
    for folder in tmp_path, *tmp_path.parents:
        if os.stat(folder).st_uid == os.getuid():
            os.chmod(folder, os.stat(folder).st_mode | 0o011)
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
            "--no-new-privs"], copy


# rows: C17
def test_C17_a_privileged_port_as_nobody(as_nobody):
    prefix, program = as_nobody
    result = subprocess.run([*in_private_network(), *prefix, program, "127.0.0.1", "80"], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
    complains(result, r"cannot bind to '127.0.0.1:80' \(ports below 1024 want CAP_NET_BIND_SERVICE.*"
                      "Permission denied")


# rows: C18
def test_C18_a_foreign_address(run):
    complains(run("192.0.2.1", "0"), "cannot bind to '192.0.2.1:0': Cannot assign requested address")


# rows: C23
@pytest.mark.parametrize("env", [
    {"LC_ALL": "xx_YY"}, {"LC_NUMERIC": "de_DE.UTF-8"}, {"TERM": ""}, {"MALLOC_PERTURB_": "165"},
    {"LANG": "\xff"}, {"TZ": "Nowhere/Land"},
])
def test_C23_hostile_environments(server, env):
    srv = server("--log-format", "text", env=env)
    with srv.connect() as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
    srv.wait_log(r"client 1 left after \d+\.\d ms, 1 byte echoed$")


# rows: C23
def test_C23_no_environment_at_all(server):
    srv = server(prefix=["env", "-i"])
    with srv.connect() as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


# rows: R01
def test_too_few_descriptors(build):
    result = subprocess.run(["prlimit", "--nofile=20", build / "meari-server", "0"], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
    complains(result, "the descriptor limit of 20 leaves none for clients")


def test_an_asked_concurrency_beyond_the_descriptors_is_announced(server):
    srv = server("--concurrency", "1m", "-w", "1")
    assert re.search("a concurrency of 1000000 is more than the descriptor limit allows: [0-9]+ is in "
                     "force", srv.log)


# rows: K09
def test_K09_without_ipv6_a_bare_port_is_ipv4(server):
    """An address family that socket(2) refuses, as on a kernel without IPv6."""
    srv = server("-w", "1", endpoint="0", prefix=[
        "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=socket",
        "-e", "inject=socket:error=EAFNOSUPPORT:when=1"])
    assert "no IPv6 here: listening on IPv4 only" in srv.log
    assert "listening on 0.0.0.0:" in srv.log


# --- where much is missing ----------------------------------------------------------------------


def serves(srv):
    """It says what it has in force, and echoes."""
    assert re.search(r"listening on \S+:\d+, backlog [1-9]\d*, engine", srv.log), srv.log
    with srv.connect() as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        srv.wait_log("client 1 connected from 127.0.0.1:%d$" % sock.getsockname()[1])


# rows: K07
def test_K07_with_nobodys_rights(server, as_nobody):
    prefix, program = as_nobody
    srv = server("--backlog", "7", prefix=prefix, program=program)
    serves(srv)
    assert "backlog 7, engine" in srv.log
    status = open(f"/proc/{srv.pid}/status").read()
    assert re.search(r"^Uid:(\t65534){4}$", status, re.M)
    assert re.search(r"^CapEff:\t0{16}$", status, re.M)


# rows: K08
def test_K08_without_netlink(server):
    """Also where a name is to be found: getaddrinfo(3) asks for our own addresses by netlink."""
    serves(server("--backlog", "7", endpoint="localhost:0", preexec=refuse_netlink))


# rows: K08
@pytest.mark.once
def test_K08_without_proc(server, without_proc):
    """In a chroot or a container there may be none. (A sanitizer cannot do without.)"""
    srv = server("--backlog", "7", prefix=without_proc)
    serves(srv)
    assert "backlog 7, engine" in srv.log
