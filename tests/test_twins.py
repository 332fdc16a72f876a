"""Cold start in whole runs: what has no history of its own gets its first request from its twins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner
from world import NOW, STEP, Used, World, manifest, ref
from world import _days as days_of

from reconciler import canonical
from reconciler.cli import app
from reconciler.elsewhere import MOST_TWINS
from reconciler.model import Change, ChangeClass, Do, Evidence, Keep, Reason, Report
from reconciler.sizing import decide
from reconciler.usage.days import DAY
from reconciler.usage.files import write_days

MIB = 1 << 20
BARE = manifest("web").replace("          resources:", "          tty: false").replace(
    """            requests:
              cpu: 500m      # measured once
              memory: 512Mi
""",
    "",
)  # fmt: skip
BUSY = (400, 400 * MIB)
# Whatever the ready-made policies find to be best.
PLAIN = """\
apiVersion: reconciler/v1
kind: Policy
metadata: {name: plain}
priority: -10
resources:
  cpu: {estimator: percentile, percentile: 95, headroom: 15%}
  memory: {estimator: peak, headroom: 20%}
  band: {up: 5%, down: 10%}
"""


def world_of(
    folder: Path,
    files: Mapping[str, str],
    used: Mapping[str, Used],
    policies: Sequence[str] = (),
) -> World:
    """A folder a cluster, each with its own manifest of one Deployment."""
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "plain.yaml").write_text(PLAIN)
    for number, text in enumerate(policies):
        (folder / "policies" / f"{number}.yaml").write_text(text)
    world = World(folder, {f"{name}/web.yaml": text for name, text in files.items()}, [])
    days = [
        day for name, one in used.items() for day in days_of(one._replace(ref=one.ref._replace(cluster=name)))
    ]
    write_days(folder / "usage" / "all.parquet", days, {"source": "test", "step": STEP}, NOW)
    world.write_settings(
        policies="policies",
        clusters=[{"name": name} for name in files],
        units=[{"path": name, "cluster": name} for name in files],
    )
    return world


def policy(text: str, rest: str = "") -> str:
    return (
        f"apiVersion: reconciler/v1\nkind: Policy\nmetadata: {{name: own}}\n{rest}\n"
        f"resources: {{twins: {text}}}\n"
    )


def web(cpu: int = BUSY[0], memory: int = BUSY[1], days: int = 14, **other: int) -> Used:
    return Used(ref("web"), cpu, memory, days, **other)


def outcome(report: Report) -> dict[tuple[str, str], str]:
    """The new text, or the reason, of each request by cluster and resource."""
    found = {
        (value.slot.consumers[0].cluster, value.slot.field.resource): value.new
        for change in report.changes
        for value in change.values
    }
    for keep in report.kept:
        assert keep.ref is not None
        found[keep.ref.cluster, keep.slot.field.resource] = keep.reason.value
    return found


def change_of(report: Report, cluster: str) -> Change:
    return next(one for one in report.changes if one.values[0].slot.consumers[0].cluster == cluster)


# -- what must not happen --------------------------------------------------------------------------


def test_a_request_of_another_size_is_left_to_those_who_set_it(tmp_path: Path) -> None:
    """In a test cluster without metrics, requests that somebody chose don't follow production."""
    world = world_of(
        tmp_path,
        {"prod": manifest("web", "500m", "512Mi"), "test": manifest("web", "50m", "64Mi")},
        {"prod": web()},
    )
    found = outcome(world.run(write=False))
    assert found["test", "cpu"] == found["test", "memory"] == Reason.NO_METRICS.value


def test_twins_never_lower(tmp_path: Path) -> None:
    files = {"prod": manifest("web", "2", "4Gi"), "test": manifest("web", "2", "4Gi")}
    found = outcome(world_of(tmp_path, files, {"prod": web()}).run(write=False))
    assert found["prod", "cpu"] == "1600m"
    assert found["test", "cpu"] == found["test", "memory"] == Reason.NO_METRICS.value


