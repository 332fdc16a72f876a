"""What a scan and a proof cost, against rendering every unit once with helm or kubectl, one after another.

    python benchmarks/survey.py [--units 100]

As many Applications of a chart, each with a value file of its own and one for all, and as many overlays of
a base; then Applications that stand in one file, values and all. Promised: a first scan takes at most four
renders a unit; a second one renders nothing, and takes at most a third of the first; an edit of every unit
renders each once, and takes at most thrice as long as rendering each takes; two edits that can't be made
cost at most half of that; and twice the edits take at most thrice the time. Needs helm and kubectl, on PATH
or in .venv/tools; without them it says so and measures nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reconciler.model import Entry, Field, NewValue, Slot
from reconciler.rendering.cache import Cached
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.room import workers_here
from reconciler.rendering.tools import Missing, Tools, find_tools
from reconciler.rendering.walls import find_walls
from reconciler.source.changing import change
from reconciler.source.estate import Estate, Land, Means, survey
from reconciler.source.render import HelmRequest, Rendered, Request
from reconciler.source.repositories import Known
from reconciler.source.settings import UnitSettings
from reconciler.source.snapshot import FILE_MODE

FETCHED = Path(__file__).parents[1] / ".venv" / "tools"
URL = "https://git.example.com/platform/deploy.git"
MOST_RENDERS, MOST_COLD, MOST_WARM = 4.0, 4.0, 0.33
MOST_PROOF, MOST_BLAME, MOST_TWICE = 3.0, 0.5, 3.0

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  template:
    spec:
      containers:
        - name: app
          image: "registry.example.com/app:{{ .Values.tag }}"
          resources: {{- toYaml .Values.resources | nindent 12 }}
"""
APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: app-{number}, namespace: argocd}}
spec:
  destination: {{server: https://kubernetes.default.svc, namespace: team-{number}}}
  source:
    repoURL: https://git.example.com/platform/deploy.git
    path: charts/app
    helm:
{helm}"""
IN_FILES = "      valueFiles: [../../values/all.yaml, ../../values/app-{number}.yaml]\n"
INLINE = (
    "      valuesObject:\n        resources: {{requests: {{cpu: 200m, memory: {number}Mi}}}}\n"
    "        tag: 1.{number}.0\n"
)
VALUES = "tag: 1.{number}.0\nresources:\n  requests:\n    cpu: 200m\n    memory: {number}Mi\n"
OVERLAY = (
    "namespace: over-{number}\nresources: [../../base]\n"
    "images: [{{name: registry.example.com/base, newTag: 1.{number}.0}}]\npatches:\n- path: more.yaml\n"
)
PATCH = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: base}}
spec: {{template: {{spec: {{containers: [{{name: app, resources: {{requests: {{cpu: {number}m}}}}}}]}}}}}}
"""
BASE = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: base}
spec:
  template:
    spec:
      containers:
        - name: app
          image: registry.example.com/base:1.0.0
          resources: {requests: {memory: 512Mi}}
"""


class Memory:
    """A snapshot that is read from memory, so that no disk is measured."""

    repository, commit = "deploy", "0" * 40

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = {path: text.encode() for path, text in files.items()}
        self._entries = tuple(
            Entry(path, hashlib.sha1(data).hexdigest(), FILE_MODE)
            for path, data in sorted(self._files.items())
        )

    def entries(self) -> Sequence[Entry]:
        return self._entries

    def read(self, entry: Entry) -> bytes:
        return self._files[entry.path]


class Counting:
    """The programs, and how often they ran."""

    def __init__(self, programs: ProgramRenderer) -> None:
        self._programs = programs
        self.renders = 0

    def render(self, request: Request) -> Rendered | object:
        self.renders += 1
        return self._programs.render(request)

    def identity(self, request: Request) -> str:
        return self._programs.identity(request)


class Bench:
    """Renders through a cache of its own, and counts."""

    def __init__(self, tools: Tools, folder: Path) -> None:
        self.programs = ProgramRenderer(tools, find_walls())
        self.counting = Counting(self.programs)
        self.means = Means(Cached(self.counting, folder), workers=workers_here())  # type: ignore[arg-type]

    def survey(self, files: Mapping[str, str]) -> Estate:
        known = Known("deploy", Memory(files), (URL,), ("main",))
        return survey([Land(known)], UnitSettings(), self.means)


def chart() -> dict[str, str]:
    return {
        "charts/app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\n",
        "charts/app/values.yaml": "tag: 1.0.0\nresources: {}\n",
        "charts/app/templates/app.yaml": DEPLOYMENT,
    }


def everything(units: int) -> dict[str, str]:
    files = chart() | {"values/all.yaml": "resources: {limits: {memory: 2Gi}}\n"}
    files |= {"base/kustomization.yaml": "resources: [base.yaml]\n", "base/base.yaml": BASE}
    for number in range(1, units + 1):
        files[f"apps/app-{number}.yaml"] = APPLICATION.format(
            number=number, helm=IN_FILES.format(number=number)
        )
        files[f"values/app-{number}.yaml"] = VALUES.format(number=number)
        files[f"overlays/{number}/kustomization.yaml"] = OVERLAY.format(number=number)
        files[f"overlays/{number}/more.yaml"] = PATCH.format(number=number)
    return files


def in_one_file(units: int) -> dict[str, str]:
    apps = (
        APPLICATION.format(number=number, helm=INLINE.format(number=number)) for number in range(1, units + 1)
    )
    return chart() | {"apps/all.yaml": "---\n".join(apps)}


# -- measuring ------------------------------------------------------------------------------------


class Took(NamedTuple):
    seconds: float
    renders: int


class Watch:
    """How long something took, and how many renders."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._start, self._before = time.perf_counter(), bench.counting.renders

    def read(self) -> Took:
        return Took(time.perf_counter() - self._start, self._bench.counting.renders - self._before)


def slots(estate: Estate, field: Field, head: str) -> list[Slot]:
    (discovery,) = estate.discoveries.values()
    found = [
        container.slot(field)
        for workload in discovery.workloads
        for container in workload.containers
        if workload.namespace.startswith(head)
    ]
    return sorted(found, key=lambda slot: slot.consumers)


class Obvious(NamedTuple):
    """Seconds of one render, one after another."""

    helm: float
    kustomize: float


def one_after_another(bench: Bench, estate: Estate) -> Obvious:
    """The obvious: every unit rendered once."""
    took: dict[bool, list[float]] = {True: [], False: []}
    for look in estate.looks:
        request = look.unit.request
        assert request is not None
        start = time.perf_counter()
        assert isinstance(bench.programs.render(request), Rendered)
        took[isinstance(request, HelmRequest)].append(time.perf_counter() - start)
    return Obvious(*(sum(each) / len(each) for each in (took[True], took[False])))


def changed(bench: Bench, estate: Estate, groups: Sequence[Sequence[NewValue]], refused: int = 0) -> Took:
    watch = Watch(bench)
    made, not_made = change(estate, groups)
    took = watch.read()
    assert len(not_made) == refused, not_made
    assert made.files
    return took


class Told:
    """Prints each ratio beside its bound, and remembers whether one was passed."""

    def __init__(self) -> None:
        self.failed = False

    def __call__(self, words: str, ratio: float, most: float, than: str) -> None:
        verdict = "" if ratio <= most else "  TOO MUCH"
        self.failed |= ratio > most
        print(f"  {words} = {ratio:.2f} {than} (at most {most:.2f}){verdict}")


def scans(bench: Bench, units: int, tell: Told) -> tuple[Estate, Obvious]:
    files = everything(units)
    watch = Watch(bench)
    estate = bench.survey(files)
    cold = watch.read()
    assert len(estate.looks) == 2 * units, len(estate.looks)
    each = one_after_another(bench, estate)
    obvious = units * sum(each)
    watch = Watch(bench)
    bench.survey(files)
    warm = watch.read()
    print(
        f"{units} Applications and {units} overlays; each rendered once, one after another: {obvious:.1f} s"
    )
    tell(f"first scan: {cold.renders} renders", cold.renders / len(estate.looks), MOST_RENDERS, "a unit")
    tell(f"first scan {cold.seconds:.1f} s", cold.seconds / obvious, MOST_COLD, "of it")
    tell(f"second scan: {warm.renders} renders", warm.renders, 0.0, "in all")
    tell(f"second scan {warm.seconds:.1f} s", warm.seconds / cold.seconds, MOST_WARM, "of the first")
    return estate, each


def proofs(bench: Bench, estate: Estate, each: Obvious, tell: Told) -> None:
    """Two groups an Application: its request and its image. Then two that want something else."""
    cpu, image = (slots(estate, field, "team-") for field in (Field.CPU_REQUEST, Field.IMAGE))
    groups = [[NewValue(slot, "300m")] for slot in cpu]
    groups += [[NewValue(slot, f"{(slot.value or '').rpartition(':')[0]}:2.0.0")] for slot in image]
    took = changed(bench, estate, groups)
    units = len(cpu)
    print(f"{len(groups)} changes in {units} Applications: {took.seconds:.1f} s")
    tell(f"{took.renders} renders", took.renders / units, 1.0, "a unit")
    tell("proving them", took.seconds / (units * each.helm), MOST_PROOF, "of rendering each unit once")
    odd = [*groups, [NewValue(cpu[1], "1")], [NewValue(cpu[-1], "2")]]
    again = changed(bench, estate, groups)
    worse = changed(bench, estate, odd, refused=2)
    words = f"with two that can't be: {worse.renders} renders, {worse.seconds - again.seconds:.1f} s more"
    tell(words, (worse.seconds - again.seconds) / (units * each.helm), MOST_BLAME, "of it")
    overlays = [[NewValue(slot, "400m")] for slot in slots(estate, Field.CPU_REQUEST, "over-")]
    took = changed(bench, estate, overlays)
    print(f"{len(overlays)} changes in as many overlays: {took.seconds:.1f} s")
    tell(f"{took.renders} renders", took.renders / len(overlays), 1.0, "a unit")
    tell(
        "proving them",
        took.seconds / (len(overlays) * each.kustomize),
        MOST_PROOF,
        "of rendering each unit once",
    )
    half = [[NewValue(group[0].slot, "500m")] for group in groups[: units // 2]]
    whole = [[NewValue(group[0].slot, "500m")] for group in groups[:units]]
    changed(bench, estate, whole)  # rendered, so that only this program's own time is left
    changed(bench, estate, half)
    twice(bench, estate, half, whole, tell)


def twice(
    bench: Bench,
    estate: Estate,
    half: Sequence[Sequence[NewValue]],
    whole: Sequence[Sequence[NewValue]],
    tell: Told,
) -> None:
    one = min(changed(bench, estate, half).seconds for _ in range(2))
    two = min(changed(bench, estate, whole).seconds for _ in range(2))
    tell(f"{len(whole)} changes {two:.2f} s, all rendered before,", two / one, MOST_TWICE, "of half as many")


def inline(bench: Bench, units: int, each: Obvious, tell: Told) -> None:
    """One file: every edit is one of it, and every Application is defined in it."""
    estate = bench.survey(in_one_file(units))
    groups = [[NewValue(slot, "300m")] for slot in slots(estate, Field.CPU_REQUEST, "team-")]
    took = changed(bench, estate, groups)
    print(f"{units} changes in Applications of one file: {took.seconds:.1f} s")
    tell(f"{took.renders} renders", took.renders / units, 1.0, "a unit")
    tell("proving them", took.seconds / (units * each.helm), MOST_PROOF, "of rendering each unit once")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=100)
    units = parser.parse_args().units
    tools = find_tools(f"{os.environ['PATH']}{os.pathsep}{FETCHED}")
    if isinstance(tools.helm, Missing) or isinstance(tools.kustomize, Missing):
        print("helm or kubectl is missing: nothing is measured")
        return 0
    tell = Told()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(tools, Path(folder))
        estate, each = scans(bench, units, tell)
        proofs(bench, estate, each, tell)
        inline(bench, units, each, tell)
    return int(tell.failed)


if __name__ == "__main__":
    sys.exit(main())
