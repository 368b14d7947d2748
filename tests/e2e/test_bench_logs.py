"""meari-bench merge and diff: logs of several hosts brought together, two runs compared.

The logs are made here by another writer than the program's (harness/hdrlog.py), so that both must be right.
"""

import collections
import json
import re
import subprocess

import hdrlog
import pytest

US, MS = 1000, 1000000
START = 1700000000


@pytest.fixture
def bench(build):
    def run(*args, code=0):
        done = subprocess.run([build / "meari-bench", *args], capture_output=True, timeout=60)
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == code, (out, err)
        return out, err
    return run


def rows(table):
    """Of merge's summary: {series: [count, rate, p50, p90, p99, p99.9, p99.99, max]}."""
    found = {}
    for line in table.splitlines():
        fields = re.split(r"  +", line.replace("*", " ").strip())
        if len(fields) == 9 and fields[0] != "count":
            found[fields[0]] = fields[1:]
    return found


def total(intervals, tag=""):
    slots = collections.Counter()
    for i in intervals:
        if i.tag == tag:
            slots.update(i.slots)
    return slots


def test_merge_adds_the_intervals_of_one_time(bench, tmp_path):
    """Two hosts that started within a tenth of a second of each other: their seconds become one."""
    a = hdrlog.write_log(tmp_path / "a", START, [
        (None, 0, 1, {100 * US: 1000}), ("service", 0, 1, {90 * US: 1000}),
        (None, 1, 1, {200 * US: 500}), ("service", 1, 1, {90 * US: 500})])
    b = hdrlog.write_log(tmp_path / "b", START + 0.1, [
        (None, 0, 1, {100 * US: 10, 5 * MS: 1}), ("service", 0, 1, {80 * US: 11}),
        (None, 1, 1, {200 * US: 7}), ("service", 1, 1, {80 * US: 7})])
    out, err = bench("merge", a, b, "-o", tmp_path / "sum")
    assert err == ""
    merged = hdrlog.read_log((tmp_path / "sum").read_text())
    assert [(i.tag, round(i.begin - START, 3), round(i.length, 3)) for i in merged] == [
        ("", 0, 1.1), ("service", 0, 1.1), ("", 1, 1.1), ("service", 1, 1.1)]
    assert merged[0].slots == {hdrlog.slot(100 * US): 1010, hdrlog.slot(5 * MS): 1}
    assert merged[0].max_ms == 5.0
    assert merged[1].slots == {hdrlog.slot(80 * US): 11, hdrlog.slot(90 * US): 1000}
    assert merged[2].slots == {hdrlog.slot(200 * US): 507}
    assert rows(out)["response"][0] == "1,518"
    assert rows(out)["response"][-1] == "5.00 ms"
    assert rows(out)["service"][0] == "1,518"


def test_merge_loses_nothing_however_the_clocks_differ(bench, tmp_path):
    """Each value of each log is in the sum, and no interval of one host is in two of its sums."""
    logs = []
    for host in range(5):
        logs.append(hdrlog.write_log(tmp_path / str(host), START + 0.37 * host, [
            (None, s * 1.0, 1, {(host + 1) * MS + s: 10 + s}) for s in range(20)]))
    bench("merge", *logs, "-o", tmp_path / "sum")
    merged = hdrlog.read_log((tmp_path / "sum").read_text())
    parts = [i for log in logs for i in hdrlog.read_log(log.read_text())]
    assert total(merged) == total(parts)
    assert 20 <= len(merged) <= 22
    assert [i.begin for i in merged] == sorted(i.begin for i in merged)
    assert all(sum(n for slot, n in i.slots.items() if slot == hdrlog.slot(MS)) <= 29 for i in merged)


def test_rate_is_taken_where_all_were_there(bench, tmp_path):
    """Host a runs for 10 s at 1000 a second; b, at 500, joins for the last 5 and stays 5 longer."""
    a = hdrlog.write_log(tmp_path / "a", START, [(None, s, 1, {MS: 1000}) for s in range(10)])
    b = hdrlog.write_log(tmp_path / "b", START + 5, [
        (None, s, 1, {MS: 500 if s < 5 else 4000}) for s in range(10)])
    out, _ = bench("merge", a, b, "-o", tmp_path / "sum")
    assert rows(out)["response"][1] == "1,500"
    c = hdrlog.write_log(tmp_path / "c", START + 100, [(None, 0, 1, {MS: 500})])
    out, _ = bench("merge", a, c, "-o", tmp_path / "sum")
    assert rows(out)["response"][1] == "-"


