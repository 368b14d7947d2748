"""Runs the real meari-client with pipes around it, and holds every run to the rules of the house."""

import os
import pathlib
import subprocess

from conftest import PATIENCE, PREFIX, SANITIZER

BUILD = pathlib.Path(os.environ.get("MEARI_BUILD",
                                    pathlib.Path(__file__).resolve().parents[2] / "build"))
CLIENT = str(BUILD / "meari-client")
SAID = b"message from server : "


def client_env(**changes):
    """The environment without anything that changes what the client does; None takes a variable out."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MEARI_", "LC_", "XDG_"))}
    env.update(LC_ALL="C.UTF-8", TERM="xterm")
    for name, value in changes.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    return env


class Outcome:
    def __init__(self, code, stdout, stderr):
        self.code, self.stdout = code, stdout
        self.stderr = (stderr or b"").decode(errors="replace")
        assert not SANITIZER.search(self.stderr), self.stderr

    def failed(self, code, message):
        """The exit code, and exactly one line on standard error."""
        expected = (code, f"meari-client: {message}\n")
        assert (self.code, self.stderr) == expected, f"{(self.code, self.stderr)} is not {expected}"
        return True


def start_client(*args, env=None, stdin=subprocess.PIPE, stdout=subprocess.PIPE, prefix=(), **how):
    return subprocess.Popen([*prefix, *PREFIX, CLIENT, *map(str, args)], env=client_env(**(env or {})), stdin=stdin,
                            stdout=stdout, stderr=subprocess.PIPE, **how)


def finish(proc, stdin=None):
    """Closes the client's input (after writing `stdin`) and waits for its end."""
    try:
        out, err = proc.communicate(stdin, timeout=2 * PATIENCE)
    except subprocess.TimeoutExpired:
        proc.kill()
        out, err = proc.communicate()
        raise AssertionError(f"the client did not end; stderr: {err!r}") from None
    return Outcome(proc.returncode, out, err)


def run_client(*args, stdin=b"", **how):
    """Runs the client to its end. `stdin` is bytes, or whatever Popen takes."""
    if isinstance(stdin, bytes):
        return finish(start_client(*args, **how), stdin)
    return finish(start_client(*args, stdin=stdin, **how))


def run_shell(script, *args, env=None):
    """For redirections: the script finds the client and its arguments in "$@"."""
    proc = subprocess.Popen(["sh", "-c", script, "sh", *PREFIX, CLIENT, *map(str, args)],
                            env=client_env(**(env or {})), stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return finish(proc, b"")


def results(*lines):
    """What standard output holds after these lines came back."""
    return b"".join(SAID + line for line in lines)
