"""meari-client at a terminal: the conversation of the lesson, line editing, and a terminal left as it was
found, whatever the server sends and however it all ends."""

import os
import re
import signal
import subprocess

import pytest

from clientrunner import CLIENT, SAID, client_env
from conftest import PATIENCE, PREFIX, eventually
from evil_server import (FakeServer, close_after, dribbling, flip, greeting, honest, line_by_line,
                         silent, with_surplus)
from terminal import Terminal

PROMPT = "Input message ( q to quit ) "
HAS_EDITOR = b"(libedit)" in subprocess.run([CLIENT, "-V"], capture_output=True).stdout

# A line editor, where there is one; and the kernel's own editing, where the terminal can do no more.
PLAIN = {"TERM": "dumb"}
EDITED = {"TERM": "xterm"}
TERMS = [pytest.param(EDITED, id="edited"), pytest.param(PLAIN, id="plain")]
edited_only = pytest.mark.skipif(not HAS_EDITOR, reason="built without libedit")


@pytest.fixture
def client(tmp_path):
    """Opens the client on a port, at a terminal; its history is a folder of the test's."""
    def start(port, *args, env=None, **how):
        env = {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path), **(env or EDITED)}
        return Terminal([*PREFIX, CLIENT, *args, str(port)], env=client_env(**env), **how)
    return start


# --- the conversation -----------------------------------------------------------------------------


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("quit", ["q\r", "Q\r", "\x04"], ids=["q", "Q", "ctrl-d"])
def test_the_conversation_of_the_lesson(client, echo, term, quit):
    with client(echo().port, env=term) as t:
        t.wait("connected..........................\n" + PROMPT)
        t.keys("hello\r")
        t.wait("message from server : hello\n" + PROMPT)
        t.keys("\r")
        t.wait("message from server : \n" + PROMPT)
        t.keys("q q\r")
        t.wait("message from server : q q\n" + PROMPT)
        t.keys(quit)
        assert t.end() == 0
        assert t.text.endswith("\n")


@pytest.mark.parametrize("env", [{"TERM": None}, {"TERM": ""}, {"TERM": "no-such-terminal"}, {"TERM": "vt100"},
                                 {"TERM": "linux"}, {"TERM": "xterm", "HOME": None, "XDG_STATE_HOME": None}],
                         ids=str)
def test_any_terminal_will_do(client, honest_port, env):
    with client(honest_port, env=env) as t:
        t.wait("..\n" + PROMPT)
        t.keys("hello\r")
        t.wait("message from server : hello\n" + PROMPT)
        t.keys("q\r")
        assert t.end() == 0
        assert "entry" not in t.text


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("locale", ["C.UTF-8", "C", "xx_YY"])
def test_korean(client, honest_port, term, locale):
    with client(honest_port, env={**term, "LC_ALL": locale}) as t:
        t.wait(PROMPT)
        t.keys("안녕하세요, 메아리!\r")
        t.wait("message from server : 안녕하세요, 메아리!\n")
        t.wait(PROMPT)
        t.keys("q\r")
        assert t.end() == 0


# rows: L12
def test_korean_in_single_bytes_from_the_server(client):
    """Shown whole, not as escapes, though each byte comes alone."""
    with FakeServer(dribbling) as fake, client(fake.port) as t:
        t.wait(PROMPT)
        t.keys("가나다 🙂\r")
        t.wait("message from server : 가나다 🙂\n" + PROMPT)
        t.keys("q\r")
        assert t.end() == 0


@pytest.mark.parametrize("term", TERMS)
def test_quiet_does_not_greet(client, honest_port, term):
    with client(honest_port, "-q", env=term) as t:
        t.wait(PROMPT)
        assert "connected" not in t.text
        t.keys("q\r")
        assert t.end() == 0


def test_verbose_tells_the_round_trip_time(client, server):
    srv = server()
    with client(srv.port, "-v") as t:
        t.wait(f"connected to 127.0.0.1:{srv.port}\nconnected....")
        t.wait(PROMPT)
        t.keys("hello\r")
        t.wait(re.compile(r"message from server : hello\n6 bytes in \d+\.\d m?s\n"))
        t.keys("q\r")
        assert t.end() == 0


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("quit", ["q\r", "\x04"], ids=["q", "ctrl-d"])
def test_typed_ahead(client, honest_port, term, quit):
    """Keys that come faster than echoes are not lost."""
    with client(honest_port, env=term) as t:
        t.keys("".join(f"line {i}\r" for i in range(30)) + quit)
        for i in range(30):
            t.wait(f"message from server : line {i}\n")
        assert t.end() == 0


