"""Applications and Flux's objects, those included that only come out of a render."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from reconciler.model import Reason, Refused
from reconciler.source import applications, appplatform, appsets, argocd, flux
from reconciler.source.applications import Application, Origin
from reconciler.source.appsets import SET
from reconciler.source.catalog import Catalog
from reconciler.source.context import Context
from reconciler.source.render import HelmRequest, Rendered, Request
from reconciler.source.typed import Thing, things
from reconciler.source.units import Unit

_MOST: Final = 50_000
_MARK: Final = re.compile(
    rb"\bkind[\"']?\s*:\s*[\"']?Application(?:Set)?\b|\b(?:helm|kustomize)\.toolkit\.fluxcd\.io/"
)


class Deployments:
    """Every Application and every Flux object once, whoever brings it forth."""

    def __init__(self, catalog: Catalog, context: Context) -> None:
        self._context = context
        self._apps: dict[tuple[str, str], Application] = {}
        self._made: dict[tuple[str, str], list[Unit]] = {}
        self._flux = _FluxObjects(catalog, context)
        self._done: set[tuple[str, str, str, str]] = set()
        if context.settings.exported is not None:
            self._take_export(catalog.deployed)
        else:
            self._take_written(catalog.deployed)

    def units(self) -> list[Unit]:
        for key, app in self._apps.items():
            if key not in self._made:
                self._made[key] = argocd.units_of(app, self._context)
        return [*(unit for made in self._made.values() for unit in made), *self._flux.units()]

    def bring_forth(self, unit: Unit) -> bool:
        """Whether a render of a unit holds an Application or a Flux object that was not known."""
        key = (unit.repository, unit.path, unit.name, unit.cluster)
        renderer, request = self._context.renderer, unit.request
        if renderer is None or request is None or key in self._done or not _may_bring_forth(request):
            return False
        self._done.add(key)
        answer = renderer.render(request)
        if not isinstance(answer, Rendered):
            return False
        held, _ = things(unit.repository, unit.path, answer.text)
        new = self._flux.take_rendered(unit, held)
        if self._context.settings.exported is None:
            new |= self._take_rendered(unit, held)
        return new

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
        # what could not be worked out is in the list
        context.failures[:] = [each for each in context.failures if each.what not in ("application", SET)]
        written = list(self._apps.values())
        self._apps.clear()
        words = "this Application is in no file of a known repository"
        nowhere = Origin("", "", 0, refused=Refused(Reason.RENDERED, words))
        self._take(list(applications.rendered(bodies, written, nowhere)))

    def _take(self, found: Sequence[Application]) -> None:
        for app in found:
            if len(self._apps) >= _MOST:
                return
            other = self._apps.setdefault(app.identity, app)
            if other.spec != app.spec:
                words = f"the Application {app.name} is also defined in {other.origin.path}, and differently"
                origin = app.origin
                self._context.fail("application", words, origin.repository, origin.path, origin.line)

    def _take_rendered(self, unit: Unit, held: list[Thing]) -> bool:
        """What comes out of a render counts, not the file that went into it."""
        words = f"this Application is rendered by {unit.name}"
        at = Origin(unit.repository, unit.path, unit.line, refused=Refused(Reason.RENDERED, words))
        bodies = [each.body for each in held if applications.is_application(each)]
        found = list(applications.rendered(bodies, list(self._apps.values()), at))
        for each in held:
            if appsets.is_set(each):
                found += [self._placed(app, at) for app in appsets.applications_of(each, self._context)]
        new = False
        for app in found[:_MOST]:
            known = self._apps.get(app.identity)
            if known is None or known.spec != app.spec:
                self._apps[app.identity] = app
                self._made.pop(app.identity, None)
                new = True
        return new

    def _placed(self, app: Application, at: Origin) -> Application:
        known = self._apps.get(app.identity)
        return known if known is not None and known.spec == app.spec else app._replace(origin=at)


class _FluxObjects:
    """HelmReleases and Kustomizations; those that a kustomization changes count as it renders them."""

    def __init__(self, catalog: Catalog, context: Context) -> None:
        self._catalog = catalog
        self._context = context
        self._objects = [each for each in catalog.deployed if _is_flux(each)]
        self._patches = [each for each in catalog.patches if _is_flux(each)]
        self._sources = [each for each in catalog.deployed if flux.is_source(each)]
        self._rendered: dict[tuple[str, ...], flux.Release] = {}
        self._replaced: set[tuple[str, str, int]] = set()
        self._maps: dict[frozenset[str], list[Thing]] = {}

    def units(self) -> list[Unit]:
        written = [
            each
            for each in self._objects
            if (each.repository, each.path, each.document) not in self._replaced
        ]
        if not written and not self._rendered:
            return []
        releases = [flux.Release(each, ()) for each in written]
        releases += self._rendered.values()
        found = flux.Flux(self._sources, self._config_maps(releases), self._context)
        return [found.unit(each) for each in releases]

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
            key = (unit.repository, unit.path, unit.name, each.kind, each.namespace, each.name)
            if key not in self._rendered:
                self._rendered[key] = flux.Release(each, tuple(same), unit.name, unit.cluster)
                self._replaced |= {(own.repository, own.path, own.document) for own in same}
                new = True
        return new

    def _config_maps(self, releases: list[flux.Release]) -> list[Thing]:
        names = frozenset(name for each in releases for name in flux.config_map_names(each.thing))
        if names not in self._maps:
            self._maps[names] = self._catalog.config_maps(set(names)) if names else []
        return self._maps[names]


def _is_flux(thing: Thing) -> bool:
    return flux.is_release(thing) or flux.is_kustomization(thing)


def _may_bring_forth(request: Request) -> bool:
    files = request.chart if isinstance(request, HelmRequest) else request.files
    return any(_MARK.search(data) is not None for data in files.values())