def test_history_of_its_own_counts_alone(tmp_path: Path) -> None:
    files = {"prod": manifest("web", "500m", "512Mi"), "test": BARE}
    world = world_of(tmp_path, files, {"prod": web(), "test": web(50, 50 * MIB)})
    assert outcome(world.run(write=False))["test", "cpu"] == "60m"
    assert change_of(world.run(write=False), "test").evidence.twins == ()


@pytest.mark.parametrize(
    "twin", [web(days=3), web(oom_kills=0)._replace(ref=ref("other"))], ids=["thin", "somebody else"]
)
def test_only_twins_with_sound_evidence_speak(tmp_path: Path, twin: Used) -> None:
    files = {"prod": manifest("web", "500m", "512Mi"), "test": BARE}
    found = outcome(world_of(tmp_path, files, {"prod": twin}).run(write=False))
    assert found["test", "cpu"] == Reason.NO_METRICS.value


def test_nobody_has_twins_where_the_policy_says_so(tmp_path: Path) -> None:
    files = {"prod": manifest("web", "500m", "512Mi"), "test": BARE}
    world = world_of(tmp_path, files, {"prod": web()}, [policy("{clusters: []}")])
    assert outcome(world.run(write=False))["test", "cpu"] == Reason.NO_METRICS.value


def test_clusters_that_nobody_can_tell_apart_give_no_twins(tmp_path: Path) -> None:
    files = {"prod": manifest("web", "500m", "512Mi"), "test": BARE}
    world = world_of(tmp_path, files, {"": web()})
    found = outcome(world.run(write=False))
    assert found["test", "cpu"] == Reason.AMBIGUOUS_CLUSTER.value


def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    world = world_of(tmp_path, {"prod": manifest("web", "460m", "480Mi"), "test": BARE}, {"prod": web()})
    assert world.run().changes
    before = world.state()
    assert {action.do for action in world.run().actions} == {Do.LEAVE}
    assert world.state() == before


# -- what does happen ------------------------------------------------------------------------------


def test_a_first_request_comes_from_the_twin_and_says_so(tmp_path: Path) -> None:
    world = world_of(tmp_path, {"prod": manifest("web", "460m", "480Mi"), "test": BARE}, {"prod": web()})
    report = world.run()
    found = outcome(report)
    assert (found["test", "cpu"], found["test", "memory"]) == ("460m", "480Mi")
    change = change_of(report, "test")
    assert change.klass is ChangeClass.SAVINGS
    assert (
        "of its twin prod:shop/Deployment/web/app: there is too little history of its own" in change.because
    )
    body = next(request.body for request in world.requests() if "its twin" in request.body)
    assert "taken from its twins, as it has too little history of its own:" in body
    assert "`prod:shop/Deployment/web/app`: 8,064 samples of 2 pods on 14 days" in body
    again = canonical.load(Evidence, canonical.plain(change.evidence))
    assert change in [row._replace(evidence=change.evidence) for row in decide(again)]


def test_once_merged_it_stays(tmp_path: Path) -> None:
    world = world_of(tmp_path, {"prod": manifest("web", "460m", "480Mi"), "test": BARE}, {"prod": web()})
    world.run()
    for request in world.requests():
        world.forge.merge(request.number, request.head)
    found = outcome(world.run(NOW + DAY))
    assert found["test", "cpu"] == found["test", "memory"] == Reason.NO_METRICS.value


def test_thin_history_and_twins_count_together(tmp_path: Path) -> None:
    files = {"prod": manifest("web", "460m", "480Mi"), "test": BARE}
    less = world_of(tmp_path / "less", files, {"prod": web(), "test": web(50, 50 * MIB, days=2)})
    assert outcome(less.run(write=False))["test", "cpu"] == "460m"
    more = world_of(tmp_path / "more", files, {"prod": web(), "test": web(600, 600 * MIB, days=2)})
    assert outcome(more.run(write=False))["test", "cpu"] == "690m"


