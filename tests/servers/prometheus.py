"""A real Prometheus on the loopback interface, over a folder of blocks."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

NAME = "prometheus"
PROGRAM = "RECONCILER_PROMETHEUS"  # another version to test against
USER, PASSWORD = "reader", "s3cret-word"
_HASHED = "$2b$04$abcdefghijklmnopqrstuuzQDw2v3CQSMowG.sq3X.nH1lfmlmQMW"  # of PASSWORD


class Served(NamedTuple):
    """A metrics server that runs."""

    url: str
    pid: int


def find() -> str | None:
    return os.environ.get(PROGRAM) or shutil.which(NAME)


def start(
    data: Path,
    folder: Path,
    options: Sequence[str] = (),
    prefix: str = "",
    basic: bool = False,
    query_log: Path | None = None,
) -> tuple[Served, Callable[[], None]]:
    """The running server, answering from the blocks in `data`, and what ends it.

    Its files lie in `folder`, the blocks among them as links: several servers may share one past.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(data, folder / "data", copy_function=os.link)
    port = free_port()
    url = f"http://127.0.0.1:{port}{prefix}"
    log = f"{{query_log_file: {query_log}}}" if query_log else "{}"
    (folder / "config.yml").write_text(f"global: {log}\n")
    words = command(folder / "data", port, folder / "config.yml", options)
    if prefix:
        words.append(f"--web.external-url={url}")
    if basic:
        (folder / "web.yml").write_text(f"basic_auth_users:\n  {USER}: '{_HASHED}'\n")
        words.append(f"--web.config.file={folder / 'web.yml'}")
    server = launch(words, folder)
    wait_until_ready(f"{url}/-/ready", server, folder / "log")
    return Served(url, server.pid), lambda: stop(server)


def command(data: Path, port: int, config: Path, options: Sequence[str] = ()) -> list[str]:
    """Blocks are never merged: they would be written anew in the middle of a test."""
    return [
        find() or NAME,
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=30y",
        "--storage.tsdb.min-block-duration=2h",
        "--storage.tsdb.max-block-duration=2h",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
        *options,
    ]


def launch(words: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    with open(folder / "log", "ab") as log:
        return subprocess.Popen(list(words), stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    request = urllib.request.Request(url)
    secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    request.add_header("Authorization", f"Basic {secret}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(1500):
        if server.poll() is not None:
            break
        try:
            with opener.open(request, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    stop(server)
    raise RuntimeError(f"the metrics server did not start: {log.read_text(errors='replace')[-2000:]}")
