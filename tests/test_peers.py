"""Peers in whole runs: over real bare repositories, a real recording and the local forge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner
from world import HUMAN, NOW, STEP, Used, World, manifest, ref
from world import _days as days_of

from reconciler import canonical
from reconciler.cli import app
from reconciler.config import PolicyBook, parse_policies
from reconciler.gather import Known, Subject, evidence, with_peers
from reconciler.git.create import create_bare
from reconciler.model import (
    Container,
    ContainerRef,
    Discovery,
    Do,
    Evidence,
    Field,
    Peer,
    Place,
    Policy,
    Reason,
    Refused,
    Report,
    Slot,
    UnitSeen,
    Workload,
)
from reconciler.peers import MOST_PEERS, Hidden, Home, Peers, hidden
from reconciler.pods import Pods
from reconciler.pricing import Prices
from reconciler.proposals.history import History
from reconciler.sizing import decide
from reconciler.usage.days import DAY
from reconciler.usage.files import write_days

MIB = 1 << 20
IDLE = (2, 20 * MIB)
BUSY = (400, 400 * MIB)


def policy(name: str, peers: str, rest: str = "") -> str:
    return (
        f"apiVersion: reconciler/v1\nkind: Policy\nmetadata: {{name: {name}}}\n{rest}\n"
        f"resources: {{peers: {peers}}}\n"
    )


def world_of(
    folder: Path,
    used: Mapping[str, tuple[int, int]],
    policies: Sequence[str],
    extra: Mapping[str, str] | None = None,
    **settings: object,
) -> World:
    """A Deployment a name, each of 500m and 512Mi in a folder of its own."""
    files = {f"apps/{name}/all.yaml": manifest(name) for name in used} | dict(extra or {})
    (folder / "policies").mkdir(parents=True)
    for number, text in enumerate(policies):
        (folder / "policies" / f"{number}.yaml").write_text(text)
    settings.setdefault("policies", "policies")
    return World(folder, files, [Used(ref(name), *use) for name, use in used.items()], **settings)


def outcome(report: Report) -> dict[tuple[str, str], str]:
    """The new text, or the reason, of each request by workload and resource."""
    found = {}
    for change in report.changes:
        for value in change.values:
            found[value.slot.consumers[0].workload, value.slot.field.resource] = value.new
    for keep in report.kept:
        assert keep.ref is not None
        found[keep.ref.workload, keep.slot.field.resource] = keep.reason.value
    return found


def evidence_of(report: Report, workload: str) -> Evidence:
    return next(
        change.evidence for change in report.changes if change.evidence.consumers[0].ref.workload == workload
    )


STANDBY = policy("standby", "{names: [gate, gate-standby]}")


# -- what must not happen --------------------------------------------------------------------------


def test_an_idle_standby_is_not_shrunk(tmp_path: Path) -> None:
    alone = world_of(tmp_path / "alone", {"gate": BUSY, "gate-standby": IDLE}, [])
    assert outcome(alone.run(write=False))["gate-standby", "cpu"] == "400m"
    world = world_of(tmp_path / "peers", {"gate": BUSY, "gate-standby": IDLE}, [STANDBY])
    found = outcome(world.run(write=False))
    assert found["gate", "cpu"] == found["gate-standby", "cpu"] == Reason.IN_BAND.value
    assert found["gate", "memory"] == found["gate-standby", "memory"] == Reason.IN_BAND.value


def test_an_idle_peer_moves_nothing(tmp_path: Path) -> None:
    one = world_of(tmp_path / "one", {"gate": (100, 100 * MIB), "gate-standby": IDLE}, [])
    two = world_of(tmp_path / "two", {"gate": (100, 100 * MIB), "gate-standby": IDLE}, [STANDBY])
    for resource in ("cpu", "memory"):
        assert outcome(one.run())["gate", resource] == outcome(two.run())["gate", resource]


def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    world = world_of(tmp_path, {"gate": (100, 100 * MIB), "gate-standby": IDLE}, [STANDBY])
    assert world.run().changes
    before = world.state()
    report = world.run()
    assert {action.do for action in report.actions} == {Do.LEAVE}
    assert world.state() == before


def test_a_peer_without_metrics_forbids_lowering(tmp_path: Path) -> None:
    used = {"gate-standby": (100, 100 * MIB)}
    world = world_of(tmp_path, used, [STANDBY], {"apps/gate/all.yaml": manifest("gate")})
    found = outcome(world.run(write=False))
    assert found["gate-standby", "cpu"] == Reason.PEER_WITHOUT_METRICS.value
    assert found["gate", "cpu"] == Reason.NO_METRICS.value


def test_stems_keep_services_apart(tmp_path: Path) -> None:
    used = {"pay-blue": (400, 400 * MIB), "pay-green": IDLE, "news-blue": IDLE, "news-green": IDLE}
    world = world_of(tmp_path, used, [policy("colours", '{names: ["{app}-blue", "{app}-green"]}')])
    found = outcome(world.run(write=False))
    assert found["pay-green", "cpu"] == Reason.IN_BAND.value
    assert (found["news-blue", "cpu"], found["news-green", "cpu"]) == ("400m", "400m")


def test_other_containers_of_the_workload_are_no_peers(tmp_path: Path) -> None:
    side = manifest("gate").replace("- name: app", "- name: side")
    world = world_of(tmp_path, {"gate-standby": (100, 100 * MIB)}, [STANDBY], {"apps/gate/a.yaml": side})
    assert outcome(world.run(write=False))["gate-standby", "cpu"] == "400m"


def test_a_team_reaches_only_what_its_own_policy_is_about(tmp_path: Path) -> None:
    """The gate belongs to others: its need is no reason to raise, and its silence none to keep."""
    team = policy("team", '{names: ["*"]}', 'match: {names: ["gate-*"]}')
    used = {"gate": (900, 900 * MIB), "gate-standby": (100, 100 * MIB), "gate-third": IDLE}
    world = world_of(
        tmp_path, used, [], {"policies/team.yaml": team},
        repositories=[{"url": str(tmp_path / "deploy.git"), "branch": "main", "policies": "policies"}],
    )  # fmt: skip
    report = world.run(write=False)
    assert [one.ref.workload for one in evidence_of(report, "gate-standby").peers] == ["gate-third"]
    assert not evidence_of(report, "gate").peers


def test_the_operators_word_on_peers_is_not_mixed_with_a_teams(tmp_path: Path) -> None:
    team = policy("team", '{namespaces: ["*"]}', 'match: {names: ["gate-standby"]}')
    world = world_of(
        tmp_path, {"gate": BUSY, "gate-standby": IDLE}, [STANDBY], {"policies/team.yaml": team},
        repositories=[{"url": str(tmp_path / "deploy.git"), "branch": "main", "policies": "policies"}],
    )  # fmt: skip
    assert outcome(world.run(write=False))["gate-standby", "cpu"] == Reason.IN_BAND.value


# -- what must happen ------------------------------------------------------------------------------


def test_a_busy_peer_raises_and_the_merge_request_says_so(tmp_path: Path) -> None:
    world = world_of(tmp_path, {"gate": (700, 700 * MIB), "gate-standby": IDLE}, [STANDBY])
    report = world.run()
    found = outcome(report)
    assert found["gate", "memory"] == found["gate-standby", "memory"] == "840Mi"
    change = next(one for one in report.changes if one.values[0].slot.consumers[0].workload == "gate-standby")
    assert "of its peer shop/Deployment/gate/app, the largest need of the container and its 1 peer" in (
        change.because
    )
    assert [one.workload for value in change.values for one in value.slot.consumers] == ["gate-standby"]
    request = next(one for one in world.requests() if "standby" in one.branch)
    assert "; sized with its peers:\n  - `shop/Deployment/gate/app`: 8,064 samples of 2 pods" in request.body


def test_only_measures_peers_and_changes_them_not(tmp_path: Path) -> None:
    world = world_of(tmp_path, {"gate": (700, 700 * MIB), "gate-standby": IDLE}, [STANDBY])
    whole = outcome(world.run(write=False))
    report = world.run(write=False, only=["deploy/gate-standby"])
    assert {change.values[0].slot.consumers[0].workload for change in report.changes} == {"gate-standby"}
    for resource in ("cpu", "memory"):
        assert outcome(report)["gate-standby", resource] == whole["gate-standby", resource]


def test_the_evidence_alone_gives_the_same_changes(tmp_path: Path) -> None:
    world = world_of(tmp_path, {"gate": (700, 700 * MIB), "gate-standby": IDLE}, [STANDBY])
    for change in world.run().changes:
        seen = canonical.load(Evidence, canonical.plain(change.evidence))
        assert change in decide(seen)


def test_a_peers_own_policy_and_window_are_nothing_to_the_subject(tmp_path: Path) -> None:
    """The standby asks for 14 days of both; the active one is looked at over 7 for itself."""
    short = policy("short", "{}", "match: {names: [gate]}\npriority: 5").replace(
        "{peers: {}}", "{window: 7d}"
    )
    only = policy("standby", "{names: [gate, gate-standby]}", "match: {names: [gate-standby]}")
    world = world_of(tmp_path, {"gate": (100, 100 * MIB), "gate-standby": (100, 100 * MIB)}, [short, only])
    report = world.run(write=False)
    active, standby = evidence_of(report, "gate"), evidence_of(report, "gate-standby")
    assert not active.peers
    days = [len(one.usage.days) for one in (*active.fed, *standby.fed, *standby.peers)]  # type: ignore[union-attr]
    assert days == [7, 14, 14]


def test_peers_across_clusters_and_repositories(tmp_path: Path) -> None:
    """Europe's repository has the idle region, America's the busy one."""
    other = tmp_path / "america.git"
    files = {"apps/web/web.yaml": manifest("web").encode()}
    clusters = [{"name": "prod-eu"}, {"name": "prod-us"}, {"name": "test"}]
    world = world_of(
        tmp_path, {}, [policy("regions", '{clusters: ["prod-*"]}')],
        {"apps/web/web.yaml": manifest("web"), "test/web/web.yaml": manifest("web")},
    )  # fmt: skip
    create_bare(other, files, branch="main", message="Everything", author=HUMAN, when=NOW - DAY)
    uses = {"prod-eu": IDLE, "prod-us": BUSY, "test": (900, 900 * MIB)}
    recorded(world, [Used(ref("web")._replace(cluster=name), *use) for name, use in uses.items()])
    world.write_settings(
        policies="policies",
        repositories=[{"url": str(world.bare), "branch": "main"}, {"url": str(other), "branch": "main"}],
        clusters=clusters,
        units=[
            {"repository": str(world.bare), "path": "apps", "cluster": "prod-eu"},
            {"repository": str(world.bare), "path": "test", "cluster": "test"},
            {"repository": str(other), "path": "apps", "cluster": "prod-us"},
        ],
    )
    report = world.run(write=False)
    kept = {(keep.ref.cluster, keep.slot.field.value): keep for keep in report.kept if keep.ref}
    for cluster in ("prod-eu", "prod-us"):
        assert kept[cluster, "requests.cpu"].reason is Reason.IN_BAND, kept[cluster, "requests.cpu"]
    assert "its peer prod-us:shop/Deployment/web/app" in kept["prod-eu", "requests.cpu"].detail
    assert {change.values[0].slot.consumers[0].cluster for change in report.changes} == {"test"}


def test_what_could_not_be_read_may_be_the_active_one(tmp_path: Path) -> None:
    gone = tmp_path / "gone.git"
    world = world_of(tmp_path, {"gate-standby": (100, 100 * MIB)}, [STANDBY])
    repositories = [{"url": str(world.bare), "branch": "main"}, {"url": str(gone), "branch": "main"}]
    assert outcome(world.run(write=False))["gate-standby", "cpu"] == "400m"
    world.write_settings(policies="policies", repositories=repositories)
    report = world.run(write=False)
    assert outcome(report)["gate-standby", "cpu"] == Reason.PARTIAL_METRICS.value
    detail = next(keep.detail for keep in report.kept if keep.reason is Reason.PARTIAL_METRICS)
    assert (
        "which may define a peer, could not be read, and what is missing may have held the highest" in detail
    )


def test_a_peer_that_is_misspelt_is_noted(tmp_path: Path) -> None:
    wrong = policy("standby", "{names: [gate, gate-stanby], clusters: ['*']}")
    world = world_of(tmp_path, {"gate": BUSY, "gate-standby": IDLE}, [wrong])
    told = [(note.what, note.detail, note.line) for note in world.run(write=False).notes]
    words = '"gate-stanby" in names of the peers of the policy standby matches nothing'
    words += '; did you mean "gate-standby"?'
    assert ("peers-match-nothing", words, 5) in told
    assert len([what for what, *_ in told if what == "peers-match-nothing"]) == 1


def test_explain_names_the_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(tmp_path, {"gate": (700, 700 * MIB), "gate-standby": IDLE}, [STANDBY])
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(
        app, ["explain", "gate-standby", "--config", str(world.settings), "--now", str(NOW)]
    )
    assert done.exit_code == 0, done.output
    assert "  sized with its peer shop/Deployment/gate/app: 8,064 samples of 2 pods on 14 days" in done.output


def recorded(world: World, used: Sequence[Used]) -> None:
    """The recording written anew."""
    days = [day for one in used for day in days_of(one)]
    write_days(world.folder / "usage" / "all.parquet", days, {"source": "test", "step": STEP}, NOW)


# -- who is whose peer -----------------------------------------------------------------------------


def at(name: str, *fed: str, namespace: str = "shop", cluster: str = "") -> Workload:
    """A workload whose line feeds those, too."""
    own = ContainerRef(cluster, namespace, "Deployment", name, "app")
    refs = (own, *(own._replace(workload=other) for other in fed))
    slot = Slot(Place("deploy", "values.yaml", 0, ("cpu",)), 1, Field.CPU_REQUEST, "100m", refs)
    limit = slot._replace(field=Field.CPU_LIMIT, value="250m", consumers=(own,))
    container = Container(own, False, False, (slot, limit))
    return Workload(
        "apps",
        cluster,
        namespace,
        "Deployment",
        name,
        "deploy",
        f"{name}.yaml",
        1,
        1,
        (),
        (),
        (),
        (container,),
    )


def subject_of(found: Workload, *beside: Workload, peers: str, unseen: Sequence[Hidden] = ()) -> Subject:
    """The first workload with its peers, by a policy that is about everything."""
    book = PolicyBook(parse_policies(policy("p", peers), "p.yaml"))
    container = found.containers[0]
    resolved = book.resolve(found, container)
    assert isinstance(resolved, Policy)
    looked = Peers([Home((found, *beside), book)], unseen)
    return next(with_peers([Subject(found, container, resolved, "")], looked))


def test_the_peers_of_everyone_on_the_line_count_and_it_is_known_whose_they_are() -> None:
    web = at("web", "api")
    found = subject_of(
        web, at("api"), at("api-standby"), at("web-standby"), peers='{names: ["{a}", "{a}-standby"]}'
    )
    assert [(one.workload.name, [ref.workload for ref in one.of]) for one in found.peers] == [
        ("api-standby", ["api"]),
        ("web-standby", ["web"]),
    ]


def test_one_on_the_line_may_be_a_peer_on_another() -> None:
    """The request's line feeds both, the limit's only one: there the other is a peer."""
    web, standby = at("web", "web-standby"), at("web-standby")
    found = subject_of(web, standby, peers="{names: [web, web-standby]}")
    known = Known({}, {}, Pods(()), Prices())
    discovery = Discovery("deploy", "c", (web, standby))
    seen = evidence(found, known, discovery, History({}, {}), NOW)
    assert [one.ref.workload for one in seen.consumers] == ["web", "web-standby"]
    assert [one.peer for one in seen.consumers] == [None, Peer((web.containers[0].ref,), 250, 0)]
    assert seen.fed == seen.consumers
    assert not seen.peers


@pytest.mark.parametrize(
    ("peers", "where", "may"),
    [
        ("{clusters: [eu, us]}", ("us", "shop"), True),
        ("{clusters: [eu, us]}", ("us", ""), True),
        ("{clusters: [eu, us]}", ("", ""), True),
        ("{clusters: [eu, us]}", ("", "shop"), True),
        ("{clusters: [eu, us]}", ("us", "news"), False),  # another namespace
        ("{clusters: [eu, us]}", ("test", "shop"), False),  # no such cluster
        ("{clusters: [eu, us]}", ("eu", "shop"), False),  # there it would be the container itself
        ("{names: [web, api]}", ("eu", "shop"), True),
        ("{names: [web, api]}", ("us", "shop"), False),
        ("{names: [api, db]}", ("eu", "shop"), False),  # it has no peers at all
        ("{clusters: []}", ("us", "shop"), False),
    ],
)
def test_a_unit_that_nobody_sees_into_may_hold_a_peer_where_one_could_run(
    peers: str, where: tuple[str, str], may: bool
) -> None:
    dark = Hidden("the unit dark could not be rendered", "deploy", *where)
    found = subject_of(at("web", cluster="eu"), peers=peers, unseen=[dark])
    assert found.unseen == (dark.words if may else "")


def test_so_many_peers_are_not_looked_at_and_nothing_is_lowered() -> None:
    """Evidence grows with each: five thousand that one pattern makes peers would be beyond all bounds."""
    crowd = [at(f"web-{number}") for number in range(MOST_PEERS + 1)]
    found = subject_of(crowd[0], *crowd[1:], peers="{names: ['web-*']}")
    assert (len(found.peers), found.unseen) == (MOST_PEERS, "")
    found = subject_of(crowd[0], *crowd[1:], at("web-last"), peers="{names: ['web-*']}")
    assert not found.peers
    assert found.unseen == "51 peers are more than the 50 that are looked at together"


def test_any_number_may_share_a_line() -> None:
    names = [f"web-{number}" for number in range(100)]
    crowd = [at(name, *(other for other in names if other != name)) for name in names]
    found = subject_of(crowd[0], *crowd[1:], peers="{names: ['web-*']}")
    assert found.unseen == ""
    seen = evidence(
        found, Known({}, {}, Pods(()), Prices()), Discovery("deploy", "c", tuple(crowd)), History({}, {}), NOW
    )
    assert len(seen.consumers) == 100


def test_only_what_is_unknown_hides_peers() -> None:
    unit = UnitSeen("web", "deploy", "apps/web.yaml", 1, "eu", "shop", "helm", "helm", 0, None)
    kept = unit._replace(refused=Refused(Reason.RENDER_FAILED, "no"))
    assert hidden([], [unit, kept._replace(containers=2)]) == []
    assert hidden([], [kept, kept]) == [
        Hidden(
            "the unit web in apps/web.yaml, which may define a peer, could not be rendered",
            "deploy",
            "eu",
            "shop",
        )
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=6, unique=True), st.randoms())
def test_everyone_of_a_group_has_the_others_as_peers(names: list[str], chance: Any) -> None:
    """Whatever the order in which they are found."""
    workloads = [at(name) for name in names]
    chance.shuffle(workloads)
    for number, one in enumerate(workloads):
        beside = workloads[:number] + workloads[number + 1 :]
        found = subject_of(one, *beside, peers="{names: ['*']}")
        assert [peer.workload.name for peer in found.peers] == sorted(set(names) - {one.name})
