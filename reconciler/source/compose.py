"""What a file holds, at its place: with repository, path, namespace and cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.model import (
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
from reconciler.source.facts import FileFacts, FoundContainer
from reconciler.source.layout import folder
from reconciler.source.manifests import PATHS

_TAILS: Final[tuple[tuple[Field, tuple[Key, ...]], ...]] = tuple(zip(Field, PATHS, strict=True))


class UnitSetting(NamedTuple):
    """What the settings say of a folder: where its manifests are applied. "" is not said."""

    path: str
    namespace: str
    cluster: str


class Places:
    """Which namespace and cluster the manifests of a folder mean."""

    def __init__(self, repository: str, units: Sequence[UnitSetting], clusters: Sequence[str]) -> None:
        self.repository = repository
        longest_first = sorted(units, key=lambda unit: -len(unit.path))
        self._units = [unit._replace(path=unit.path.strip("/").removeprefix("./")) for unit in longest_first]
        self._only = clusters[0] if len(clusters) == 1 else ""
        self._known: dict[str, tuple[str, str]] = {}

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


def compose(facts: FileFacts, path: str, places: Places, refused: Refused | None) -> Iterator[Workload]:
    cluster, default = places.of(path)
    for found in facts.workloads:
        namespace = found.namespace or default
        containers = tuple(
            _container(
                each,
                ContainerRef(cluster, namespace, found.kind, found.name, each.name),
                (places.repository, path, found.document),
                refused,
            )
            for each in found.containers
        )
        yield Workload(
            unit=folder(path),
            cluster=cluster,
            namespace=namespace,
            kind=found.kind,
            name=found.name,
            repository=places.repository,
            path=path,
            line=found.line,
            replicas=found.replicas,
            labels=found.labels,
            annotations=found.annotations,
            scalers=(),
            containers=containers,
        )


def _container(
    found: FoundContainer, ref: ContainerRef, at: tuple[str, str, int], refused: Refused | None
) -> Container:
    consumers = (ref,)
    keys = found.keys
    slots = [
        Slot(
            Place(*at, keys + tail),
            line,
            field,
            value,
            consumers,
            "manifest",
            refused or (Refused(Reason(reason), detail) if reason else None),
        )
        for (field, tail), (line, value, reason, detail) in zip(_TAILS, found.slots, strict=True)
    ]
    return Container(ref, found.init, found.sidecar, tuple(slots))
