"""Charts: which place in Git controls which field of which container."""

from __future__ import annotations

from typing import Any, NamedTuple

from reconciler.model import FIELDS, Container, ContainerRef, Field, Place, Reason, Refused, Slot
from reconciler.source.render import HelmRequest, Rendered, Renderer
from reconciler.source.tracing.candidates import kinds
from reconciler.source.tracing.charts import Keys, charts, defaults, mapping, merged, with_parameters
from reconciler.source.tracing.owners import Owner, Owners, Read, shown
from reconciler.source.tracing.rendered import Identity, Path, Render, RenderedContainer
from reconciler.source.tracing.rounds import FieldKey, Findings, Question, find
from reconciler.source.tracing.runtimes import options_of
from reconciler.source.tracing.sentinels import Seen
from reconciler.source.units import Unit


class Origin(NamedTuple):
    """The value path behind a field, and what the chart puts around the value."""

    seen: Seen
    owner: Owner


class Extra(NamedTuple):
    """A number beside the containers: replicas, or what an autoscaler aims for."""

    identity: Identity
    path: Path
    value: str
    place: Place | None
    line: int
    refused: Refused | None
    keys: Keys = ()  # of the value


class Traced(NamedTuple):
    """All that is known of one unit. `refused`: it could not even be rendered."""

    unit: Unit
    containers: tuple[Container, ...] = ()
    extras: tuple[Extra, ...] = ()
    origins: dict[FieldKey, Origin] = {}  # noqa: RUF012 (never written to)
    values: dict[str, Any] = {}  # noqa: RUF012 (never written to): what the templates are given
    plain: Rendered | None = None
    renders: int = 0
    trouble: str = ""  # what of the render could not be read
    refused: Refused | None = None


def trace(unit: Unit, renderer: Renderer, read: Read | None = None) -> Traced:
    """Every container that the unit renders, each field with its place or the reason for none.

    `read` gives the files of repositories; without it only layers that are whole files can be edited.
    """
    if unit.refused is not None:
        return Traced(unit, refused=unit.refused)
    request = unit.request
    if not isinstance(request, HelmRequest):
        return Traced(unit, refused=Refused(Reason.NOT_TRACED, "this is no chart"))
    answer = renderer.render(request)
    if isinstance(answer, Refused):
        return Traced(unit, renders=1, refused=answer)
    plain = Render(answer.text, unit.cluster, unit.namespace)
    found = plain.containers()
    if not found:
        return Traced(unit, plain=answer, renders=1, trouble=plain.trouble)
    tree = charts(request.chart)
    values = defaults(tree)
    for content in request.values:
        values = merged(values, mapping(content))
    values = with_parameters(values, request.parameters)
    findings = find(Question(request, tree, values, unit.cluster, unit.namespace, plain), renderer)
    return _traced(unit, answer, plain, found, findings, Owners(unit, read))._replace(values=values)


def _traced(
    unit: Unit,
    answer: Rendered,
    plain: Render,
    found: tuple[RenderedContainer, ...],
    findings: Findings,
    owners: Owners,
) -> Traced:
    known: dict[tuple[object, ...], Owner] = {}
    origins: dict[FieldKey, Origin] = {}
    consumers: dict[tuple[Place, Field], list[ContainerRef]] = {}
    for each in found:
        for field in FIELDS:
            if (seen := findings.places.get((each.ref, field))) is None:
                continue
            keys = seen.candidate.keys
            owner = known.get(keys) or known.setdefault(keys, owners.owner(keys))
            origins[each.ref, field] = Origin(seen, owner)
            consumers.setdefault((owner.place, field), []).append(each.ref)
            if (other := findings.also.get((each.ref, field))) is not None:
                place = owners.owner(other.candidate.keys).place
                consumers.setdefault((place, field), []).append(each.ref)
    started = options_of(plain)
    containers = tuple(
        Container(
            each.ref,
            each.init,
            each.sidecar,
            tuple(_slot(unit, each, field, origins, findings, consumers) for field in FIELDS),
            each.extras,
            started.get(each.ref, ()),
        )
        for each in found
    )
    extras = tuple(_extras(plain, findings, owners))
    return Traced(
        unit,
        containers,
        extras,
        origins,
        plain=answer,
        renders=findings.renders + 1,
        trouble=plain.trouble,
    )


def _slot(
    unit: Unit,
    each: RenderedContainer,
    field: Field,
    origins: dict[FieldKey, Origin],
    findings: Findings,
    consumers: dict[tuple[Place, Field], list[ContainerRef]],
) -> Slot:
    value = each.values[field]
    origin = origins.get((each.ref, field))
    if origin is None:
        place = Place(unit.repository, unit.path, 0, ())
        refused = _untraced(each, field, findings)
        return Slot(place, unit.line, field, value, (each.ref,), "helm", refused)
    owner = origin.owner
    everyone = tuple(consumers[owner.place, field])
    how = f"helm: {shown(origin.seen.candidate.keys)}"
    return Slot(owner.place, owner.line, field, value, everyone, how, owner.refused)


def _untraced(each: RenderedContainer, field: Field, findings: Findings) -> Refused:
    if (each.ref, field) in findings.moved:
        return Refused(Reason.COMPUTED, f"the chart works out {field.value} from other values")
    failed = next((findings.failed[kind] for kind in kinds((field,)) if kind in findings.failed), "")
    refuses = f"; the chart refuses other values ({failed[:200]})" if failed else ""
    if each.ref in findings.unseen and not failed:
        detail = "no render with other values shows this container, by its name"
    elif each.values[field] is None:
        detail = f"nothing sets {field.value}, and no value of the chart leads there"
    else:
        detail = f"the chart's templates write {field.value} themselves, and no value leads there"
    return Refused(Reason.NOT_TRACED, detail + refuses)


def _extras(plain: Render, findings: Findings, owners: Owners) -> list[Extra]:
    found = []
    for number in plain.numbers():
        candidate = findings.numbers.get((number.identity, number.path))
        if candidate is None:
            refused = Refused(Reason.NOT_TRACED, "no value of the chart that was tried leads there")
            found.append(Extra(number.identity, number.path, number.text, None, 0, refused))
            continue
        owner = owners.owner(candidate.keys)
        place = (owner.place, owner.line, owner.refused)
        found.append(Extra(number.identity, number.path, number.text, *place, candidate.keys))
    return found
