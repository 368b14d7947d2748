"""What a service manager gets from the server: it serves the sockets that were passed to it, and tells how
it fares."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from conftest import PATIENCE, eventually, fill, receive_all, receive_exactly

ACTIVATE = pathlib.Path(__file__).resolve().parents[1] / "harness" / "activate.py"


def echoes(sock, message=b"hello"):
    sock.sendall(message)
    return receive_exactly(sock, len(message)) == message


def listening(family=socket.AF_INET, host="127.0.0.1", backlog=7):
    sock = socket.socket(family)
    sock.bind((host, 0))
    sock.listen(backlog)
    return sock


@pytest.fixture
def activated(launch):
    """Starts a server that finds `sockets` at 3, 4, ..."""
    def start(*args, sockets=(), env=None):
        fds = [sock.fileno() for sock in sockets]
        return launch(*args, prefix=[sys.executable, ACTIVATE, *map(str, fds), "--"], pass_fds=fds,
                      env=env)
    return start


def refused(srv):
    assert srv.wait_exit() == 2
    assert srv.log.startswith("meari-server: ") and srv.log.count("\n") == 1, srv.log
    return srv.log


# --- sockets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine_name", ["epoll", "classic"])
def test_a_listener_that_is_shut_down_from_outside(activated, engine_name):
    """The others go on. Without any the server lets its clients finish, and says with 1 that it ended by
    itself. Whoever shares a socket can do that to it; so can ss -K."""
    with listening() as one, listening() as two:
        srv = activated("--engine", engine_name, "--drain", "60s", "--sndbuf", "16k", "--rcvbuf", "16k",
                        sockets=[one, two])
        srv.wait_log("listening on 127.0.0.1:%d" % two.getsockname()[1])
        with socket.create_connection(one.getsockname()) as stays, socket.socket() as owed:
            assert echoes(stays)
            owed.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            owed.connect(two.getsockname())
            address = "127.0.0.1:%d" % one.getsockname()[1]
            one.shutdown(socket.SHUT_RDWR)
            srv.wait_log(f"^meari-server: {address} was shut down from outside: Invalid argument$")
            with socket.create_connection(two.getsockname()) as newcomer:
                assert echoes(newcomer) and echoes(stays)
            sent = fill([owed])[owed]  # who is not quiet has time in a drain
            two.shutdown(socket.SHUT_RDWR)
            srv.wait_log("^draining")
            assert receive_all(stays) == b""
            owed.shutdown(socket.SHUT_WR)
            assert receive_all(owed) == b"n" * sent
    assert srv.wait_exit() == 1
    assert srv.log.endswith("meari-server: no listener is left: "
                            "Cannot send after transport endpoint shutdown\n"), srv.log


# rows: U04
@pytest.mark.parametrize("engine_name", ["epoll", "classic"])
def test_passed_sockets_are_served_as_they_are(activated, engine_name):
    """No endpoint is needed; each keeps its backlog, and what waits in its queue is served."""
    with listening() as one, listening(socket.AF_INET6, "::1", 11) as two:
        early = socket.create_connection(one.getsockname())
        early.sendall(b"early")
        srv = activated("--engine", engine_name, sockets=[one, two])
        srv.wait_log(r"listening on 127\.0\.0\.1:%d, backlog 7" % one.getsockname()[1])
        srv.wait_log(r"listening on \[::1\]:%d, backlog 11" % two.getsockname()[1])
        with early, socket.create_connection(two.getsockname()[:2]) as late:
            assert receive_exactly(early, 5) == b"early"
            assert echoes(late)


# rows: U04
def test_passed_sockets_get_the_options_that_exactness_needs(activated):
    with listening() as sock:
        srv = activated("-b", "3", sockets=[sock]).wait_ready()
        srv.wait_log("backlog 3,")
        with srv.connect() as client:
            client.sendall(b"ab")
            client.send(b"!", socket.MSG_OOB)
            client.sendall(b"cd")
            assert receive_exactly(client, 5) == b"ab!cd"


# rows: U04
def test_endpoints_are_served_beside_passed_sockets(activated):
    """One that an endpoint names is that endpoint; port 0 takes one that nobody names."""
    with listening() as one, listening() as two:
        ports = [sock.getsockname()[1] for sock in (one, two)]
        srv = activated(f"127.0.0.1:{ports[0]}", "127.0.0.1:0", "127.0.0.1:0", sockets=[one, two])
        third = int(srv.wait_log(r"listening on 127.0.0.1:(\d+)", 3).group(1))
        assert srv.log.count("listening on") == 3 and third not in ports
        for port in (*ports, third):
            with socket.create_connection(("127.0.0.1", port)) as client:
                assert echoes(client)


# rows: U04
def test_the_same_endpoint_twice_is_still_a_mistake(activated):
    with listening() as sock:
        name = "127.0.0.1:%d" % sock.getsockname()[1]
        log = refused(activated(name, name, sockets=[sock]))
        assert "cannot bind to '%s': Address already in use" % name in log


# rows: U04
def test_sockets_for_another_process_are_not_ours(launch, activated):
    with listening() as sock:
        env = {"LISTEN_PID": "1", "LISTEN_FDS": "nonsense"}
        srv = activated("127.0.0.1:0", sockets=[sock], env=env).wait_ready()
        assert srv.port != sock.getsockname()[1]
    assert "which port?" in refused(launch(env={"LISTEN_PID": "1", "LISTEN_FDS": "1"}))
    assert "which port?" in refused(launch(env={"LISTEN_FDS": "1"}))


# rows: U04
@pytest.mark.parametrize("variable,value", [
    ("LISTEN_FDS", "0"), ("LISTEN_FDS", "abc"), ("LISTEN_FDS", "-1"), ("LISTEN_FDS", "1k"),
    ("LISTEN_FDS", ""), ("LISTEN_FDS", "4294967297"), ("LISTEN_FDS", "1 "),
    ("LISTEN_PID", "abc"), ("LISTEN_PID", "0"), ("LISTEN_PID", "-5"),
])
def test_variables_that_are_no_numbers(activated, variable, value):
    with listening() as sock:
        log = refused(activated("127.0.0.1:0", sockets=[sock], env={variable: value}))
    assert f"{variable}='{value}' is not a number from 1 to" in log


# rows: U04
def test_more_descriptors_promised_than_passed(activated):
    with listening() as sock:
        log = refused(activated(sockets=[sock], env={"LISTEN_FDS": "99"}))
    assert "descriptor 4 of LISTEN_FDS cannot be served: Bad file descriptor" in log


def datagram():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def unix():
    sock = socket.socket(socket.AF_UNIX)
    sock.bind("")  # a name of the kernel's choice
    sock.listen()
    return sock


# rows: U04
@pytest.mark.parametrize("make,why", [
    (lambda: open("/dev/null"), "Socket operation on non-socket"),
    (datagram, "it is not a TCP socket, but UDP"),
    (unix, "it is not a socket of IPv4 or IPv6"),
    (lambda: socket.socket(), "it does not listen"),
], ids=["file", "udp", "unix", "not listening"])
def test_a_descriptor_that_cannot_be_served_is_named(activated, make, why):
    with listening() as good, make() as bad:
        log = refused(activated(sockets=[good, bad]))
        assert f"descriptor 4 of LISTEN_FDS cannot be served: {why}" in log
        log = refused(activated(sockets=[good, bad], env={"LISTEN_FDNAMES": "web:e\x1bcho"}))
        assert f"descriptor 4 ('e\\x1bcho') of LISTEN_FDS cannot be served: {why}" in log


# rows: U04
@pytest.mark.extra
@pytest.mark.parametrize("engine_name", ["epoll", "classic"])
def test_systemd_socket_activate(build, tmp_path, engine_name):
    """The real thing; it starts the server when the first client comes."""
    if not shutil.which("systemd-socket-activate"):
        pytest.skip("no systemd-socket-activate here")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with open(tmp_path / "log", "w") as log:
        proc = subprocess.Popen(
            ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", str(build / "meari-server"),
             "--engine", engine_name, "--clients", "1"], stdout=log, stderr=log)
    try:
        eventually(lambda: "Listening on" in (tmp_path / "log").read_text(), "an open socket")
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            assert echoes(client)
        assert proc.wait(PATIENCE) == 0
    finally:
        proc.kill()
        proc.wait()
    assert "served 1 client in" in (tmp_path / "log").read_text()


# --- news ---------------------------------------------------------------------------------------


@pytest.fixture
def manager(tmp_path):
    """A socket that hears what a service tells, as a service manager has one."""
    def listen(address):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(address)
        sock.settimeout(PATIENCE)
        return sock
    return listen


def heard(sock):
    return sock.recv(4096).decode().splitlines()


# rows: U05
@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_a_manager_hears_ready_and_stopping(server, manager, tmp_path, kind):
    """READY comes when clients can connect, STOPPING with the drain, and nothing else does."""
    name = str(tmp_path / "notify") if kind == "path" else f"@meari-test-{os.getpid()}"
    with manager(name.replace("@", "\0")) as sock:
        srv = server(env={"NOTIFY_SOCKET": name})
        assert heard(sock) == ["READY=1", "STATUS=Listening on 1 address"]
        with srv.connect() as client:
            assert echoes(client)
            srv.signal(signal.SIGTERM)
            assert heard(sock) == ["STOPPING=1", "STATUS=Draining, with 1 client"]
        assert srv.wait_exit() == 0
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)


# rows: U05
def test_nobody_hears_ready_from_a_server_that_does_not_start(launch, manager, tmp_path):
    with listening() as taken, manager(str(tmp_path / "notify")) as sock:
        refused(launch("127.0.0.1:%d" % taken.getsockname()[1],
                       env={"NOTIFY_SOCKET": str(tmp_path / "notify")}))
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)


# rows: U05
@pytest.mark.parametrize("name,why", [
    ("", "Address family not supported"), ("relative", "Address family not supported"),
    ("/", "File name too long|Connection refused|Invalid argument"),
    ("@", "File name too long"), ("/" + "n" * 108, "File name too long"),
    ("/no/such/socket", "No such file or directory"),
    ("@meari-nobody-listens", "Connection refused"), ("/dev/null", "Connection refused"),
])
def test_a_manager_that_cannot_be_reached_is_a_warning(server, name, why):
    srv = server(env={"NOTIFY_SOCKET": name})
    warning = srv.wait_log(r"^meari-server: cannot notify '(.*)' \(NOTIFY_SOCKET\): (.*)$")
    assert warning.group(1) in (name, name[:20] + warning.group(1)[20:])
    assert any(word in warning.group(2) for word in why.split("|"))


# rows: U05
def test_a_manager_that_goes_away_or_never_reads(server, manager, tmp_path):
    """Its socket is full, then closed: the service goes on, and ends as it should."""
    with manager(str(tmp_path / "notify")) as sock:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.setblocking(False)
            filler.connect(str(tmp_path / "notify"))
            with pytest.raises(BlockingIOError):
                while True:
                    filler.send(b"X=1")
        srv = server(env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        with srv.connect() as client:
            assert echoes(client)
    with srv.connect() as client:
        client.sendall(b"bye")
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b"bye"
