"""Generated charts: a traced edit changes exactly the intended field, and an untraceable one nothing."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traced_charts import Counting, program

from reconciler.model import Field, NewValue, Place, Refused
from reconciler.source.render import HelmRequest
from reconciler.source.tracing.edits import edit
from reconciler.source.tracing.helm import trace
from reconciler.source.tracing.proof import same_value
from reconciler.source.tracing.rendered import Render, RenderedContainer
from reconciler.source.units import Layer, Unit
from reconciler.source.yamledit.values import read_values

# How a component takes its resources; with what the chart then holds for it. `{c}` is the component.
SHAPES: Final = {
    "given": ("{{- toYaml .Values.{c}.resources | nindent 12 }}", "resources: {requests: {cpu: 100m}}"),
    "or": ("{{- toYaml (or .Values.{c}.resources .Values.fallback) | nindent 12 }}", "resources: {}"),
    "read": ("{{- toYaml (.Values.{c}.resources | default dict) | nindent 12 }}", "replicas: 1"),
    "own": ("{requests: {cpu: {{ .Values.{c}.cpu | quote }}}}", "cpu: 150m"),
    "unit": ("{requests: {cpu: {{ .Values.{c}.millis }}m}}", "millis: 120"),
    "both": ("{requests: {cpu: {{ .Values.{c}.cpu }}}, limits: {cpu: {{ .Values.{c}.cpu }}}}", "cpu: 150m"),
    "twice": ("{requests: {cpu: {{ mul .Values.{c}.cpuMillis 2 }}m}}", "cpuMillis: 120"),
    "fixed": ("{requests: {cpu: 90m}}", "replicas: 1"),
    "shared": ("{{- toYaml .Values.everyone | nindent 12 }}", "replicas: 1"),
}
COMMON: Final = (
    "fallback: {requests: {memory: 64Mi}, limits: {memory: 1Gi}}\neveryone: {requests: {cpu: 70m}}\n"
)
COMPONENTS: Final = ("api", "web-2", "job")
NAMES: Final = {"api": "api", "web-2": "web2", "job": "job"}

overlays = st.dictionaries(
    st.sampled_from(COMPONENTS),
    st.sampled_from(["resources: {limits: {memory: 2Gi}}", "replicas: 2", "cpu: 180m", "millis: 200", "{}"]),
    max_size=3,
)


def template(shapes: dict[str, str]) -> str:
    documents = []
    for component, shape in shapes.items():
        resources = SHAPES[shape][0].replace("{c}", NAMES[component])
        documents.append(
            f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {component}}}
spec:
  template:
    spec:
      containers:
        - name: {component}
          image: "shop/{component}:1.2.3"
          resources: {resources}
"""
        )
    return "---\n".join(documents)


def unit(shapes: dict[str, str], overlay: dict[str, str]) -> Unit:
    values = COMMON + "".join(f"{NAMES[one]}:\n  {SHAPES[shape][1]}\n" for one, shape in shapes.items())
    own = "".join(
        f"{NAMES[one]}:\n  {text}\n" if text != "{}" else f"{NAMES[one]}: {{}}\n"
        for one, text in overlay.items()
    )
    files = {
        "Chart.yaml": b"apiVersion: v2\nname: web\nversion: 0.1.0\n",
        "values.yaml": values.encode(),
        "templates/all.yaml": template(shapes).encode(),
    }
    layers = (
        Layer(Place("deploy", "chart/values.yaml", 0, ()), False, values.encode(), shared=True),
        Layer(Place("deploy", "values-prod.yaml", 0, ()), False, own.encode()),
    )
    request = HelmRequest(files, (own.encode(),), (), "web", "shop")
    return Unit("web", "deploy", "chart", 1, "", "shop", request, layers)


@pytest.fixture(scope="module")
def renderer() -> Counting:
    return Counting(program())


def values_of(containers: tuple[RenderedContainer, ...]) -> dict[tuple[str, Any], str | None]:
    return {(one.ref.container, way): text for one in containers for way, text in everything(one).items()}


def everything(one: RenderedContainer) -> dict[Any, str | None]:
    return {Field.IMAGE: one.values[Field.IMAGE], **one.resources}


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    shapes=st.fixed_dictionaries({one: st.sampled_from(sorted(SHAPES)) for one in COMPONENTS}),
    overlay=overlays,
    component=st.sampled_from(COMPONENTS),
    field=st.sampled_from([Field.CPU_REQUEST, Field.MEMORY_REQUEST, Field.MEMORY_LIMIT]),
    digits=st.integers(300, 900),
)
def test_a_traced_edit_changes_what_was_meant_and_nothing_else(
    renderer: Counting,
    shapes: dict[str, str],
    overlay: dict[str, str],
    component: str,
    field: Field,
    digits: int,
) -> None:
    where = unit(shapes, overlay)
    found = trace(where, renderer)
    if found.refused is not None:
        return  # an overlay that the chart itself can't take
    slot = next(one for one in found.containers if one.ref.container == component).slot(field)
    new = f"{digits}{'m' if field.resource == 'cpu' else 'Mi'}"
    done = edit(found, [NewValue(slot, new)], renderer)
    if slot.refused is not None or isinstance(done, Refused):
        assert isinstance(done, Refused)
        return
    (changed,) = [change for _, change in done.files]
    assert changed.path == "values-prod.yaml"
    assert isinstance(read_values(changed.after.decode()), dict)
    assert where.request is not None
    assert found.plain is not None
    answer = renderer.render(where.request._replace(values=(changed.after,)))
    assert not isinstance(answer, Refused)
    before = values_of(Render(found.plain.text).containers())
    after = values_of(Render(answer.text).containers())
    way = tuple(field.value.split("."))
    meant = {(ref.container, way) for ref in slot.consumers}
    assert all(same_value(field, str(after[key]), new) for key in meant)
    assert {key: text for key, text in after.items() if key not in meant} == {
        key: text for key, text in before.items() if key not in meant
    }


@pytest.mark.parametrize(
    ("shape", "reason"),
    [("both", "side-effect"), ("twice", "computed"), ("fixed", "not-traced"), ("shared", None), ("or", None)],
)
def test_the_shapes_are_what_they_are_meant_to_be(renderer: Counting, shape: str, reason: str | None) -> None:
    found = trace(unit(dict.fromkeys(COMPONENTS, shape), {}), renderer)
    slot = found.containers[0].slot(Field.CPU_REQUEST)
    done = edit(found, [NewValue(slot, "333m")], renderer)
    assert (done.reason.value if isinstance(done, Refused) else None) == reason
    assert len(slot.consumers) == (3 if shape == "shared" else 1)
