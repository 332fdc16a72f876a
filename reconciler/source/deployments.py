"""Applications and Flux's objects, those included that only come out of a render."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from reconciler.model import Key, Reason, Refused
from reconciler.source import applications, appplatform, appsets, argocd, flux, fluxunits
from reconciler.source.applications import Application, Origin
from reconciler.source.catalog import Catalog
from reconciler.source.context import Context
from reconciler.source.render import Files, HelmRequest, Rendered, Request
from reconciler.source.typed import Table, Thing, things
from reconciler.source.units import Unit

_MOST: Final = 50_000
_MARK: Final = re.compile(
    rb"\bkind[\"']?\s*:\s*[\"']?Application(?:Set)?\b|\b(?:helm|kustomize)\.toolkit\.fluxcd\.io/"
)
_MARKED: Final = re.compile(_MARK.pattern.decode())

_Key = tuple[str, ...]
_Spot = tuple[str, str, int, tuple[Key, ...]]  # of an object in a file


class Deployments:
    """Every Application and every Flux object once, whoever brings it forth."""

    def __init__(self, catalog: Catalog, context: Context) -> None:
        self._context = context
        self._apps: dict[_Key, Application] = {}
        self._written: list[Application] = []
        self._confirmed: set[_Key] = set()  # of those that are deployed as they are written
        self._made: dict[_Key, list[Unit]] = {}
        self._parents: dict[_Key, Unit] = {}
        self._flux = _FluxObjects(catalog, context)
        self._done: set[_Key] = set()
        self._marked: dict[int, tuple[Files, bool]] = {}  # by identity: thousands may share one chart
        if context.settings.exported is not None:
            self._take_export(catalog.deployed)
        else:
            self._take_written(catalog.deployed)

    def units(self) -> list[Unit]:
        for key, app in self._apps.items():
            if key not in self._made:
                parent = self._parents.get(key)
                self._made[key] = [
                    unit._replace(parent=parent) for unit in argocd.units_of(app, self._context)
                ]
        made = [unit for each in self._made.values() for unit in each]
        return [*made, *self._context.refused, *self._flux.units()]

    def bring_forth(self, unit: Unit) -> bool:
        """Whether a render of a unit holds an Application or a Flux object that was not known."""
        key = unit.lineage
        renderer, request = self._context.renderer, unit.request
        if renderer is None or request is None or key in self._done or not self._may(request):
            return False
        self._done.add(key)
        answer = renderer.render(request)
        if not isinstance(answer, Rendered):
            return False
        held, _ = things(unit.repository, unit.path, answer.text, _MARKED)
        new = self._flux.take_rendered(unit, held)
        if self._context.settings.exported is None:
            new |= self._take_rendered(unit, held)
        return new

    def forget_orphans(self, units: Sequence[Unit]) -> bool:
        """Whether a Flux object was known only from the render of what is no unit any more.

        What is written in a file is rendered as it stands, until it turns out who changes it.
        """
        alive: set[_Key] = set()
        for unit in sorted(units, key=lambda each: len(each.lineage)):
            if unit.parent is None or unit.parent.lineage in alive:
                alive.add(unit.lineage)
        self._done &= alive
        return self._flux.forget_orphans(alive)

    def _may(self, request: Request) -> bool:
        """Whether any file of a request could bring forth what deploys something."""
        files = request.chart if isinstance(request, HelmRequest) else request.files
        if id(files) not in self._marked:
            found = any(_MARK.search(data) is not None for data in files.values())
            self._marked[id(files)] = (files, found)
        return self._marked[id(files)][1]

    # -- Argo CD ----------------------------------------------------------------------------------

    def _take_written(self, deployed: list[Thing]) -> None:
        self._take([applications.from_thing(each) for each in deployed if applications.is_application(each)])
        for each in deployed:
            if appsets.is_set(each):
                self._take(appsets.applications_of(each, self._context))
            elif appplatform.is_workload(each):
                made = appplatform.application(each)
                self._take([made] if made else [])

    def _take_export(self, deployed: list[Thing]) -> None:
        context = self._context
        bodies = applications.exported(context.settings.exported or b"")
        if isinstance(bodies, Refused):
            context.fail("applications", bodies.detail)
            return
        self._take_written(deployed)
        context.refused.clear()  # what could not be worked out is in the list
        written = list(self._apps.values())
        self._apps.clear()
        words = "this Application is in no file of a known repository"
        nowhere = Origin("", "", 0, refused=Refused(Reason.RENDERED, words))
        self._take(list(applications.rendered(bodies, written, nowhere, context.memo.homes)))

    def _take(self, found: Sequence[Application]) -> None:
        """One name may stand in several files, for as many Argo CDs; in one ApplicationSet it may not."""
        for app in found:
            if len(self._apps) >= _MOST:
                return
            other = self._apps.setdefault(_key(app), app)
            if other.spec != app.spec:
                words = f"{app.name} is made twice, and differently, by one ApplicationSet"
                origin = app.origin
                self._context.fail("application", words, origin.repository, origin.path, origin.line)
        self._written += found

    def _take_rendered(self, unit: Unit, held: list[Thing]) -> bool:
        """What comes out of a render counts, not the file that went into it."""
        files = unit.request.files if unit.request and not isinstance(unit.request, HelmRequest) else {}
        own = [
            app for app in self._written if app.origin.repository == unit.source and app.origin.path in files
        ]
        words = f"this Application is rendered by {unit.name}"
        at = Origin(unit.repository, unit.path, unit.line, refused=Refused(Reason.RENDERED, words))
        bodies = [each.body for each in held if applications.is_application(each)]
        found = list(applications.rendered(bodies, own, at))
        for each in held:
            if appsets.is_set(each):
                found += [_placed(app, own, at) for app in appsets.applications_of(each, self._context)]
        return self._replace(own, found[:_MOST], unit)

    def _replace(self, own: list[Application], found: list[Application], unit: Unit) -> bool:
        """Put what was rendered in the place of what went in; one that a render leaves as it is stays."""
        known: dict[_Key, list[tuple[Table, Origin]]] = {}
        for app in self._apps.values():
            known.setdefault(_key(app), []).append((app.spec, app.origin))
        news = [app for app in found if (app.spec, app.origin) not in known.get(_key(app), ())]
        self._confirmed |= {_key(app) for app in found if app not in news}
        for app in news:
            key = (unit.name, unit.path, *_key(app))
            self._apps[key] = app
            self._parents[key] = unit
        kept = {app.name for app in found} - {app.name for app in news}
        gone = [_key(app) for app in own if app.name not in kept and _key(app) not in self._confirmed]
        gone = [key for key in gone if key in self._apps]
        for key in gone:  # by another name, with other words, or not at all
            del self._apps[key]
            self._made.pop(key, None)
        return bool(news or gone)


def _key(app: Application) -> _Key:
    origin = app.origin
    keys = ".".join(map(str, origin.keys))
    return (origin.repository, origin.path, str(origin.document), keys, app.namespace, app.name)


def _placed(app: Application, written: Sequence[Application], at: Origin) -> Application:
    """An Application of a rendered set: where the same set stands in a file, it is that one's."""
    same = (each for each in written if (each.name, each.spec) == (app.name, app.spec))
    return next(same, app._replace(origin=at))


