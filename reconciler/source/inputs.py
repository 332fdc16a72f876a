"""Which files a unit is made of."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.source.render import HelmRequest
from reconciler.source.units import Unit


def inputs(unit: Unit) -> frozenset[tuple[str, str]]:
    """Every file whose change may change the unit, as repository and path.

    Its definition and what had a say in that, the chart with its dependencies, value files, overlays,
    bases and patches, manifests. Only files of known repositories: nobody here changes others.
    """
    found: set[tuple[str, str]] = set()
    one: Unit | None = unit
    while one is not None:
        found.update(_own(one))
        one = one.parent
    return frozenset(found)


def _own(unit: Unit) -> Iterator[tuple[str, str]]:
    if unit.line:  # without, what it is called by is a folder
        yield unit.repository, unit.path
    yield from unit.read
    yield from ((unit.source, path) for path in unit.manifests)
    places = [layer.place for layer in unit.layers if layer.place.repository]
    places += [each.place for each in unit.parameters]
    places += [each.place for each in unit.written]
    foreign = {mount.repository for mount in unit.mounts if mount.refused is not None}
    yield from ((place.repository, place.path) for place in places if place.repository not in foreign)
    request = unit.request
    if request is None or (isinstance(request, HelmRequest) and not unit.mounts):
        return  # a chart that was fetched
    for path in request.chart if isinstance(request, HelmRequest) else request.files:
        at = unit.located(path)
        if at.refused is None:
            yield at.repository, at.path
