"""Tracing a chart of 20 components, against one render for every value that may lead somewhere.

Run as `python benchmarks/tracing.py`. Exits 1 when it isn't at least ten times faster, needs more than
four renders, or finds less.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from reconciler.model import FIELDS, Place, Refused
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.tools import Missing, Tools, find_tools
from reconciler.rendering.walls import NO_WALLS
from reconciler.source.render import HelmRequest
from reconciler.source.tracing.candidates import set_candidates
from reconciler.source.tracing.charts import charts, defaults
from reconciler.source.tracing.helm import trace
from reconciler.source.tracing.rendered import Render
from reconciler.source.tracing.rounds import wanted
from reconciler.source.tracing.sentinels import Sentinels
from reconciler.source.units import Layer, Unit

BOUND = 10
MOST_RENDERS = 4
COMPONENTS = 20
FETCHED = Path(__file__).parents[1] / ".venv" / "tools"

TEMPLATE = """\
{{- range $name, $one := .Values.components }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ $name }}}
spec:
  template:
    spec:
      containers:
        - name: {{ $name }}
          image: "{{ $one.image.repository }}:{{ $one.image.tag }}"
          resources: {{- toYaml $one.resources | nindent 12 }}
{{- end }}
"""
COMPONENT = """\
  c{0}:
    image: {{repository: shop/c{0}, tag: 1.{0}.0}}
    resources: {{requests: {{cpu: 1{0}m, memory: 1{0}Mi}}, limits: {{memory: 2{0}Mi}}}}
"""


def helm() -> ProgramRenderer:
    named = [os.environ.get("RECONCILE_HELM"), shutil.which("helm"), *sorted(FETCHED.glob("v*/helm"))[::-1]]
    for path in filter(None, named):
        tools = find_tools("", {"helm": Path(path)})
        if not isinstance(tools.helm, Missing):
            return ProgramRenderer(Tools(tools.helm, Missing("kustomize", "not needed")), NO_WALLS)
    raise SystemExit("no helm here: install it, or name it in $RECONCILE_HELM")


def unit() -> Unit:
    values = ("components:\n" + "".join(COMPONENT.format(at) for at in range(10, 10 + COMPONENTS))).encode()
    chart = {
        "Chart.yaml": b"apiVersion: v2\nname: web\nversion: 0.1.0\n",
        "values.yaml": values,
        "templates/all.yaml": TEMPLATE.encode(),
    }
    layer = Layer(Place("", "values.yaml", 0, ()), False, values, shared=True)
    return Unit("web", "", "web", 1, "", "shop", HelmRequest(chart, (), (), "web", "shop"), (layer,))


def one_at_a_time(where: Unit, renderer: ProgramRenderer) -> tuple[int, int]:
    """Fields found, and renders needed, when every candidate gets a render of its own."""
    assert isinstance(where.request, HelmRequest)
    values = defaults(charts(where.request.chart))
    plain = read(renderer, where.request)
    candidates = set_candidates(values, wanted(plain.containers(), ()))
    found = 0
    for candidate in candidates:
        sentinels = Sentinels([candidate])
        render = read(renderer, sentinels.request(where.request, values))
        found += sum(
            bool(text and sentinels.seen(text, (candidate.kind,)))
            for one in render.containers()
            for text in one.values.values()
        )
    return found, len(candidates) + 1


def read(renderer: ProgramRenderer, request: HelmRequest) -> Render:
    answer = renderer.render(request)
    if isinstance(answer, Refused):
        raise SystemExit(answer.detail)
    return Render(answer.text, "", "shop")


def main() -> None:
    renderer, where = helm(), unit()
    begun = time.perf_counter()
    traced = trace(where, renderer)
    ours = time.perf_counter() - begun
    fields = sum(slot.refused is None for one in traced.containers for slot in one.slots)
    begun = time.perf_counter()
    theirs_found, theirs_renders = one_at_a_time(where, renderer)
    theirs = time.perf_counter() - begun
    print(f"all sentinels at once: {fields} fields of {len(traced.containers)} containers,", end=" ")
    print(f"{traced.renders} renders, {ours:.2f} s")
    print(f"one at a time:         {theirs_found} fields, {theirs_renders} renders, {theirs:.2f} s")
    print(f"{theirs / ours:.0f} times faster (at least {BOUND} are promised)")
    complete = fields == COMPONENTS * len(FIELDS) == theirs_found
    if theirs / ours < BOUND or traced.renders > MOST_RENDERS or not complete:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
