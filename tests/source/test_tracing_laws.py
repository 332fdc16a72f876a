"""Generated charts: a traced edit changes exactly the intended field, and an untraceable one nothing."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traced_charts import Counting, program

from reconciler.model import Container, Field, FileChange, NewValue, Place, Refused
from reconciler.source.render import HelmRequest
from reconciler.source.tracing import images
from reconciler.source.tracing.edits import Edited, edit
from reconciler.source.tracing.helm import Traced, trace
from reconciler.source.tracing.proof import same_value
from reconciler.source.tracing.rendered import Render, RenderedContainer
from reconciler.source.units import Layer, Unit
from reconciler.source.yamledit.values import read_values

# How a component takes its resources; with what the chart then holds for it. `{v}` are its values.
SHAPES: Final = {
    "given": ("{{- toYaml {v}.resources | nindent 12 }}", "resources: {requests: {cpu: 100m}}"),
    "with": ("{{- with {v}.resources }}{{ toYaml . | nindent 12 }}{{ end }}", "resources: {}"),
    "or": ("{{- toYaml (or {v}.resources {g}.fallback) | nindent 12 }}", "resources: {}"),
    "read": ("{{- toYaml ({v}.resources | default dict) | nindent 12 }}", "replicas: 1"),
    "shadow": ("{{- toYaml ({g}.over | default {v}.resources) | nindent 12 }}", "resources: {}"),
    "filled in": (
        "{{- tpl (toYaml {v}.resources) $ | nindent 12 }}",
        "resources: {requests: {cpu: '{{ \"110m\" }}'}}",
    ),
    "preset": (
        "{{- if {v}.resources }}{{ toYaml {v}.resources | nindent 12 }}"
        "{{ else }} {requests: {cpu: 50m, memory: 32Mi}, limits: {memory: 64Mi}}{{ end }}",
        "resources: {}",
    ),
    "own": (" {requests: {cpu: {{ {v}.cpu | quote }}}}", "cpu: 150m"),
    "unit": (" {requests: {cpu: {{ {v}.millis }}m}}", "millis: 120"),
    "both": (" {requests: {cpu: {{ {v}.cpu }}}, limits: {cpu: {{ {v}.cpu }}}}", "cpu: 150m"),
    "twice": (" {requests: {cpu: {{ mul {v}.cpuMillis 2 }}m}}", "cpuMillis: 120"),
    "fixed": (" {requests: {cpu: 90m}}", "replicas: 1"),
    "shared": ("{{- toYaml {g}.everyone | nindent 12 }}", "replicas: 1"),
}
# Where its template stands: what leads to its values there, to those of all, and what goes around it.
HOMES: Final = {
    "chart": (".Values.{c}", ".Values.global", "", ""),
    "subchart": (".Values", ".Values.global", "", ""),
    "range": ("$one", "$.Values.global", '{{- range $key, $one := pick .Values "{c}" }}\n', "{{- end }}\n"),
}
TAGS: Final = {
    "literal": "1.2.3",
    "own": "{{ {v}.tag }}",
    "common": "{{ {g}.tag }}",
    "slim": "{{ {g}.tag }}-slim",
}
COMMON: Final = """\
global:
  fallback: {requests: {memory: 64Mi}, limits: {memory: 1Gi}}
  everyone: {requests: {cpu: 70m}}
  tag: 1.4.2
"""
COMPONENTS: Final = ("api", "web-2", "job")
NAMES: Final = {"api": "api", "web-2": "web2", "job": "job"}

Build = tuple[str, str, str]  # of one component: its shape, its home, and where its tag is from

builds = st.tuples(
    st.sampled_from(sorted(SHAPES)), st.sampled_from(sorted(HOMES)), st.sampled_from(sorted(TAGS))
)
overlays = st.dictionaries(
    st.sampled_from(COMPONENTS),
    st.sampled_from(["resources: {limits: {memory: 2Gi}}", "replicas: 2", "cpu: 180m", "millis: 200", "{}"]),
    max_size=3,
)


def template(component: str, build: Build) -> str:
    shape, home, tag = build
    values, common, before, after = HOMES[home]
    text = (
        before
        + f"""\
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {component}}}
spec:
  template:
    spec:
      containers:
        - name: {component}
          image: "shop/{component}:{TAGS[tag]}"
          resources: {SHAPES[shape][0].lstrip()}
