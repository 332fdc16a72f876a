"""Discovery against the obvious: 10,000 workloads in 20,000 files, cold and warm.

The obvious is `yaml.load_all` with PyYAML's CSafeLoader over every file, which finds the values
but no lines. Cold may take no longer than that; warm, with the cache, a tenth.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pygit2
import yaml

from reconciler.git.snapshot import GitSnapshot
from reconciler.model import Discovery
from reconciler.source.cache import Cache
from reconciler.source.compose import UnitSetting
from reconciler.source.discover import discover

TEAMS, APPS = 100, 100
ROUNDS = 3

WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{number}
  namespace: team-{team}
  labels:
    app.kubernetes.io/name: app-{number}
    app.kubernetes.io/part-of: team-{team}
spec:
  replicas: {replicas}
  revisionHistoryLimit: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: app-{number}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: app-{number}
    spec:
      containers:
        - name: app
          image: registry.example.com/team-{team}/app-{number}:1.{replicas}.0
          ports:
            - containerPort: 8080
              name: http
          env:
            - name: LOG_LEVEL
              value: info
          resources:
            requests:
              cpu: {cpu}m
              memory: 256Mi
            limits:
              memory: 512Mi
          readinessProbe:
            httpGet:
              path: /healthz
              port: http
"""
OTHER = """\
apiVersion: v1
kind: Service
metadata:
  name: app-{number}
  namespace: team-{team}
  labels:
    app.kubernetes.io/name: app-{number}
spec:
  type: ClusterIP
  selector:
    app.kubernetes.io/name: app-{number}
  ports:
    - name: http
      port: 80
      targetPort: http
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: app-{number}
  namespace: team-{team}
data:
  LOG_LEVEL: info
  MODE: "production"
"""


def build(folder: Path) -> str:
    """A bare repository with a Deployment and another file for each application."""
    store = pygit2.init_repository(folder, bare=True)
    root = store.TreeBuilder()
    for team in range(TEAMS):
        inside = store.TreeBuilder()
        for app in range(APPS):
            number = team * APPS + app
            words = {"number": number, "team": team, "replicas": app % 7 + 1, "cpu": 50 + number % 900}
            for name, text in (("deployment", WORKLOAD), ("other", OTHER)):
                blob = store.create_blob(text.format(**words).encode())
                inside.insert(f"app-{number}-{name}.yaml", blob, pygit2.enums.FileMode.BLOB)
        root.insert(f"team-{team:03}", inside.write(), pygit2.enums.FileMode.TREE)
    sign = pygit2.Signature("bench", "bench@example.com", 0, 0)
    return str(store.create_commit("refs/heads/main", sign, sign, "all", root.write(), []))


def obvious(folder: Path, commit: str) -> int:
    """Load every document of every file; count those that have a pod template."""
    snapshot = open_snapshot(folder, commit)
    found = 0
    for entry in snapshot.entries():
        for document in yaml.load_all(snapshot.read(entry) or b"", yaml.CSafeLoader):
            found += isinstance(document, dict) and document.get("kind") == "Deployment"
    return found


def open_snapshot(folder: Path, commit: str) -> GitSnapshot:
    return GitSnapshot("bench", pygit2.Repository(str(folder)), commit)


def look(folder: Path, commit: str, cache: Path) -> Discovery:
    units = [UnitSetting("team-001", "team-1", "")]
    return discover(open_snapshot(folder, commit), units, ["prod"], Cache(cache))


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "deploy.git")
        commit = build(folder)
        plain, cold, warm = [], [], []
        for turn in range(ROUNDS):
            cache = Path(scratch, f"cache-{turn}")
            plain.append(timed(lambda: obvious(folder, commit)))
            cold.append(timed(lambda: look(folder, commit, cache)))  # noqa: B023 (called at once)
            warm.append(timed(lambda: look(folder, commit, cache)))  # noqa: B023
        found = len(look(folder, commit, cache).workloads)
    base = min(plain)
    print(f"{found} workloads in {2 * TEAMS * APPS} files; best of {ROUNDS}")
    print(f"yaml.load_all, CSafeLoader   {base:6.2f} s")
    print(f"discover, cold               {min(cold):6.2f} s   {min(cold) / base:5.2f} of it (bound 1.00)")
    print(f"discover, warm               {min(warm):6.2f} s   {min(warm) / base:5.2f} of it (bound 0.10)")
    return int(found != TEAMS * APPS or min(cold) > base or min(warm) > base / 10)


if __name__ == "__main__":
    sys.exit(main())
