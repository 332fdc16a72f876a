"""Policies that teams keep in a deployment repository: how far they reach."""

from __future__ import annotations

import pytest
from policy_world import book, failure, policy, resolve, workload

from reconciler.config import BadFile, parse_policies
from reconciler.model import Freeze, Mode


@pytest.mark.parametrize(
    ("operator", "team", "mode"),
    [
        ("observe", "merge", Mode.OBSERVE), ("propose", "merge", Mode.PROPOSE),
        ("merge", "merge", Mode.MERGE),
        ("merge", "observe", Mode.OBSERVE), ("propose", "propose", Mode.PROPOSE),
    ],
)  # fmt: skip
def test_a_team_can_lower_the_mode_and_never_raise_it(operator, team, mode):
    found = book(policy("ours", f"mode: {operator}"), teams=(policy("team", f"priority: 99\nmode: {team}"),))
    assert resolve(found).resources_mode is mode
    assert resolve(found).images_mode is mode


def test_a_team_can_not_raise_the_default_mode_either():
    assert resolve(book(teams=(policy("team", "mode: merge"),))).images_mode is Mode.OBSERVE


def test_a_team_can_add_to_the_operators_freezes_and_not_lift_them():
    freeze = "proposals: {{freeze: {}}}"
    ours = policy("ours", freeze.format("[{from: 2026-12-20, to: 2026-12-24, why: peak}]"))
    peak = Freeze(1_797_724_800, 1_797_724_800 + 5 * 86_400, "peak")
    assert resolve(book(ours)).freezes == (peak,)
    assert resolve(book(ours, teams=(policy("t", "priority: 9\n" + freeze.format("[]")),))).freezes == (peak,)
    more = policy("t", "priority: 9\n" + freeze.format("[{from: 2026-11-01, to: 2026-11-01, why: audit}]"))
    assert [one.why for one in resolve(book(ours, teams=(more,))).freezes] == ["audit", "peak"]


def test_a_teams_policy_is_about_its_own_repository():
    found = book(teams=(policy("team", "resources: {window: 21d}"),))
    assert resolve(found).sizing.window_days == 21
    assert resolve(found, workload(repository="other")).sizing.window_days == 35


@pytest.mark.parametrize("priority", [-5, 0, 1000])
def test_the_operators_word_wins_over_a_teams_whatever_the_priority(priority):
    team = policy("t", f"priority: {priority}\nresources: {{window: 30d, cpu: {{headroom: 1%, floor: 7m}}}}")
    found = resolve(book(policy("ours", "priority: -9\nresources: {window: 20d}"), teams=(team,)))
    assert found.sizing.window_days == 20
    assert (found.sizing.cpu.headroom_percent, found.sizing.cpu.floor) == (
        1,
        7,
    )  # nobody but the team says it
    assert found.names == ("ours", "t", "balanced")
    assert resolve(book(policy("ours", "extends: [cautious]"), teams=(team,))).sizing.window_days == 56


RAISED = ("StatefulSet", "CustomResource")
CARE = [
    ("raiseOnlyKinds", "[]", RAISED, "[Job]", (*RAISED, "Job")),
    ("step", "{up: 900%}", 100, "{up: 50%}", 50),
    ("step", "{down: 90%}", 20, "{down: 5%}", 5),
    ("coolDown", "0d", 7 * 86_400, "14d", 14 * 86_400),
    ("evidence", "{days: 1}", 7, "{days: 9}", 9),
    ("evidence", "{coverage: 0%}", 600, "{coverage: 90%}", 900),
    ("throttled", "100%", 50, "1%", 10),
]


@pytest.mark.parametrize(("key", "loose", "default", "careful", "told"), CARE)
@pytest.mark.parametrize("said", [False, True])
def test_a_team_can_ask_for_more_care_and_never_for_less(key, loose, default, careful, told, said):
    """Beside `balanced`, and beside an operator who says the same as `balanced`."""
    same = (
        "resources: {raiseOnlyKinds: [StatefulSet, CustomResource], step: {up: 100%, down: 20%}, "
        "coolDown: 7d, throttled: 5%"
    )
    ours = [policy("ours", same + ", evidence: {days: 7, coverage: 60%}}")] if said else []

    def values(value: str) -> set[object]:
        team = policy("t", f"priority: 1000\nresources: {{{key}: {value}}}")
        return set(resolve(book(*ours, teams=(team,))).sizing)

    assert default in values(loose)
    assert values(loose) == set(resolve(book()).sizing)
    assert told in values(careful)
    assert values(careful) != values(loose)


