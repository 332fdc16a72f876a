"""Planned peaks and annotations in whole runs: over a real repository and a real recording."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_twins import PLAIN
from world import NOW, STEP, Used, World, manifest, ref
from world import _days as days_of

from reconciler import canonical
from reconciler.config.units import moment
from reconciler.model import ChangeClass, Do, Evidence, NoUsage, Reason, Report
from reconciler.sizing import decide
from reconciler.usage.days import DAY, ContainerDay
from reconciler.usage.files import write_days

MIB = 1 << 20
YEAR = 365


def year_before(one: Used, first: int, last: int) -> list[ContainerDay]:
    """The same container, as busy as that on the days that are so far ahead of now, a year before."""
    return [
        day._replace(
            day=NOW // DAY + ahead - YEAR,
            first_sample=(NOW // DAY + ahead - YEAR) * DAY,
            last_sample=(NOW // DAY + ahead - YEAR + 1) * DAY - STEP,
        )
        for ahead, day in zip(range(first, last + 1), days_of(one), strict=False)
    ]


def text(ahead: int) -> str:
    return datetime.fromtimestamp(NOW + ahead * DAY, UTC).date().isoformat()


def world_of(folder: Path, peak: str, *before: ContainerDay, files: dict[str, str] | None = None) -> World:
    (folder / "policies").mkdir(parents=True)
    plain = f"{PLAIN}  peaks: [{peak}]\n" if peak else PLAIN
    (folder / "policies" / "plain.yaml").write_text(plain)
    used = [Used(ref("web"), 400, 400 * MIB)]
    world = World(folder, files or {"web.yaml": manifest("web", "460m", "480Mi")}, used, policies="policies")
    days = [day for one in used for day in days_of(one)]
    write_days(folder / "usage" / "all.parquet", [*before, *days], {"source": "test", "step": STEP}, NOW)
    return world


def outcome(report: Report) -> dict[str, str]:
    found = {value.slot.field.resource: value.new for change in report.changes for value in change.values}
    return found | {keep.slot.field.resource: keep.reason.value for keep in report.kept}


def test_a_stated_peak_is_prepared_for_and_then_left(tmp_path: Path) -> None:
    peak = f"{{from: {text(3)}, to: {text(6)}, why: sale, cpu: 2, memory: 1Gi}}"
    world = world_of(tmp_path, peak)
    report = world.run()
    assert outcome(report) == {"cpu": "2000m", "memory": "1024Mi"}
    assert {change.klass for change in report.changes} == {ChangeClass.SAFETY}
    assert "sale from" in world.requests()[0].body
    assert {action.do for action in world.run().actions} == {Do.LEAVE}
    for request in world.requests():
        world.forge.merge(request.number, request.head)
    assert set(outcome(world.run(NOW + DAY)).values()) == {Reason.PLANNED_PEAK.value}


def test_before_its_lead_nobody_speaks_of_it(tmp_path: Path) -> None:
    peak = f"{{from: {text(3)}, to: {text(6)}, why: sale, cpu: 2, lead: 2d}}"
    assert outcome(world_of(tmp_path, peak).run(write=False))["cpu"] == Reason.IN_BAND.value


def test_last_years_days_are_asked_for_and_raise(tmp_path: Path) -> None:
    peak = f"{{from: {text(3)}, to: {text(5)}, why: sale, asLastYear: true, every: year}}"
    busy = year_before(Used(ref("web"), 1000, 1000 * MIB), 3, 5)
    world = world_of(tmp_path, peak, *busy)
    report = world.run(write=False)
    assert outcome(report) == {"cpu": "1150m", "memory": "1200Mi"}
    change = report.changes[0]
    assert "was needed in the same days a year before" in change.because
    again = canonical.load(Evidence, canonical.plain(change.evidence))
    assert [row.values for row in decide(again) if hasattr(row, "values")]  # type: ignore[union-attr]


def test_where_last_years_days_are_gone_nothing_is_lowered(tmp_path: Path) -> None:
    peak = f"{{from: {text(3)}, to: {text(5)}, why: sale, asLastYear: true}}"
    high = {"web.yaml": manifest("web", "2", "4Gi")}
    world = world_of(tmp_path, peak, files=high)
    assert set(outcome(world.run(write=False)).values()) == {Reason.PLANNED_PEAK.value}
    without = world_of(tmp_path / "without", "", files=high)
    assert outcome(without.run(write=False)) == {"cpu": "1600m", "memory": "3296Mi"}


def test_nobody_is_asked_for_last_year_without_such_a_peak(tmp_path: Path) -> None:
    peak = f"{{from: {text(30)}, to: {text(35)}, why: sale, asLastYear: true}}"
    report = world_of(tmp_path, peak, files={"web.yaml": manifest("web", "2", "4Gi")}).run(write=False)
    assert all(change.evidence.last_year == () for change in report.changes)
    assert report.changes


def annotated(key: str, value: str) -> str:
    said = f'  annotations: {{{key}: "{value}"}}\n'
    return manifest("web", "2", "4Gi").replace("  namespace: shop", f"{said}  namespace: shop")


@pytest.mark.parametrize(
    ("key", "value", "cpu", "memory"),
    [
        ("reconciler.io/raise-only", "true", "only-raised", "only-raised"),
        ("reconciler.io/raise-only", "memory", "1600m", "only-raised"),
        ("reconciler.io/raise-only.app", "cpu", "only-raised", "3296Mi"),
        ("reconciler.io/raise-only.side", "true", "1600m", "3296Mi"),
        ("reconciler.io/ignore.app", "memory", "1600m", "opted-out"),
        ("reconciler.io/ignore", "maybe", "opted-out", "opted-out"),
        ("reconciler.io/ignore", "false", "1600m", "3296Mi"),
    ],
)
def test_annotations(tmp_path: Path, key: str, value: str, cpu: str, memory: str) -> None:
    world = world_of(tmp_path, "", files={"web.yaml": annotated(key, value)})
    assert outcome(world.run(write=False)) == {"cpu": cpu, "memory": memory}


def test_what_is_said_of_a_container_counts_before_what_is_said_of_all(tmp_path: Path) -> None:
    both = annotated("reconciler.io/ignore", "true").replace(
        'reconciler.io/ignore: "true"', 'reconciler.io/ignore: "true", reconciler.io/ignore.app: "false"'
    )
    world = world_of(tmp_path, "", files={"web.yaml": both})
    assert outcome(world.run(write=False)) == {"cpu": "1600m", "memory": "3296Mi"}


def test_last_year_begins_where_it_should(tmp_path: Path) -> None:
    """One day before it the container was busier still; that day is not among those meant."""
    peak = f"{{from: {text(3)}, to: {text(5)}, why: sale, asLastYear: true}}"
    busy = year_before(Used(ref("web"), 1000, 1000 * MIB), 3, 5)
    busier = year_before(Used(ref("web"), 3000, 3000 * MIB), 2, 2) + year_before(
        Used(ref("web"), 3000, 3000 * MIB), 6, 6
    )
    report = world_of(tmp_path, peak, *busier, *busy).run(write=False)
    assert outcome(report) == {"cpu": "1150m", "memory": "1200Mi"}
    before = report.changes[0].evidence.last_year[0]
    assert before.start == moment(text(3 - YEAR))
    assert before.end == moment(text(6 - YEAR))
    assert not any(isinstance(one.usage, NoUsage) for one in before.consumers)
