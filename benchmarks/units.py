"""Finding units against the obvious, which is `yaml.load_all` with PyYAML's CSafeLoader over every YAML file.

Three repositories: 2,000 Applications of one chart, each with a value file of its own; 1,000 overlays
over 50 bases; 10,000 plain manifests. The first look may take twice as long as the obvious, which finds
no units; the second one, after an edit of ten files, less than the first (what files hold is
remembered by content).
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import yaml

from reconciler.model import Entry, Reason, Refused
from reconciler.source.finding import find_units
from reconciler.source.memo import Memo
from reconciler.source.render import Request
from reconciler.source.repositories import Known
from reconciler.source.settings import UnitSettings
from reconciler.source.snapshot import FILE_MODE

URL = "https://git.example.com/platform/deploy.git"
ROUNDS = 3
MOST_FIRST, MOST_SECOND = 2.0, 0.9

APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: app-{number}
  namespace: argocd
spec:
  project: default
  destination:
    server: https://kubernetes.default.svc
    namespace: team-{number}
  source:
    repoURL: https://git.example.com/platform/deploy.git
    targetRevision: main
    path: charts/app
    helm:
      releaseName: app-{number}
      valueFiles:
        - ../../values/app-{number}.yaml
  syncPolicy:
    automated:
      prune: true
      selfHeal: true
    syncOptions:
      - CreateNamespace=true
"""
VALUES = """\
replicaCount: 3
image:
  repository: registry.example.com/app
  tag: 1.{number}.0
resources:
  requests:
    cpu: 100m
    memory: 256Mi
  limits:
    memory: 512Mi
env:
  LOG_LEVEL: info
  REGION: eu-west-1
ingress:
  enabled: true
  hosts:
    - app-{number}.example.com
"""
OVERLAY = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: team-{number}
resources:
  - ../../bases/base-{base}
images:
  - name: registry.example.com/app
    newTag: 1.{number}.0
patches:
  - path: resources.yaml
"""
PATCH = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app
spec:
  template:
    spec:
      containers:
        - name: app
          resources:
            requests:
              cpu: {number}m
"""
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{number}
  namespace: team-{number}
  labels:
    app.kubernetes.io/name: app-{number}
spec:
  replicas: 3
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
          image: registry.example.com/app:1.{number}.0
          ports:
            - containerPort: 8080
              name: http
          resources:
            requests:
              cpu: 100m
              memory: 256Mi
"""


class Nothing:
    """A renderer that is never at hand: rendering has benchmarks of its own."""

    def render(self, request: Request) -> Refused:
        return Refused(Reason.MISSING_TOOL, "not measured here")


class Memory:
    """A snapshot that is read from memory, so that nothing but finding is measured."""

    repository, commit = "deploy", "0" * 40

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._entries = tuple(
            Entry(path, hashlib.sha1(data).hexdigest(), FILE_MODE) for path, data in sorted(files.items())
        )

    def entries(self) -> Sequence[Entry]:
        return self._entries

    def read(self, entry: Entry) -> bytes:
        return self._files[entry.path]


def applications() -> dict[str, bytes]:
    chart = {f"charts/app/templates/{at}.yaml": f"# {at}\n{{{{ .Values.a }}}}\n" for at in range(20)}
    chart |= {"charts/app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\n"}
    chart |= {"charts/app/values.yaml": "# about a value\n" * 2_000 + VALUES.format(number=0)}
    for number in range(2_000):
        chart[f"apps/app-{number}.yaml"] = APPLICATION.format(number=number)
        chart[f"values/app-{number}.yaml"] = VALUES.format(number=number)
    return {path: text.encode() for path, text in chart.items()}


def overlays() -> dict[str, bytes]:
    files = {}
    for base in range(50):
        files[f"bases/base-{base}/kustomization.yaml"] = "resources:\n  - app.yaml\n  - service.yaml\n"
        files[f"bases/base-{base}/app.yaml"] = MANIFEST.format(number=base)
        files[f"bases/base-{base}/service.yaml"] = (
            f"apiVersion: v1\nkind: Service\nmetadata:\n  name: s{base}\n"
        )
    for number in range(1_000):
        head = f"overlays/over-{number}"
        files[f"{head}/kustomization.yaml"] = OVERLAY.format(number=number, base=number % 50)
        files[f"{head}/resources.yaml"] = PATCH.format(number=number)
    return {path: text.encode() for path, text in files.items()}


def manifests() -> dict[str, bytes]:
    return {
        f"teams/team-{number % 100}/app-{number}.yaml": MANIFEST.format(number=number).encode()
        for number in range(10_000)
    }


def edited(files: Mapping[str, bytes], turn: int) -> dict[str, bytes]:
    """With ten files changed."""
    chosen = [path for path in sorted(files) if path.startswith(("values", "overlays", "teams"))]
    some = chosen[turn :: len(chosen) // 10]
    return {**files, **{path: files[path] + b"# edited\n" for path in some}}


def obvious(files: Mapping[str, bytes]) -> int:
    return sum(
        len(list(yaml.load_all(data, Loader=yaml.CSafeLoader)))
        for path, data in files.items()
        if not path.startswith("charts/app/templates")
    )


def found(snapshot: Memory, memo: Memo) -> int:
    known = Known("deploy", snapshot, (URL,), ("main",))
    return len(find_units([known], UnitSettings(), Nothing(), memo=memo).units)


def best(works: Sequence[Callable[[], object]]) -> float:
    times = []
    for work in works:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> int:
    failed = False
    for name, made in (("applications", applications), ("overlays", overlays), ("manifests", manifests)):
        files = made()
        before, memo = Memory(files), Memo()
        count = found(before, memo)
        plain = best([partial(obvious, files)] * ROUNDS)
        first = best([partial(found, before, Memo()) for _ in range(ROUNDS)])
        second = best([partial(found, Memory(edited(files, turn)), memo) for turn in range(ROUNDS)])
        print(f"{name}: {len(files)} files, {count} units; loading all YAML {plain:.2f} s")
        print(f"  first look  {first:.2f} s = {first / plain:.2f} of it (at most {MOST_FIRST:.2f})")
        print(f"  second look {second:.2f} s = {second / first:.2f} of the first (at most {MOST_SECOND:.2f})")
        failed |= first > plain * MOST_FIRST or second > first * MOST_SECOND
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
