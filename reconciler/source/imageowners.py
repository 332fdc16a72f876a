"""Who else changes an image: Argo CD Image Updater, Flux, or Renovate, as the repositories tell.

Two that write one value undo each other, so the value of another is left to it. What is here is all
that Git knows; a tool that is told elsewhere what to do (a controller's own configuration) isn't seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from reconciler.model import Field, Key, Place, Slot
from reconciler.source.estate import Estate
from reconciler.source.looks import Look
from reconciler.source.others import fluximages, imageupdater, renovate
from reconciler.source.others.names import forms_of, name_of, shown
from reconciler.source.others.renovate import Config, Updated
from reconciler.source.others.scanned import Scanned, scan
from reconciler.source.typed import Thing, Value

_WRITTEN = ".argocd-source-"  # the head of the files that Argo CD Image Updater writes


def owners_of(estate: Estate, repository: str) -> Mapping[Place, str]:
    """By place of an image among the workloads of a repository, who else changes it, in words."""
    found = estate.discoveries.get(repository)
    slots = [
        slot
        for workload in (found.workloads if found is not None else ())
        for container in workload.containers
        for slot in container.slots
        if slot.field is Field.IMAGE and slot.value is not None
    ]
    if not slots:
        return {}
    scanned = scan(estate)
    standing = Standing(estate, scanned)
    owned = dict(_by_renovate(standing, slots))
    owned.update(_by_flux(standing, slots))
    owned.update(_by_image_updater(estate, scanned, slots))
    wanted = {slot.place for slot in slots}
    return {place: words for place, words in owned.items() if place in wanted}


class Standing:
    """Where the values stand that are in force.

    That needn't be where one is changed: what a chart's own defaults say is set in a file of values
    above them, and another tool may look after the defaults.
    """

    def __init__(self, estate: Estate, scanned: Scanned) -> None:
        self.estate, self.scanned = estate, scanned
        self.trees = {tree.name: tree for tree in scanned.repositories.trees}
        self._units = {
            slot.place: look.unit
            for look in estate.looks
            for container in look.containers
            for slot in container.slots
            if slot.field is Field.IMAGE
        }

    def of(self, slot: Slot) -> tuple[Place, int]:
        """The place, and its line where that is known."""
        unit, place = self._units.get(slot.place), slot.place
        if unit is None or place.inner or self.said(place, place.keys) is not None:
            return place, slot.line
        own = next((layer.place for layer in unit.layers if layer.place.path == place.path), None)
        keys = place.keys[len(own.keys) :] if own is not None else place.keys
        for layer in reversed(unit.layers):
            found = layer.place._replace(keys=(*layer.place.keys, *keys))
            if not layer.block and self.said(found, found.keys) is not None:
                return found, 0
        return place, slot.line

    def read(self, repository: str, path: str) -> bytes | None:
        tree = self.trees.get(repository)
        return tree.read(path) if tree is not None else None

    def said(self, place: Place, keys: Sequence[Key]) -> Value:
        """What a file of one document says; None for nothing, and where it isn't one."""
        tree = self.trees.get(place.repository)
        if tree is None or place.document or not tree.has_file(place.path):
            return None
        said: Value = self.estate.memo.values_of(tree, place.path)
        for key in keys:
            if isinstance(said, dict) and isinstance(key, str):
                said = said.get(key)
            elif isinstance(said, list) and isinstance(key, int) and key < len(said):
                said = said[key]
            else:
                return None
        return said


# -- Argo CD Image Updater ------------------------------------------------------------------------


def _by_image_updater(estate: Estate, scanned: Scanned, slots: list[Slot]) -> Iterator[tuple[Place, str]]:
    updaters = tuple(scanned.of("ImageUpdater"))
    paused: set[Place] = set()
    owned: dict[Place, str] = {}
    for look in estate.looks:
        for place, one in image_updates(look, updaters):
            if one.paused:
                paused.add(place)
            else:
                owned.setdefault(place, one.words)
    for slot in slots:
        name = slot.place.path.rpartition("/")[2]
        if name.startswith(_WRITTEN) and slot.place not in paused:
            at = shown(slot.place.path)
            words = f"Argo CD Image Updater (it writes {at}; delete that file once it is off)"
            owned.setdefault(slot.place, words)
    yield from owned.items()


def image_updates(look: Look, updaters: tuple[Thing, ...]) -> Iterator[tuple[Place, imageupdater.Tracked]]:
    """The places of images of an Application that it looks after, each with how."""
    rules = imageupdater.tracked(look.unit, updaters)
    if not rules:
        return
    for container in look.containers:
        slot = container.slot(Field.IMAGE)
        name = name_of(slot.value) if slot.value else ""
        yield from ((slot.place, rule) for rule in rules if name in rule.names)


# -- Flux -----------------------------------------------------------------------------------------


def _by_flux(standing: Standing, slots: Sequence[Slot]) -> Iterator[tuple[Place, str]]:
    found = fluximages.automations(standing.scanned)
    if not found:
        return
    written: dict[Place, str] = {}
    places = [(slot, standing.of(slot)[0]) for slot in slots]
    for repository, path in sorted({(place.repository, place.path) for _, place in places}):
        if not any(each.may_write(repository, path) for each in found):
            continue
        for line in fluximages.marked(repository, path, standing.read(repository, path)):
            writer = fluximages.writer(found, line)
            if writer is not None and line.part != "name":
                written.setdefault(line.place, writer.words)
    yield from ((slot.place, written[place]) for slot, place in places if place in written)


# -- Renovate -------------------------------------------------------------------------------------


def _by_renovate(standing: Standing, slots: Sequence[Slot]) -> Iterator[tuple[Place, str]]:
    updating = Renovate(standing)
    for slot in slots:
        found = updating.of(slot)
        if found is not None and found.manager:
            yield slot.place, renovate.words(found.config, found.manager)


class Updates(NamedTuple):
    """By which configuration and manager Renovate updates a place; manager "" where it doesn't."""

    config: Config
    manager: str
    place: Updated


class Renovate:
    """Renovate as all known repositories configure it."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._configs = {name: renovate.config_of(tree) for name, tree in standing.trees.items()}
        self._files: dict[tuple[str, str], bytes | None] = {}

    def of(self, slot: Slot) -> Updates | None:
        """None where the repository says nothing of Renovate."""
        place, line = self._standing.of(slot)
        config = self._configs.get(place.repository)
        if config is None:
            return None
        names = forms_of(slot.value or "")
        alone = self._is_alone(place)
        one = Updated(place.path, place.keys, line, names, bool(place.inner), alone)
        return Updates(config, renovate.manager_of(config, one, self._read(place)), one)

    def _is_alone(self, place: Place) -> bool:
        """Whether a tag has its repository elsewhere: then nobody knows, there, of which image it is."""
        if place.keys[-1:] not in (("tag",), ("version",), ("digest",)):
            return False
        around = self._standing.said(place, place.keys[:-1])
        return isinstance(around, dict) and "repository" not in around

    def _read(self, place: Place) -> bytes | None:
        at = (place.repository, place.path)
        if at not in self._files:
            self._files[at] = self._standing.read(*at)
        return self._files[at]
