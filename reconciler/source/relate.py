"""What workloads have to do with other files: a second definition, and objects that scale them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from reconciler.model import AS_IT_STANDS, Container, Note, Reason, Refused, Scaler, Workload
from reconciler.source import namespaces, scalers
from reconciler.source.aims import Targets, standing, with_targets
from reconciler.source.compose import RENDERED, Where
from reconciler.source.facts import FileFacts
from reconciler.source.namespaces import Placed
from reconciler.source.objects import KINDS
from reconciler.source.scalers import FoundScaler
from reconciler.source.telling import some

_MOST_NAMED: Final = 3


class _Name(NamedTuple):
    """What there can be only one of."""

    repository: str
    cluster: str
    namespace: str
    kind: str
    name: str
    unit: str


class _Target(NamedTuple):
    cluster: str
    kind: str
    name: str


class _Aim(NamedTuple):
    scaler: FoundScaler
    path: str
    unit: str
    namespace: str
    targets: Targets


def defined_once(workloads: Sequence[Workload]) -> list[Workload]:
    """Refuse what stands twice: which of the two is applied last is not for us to guess.

    Of what is rendered each unit's own is known; only whose usage is measured is not: see `told_twice`.
    """
    once = [_named_once(each) if len(each.containers) > 1 else each for each in workloads]
    if len(set(map(_name, once))) == len(once):
        return once
    at: dict[_Name, list[Workload]] = {}
    for workload in once:
        if not _is_rendered(workload):
            at.setdefault(_name(workload), []).append(workload)
    return [
        _refused(each, at[_name(each)]) if not _is_rendered(each) and len(at[_name(each)]) > 1 else each
        for each in once
    ]


def told_twice(workloads: Sequence[Workload]) -> Iterator[Note]:
    """What several units render under one name, which their usage can't tell apart."""
    at: dict[_Name, list[Workload]] = {}
    for workload in workloads:
        if workload.containers and workload.containers[0].slots[0].how_traced != RENDERED:
            at.setdefault(_name(workload)._replace(repository=""), []).append(workload)
    by_units: dict[tuple[str, ...], list[Workload]] = {}
    for same in at.values():
        if len(same) > 1 and any(map(_is_rendered, same)):
            units = tuple(f"{each.unit} ({each.path}:{each.line})" for each in same)
            by_units.setdefault(units, []).append(same[0])
    for units, alike in by_units.items():
        first, named = alike[0], [f"{each.kind}/{each.name}" for each in alike]
        one = f"{named[0]} is" if len(named) == 1 else f"{len(named)} workloads ({some(named)}) are"
        advice = "name their clusters or namespaces, or keep one"
        words = f"{one} defined by {len(units)} units: {some(units)}; {advice}"
        yield Note("defined-twice", words, first.repository, first.path, first.line)


class Claims(NamedTuple):
    """The scalers in one file or render, and whose it is.

    `targets`: where what they aim for can be edited, of what is rendered; else it stands in the file.
    """

    where: Where
    path: str
    facts: FileFacts
    refused: Refused | None = None  # why nothing of the file can be edited
    targets: tuple[Targets, ...] | None = None


def scaled(workloads: Sequence[Workload], claims: Iterable[Claims]) -> list[Workload]:
    """The workloads with the scalers that aim at them, and the rules of their namespaces."""
    known = list(claims)
    found = namespaces.ruled(workloads, _placed(known))
    aims: dict[_Target, list[_Aim]] = {}
    stands: dict[_Target, list[_Target]] = {}
    for where, path, facts, refused, rendered in known:
        cluster = where.cluster
        written = rendered or [standing(one, where.repository, path, refused) for one in facts.scalers]
        for scaler, targets in zip(facts.scalers, written, strict=True):
            if _known(scaler):
                target = _Target(cluster, scaler.target_kind, scaler.target_name)
                aim = _Aim(scaler, path, where.unit, scaler.namespace or where.namespace, targets)
                aims.setdefault(target, []).append(aim)
        for stand in facts.stands:
            pods = _Target(cluster, stand.other_kind, stand.other_name)
            stands.setdefault(pods, []).append(_Target(cluster, stand.kind, stand.name))
    if not aims:
        return found
    return [_with_scalers(workload, aims, stands) for workload in found]


