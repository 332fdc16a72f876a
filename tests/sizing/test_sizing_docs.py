"""The documents say what the code does: every reason once, and every example word for word."""

from __future__ import annotations

import re
from pathlib import Path

from sizing_evidence import MI, consumer, evidence, flat, killed, used

from reconciler.model import Evidence, Field, Reason
from reconciler.sizing import explain, tell

DOCS = Path(__file__).parents[2] / "docs"


def told(given: Evidence, field: Field) -> str:
    return "\n".join(tell(next(found for found in explain(given) if found.slot.field is field)))


def test_every_reason_is_explained_once() -> None:
    headings = re.findall(r"^### (.+)$", (DOCS / "reasons.md").read_text("utf-8"), re.MULTILINE)

    assert sorted(headings) == sorted(Reason)


def test_every_reason_says_who_and_how() -> None:
    text = (DOCS / "reasons.md").read_text("utf-8")
    entries = re.split(r"^### ", re.sub(r"^## .*$", "", text, flags=re.MULTILINE), flags=re.MULTILINE)[1:]

    assert len(entries) == len(Reason)
    for entry in entries:
        assert re.search(r"\*\*Who:\*\* \S.*\*\*How:\*\* \S", entry, re.DOTALL), entry.splitlines()[0]


def test_examples_are_what_explain_says() -> None:
    examples = re.findall(r"```text\n(.*?)\n```", (DOCS / "decisions.md").read_text("utf-8"), re.DOTALL)
    dying = used(memory=flat(300 * MI, peak=498 * MI), oom_kills=(killed(512 * MI),))
    held = used(cpu=198, throttled_permille=310)

    assert examples == [
        told(evidence(cpu="500m"), Field.CPU_REQUEST),
        told(
            evidence(memory="256Mi", memory_limit="512Mi", consumers=(consumer(dying),)), Field.MEMORY_REQUEST
        ),
        told(evidence(cpu="200m", cpu_limit="200m", consumers=(consumer(held),)), Field.CPU_REQUEST),
    ]


def test_next_step_of_the_example_is_the_one_announced() -> None:
    assert "to 320m, waits for the cool-down: 7 days" in (DOCS / "decisions.md").read_text("utf-8")
    assert "change (savings): 400m → 320m" in told(evidence(cpu="400m"), Field.CPU_REQUEST)


def test_every_stage_is_in_the_table() -> None:
    table = (DOCS / "decisions.md").read_text("utf-8").partition("## The stages")[2]
    named = re.findall(r"^\| ([a-z-]+(?: [a-z]+)?) \|", table, re.MULTILINE)
    usage = used(memory=flat(300 * MI, peak=498 * MI), oom_kills=(killed(512 * MI),))
    given = evidence(memory="256Mi", memory_limit="512Mi", consumers=(consumer(usage),))
    stages = [stage.name for found in explain(given) for stage in found.stages]

    assert set(named) - {"stage"} >= set(stages)
    assert {"oom", "limit", "step"} <= set(stages)


def test_a_stage_without_a_figure_is_told_too() -> None:
    lines = tell(next(iter(explain(evidence(cpu=None)))))

    assert lines[0] == "requests.cpu: not set"
    assert "  in force    -  no request and no limit is set" in lines
    assert lines[-3] == "  change (savings): not set → 210m"
