"""Load from several hosts, as docs/many-hosts.md does it: GNU parallel starts a bench on each over ssh, all begin on
the same second, and their logs are brought together.

A host is a network namespace here, joined to the server's by a cable (veth(4)); in ssh's place stands a script that
steps into it.
"""

import os
import re
import subprocess
import time

import pytest

from benchrunner import BENCH, bench_env
from conftest import PATIENCE

pytestmark = pytest.mark.extra

HOSTS = ["one", "two", "three"]
SERVER = "10.9.0.1"
SSH = """#!/bin/sh
# in the place of ssh: HOST COMMAND
host=$1
shift
exec nsenter --net="$(readlink "${0%/*}/$host")" sh -c "$*"
"""


@pytest.fixture
def cluster(network, tmp_path):
    """The server's network, joined to each of three others, and the folder of the ssh that goes there."""
    centre = network()
    centre.run("ip", "address", "add", f"{SERVER}/32", "dev", "lo")
    for number, name in enumerate(HOSTS, 1):
        host = network()
        centre.run("ip", "link", "add", name, "type", "veth", "peer", "name", "uplink", "netns",
                   str(host.holder.pid))
        centre.run("ip", "address", "add", f"10.9.{number}.1/24", "dev", name)
        centre.run("ip", "link", "set", name, "up")
        host.run("ip", "address", "add", f"10.9.{number}.2/24", "dev", "uplink")
        host.run("ip", "link", "set", "uplink", "up")
        host.run("ip", "route", "add", SERVER, "via", f"10.9.{number}.1")
        os.symlink(host.path, tmp_path / name)
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    return centre, tmp_path


def test_three_hosts(cluster, server):
    centre, folder = cluster
    srv = server(namespace=centre, endpoint="0.0.0.0:0")
    srv.serves_fresh_clients = False  # (there is nothing at 127.0.0.1 in our network)
    start = int(time.time()) + 3
    command = (f"ssh {{}} {BENCH} -q -c 4 -R 500 -d 1s --start-at {start} --hdr-log - {SERVER} {srv.port}"
               " > {}.hlog")
    ended = subprocess.run(["parallel", "--will-cite", "--jobs", "0", command, ":::", *HOSTS], cwd=folder,
                           env=bench_env(HOME=str(folder), PATH=f"{folder}:{os.environ['PATH']}"),
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
    assert (ended.returncode, ended.stderr) == (0, "")
    logs = [folder / f"{name}.hlog" for name in HOSTS]
    for log in logs:  # no host was early or late
        assert abs(float(re.search(r"StartTime: ([0-9.]+)", log.read_text())[1]) - start) < 0.01
    merged = subprocess.run([BENCH, "merge", "-o", folder / "all.hlog", *logs], capture_output=True, text=True,
                            timeout=PATIENCE)
    assert merged.returncode == 0, merged.stderr
    assert "1,500" in merged.stdout
    addresses = set(re.findall(r"client \d+ connected from (\S+):\d+", srv.log))
    assert addresses == {"10.9.1.2", "10.9.2.2", "10.9.3.2"}