def _placed(claims: Iterable[Claims]) -> Iterator[Placed]:
    for where, path, facts, *_ in claims:
        for rule in facts.rules:
            yield Placed(where.cluster, rule.namespace or where.namespace, where.unit, path, rule)


def _name(workload: Workload) -> _Name:
    """Without a namespace there can be one in a unit, for two folders are often applied to two
    namespaces that only the one who applies them knows.
    """
    unit, cluster, namespace, kind, name = workload[:5]
    return _Name(workload.repository, cluster, namespace, kind, name, "" if namespace else unit)


def _is_rendered(workload: Workload) -> bool:
    return any(one.slots and one.slots[0].how_traced != AS_IT_STANDS for one in workload.containers)


def _refused(workload: Workload, same: Sequence[Workload]) -> Workload:
    others = (f"{other.path}:{other.line}" for other in same if other is not workload)
    named = " and ".join(islice(others, _MOST_NAMED))
    more = f" and {len(same) - 1 - _MOST_NAMED} more" if len(same) - 1 > _MOST_NAMED else ""
    here = f"{workload.path}:{workload.line}"
    words = f"defined in {here} and again in {named}{more}; keep one, or tell them apart by namespace"
    refused = Refused(Reason.DEFINED_TWICE, words)
    return workload._replace(containers=tuple(_all_refused(c, refused) for c in workload.containers))


def _named_once(workload: Workload) -> Workload:
    """Two containers of one name: Kubernetes takes neither, and nothing can be said of either."""
    times = Counter(container.ref.container for container in workload.containers)
    if len(times) == len(workload.containers):
        return workload
    words = f"two containers of {workload.kind}/{workload.name} have this name; rename one of them"
    refused = Refused(Reason.DEFINED_TWICE, words)
    return workload._replace(
        containers=tuple(
            _all_refused(c, refused) if times[c.ref.container] > 1 else c for c in workload.containers
        )
    )


def _all_refused(container: Container, refused: Refused) -> Container:
    return container._replace(slots=tuple(slot._replace(refused=refused) for slot in container.slots))


def _known(scaler: FoundScaler) -> bool:
    """Whether the target is of a kind of ours; a reference may leave out the group."""
    groups = KINDS.get(scaler.target_kind, ((),))[0]
    return bool(groups) and scaler.target_group in (*groups, "")


def _with_scalers(
    workload: Workload, aims: Mapping[_Target, Sequence[_Aim]], stands: Mapping[_Target, Sequence[_Target]]
) -> Workload:
    target = _Target(workload.cluster, workload.kind, workload.name)
    targets = (target, *stands.get(target, ()))
    held = [aim for each in targets for aim in aims.get(each, ()) if _hits(aim, workload)]
    if not held:
        return workload
    names = [container.ref.container for container in workload.containers]
    counted = [target for aim in held for target in zip(aim.scaler.aims, aim.targets, strict=True)]
    return workload._replace(
        scalers=tuple(_attached(held, names)),
        containers=tuple(with_targets(workload.containers, counted)),
    )


def _hits(aim: _Aim, workload: Workload) -> bool:
    """In one namespace, as far as is known: what is one unit is applied to one."""
    if aim.namespace == workload.namespace:
        return True
    return "" in (aim.namespace, workload.namespace) and aim.unit == workload.unit


def _attached(held: Sequence[_Aim], containers: Sequence[str]) -> Iterator[Scaler]:
    for aim in sorted(held, key=lambda each: (each.path, each.scaler.line)):
        yield from scalers.attach(aim.scaler, containers, aim.path)
