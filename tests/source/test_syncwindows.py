"""Sync windows of AppProjects, read as Argo CD reads them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.source.cron import cron, seconds
from reconciler.source.syncwindows import projects, shut
from reconciler.source.typed import things
from reconciler.source.units import Deployed

APP = Deployed("web-prod", "argocd", "shop", "web", (), True, destination=("eu", "https://1.2.3.4", "shop"))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def project(*windows: str, name: str = "shop") -> str:
    rows = "".join(f"\n  - {window}" for window in windows)
    head = (
        f"apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {{name: {name}, namespace: argocd}}\n"
    )
    return f"{head}spec:\n  syncWindows:{rows}\n"


def why(text: str, now: str, app: Deployed = APP) -> str:
    found, broken = things("deploy", "project.yaml", text, re.compile("AppProject|Application"))
    assert not broken
    return shut(projects(found), app, at(now))


DENY = '{kind: deny, schedule: "0 22 * * *", duration: 8h, applications: ["*"]}'
ALLOW = '{kind: allow, schedule: "0 9 * * 1-5", duration: 8h, namespaces: [shop]}'


# 2026-03-02 is a Monday
@pytest.mark.parametrize(
    ("windows", "now", "expected"),
    [
        ([DENY], "2026-03-02T21:59:59", ""),
        ([DENY], "2026-03-02T22:00:00", "denies"),
        ([DENY], "2026-03-03T05:59:59", "denies"),
        ([DENY], "2026-03-03T06:00:00", ""),
        ([ALLOW], "2026-03-02T08:59:59", "within `0 9 * * 1-5`"),
        ([ALLOW], "2026-03-02T09:00:00", ""),
        ([ALLOW], "2026-03-02T16:59:59", ""),
        ([ALLOW], "2026-03-02T17:00:00", "within"),
        ([ALLOW], "2026-03-07T12:00:00", "within"),  # Saturday
        ([ALLOW, DENY], "2026-03-02T23:00:00", "denies"),
        ([ALLOW, '{kind: allow, schedule: "0 0 * * 6", duration: 24h, applications: [web-*]}'],
         "2026-03-07T12:00:00", ""),
        # each matches by one thing, or by all of what it names
        (['{kind: deny, schedule: "* * * * *", duration: 1h, applications: [api], clusters: [eu]}'],
         "2026-03-02T12:00:00", "denies"),
        (['{kind: deny, schedule: "* * * * *", duration: 1h, applications: [api], clusters: [eu], '
          "andOperator: true}"], "2026-03-02T12:00:00", ""),
        (['{kind: deny, schedule: "* * * * *", duration: 1h, applications: [web*], clusters: ["https://*"], '
          "andOperator: true}"], "2026-03-02T12:00:00", "denies"),
        (['{kind: deny, schedule: "* * * * *", duration: 1h, namespaces: ["{shop,web}"]}'],
         "2026-03-02T12:00:00", "denies"),
        (['{kind: deny, schedule: "* * * * *", duration: 1h}'], "2026-03-02T12:00:00", ""),
        # one that can't be read keeps Argo CD from syncing anything
        (['{kind: deny, schedule: "often", duration: 1h, applications: ["*"]}'],
         "2026-03-02T12:00:00", "can't be read"),
        (['{kind: allow, schedule: "0 9 * * *", duration: long, applications: ["*"]}'],
         "2026-03-02T12:00:00", "can't be read"),
        (['{kind: deny, schedule: "0 12 * * *", duration: 1h, timeZone: Europe/Berlin, applications: ["*"]}'],
         "2026-03-02T11:30:00", "denies"),
        (['{kind: deny, schedule: "0 12 * * *", duration: 1h, timeZone: Europe/Berlin, applications: ["*"]}'],
         "2026-07-02T10:30:00", "denies"),
        (['{kind: deny, schedule: "0 12 * * *", duration: 1h, timeZone: No/Where, applications: ["*"]}'],
         "2026-03-02T12:30:00", "denies"),
    ],
)  # fmt: skip
def test_when_nothing_is_synced(windows: list[str], now: str, expected: str) -> None:
    said = why(project(*windows), now)
    assert (expected in said) if expected else said == ""


def test_windows_of_another_project_are_not_its_own() -> None:
    assert why(project(DENY, name="other"), "2026-03-02T23:00:00") == ""
    assert why(project(DENY), "2026-03-02T23:00:00", APP._replace(project="other")) == ""


def test_other_kinds_of_that_shape_say_nothing() -> None:
    text = project(DENY)
    assert why(text.replace("argoproj.io", "example.com"), "2026-03-02T23:00:00") == ""
    assert why(text.replace("AppProject", "Application"), "2026-03-02T23:00:00") == ""


@pytest.mark.parametrize("text", ["null", "3", "{a: b}", "[null, 3, [x]]", "[{kind: [x], schedule: {}}]"])
def test_nonsense_is_survived(text: str) -> None:
    head = "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: shop}\n"
    assert why(f"{head}spec: {{syncWindows: {text}}}\n", "2026-03-02T12:00:00") in ("",)


@pytest.mark.parametrize(
    ("text", "now", "on"),
    [
        ("*/15 * * * *", "2026-03-02T10:15:30", True),
        ("*/15 * * * *", "2026-03-02T10:16:30", False),
        ("5,35 1-3 * * *", "2026-03-02T02:35:00", True),
        ("0 0 1 * *", "2026-03-01T00:00:10", True),
        ("0 0 1 * MON", "2026-03-02T00:00:10", True),  # either kind of day
        ("0 0 1 * mon", "2026-03-03T00:00:10", False),
        ("0 0 */2 * 1", "2026-03-09T00:00:10", True),  # a step says something, so either is enough
        ("0 0 * jan-mar ?", "2026-03-09T00:00:10", True),
        ("0 0 * APR *", "2026-03-09T00:00:10", False),
        ("30/10 * * * *", "2026-03-09T00:50:10", True),
        ("30/10 * * * *", "2026-03-09T00:20:10", False),
        ("0 0 29 2 *", "2028-02-29T00:00:30", True),
    ],
)
def test_cron(text: str, now: str, on: bool) -> None:
    found = cron(text)
    assert found is not None
    assert found.fires_within(datetime.fromisoformat(now), 60) is on


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 7",
     "a * * * *", "5-1 * * * *", "*/0 * * * *", "@daily", "1,,2 * * * *", "- * * * *", "* * * * mond",
     "9" * 400, "* * jan * *"],
)  # fmt: skip
def test_what_is_no_cron(text: str) -> None:
    assert cron(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("8h", 28800), ("1h30m", 5400), ("90s", 90), ("1.5h", 5400), ("", None), ("8", None), ("8 h", None),
     ("h", None), ("-1h", None), ("1d", None)],
)  # fmt: skip
def test_durations(text: str, expected: int | None) -> None:
    assert seconds(text) == expected


@given(
    st.sampled_from(["0 9 * * 1-5", "*/20 * * * *", "15 3 1 * *", "0 0 13 * fri", "59 23 31 12 *"]),
    st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)).map(lambda one: one.replace(microsecond=0)),
    st.integers(1, 3 * 86_400),
)
def test_cron_agrees_with_looking_at_every_minute(text: str, now: datetime, span: int) -> None:
    found = cron(text)
    assert found is not None
    moment, fires = now.replace(second=0), False
    while moment > now - timedelta(seconds=span) and not fires:
        day = moment.day in found.days, moment.isoweekday() % 7 in found.weekdays
        fires = (
            moment.minute in found.minutes and moment.hour in found.hours and moment.month in found.months
            and (any(day) if found.either else all(day))
        )  # fmt: skip
        moment -= timedelta(minutes=1)
    assert found.fires_within(now, span) is fires
