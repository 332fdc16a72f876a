"""The law of changes, over whole generated repositories: what is accepted changes exactly the fields that
were meant, in every unit; what is refused changes no byte.

Held against units that are found anew and rendered by helm and kubectl, on plain values: nothing of what
judges a change has a say here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rendered_repositories import PINNED, World, worlds
from rendered_world import put_tools_on_path

from reconciler.model import ContainerRef, Field, NewValue, Refused, Slot
from reconciler.quantity import parse_cpu, parse_memory
from reconciler.rendering.cache import request_digest
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.tools import find_tools
from reconciler.rendering.walls import NO_WALLS
from reconciler.source.changing import change
from reconciler.source.estate import Estate
from reconciler.source.finding import find_units
from reconciler.source.inputs import inputs
from reconciler.source.render import Rendered, Request

LAW = settings(
    max_examples=14,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


class Remembering:
    """helm and kubectl, each asked once for the same."""

    def __init__(self, programs: ProgramRenderer) -> None:
        self._programs = programs
        self._known: dict[str, Rendered | Refused] = {}
        self.renders = 0

    def render(self, request: Request) -> Rendered | Refused:
        name = request_digest(request, "")
        if name not in self._known:
            self.renders += 1
            self._known[name] = self._programs.render(request)
        return self._known[name]


def programs() -> Iterator[Remembering]:
    with pytest.MonkeyPatch.context() as patch:
        put_tools_on_path(patch)
        yield Remembering(ProgramRenderer(find_tools(), NO_WALLS))


renderer = pytest.fixture(scope="module")(programs)

# -- what is really rendered ----------------------------------------------------------------------

Leaf = tuple[str, ...]
Leaves = dict[Leaf, str]


def rendered(world: World, renderer: Remembering) -> dict[tuple[str, ...], Leaves | None]:
    """All that each unit renders, leaf by leaf; None where it can't be rendered."""
    found: dict[tuple[str, ...], Leaves | None] = {}
    known = world.known()
    for unit in find_units(known, world.settings, renderer).units:
        name = (unit.name, unit.cluster, unit.namespace)
        assert name not in found
        if unit.request is not None:
            answer = renderer.render(unit.request)
            text = answer.text if isinstance(answer, Rendered) else None
        else:
            texts = world.files.get(unit.source, {})
            text = "\n---\n".join(texts[path] for path in unit.manifests)
        found[name] = None if text is None else dict(leaves_of(text, unit.cluster, unit.namespace))
    return found


def leaves_of(text: str, cluster: str, namespace: str) -> Iterator[tuple[Leaf, str]]:
    for document in yaml.load_all(text, Loader=yaml.BaseLoader):
        if document:
            about = document["metadata"]
            head = (cluster, about.get("namespace", namespace), document["kind"], about["name"])
            yield from _leaves(document, head)


