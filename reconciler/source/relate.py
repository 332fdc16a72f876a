"""What workloads have to do with other files: a second definition, and objects that scale them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from reconciler.model import Container, Reason, Refused, Scaler, Workload
from reconciler.source import scalers
from reconciler.source.compose import Places
from reconciler.source.facts import FileFacts
from reconciler.source.layout import folder
from reconciler.source.objects import KINDS
from reconciler.source.scalers import FoundScaler

_MOST_NAMED: Final = 3
_Name = tuple[str, str, str, str, str]  # cluster, namespace, kind, name, folder


class _Target(NamedTuple):
    cluster: str
    kind: str
    name: str


class _Aim(NamedTuple):
    scaler: FoundScaler
    path: str
    namespace: str


def defined_once(workloads: Sequence[Workload]) -> list[Workload]:
    """Refuse what stands twice: which of the two is applied last is not for us to guess."""
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


def scaled(
    workloads: Sequence[Workload], files: Iterable[tuple[str, FileFacts]], places: Places
) -> list[Workload]:
    """The workloads with the scalers that aim at them, from anywhere in the repository."""
    aims: dict[_Target, list[_Aim]] = {}
    stands: dict[_Target, list[_Target]] = {}
    for path, facts in files:
        if not facts.scalers and not facts.stands:
            continue
        cluster, default = places.of(path)
        for scaler in facts.scalers:
            if _known(scaler):
                target = _Target(cluster, scaler.target_kind, scaler.target_name)
                aims.setdefault(target, []).append(_Aim(scaler, path, scaler.namespace or default))
        for stand in facts.stands:
            pods = _Target(cluster, stand.other_kind, stand.other_name)
            stands.setdefault(pods, []).append(_Target(cluster, stand.kind, stand.name))
    if not aims:
        return list(workloads)
    return [_with_scalers(workload, aims, stands) for workload in workloads]


def _name(workload: Workload) -> _Name:
    """What there can be only one of. Without a namespace that holds for a folder, for two folders
    are often applied to two namespaces that only the one who applies them knows.
    """
    unit, cluster, namespace, kind, name = workload[:5]
    return (cluster, namespace, kind, name, "" if namespace else unit)


def _is_rendered(workload: Workload) -> bool:
    """Its name and namespace, too, can be others once it is rendered."""
    for container in workload.containers:
        refused = container.slots[0].refused
        return refused is not None and refused.reason is Reason.RENDERED
    return False


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
    containers = [container.ref.container for container in workload.containers]
    return workload._replace(scalers=tuple(_attached(held, containers)))


def _hits(aim: _Aim, workload: Workload) -> bool:
    """In one namespace, as far as is known: what lies in one folder is applied to one."""
    if aim.namespace == workload.namespace:
        return True
    return "" in (aim.namespace, workload.namespace) and folder(aim.path) == workload.unit


def _attached(held: Sequence[_Aim], containers: Sequence[str]) -> Iterator[Scaler]:
    for aim in sorted(held, key=lambda each: (each.path, each.scaler.line)):
        yield from scalers.attach(aim.scaler, containers, aim.path)
