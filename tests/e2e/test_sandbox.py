"""Least privilege: what the server gives up before it serves, and what it does where it cannot.

What the sandbox forbids from inside is tests/unit/test_confine.c. Sanitizers and coverage need more of
the kernel than a server does, so in a build with them the rules are lax (src/base/sandbox.h); the tests
here ask for nothing that is lax then.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys

import pytest

import procfs
from conftest import ENGINES, PATIENCE, Server, eventually, receive_all, receive_exactly, reset, sanitizer_in

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="wants root")
NOBODY = 65534
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
HARNESS = pathlib.Path(__file__).resolve().parents[1] / "harness"


@pytest.fixture
def program(build, tmp_path):
    """A copy of the server where every user can reach it."""
    copy = tmp_path / "bin" / "meari-server"
    copy.parent.mkdir()
    shutil.copy(build / "meari-server", copy)
    for folder in [copy, *copy.parents]:
        if os.stat(folder).st_uid == os.getuid():
            os.chmod(folder, os.stat(folder).st_mode | 0o011)
    return copy


@pytest.fixture
def launch_copy(program, tmp_path):
    """Starts that copy, as a user who cannot reach the build folder may do."""
    servers = []

    def start(*args, **how):
        servers.append(Server(program.parent, tmp_path, args, **how))
        return servers[-1].wait_ready()

    yield start
    try:
        for srv in servers:
            srv.check_and_stop()
    finally:
        for srv in servers:
            srv.proc.kill()
            srv.proc.wait()


def run(program, *args, prefix=()):
    """A server that is expected not to start; one that does is killed, with whatever runs it."""
    env = dict(os.environ)
    if "strace" in prefix:  # as in conftest.Server
        env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    proc = subprocess.Popen([*prefix, program, *args, "127.0.0.1:0"], start_new_session=True, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=env)
    try:
        out, err = proc.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(proc.pid, signal.SIGKILL)
        raise
    return subprocess.CompletedProcess(proc.args, proc.returncode, out, err)


def injecting(*faults):
    """strace(1) answers these calls itself."""
    calls = ",".join(re.match(r"\w+", fault).group() for fault in faults)
    prefix = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + calls]
    return prefix + [word for fault in faults for word in ("-e", "inject=" + fault)]


def refuses(result, pattern):
    """Exit 2 with one line that says why, and nobody was served."""
    assert result.returncode == 2, result
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and re.search(pattern, lines[0]), result.stderr


def statuses(server):
    """What /proc says about each thread: {field: words}."""
    for status in procfs.of_threads(server.pid, "status"):
        yield dict(line.split(":", 1) for line in status.splitlines())


def echoes_back(sock):
    """Some of what was sent is back."""
    return bool(sock.recv(1 << 16))


def echoes(sock):
    sock.sendall(b"hello")
    return receive_exactly(sock, 5) == b"hello"


# --- as it should be ----------------------------------------------------------------------------


# rows: K12
@as_root
@pytest.mark.parametrize("user,uid,gid", [
    ("nobody", NOBODY, NOBODY), (f"{NOBODY}", NOBODY, NOBODY), ("4711:1234", 4711, 1234),
    ("daemon:nogroup", 1, NOBODY),
])
def test_every_thread_gave_up_everything(echo, build, user, uid, gid):
    srv = echo("--user", user, "--sandbox", "require", "-w", "3")
    with srv.connect() as one, srv.connect() as two:
        assert echoes(one) and echoes(two)
        threads = [status for status in statuses(srv) if not status["Name"].startswith("\tiou-")]  # the kernel's
        # classic: one for each client, and one that accepts; ThreadSanitizer has one of its own
        assert len(threads) == 3 + (sanitizer_in(build) == b"tsan")
        for status in threads:
            assert status["Uid"].split() == [str(uid)] * 4
            assert status["Gid"].split() == [str(gid)] * 4
            assert status["Groups"].split() == []
            for which in "Inh", "Prm", "Eff", "Bnd", "Amb":
                assert int(status["Cap" + which], 16) == 0, which
            assert status["NoNewPrivs"].strip() == "1"
            assert status["Seccomp"].strip() == "2"
    name = "nobody" if user == f"{NOBODY}" else user.split(":")[0]
    assert re.search(rf"^confined as {name}: no capabilities, system call filter, landlock \d+$",
                     srv.log, re.M)


# rows: K12
@as_root
def test_root_keeps_its_name_and_nothing_else(echo):
    srv = echo()
    for status in statuses(srv):
        assert status["Uid"].split() == ["0"] * 4
        assert all(int(status["Cap" + which], 16) == 0 for which in ("Prm", "Eff", "Bnd", "Amb"))
        assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"
    srv.wait_log(r"^confined as root \(--user would give that up\): ")


@as_root
def test_a_port_of_roots_for_nobody(launch):
    """In a network of its own, where port 7 is free."""
    srv = launch("--user", "nobody", "127.0.0.1:7",
                 prefix=["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"])
    srv.serves_fresh_clients = False
    srv.wait_log("listening on 127.0.0.1:7, ")


# What the C library asks for in vain, and does without: CPUs for malloc's arenas, whether to trim them.
IN_VAIN = re.compile(r'openat\(AT_FDCWD, "/(sys/devices/system/cpu/online|proc/stat|'
                     r'proc/sys/vm/overcommit_memory|etc/localtime)"|clone3\(.* ENOSYS')


def whole_calls(trace):
    """The calls of a trace by strace -f, in the order in which they ended, each on one line: strace interrupts the line of one that
    waits when another thread's begins."""
    begun, calls = {}, []
    for line in trace.splitlines():
        pid, _, call = line.partition(" ")
        if call.endswith("<unfinished ...>"):
            begun[pid] = call.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"\s*<\.\.\. \w+ resumed>", call):
            call = begun.pop(pid, "") + call[resumed.end():]
        calls.append(call)
    return calls