@pytest.mark.parametrize("output", [[], ["-o", "-"]], ids=["by itself", "as asked for"])
def test_merge_to_standard_output_sums_up_on_standard_error(bench, tmp_path, output):
    log = hdrlog.write_log(tmp_path / "a", START, [(None, 0, 1, {MS: 5}), ("connect", 0, 1, {3 * MS: 2})])
    out, err = bench("merge", log, *output)
    assert [i.tag for i in hdrlog.read_log(out)] == ["", "connect"]
    assert rows(err)["connect"][0] == "2"


def test_merge_may_write_over_one_of_its_logs(bench, tmp_path):
    log = hdrlog.write_log(tmp_path / "a", START, [(None, 0, 1, {MS: 5})])
    bench("merge", log, log, "-o", log)
    assert sum(total(hdrlog.read_log(log.read_text())).values()) == 10


def test_merged_again_is_the_same(bench, tmp_path):
    log = hdrlog.write_log(tmp_path / "a", START, [
        (tag, s, 1, {MS * (s + 1): 5}) for s in range(3) for tag in (None, "service")])
    bench("merge", log, "-o", tmp_path / "once")
    bench("merge", tmp_path / "once", "-o", tmp_path / "twice")
    assert (tmp_path / "once").read_bytes() == (tmp_path / "twice").read_bytes()
    assert hdrlog.read_log((tmp_path / "once").read_text()) == hdrlog.read_log(log.read_text())


def test_response_times_have_no_tag_or_that_one(bench, tmp_path):
    """Some writers tag them, too: for merge and diff it is the same."""
    plain = hdrlog.write_log(tmp_path / "a", START, [(None, 0, 1, {MS: 50000}), ("service", 0, 1, {US: 9})])
    tagged = hdrlog.write_log(tmp_path / "b", START, [("response", 0, 1, {MS: 50000})])
    out, _ = bench("merge", plain, tagged, "-o", tmp_path / "sum")
    assert rows(out)["response"][0] == "100,000"
    assert [i.tag for i in hdrlog.read_log((tmp_path / "sum").read_text())] == ["", "service"]
    out, _ = bench("diff", plain, tagged)
    assert re.search(r"^messages +50,000 +50,000$", out, re.M)


def test_a_maximum_below_the_least_value(bench, tmp_path):
    """A foreign histogram, finer than ours, and a maximum beside it that contradicts it, but not at our resolution."""
    counts = hdrlog.put_count(-100001) + hdrlog.put_count(1)
    (tmp_path / "a").write_text(f"0,1,0.099970,{hdrlog.pack(counts, digits=5)}\n")
    out, _ = bench("merge", tmp_path / "a", "-o", tmp_path / "sum")
    (merged,) = hdrlog.read_log((tmp_path / "sum").read_text())
    assert (merged.slots, merged.max_ms) == ({hdrlog.slot(100001): 1}, 0.09997)
    assert rows(out)["response"][2] == rows(out)["response"][-1] == "100 us"


@pytest.mark.parametrize("command", ["merge", "diff"])
def test_more_values_than_can_be_counted(bench, tmp_path, command):
    """Each interval could be, their sum could not."""
    many = hdrlog.write_log(tmp_path / "many", START, [(None, s, 1, {MS: 2**62}) for s in range(2)])
    _, err = bench(command, many, many, code=2)
    assert err == f"meari-bench {command}: there are more values than can be counted\n"


def test_merge_refuses_too_many_tags(bench, tmp_path):
    log = hdrlog.write_log(tmp_path / "a", START, [(f"tag-{i}", 0, 1, {MS: 5}) for i in range(65)])
    _, err = bench("merge", log, code=2)
    assert err == "meari-bench merge: there are more than 64 different tags\n"


# rows: C20
def test_a_line_without_an_end_is_refused(bench, tmp_path):
    """It is given up after 16 MiB, however much more there is."""
    (tmp_path / "long").write_bytes(b"#" * (17 << 20))
    for command in ["merge"], ["diff", report(tmp_path / "a")]:
        _, err = bench(*command, tmp_path / "long", code=2)
        assert err.endswith("line 1: it is too long\n")


