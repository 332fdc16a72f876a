"""All units of the known repositories: who deploys what, and what nobody deploys and so stands for itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from reconciler.model import Failure, Note
from reconciler.source import alone, chartunits, rest
from reconciler.source.catalog import Catalog
from reconciler.source.charts import ChartSource
from reconciler.source.context import Context
from reconciler.source.deployments import Deployments
from reconciler.source.leaner import Leaner
from reconciler.source.memo import Memo
from reconciler.source.remotes import GitSource
from reconciler.source.render import Renderer
from reconciler.source.repositories import Known, Repositories
from reconciler.source.settings import UnitSettings
from reconciler.source.syncwindows import Project, projects
from reconciler.source.units import Unit

_DEEPEST: Final = 8  # an Application that deploys Applications, and so on


class Found(NamedTuple):
    units: tuple[Unit, ...]
    failures: tuple[Failure, ...]
    notes: tuple[Note, ...]
    projects: tuple[Project, ...] = ()  # of Argo CD, those with sync windows


def find_units(
    repositories: Sequence[Known],
    settings: UnitSettings,
    renderer: Renderer | None = None,
    charts: ChartSource | None = None,
    remotes: GitSource | None = None,
    memo: Memo | None = None,
) -> Found:
    """Every unit, and what kept others from being found.

    The renderer is asked where only a render can tell: for the Go templates of ApplicationSets,
    and for what a chart or a kustomization brings forth that deploys something itself. Without
    `charts` and `remotes` nothing is read but the known repositories. With a `memo` of an earlier
    look only files that have changed since are read anew.
    """
    known = Repositories(repositories)
    context = Context(known, settings, renderer, charts, remotes, memo)
    catalog = Catalog(context)
    deployments = Deployments(catalog, context)
    named = chartunits.units_of(settings.charts, context)
    units: list[Unit] = []
    leaner = Leaner()
    for _ in range(_DEEPEST):
        units = [*deployments.units(), *named]
        units += rest.units_of(units, context)
        units = list(map(leaner.unit, units))
        if deployments.forget_orphans(units):
            continue
        news = [unit for unit in units if deployments.bring_forth(unit)]
        if not news:
            break
    alone.tell(units, context)
    return Found(
        tuple(units),
        tuple(dict.fromkeys(context.failures)),
        tuple(dict.fromkeys(context.notes)),
        projects(catalog.deployed),
    )
