"""What measures in bench/: how it is used, and what it says in a clone where nothing was built."""

import pathlib
import subprocess

import pytest

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"

pytestmark = pytest.mark.once


def run(name, *words):
    return subprocess.run([BENCH / name, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("word", ["-h", "--help"])
@pytest.mark.parametrize("name", ["side-by-side", "what-if", "stalls", "idle-memory"])
def test_help(name, word):
    ended = run(name, word)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"bench/{name}" in ended.stdout or "usage: " in ended.stdout


@pytest.mark.parametrize("name,words", [("stalls", ["--nonsense"]), ("stalls", ["build", "build"]), ("idle-memory", []),
                                        ("idle-memory", ["--nonsense"])])
def test_usage(name, words):
    ended = run(name, *words)
    assert (ended.returncode, ended.stdout) == (2, "") and ended.stderr.startswith(f"usage: bench/{name} ")


@pytest.mark.parametrize("name,words,says", [
    ("side-by-side", ["--quick", "--build", "{}"], "side-by-side: {}/ is missing: run ./dev bench --quick once"),
    ("what-if", ["spin", "--build", "{}"], "what-if: {}/ is missing: run ./dev bench --quick once"),
    ("stalls", ["{}"], "stalls: there is no meari-server in {}/: run ./dev build"),
    ("idle-memory", ["{}"], "idle-memory: there is no meari-server in {}/: run ./dev build"),
])
def test_nothing_was_built(name, words, says):
    ended = run(name, *(word.format("build-nowhere") for word in words))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == says.format("build-nowhere") + "\n"
