"""Charts that nothing deploys: nobody knows their values, so somebody should be told."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import Final

from reconciler.source.charts import CHART
from reconciler.source.context import Context
from reconciler.source.render import KustomizeRequest
from reconciler.source.trees import Tree, inside
from reconciler.source.typed import Table, items, table, text
from reconciler.source.units import Unit

_WORDS: Final = (
    "nothing here deploys it: name it in the settings to have it looked at, as in "
    "`units: [{path: FOLDER, releaseName: NAME, namespace: NAMESPACE}]`"
)


def tell(units: Iterable[Unit], context: Context) -> None:
    """A note for each chart that no unit renders, but for libraries and for what other charts hold."""
    charts = {tree.name: _charts(tree) for tree in context.repositories.trees}
    if not any(charts.values()):
        return
    used = {at for unit in units for at in _rendered_by(unit)}
    for tree in context.repositories.trees:
        bodies = {at: context.memo.values_of(tree, posixpath.join(at, CHART)) for at in charts[tree.name]}
        needed = {below for at, body in bodies.items() for below in _needed(at, table(body))}
        for at, body in bodies.items():
            if (
                (tree.name, at) not in used
                and at not in needed
                and text(table(body).get("type")) != "library"
            ):
                context.note("chart", _WORDS, tree, posixpath.join(at, CHART))


def _rendered_by(unit: Unit) -> Iterator[tuple[str, str]]:
    """The folders of the charts that go into a unit."""
    yield unit.source, unit.chart
    if isinstance(unit.request, KustomizeRequest):
        charts = (path for path in unit.request.files if path.endswith(CHART))
        yield from ((at.repository, posixpath.dirname(at.path)) for at in map(unit.located, charts))
    else:
        yield from ((mount.repository, mount.head) for mount in unit.mounts)


def _needed(folder: str, body: Table) -> Iterator[str]:
    """The charts of the repository that a chart depends on."""
    for each in map(table, items(body.get("dependencies"))):
        url = text(each.get("repository"))
        below = inside(folder, url.removeprefix("file://")) if url.startswith("file://") else None
        if below is not None:
            yield below


def _charts(tree: Tree) -> list[str]:
    """The folders of charts that lie in no other chart."""
    found = sorted(posixpath.dirname(path) for path in tree.paths if posixpath.basename(path) == CHART)
    outer: set[str] = set()
    for at in found:
        if not any(head in outer for head in _above(at)):
            outer.add(at)
    return sorted(outer)


def _above(folder: str) -> list[str]:
    """The folders that a folder lies in."""
    found = []
    while folder:
        folder = posixpath.dirname(folder)
        found.append(folder)
    return found
