"""What policies say of when, how many and for whom merge requests are opened."""

from __future__ import annotations

import pytest
from policy_world import book, policy, resolve

from reconciler.config import parse_policies
from reconciler.config.mistakes import BadFile
from reconciler.model import Gates, Hours


def gates(*ours: str, team: str = "") -> Gates:
    found = [policy(f"p{n}", f"proposals: {{{text}}}") for n, text in enumerate(ours)]
    teams = (policy("t", f"priority: 99\nproposals: {{{team}}}"),) if team else ()
    return resolve(book(*found, teams=teams)).gates


def test_without_a_word_there_are_limits_and_nothing_else() -> None:
    assert gates() == Gates()
    assert (Gates().most_open, Gates().per_hour) == (20, 10)


def test_everything_can_be_said() -> None:
    found = gates(
        "schedule: [mon-fri 09:00-17:00, sat], timezone: Europe/Berlin, approval: required, owner: org/web, "
        "reviewers: ['@ann', org/sre], limits: {open: null, perHour: 1, perRun: 2, perWeek: 3, perOwner: 0}"
    )
    assert found == Gates(
        hours=(Hours((0, 1, 2, 3, 4), 540, 1020), Hours((5,), 0, 1440)),
        time_zone="Europe/Berlin", approval="required", most_open=None, per_hour=1, per_run=2, per_week=3,
        per_owner=0, owner="org/web", reviewers_from="names", reviewers=("ann", "org/sre"),
    )  # fmt: skip
    assert gates("schedule: 22:00-06:00, reviewers: none").hours == (Hours(tuple(range(7)), 1320, 1800),)
    assert gates("reviewers: none").reviewers_from == "none"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("schedule: at night", "expected days, times, or both, like mon-fri 09:00-17:00"),
        ("schedule: [9-17]", "expected days, times"),
        ("timezone: Mars/Olympus", "expected the name of a time zone, like Europe/Berlin"),
        ("timezone: ../../etc/passwd", "expected the name of a time zone"),
        ("timezone: /usr/share/zoneinfo/UTC", "expected the name of a time zone"),
        ("approval: maybe", "required"),
        ("limits: {open: -1}", "limits.open"),
        ("limits: {perHour: many}", "limits.perHour"),
        ("limits: {perDay: 1}", "perDay"),
        ("reviewers: everybody", "expected codeowners, none, or a list"),
        ("reviewers: ['a b']", "expected the name of a user"),
        ("reviewers: ['a/../b']", "expected the name of a user"),
        ("owner: '<x>'", "expected the name of a user"),
    ],
)
def test_mistakes_are_told(text: str, words: str) -> None:
    with pytest.raises(BadFile, match=r"p.yaml:4") as caught:
        parse_policies(policy("p", f"proposals: {{{text}}}"), "p.yaml")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("ours", "team", "field", "expected"),
    [
        ("", "limits: {open: 5}", "most_open", 5),
        ("", "limits: {open: 500}", "most_open", 20),
        ("", "limits: {open: null}", "most_open", 20),
        ("limits: {open: null}", "limits: {open: 7}", "most_open", 7),
        ("limits: {perWeek: 2}", "limits: {perWeek: null}", "per_week", 2),
        ("", "limits: {perOwner: 1}", "per_owner", 1),
        ("", "approval: required", "approval", "required"),
        ("approval: required", "approval: none", "approval", "required"),
        ("", "timezone: Asia/Tokyo", "time_zone", "Asia/Tokyo"),
        ("schedule: sat", "timezone: Asia/Tokyo", "time_zone", "UTC"),
        ("timezone: Asia/Tokyo", "schedule: sat", "hours", ()),
        ("schedule: sat", "schedule: []", "hours", (Hours((5,), 0, 1440),)),
        ("", "schedule: sat", "hours", (Hours((5,), 0, 1440),)),
        ("reviewers: none", "reviewers: [ann]", "reviewers", ()),
        ("", "reviewers: [ann]", "reviewers", ("ann",)),
    ],
)
def test_a_team_only_tightens(ours: str, team: str, field: str, expected: object) -> None:
    assert getattr(gates(*([ours] if ours else []), team=team), field) == expected


def test_whose_it_is_only_the_operator_says() -> None:
    with pytest.raises(BadFile, match=r"proposals.owner is for the operator's policies to say"):
        parse_policies(policy("t", "proposals: {owner: me}"), "t.yaml", "deploy")
    lent = policy("lent", "match: {names: [other]}\nproposals: {owner: org/lent}")
    assert resolve(book(lent, teams=(policy("t", "extends: [lent]"),))).gates.owner == ""
