"""Manifests that are applied as they are: whose each is, and where it goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from reconciler.model import Reason, Refused, Workload
from reconciler.source.compose import Places, UnitSetting, Where, compose
from reconciler.source.configs import ConfigMaps
from reconciler.source.discover import Shelf
from reconciler.source.looks import Look
from reconciler.source.relate import Claims
from reconciler.source.render import KustomizeRequest
from reconciler.source.units import Unit

_Applied = tuple[Where, Refused | None]  # where a file goes, and why it is kept
_UNVOUCHED: Final = frozenset({Reason.RENDERS_DIFFERENTLY, Reason.NOT_COMPARED})


class Standing:
    """The manifests of one repository that are applied as they are, by whoever applies them.

    So are the inputs of what can't be rendered: they are listed, with the reason why none can be edited.
    """

    def __init__(self, name: str, shelf: Shelf, units: Sequence[Unit], looks: Sequence[Look]) -> None:
        self._name = name
        self._shelf = shelf
        self._whose: dict[str, list[_Applied]] = {}
        for unit in units:
            if unit.source == name and unit.request is None:
                where = Where(name, unit.name, unit.cluster, unit.namespace)
                for path in unit.manifests:
                    self._whose.setdefault(path, []).append((where, unit.refused or self._input(unit, path)))
        for look in looks:
            if look.unit.source == name and look.traced is None:
                self._fall_back(look)
        for path, everyone in self._whose.items():
            self._whose[path] = list(_kept_together(everyone))

    def _input(self, unit: Unit, path: str) -> Refused | None:
        """Of a folder that nobody deploys: what a kustomization that can't be rendered takes in."""
        return self._shelf.inputs.refusal(path) if unit.line == 0 else None

    def _fall_back(self, look: Look) -> None:
        unit, why = look.unit, look.refused
        if not isinstance(unit.request, KustomizeRequest) or why is None:
            return
        words = f"rendered by {unit.path}, which can't be rendered here: {why.detail}"
        where = Where(unit.source, unit.name, unit.cluster, unit.namespace)
        for path in unit.request.files:
            if path not in self._shelf.inputs.patches:
                self._whose.setdefault(path, []).append((where, Refused(why.reason, words)))

    def places(self, settings: Sequence[UnitSetting], clusters: Sequence[str]) -> Places:
        """Where a file is applied: by whoever takes it, else as the settings say."""
        return _Deployed(self._name, settings, clusters, self._whose)

    def workloads(self) -> Iterator[Workload]:
        configs = ConfigMaps(
            (where, facts)
            for entry, facts in self._shelf.found
            if facts.configs
            for where, _ in self._whose.get(entry.path, ())
        )
        for entry, facts in self._shelf.found:
            for where, refused in self._whose.get(entry.path, ()):
                yield from compose(facts, entry.path, where, refused, configs.of)

    def claims(self) -> Iterator[Claims]:
        for path, facts in self._shelf.scaling():
            for where, refused in self._whose.get(path, ()):
                yield Claims(where, path, facts, refused)


def _kept_together(everyone: Sequence[_Applied]) -> Iterator[_Applied]:
    """Where Argo CD can't vouch for one of those that a file feeds, nobody knows what an edit does there."""
    doubt = next((why for _, why in everyone if why is not None and why.reason in _UNVOUCHED), None)
    for where, refused in everyone:
        yield where, refused or doubt


class _Deployed(Places):
    """The places of files, those that somebody deploys at the destination."""

    def __init__(
        self,
        repository: str,
        units: Sequence[UnitSetting],
        clusters: Sequence[str],
        whose: Mapping[str, Sequence[_Applied]],
    ) -> None:
        super().__init__(repository, units, clusters)
        self._whose = whose

    def of(self, path: str) -> tuple[str, str]:
        for where, _ in self._whose.get(path, ()):
            return where.cluster, where.namespace
        return super().of(path)
