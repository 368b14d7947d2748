"""The bench with other people's echo servers."""

import pytest

from benchrunner import run_bench
from foreign_server import SERVERS

pytestmark = pytest.mark.extra


# rows: B08
@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("options", [[], ["--depth", 4, "-s", "1:5000"], ["-R", 200], ["--crr"]],
                         ids=["closed", "depth", "open", "crr"])
def test_another_server(name, options):
    with SERVERS[name]() as port:
        report = run_bench("-c", 5, "-n", 100, *options, f"127.0.0.1:{port}")
    assert report.outcome["messages"] == 100
