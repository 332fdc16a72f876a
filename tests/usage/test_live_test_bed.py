"""The servers of the tests hold what the tests think they hold: asked with Prometheus' own tools."""

from __future__ import annotations

import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from servers import prometheus
from servers.blocks import STALE, Block
from servers.crc import crc, crc_of_rows

BEGIN = 1_748_736_000_000
REGULAR = BEGIN + np.arange(250) * 15_000


def past(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A block with all that is awkward to pack, and what is in it."""
    (folder / "wal").mkdir(parents=True)
    dice = np.random.default_rng(7)
    odd = dice.normal(size=250) * 10.0 ** dice.integers(-9, 9, 250)
    odd[100:104] = np.nan, np.inf, -np.inf, 0.0
    torn = np.concatenate([REGULAR[:130], REGULAR[135:] + 3 * 86_400_000])
    content = {
        "regular": (REGULAR, dice.normal(size=250)),
        "constant": (REGULAR, np.full(250, 7.0)),
        "jitter": (REGULAR + dice.integers(-900, 900, 250), odd),
        "minutes": (REGULAR + np.cumsum(dice.integers(0, 60_000, 250)), np.arange(250.0)),
        "torn": (torn, np.arange(245.0)),
        "one": (REGULAR[:1], np.ones(1)),
        "two": (REGULAR[:2], np.array([1.0, 2.0])),
        "one-more": (REGULAR[:121], np.arange(121.0)),
    }
    block = Block(folder, 1)
    for name, (times, values) in content.items():
        block.add([{"__name__": "m", "which": name, "empty": ""}], times, values[None])
    block.close()
    return content


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool comes with prometheus")
def test_blocks_are_read_as_they_were_written(tmp_path: Path) -> None:
    content = past(tmp_path / "data")
    words = ["promtool", "tsdb", "dump", str(tmp_path / "data")]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found = defaultdict(list)
    for line in said.splitlines():
        name, value, time = re.fullmatch(r'{__name__="m", which="(.+)"} (\S+) (\d+)', line).groups()
        found[name].append((int(time), float(value)))
    assert set(found) == set(content)
    for name, (times, values) in content.items():
        assert [time for time, _ in found[name]] == times.tolist(), name
        np.testing.assert_array_equal([value for _, value in found[name]], values, err_msg=name)


def test_the_mark_that_a_series_ended_is_the_servers_own() -> None:
    assert np.isnan(STALE)
    assert np.array(STALE).view(np.uint64) == 0x7FF0000000000002


def test_checksums_of_many_and_of_one_are_the_published_ones() -> None:
    assert crc(b"123456789") == 0xE3069283
    rows = np.frombuffer(b"123456789" * 3, np.uint8).reshape(3, 9)
    assert crc_of_rows(rows).tolist() == [0xE3069283] * 3


@pytest.mark.skipif(not prometheus.find(), reason="prometheus is missing")
def test_a_server_below_a_path_that_wants_a_password(tmp_path: Path) -> None:
    past(tmp_path / "data")
    served, stop = prometheus.start(
        tmp_path / "data", tmp_path / "server", prefix="/select/0/prometheus", basic=True
    )
    try:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{served.url}/api/v1/query?query=1")
    finally:
        stop()
