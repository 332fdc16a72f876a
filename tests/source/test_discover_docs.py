"""docs/discovery.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from trees import found_in, lines, only, values

from reconciler.source.discover import OPT_OUT
from reconciler.source.objects import KINDS

DOCS = (Path(__file__).parents[2] / "docs" / "discovery.md").read_text()


def test_the_example_has_its_values_at_the_lines_told() -> None:
    (example, _) = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    (container,) = only(found_in({"web.yaml": example})).containers
    told = {field: int(line) for field, line in re.findall(r"([a-z.]+), line (\d+)", example)}
    assert told == {field: line for field, line in lines(container).items() if field in told}
    assert set(told) == {field for field, value in values(container).items() if value is not None}


def test_every_kind_and_group_is_in_the_table() -> None:
    table = DOCS.split("## Workloads")[1].split("##")[0]
    for kind, (groups, _) in KINDS.items():
        (row,) = [line for line in table.splitlines() if re.match(rf"\|.*\b{kind}\b.*\|", line)]
        for group in groups:
            assert (f"`{group}`" if group else "v1") in row


def test_the_annotation_is_the_one_that_is_read() -> None:
    assert f'{OPT_OUT}: "true"' in DOCS