# rows: L04
def test_stdout_in_a_pipe_gets_results_only(client, server):
    """Typed at a terminal, but what is printed goes elsewhere: no prompt, exact bytes."""
    read_end, write_end = os.pipe()
    with client(server().port, stdout=write_end) as t:
        os.close(write_end)
        t.keys("\x16\x1b[2J\r")
        got = b""
        while not got.endswith(b"\n"):
            got += os.read(read_end, 100)
        assert got == SAID + b"\x1b[2J\n"
        t.keys("q\r")
        assert t.end() == 0
        assert os.read(read_end, 100) == b""
        assert PROMPT not in t.text and "connected" not in t.text
    os.close(read_end)


# --- what the server sends is safe to look at -----------------------------------------------------

HOSTILE = {
    "clear screen": (b"\x1b[2J", rb"\x1b[2J"),
    "window title": (b"\x1b]0;owned\x07", rb"\x1b]0;owned\x07"),
    "hyperlink": (b"\x1b]8;;http://x\x1b\\", b"\\x1b]8;;http://x\\x1b\\"),
    "clipboard": (b"\x1b]52;c;cm0gLXJm\x07", rb"\x1b]52;c;cm0gLXJm\x07"),
    "device control": (b"\x1bP+q544e\x1b\\", b"\\x1bP+q544e\\x1b\\"),
    "bell": (b"\x07", rb"\x07"),
    "overwrite": (b"good\rbad", rb"good\x0dbad"),
    "backspaces": (b"good\b\b\b\bbad", rb"good\x08\x08\x08\x08bad"),
    "NUL and DEL": (b"\x00\x7f", rb"\x00\x7f"),
    "C1, raw": (b"\x9b2J", rb"\x9b2J"),
    "C1, UTF-8": (b"\xc2\x9b2J", rb"\xc2\x9b2J"),
    "invalid": (b"\xff\xfe\x80", rb"\xff\xfe\x80"),
    "overlong": (b"\xc0\x9b\xe0\x80\x9b", rb"\xc0\x9b\xe0\x80\x9b"),
    "surrogate": (b"\xed\xa0\x80", rb"\xed\xa0\x80"),
    "beyond Unicode": (b"\xf4\x90\x80\x80", rb"\xf4\x90\x80\x80"),
    "cut": (b"\xed\x95", rb"\xed\x95"),
    "bidi override": ("\u202eabc".encode(), rb"\xe2\x80\xaeabc"),
    "bidi isolate": ("\u2066abc".encode(), rb"\xe2\x81\xa6abc"),
    "zero width": ("a\u200bb\ufeff".encode(), rb"a\xe2\x80\x8bb\xef\xbb\xbf"),
    "tags": ("\U000e0041".encode(), rb"\xf3\xa0\x81\x81"),
    "tab": (b"a\tb", b"a\tb"),
    "text": ("한글 é 🙂".encode(), "한글 é 🙂".encode()),
}