def test_a_team_reaches_no_further_through_what_it_extends():
    ours = policy("loose", "match: {names: [other]}\nresources: {step: {down: 60%}}")
    for base in ("loose", "thrifty"):
        found = resolve(book(ours, teams=(policy("t", f"extends: [{base}]"),))).sizing
        assert (found.step_down_percent, found.raised_only_kinds) == (20, RAISED)
        assert (found.cool_down, found.min_days, found.throttled_permille) == (7 * 86_400, 7, 50)


def test_the_operator_can_allow_what_teams_can_not_take():
    ours = policy("ours", "resources: {step: {down: 40%}, raiseOnlyKinds: []}")
    found = resolve(book(ours, teams=(policy("t", "resources: {step: {down: 30%}}"),))).sizing
    assert (found.step_down_percent, found.raised_only_kinds) == (30, ())
    assert resolve(book(ours)).sizing.step_down_percent == 40


def test_a_team_adds_only_labels_that_the_operator_allows():
    team = policy("t", "priority: 9\nproposals: {labels: [automerge, team-shop, ours]}")
    assert resolve(book(teams=(team,))).labels == ()
    ours = policy("ours", "proposals: {labels: [ours, bot], teamLabels: ['team-*']}")
    assert resolve(book(ours, teams=(team,))).labels == ("ours", "bot", "team-shop")
    assert resolve(book(policy("ours", "proposals: {labels: [bot]}"), teams=(team,))).labels == ("bot",)


def test_a_team_can_not_allow_itself_labels():
    with pytest.raises(BadFile, match=r"t.yaml:4:13: proposals.teamLabels is for the operator's policies"):
        parse_policies(policy("t", "proposals: {teamLabels: ['*'], labels: [x]}"), "t.yaml", "deploy")
    lent = policy("lent", "match: {names: [other]}\nproposals: {teamLabels: ['*']}")
    team = policy("t", "extends: [lent]\nproposals: {labels: [automerge]}")
    assert resolve(book(lent, teams=(team,))).labels == ()


def test_beside_the_operators_word_a_teams_gives_way():
    def sizing(ours: str, theirs: str):
        return resolve(book(policy("o", f"resources: {ours}"), teams=(policy("t", f"resources: {theirs}"),)))

    found = sizing("{window: 14d}", "{evidence: {days: 40}}").sizing
    assert (found.window_days, found.min_days) == (14, 14)
    found = sizing("{evidence: {days: 10}}", "{window: 5d}").sizing
    assert (found.window_days, found.min_days) == (10, 10)
    assert sizing("{cpu: {ceiling: 1}}", "{cpu: {floor: 2}}").sizing.cpu.floor == 1000
    assert sizing("{cpu: {floor: 2}}", "{cpu: {ceiling: 1}}").sizing.cpu.ceiling == 2000


def test_teams_that_contradict_each_other_fail_with_their_repository():
    texts = (policy("s", "resources: {window: 20d}"), policy("t", "resources: {window: 21d}"))
    failed = failure(book(teams=texts))
    assert (failed.repository, failed.path) == ("deploy", "t0.yaml")
    assert "s (t0.yaml:4)" in failed.error
    assert "t (t1.yaml:4)" in failed.error
    settled = book(policy("ours", "priority: -9\nresources: {window: 28d}"), teams=texts)
    assert resolve(settled).sizing.window_days == 28


def test_a_team_can_not_settle_what_operators_dispute():
    texts = [policy("a", "resources: {window: 20d}"), policy("b", "resources: {window: 30d}")]
    failed = failure(book(*texts, teams=(policy("t", "priority: 9\nresources: {window: 25d}"),)))
    assert failed.what == "the policies a and b"


def test_a_team_has_no_keys_for_files_variables_and_hosts():
    for key in ("tokenFile: x", "url: http://x", "env: X", "path: x"):
        with pytest.raises(BadFile, match="unknown key"):
            parse_policies(policy("t", key), "t.yaml", "deploy")