# rows: C20
@pytest.mark.parametrize("header, says", [
    ({"cookie": 0x1C849312}, "it is not in the V2 encoding"), ({"n": 2**31}, "it has more slots than its range"),
    ({"digits": 6}, "its range or its number of digits"), ({"lowest": 0}, "its range or its number of digits"),
    ({"highest": 1}, "its range or its number of digits"), ({"highest": 2**63}, "its range or its number of digits"),
    ({"lowest": 2**62, "highest": 2**63 - 1}, "its range or its number of digits"),
    ({"lowest": 2**61, "highest": 2**62}, "its range or its number of digits"),
    ({"cut": 4}, "its compressed data are damaged or end early")], ids=str)
def test_histograms_that_make_no_sense(bench, tmp_path, header, says):
    """A checksum is no help against who computes it anew."""
    (tmp_path / "x").write_text(f"0,1,1,{hdrlog.pack(hdrlog.put_count(5), **header)}\n")
    _, err = bench("merge", tmp_path / "x", code=2)
    assert f"line 1: its histogram: {says}" in err and err.count("\n") == 1


# rows: C20
@pytest.mark.parametrize("args", [[], ["--nonsense"], ["-o"]], ids=str)
def test_merge_refuses_what_it_was_not_asked_for(bench, args):
    _, err = bench("merge", *args, code=2)
    assert err.startswith("meari-bench merge: ") and err.count("\n") == 1


# rows: C21
def test_a_table_that_cannot_be_written(build, tmp_path):
    log = hdrlog.write_log(tmp_path / "a", START, [(None, 0, 1, {MS: 5})])
    for args, what in ((["merge", log, "-o", tmp_path / "sum"], "the summary"),
                       (["diff", log, log], "to standard output")):
        with open("/dev/full", "w") as full:
            done = subprocess.run([build / "meari-bench", *args], stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=60)
        assert done.returncode == 1
        assert done.stderr == f"meari-bench {args[0]}: cannot write {what}: No space left on device\n"


# rows: C20
def test_merge_refuses_what_is_no_log(bench, tmp_path):
    (tmp_path / "x").write_text("hello\n")
    (tmp_path / "empty").write_text("")
    good = hdrlog.write_log(tmp_path / "a", START, [(None, 0, 1, {MS: 5})])
    (tmp_path / "cut").write_text(good.read_text()[:-9])
    for name, says in (("x", "line 1: this is no line of an HdrHistogram log"), ("empty", "there is no interval in it"),
                       ("cut", "line 4: its histogram:"), ("none", "No such file or directory")):
        out, err = bench("merge", good, tmp_path / name, "-o", tmp_path / "sum", code=2)
        assert says in err and name in err and err.count("\n") == 1
        assert out == "" and not (tmp_path / "sum").exists()


# rows: C21
def test_merge_tells_what_it_cannot_write(bench, tmp_path):
    log = hdrlog.write_log(tmp_path / "a", START, [(None, 0, 1, {MS: 5})])
    _, err = bench("merge", log, "-o", "/nowhere/x", code=2)
    assert err == "meari-bench merge: cannot write to '/nowhere/x': No such file or directory\n"
    out, err = bench("merge", log, "-o", "/dev/full", code=1)
    assert out == "" and err == "meari-bench merge: cannot write to '/dev/full': No space left on device\n"


def report(path, count=100000, rate=5000.0, p50=100 * US, p90=200 * US, p99=MS, p999=2 * MS, largest=9 * MS, good=True,
           **plan):
    """As meari-bench --json writes one, of what diff reads."""
    path.write_text(json.dumps({
        "schema": {"name": "meari-bench", "version": 1},
        "plan": {"target": str(path), "seed": "1", "connections": 50, **plan},
        "outcome": {"messages_per_s": rate, "good": good},
        "response": {"count": count, "max_ns": largest,
                     "percentiles_ns": {"p50": p50, "p90": p90, "p99": p99, "p99.9": p999}}}))
    return path


def test_diff_of_a_run_with_itself_finds_nothing(bench, tmp_path):
    out, err = bench("diff", report(tmp_path / "a"), report(tmp_path / "b"))
    assert err == "" and "WORSE" not in out and "NOTE" not in out
    assert out.splitlines()[-1] == "nothing is worse by more than 5 %"
    assert re.search(r"^p99\.9 +2\.00 ms +2\.00 ms +\+0\.0 %$", out, re.M)


@pytest.mark.parametrize("what, worse, label", [
    ("p50", 106 * US, "p50"), ("p90", 211 * US, "p90"), ("p99", 1060 * US, "p99"),
    ("p999", 2110 * US, r"p99\.9"), ("rate", 4740.0, "rate")])
