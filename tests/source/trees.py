"""A repository of a few files, held in memory: a snapshot like those of Git and of a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from reconciler.model import FIELDS, Container, Discovery, Entry, Workload
from reconciler.source.compose import UnitSetting
from reconciler.source.discover import discover
from reconciler.source.snapshot import FILE_MODE, SUBMODULE_MODE, SYMLINK_MODE

LIMIT = 1_000_000


class Tree:
    def __init__(
        self,
        files: Mapping[str, str | bytes],
        links: Mapping[str, str] | None = None,
        submodules: Sequence[str] = (),
    ) -> None:
        self.repository = "deploy"
        self.commit = "c0ffee"
        self.read_paths: list[str] = []
        self._data = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        self._data |= {path: target.encode() for path, target in (links or {}).items()}
        modes = dict.fromkeys(files, FILE_MODE) | dict.fromkeys(links or {}, SYMLINK_MODE)
        leaves = [
            Entry(path, hashlib.sha1(self._data[path]).hexdigest(), mode) for path, mode in modes.items()
        ]
        leaves += [Entry(path, "0" * 40, SUBMODULE_MODE) for path in submodules]
        self._entries = tuple(sorted(leaves))

    def entries(self) -> Sequence[Entry]:
        return self._entries

    def read(self, entry: Entry) -> bytes | None:
        self.read_paths.append(entry.path)
        data = self._data[entry.path]
        return None if len(data) > LIMIT else data


def found_in(
    files: Mapping[str, str | bytes], units: Sequence[UnitSetting] = (), clusters: Sequence[str] = ()
) -> Discovery:
    return discover(Tree(files), units, clusters)


def only(discovery: Discovery) -> Workload:
    assert not discovery.failures, discovery.failures
    (workload,) = discovery.workloads
    return workload


def values(container: Container) -> dict[str, str | None]:
    return {field.value: container.slot(field).value for field in FIELDS}


def lines(container: Container) -> dict[str, int]:
    return {field.value: container.slot(field).line for field in FIELDS}


def deployment(name: str = "web", *, head: str = "", metadata: str = "", containers: str = "") -> str:
    """A Deployment; `metadata` are further lines of it, `containers` those of the list."""
    body = containers or "        - name: app\n          image: nginx:1.25\n"
    return (
        f"{head}apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n{metadata}"
        f"spec:\n  template:\n    spec:\n      containers:\n{body}"
    )
