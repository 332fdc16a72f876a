"""What a change would have meant, where people and scripts read it: merge requests and the JSON of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest
from world import Used, World, manifest, ref

from reconciler.cli import ended
from reconciler.model import Change, Field, Hindsight, Lived
from reconciler.proposals.body_fit import fitted
from reconciler.proposals.hindsight import MOST_ROWS, hindsight
from reconciler.proposals.surface import Surface
from reconciler.report import schemas

MIB = 1 << 20


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Its memory request is passed each day; half of the time it uses more than 400m, and not 500m."""
    monkeypatch.delenv("RECONCILE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    used = [Used(ref("web"), 100, 300 * MIB)]
    return World(tmp_path, {"web.yaml": manifest("web", "500m", "200Mi")}, used)


def changes(world: World) -> dict[Field, Change]:
    found = [change for proposal in world.run(write=False).proposals for change in proposal.changes]
    return {change.values[0].slot.field: change for change in found}


def shown(some: Sequence[Change]) -> str:
    """The section as it stands in a body, where nothing is folded."""
    return fitted([hindsight(some, Surface(), 1)], 1_000_000).strip()


def test_a_merge_request_shows_it(world: World) -> None:
    found = changes(world)
    assert shown([found[Field.MEMORY_REQUEST]]).splitlines() == [
        "**Had it been in force over these 14 days**",
        "",
        "| container | value | over it, now | over it, proposed | unused, now | unused, proposed |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
        f"| `shop/web/app` | requests.memory | 14 of 14 days | 0 of 14 days | {slack(found, 'old')} % "
        f"| {slack(found, 'new')} % |",
    ]
    bodies = [proposal.body for proposal in world.run(write=False).proposals]
    assert any("| 14 of 14 days | 0 of 14 days |" in body for body in bodies)


def slack(found: dict[Field, Change], which: str) -> int:
    told = found[Field.MEMORY_REQUEST].hindsight
    return round(getattr(told, which).slack_permille / 10)


def test_the_json_of_a_run_says_it_in_the_row_of_the_request(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.write_settings()
    assert ended(["--dry-run", "-o", "json", "--config", str(world.settings)]) == 0
    told = json.loads(capsys.readouterr().out)
    jsonschema.validate(told, schemas.run())
    row = next(row for row in told["changes"] if row["field"] == "requests.memory")
    assert row["hindsight"]["days"] == 14
    assert row["hindsight"]["old"]["days_over"] == 14
    assert row["hindsight"]["new"]["days_over"] == 0
    assert row["hindsight"]["old"]["slack"] < row["hindsight"]["new"]["slack"]


def with_hindsight(change: Change, **other: object) -> Change:
    return change._replace(hindsight=change.hindsight._replace(**other))  # type: ignore[union-attr]


def test_the_title_tells_of_all(world: World) -> None:
    one = changes(world)[Field.MEMORY_REQUEST]
    assert "over these 14 days**" in shown([one, one])
    assert "over this day**" in shown([with_hindsight(one, days=1)])
    for other in (with_hindsight(one, days=7), with_hindsight(one, days=28, containers=2)):
        assert "over the days that were measured**" in shown([one, other])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 pod-minutes a day"),
        (59, "under 1 pod-minute a day"),
        (60, "1 pod-minute a day"),
        (7300, "121 pod-minutes a day"),
    ],
)
def test_minutes_are_whole(world: World, seconds: int, words: str) -> None:
    found = Hindsight(Field.CPU_REQUEST, 14, 1, None, Lived(100, 0, seconds, -55))
    one = changes(world)[Field.MEMORY_REQUEST]._replace(hindsight=found)
    assert shown([one]).splitlines()[-1].endswith(f"| – | {words} | – | nothing |")


def test_it_ends_somewhere(world: World) -> None:
    one = changes(world)[Field.MEMORY_REQUEST]
    lines = shown([one] * (MOST_ROWS + 5)).splitlines()
    assert len(lines) == MOST_ROWS + 5
    assert lines[-1].startswith("| … and 5 more |")
    assert shown([one._replace(hindsight=None)]) == ""
