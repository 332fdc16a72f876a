"""What all dialects need while units are looked for, and what they find besides units."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import Failure, Note, Place, Reason, Refused, Whose
from reconciler.source import secretvalues
from reconciler.source.charts import VALUES, Charts, ChartSource
from reconciler.source.memo import Memo
from reconciler.source.overlays import Overlays
from reconciler.source.remotes import GitSource, Remotes
from reconciler.source.render import Files, Renderer
from reconciler.source.repositories import Repositories
from reconciler.source.settings import UnitSettings
from reconciler.source.trees import Tree
from reconciler.source.typed import Thing
from reconciler.source.units import Layer, Unit
from reconciler.source.valuefiles import ValueFile


class Landing(NamedTuple):
    """Where a chart lies; no tree: it was fetched."""

    tree: Tree | None
    folder: str


class Context:
    def __init__(
        self,
        repositories: Repositories,
        settings: UnitSettings,
        renderer: Renderer | None,
        source: ChartSource | None,
        remotes: GitSource | None = None,
        memo: Memo | None = None,
    ) -> None:
        self.repositories = repositories
        self.settings = settings
        self.renderer = renderer
        self.charts = Charts(source)
        self.remotes = Remotes(remotes)
        self.memo = memo or Memo()
        self.overlays = Overlays(repositories, self.remotes, self.charts, self.memo)
        self._chart_layers: dict[Place, Layer] = {}
        self.notes: list[Note] = []
        self.failures: list[Failure] = []
        self.refused: dict[Unit, None] = {}  # what defines units, and can't be worked out

    def note(self, what: str, words: str, tree: Tree, path: str, line: int = 0) -> None:
        self.notes.append(Note(what, words, tree.name, path, line))

    def fail(self, what: str, words: str, repository: str = "", path: str = "", line: int = 0) -> None:
        self.failures.append(Failure(what, Whose.YOURS, words, repository, path, line))

    def refuse(self, thing: Thing, why: Refused) -> None:
        """Keep a definition with its reason: nothing that it deploys is known."""
        unit = Unit(thing.name, thing.repository, thing.path, thing.line, "", "", None, refused=why)
        self.refused[unit] = None

    def chart_layer(self, chart: Files, at: Landing) -> Layer:
        """A chart's own defaults: the last place to edit, for whoever renders the chart has them."""
        content = chart.get(VALUES, b"")
        path = f"{at.folder}/{VALUES}" if at.folder else VALUES
        if at.tree is None:
            refused = Refused(Reason.UNKNOWN_SOURCE, "the chart is fetched, so its defaults can't be edited")
            return Layer(Place("", path, 0, ()), False, content, shared=True, refused=refused)
        real = at.tree.resolved(path) or path
        place = Place(at.tree.name, real, 0, ())
        if place not in self._chart_layers:  # thousands may deploy one chart
            secret = secretvalues.refusal(content, path)
            layer = Layer(place, False, content, shared=True, refused=secret or at.tree.refused)
            self._chart_layers[place] = layer
        return self._chart_layers[place]

    def file_layer(self, found: ValueFile) -> Layer:
        refused = secretvalues.refusal(found.content, found.name)
        if found.tree is None:
            words = "the value file lies in a fetched chart, so it can't be edited"
            refused = refused or Refused(Reason.UNKNOWN_SOURCE, words)
        else:
            refused = refused or found.tree.refused
        place = Place(found.tree.name if found.tree else "", found.path, 0, ())
        return Layer(place, False, found.content, refused=refused)