class _FluxObjects:
    """HelmReleases and Kustomizations; those that a kustomization changes count as it renders them."""

    def __init__(self, catalog: Catalog, context: Context) -> None:
        self._catalog = catalog
        self._context = context
        self._objects = [each for each in catalog.deployed if _is_flux(each)]
        self._patches = [each for each in catalog.patches if _is_flux(each)]
        self._sources = [each for each in catalog.deployed if flux.is_source(each)]
        self._rendered: dict[_Key, flux.Release] = {}
        self._maps: dict[frozenset[str], list[Thing]] = {}

    def units(self) -> list[Unit]:
        pieces = Counter(at for each in self._rendered.values() for at in set(map(_at, each.written)))
        releases = [flux.Release(each, ()) for each in self._objects if _at(each) not in pieces]
        releases += [_found_at(each, pieces) for each in self._rendered.values()]
        if not releases:
            return []
        found = flux.Flux(self._sources, self._config_maps(releases), self._context)
        return [fluxunits.unit_of(each, found, self._context) for each in releases]

    def take_rendered(self, unit: Unit, held: list[Thing]) -> bool:
        files = unit.request.files if unit.request and not isinstance(unit.request, HelmRequest) else {}
        new = False
        for each in held:
            if not _is_flux(each):
                continue
            same = [
                own
                for own in (*self._objects, *self._patches)
                if own.path in files and (own.kind, own.name) == (each.kind, each.name)
            ]
            key = (each.kind, each.namespace, each.name, *unit.lineage)
            if key not in self._rendered and not _is_above(each, same, unit):
                self._rendered[key] = flux.Release(each, tuple(same), unit)
                new = True
        return new

    def forget_orphans(self, alive: Collection[_Key]) -> bool:
        orphans = [
            key
            for key, each in self._rendered.items()
            if each.rendered_by is not None and each.rendered_by.lineage not in alive
        ]
        for key in orphans:
            del self._rendered[key]
        return bool(orphans)

    def _config_maps(self, releases: list[flux.Release]) -> list[Thing]:
        names = frozenset(name for each in releases for name in flux.config_map_names(each.thing))
        if names not in self._maps:
            self._maps[names] = self._catalog.config_maps(set(names)) if names else []
        return self._maps[names]


def _is_above(thing: Thing, pieces: Sequence[Thing], unit: Unit) -> bool:
    """Whether a unit renders its own definition, as that of `flux bootstrap` does, or a parent's."""
    paths = {(each.repository, each.path) for each in pieces}
    above: Unit | None = unit
    while above is not None:
        if (
            flux.is_kustomization(thing)
            and above.name == thing.name
            and (above.repository, above.path) in paths
        ):
            return True
        above = above.parent
    return False


def _at(thing: Thing) -> _Spot:
    return (thing.repository, thing.path, thing.document, thing.keys)


def _found_at(release: flux.Release, pieces: Counter[_Spot]) -> flux.Release:
    """The release where people find it: the file that it is written in, when only one unit renders that."""
    thing, unit = release.thing, release.rendered_by
    own = next((each for each in release.written if each.repository == thing.repository), None)
    if own is not None and pieces[_at(own)] == 1:
        return release._replace(thing=thing._replace(path=own.path, line=own.line))
    return release._replace(thing=thing._replace(line=unit.line if unit is not None else thing.line))


def _is_flux(thing: Thing) -> bool:
    return flux.is_release(thing) or flux.is_kustomization(thing)