def _leaves(value: Any, path: Leaf) -> Iterator[tuple[Leaf, str]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _leaves(below, (*path, key))
    elif isinstance(value, list):
        named = all(isinstance(one, dict) and "name" in one for one in value)
        for at, below in enumerate(value):
            yield from _leaves(below, (*path, f"[{below['name'] if named else at}]"))
    elif value not in ("", "null"):
        yield path, value


def leaf(ref: ContainerRef, field: Field) -> Leaf:
    way = ("image",) if field is Field.IMAGE else ("resources", *field.value.split("."))
    return (*ref[:4], "spec", "template", "spec", "containers", f"[{ref.container}]", *way)


def same(field: Field, one: str | None, other: str | None) -> bool:
    if field is Field.IMAGE or one is None or other is None:
        return one == other
    parse = parse_cpu if field.resource == "cpu" else parse_memory
    return parse(one) == parse(other)


def followed(old: str | None, value: NewValue) -> str:
    """What a consumer's image becomes: its own name, where it has another, with the new version."""
    was, now = value.slot.value or "", value.new
    if old is None or old == was:
        return now
    return old.rpartition(":")[0] + ":" + now.rpartition(":")[2]


def check(before: World, after: World, values: Sequence[NewValue], renderer: Remembering) -> None:
    """The law."""
    old, new = rendered(before, renderer), rendered(after, renderer)
    assert list(old) == list(new), "units appear or vanish"
    meant = {leaf(ref, value.slot.field): value for value in values for ref in value.slot.consumers}
    done = set()
    for name, ones in old.items():
        others = new[name]
        assert (ones is None) == (others is None), name
        for path in {*(ones or ()), *(others or ())}:
            one, other = (ones or {}).get(path), (others or {}).get(path)
            value = meant.get(path)
            if value is None:
                assert one == other, f"{name}: {path} was not meant"
                continue
            done.add(path)
            wanted = followed(one, value) if value.slot.field is Field.IMAGE else value.new
            assert same(value.slot.field, other, wanted), f"{name}: {path} is {other}, not {wanted}"
    assert done == meant.keys(), "something stays as it was"


# -- what is asked for ----------------------------------------------------------------------------

AMOUNTS = {Field.CPU_REQUEST: "m", Field.MEMORY_REQUEST: "Mi", Field.CPU_LIMIT: "", Field.MEMORY_LIMIT: "Gi"}


def slots_of(estate: Estate) -> list[Slot]:
    """Every traced slot that isn't refused, once."""
    found = {
        (slot.place, slot.field, slot.consumers): slot
        for discovery in estate.discoveries.values()
        for workload in discovery.workloads
        for container in workload.containers
        for slot in container.slots
        if slot.refused is None and (slot.field is not Field.IMAGE or slot.value)
    }
    return list(found.values())


def renewed(slot: Slot, number: int, pin: str) -> NewValue:
    if slot.field is not Field.IMAGE:
        return NewValue(slot, f"{300 + number}{AMOUNTS[slot.field]}")
    name = (slot.value or "").partition("@")[0].rpartition(":")[0]
    digest = f"@{pin}" if "@" in (slot.value or "") else ""
    return NewValue(slot, f"{name}:1.9.{number}{digest}")


PINS = st.sampled_from(["sha256:" + "cd" * 32, PINNED])


@st.composite
def wishes(draw: st.DrawFn, slots: Sequence[Slot]) -> list[list[NewValue]]:
    """Groups of new values; some share files, some can't be made together."""
    groups = []
    for _ in range(draw(st.integers(2, 5))):
        chosen = draw(st.lists(st.integers(0, len(slots) - 1), min_size=1, max_size=2, unique=True))
        groups.append([renewed(slots[at], draw(st.integers(1, 9)), draw(PINS)) for at in chosen])
    return groups


def in_shared_files(estate: Estate, slots: Sequence[Slot]) -> list[Slot]:
    """Those that a file holds which also goes into units that the value doesn't feed."""
    takers: dict[tuple[str, str], set[str]] = {}
    whose = {one.ref: look.unit.name for look in estate.looks for one in look.containers}
    for look in estate.looks:
        for key in inputs(look.unit):
            takers.setdefault(key, set()).add(look.unit.name)
    return [
        one
        for one in slots
        if takers.get((one.place.repository, one.place.path), set()) - {whose.get(r) for r in one.consumers}
    ]


# -- the laws -------------------------------------------------------------------------------------


@LAW
@given(world=worlds(), data=st.data())
def test_what_is_accepted_changes_what_was_meant_and_nothing_else(
    renderer: Remembering, world: World, data: st.DataObject
) -> None:
    estate = world.surveyed(renderer)
    slots = slots_of(estate)
    if not slots:
        return
    risky = in_shared_files(estate, slots)
    groups = data.draw(wishes(risky if risky and data.draw(st.booleans()) else slots))
    made, refused = change(estate, groups)
    accepted = [at for at in range(len(groups)) if at not in refused]
    assert sorted(made.proofs) == accepted
    assert made.files or not accepted
    check(world, world.changed(made), [value for at in accepted for value in groups[at]], renderer)
    alone = {at: change(estate, [groups[at]]) for at in range(len(groups))}
    for at, (own, why) in alone.items():
        assert bool(why) != bool(own.files)
        check(world, world.changed(own), () if why else groups[at], renderer)
    if independent(groups):
        assert {at for at, (_, why) in alone.items() if why} == set(refused)
        turned, not_made = change(estate, groups[::-1])
        assert {len(groups) - 1 - at for at in not_made} == set(refused)
        assert turned.files == made.files


def independent(groups: Sequence[Sequence[NewValue]]) -> bool:
    """Whether no two of the groups have to do with the same container or file."""
    touched = [
        {ref for value in group for ref in value.slot.consumers}
        | {(value.slot.place.repository, value.slot.place.path) for value in group}
        for group in groups
    ]
    return all(not one & other for at, one in enumerate(touched) for other in touched[:at])
