"""The examples of docs/yaml.md are what happens."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.model import Refused
from reconciler.source.yamledit import Assignment, rewrite
from reconciler.source.yamledit.scalars import is_plain, is_plain_text

DOCS = (Path(__file__).parents[2] / "docs" / "yaml.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)


def edited(before: str, *assignments: Assignment) -> str:
    after = rewrite(before.encode(), assignments)
    assert not isinstance(after, Refused), after
    return after.decode()


def test_every_example_comes_out_as_it_stands_there() -> None:
    kept, kept_after, added, added_after, alias, alias_after, block, two = BLOCKS
    cpu = ("resources", "requests", "cpu")
    assert edited(kept, Assignment(0, cpu, "250m")) == kept_after
    sizes = [Assignment(0, ("containers", at, *cpu), value) for at, value in ((0, "250m"), (1, "50m"))]
    assert edited(added, *sizes) == added_after
    assert edited(alias, Assignment(0, ("web", *cpu), "250m")) == alias_after
    inside = edited(block, Assignment(0, ("values",), "250m", False, cpu))
    assert inside == block.replace("100m", "250m")
    for at in (0, 1):
        assert isinstance(rewrite(two.encode(), [Assignment(at, ("ab"[at],), "3")]), Refused)


def test_the_words_that_need_quotes_are_the_ones_named() -> None:
    section = DOCS.partition("## Quotes")[2].partition("\n## ")[0]
    quantities, text = section.split("\n\n")[1:3]
    plain, _, quoted = quantities.partition("`010`")
    assert all(is_plain(value, text=False, json=False) for value in re.findall(r"`(.*?)`", plain))
    for value in ("010", *re.findall(r"`(.*?)`", quoted)):
        assert not is_plain(value, text=False, json=False)
    plain, _, quoted = text.partition("`1.20`")
    assert re.findall(r"`(.*?)`", plain) == ["v1.27", "1.27.3"]
    assert all(is_plain_text(value) for value in re.findall(r"`(.*?)`", plain))
    assert not any(is_plain_text(value) for value in ("1.20", *re.findall(r"`(.*?)`", quoted)))