def test_what_was_copied_is_raised_where_the_twin_is_too_small(tmp_path: Path) -> None:
    files = {name: manifest("web", "100m", "512Mi") for name in ("prod-eu", "prod-us")}
    report = world_of(tmp_path, files, {"prod-eu": web()}).run(write=False)
    assert change_of(report, "prod-us").klass is ChangeClass.SAVINGS
    assert outcome(report)["prod-us", "cpu"] == outcome(report)["prod-eu", "cpu"] == "200m"


def test_the_largest_need_of_several_twins_counts(tmp_path: Path) -> None:
    files = {name: manifest("web", "460m", "480Mi") for name in ("eu", "us")} | {"new": BARE}
    world = world_of(tmp_path, files, {"eu": web(100, 100 * MIB), "us": web()})
    assert outcome(world.run(write=False))["new", "cpu"] == "460m"


def test_environments_may_be_namespaces(tmp_path: Path) -> None:
    own = policy('{namespaces: ["{team}-dev", "{team}-prod"]}')
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "own.yaml").write_text(f"{PLAIN}---\n{own}")
    used = [Used(ref("web")._replace(namespace="shop-prod"), *BUSY)]
    files = {
        "dev.yaml": BARE.replace("namespace: shop", "namespace: shop-dev"),
        "prod.yaml": manifest("web", "460m", "480Mi").replace("namespace: shop", "namespace: shop-prod"),
        "other.yaml": BARE.replace("namespace: shop", "namespace: news-dev"),
    }
    report = World(tmp_path, files, used, policies="policies").run(write=False)
    assert {change.values[0].slot.consumers[0].namespace for change in report.changes} == {"shop-dev"}


def test_what_is_left_out_of_a_run_is_a_twin_all_the_same(tmp_path: Path) -> None:
    world = world_of(tmp_path, {"prod": manifest("web", "460m", "480Mi"), "test": BARE}, {"prod": web()})
    all_of_it, some = world.run(write=False), world.run(write=False, only=["test:shop/deploy/web"])
    assert change_of(some, "test").values == change_of(all_of_it, "test").values
    assert change_of(some, "test").evidence == change_of(all_of_it, "test").evidence


def test_no_more_than_some_twins_are_looked_at(tmp_path: Path) -> None:
    files = {f"c{number:02}": manifest("web", "460m", "480Mi") for number in range(MOST_TWINS + 2)}
    limits = "{limits: {perHour: 99}}"
    many = f"apiVersion: reconciler/v1\nkind: Policy\nmetadata: {{name: many}}\nproposals: {limits}\n"
    world = world_of(tmp_path, {**files, "new": BARE}, {name: web(100, 100 * MIB) for name in files}, [many])
    assert len(change_of(world.run(write=False), "new").evidence.twins) == MOST_TWINS


def test_explain_names_the_twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(tmp_path, {"prod": manifest("web", "460m", "480Mi"), "test": BARE}, {"prod": web()})
    monkeypatch.chdir(tmp_path)
    words = ["explain", "test:shop/deploy/web", "--config", str(world.settings), "--now", str(NOW)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "  its twin prod:shop/Deployment/web/app: 8,064 samples of 2 pods on 14 days" in done.output


def test_a_keep_is_told_for_whom_twins_have_nothing(tmp_path: Path) -> None:
    files = {"prod": manifest("web", "460m", "480Mi"), "test": manifest("web", "460m", "480Mi")}
    report = world_of(tmp_path, files, {"prod": web()}).run(write=False)
    kept = next(one for one in report.kept if one.ref and one.ref.cluster == "test")
    assert isinstance(kept, Keep)
    assert kept.reason is Reason.NO_METRICS
    assert any("its twin prod:" in stage.words for stage in kept.stages)