def test_a_call_that_another_one_interrupts_is_whole_again():
    assert whole_calls('7 openat(AT_FDCWD, "/proc/stat", O_RDONLY <unfinished ...>\n'
                       "8 recvfrom(5 <unfinished ...>\n"
                       "7 <... openat resumed>)    = -1 EPERM (Operation not permitted)\n"
                       "9 close(3)   = 0\n"
                       "8 <... recvfrom resumed>, 0x1, 1, 0, NULL, NULL) = 0\n") == [
        'openat(AT_FDCWD, "/proc/stat", O_RDONLY )    = -1 EPERM (Operation not permitted)', "close(3)   = 0",
        "recvfrom(5 , 0x1, 1, 0, NULL, NULL) = 0"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_that_is_forbidden_is_asked_for(echo, tmp_path, log_format):
    """Else something is missing in the table of src/base/filter.c, or is done too late."""
    trace = tmp_path / "trace"
    srv = echo("-w", "3", "--idle-timeout", "1m", "--log-format", log_format, prefix=[
        "strace", "-f", "-qq", "-o", str(trace)])
    socks = [srv.connect() for _ in range(12)]
    message = bytes(1 << 20)
    for sock in socks:
        sock.setblocking(False)
        sock.send(message)
        sock.setblocking(True)
        assert echoes_back(sock)
    reset(socks.pop())
    socks.pop().shutdown(socket.SHUT_WR)
    srv.signal(signal.SIGTERM)
    srv.wait_log("draining")
    for sock in socks:
        receive_all(sock)  # until the server ends it
        sock.close()
    assert srv.wait_exit() == 0
    calls = whole_calls(trace.read_text())
    own_try = [i for i, call in enumerate(calls) if "execveat(-1, NULL, NULL, NULL, 0) = -1 EPERM" in call]
    assert own_try
    forbidden = [call for call in calls[own_try[0] + 1:] if re.search("= -1 (EPERM|EACCES|ENOSYS)", call)]
    assert [call for call in forbidden if not IN_VAIN.search(call)] == []


def test_off_leaves_everything_as_it_is(echo):
    srv = echo("--sandbox", "off")
    mine = pathlib.Path("/proc/self/status").read_text()
    for status in statuses(srv):
        for field in "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp":
            assert f"{field}:{status[field]}\n" in mine
    assert "confined" not in srv.log


@as_root
def test_user_gives_up_capabilities_also_without_the_sandbox(echo):
    srv = echo("--sandbox", "off", "--user", "nobody")
    for status in statuses(srv):
        assert status["Uid"].split() == [str(NOBODY)] * 4
        assert all(int(status["Cap" + which], 16) == 0 for which in ("Prm", "Eff", "Bnd", "Amb"))
        assert status["NoNewPrivs"].strip() == "1"
    srv.wait_log("^confined as nobody: no capabilities$")


# --- who to become ------------------------------------------------------------------------------


@pytest.mark.parametrize("user,pattern", [
    ("", "--user: '' is not USER or USER:GROUP"),
    (":", "--user: ':' is not USER or USER:GROUP"),
    ("nobody:", "--user: 'nobody:' is not USER or USER:GROUP"),
    ("u" * 300, "is not USER or USER:GROUP"),
    ("no-such-user", "--user: there is no user 'no-such-user'"),
    ("nobody:no-such-group", "--user: there is no group 'no-such-group'"),
    ("no\x1b[2Jbody", r"--user: there is no user 'no\\x1b\[2Jbody'"),
    ("4711", "--user: user 4711 has no group of its own: say 4711:GROUP"),
    ("4294967295:1", "--user: there is no user '4294967295'"),
    ("1:4294967295", "--user: there is no group '4294967295'"),
    ("99999999999:1", "--user: there is no user '99999999999'"),
    ("-1:1", "--user: there is no user '-1'"),
    ("0x10:1", "--user: there is no user '0x10'"),
    ("1k:1", "--user: there is no user '1k'"),
    ("root", "--user: that is root; leave the option out to stay root"),
    ("0:1", "--user: that is root"),
])
def test_users_that_are_none(build, user, pattern):
    refuses(run(build / "meari-server", "--user", user), "^meari-server: .*" + pattern)


def test_a_bad_mode_of_the_sandbox(build):
    refuses(run(build / "meari-server", "--sandbox", "on"), "'on' is not one of off, auto, require")


@as_root
def test_only_root_can_become_somebody_else(program):
    refuses(run(program, "--user", "daemon", prefix=AS_NOBODY),
            r"cannot become user 1, group 1 \(only root can become somebody else\): "
            "setgroups: Operation not permitted")


@as_root
def test_who_is_that_user_already_needs_no_privilege(launch_copy):
    srv = launch_copy("--user", "nobody", "--sandbox", "require", "127.0.0.1:0", prefix=AS_NOBODY)
    for status in statuses(srv):
        assert status["Uid"].split() == [str(NOBODY)] * 4 and int(status["CapPrm"], 16) == 0


# --- when a step fails, or lies -----------------------------------------------------------------


# rows: K11
@as_root
@pytest.mark.parametrize("fault,pattern", [
    ("setgroups:error=EPERM", "cannot become user .*: setgroups: Operation not permitted"),
    ("setresgid:error=EPERM", "cannot become user .*: setresgid: Operation not permitted"),
    ("setresuid:error=EAGAIN:when=1", "cannot become user .*: setresuid: Resource temporarily unavail"),
    ("setgroups:retval=0", "cannot become user .*: groups are left"),
    ("setresgid:retval=0", "cannot become user .*: the kernel says we are somebody else"),
    ("setresuid:retval=0:when=1", "cannot become user .*: the kernel says we are somebody else"),
    ("setuid:retval=0", "root was given up and could be had again"),
    ("capget:error=EINVAL", "cannot read the capabilities: Invalid argument"),
    ("prctl:error=EINVAL", "cannot forgo new privileges: Invalid argument"),
    ("prctl:retval=0", "no-new-privileges was set and is not in force"),
])
def test_a_step_that_fails_or_lies(build, fault, pattern):
    """An injected return value means that the call was not made at all."""
    refuses(run(build / "meari-server", "--user", "nobody", prefix=[
        "setpriv", "--groups=4,5", *injecting(fault)]), "^meari-server: " + pattern)


# rows: K11
@as_root
@pytest.mark.parametrize("fault,pattern", [
    ("capset:retval=0", "capabilities are left after they were dropped"),
    ("capset:error=EPERM", "cannot drop the capabilities: Operation not permitted"),
])
def test_capabilities_that_stay(build, fault, pattern):
    """For root that stays root; who becomes somebody else loses them by that."""
    refuses(run(build / "meari-server", prefix=injecting(fault)), "^meari-server: " + pattern)


# --- when the kernel lacks a part ---------------------------------------------------------------

NO_LANDLOCK = "landlock_create_ruleset:error="
LACKS = [
    ([NO_LANDLOCK + "ENOSYS"], r"no landlock \(Function not implemented\)"),
    ([NO_LANDLOCK + "EOPNOTSUPP"], r"no landlock \(Operation not supported\)"),
    (["landlock_restrict_self:error=EPERM"], r"no landlock \(Operation not permitted\)"),
    (["seccomp:error=EINVAL"], r"no system call filter \(Invalid argument\)"),
    ([NO_LANDLOCK + "ENOSYS", "seccomp:error=EINVAL"],
     r"no landlock \(Function not implemented\), no system call filter \(Invalid argument\)"),
]


def log_of_lack(lacks):
    return rf"^meari-server: the sandbox is not whole: {lacks}$"


# rows: K10
@pytest.mark.parametrize("faults,lacks", LACKS)
def test_auto_does_without_what_is_missing(server, faults, lacks):
    srv = server("-w", "1", prefix=injecting(*faults))
    srv.wait_log(log_of_lack(lacks))
    with srv.connect() as sock:
        assert echoes(sock)


# rows: K10
@pytest.mark.parametrize("faults,lacks", LACKS)
def test_require_does_not_start_without_it(build, faults, lacks):
    refuses(run(build / "meari-server", "--sandbox", "require", prefix=injecting(*faults)),
            f"^meari-server: --sandbox require: {lacks}$")


# rows: K10
def test_a_landlock_that_only_pretends_to_be_in_force(server, build):
    if re.search(rb"__(asan|tsan|gcov)_", (build / "meari-server").read_bytes()):
        pytest.skip("instrumented: the files that tell are open then")
    srv = server("-w", "1", prefix=injecting("landlock_restrict_self:retval=0"))
    srv.wait_log(log_of_lack(r"no landlock \(Operation not permitted\)"))


# rows: K10
def test_a_filter_that_only_pretends_to_be_in_force(server, build, tmp_path):
    """libseccomp asks the kernel this and that before; the last of its calls is the one that counts."""
    traced = server("-w", "1", prefix=["strace", "-f", "-qq", "-o", str(tmp_path / "trace"), "-e",
                                       "trace=seccomp"])
    traced.check_and_stop()
    last = (tmp_path / "trace").read_text().count(" seccomp(")
    srv = server("-w", "1", prefix=injecting(f"seccomp:retval=0:when={last}"))
    srv.wait_log(log_of_lack(r"no system call filter \(Operation not permitted\)"))


# rows: K10
@pytest.mark.parametrize("abi,shown", [(1, 1), (3, 3), (5, 5)])
def test_an_older_landlock_does_what_it_can(server, abi, shown):
    srv = server("--sandbox", "require", "-w", "1", prefix=injecting(
        f"landlock_create_ruleset:retval={abi}:when=1"))
    srv.wait_log(rf"^confined as .*, landlock {shown}$")


# --- in somebody else's sandbox -----------------------------------------------------------------

def filtered(code, *calls):
    return [sys.executable, str(HARNESS / "filtered.py"), code, ",".join(calls), "--"]


# rows: K10
@pytest.mark.parametrize("code,words", [("ENOSYS", "Function not implemented"),
                                        ("EPERM", "Operation not permitted")])
def test_where_no_sandbox_may_be_built(echo, build, code, words):
    """As in a container whose profile knows neither seccomp(2) nor landlock."""
    outer = filtered(code, "seccomp", "landlock_create_ruleset")
    srv = echo(prefix=outer)
    srv.wait_log(log_of_lack(rf"no landlock \({words}\), no system call filter \(.*\)"))
    with srv.connect() as sock:
        assert echoes(sock)
    refuses(run(build / "meari-server", "--sandbox", "require", prefix=outer),
            rf"--sandbox require: no landlock \({words}\), no system call filter")


@as_root
@pytest.mark.parametrize("engine_name", ENGINES)
def test_as_the_systemd_unit_runs_it(launch_copy, engine_name):
    """What packaging/systemd/meari.service does, by other means: a socket that is passed, a network without
    an interface, an ordinary user without capabilities, and a filter that forbids what needs any."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        prefix = ["unshare", "-n", sys.executable, str(HARNESS / "activate.py"), str(listener.fileno()), "--",
                  *AS_NOBODY, "--bounding-set=-all", "--no-new-privs",
                  *filtered("EPERM", "capset", "setgroups", "setresgid", "setresuid", "setrlimit",
                            "sched_setaffinity", "chroot", "bpf", "socket")]
        srv = launch_copy("--engine", engine_name, "--sandbox", "require", prefix=prefix,
                          pass_fds=[listener.fileno()])
        assert srv.port == listener.getsockname()[1]
        srv.wait_log(r"^confined as nobody: no capabilities, system call filter, landlock \d+$")


# --- options of sockets that are refused --------------------------------------------------------


# rows: K13
@pytest.mark.parametrize("nth", range(1, 10))
@pytest.mark.parametrize("endpoint", ["127.0.0.1:0", "[::1]:0"])
def test_a_socket_option_that_is_refused(build, tmp_path, endpoint, nth):
    """One after the other: what exactness or identity hangs on ends the start, the rest is done without."""
    trace = tmp_path / "trace"
    prefix = ["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=setsockopt",
              "-e", f"inject=setsockopt:error=ENOPROTOOPT:when={nth}"]
    srv = Server(build, tmp_path, ["-w", "1", "--sndbuf", "64k", "--rcvbuf", "64k", endpoint],
                 prefix=prefix)
    try:
        eventually(lambda: "listening on" in srv.log or srv.proc.poll() is not None, "start or end")
        hit = re.search(r"setsockopt\(\d+, \w+, (\w+), .*INJECTED", trace.read_text())
        option = hit.group(1) if hit else None
        if option in ("SO_REUSEADDR", "SO_OOBINLINE", "IPV6_V6ONLY"):
            assert srv.wait_exit() == 2
            assert re.fullmatch(r"meari-server: cannot set socket options for '.*': "
                                "Protocol not available\n", srv.log)
        else:
            assert option or nth > 6  # each of them had its turn
            srv.wait_ready()
            srv.serves_fresh_clients = endpoint[0] != "["
            if not srv.serves_fresh_clients:
                with srv.connect("::1") as sock:
                    assert echoes(sock)
            srv.check_and_stop()
    finally:
        if srv.proc.poll() is None:
            srv.proc.kill()
            srv.proc.wait()
