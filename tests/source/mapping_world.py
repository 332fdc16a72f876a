"""What tests of mappings share: policies, what they find, and edits as a run makes them."""

from __future__ import annotations

from collections.abc import Sequence

from trees import Tree

from reconciler.config import parse_policies
from reconciler.model import Discovery, FieldMapping, NewValue, Note, Refused, Slot, Workload
from reconciler.source import targets, yamledit
from reconciler.source.compose import Places, UnitSetting
from reconciler.source.discover import discover
from reconciler.source.identity import mistaken
from reconciler.source.mapping import Mapped, assignment, joined, mapped
from reconciler.source.wishes import new_values

HEAD = "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: own}\nfields:\n"


def mappings(entries: str) -> tuple[FieldMapping, ...]:
    """Those of a policy with these entries."""
    (policy,) = parse_policies(HEAD + entries, "policies/own.yaml")
    return policy.fields


def find(
    files: dict[str, str | bytes],
    entries: str = "",
    units: Sequence[UnitSetting] = (),
    clusters: Sequence[str] = (),
) -> Mapped:
    own = mappings(entries) if entries else ()
    return mapped(Tree(files), own, Places("deploy", units, clusters))


def joined_discovery(tree: Tree, own: Sequence[FieldMapping]) -> Discovery:
    found = discover(tree, [], [])
    more = mapped(tree, own, Places(tree.repository, [], []))
    assert not more.notes, more.notes
    return Discovery(found.repository, found.commit, joined(found.workloads, more.workloads))


def asked(discovery: Discovery, target: str, *wishes: str) -> tuple[NewValue, ...]:
    hit = targets.find(discovery, target)
    assert isinstance(hit, targets.Found), hit
    values = new_values(hit.container, wishes)
    assert not [value.slot for value in values if value.slot.refused], values
    return values


def written(data: bytes, values: Sequence[NewValue]) -> bytes | Refused:
    """The file with these values, its slots looked at again before."""
    assignments = []
    for value in values:
        one = assignment(value)
        if isinstance(one, Refused):
            return one
        assignments.append(one)
    return yamledit.rewrite(data, assignments, lambda documents: mistaken(documents, values))


def rows(found: Mapped | Sequence[Workload]) -> list[str]:
    """`KIND/NAME/CONTAINER FIELD=VALUE PATH:LINE` of every value that can be edited."""
    workloads = found.workloads if isinstance(found, Mapped) else found
    return [
        f"{container.ref} {slot.field.value}={slot.value} {slot.place.path}:{slot.line}"
        for workload in workloads
        for container in workload.containers
        for slot in container.slots
        if slot.refused is None
    ]


def slot(found: Mapped | Discovery, target: str, field: str) -> Slot:
    """Of `NAMESPACE/KIND/NAME/CONTAINER`."""
    return next(
        one
        for workload in found.workloads
        for container in workload.containers
        for one in container.slots
        if str(container.ref) == target and one.field == field
    )


def told(notes: Sequence[Note]) -> list[str]:
    return [f"{note.path}:{note.line} {note.detail}" for note in notes]
