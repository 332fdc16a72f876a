"""What a file holds, at its place: with repository, path, namespace and cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from reconciler.model import (
    AS_IT_STANDS,
    FIELDS,
    Container,
    ContainerRef,
    Field,
    Key,
    Place,
    Reason,
    Refused,
    Slot,
    Workload,
)
from reconciler.source import runtimes
from reconciler.source.facts import FileFacts, FoundContainer, unpacked
from reconciler.source.layout import folder
from reconciler.source.objects import PATHS
from reconciler.source.started import Configs, Given

RENDERED: Final = "rendered"  # by something that can't be asked, so that what is applied can differ


class UnitSetting(NamedTuple):
    """What the settings say of a folder: where its manifests are applied. "" is not said."""

    path: str
    namespace: str
    cluster: str


class Where(NamedTuple):
    """Whose a file is: the unit it belongs to, and where that is applied."""

    repository: str
    unit: str
    cluster: str
    namespace: str  # for what names none


class Places:
    """Which namespace and cluster the manifests of a folder mean."""

    def __init__(self, repository: str, units: Sequence[UnitSetting], clusters: Sequence[str]) -> None:
        self.repository = repository
        longest_first = sorted(units, key=lambda unit: -len(unit.path))
        self._units = [unit._replace(path=unit.path.strip("/").removeprefix("./")) for unit in longest_first]
        self._only = clusters[0] if len(clusters) == 1 else ""
        self._known: dict[str, tuple[str, str]] = {}

    def where(self, path: str) -> Where:
        """A file that stands for itself, as a part of its folder."""
        return Where(self.repository, folder(path), *self.of(path))

    def of(self, path: str) -> tuple[str, str]:
        """Cluster and default namespace of a file."""
        where = folder(path)
        if where not in self._known:
            around = [unit for unit in self._units if _is_within(where, unit.path)]
            cluster = next((unit.cluster for unit in around if unit.cluster), self._only)
            self._known[where] = (cluster, next((unit.namespace for unit in around if unit.namespace), ""))
        return self._known[where]


def _is_within(where: str, path: str) -> bool:
    return path in ("", ".") or where == path or where.startswith(f"{path}/")


InNamespace = Callable[[Where, str], Configs]  # the ConfigMaps that are known where a workload is applied


def _no_configs(where: Where, namespace: str) -> Configs:
    return runtimes.no_configs


def compose(
    facts: FileFacts, path: str, where: Where, refused: Refused | None, configs: InNamespace = _no_configs
) -> Iterator[Workload]:
    """The workloads of a file."""
    # `new` does what a record's own constructor does, without a call around it
    new = tuple.__new__
    repository, unit, cluster, default = where
    for document, line, kind, name, own, replicas, labels, notes, containers, *pods in facts.workloads:
        namespace = own or default
        who = (cluster, namespace, kind, name)
        at = (repository, path, document)
        whose = (tuple(labels.items()), tuple(notes.items()))
        inside = tuple([_container(each, who, at, refused) for each in containers])
        if any(each[-1] for each in containers):
            inside = tuple(_started(containers, inside, configs(where, namespace)))
        pod_level, selector = pods
        rest = ((), inside, (), (), tuple(pod_level), tuple(map(tuple, selector)))
        yield new(Workload, (unit, *who, repository, path, line, replicas, *whose, *rest))


def _container(
    found: FoundContainer, who: tuple[str, str, str, str], at: tuple[str, str, int], refused: Refused | None
) -> Container:
    new, traced = tuple.__new__, AS_IT_STANDS if refused is None else RENDERED
    repository, path, document = at
    name, init, sidecar, keys, values, extras, _ = found
    ref = new(ContainerRef, (*who, name))
    consumers, slots = (ref,), []
    for (field, way), (line, value, own) in zip(_ways(keys), values, strict=True):
        why = refused or (own and Refused(Reason(own[0]), own[1]))
        place = new(Place, (repository, path, document, way, ()))
        slots.append(new(Slot, (place, line, field, value, consumers, traced, why)))
    return new(Container, (ref, init, sidecar, tuple(slots), tuple(extras), ()))


def _started(
    found: Sequence[FoundContainer], inside: Sequence[Container], configs: Configs
) -> Iterator[Container]:
    """With the sizes that the containers' programs are started with."""
    resources = {each.ref.container: {slot.field.value: slot.value for slot in each.slots} for each in inside}
    for each, container in zip(found, inside, strict=True):
        given = each[-1]
        if given:
            options = runtimes.read(Given(*given), container.ref.container, resources, configs)
            container = container._replace(runtime=options) if options else container
        yield container


@lru_cache(maxsize=1000)
def _ways(container: str) -> tuple[tuple[Field, tuple[Key, ...]], ...]:
    """Each field with the keys that lead to it; most containers of a repository share theirs."""
    return tuple((field, unpacked(container) + path) for field, path in zip(FIELDS, PATHS, strict=True))