def test_diff_finds_what_is_worse(bench, tmp_path, what, worse, label):
    a, b = report(tmp_path / "a"), report(tmp_path / "b", **{what: worse})
    out, _ = bench("diff", a, b, code=1)
    assert re.findall(r"^(\S+).*WORSE$", out, re.M) == [label.replace("\\", "")]
    assert out.splitlines()[-1] == "worse: 1 by more than 5 %"
    bench("diff", b, a)  # the other way round it is better
    bench("diff", a, b, "--threshold", "7%")
    bench("diff", a, b, "--threshold=2.5", code=1)


def test_diff_does_not_judge_what_is_chance(bench, tmp_path):
    """The maximum never; p99 and p99.9 not, where fewer than ten messages are beyond."""
    out, _ = bench("diff", report(tmp_path / "a"), report(tmp_path / "b", largest=90 * MS))
    assert re.search(r"^max .*\+900\.0 %  never judged$", out, re.M)
    few = report(tmp_path / "c", count=999, p99=9 * MS, p999=9 * MS)
    out, _ = bench("diff", report(tmp_path / "a"), few)
    assert len(re.findall("not judged: fewer than ten took longer", out)) == 2
    enough = report(tmp_path / "c", count=1000, p99=9 * MS, p999=9 * MS)
    out, _ = bench("diff", report(tmp_path / "a"), enough, code=1)
    assert re.findall(r"^(\S+).*WORSE$", out, re.M) == ["p99"]


def test_diff_says_when_runs_cannot_be_compared_fairly(bench, tmp_path):
    out, _ = bench("diff", report(tmp_path / "a"), report(tmp_path / "b", connections=51))
    assert "NOTE: the two were asked for different things" in out
    out, _ = bench("diff", report(tmp_path / "a"), report(tmp_path / "b", good=False))
    assert "NOTE: in the second something was wrong" in out
    out, _ = bench("diff", report(tmp_path / "a", good=False), report(tmp_path / "b"))
    assert "NOTE: in the first something was wrong" in out
    out, _ = bench("diff", report(tmp_path / "a", good=False), report(tmp_path / "b", good=False))
    assert "NOTE: in both something was wrong" in out


def test_diff_compares_no_rate_with_one_that_is_unknown(bench, tmp_path):
    """A run of no time has none."""
    for a, b in ((0, 5000.0), (5000.0, 0)):
        out, _ = bench("diff", report(tmp_path / "a", rate=a), report(tmp_path / "b", rate=b))
        assert "rate" not in out and "p50" in out


def test_diff_from_nothing_to_something(bench, tmp_path):
    """No percentage says how much worse that is, but worse it is."""
    out, _ = bench("diff", report(tmp_path / "a", p50=0), report(tmp_path / "b"), code=1)
    assert re.search(r"^p50 +0 ns +100 us +\+inf %  WORSE$", out, re.M)
    out, _ = bench("diff", report(tmp_path / "a", p50=0), report(tmp_path / "b", p50=0))
    assert re.search(r"^p50 +0 ns +0 ns +\+0\.0 %$", out, re.M)


def test_diff_of_logs_and_of_a_log_with_a_report(bench, tmp_path):
    values = {100 * US: 90000, MS: 9900, 5 * MS: 100}
    a = hdrlog.write_log(tmp_path / "a", START, [
        (None, s, 1, values) for s in range(2)] + [("service", 0, 1, {1: 10**6})])
    b = hdrlog.write_log(tmp_path / "b", START + 500, [(None, 0, 2.5, {v: 2 * n for v, n in values.items()})])
    out, _ = bench("diff", a, b, code=1)
    assert re.search(r"^rate +100,000 +80,000 +-20\.0 %  WORSE$", out, re.M)
    assert re.search(r"^p99 +1\.00 ms +1\.00 ms +\+0\.0 %$", out, re.M)
    assert re.search(r"^max +5\.00 ms +5\.00 ms", out, re.M)
    c = report(tmp_path / "c", count=200000, rate=100000.0, p50=100 * US, p90=100 * US, p99=MS, p999=MS)
    bench("diff", a, c)


def test_diff_passes_over_a_percentile_that_was_not_reported(bench, tmp_path):
    a = json.loads(report(tmp_path / "a").read_text())
    del a["response"]["percentiles_ns"]["p90"]
    a["response"]["percentiles_ns"]["p99"] = None
    (tmp_path / "a").write_text(json.dumps(a))
    out, _ = bench("diff", tmp_path / "a", report(tmp_path / "b"))
    assert re.findall(r"^p\S+", out, re.M) == ["p50", "p99.9"]
    out, _ = bench("diff", tmp_path / "b", tmp_path / "a")
    assert re.findall(r"^p\S+", out, re.M) == ["p50", "p99.9"]


