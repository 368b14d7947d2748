"""The reference reader of HdrHistogram's logs (Debian's libhdrhistogram-java) reads ours, and finds what the report says.

Its HistogramLogProcessor prints the percentiles of all intervals of one tag, and count and maximum at the end.
"""

import json
import pathlib
import re
import subprocess

import hdrlog
import pytest

JAR = pathlib.Path("/usr/share/java/hdrhistogram.jar")

pytestmark = pytest.mark.extra


def processed(log, tag=None):
    """[(value in ns, percentile, values up to it)], and the last lines' {name: number}."""
    done = subprocess.run(
        ["java", "-cp", JAR, "org.HdrHistogram.HistogramLogProcessor", "-i", log, "-outputValueUnitRatio", "1"]
        + (["-tag", tag] if tag else []), capture_output=True, timeout=120, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    table = re.findall(r"^ *(\d+)\.\d+ (\d\.\d+) +(\d+)\b", done.stdout, re.M)
    sums = re.findall(r"(\w[\w ]*?) *= *([\d.]+)", done.stdout)
    return [(int(v), float(p), int(n)) for v, p, n in table], {name: float(n) for name, n in sums}


def agrees(log, tag, times):
    table, sums = processed(log, tag)
    assert sums["Total count"] == times["count"]
    assert sums["Buckets"] == 32 and sums["SubBuckets"] == 2048
    assert hdrlog.slot(int(sums["Max"])) == hdrlog.slot(times["max_ns"])
    assert sums["Mean"] == pytest.approx(times["mean_ns"], rel=1e-3)
    for percent, value in times["percentiles_ns"].items():
        read = [v for v, p, _ in table if abs(p - float(percent[1:]) / 100) < 1e-9]
        assert read and hdrlog.slot(read[0]) == hdrlog.slot(value)


@pytest.mark.parametrize("loop", [[], ["-R", "5k"]])
def test_reference_reader_reads_our_log(build, server, tmp_path, loop):
    log, report = tmp_path / "log", tmp_path / "report"
    percentiles = "10,50,75,87.5,93.75,98.4375,99.21875"  # those that the processor has a line for
    subprocess.run([build / "meari-bench", "-c", "5", "-n", "20k", "-i", "500ms", *loop, "--percentiles", percentiles,
                    "--hdr-log", log, f"--json={report}", f"127.0.0.1:{server().port}"], check=True, timeout=60)
    told = json.loads(report.read_text())
    agrees(log, None, told["response"])
    if loop:
        agrees(log, "service", told["service"])


def test_reference_reader_reads_what_was_merged(build, tmp_path):
    logs = [hdrlog.write_log(tmp_path / str(host), 1700000000 + 0.1 * host, [
        (tag, s, 1, {(host + 1) * 10**6 + s * 10**9: 10**10 + s, 5: 1, hdrlog.HOUR: 1})
        for s in range(5) for tag in (None, "service")]) for host in range(3)]
    subprocess.run([build / "meari-bench", "merge", *logs, "-o", tmp_path / "sum"], check=True, timeout=60)
    for tag in (None, "service"):
        _, sums = processed(tmp_path / "sum", tag)
        assert sums["Total count"] == 3 * (5 * 10**10 + 10 + 10)
        assert hdrlog.slot(int(sums["Max"])) == hdrlog.slot(hdrlog.HOUR)