# rows: L01 L02 L03
@pytest.mark.parametrize("payload, shown", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("end", [b"\n", b""], ids=["newline", "no-newline"])
def test_bytes_on_a_terminal(client, honest_port, tmp_path, payload, shown, end):
    """The echo is right, and to look at it is harmless; nothing of it is lost."""
    (tmp_path / "input").write_bytes(payload + end)
    with open(tmp_path / "input", "rb") as stdin, client(honest_port, stdin=stdin) as t:
        assert t.end() == 0
        assert t.raw.replace(b"\r\n", b"\n").expandtabs() == (SAID + shown + b"\n").expandtabs()


# rows: L01 L02 L03
@pytest.mark.parametrize("term", TERMS)
def test_a_hostile_answer_at_the_prompt(client, term):
    with FakeServer(line_by_line(lambda line: b"\x1b]0;x\x07"[:len(line)])) as fake, \
            client(fake.port, env=term) as t:
        t.wait(PROMPT)
        t.keys("hello\r")
        t.wait("message from server : \\x1b]0;x\\x07\n"
               "meari-client: mismatch at byte 1 of 6: sent 0x68, got 0x1b\n")
        assert t.end() == 1
        assert b"\x1b]" not in t.raw


@edited_only
def test_a_typed_control_character(client, honest_port):
    """Ctrl-V ESC sends one; its echo is shown escaped."""
    with client(honest_port) as t:
        t.wait(PROMPT)
        t.keys("\x16\x1b[2J\r")
        t.wait("message from server : \\x1b[2J\n" + PROMPT)
        t.keys("q\r")
        assert t.end() == 0


def test_raw_at_a_terminal_is_exact_and_bare(client, server, tmp_path):
    (tmp_path / "input").write_bytes(b"\x1b[7m\xff")
    with open(tmp_path / "input", "rb") as stdin, client(server().port, "--raw", stdin=stdin) as t:
        assert t.end() == 0
        assert t.raw == b"\x1b[7m\xff"


# --- verdicts at the prompt -----------------------------------------------------------------------


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("typed", ["", "half a li", "\x1b", b"\xed\x95"], ids=["empty", "text", "esc", "half"])
def test_a_server_that_closes_at_the_prompt(client, server, term, typed):
    """Noticed at once, whatever is typed by then: a key sequence or a character of which half is there."""
    srv = server()
    with client(srv.port, env=term) as t:
        t.wait(PROMPT)
        t.keys("hello\r")
        t.wait("message from server : hello\n" + PROMPT)
        t.keys(typed)
        srv.stop()
        t.wait("\nconnection closed by the server\n")
        assert t.end() == 0


@pytest.mark.parametrize("term", TERMS)
def test_a_server_that_speaks_at_the_prompt(client, term):
    with FakeServer(greeting(b"220 ready\n")) as fake, client(fake.port, env=term) as t:
        t.wait("\nmeari-client: 10 unexpected bytes\n")
        assert t.end() == 1


@pytest.mark.parametrize("handler, said", [
    (flip(5), "message from server : helln\nmeari-client: mismatch at byte 5 of 6: sent 0x6f, got 0x6e\n"),
    (close_after(3), "message from server : hel\nmeari-client: connection closed after 3 of 6 bytes\n"),
    (close_after(0), "\nmeari-client: connection closed after 0 of 6 bytes\n"),
    (with_surplus(b"xxxx"), "message from server : hello\n"),
], ids=["mismatch", "cut", "none", "surplus"])
@pytest.mark.parametrize("term", TERMS)
def test_a_bad_echo_ends_with_one_line_of_its_own(client, term, handler, said):
    with FakeServer(handler) as fake, client(fake.port, env=term) as t:
        t.wait(PROMPT)
        t.keys("hello\r")
        t.wait(said)
        if "meari-client" not in said:
            t.wait("\nmeari-client: 4 unexpected bytes\n")
        assert t.end() == 1


@pytest.mark.parametrize("term", TERMS)
def test_silence(client, term):
    with FakeServer(silent) as fake, client(fake.port, "--timeout", "200ms", env=term) as t:
        t.wait(PROMPT)
        t.keys("hello\r")
        t.wait("\nmeari-client: no progress for 200.0 ms after 0 of 6 bytes\n")
        assert t.end() == 1


# --- signals and modes ----------------------------------------------------------------------------


# rows: G10 L14
@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("signo, code", [(None, 130), (signal.SIGINT, 130), (signal.SIGTERM, 143),
                                         (signal.SIGHUP, 129), (signal.SIGQUIT, 131)], ids=str)
def test_an_ending_by_signal_puts_the_terminal_back(client, honest_port, term, signo, code):
    """Terminal.__exit__ compares the modes. None is Ctrl-C, typed."""
    with client(honest_port, env=term) as t:
        t.wait(PROMPT)
        t.keys("half")
        if term is EDITED and HAS_EDITOR:
            eventually(t.is_raw)
        t.wait("half")
        if signo:
            t.proc.send_signal(signo)
        else:
            t.keys("\x03")
        assert t.end() == code
        assert t.text.endswith("\n")


# rows: G10
@pytest.mark.parametrize("term", TERMS)
def test_ctrl_c_while_the_echo_is_due(client, term):
    with FakeServer(silent) as fake, client(fake.port, env=term) as t:
        t.wait(PROMPT)
        t.keys("hello\r")
        eventually(lambda: fake.received == b"hello\n")
        t.keys("\x03")
        assert t.end() == 130


def test_the_terminal_goes_away(client, server):
    """Hung up: the client ends, and does not spin."""
    with client(server().port) as t:
        t.wait(PROMPT)
        t.hang_up()
        assert t.proc.wait(PATIENCE) == 129


@pytest.mark.parametrize("term", TERMS)
def test_paused_and_continued_from_outside(client, honest_port, term):
    with client(honest_port, env=term) as t:
        t.wait(PROMPT)
        t.keys("hel")
        t.wait("hel")
        t.proc.send_signal(signal.SIGSTOP)
        t.proc.send_signal(signal.SIGCONT)
        t.keys("lo\r")
        t.wait("message from server : hello\n" + PROMPT)
        t.keys("q\r")
        assert t.end() == 0


@pytest.fixture
def shell(tmp_path):
    """An interactive shell with job control, at a terminal."""
    def start(port):
        env = client_env(XDG_STATE_HOME=str(tmp_path), PS1="shell> ", **EDITED)
        t = Terminal(["bash", "--norc", "--noediting", "-i"], env=env)
        t.wait("shell> ")
        t.keys(f"{CLIENT} {port}\r")
        t.wait(PROMPT)
        return t
    return start


# rows: G10
@edited_only
def test_ctrl_z_and_fg(shell, server):
    """Stopped, the terminal has its own modes; continued, the line is there again, as it was."""
    with shell(server().port) as t:
        modes = t.modes
        t.keys("hel")
        t.wait("hel")
        t.keys("\x1a")
        t.wait("Stopped")
        t.wait("shell> ")
        eventually(lambda: not t.is_raw())
        t.keys("stty -a | grep -o '.icanon'\r")
        t.wait("\n icanon\n")
        t.wait("shell> ")
        t.keys("fg\r")
        t.wait(PROMPT + "hel")
        t.keys("lo\r")
        t.wait("message from server : hello\n" + PROMPT)
        t.keys("\x03")
        t.wait("shell> ")
        t.keys("exit\r")
        t.end()
        t.modes = modes


def test_ctrl_z_while_the_echo_is_due(shell):
    """Away from the prompt Ctrl-Z stops it like any program."""
    with FakeServer(silent) as fake, shell(fake.port) as t:
        t.keys("hello\r")
        eventually(lambda: fake.received == b"hello\n")
        t.keys("\x1a")
        t.wait("Stopped")
        t.wait("shell> ")
        t.keys("fg\r")
        eventually(lambda: os.tcgetpgrp(t.master) != t.proc.pid)  # the client has the terminal again
        t.keys("\x03")
        t.wait("shell> ")
        t.keys("exit\r")
        t.end()


# --- editing --------------------------------------------------------------------------------------

LEFT, UP, DOWN, DELETE, HOME, END = "\x1b[D", "\x1b[A", "\x1b[B", "\x1b[3~", "\x1b[H", "\x1b[F"


@edited_only
@pytest.mark.parametrize("keys, line", [
    ("helo" + LEFT + "l", "hello"),
    ("xhello" + HOME + DELETE, "hello"),
    ("ello" + HOME + "h" + END + "!", "hello!"),
    ("\x01" + "b\x01a\x05c", "abc"),
    ("가나다\x7f", "가나"),
    ("가나다" + LEFT + "\x7f", "가다"),
    ("one two\x17three", "one three"),
    ("gone\x15kept", "kept"),
    ("👍🏽 ok\x7f\x7fno", "👍🏽 no"),
], ids=ascii)
def test_editing(client, keys, line):
    """What the server gets is what the line looked like."""
    with FakeServer(honest) as fake, client(fake.port) as t:
        t.wait(PROMPT)
        t.keys(keys + "\r")
        eventually(lambda: fake.received.endswith(b"\n"))
        assert bytes(fake.received).decode() == line + "\n"
        t.wait(PROMPT)
        t.keys("q\r")
        assert t.end() == 0


@edited_only
def test_a_line_longer_than_the_kernel_would_take(client, honest_port):
    """4095 bytes are the limit of the kernel's own line editing, not of ours."""
    with client(honest_port, columns=200, rows=50) as t:
        t.wait(PROMPT)
        line = "0123456789" * 500
        t.keys(line + "\r")
        t.wait(re.compile("message from server : " + line + "\n"))
        t.wait(PROMPT)
        t.keys("q\r")
        assert t.end() == 0


# rows: G10
@edited_only
def test_the_window_changes_its_size(client, honest_port):
    with client(honest_port) as t:
        t.wait(PROMPT)
        t.keys("hel")
        t.wait("hel")
        t.resize(10, 60)
        t.wait(PROMPT + "hel")
        t.keys("lo\r")
        t.wait("message from server : hello\n" + PROMPT)
        t.keys("q\r")
        assert t.end() == 0


# --- history --------------------------------------------------------------------------------------


def talk(client, port, *lines, env=None):
    with client(port, env=env) as t:
        for line in lines:
            t.wait(PROMPT)
            t.keys(line + "\r")
            t.wait("message from server : ")
        t.wait(PROMPT)
        t.keys("q\r")
        assert t.end() == 0
        return t.text


@edited_only
def test_history_outlives_the_session(client, server, tmp_path):
    port = server().port
    talk(client, port, "first", "둘째 줄", "둘째 줄", "")
    file = tmp_path / "state/meari/history"
    assert file.read_text() == "first\n둘째 줄\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert "message from server : first" in talk(client, port, UP * 2)


@edited_only
def test_history_survives_a_kill(client, server, tmp_path):
    with client(server().port) as t:
        t.wait(PROMPT)
        t.keys("remember me\r")
        t.wait("message from server : ")
        t.wait(PROMPT)
    assert (tmp_path / "state/meari/history").read_text() == "remember me\n"


@edited_only
def test_two_clients_share_one_history(client, server, tmp_path):
    port = server().port
    with client(port) as a, client(port) as b:
        for i, t in enumerate([a, b, a, b]):
            t.wait(PROMPT)
            t.keys(f"line {i}\r")
            t.wait("message from server : ")
        for t in (a, b):
            t.wait(PROMPT)
            t.keys("\x04")
            assert t.end() == 0
    assert (tmp_path / "state/meari/history").read_text() == "".join(f"line {i}\n" for i in range(4))


@edited_only
def test_history_is_bounded(client, server, tmp_path):
    file = tmp_path / "state/meari/history"
    file.parent.mkdir(parents=True)
    file.write_text("".join(f"old {i}\n" for i in range(1500)))
    assert "message from server : old 1499" in talk(client, server().port, UP, "new")
    lines = file.read_text().splitlines()
    assert len(lines) == 1000
    assert lines[-2:] == ["old 1499", "new"]
    assert os.listdir(file.parent) == ["history"]


@edited_only
@pytest.mark.parametrize("env, where", [
    ({"XDG_STATE_HOME": None}, ".local/state/meari/history"),
    ({"XDG_STATE_HOME": "relative"}, ".local/state/meari/history"),
    ({"XDG_STATE_HOME": "/proc/nowhere"}, None),
    ({"XDG_STATE_HOME": "/dev/null"}, None),
    ({"XDG_STATE_HOME": None, "HOME": None}, None),
], ids=str)
def test_where_history_is_kept(client, honest_port, tmp_path, env, where):
    """And where it cannot be, nobody complains."""
    text = talk(client, honest_port, "hello", env={**EDITED, **env})
    assert "meari-client:" not in text
    if where:
        assert (tmp_path / where).read_text() == "hello\n"


@edited_only
@pytest.mark.parametrize("content", [b"\xff\xfe\n\x00\n\n", b"x" * 100_000, b"\n" * 5000], ids=["bytes", "long", "empty"])
def test_a_damaged_history_is_no_obstacle(client, honest_port, tmp_path, content):
    file = tmp_path / "state/meari/history"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    talk(client, honest_port, UP + "\x15hello")
