"""Policies: what is refused, which one wins, and what holds by default."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_world import book, failure, policy, resolve, workload

from reconciler.config import BadFile, load_policies, parse_policies, ready_made
from reconciler.model import Mode

HEAD = "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: mine}\n"

# ---------------------------------------------------------------------------------------------
# What is refused
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("resource: {}", 'p.yaml:4:1: unknown key "resource"; did you mean "resources"?'),
        ("mode: apply", "p.yaml:4:7: mode: expected observe, propose, merge, or {resources: ..., images: ...}"
                        ', found "apply"'),
        ("mode: {resources: porpose}",
         'p.yaml:4:19: mode.resources: expected observe, propose or merge, found "porpose"; '
         'did you mean "propose"?'),
        ("resources: {cpu: {headroom: 15}}",
         "p.yaml:4:29: resources.cpu.headroom: expected a whole percentage like 15%, found the number 15"),
        ("resources: {cpu: {headroom: 0.15}}",
         'p.yaml:4:29: resources.cpu.headroom: expected a whole percentage like 15%, found "0.15"'),
        ("resources: {cpu: {floor: 10Q}}",
         "p.yaml:4:26: resources.cpu.floor: '10Q' is no quantity: write a number and its unit, like "
         "250m, 0.5 or 2"),
        ("resources: {cpu: {floor: 2, ceiling: 1}}",
         "p.yaml:4:38: resources.cpu: the ceiling is below the floor"),
        ("resources: {cpu: {missingLimit: add, limit: none}}",
         "p.yaml:4:33: resources.cpu: with `limit: none` none is ever added, as nothing says how high: write "
         "`limit: equal`, or a share such as 150%"),
        ("resources: {memory: {floor: -1Mi}}", "p.yaml:4:29: resources.memory.floor: it can't be below zero"),
        ("resources: {memory: {round: 0}}",
         "p.yaml:4:29: resources.memory.round: expected at least 1 byte, found the number 0"),
        ("resources: {cpu: {estimator: p95}}",
         "p.yaml:4:30: resources.cpu.estimator: expected auto, percentile, long-percentile, worst-pod, "
         'hour-of-week, decayed, peak, long-peak, trend or replayed, found "p95"'),
        ("resources: {window: 36h}",
         'p.yaml:4:21: resources.window: expected whole days, at least one, like 14d or 2w, found "36h"'),
        ("resources: {window: 7d, evidence: {days: 8}}",
         "p.yaml:4:42: 8 days of evidence don't fit into a window of 7"),
        ("resources: {evidence: {days: 7d}}",
         'p.yaml:4:30: resources.evidence.days: expected a whole number, found "7d"'),
        ("resources: {step: {down: 100%}}",
         'p.yaml:4:26: resources.step.down: expected from 1% to 99%, found "100%"'),
        ("resources: {cpu: {headroom: null}}",
         "p.yaml:4:29: resources.cpu.headroom: expected text like 15%, found nothing"),
        ("images: {strategie: semver}", 'p.yaml:4:10: unknown key "strategie"; did you mean "strategy"?'),
        ("match: {namespaces: []}",
         "p.yaml:4:21: match.namespaces: an empty list matches nothing: leave the key out to match "
         "everything"),
        ("match: {namespaces: shop}",
         'p.yaml:4:21: match.namespaces: expected a list, like [a, b], found "shop"'),
        ("match: {paths: ['!x']}",
         "p.yaml:4:17: match.paths[0]: expected a path like teams/payments/**; '!' is not known here"
         ', found "!x"'),
        ("match: {namespace: [x]}", 'p.yaml:4:9: unknown key "namespace"; did you mean "namespaces"?'),
        ("priority: high", 'p.yaml:4:11: priority: expected a whole number, found "high"'),
        ("proposals: {freeze: [{from: 2026-12-20, to: 2026-12-19, why: x}]}",
         "p.yaml:4:22: proposals.freeze[0]: the freeze ends before it begins"),
        ("proposals: {freeze: [{from: 2026-12-20}]}", "p.yaml:4:22: proposals.freeze[0].to is missing"),
        ("proposals: {labels: ['a,b']}",
         "p.yaml:4:22: proposals.labels[0]: expected a label of at most 50 characters, without ','"
         ', found "a,b"'),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(rest, told):
    with pytest.raises(BadFile) as caught:
        parse_policies(HEAD + rest + "\n", "p.yaml")
    assert told in str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ((policy("a"), policy("a")), 'p1.yaml:3:18: the name "a" is taken by the policy at p0.yaml:3'),
        ((policy("cautious"),), 'the name "cautious" is taken by the policy at ready-made/cautious.yaml:'),
        ((policy("a", "extends: [cautius]"),),
         'p0.yaml:4:11: no policy is called "cautius"; did you mean "cautious"?'),
        ((policy("a", "extends: [a]"),), "p0.yaml:4:11: extends goes in a circle: a -> a"),
        ((policy("a", "extends: [b]"), policy("b", "extends: [c]"), policy("c", "extends: [a]")),
         "p2.yaml:4:11: extends goes in a circle: a -> b -> c -> a"),
    ],
)  # fmt: skip
def test_policies_that_can_not_stand_together(texts, told):
    with pytest.raises(BadFile) as caught:
        book(*texts)
    assert told in str(caught.value)


def test_teams_can_not_take_an_operators_name():
    with pytest.raises(BadFile) as caught:
        book(policy("mine"), teams=(policy("mine"),))
    assert caught.value.failure.repository == "deploy"
    assert caught.value.failure.path == "t0.yaml"


def test_no_chain_of_extends_is_slow():
    chain = [policy(f"p{index}", f"extends: [p{index + 1}, p{index + 1}, cautious]") for index in range(60)]
    start = time.perf_counter()
    found = book("---\n".join([*chain, policy("p60")]))
    assert resolve(found).sizing.window_days == 56
    assert time.perf_counter() - start < 3


def test_a_chain_of_extends_has_an_end():
    chain = [policy(f"p{index}", f"extends: [p{index + 1}]") for index in range(2000)]
    start = time.perf_counter()
    with pytest.raises(BadFile, match="leads on for more than 64 policies"):
        book("---\n".join([*chain, policy("p2000")]))
    assert time.perf_counter() - start < 5


# ---------------------------------------------------------------------------------------------
# What holds
# ---------------------------------------------------------------------------------------------


def test_what_holds_unless_a_policy_says_otherwise():
    found = resolve(load_policies())
    assert found.names == ("balanced",)
    assert (found.resources_mode, found.images_mode) == (Mode.PROPOSE, Mode.OBSERVE)
    assert found.sizing.step_down_percent == 20
    assert found.sizing.cool_down == 7 * 86_400
    assert found.sizing.raised_only_kinds == ("StatefulSet", "CustomResource")
    assert (found.sizing.cpu.limit, found.sizing.memory.limit) == ("keep", "raise")
    assert (found.group, found.freezes, found.labels) == ("application", (), ())


def test_every_key_has_a_value_by_default():
    shipped = {one.name: one for one in ready_made()}
    for text in shipped.values():
        assert set(text.says) <= set(shipped["balanced"].says)


def test_the_ready_made_policies_differ_where_it_matters():
    sizing = {
        one.name: resolve(book(policy("mine", f"extends: [{one.name}]"))).sizing for one in ready_made()
    }
    assert set(sizing) == {"balanced", "cautious", "thrifty", "guaranteed", "batch"}
    for one, other in itertools.combinations(sizing, 2):
        assert sizing[one] != sizing[other]
    balanced, cautious, thrifty = sizing["balanced"], sizing["cautious"], sizing["thrifty"]
    assert cautious.window_days > balanced.window_days > thrifty.window_days
    assert cautious.step_down_percent < balanced.step_down_percent < thrifty.step_down_percent
    for level in ("cpu", "memory"):
        headrooms = [getattr(one, level).headroom_percent for one in (cautious, balanced, thrifty)]
        assert headrooms == sorted(headrooms, reverse=True)
        assert len(set(headrooms)) == 3
        assert getattr(sizing["guaranteed"], level).limit == "equal"
        assert getattr(sizing["batch"], level).estimator == "peak"
    assert sizing["batch"].window_days > balanced.window_days


def test_ready_made_policies_hold_only_where_they_are_extended():
    assert resolve(book(policy("mine", "match: {namespaces: [other]}\nextends: [thrifty]"))).names == (
        "balanced",
    )
    assert resolve(book(policy("mine", "extends: [thrifty]"))).names == ("mine", "thrifty", "balanced")


def test_key_by_key_the_highest_priority_wins():
    found = resolve(
        book(
            policy(
                "low", "resources: {window: 21d, cpu: {headroom: 50%, floor: 1}}\nproposals: {labels: [l]}"
            ),
            policy("high", "priority: 10\nresources: {cpu: {headroom: 40%}}\nmode: observe"),
        )
    )
    assert found.names == ("high", "low", "balanced")
    assert found.sizing.window_days == 21
    assert (found.sizing.cpu.headroom_percent, found.sizing.cpu.floor) == (40, 1000)
    assert (found.resources_mode, found.images_mode) == (Mode.OBSERVE, Mode.OBSERVE)
    assert found.labels == ("l",)


def test_what_extends_brings_ranks_below_what_any_policy_itself_says():
    found = resolve(
        book(
            policy("high", "priority: 10\nextends: [cautious]"),
            policy("low", "priority: -5\nresources: {window: 21d}"),
        )
    )
    assert found.sizing.window_days == 21  # low says it itself
    assert found.sizing.cpu.headroom_percent == 30  # nobody does, so what high extends holds


def test_a_later_base_wins_over_an_earlier_and_a_nearer_over_a_farther():
    first = resolve(book(policy("mine", "extends: [cautious, thrifty]")))
    assert first.sizing.window_days == 7
    near = resolve(
        book(
            policy("base", "match: {names: [nothing]}\nextends: [thrifty]\nresources: {window: 3d}"),
            policy("mine", "extends: [base]\nresources: {evidence: {days: 2}}"),
        )
    )
    assert (near.sizing.window_days, near.sizing.cpu.percentile_permille) == (3, 900)
    assert near.names == ("mine", "base", "thrifty", "balanced")


def test_naming_balanced_changes_nothing():
    with_it = book(policy("a", "extends: [balanced]"), policy("b", "extends: [cautious]"))
    assert resolve(with_it).sizing == resolve(book(policy("b", "extends: [cautious]"))).sizing


def test_equal_priorities_with_different_values_fail_that_container_and_name_both():
    found = book(
        policy("a", "resources:\n  cpu: {headroom: 10%}"),
        policy("b", "match: {namespaces: [shop]}\nresources:\n  cpu:\n    headroom: 20%"),
    )
    failed = failure(found)
    assert failed.what == "the policies a and b"
    assert (failed.path, failed.line) == ("p0.yaml", 5)
    for part in ("resources.cpu.headroom", "a (p0.yaml:5)", "b (p1.yaml:7)", "priority 0"):
        assert part in failed.error
    assert resolve(found, workload(namespace="other")).sizing.cpu.headroom_percent == 10


def test_one_cause_is_one_failure_however_many_containers_and_policies_match():
    clash = [policy("a", "resources: {evidence: {days: 40}}"), policy("b", "resources: {window: 30d}")]
    found = book(*clash, policy("c", "match: {names: [web]}\nresources: {cpu: {headroom: 40%}}"))
    failures = {failure(found, workload(name)) for name in ("web", "api", "db")}
    (one,) = failures
    assert one.what == "the policies a and b"
    assert failure(book(policy("a", "resources: {window: 5d}"))).what == "the policies balanced and a"


def test_the_same_value_twice_is_no_conflict():
    found = book(policy("a", "resources: {window: 14d}"), policy("b", "resources: {window: 2w}"))
    assert resolve(found).sizing.window_days == 14


def test_a_higher_word_settles_what_lower_ones_dispute():
    texts = [policy("a", "resources: {window: 20d}"), policy("b", "resources: {window: 30d}")]
    assert failure(book(*texts))
    assert (
        resolve(book(*texts, policy("c", "priority: 1\nresources: {window: 25d}"))).sizing.window_days == 25
    )


def test_two_policies_that_extend_what_contradicts_itself_fail_too():
    found = book(policy("a", "extends: [cautious]"), policy("b", "extends: [thrifty]"))
    error = failure(found).error
    assert "which a (p0.yaml:3) extends" in error
    assert "which b (p1.yaml:3) extends" in error
    assert "more keys" in error
    assert len(error) < 600


def test_values_that_can_not_hold_together_fail():
    floor = failure(
        book(policy("a", "resources: {cpu: {floor: 2}}"), policy("b", "resources: {cpu: {ceiling: 1}}"))
    )
    assert "the cpu floor of a (p0.yaml:4) is above the ceiling of b (p1.yaml:4)" in floor.error
    days = failure(book(policy("a", "resources: {window: 5d}")))
    assert "7 days of evidence" in days.error


def test_what_a_policy_says_must_fit_to_what_it_extends():
    with pytest.raises(BadFile) as caught:
        book(policy("a", "extends: [thrifty]\nresources: {evidence: {days: 10}}"))
    assert str(caught.value) == (
        "p0.yaml:4:11: 10 days of evidence don't fit into a window of 7: some of it comes with what it "
        "extends, so say both in here"
    )
    both = policy("a", "extends: [thrifty]\nresources: {window: 14d, evidence: {days: 10}}")
    assert resolve(book(both)).sizing.min_days == 10


@given(st.permutations(["a", "b", "c"]), st.lists(st.integers(-2, 2), min_size=3, max_size=3, unique=True))
def test_the_order_of_files_decides_nothing(names, priorities):
    texts = {
        name: policy(name, f"priority: {rank}\nresources: {{window: {20 + rank}d}}")
        for name, rank in zip("abc", priorities, strict=True)
    }
    found = resolve(book(*(texts[name] for name in names)))
    assert found.sizing.window_days == 20 + max(priorities)


def test_null_takes_a_bound_away():
    found = book(
        policy("a", "resources: {cpu: {ceiling: 2}}"),
        policy("b", "priority: 1\nresources: {cpu: {ceiling: null}}"),
    )
    assert resolve(found).sizing.cpu.ceiling is None


def test_what_settings_say_of_grouping_ranks_below_every_policy():
    assert resolve(book(group="namespace")).group == "namespace"
    assert resolve(book(policy("a", "proposals: {group: workload}"), group="namespace")).group == "workload"


# ---------------------------------------------------------------------------------------------
# What a policy is about
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("match", "matches"),
    [
        ("{}", True), ("{namespaces: [shop]}", True), ("{namespaces: [sh*, x]}", True),
        ("{namespaces: [x]}", False),
        ("{kinds: [deploy]}", True), ("{kinds: [DEPLOYMENT]}", True), ("{kinds: [sts]}", False),
        ("{names: [we?]}", True), ("{names: [w]}", False), ("{paths: ['apps/**']}", True),
        ("{paths: [apps/web]}", True), ("{paths: [apps/w]}", False), ("{labels: {tier: web}}", True),
        ("{labels: {tier: [db, 'w*']}}", True), ("{labels: {tier: web, app: x}}", False),
        ("{labels: {x: '*'}}", False),
        ("{clusters: ['*']}", True), ("{clusters: [prod]}", False),
        ("{namespaces: [shop], kinds: [sts]}", False),
    ],
)  # fmt: skip
def test_all_keys_of_match_must_hold(match, matches):
    found = book(policy("mine", f"match: {match}\nresources: {{window: 21d}}"))
    assert (resolve(found).sizing.window_days == 21) is matches
    assert [note.detail.split()[2] for note in found.unmatched([workload()])] == ([] if matches else ["mine"])


def test_a_policy_that_matches_nothing_is_noted_with_its_place():
    found = book(policy("mine", "match: {namespaces: [shopp]}"))
    (note,) = found.unmatched([workload()])
    assert (note.path, note.line, note.repository) == ("p0.yaml", 3, "")
    assert note.detail == "the policy mine matches no workload: check its match"


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ("[Deploymnt]", '; did you mean "Deployment"?'), ("[statefullset, cronjbo]",
         '; did you mean "StatefulSet" and "CronJob"?'), ("[Rolout]", '; did you mean "Rollout"?'),
        ("[DeploymentConfg]", '; did you mean "DeploymentConfig"?'),
        ("[Kafka]", ""), ("[sts]", ""), ("['Deploymnt*']", ""), ("[PostgresCluster, DaemonSet]", ""),
    ],
)  # fmt: skip
def test_a_kind_that_matches_nothing_may_be_misspelt(kinds, told):
    (note,) = book(policy("mine", f"match: {{kinds: {kinds}}}")).unmatched([workload()])
    assert note.detail == f"the policy mine matches no workload: check its match{told}"
