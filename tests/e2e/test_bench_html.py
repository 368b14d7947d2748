"""The page of meari-bench --html, in a browser: nothing to complain about, all plots there, nothing over the edge or
over another, every word readable, on a phone and in a window, light and dark.

Chromium shows the pages in frames of both widths; a script around them, not in them, looks and measures.
"""

import functools
import html
import http.server
import json
import re
import shutil
import subprocess
import threading

import pytest

from evil_server import FakeServer, silent

pytestmark = pytest.mark.extra

PHONE, WINDOW = 360, 1280
LOAD = ["-c", "4", "-i", "100ms", "-q"]

LOOK = """
<!doctype html><meta charset=utf-8><link rel=icon href="data:,"><title>frames</title>
<body>%s<pre id=found></pre>
<script>
const channels = c => c.match(/[\\d.]+/g).map(Number);
const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);

function behind(element, view) {
    for (; element; element = element.parentElement) {
        const color = channels(view.getComputedStyle(element).backgroundColor);
        if (color.length === 3) return color;
    }
    return [255, 255, 255];
}

function words(doc, view) {  // each element with words of its own: how well they can be read
    return [...doc.body.querySelectorAll("*")]
        .filter(e => e.getClientRects().length && e.tagName !== "title" &&
                     [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
        .map(e => {
            const style = view.getComputedStyle(e), svg = e.ownerSVGElement;
            return [e.textContent, contrast(light(channels(svg ? style.fill : style.color)),
                                            light(behind(e, view)))];
        });
}

function plot(svg) {
    const box = svg.getBoundingClientRect(), texts = [...svg.querySelectorAll("text")];
    const at = texts.map(t => t.getBoundingClientRect());
    const clash = [];
    at.forEach((a, i) => {
        if (a.left < box.left - 1 || a.right > box.right + 1) clash.push(texts[i].textContent);
        at.slice(i + 1).forEach((b, j) => {
            if (a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom)
                clash.push(texts[i].textContent + " / " + texts[i + 1 + j].textContent);
        });
    });
    return {label: svg.getAttribute("aria-label"), role: svg.getAttribute("role"),
            width: box.width, height: box.height, texts: texts.map(t => t.textContent), clash,
            marks: svg.querySelectorAll(".line, .fill").length,
            hints: [...svg.querySelectorAll(".hint title")].map(t => t.textContent)};
}

onload = () => {
    const found = [...document.querySelectorAll("iframe")].map(frame => {
        const view = frame.contentWindow, doc = view.document;
        return {width: view.innerWidth, needs: doc.documentElement.scrollWidth, title: doc.title,
                dark: view.matchMedia("(prefers-color-scheme: dark)").matches,
                text: doc.body.innerText,
                plots: [...doc.querySelectorAll("svg")].filter(s => s.getClientRects().length).map(plot),
                words: words(doc, view)};
    });
    document.getElementById("found").textContent = JSON.stringify(found);
};
</script>
"""


@pytest.fixture
def chromium(tmp_path):
    """Shows pages of tmp_path in frames; returns what was found in each, and the console's lines about them. (The
    browser's own pages have lines there, too, when the machine is slow.)"""
    program = shutil.which("chromium")
    if not program:
        pytest.skip("chromium is not installed")
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    handler = functools.partial(quiet, directory=str(tmp_path))

    def show(pages, dark):
        frames = [f'<iframe src="{page}" width="{width}" height="900" style="border:0"></iframe>'
                  for page in pages for width in (PHONE, WINDOW)]
        (tmp_path / "frames.html").write_text(LOOK % "".join(frames))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
            threading.Thread(target=web.serve_forever, daemon=True).start()
            done = subprocess.run(
                [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
                 f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--dump-dom",
                 f"http://127.0.0.1:{web.server_port}/frames.html"],
                capture_output=True, text=True, timeout=120)
            web.shutdown()
        found = re.search('<pre id="found">(.*?)</pre>', done.stdout, re.S)
        assert found and found[1], done.stderr
        return (json.loads(html.unescape(found[1])),
                [line for line in done.stderr.splitlines()
                 if ":CONSOLE" in line and "source: chrome://" not in line])
    return show


@pytest.fixture
def page(build, tmp_path):
    """Runs the bench and keeps its page."""
    def make(name, *args, code=0):
        done = subprocess.run([build / "meari-bench", *LOAD, "--html", tmp_path / name, *map(str, args)],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
    return make


def one_byte_wrong(conn):
    """Of the first connection; the others get what they sent."""
    wrong = conn.number == 1
    while data := bytearray(conn.read()):
        data[-1] ^= wrong
        wrong = False
        conn.send(data)


@pytest.fixture
def pages(page, server):
    """One of each kind."""
    host = server()
    where = f"127.0.0.1:{host.port}"
    page("open.html", where, "-R", "2k", "-O", "200ms", "-d", "1s", "--pid", host.pid, "--idle", "2")
    page("closed.html", where, "-d", "500ms")
    with FakeServer(one_byte_wrong) as fake:
        page("wrong.html", f"127.0.0.1:{fake.port}", "-d", "300ms", code=1)
    with FakeServer(silent) as fake:
        page("silent.html", f"127.0.0.1:{fake.port}", "-d", "200ms", "--timeout", "100ms", code=1)
    return ["open.html", "closed.html", "wrong.html", "silent.html"]


def legend(plot):
    return {"response", "service", "p50", "p99", "max"} & set(plot["texts"])


def check_plots(shown, phone):
    """Those of the open loop."""
    spectrum, rate, latency, connects = shown["plots"]
    assert legend(spectrum) == {"response", "service"}
    assert legend(latency) == {"p50", "p99", "max"}
    assert {"0", "90", "99", "99.9"} <= set(spectrum["texts"])
    assert {"0 s", "1 s" if not phone else "0.5 s"} & set(rate["texts"])
    assert any(hint.startswith("p99: response ") for hint in spectrum["hints"])
    assert any("messages/s, p50 " in hint for hint in rate["hints"])
    assert connects["marks"] > 0 and len(connects["hints"]) > 10
    assert phone or "warm-up" in rate["texts"]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_pages_in_a_browser(pages, chromium, dark):
    frames, console = chromium(pages, dark)
    assert console == []
    assert [f["width"] for f in frames] == [PHONE, WINDOW] * len(pages)
    for f in frames:
        assert f["dark"] == dark
        assert f["needs"] <= f["width"], "the page is wider than its window"
        assert f["title"].endswith(": echo bench")
        assert "What was asked" in f["text"] and "Where it ran" in f["text"]
        for plot in f["plots"]:
            assert plot["role"] == "img" and plot["label"]
            assert plot["width"] > 300 and plot["height"] > 200 and plot["marks"] > 0
            assert plot["clash"] == [], plot["label"]
        dim = [(text, ratio) for text, ratio in f["words"] if ratio < 4.5]  # WCAG 2.1, 1.4.3
        assert len(f["words"]) > 50 and dim == []
    for phone in (True, False):
        of = dict(zip(pages, frames[not phone::2]))
        assert [len(of[p]["plots"]) for p in pages] == [4, 4, 4, 2]
        check_plots(of["open.html"], phone)
        assert "Verified." in of["open.html"]["text"] and "Troubles" not in of["open.html"]["text"]
        assert legend(of["closed.html"]["plots"][0]) == set()
        assert "1 byte changed" in of["wrong.html"]["text"]
        assert "No echo came back" in of["silent.html"]["text"]
