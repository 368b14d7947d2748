"""Our server with other people's clients, and our client with other people's servers.

These want programs that the core tests do without, so they are the `extra` ones.
"""

import re
import socket
import subprocess

import pytest

from conftest import PATIENCE, eventually
from foreign_server import SERVERS

pytestmark = pytest.mark.extra

DATA = bytes(range(256)) * 4096  # 1 MiB: every byte value, no text


def talk(command, data=DATA):
    result = subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            timeout=PATIENCE)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_socat_gets_every_byte_after_its_half_close(echo):
    srv = echo()
    assert talk(["socat", "-t", "20", "-", f"TCP:127.0.0.1:{srv.port}"]) == DATA


def test_ncat_gets_every_byte(echo):
    """Ncat before 7.96 half-closes at the end of its input; later ones want -k for that."""
    srv = echo()
    half_close = ["-k"] if ncat_version() >= (7, 96) else []
    assert talk(["ncat", *half_close, "127.0.0.1", str(srv.port)]) == DATA


def ncat_version():
    text = subprocess.run(["ncat", "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=True).stdout
    return tuple(map(int, re.search(r"Version (\d+)\.(\d+)", text).groups()))


@pytest.mark.parametrize("name", ["python", "socat"])
def test_our_client_with_another_server(build, name):
    client = str(build / "meari-client")
    with SERVERS[name]() as port:
        assert talk([client, "127.0.0.1", str(port)], b"hello\nworld\n") == \
            b"message from server : hello\nmessage from server : world\n"
        assert talk([client, "--raw", "127.0.0.1", str(port)]) == DATA


def test_a_plain_python_client(echo):
    srv = echo()
    with socket.create_connection(("127.0.0.1", srv.port)) as sock, sock.makefile("rwb") as stream:
        for i in range(100):
            stream.write(b"line %d\n" % i)
            stream.flush()
            assert stream.readline() == b"line %d\n" % i
    eventually(lambda: "client 1 left" in srv.log)