# rows: C20
@pytest.mark.parametrize("text, says", [
    ("hello\n", "line 1: this is no line of an HdrHistogram log"), ("", "there is no response time in it"),
    ("{", "line 1: "), ("{}", "this is no report of meari-bench"),
    ('{"schema": {"name": "meari-bench", "version": 2}}', "a schema that this version does not know"),
    ('{"schema": {"name": "meari-bench", "version": 1}, "plan": 5, "response": []}', "there is no response time in it")])
def test_diff_refuses_what_it_cannot_read(bench, tmp_path, text, says):
    (tmp_path / "x").write_text(text)
    out, err = bench("diff", report(tmp_path / "a"), tmp_path / "x", code=2)
    assert out == "" and says in err and err.count("\n") == 1
    bench("diff", tmp_path / "x", report(tmp_path / "a"), code=2)


# rows: C20
def test_diff_of_what_is_not_there(bench, tmp_path):
    out, err = bench("diff", report(tmp_path / "a"), tmp_path / "none", code=2)
    assert out == ""
    assert err == f"meari-bench diff: cannot open '{tmp_path}/none': No such file or directory\n"


# rows: C20
@pytest.mark.parametrize("args", [[], ["a"], ["a", "b", "c"], ["a", "b", "--threshold", "x"], ["a", "b", "--threshold="],
                                  ["a", "b", "--threshold=-1"], ["a", "b", "--threshold=1e3"], ["a", "b", "--threshold=.5"],
                                  ["a", "b", "--threshold=1001"], ["a", "b", "--threshold=5%%"],
                                  ["a", "b", "--threshold=1.2.3"], ["--nonsense"]])
def test_diff_refuses_what_it_was_not_asked_for(bench, args):
    _, err = bench("diff", *args, code=2)
    assert err.startswith("meari-bench diff: ") and err.count("\n") == 1


def test_words_have_their_own_help(bench):
    for word, says in (("merge", "usage: meari-bench merge [options] LOG..."),
                       ("diff", "usage: meari-bench diff [options] FIRST SECOND")):
        out, _ = bench(word, "--help")
        assert out.startswith(says) and "Exit code 0:" in out
        assert max(len(line) for line in out.splitlines()) <= 87


@pytest.mark.parametrize("loop", [[], ["-R", "2k"], ["-R", "2k", "-O", "300ms"], ["--crr"]])
def test_log_of_a_run_holds_each_of_its_times(bench, server, tmp_path, loop):
    """What the report says and what the log says are one, whoever reads it."""
    port = server().port
    bench("-c", "3", "-n", "1000", "-i", "100ms", *loop, "--hdr-log", tmp_path / "log", f"--json={tmp_path / 'json'}",
          f"127.0.0.1:{port}")
    told = json.loads((tmp_path / "json").read_text())
    intervals = hdrlog.read_log((tmp_path / "log").read_text())
    for tag, name in [("", "response"), ("connect", "connect")] + [("service", "service")] * ("-R" in loop):
        slots, times = total(intervals, tag), told[name]
        assert sum(slots.values()) == times["count"] > 0
        for percent, value in times["percentiles_ns"].items():
            assert hdrlog.slot(value) == hdrlog.slot(hdrlog.percentile(slots, float(percent[1:])))
        assert max(round(i.max_ms * 1e6) for i in intervals if i.tag == tag) == times["max_ns"]
    assert told["response"]["count"] == 1000
    assert ("service" in {i.tag for i in intervals}) == ("-R" in loop)
    bench("diff", tmp_path / "json", tmp_path / "log", "--threshold", "50%")


def test_log_of_a_run_that_never_began(bench, deaf_port, tmp_path):
    """It is a log of nothing, and not the one of the run before."""
    log = hdrlog.write_log(tmp_path / "log", START, [(None, 0, 1, {MS: 5})])
    bench("-c", "2", "-n", "10", "--hdr-log", log, f"127.0.0.1:{deaf_port}", code=2)
    assert "#[StartTime: " in log.read_text()
    assert hdrlog.read_log(log.read_text()) == []
    _, err = bench("merge", log, code=2)
    assert "there is no interval in it" in err
