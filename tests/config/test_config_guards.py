"""What policies say of guards, planned peaks, twins and containers by their names."""

from __future__ import annotations

import pytest
from policy_world import book, policy, resolve, workload

from reconciler.config import BadFile, parse_policies
from reconciler.config.units import moment
from reconciler.model import Container, ContainerRef, PeerRule, PlannedPeak, Policy, Workload

DAY = 86_400
SALE = "{from: 2026-11-23, to: 2026-11-30, why: sale, cpu: 2}"


def holding(*names: str, namespace: str = "shop") -> Workload:
    """A workload with those containers."""
    bare = workload(namespace=namespace)
    refs = [ContainerRef(bare.cluster, namespace, bare.kind, bare.name, name) for name in names]
    return bare._replace(containers=tuple(Container(ref, False, False, ()) for ref in refs))


# -- by the names of containers --------------------------------------------------------------------


def test_a_policy_may_be_about_containers_of_a_name() -> None:
    proxies = policy("proxies", "match: {containers: [istio-*, vault-agent]}\nresources: {window: 22d}")
    found = book(proxies)
    pods = holding("app", "istio-proxy", "vault-agent", "vault-agent-init")
    windows = {}
    for container in pods.containers:
        held = found.resolve(pods, container)
        assert isinstance(held, Policy)
        windows[container.ref.container] = held.sizing.window_days
    assert [name for name, days in windows.items() if days == 22] == ["istio-proxy", "vault-agent"]


def test_all_of_match_must_hold() -> None:
    both = policy("both", "match: {namespaces: [mesh], containers: [app]}\nresources: {window: 22d}")
    found = book(both)
    for namespace, name, meant in (("mesh", "app", True), ("mesh", "side", False), ("shop", "app", False)):
        pods = holding(name, namespace=namespace)
        held = found.resolve(pods, pods.containers[0])
        assert isinstance(held, Policy)
        assert (held.sizing.window_days == 22) is meant


def test_a_policy_about_containers_that_nobody_has_is_noted() -> None:
    found = book(policy("proxies", "match: {containers: [istio-proxi]}\nmode: observe"))
    assert [note.what for note in found.unmatched([holding("istio-proxy")])] == ["policy-matches-nothing"]
    again = book(policy("proxies", "match: {containers: [istio-proxy]}\nmode: observe"))
    assert again.unmatched([holding("app"), holding("app", "istio-proxy")]) == ()


# -- guards ----------------------------------------------------------------------------------------


def test_the_ready_made_guards() -> None:
    sizing = resolve(book()).sizing
    assert (sizing.weekend, sizing.stale_after, sizing.quiet_days) == (True, 7 * DAY, 14)
    assert (sizing.most_restarts, sizing.band_adapts) == (3, "small")
    thrifty = resolve(book(policy("dev", "extends: [thrifty]\nmatch: {namespaces: [shop]}"))).sizing
    assert (thrifty.weekend, thrifty.stale_after) == (False, 7 * DAY)


@pytest.mark.parametrize(
    ("key", "looser", "default", "stricter", "told"),
    [
        ("evidence", "{weekend: false}", True, "{weekend: true}", True),
        ("evidence", "{age: 30d}", 7 * DAY, "{age: 2d}", 2 * DAY),
        ("killed", "1d", 14, "30d", 30),
        ("restarts", "100", 3, "1", 1),
    ],
)
def test_teams_can_ask_for_stricter_guards_alone(
    key: str, looser: str, default: object, stricter: str, told: object
) -> None:
    def held(said: str) -> object:
        sizing = resolve(book(teams=(policy("team", f"resources: {{{key}: {said}}}"),))).sizing
        return {
            "weekend": sizing.weekend, "age": sizing.stale_after,
            "killed": sizing.quiet_days, "restarts": sizing.most_restarts,
        }[said.split(":")[0].strip("{ ") if ":" in said else key]  # fmt: skip

    assert held(looser) == default
    assert held(stricter) == told


# -- planned peaks ---------------------------------------------------------------------------------


def test_a_planned_peak_is_read() -> None:
    said = "{from: 2026-12-01, to: 2026-12-24, why: Christmas, asLastYear: true, every: year, lead: 2w}"
    found = resolve(book(policy("seasons", f"resources: {{peaks: [{SALE}, {said}]}}"))).planned
    assert found == (
        PlannedPeak(moment("2026-11-23"), moment("2026-12-01"), "sale", 2000, lead=7 * DAY),
        PlannedPeak(
            moment("2026-12-01"), moment("2026-12-25"), "Christmas",
            as_last_year=True, yearly=True, lead=14 * DAY,
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("{from: 2026-11-23, to: 2026-11-30, why: sale}", "say what is needed then: cpu, memory,"),
        ("{from: 2026-11-23, to: 2026-11-20, why: sale, cpu: 2}", "the peak ends before it begins"),
        ("{from: 2026-01-01, to: 2026-12-31, why: ever, cpu: 2}", "a peak lasts for at most 180 days"),
        ("{from: soon, to: 2026-12-31, why: sale, cpu: 2}", "expected a date or a time like"),
        ("{from: 2026-11-23, to: 2026-11-30, why: sale, cpu: lots}", "'lots' is no quantity"),
        ("{from: 2026-11-23, to: 2026-11-30, why: sale, cpu: 2, every: month}", "every: expected year"),
        ("{from: 2026-11-23, to: 2026-11-30, why: sale, cpu: 2, lead: 200d}", "expected at most 90d"),
        ("{from: 2026-11-23, to: 2026-11-30, cpu: 2}", "why is missing"),
    ],
)  # fmt: skip
def test_a_peak_that_makes_no_sense_is_refused(said: str, told: str) -> None:
    with pytest.raises(BadFile) as caught:
        parse_policies(policy("seasons", f"resources: {{peaks: [{said}]}}"), "p.yaml")
    assert told in str(caught.value)


def test_a_team_adds_peaks_to_the_operators() -> None:
    own = "{from: 2026-12-05, to: 2026-12-06, why: show, memory: 1Gi}"
    found = resolve(
        book(
            policy("all", f"resources: {{peaks: [{SALE}]}}"),
            teams=(policy("t", f"resources: {{peaks: [{own}]}}"),),
        )
    )
    assert [peak.why for peak in found.planned] == ["sale", "show"]


# -- twins -----------------------------------------------------------------------------------------


def test_twins_are_the_same_in_other_clusters_unless_a_policy_says_otherwise() -> None:
    assert resolve(book()).twins == PeerRule(("*",), (), ())
    assert resolve(book(policy("none", "resources: {twins: {clusters: []}}"))).twins is None
    named = resolve(book(policy("all", 'resources: {twins: {namespaces: ["{a}-dev", "{a}-prod"]}}')))
    assert named.twins == PeerRule(("*",), ("{a}-dev", "{a}-prod"), ())


def test_a_team_finds_twins_among_its_own() -> None:
    team = policy("team", "match: {names: [web]}\nresources: {twins: {names: [web, web-2]}}")
    assert resolve(book(teams=(team,))).twins == PeerRule(("*",), (), ("web", "web-2"), ("team",))
    operator = policy("all", "resources: {twins: {clusters: [prod-*]}}")
    assert resolve(book(operator, teams=(team,))).twins == PeerRule(("prod-*",), (), ())


def test_a_twin_that_is_misspelt_is_noted() -> None:
    found = book(policy("all", "resources: {twins: {namespaces: [shop, shopp-prod]}}"))
    told = [note.detail for note in found.unmatched([holding("app")])]
    assert told == [
        '"shopp-prod" in namespaces of the twins of the policy all matches nothing; known here: shop'
    ]
