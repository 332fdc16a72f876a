"""A real VictoriaMetrics on the loopback interface, which answers PromQL a little differently."""

from __future__ import annotations

import os
import shutil
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from servers.prometheus import Served, free_port, launch, stop, wait_until_ready
from servers.remote_write import push
from servers.scraped import Series

NAME = "victoria-metrics"
PROGRAM = "RECONCILER_VICTORIA"  # another version to test against


def find() -> str | None:
    return os.environ.get(PROGRAM) or shutil.which(NAME)


def start(
    data: Path, folder: Path, options: Sequence[str] = (), prefix: str = ""
) -> tuple[Served, Callable[[], None]]:
    """The running server, on its own copy of `data` when there is one, and what ends it."""
    folder.mkdir(parents=True, exist_ok=True)
    if data.exists():
        shutil.copytree(data, folder / "data")
    port = free_port()
    url = f"http://127.0.0.1:{port}{prefix}"
    words = [
        find() or NAME,
        f"-storageDataPath={folder / 'data'}",
        "-retentionPeriod=100y",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-loggerLevel=WARN",
        "-search.disableCache",
        "-search.latencyOffset=0s",
        "-memory.allowedBytes=512MB",
        *([f"-http.pathPrefix={prefix}"] if prefix else []),
        *options,
    ]
    server = launch(words, folder)
    wait_until_ready(f"{url}/health", server, folder / "log")
    return Served(url, server.pid), lambda: stop(server)


def fill(url: str, series: Iterable[Series]) -> None:
    """What was written can be asked for afterwards."""
    push(f"{url}/api/v1/write", series)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/internal/force_flush", timeout=60):
        pass


def prepare(parts: Iterable[Iterable[Series]], folder: Path) -> None:
    """A folder of data for `start`."""
    room = folder.with_name(f"{folder.name}.making")
    running, end = start(folder, room)
    try:
        for series in parts:
            fill(running.url, series)
    finally:
        end()
    (room / "data").rename(folder)
    shutil.rmtree(room)
