"""The page on units says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from unit_repositories import CHART, found, known, unit

from reconciler.source.finding import find_units
from reconciler.source.generators import _FOREIGN, MOST
from reconciler.source.settings import UnitSettings

PAGE = (Path(__file__).parents[2] / "docs" / "units.md").read_text("utf-8")


def test_the_example_has_the_layers_of_its_table() -> None:
    blocks = re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)
    files = dict(blocks) | {"charts/web/Chart.yaml": CHART, "charts/web/values.yaml": "a: 1\n"}
    (url,) = re.findall(r"known as `(\S+)`", PAGE)
    one = unit(find_units([known(files, url=url)], UnitSettings()), "web")
    rows = re.findall(r"^\| \d \| `(\S+)`(?: at `(\S+)`)? \|$", PAGE, re.MULTILINE)
    assert [(layer.place.path, ".".join(map(str, layer.place.keys))) for layer in one.layers] == rows
    (parameter,) = one.parameters
    assert re.search(
        rf"`{parameter.name}`.*?`{parameter.place.path}` at\s+`{'.'.join(map(str, parameter.place.keys))}`",
        PAGE,
        re.DOTALL,
    )


def test_the_generators_and_the_bound_that_it_names() -> None:
    assert (
        ", ".join(f"`{kind}`" for kind in ("scmProvider", "pullRequest", "clusterDecisionResource")) in PAGE
    )
    assert all(f"`{kind}`" in PAGE for kind in _FOREIGN)
    assert f"More than {MOST:,} Applications" in PAGE


def test_a_chart_that_nothing_deploys_is_no_unit() -> None:
    result = found({"charts/web/Chart.yaml": CHART, "charts/web/values.yaml": "kind: none\n"})
    assert result.units == ()
