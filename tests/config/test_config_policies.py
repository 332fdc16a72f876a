"""Policies: what is refused, which one wins, and what holds by default."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config import BadFile, PolicyBook, load_policies, parse_policies, ready_made
from reconciler.errors import Misconfigured
from reconciler.model import Container, ContainerRef, Failure, Freeze, Mode, Policy, Workload

HEAD = "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: mine}\n"


def policy(name: str, rest: str = "") -> str:
    return f"apiVersion: reconciler/v1\nkind: Policy\nmetadata: {{name: {name}}}\n{rest}\n"


def workload(
    name: str = "web",
    *,
    kind: str = "Deployment",
    namespace: str = "shop",
    cluster: str = "",
    path: str = "apps/web/web.yaml",
    repository: str = "deploy",
    labels: tuple[tuple[str, str], ...] = (("tier", "web"),),
) -> Workload:
    return Workload(
        unit="apps/web", cluster=cluster, namespace=namespace, kind=kind, name=name, repository=repository,
        path=path, line=1, replicas=1, labels=labels, annotations=(), scalers=(), containers=(),
    )  # fmt: skip


def container(of: Workload) -> Container:
    return Container(ContainerRef(of.cluster, of.namespace, of.kind, of.name, "app"), False, False, ())


def book(*texts: str, teams: tuple[str, ...] = (), group: str | None = None) -> PolicyBook:
    operator = [one for index, text in enumerate(texts) for one in parse_policies(text, f"p{index}.yaml")]
    own = [
        one for index, text in enumerate(teams) for one in parse_policies(text, f"t{index}.yaml", "deploy")
    ]
    return PolicyBook(operator, group=group).with_teams(own)


def resolve(found: PolicyBook, of: Workload | None = None) -> Policy:
    target = of or workload()
    answer = found.resolve(target, container(target))
    assert isinstance(answer, Policy), answer
    return answer


def failure(found: PolicyBook, of: Workload | None = None) -> Failure:
    target = of or workload()
    answer = found.resolve(target, container(target))
    assert isinstance(answer, Failure), answer
    return answer


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
        ("resources: {memory: {floor: -1Mi}}", "p.yaml:4:29: resources.memory.floor: it can't be below zero"),
        ("resources: {memory: {round: 0}}",
         "p.yaml:4:29: resources.memory.round: expected at least 1 byte, found the number 0"),
        ("resources: {cpu: {estimator: p95}}",
         'p.yaml:4:30: resources.cpu.estimator: expected percentile or peak, found "p95"'),
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
        ("images: {track: semver}", 'p.yaml:4:10: unknown key "track"'),
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
    assert resolve(found).sizing.window_days == 28
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
    assert found.sizing.raised_only_kinds == ("StatefulSet",)
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


# ---------------------------------------------------------------------------------------------
# Teams
# ---------------------------------------------------------------------------------------------


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
    assert resolve(found, workload(repository="other")).sizing.window_days == 14


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
    assert resolve(book(policy("ours", "extends: [cautious]"), teams=(team,))).sizing.window_days == 28


CARE = [
    ("raiseOnlyKinds", "[]", ("StatefulSet",), "[Job]", ("StatefulSet", "Job")),
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
        "resources: {raiseOnlyKinds: [StatefulSet], step: {up: 100%, down: 20%}, coolDown: 7d, throttled: 5%"
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
        assert (found.step_down_percent, found.raised_only_kinds) == (20, ("StatefulSet",))
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


# ---------------------------------------------------------------------------------------------
# Files
# ---------------------------------------------------------------------------------------------


def test_a_folder_is_read_with_all_below_it_and_all_mistakes_are_told(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a.yaml").write_text(policy("a", "resources: {window: 20d}"))
    (tmp_path / "deep" / "b.yml").write_text(policy("b", "priority: 1\nresources: {window: 21d}"))
    (tmp_path / "README.md").write_text("no policy")
    (tmp_path / ".hidden" / "c.yaml").write_text("no policy")
    assert resolve(load_policies(tmp_path)).sizing.window_days == 21
    assert resolve(load_policies(tmp_path / "a.yaml")).sizing.window_days == 20
    (tmp_path / "a.yaml").write_text("x: 1\n")
    (tmp_path / "deep" / "b.yml").write_text("- y\n")
    with pytest.raises(BadFile) as caught:
        load_policies(tmp_path)
    assert {one.path for one in caught.value.mistakes} == {
        str(tmp_path / "a.yaml"), str(tmp_path / "deep" / "b.yml"),
    }  # fmt: skip


def test_wrong_names_and_contradictions_are_told_beside_other_mistakes(tmp_path):
    (tmp_path / "a.yaml").write_text(policy("a", "extends: [cautius, b, e]\nx: 1"))
    (tmp_path / "b.yaml").write_text(policy("b", "resources: {window: 7d, evidence: {days: 8}, y: 1}"))
    (tmp_path / "c.yaml").write_text(policy("c", "extends: [b, cautius, a]"))
    (tmp_path / "d.yaml").write_text(policy("c", "resources: {cpu: {floor: 2, ceiling: 1, round: x}}"))
    (tmp_path / "e.yaml").write_text(policy("batch"))
    with pytest.raises(BadFile) as caught:
        load_policies([tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml", "d.yaml", "e.yaml")])
    told = [line.removeprefix(f"{tmp_path}/").partition(";")[0] for line in str(caught.value).splitlines()]
    assert [line.partition(": ready")[0][:60] for line in told] == [
        'a.yaml:5:1: unknown key "x"',
        "b.yaml:4:42: 8 days of evidence don't fit into a window of 7",
        'b.yaml:4:46: unknown key "y"',
        'c.yaml:4:14: no policy is called "cautius"',
        "d.yaml:4:38: resources.cpu: the ceiling is below the floor",
        "d.yaml:4:48: resources.cpu.round: 'x' is no quantity: write ",
        'e.yaml:3:18: the name "batch" is taken by the policy at read',
    ]
    (tmp_path / "f.yaml").write_text("a: [")  # what it would have held, nobody knows
    with pytest.raises(BadFile) as caught:
        load_policies([tmp_path / "c.yaml", tmp_path / "f.yaml"])
    assert len(caught.value.mistakes) == 1


def test_paths_are_told_without_detours(tmp_path):
    (tmp_path / "settings").mkdir()
    (tmp_path / "p.yaml").write_text(policy("a", "match: {names: [x]}"))
    (note,) = load_policies(tmp_path / "settings" / ".." / "p.yaml").unmatched([workload()])
    assert note.path == str(tmp_path / "p.yaml")


def test_a_detour_through_a_link_is_none(tmp_path):
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "deep")
    (tmp_path / "far" / "p.yaml").write_text(policy("a"))
    assert load_policies(tmp_path / "link" / ".." / "p.yaml").unmatched([]) != ()


def test_the_row_of_a_report_says_the_first_place_once():
    with pytest.raises(BadFile) as caught:
        parse_policies(policy("a", "x: 1\ny: 1"), "t.yaml", "deploy")
    failed = caught.value.failure
    assert (failed.repository, failed.path, failed.line) == ("deploy", "t.yaml", 4)
    assert [line.partition(";")[0] for line in failed.error.splitlines()] == [
        'unknown key "x"', 't.yaml:5:1: unknown key "y"',
    ]  # fmt: skip
    assert str(caught.value) == f"t.yaml:4:1: {failed.error}"


def test_broad_policies_can_rank_below_all_others():
    found = book(
        policy("broad", "priority: -10\nresources: {window: 20d}"), policy("b", "resources: {window: 30d}")
    )
    assert resolve(found).sizing.window_days == 30


def test_several_policies_share_a_file_and_each_keeps_its_lines():
    first, second = parse_policies(policy("a") + "---\n" + policy("b", "mode: observe"), "p.yaml")
    assert (first.line, second.line) == (3, 8)
    assert second.says["mode", "resources"].line == 9


def test_a_folder_that_is_not_there_is_told():
    with pytest.raises(Misconfigured, match="no such file or folder"):
        load_policies(Path("/nowhere/policies"))


def test_ten_thousand_containers_take_less_than_a_second():
    texts = [
        policy(f"p{index}", f"match: {{namespaces: ['team-{index}-*'], paths: ['teams/{index}/**'],"
                            f" labels: {{tier: [web, 'w*']}}}}\nresources: {{window: {20 + index}d}}")
        for index in range(50)
    ]  # fmt: skip
    found = book(*texts)
    workloads = [
        workload(f"web-{n}", namespace=f"team-{n % 50}-prod", path=f"teams/{n % 50}/app-{n}/web.yaml")
        for n in range(10_000)
    ]
    start = time.process_time()
    answers = [found.resolve(one, container(one)) for one in workloads]
    assert time.process_time() - start < 1
    assert [one.sizing.window_days for one in answers[:60] if isinstance(one, Policy)][-10:] == [
        *range(20, 30)
    ]
