"""Argo CD Image Updater: which images of which Applications it changes, and by which rules.

Until 0.x annotations of the Applications said it, since 1.0 resources of kind ImageUpdater.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from reconciler.source import globs, selectors
from reconciler.source.applications import IMAGE_UPDATER
from reconciler.source.others.names import name_of, shown
from reconciler.source.typed import Table, Thing, items, table, table_of, text, texts
from reconciler.source.units import Unit

# What the resource calls them, and the annotation.
_SETTINGS: Final = {
    "updateStrategy": "update-strategy",
    "allowTags": "allow-tags",
    "ignoreTags": "ignore-tags",
    "platforms": "platforms",
    "pullSecret": "pull-secret",
    "forceUpdate": "force-update",
}
_MOST: Final = 1000  # images of one list


class Tracked(NamedTuple):
    """An image that it keeps up to date. The settings are named as annotations name them."""

    names: tuple[str, ...]  # that it has in the cluster, in full
    constraint: str
    settings: Mapping[str, str]
    where: str  # who says so
    path: str
    line: int

    @property
    def ignored(self) -> tuple[str, ...]:
        return listed(self.settings.get("ignore-tags", ""))

    @property
    def paused(self) -> bool:
        return "*" in self.ignored

    @property
    def words(self) -> str:
        at = f" in {self.path}:{self.line}" if self.path else ""
        return f"Argo CD Image Updater ({self.where}{at})"


def tracked(unit: Unit, updaters: Sequence[Thing]) -> list[Tracked]:
    """The images of an Application that it changes, those that are paused included."""
    app = unit.application
    if app is None:
        return []
    return [*_annotated(unit), *(each for one in updaters for each in _of_resource(one, unit))]


# -- annotations ----------------------------------------------------------------------------------


def _annotated(unit: Unit) -> Iterator[Tracked]:
    app = unit.application
    assert app is not None
    said = {key.removeprefix(f"{IMAGE_UPDATER}/"): value for key, value in app.annotations}
    where = f"the annotation image-list of the Application {shown(app.name)}"
    for entry in said.get("image-list", "").split(",")[:_MOST]:
        alias, equals, image = entry.strip().partition("=")
        if not equals or ":" in alias:  # `redis:>=6` has no alias
            alias, image = "", entry.strip()
        if not image.strip():
            continue
        settings = {
            key: value
            for key in (*_SETTINGS.values(), "kustomize.image-name")
            if (value := _said(said, alias or name_and_rest(image)[0], key))
        }
        yield _tracked(image.strip(), settings, where, unit.path, unit.line)


def _said(said: Mapping[str, str], alias: str, key: str) -> str:
    """What is said of the image, else of all of the Application."""
    own = said.get(f"{alias.replace('/', '_')}.{key}", "")
    return (own or said.get(key, "")).strip()


# -- resources ------------------------------------------------------------------------------------


def _of_resource(updater: Thing, unit: Unit) -> Iterator[Tracked]:
    app = unit.application
    assert app is not None
    spec = table(updater.body.get("spec"))
    namespace = text(spec.get("namespace")) or updater.namespace
    if namespace and app.namespace and namespace != app.namespace:
        return
    where = f"ImageUpdater {shown(updater.name)}"
    shared = _settings(spec)
    for ref in map(table, items(spec.get("applicationRefs"))):
        if not _selects(ref, app.name, dict(app.labels)):
            continue
        for image in map(table, items(ref.get("images"))[:_MOST]):
            settings = {**shared, **_settings(ref), **_settings(image)}
            target = text(table_of(image, "manifestTargets", "kustomize").get("name"))
            if target:
                settings["kustomize.image-name"] = target
            name = text(image.get("imageName"))
            if name:
                yield _tracked(name, settings, where, updater.path, updater.line)


def _selects(ref: Table, name: str, labels: Mapping[str, str]) -> bool:
    pattern = text(ref.get("namePattern"))
    if not pattern or not globs.by_segment(pattern)(name):
        return False
    return selectors.matches(table(ref.get("labelSelectors")), labels)


def _settings(holder: Table) -> dict[str, str]:
    said = table(holder.get("commonUpdateSettings"))
    found = {}
    for key, called in _SETTINGS.items():
        value = said.get(key)
        words = ",".join(texts(value)) if isinstance(value, list) else text(value)
        if words:
            found[called] = words
    return found


# -- both -----------------------------------------------------------------------------------------


def _tracked(image: str, settings: Mapping[str, str], where: str, path: str, line: int) -> Tracked:
    name, constraint = name_and_rest(image)
    others = [settings[key] for key in ("kustomize.image-name",) if key in settings]
    names = tuple(dict.fromkeys(name_of(each) for each in (name, *others)))
    return Tracked(names, constraint, settings, where, path, line)


def name_and_rest(image: str) -> tuple[str, str]:
    """`nginx` and `~1.26` of `nginx:~1.26`; a port's colon is the name's."""
    head, slash, last = image.rpartition("/")
    name, colon, rest = last.partition(":")
    if not colon:
        name, _, rest = last.partition("@")
    return head + slash + name, rest


def listed(said: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in said.split(",") if each.strip())
