"""docs/limits.md says what the code does, word for word."""

from __future__ import annotations

import re
from pathlib import Path

from sizing_evidence import evidence
from sizing_pods import keeps, limit_range, placed, quota

from reconciler.config.limits import LimitRule
from reconciler.model import Evidence, Field
from reconciler.sizing import explain, tell

DOCS = Path(__file__).parents[2] / "docs"
CPU, MEMORY = Field.CPU_REQUEST, Field.MEMORY_REQUEST


def told(given: Evidence, field: Field) -> str:
    return "\n".join(tell(next(found for found in explain(given) if found.slot.field is field)))


def test_examples_are_what_explain_says() -> None:
    examples = re.findall(r"```text\n(.*?)\n```", (DOCS / "limits.md").read_text("utf-8"), re.DOTALL)
    crowded = placed(400, limit_ranges=(limit_range(maximum=300),), quotas=(quota(CPU, 4000, 3900),))

    assert examples == [
        told(evidence("500m", cpu_limit="1", sizing=keeps(cpu={"limit": "ratio"})), CPU),
        told(evidence("500m", "1Gi", "500m", "1Gi", sizing=keeps()), MEMORY),
        told(evidence("200m", consumers=crowded), CPU),
    ]


def test_every_rule_is_in_the_table() -> None:
    text = (DOCS / "limits.md").read_text("utf-8")
    schema = LimitRule.__metadata__[1].json_schema  # type: ignore[attr-defined]

    rules = set(schema["anyOf"][0]["enum"])

    named = set(re.findall(r"^\| `([a-z0-9%]+)` \|", text, re.MULTILINE)) - {"limit"}
    assert named == rules | {"150%"}