"""
        + after
    )
    return text.replace("{v}", values).replace("{g}", common).replace("{c}", NAMES[component])


def unit(build: dict[str, Build], overlay: dict[str, str]) -> Unit:
    values = COMMON + "".join(
        f"{NAMES[one]}:\n  {SHAPES[shape][1]}\n  tag: 1.3.0\n" for one, (shape, _, _) in build.items()
    )
    own = "".join(
        f"{NAMES[one]}:\n  {text}\n" if text != "{}" else f"{NAMES[one]}: {{}}\n"
        for one, text in overlay.items()
    )
    below = [NAMES[one] for one, (_, home, _) in build.items() if home == "subchart"]
    listed = "".join(f"  - {{name: {name}, version: 0.1.0}}\n" for name in below)
    about = "apiVersion: v2\nname: web\nversion: 0.1.0\n" + (f"dependencies:\n{listed}" if below else "")
    files = {"Chart.yaml": about.encode(), "values.yaml": values.encode()}
    for one, each in build.items():
        folder = f"charts/{NAMES[one]}/" if each[1] == "subchart" else ""
        files[f"{folder}templates/{one}.yaml"] = template(one, each).encode()
    for name in below:
        files[f"charts/{name}/Chart.yaml"] = f"apiVersion: v2\nname: {name}\nversion: 0.1.0\n".encode()
    layers = (
        Layer(Place("deploy", "chart/values.yaml", 0, ()), False, values.encode(), shared=True),
        Layer(Place("deploy", "values-prod.yaml", 0, ()), False, own.encode()),
    )
    request = HelmRequest(files, (own.encode(),), (), "web", "shop")
    return Unit("web", "deploy", "chart", 1, "", "shop", request, layers)


@pytest.fixture(scope="module")
def renderer() -> Counting:
    return Counting(program())


def values_of(text: str) -> dict[tuple[str, Any], str | None]:
    found = Render(text).containers()
    return {(one.ref.container, way): value for one in found for way, value in everything(one).items()}


def everything(one: RenderedContainer) -> dict[Any, str | None]:
    return {("image",): one.values[Field.IMAGE], **one.resources}


def container(found: Traced, name: str) -> Container:
    return next(one for one in found.containers if one.ref.container == name)


def renewed(field: Field, value: str | None, digits: int) -> str:
    if field is Field.IMAGE:
        name, tag, _ = images.parts(value or "")
        return f"{name}:1.9.{digits}" + ("-slim" if tag.endswith("-slim") else "")
    return f"{digits}{'m' if field.resource == 'cpu' else 'Mi'}"


def check(renderer: Counting, found: Traced, wish: NewValue, change: FileChange) -> None:
    """The law, by rendering: every consumer has what was wished, and nothing else is another."""
    field = wish.slot.field
    assert change.path == "values-prod.yaml"
    assert isinstance(read_values(change.after.decode()), dict)
    assert found.plain is not None
    assert isinstance(found.unit.request, HelmRequest)
    answer = renderer.render(found.unit.request._replace(values=(change.after,)))
    assert not isinstance(answer, Refused)
    before, after = values_of(found.plain.text), values_of(answer.text)
    way = ("image",) if field is Field.IMAGE else tuple(field.value.split("."))
    meant = {(ref.container, way) for ref in wish.slot.consumers}
    for key in meant:
        if field is Field.IMAGE:
            digits = wish.new.rpartition(":")[2].removesuffix("-slim")
            assert after[key] == renewed(field, before[key], int(digits.rpartition(".")[2]))
        else:
            assert same_value(field, str(after[key]), wish.new)
    assert {key: text for key, text in after.items() if key not in meant} == {
        key: text for key, text in before.items() if key not in meant
    }


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    build=st.fixed_dictionaries(dict.fromkeys(COMPONENTS, builds)),
    overlay=overlays,
    component=st.sampled_from(COMPONENTS),
    field=st.sampled_from([Field.CPU_REQUEST, Field.MEMORY_REQUEST, Field.MEMORY_LIMIT, Field.IMAGE]),
    digits=st.integers(300, 900),
)
def test_a_traced_edit_changes_what_was_meant_and_nothing_else(
    renderer: Counting,
    build: dict[str, Build],
    overlay: dict[str, str],
    component: str,
    field: Field,
    digits: int,
) -> None:
    found = trace(unit(build, overlay), renderer)
    if found.refused is not None:
        return  # an overlay that the chart itself can't take
    slot = container(found, component).slot(field)
    wish = NewValue(slot, renewed(field, slot.value, digits))
    done = edit(found, [wish], renderer)
    if isinstance(done, Edited):
        assert slot.refused is None
        (change,) = [change for _, change in done.files]
        check(renderer, found, wish, change)


# What becomes of a request in each shape; a law that everything may be refused under says little.
OUTCOMES: Final = {
    **dict.fromkeys(SHAPES, None),
    "both": "side-effect",
    "twice": "computed",
    "fixed": "not-traced",
}


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_shapes_are_what_they_are_meant_to_be(renderer: Counting, shape: str, home: str) -> None:
    build: dict[str, Build] = dict.fromkeys(COMPONENTS, (shape, home, "own"))
    found = trace(unit(build, {}), renderer)
    slot = container(found, "api").slot(Field.CPU_REQUEST)
    wish = NewValue(slot, "333m")
    done = edit(found, [wish], renderer)
    assert (done.reason.value if isinstance(done, Refused) else None) == OUTCOMES[shape]
    assert len(slot.consumers) == (3 if shape == "shared" else 1)
    if isinstance(done, Edited):
        check(renderer, found, wish, done.files[0][1])


@pytest.mark.parametrize("home", HOMES)
def test_a_tag_of_several_images(renderer: Counting, home: str) -> None:
    tags = dict(zip(COMPONENTS, ("common", "slim", "own"), strict=True))
    found = trace(unit({one: ("given", home, tag) for one, tag in tags.items()}, {}), renderer)
    slot = container(found, "web-2").slot(Field.IMAGE)
    wish = NewValue(slot, "shop/web-2:1.9.300-slim")
    done = edit(found, [wish], renderer)
    assert isinstance(done, Edited)
    assert {ref.container for ref in slot.consumers} == {"api", "web-2"}
    check(renderer, found, wish, done.files[0][1])


def test_the_law_can_fail(renderer: Counting) -> None:
    """An edit that does more, less or something else than was meant does not pass the check."""
    build: dict[str, Build] = dict.fromkeys(COMPONENTS, ("given", "chart", "own"))
    found = trace(unit(build, {}), renderer)
    wish = NewValue(container(found, "api").slot(Field.CPU_REQUEST), "333m")
    done = edit(found, [wish], renderer)
    assert isinstance(done, Edited)
    ((_, change),) = done.files
    check(renderer, found, wish, change)
    for wrong in (
        change.before,
        change.after.replace(b"333m", b"334m"),
        change.after + b"job: {resources: {requests: {cpu: 1m}}}\n",
        change.after.replace(b"cpu: 333m", b"memory: 1Gi"),
        change.after + b"web2: {tag: 1.0.0}\n",
    ):
        with pytest.raises(AssertionError):
            check(renderer, found, wish, change._replace(after=wrong))
