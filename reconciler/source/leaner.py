"""Charts without the files that no render of them can depend on.

Hundreds of Applications often keep their value files within the one chart that they share. Templates reach
such files through `.Files` alone; where nothing says that word, a change of one is none of the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reconciler.source.charts import CHART, VALUES
from reconciler.source.render import Files, HelmRequest
from reconciler.source.units import Unit

_READ: Final = frozenset(
    {
        CHART,
        "Chart.lock",
        "requirements.yaml",
        "requirements.lock",
        VALUES,
        "values.schema.json",
        ".helmignore",
    }
)
_FOLDERS: Final = ("templates/", "crds/", "charts/")
_PACKED: Final = (".tgz", ".tar.gz")
_REACHING: Final = b"Files"


class Leaner:
    """Looks through every chart once, though thousands may share it."""

    def __init__(self) -> None:
        self._lean: dict[int, tuple[Files, Files]] = {}  # by identity: the chart, and what is left of it

    def unit(self, unit: Unit) -> Unit:
        request = unit.request
        if not isinstance(request, HelmRequest) or _reaches(_given(request)):
            return unit
        if id(request.chart) not in self._lean:
            self._lean[id(request.chart)] = (request.chart, _lean(request.chart))
        lean = self._lean[id(request.chart)][1]
        return unit if lean is request.chart else unit._replace(request=request._replace(chart=lean))


def _lean(chart: Files) -> Files:
    """What is left of a chart; itself where nothing can be left out."""
    left = {path: data for path, data in chart.items() if path in _READ or path.startswith(_FOLDERS)}
    packed = any(path.endswith(_PACKED) for path in left)
    return chart if packed or len(left) == len(chart) or _reaches(left.values()) else left


def _given(request: HelmRequest) -> Iterable[bytes]:
    """What an Application gives: a value may be a template, too."""
    yield from request.values
    yield from (each.value.encode("utf-8", "replace") for each in request.parameters)
    yield from (each.content for each in request.file_parameters)


def _reaches(texts: Iterable[bytes]) -> bool:
    return any(_REACHING in text for text in texts)
