"""What ./dev bench concludes from its runs, and what it writes; the runs themselves are in test_bench_rivals.py."""

import pathlib
import random
import socket
import sys
import xml.etree.ElementTree

import pytest

from evil_server import FakeServer, honest
from sockets import receive_exactly

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

import measure
import page
import pairs


def test_what_counts_is_the_ratio_within_a_pair():
    """The machine becomes three times as slow; the rival costs a tenth more all the time."""
    starts = [[({"us": 5.0 * drift}, {"us": 5.5 * drift}) for drift in (1, 1.5)],
              [({"us": 5.0 * drift}, {"us": 5.5 * drift}) for drift in (2, 2.5, 3)]]
    assert list(map(len, pairs.ratios(starts, "us"))) == [2, 3]
    assert pairs.flat(pairs.ratios(starts, "us")) == pytest.approx([1.1] * 5)


def drawn(lot, starts, count, of_start, of_pair):
    """So many starts of so many values around 1.2, which differ by so much from start to start and within one."""
    middles = [lot.gauss(1.2, of_start) for _ in range(starts)]
    return [[lot.gauss(middle, of_pair) for _ in range(count)] for middle in middles]


def test_an_interval_is_the_same_for_the_same_values():
    starts = drawn(random.Random(3), 8, 5, 0.02, 0.02)
    first = pairs.estimate(starts)
    random.seed(len(starts))  # of another generator, which must not matter
    assert pairs.estimate(starts) == first


@pytest.mark.parametrize("of_start, of_pair", [(0.02, 0.04), (0.04, 0.02)])
def test_the_median_and_its_interval(monkeypatch, of_start, of_pair):
    monkeypatch.setattr(pairs, "RESAMPLES", 400)
    lot = random.Random(5)
    found = [pairs.estimate(drawn(lot, 8, 5, of_start, of_pair)) for _ in range(100)]
    assert all(one.low <= one.median <= one.high for one in found)
    # 95 of 100 are expected; fewer than 88 would be an accident of one in a hundred, and the lot is always the same
    assert 88 <= sum(one.holds(1.2) for one in found) < 100
    assert not any(one.holds(1.0) for one in found)


def test_pairs_of_one_start_do_not_count_as_many():
    """Five starts that differ tell as little with a hundred pairs each as with one."""
    middles = [1.00, 1.10, 1.05, 0.95, 1.02]
    few, many = (pairs.estimate([[middle] * count for middle in middles]) for count in (1, 100))
    assert many.half_width == pytest.approx(few.half_width, rel=0.01)


def test_one_stray_value_moves_the_median_little():
    calm = pairs.estimate(pairs.alone([1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 1.01]))
    stray = pairs.estimate(pairs.alone([1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 9.99]))
    assert abs(stray.median - calm.median) < 0.01


def test_the_order_of_the_runs_favours_nobody():
    order = list(pairs.rounds(["a", "b", "c"], 4))
    for turn in range(4):
        assert sorted(name for round_, name in order if round_ == turn) == ["a", "b", "c"]
    assert [order[i][1] for i in (0, 3, 6, 9)] == ["a", "b", "c", "a"]  # who begins
    ran = []
    assert pairs.of_one_start(2, lambda which: ran.append(which) or len(ran)) == [(4, 3), (5, 6)]
    assert ran == [0, 1, 1, 0, 0, 1]  # the first two were not counted


@pytest.mark.parametrize("low, high, words", [(1.01, 1.2, "we cost less"), (0.8, 0.99, "we cost more"),
                                              (0.99, 1.01, "no difference told")])
def test_losses_are_said_like_wins(low, high, words):
    assert page.verdict(pairs.Estimate((low + high) / 2, low, high)) == words


def test_what_people_wrote_stays():
    before = f"# Results\n\nby hand\n\n{page.BEGIN}\nold\n{page.END}\n\n## More\n\nby hand, too\n"
    after = page.replace(before, "new\n")
    assert after == before.replace("old", "new")
    assert page.replace(after, "new") == after


def test_a_page_without_markers_gets_them():
    once = page.replace("# Results\n", "figures")
    assert once.startswith("# Results\n\n") and "figures" in once
    assert page.replace(once, "figures") == once


def test_a_plot_is_well_formed_and_shows_every_row():
    one = pairs.Estimate(1, 0.99, 1.01)
    rows = [page.Row("a<b", [{"server_us": 6.5}], pairs.Estimate(1.3, 1.2, 1.5), one, one, "we cost less"),
            page.Row("again", [{"server_us": 5.0}], one, one, one, page.NO_RIVAL)]
    svg = page.plot("50 & 64", "ours", [{"server_us": 5.0}], rows)
    root = xml.etree.ElementTree.fromstring(svg)
    name = "{http://www.w3.org/2000/svg}"
    dots = [float(dot.get("cx")) for dot in root.iter(name + "circle")]
    assert len(dots) == 2 and dots[0] > dots[1]
    texts = [text.text for text in root.iter(name + "text")]
    assert "a<b" in texts and "6.50 µs" in texts
    assert "prefers-color-scheme: dark" in svg


def early(conn):
    receive_exactly(conn.sock, 100_000)


def backwards(conn):
    while data := conn.read():
        conn.sock.sendall(data[::-1])


def without_a_tail(conn):
    """The loop that sends once what it received."""
    conn.sock.setblocking(True)
    while data := conn.read():
        try:
            conn.sock.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass


def test_an_exact_server_passes():
    with FakeServer(honest) as server:
        measure.check_tail(server.port)


@pytest.mark.parametrize("fault, words", [
    (early, "half-close: .* after 0 of"), (backwards, "a wrong byte after 0 of"),
    (without_a_tail, "takes without bounds from a client that does not read")])
def test_a_server_that_is_not_exact_is_found_out(fault, words):
    with FakeServer(fault) as server, pytest.raises(measure.Failed, match=words):
        measure.check_tail(server.port)
