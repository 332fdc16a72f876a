"""What is recorded of a real metrics server gives the numbers that the server gives."""

from __future__ import annotations

from pathlib import Path

from servers.lived import BEGIN, END
from servers.prometheus import Served
from servers.worlds import BEHIND_ONE

from reconciler.model import NoUsage, Usage
from reconciler.usage.cache import DayCache
from reconciler.usage.excerpt import Wanted, write_excerpt
from reconciler.usage.prometheus.listening import Source
from reconciler.usage.prometheus.source import LiveSource
from reconciler.usage.prometheus.wire import Access, Wire
from reconciler.usage.recording import open_recording
from reconciler.usage.shelf import FolderShelf

CLUSTERS = ("plain", "silent-day")


def plain(usage: Usage | NoUsage) -> Usage | NoUsage:
    """Without what no recording can tell."""
    return usage._replace(scaled_on=(), incomplete="") if isinstance(usage, Usage) else usage


def test_an_excerpt_gives_the_numbers_of_the_server(prometheus_server: Served, tmp_path: Path) -> None:
    """Of two clusters behind one server, of which one was not looked at for a day."""
    assert set(CLUSTERS) <= set(BEHIND_ONE)
    wire = Wire(Access(prometheus_server.url))
    labels = {name: {"cluster": name} for name in CLUSTERS}
    store = FolderShelf(tmp_path / "cache")
    source = LiveSource(Source("main", wire, labels, lambda _: DayCache(store, "here")))
    found = source.recorded(BEGIN, END, lambda space: space == "shop")
    said = source.everything(BEGIN, END, lambda space: space == "shop").usage
    out = tmp_path / "out"
    out.mkdir()
    written = write_excerpt(found.paths, Wanted(lambda ref: ref.namespace == "shop", BEGIN, END), out)
    wire.close()
    assert not written.failures
    assert {ref.cluster for ref in said} == set(CLUSTERS)
    read = open_recording(out, "main").everything(BEGIN, END).usage
    known = {ref: plain(usage) for ref, usage in said.items() if isinstance(usage, Usage)}
    assert {ref: usage for ref, usage in read.items() if isinstance(usage, Usage)} == known
