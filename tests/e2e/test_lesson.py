"""meari-lesson: each experiment runs by itself, prints the numbers of the lesson, and is what docs/lesson.md quotes.

Each runs in a network of its own, so that its limits are the kernel's defaults.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from conftest import PATIENCE, eventually, in_private_network
from terminal import Terminal

ROOT = pathlib.Path(__file__).resolve().parents[2]
LESSON = ROOT / "docs" / "lesson.md"
ENV = {**os.environ, "LC_ALL": "C.UTF-8", "NO_COLOR": ""}


def run(script, *words, code=0, **how):
    """What the script prints, in a network of its own."""
    done = subprocess.run([*in_private_network(), script, *words], env={**ENV, **how}, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


@pytest.fixture
def script(build):
    return build / "meari-lesson"


# --- the numbers --------------------------------------------------------------------------------

NUMBERS = {
    1: [r"^server   \| clients 1 .* backlog 1/5 ",
        r"^client 2 \| message from server : me too$"],
    2: [r"^server   \| .* backlog 5/5 · 0 SYNs dropped",
        r"^server   \| .* backlog 6/5 FULL · 0 SYNs dropped",
        r"^server   \| client 6 connected from ",
        r"^client   \| served 0, waiting 6 \(backlog 5 \+ 1\), then no answer$"],
    3: [r"^server   \| .* backlog 6/5 FULL · 0 SYNs dropped",
        r"^kernel   \| client 7 sent its SYN again, ",
        r"^server   \| .* backlog 6/5 FULL · \d+ SYNs dropped",
        r"^server   \| client 7 connected from ",
        r"^client 7 \| connected to .*; its SYN needed (?P<n>\d+) retries \(.*\): the accept queue was full$",
        r"^server   \| clients 7 .* backlog 0/5 · (?P=n) SYNs dropped"],
    4: [r"^kernel   \| 4096$",
        r"^server   \| .* a backlog of 4097 is more than net.core.somaxconn allows: 4096 is in force$",
        r"^server   \| .* a backlog of 1024 is more than net.core.somaxconn allows: 3 is in force$",
        r"^client   \| served 0, waiting 4 \(backlog 3 \+ 1\), then no answer$"],
    5: [r"^client 1 \| shutdown\(\d+, SHUT_WR\) = 0 .* we have nothing more to say \(FIN\)$",
        r"^kernel   \| the client's end is in FIN_WAIT_2",
        r"^kernel   \| the server's end is in CLOSE_WAIT",
        r"^server   \| \[\d+\] recv\(\d+\) = 6 \"hello\\n\" +CLOSE_WAIT$",
        r"^server   \| \[\d+\] send\(\d+\) = 6 ",
        r"^server   \| client 1 left after .*, 6 bytes echoed$",
        r"^client 1 \| hello$",
        r"^server   \| client 1 left after .*, 588895 bytes echoed$",
        r"^client 2 \| 2052179976 588895$"],
    6: [r"^server   \| client 1 left after .*, 6 bytes echoed$",
        r"^server   \| client 2 left after .*, 6 bytes echoed, reset by the client$",
        r"^client 3 \| meari-client: connection lost after 0 of 6 bytes: Connection reset by peer$"],
}


# rows: P20 P21 P22
@pytest.mark.parametrize("n", NUMBERS)
def test_an_experiment_comes_out_as_the_lesson_says(script, n, tmp_path):
    """And leaves nothing behind."""
    out, err = run(script, str(n), TMPDIR=str(tmp_path))
    assert err == ""
    assert re.search("[\\s\\S]*?".join(NUMBERS[n]), out, re.M), out
    assert "so it is" in out and "NOT SO" not in out
    assert list(tmp_path.iterdir()) == []
    assert same(out) == same(quoted(n))


def test_another_shell(script):
    """dash is sh on Debian; elsewhere it is bash."""
    done = subprocess.run([*in_private_network(), "bash", "--posix", script, "6"], env=ENV, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")


# --- the text -----------------------------------------------------------------------------------

# What differs from run to run and from machine to machine, and what stands for it.
VARIES = [
    (r"(127\.0\.0\.1[: ])(?!0\b)\d+", r"\1PORT"),
    (r"\b\d+(\.\d+)? (ns|us|ms|s|min|h)\b", "TIME"),
    (r"\b[\d.]+k? reads/s", "READS"),
    (r"\b[\d.]+ [kM]?B/s", "BYTES"),
    (r"engine (io_uring|epoll)", "ENGINE"),
    (r", \d+ workers?$", ", WORKERS"),
    (r"[1-9]\d* (SYNs dropped|SYNs in vain|retries)", r"N \1"),
    (r"(\w+)\(\d+(?=[,)])", r"\1(FD"),  # in --trace
    (r" (FIN_WAIT_[12]|TIME_WAIT|LAST_ACK|CLOSED?)(?= |$)", " STATE"),  # as quick as the other end was
    (r"(?<=\S) {2,}", " "),
    (r"each was counted: \d+", "each was counted: N"),
    (r"are due after .*", "are due after TIMES"),
]


def same(text):
    """The lines without what varies. A queue that is still full after ten seconds is mentioned again, and a server
    without io_uring begins by saying so."""
    lines = []
    for line in text.strip().splitlines():
        for pattern, word in VARIES:
            line = re.sub(pattern, word, line)
        again = "the accept queue of" in line and "dropped" in line
        if not again and "io_uring cannot be used" not in line:
            lines.append(line.rstrip())
    return lines


def chapter(n):
    return re.split(r"^## (?=\d)", LESSON.read_text(), flags=re.M)[n]


def quoted(n):
    """The block of chapter n that begins with `$ meari-lesson n`, without that line."""
    block, = re.findall(rf"^```\n\$ meari-lesson {n}\n(.*?)^```$", chapter(n), re.M | re.S)
    return block


def typed(n):
    """What chapter n tells to type in two terminals."""
    return re.findall(r"^\w+ ?\w*\$ (.*?)(?: +#.*)?$", chapter(n), re.M)


def test_the_lesson_has_a_chapter_for_each_experiment(script):
    titles = re.findall(r"^## (\d)\. ", LESSON.read_text(), re.M)
    listed = [line.split()[0] for line in run(script)[0].splitlines()]
    assert titles == listed == [str(n) for n in NUMBERS]


@pytest.mark.parametrize("n", NUMBERS)
def test_what_is_to_be_typed_is_what_the_script_runs(n):
    """Each program with the same options, on a port that one can type."""
    programs = re.findall(r"^  \$ (.*meari-(?:server|client|bench).*)$", quoted(n), re.M)
    assert programs
    for command in {re.sub(r"127\.0\.0\.1([: ])\d+", r"127.0.0.1\g<1>7777", line) for line in programs}:
        assert command in typed(n), (command, typed(n))


def test_its_pictures_are_there():
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", LESSON.read_text())
    assert pictures and all((LESSON.parent / name).is_file() for name in pictures)


# --- when it is not so --------------------------------------------------------------------------

def changed(build, folder, program, command):
    """The lesson beside programs of which one is another: a shell command, in which $REAL is the true one. It
    waits less long, since what it waits for will not come."""
    for name in ("server", "client", "bench"):
        (folder / f"meari-{name}").symlink_to(build / f"meari-{name}")
    other = folder / f"meari-{program}"
    other.unlink()
    other.write_text(f"#!/bin/sh\nREAL={build}/meari-{program}\n{command}\n")
    lesson = folder / "meari-lesson"
    lesson.write_text((build / "meari-lesson").read_text().replace("patience=1200", "patience=100"))
    for path in (other, lesson):
        path.chmod(0o755)
    return lesson


@pytest.mark.parametrize("n,program,command", [
    (1, "server", 'exec $REAL --concurrency 2 "$@"'),
    (2, "server", 'exec $REAL $(echo "$@" | sed "s/backlog 5/backlog 4/")'),
    (4, "bench", "echo 'served 0, waiting 3 (backlog 3 + 0), then no answer'"),
    (5, "client", '$REAL "$@" | tr 8 9'),
    (6, "client", 'exec $REAL "$@" 2>/dev/null'),
])
def test_what_is_not_so_is_said(build, tmp_path, n, program, command):
    out, _ = run(changed(build, tmp_path, program, command), str(n), code=1)
    assert "NOT SO" in out


def test_a_server_that_does_not_start(build, tmp_path):
    _, err = run(changed(build, tmp_path, "server", 'echo "no, today not"; exit 2'), "1", code=2)
    assert "the server did not start: no, today not" in err


# --- the usual ----------------------------------------------------------------------------------

@pytest.mark.parametrize("words", [["7"], ["0"], ["one"], ["1", "2"], ["--nonsense"]])
def test_usage(script, words):
    out, err = run(script, *words, code=2)
    assert out == "" and err.startswith("meari-lesson: ")


def test_help_and_version(script):
    assert run(script, "--help")[0].startswith("usage: meari-lesson [N]\n")
    assert re.fullmatch(r"meari-lesson \d+\.\d+\.\d+\n", run(script, "--version")[0])


def test_the_programs_may_be_in_path(script, build, tmp_path):
    alone = tmp_path / "meari-lesson"
    shutil.copy(script, alone)
    assert "neither beside this script nor in PATH" in run(alone, "5", code=2, PATH="/usr/sbin:/usr/bin:/sbin:/bin")[1]
    run(alone, "5", PATH=f"{build}:{os.environ['PATH']}")


def test_neither_our_variables_nor_the_locale_change_anything(script):
    run(script, "2", MEARI_BACKLOG="100", MEARI_QUIET="1", MEARI_LOG_FORMAT="json", LC_ALL="C")


def test_who_may_make_no_network(script, tmp_path):
    """The half that reads is shown, and the rest is not passed off as done."""
    for name in ("unshare", "nsenter"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    path = f"PATH={tmp_path}:{os.environ['PATH']}"  # set in there, as the network around it wants the true one
    done = subprocess.run([*in_private_network(), "env", path, script, "4"], env=ENV, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert "so it is  the limit in force is somaxconn, 4096" in done.stdout
    assert "this user cannot make a network here" in done.stderr


def test_output_that_is_not_taken(script, tmp_path):
    """A full disk, and a reader who leaves."""
    own = tmp_path / "own"
    own.mkdir()
    env = {**ENV, "TMPDIR": str(own)}
    with open("/dev/full", "w") as full:
        done = subprocess.run([*in_private_network(), script, "2"], env=env, stdout=full, stderr=subprocess.DEVNULL)
    assert done.returncode in (1, 2)
    with subprocess.Popen([*in_private_network(), script, "2"], env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, start_new_session=True) as proc:
        proc.stdout.readline()
        proc.stdout.close()
        assert proc.wait(PATIENCE) != 0
    eventually(lambda: family(proc.pid) == [], "the end of all it started")
    assert list(own.iterdir()) == []


def test_a_network_without_loopback(script):
    done = subprocess.run(["unshare", "--net", script, "2"], env=ENV, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if "unshare failed" in done.stderr:
        pytest.skip("no network namespace can be made here")
    assert (done.returncode, "cannot connect to" in done.stderr) == (2, True), done


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_everything(script, tmp_path, signo):
    """In the middle of one, while a SYN is not answered."""
    log = tmp_path / "log"
    own = tmp_path / "own"
    own.mkdir()
    with open(log, "w") as out:
        proc = subprocess.Popen([*in_private_network(), script, "3"], env={**ENV, "TMPDIR": str(own)},
                                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    eventually(lambda: "sent its SYN again" in log.read_text(), "a SYN that is sent again")
    assert len(family(proc.pid)) >= 9  # the script, a server, seven clients
    proc.send_signal(signo)
    assert proc.wait(PATIENCE) == 128 + signo
    eventually(lambda: family(proc.pid) == [], "the end of all it started")
    assert list(own.iterdir()) == []


def family(session):
    """The processes of this session that are not dead yet: field 6 of proc_pid_stat(5), behind the name."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of = path.read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if int(of) == session and state != "Z":
            found.append(path.parent.name)
    return found


def test_colours_are_for_terminals(script):
    env = {**ENV, "TERM": "xterm"}
    with Terminal([*in_private_network(), str(script), "5"], env=env) as t:
        t.wait("so it is  the server has echoed as many")
        assert b"\x1b[36mserver   |\x1b[0m listening on" in t.raw
    with Terminal([*in_private_network(), str(script), "5"], env={**env, "NO_COLOR": "1"}) as t:
        t.wait("so it is  the server has echoed as many")
        assert b"\x1b[" not in t.raw
    assert "\x1b" not in run(script, "5")[0]
