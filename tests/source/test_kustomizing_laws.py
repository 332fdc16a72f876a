"""The law of tracing, on generated overlays: what is traced changes exactly what was meant, and what
can't be traced changes nothing.

Held against plain renders that no part of the tracer has looked at.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kustomizing_world import Remembering, kubectl_renderer, unit

from reconciler.model import FIELDS, Field, NewValue, Refused
from reconciler.source.kustomizing import edit, trace
from reconciler.source.render import KustomizeRequest, Rendered
from reconciler.source.tracing.rendered import WAYS, get
from reconciler.source.yamledit.values import parts, read_values

NEW = {
    Field.CPU_REQUEST: "37m",
    Field.MEMORY_REQUEST: "37Mi",
    Field.CPU_LIMIT: "37",
    Field.MEMORY_LIMIT: "37Gi",
}
AMOUNTS = st.dictionaries(
    st.sampled_from(["requests", "limits"]),
    st.fixed_dictionaries({}, optional={"cpu": st.just("100m"), "memory": st.just("128Mi")}),
    max_size=2,
)
NAMES = ("app", "side", "log")


@pytest.fixture(scope="module")
def renderer() -> Remembering:
    return Remembering(kubectl_renderer())


def container(name: str, image: str, amounts: dict[str, dict[str, str]], indent: str) -> str:
    lines = [f"- name: {name}"]
    lines += [f"  image: {image}"] if image else []
    lines += [f"  resources: {flow(amounts)}"] if amounts or not image else []
    return "".join(f"{indent}{line}\n" for line in lines)


def flow(amounts: dict[str, dict[str, str]]) -> str:
    inner = (
        f"{key}: {{{', '.join(f'{k}: {v}' for k, v in below.items())}}}" for key, below in amounts.items()
    )
    return "{" + ", ".join(inner) + "}"


def deployment(name: str, containers: str) -> str:
    return (
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n"
        f"spec:\n  template:\n    spec:\n      containers:\n{containers}"
    )


@st.composite
def overlays(draw: st.DrawFn) -> dict[str, str]:
    """A base with one to three containers, and an overlay with any of the ways to change them."""
    names = NAMES[: draw(st.integers(1, 3))]
    tags = {name: draw(st.sampled_from(["", ":1.2.3", ":latest"])) for name in names}
    body = "".join(container(one, f"img-{one}{tags[one]}", draw(AMOUNTS), "        ") for one in names)
    top = [draw(st.sampled_from(["", "namePrefix: x-\n", "namespace: ns\n"])), "resources:\n- ../base\n"]
    files = {"base/kustomization.yaml": "resources:\n- web.yaml\n", "base/web.yaml": deployment("web", body)}
    patched = draw(st.sampled_from([None, *names]))
    if patched is not None:
        patch = deployment("web", container(patched, "", draw(AMOUNTS), "        "))
        if draw(st.booleans()):
            files["over/patch.yaml"] = patch
            top.append("patches:\n- path: patch.yaml\n")
        else:
            top.append("patches:\n- patch: |-\n" + "".join(f"    {line}\n" for line in patch.splitlines()))
    if draw(st.booleans()):
        top.append(f"images:\n- name: img-{draw(st.sampled_from(names))}\n  newTag: '9.8'\n")
    draw(st.randoms(use_true_random=False)).shuffle(top)
    return files | {"over/kustomization.yaml": "".join(top)}


def shown(renderer: Remembering, files: dict[str, bytes]) -> list[Any]:
    answer = renderer.render(KustomizeRequest(files, "over"))
    assert isinstance(answer, Rendered)
    return [read_values(text) for text in parts(answer.text)]


def with_value(documents: list[Any], name: str, field: Field, new: str) -> list[Any]:
    """What the render must be: the old one with one value set, worked out on plain values."""
    (found,) = documents
    (one,) = (each for each in found["spec"]["template"]["spec"]["containers"] if each["name"] == name)
    *way, last = WAYS[field]
    for key in way:
        one = one.setdefault(key, {})
    one[last] = read_values(new)
    assert get(found, ("kind",)) == "Deployment"
    return documents


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    files=overlays(),
    at=st.integers(0, 2),
    field=st.sampled_from(list(FIELDS)),
    overlay=st.booleans(),
)
def test_an_edit_changes_exactly_what_was_meant(
    renderer: Remembering, files: dict[str, str], at: int, field: Field, overlay: bool
) -> None:
    before = unit(files, "over")
    traced = trace(before, renderer)
    assert traced.refused is None
    one = traced.containers[at % len(traced.containers)]
    slot = one.slot(field)
    new = NEW.get(field) or f"{(slot.value or '').partition(':')[0]}:7.7.7"
    outcome = edit(before, traced, [NewValue(slot, new)], renderer, overlay=overlay)
    data = {path: text.encode() for path, text in files.items()}
    meant = with_value(shown(renderer, data), one.ref.container, field, new)
    if isinstance(outcome, Refused):
        assert slot.refused is not None, outcome
        return
    after = data | {each.change.path: each.change.after for each in outcome.files}
    assert shown(renderer, after) == meant
    assert all(data.get(each.change.path, b"") == each.change.before for each in outcome.files)


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(files=overlays())
def test_what_is_traced_names_the_text_in_force(renderer: Remembering, files: dict[str, str]) -> None:
    """The line that a slot names holds its value; a whole reference may be put together of two."""
    for one in trace(unit(files, "over"), renderer).containers:
        for slot in one.slots:
            assert slot.refused is None
            line = files[slot.place.path].splitlines()[slot.line - 1]
            if slot.value is not None:
                assert slot.value.rpartition(":")[2] in line
