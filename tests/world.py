"""A whole small world in a folder: a bare repository, a recording, settings; and runs over it.

Nothing is mocked: runs go through the same wiring as the command line's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pygit2

from reconciler.commands.common import Bars, only_filter
from reconciler.forges.local import LocalForge
from reconciler.git.commits import Author, CommitRequest, write_commit
from reconciler.git.create import create_bare
from reconciler.model import ContainerRef, MergeRequest, Report, Sketch
from reconciler.run import reconcile
from reconciler.usage.days import DAY, ContainerDay, Hourly, Resources, Trouble, days_since_1970
from reconciler.usage.files import write_days
from reconciler.wiring import Asked, job

FIRST_DAY = days_since_1970("2026-02-02")
DAYS = 14
NOW = (FIRST_DAY + DAYS) * DAY
STEP = 300
HUMAN = Author("Hannah Human", "hannah@example.com")


class Used(NamedTuple):
    """What one container used, the same on every day."""

    ref: ContainerRef
    cpu: int  # millicores, at p95 and above; half of it below
    memory: int  # bytes, at the peak
    days: int = DAYS
    pods: int = 2
    oom_kills: int = 0
    oom_limit: int | None = None


class World:
    def __init__(
        self, folder: Path, files: Mapping[str, str], used: Sequence[Used], **settings: object
    ) -> None:
        self.folder = folder
        self.bare = folder / "deploy.git"
        self.settings = folder / "reconcile.yaml"
        data = {path: text.encode() for path, text in files.items()}
        create_bare(self.bare, data, branch="main", message="Everything", author=HUMAN, when=NOW - DAY)
        (folder / "usage").mkdir()
        days = [day for one in used for day in _days(one)]
        write_days(folder / "usage" / "all.parquet", days, {"source": "test", "step": STEP}, NOW)
        self.write_settings(**settings)

    def write_settings(self, **more: object) -> None:
        """JSON is YAML."""
        text = {
            "apiVersion": "reconciler/v1",
            "repositories": [{"url": str(self.bare), "branch": "main"}],
            "metrics": [{"name": "main", "kind": "recording", "path": "usage"}],
            "cache": "cache",
            **more,
        }
        self.settings.write_text(json.dumps(text), encoding="utf-8")

    def run(self, now: int = NOW, *, write: bool = True, only: Sequence[str] = ()) -> Report:
        asked = Asked(self.settings, None, True, now, only_filter(only), bool(only), write)
        return reconcile(job(asked, Bars(None)))

    @property
    def store(self) -> pygit2.Repository:
        return pygit2.Repository(str(self.bare))

    @property
    def forge(self) -> LocalForge:
        return self.forge_at(NOW)

    def forge_at(self, now: int) -> LocalForge:
        return LocalForge(self.bare, user="hannah", clock=lambda: now)

    def requests(self, state: str = "open") -> list[MergeRequest]:
        return [request for request in self.forge.mine("") if request.state == state]

    def refs(self) -> dict[str, str]:
        store = self.store
        return {name: str(store.references[name].target) for name in store.references}

    def state(self) -> dict[str, object]:
        """Everything that a run can write outside its cache, byte for byte."""
        folder = self.bare.with_name(self.bare.name + ".merge-requests")
        records = {path.name: path.read_bytes() for path in sorted(folder.glob("*.json"))}
        return {**self.refs(), **records}

    def files(self, branch: str = "main") -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        store = self.store

        def walk(tree: pygit2.Tree, prefix: str) -> None:
            for item in tree:
                if isinstance(item, pygit2.Tree):
                    walk(item, f"{prefix}{item.name}/")
                elif isinstance(item, pygit2.Blob):
                    found[f"{prefix}{item.name}"] = item.data

        walk(store[store.references[f"refs/heads/{branch}"].target].peel(pygit2.Tree), "")
        return found

    def push(self, branch: str, files: Mapping[str, bytes], text: str = "By hand") -> str:
        """A person's commit on top of a branch."""
        store = self.store
        tip = str(store.references[f"refs/heads/{branch}"].target)
        commit = write_commit(store, CommitRequest(tip, files, text, HUMAN, NOW), str(self.bare))
        store.references[f"refs/heads/{branch}"].set_target(commit)
        return commit


def manifest(
    name: str, cpu: str = "500m", memory: str = "512Mi", *, kind: str = "Deployment", more: str = ""
) -> str:
    return f"""\
apiVersion: apps/v1
kind: {kind}
metadata:
  name: {name}
  namespace: shop  # where it lives
spec:
  replicas: 2
  template:
    spec:
      containers:
        - name: app
          image: "registry.example.com/{name}:1.0"
          resources:
            requests:
              cpu: {cpu}      # measured once
              memory: {memory}
{more}"""


def ref(name: str, kind: str = "Deployment", container: str = "app") -> ContainerRef:
    return ContainerRef("", "shop", kind, name, container)


def _days(one: Used) -> list[ContainerDay]:
    samples = DAY // STEP * one.pods
    cpu = _sketch(one.cpu, samples)
    memory = _sketch(one.memory, samples)
    hours = Hourly((samples // 24,) * 24, (one.cpu,) * 24, (one.cpu,) * 24, (one.memory,) * 24)
    last = FIRST_DAY + DAYS
    return [
        ContainerDay(
            ref=one.ref, day=day, step=STEP, samples=samples, expected=samples, pods=one.pods,
            pods_started=one.pods if day == last - one.days else 0, replicas_last=one.pods,
            first_sample=day * DAY, last_sample=(day + 1) * DAY - STEP, cpu=cpu, worst_cpu=cpu,
            memory=memory, worst_memory=memory, rss_max=one.memory, hours=hours,
            trouble=Trouble(one.oom_kills, one.oom_limit), resources=Resources(),
        )
        for day in range(last - one.days, last)
    ]  # fmt: skip


def _sketch(high: int, samples: int) -> Sketch:
    low = max(1, high // 2)
    if low == high:
        return Sketch((high,), (samples,))
    return Sketch((low, high), (samples - samples // 10, samples // 10))
