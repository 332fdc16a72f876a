"""Images in whole runs: proposed, followed, refused, rolled back, waited for, against a small registry."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from killed_run import KILLED
from servers.registries import multi, single
from servers.small_registry import Said, SmallRegistry
from world import NOW, Used, World

from reconciler.model import ContainerRef, Do, Keep, Reason, Report
from reconciler.report.rows import report as as_json
from reconciler.usage.days import DAY


def _web(image: str, name: str = "web") -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: shop}}
spec:
  template:
    spec:
      containers:
        - name: app
          image: "{image}"   # what runs
          resources: {{requests: {{cpu: 100m, memory: 64Mi}}}}
"""


def _world(
    folder: Path,
    registry: SmallRegistry,
    files: dict[str, str],
    policy: str = "mode: {images: propose}",
    used: Sequence[Used] = (),
) -> World:
    (folder / "policies").mkdir(parents=True)
    head = "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: ours}\n"
    (folder / "policies" / "ours.yaml").write_text(f"{head}{policy}\n")
    registries = [{"prefix": registry.host, "plainHttp": True}]
    return World(folder, files, used, policies="policies", registries=registries)


def _kept(report: Report) -> list[Keep]:
    return [keep for keep in report.kept if keep.slot.field.value == "image"]


def test_the_newest_is_proposed_and_only_its_bytes_change(tmp_path: Path, registry: SmallRegistry) -> None:
    registry.push("app", multi(words="old"), "1.0.0")
    source = {"org.opencontainers.image.source": "https://git.example.com/team/app"}
    registry.push("app", multi(words="new", labels=source), "1.1.0", "1.2.0")
    old = f"{registry.host}/app:1.0.0"
    world = _world(tmp_path, registry, {"apps/web.yaml": _web(old)})
    report = world.run()
    assert [action.do for action in report.actions] == [Do.OPEN]
    (request,) = world.requests()
    assert (request.branch, request.title) == (
        "reconcile/image/apps",
        "chore(images): update images of web in shop",
    )
    assert world.files(request.branch)["apps/web.yaml"].decode() == _web(old.replace("1.0.0", "1.2.0"))
    assert "Updates 1 image" in request.body
    assert "[source](https://git.example.com/team/app), as its makers say" in request.body
    before = world.state()
    again = world.run()
    assert [action.do for action in again.actions] == [Do.LEAVE]
    assert world.state() == before


def test_a_newer_tag_updates_the_same_request(tmp_path: Path, registry: SmallRegistry) -> None:
    registry.push("app", single(words="old"), "1.0.0")
    registry.push("app", single(words="new"), "1.1.0")
    world = _world(tmp_path, registry, {"apps/web.yaml": _web(f"{registry.host}/app:1.0.0")})
    world.run()
    registry.push("app", single(words="newer"), "1.2.0")
    report = world.run(NOW + DAY)
    assert [action.do for action in report.actions] == [Do.UPDATE]
    (request,) = world.requests()
    assert b"app:1.2.0" in world.files(request.branch)["apps/web.yaml"]
    world.forge.merge(request.number, request.head)
    assert [keep.reason for keep in _kept(world.run(NOW + 2 * DAY))] == [Reason.UP_TO_DATE]


def test_a_rollback_holds_until_something_newer_comes(tmp_path: Path, registry: SmallRegistry) -> None:
    registry.push("app", single(words="old"), "1.0.0")
    registry.push("app", single(words="new"), "1.1.0")
    old = _web(f"{registry.host}/app:1.0.0")
    world = _world(tmp_path, registry, {"apps/web.yaml": old})
    world.run()
    (request,) = world.requests()
    world.forge.merge(request.number, request.head)
    world.run(NOW + DAY)
    world.push("main", {"apps/web.yaml": old.encode()}, "Back to what worked")
    for day in (2, 3):
        (kept,) = _kept(world.run(NOW + day * DAY))
        assert (kept.reason, "somebody went back to 1.0.0" in kept.detail) == (Reason.HELD, True)
    registry.push("app", single(words="fixed"), "1.1.1")
    world.run(NOW + 4 * DAY)
    (request,) = world.requests()
    assert b"app:1.1.1" in world.files(request.branch)["apps/web.yaml"]


def test_a_closed_request_is_a_no_to_that_tag_and_older_ones(tmp_path: Path, registry: SmallRegistry) -> None:
    registry.push("app", single(words="old"), "1.0.0")
    registry.push("app", single(words="a"), "1.1.0")
    registry.push("app", single(words="b"), "1.2.0")
    world = _world(tmp_path, registry, {"apps/web.yaml": _web(f"{registry.host}/app:1.0.0")})
    world.run()
    (request,) = world.requests()
    world.forge.close(request.number)
    for day in (1, 2):
        (kept,) = _kept(world.run(NOW + day * DAY))
        assert (kept.reason, "closed unmerged" in kept.detail) == (Reason.HELD, True)
    registry.push("app", single(words="c"), "1.3.0")
    world.run(NOW + 3 * DAY)
    assert len(world.requests()) == 1


def test_a_no_to_what_a_moving_tag_points_to_holds_until_it_moves_on(
    tmp_path: Path, registry: SmallRegistry
) -> None:
    first = registry.push("app", single(words="old"), "stable")
    said = "mode: {images: propose}\nimages: {strategy: digest, digest: pin}"
    old = _web(f"{registry.host}/app:stable@{first}")
    world = _world(tmp_path, registry, {"apps/web.yaml": old}, said)
    registry.push("app", single(words="a"), "stable")
    world.run()
    (request,) = world.requests()
    world.forge.close(request.number)
    for day in (1, 2):
        (kept,) = _kept(world.run(NOW + day * DAY))
        assert (kept.reason, "closed unmerged" in kept.detail) == (Reason.HELD, True)
    second = registry.push("app", single(words="b"), "stable")
    world.run(NOW + 3 * DAY)
    (request,) = world.requests()
    assert second.encode() in world.files(request.branch)["apps/web.yaml"]
    world.forge.merge(request.number, request.head)
    assert [keep.reason for keep in _kept(world.run(NOW + 4 * DAY))] == [Reason.UP_TO_DATE]
    world.push("main", {"apps/web.yaml": old.encode()}, "Back to what worked")
    (kept,) = _kept(world.run(NOW + 5 * DAY))
    assert (kept.reason, "somebody went back" in kept.detail) == (Reason.HELD, True)
    third = registry.push("app", single(words="c"), "stable")
    world.run(NOW + 6 * DAY)
    (request,) = world.requests()
    assert third.encode() in world.files(request.branch)["apps/web.yaml"]


def test_who_opens_a_closed_request_again_takes_the_no_back(tmp_path: Path, registry: SmallRegistry) -> None:
    registry.push("app", single(words="old"), "1.0.0")
    registry.push("app", single(words="a"), "1.1.0")
    world = _world(tmp_path, registry, {"apps/web.yaml": _web(f"{registry.host}/app:1.0.0")})
    world.run()
    (request,) = world.requests()
    world.forge.close(request.number)
    assert [kept.reason for kept in _kept(world.run(NOW + DAY))] == [Reason.HELD]
    world.forge.reopen(request.number)
    report = world.run(NOW + 2 * DAY)
    assert (_kept(report), len(report.changes)) == ([], 1)
    (again,) = world.requests()
    assert again.number == request.number
    assert b"app:1.1.0" in world.files(again.branch)["apps/web.yaml"]
    before = world.state()
    world.run(NOW + 2 * DAY)
    assert world.state() == before


def test_a_tag_waits_from_its_first_sight_on(tmp_path: Path, registry: SmallRegistry) -> None:
    registry.push("app", single(words="old"), "1.0.0")
    registry.push("app", single(words="new"), "1.1.0")
    said = "mode: {images: propose}\nimages: {minimumAge: 3d}"
    world = _world(tmp_path, registry, {"apps/web.yaml": _web(f"{registry.host}/app:1.0.0")}, said)
    (kept,) = _kept(world.run())
    assert (kept.reason, "3 days more" in kept.detail) == (Reason.TOO_YOUNG, True)
    (kept,) = _kept(world.run(NOW + 2 * DAY))
    assert "1 day more" in kept.detail
    before = world.state()
    world.run(NOW + 2 * DAY)
    assert world.state() == before
    registry.push("app", single(words="pushed anew"), "1.1.0")
    (kept,) = _kept(world.run(NOW + 3 * DAY))
    assert (kept.reason, "3 days more" in kept.detail) == (Reason.TOO_YOUNG, True)
    world.run(NOW + 6 * DAY)
    assert len(world.requests()) == 1


def test_a_registry_that_is_down_closes_nothing(tmp_path: Path, registry: SmallRegistry) -> None:
    registry.push("app", single(words="old"), "1.0.0")
    registry.push("app", single(words="new"), "1.1.0")
    world = _world(tmp_path, registry, {"apps/web.yaml": _web(f"{registry.host}/app:1.0.0")})
    world.run()
    registry.answers = lambda asked: Said(500)
    report = world.run(NOW + DAY)
    assert [kept.reason for kept in _kept(report)] == [Reason.NOT_ANSWERED]
    assert not report.failed
    assert len(world.requests()) == 1


def test_nobody_is_asked_before_somebody_speaks_of_images(tmp_path: Path, registry: SmallRegistry) -> None:
    registry.push("app", single(), "1.0.0", "1.1.0")
    world = _world(
        tmp_path, registry, {"a.yaml": _web(f"{registry.host}/app:1.0.0")}, "resources: {window: 14d}"
    )
    world.write_settings(policies="policies")
    assert _kept(world.run()) == []
    assert not registry.asked


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("image-pin: 1.0.0", Reason.PINNED),
        ("image-pin.app: 1.1.0", "1.1.0"),
        ("image-ignore: '1.2.*, 9'", "1.1.0"),
        ("image-hold-until: '2199-01-01'", Reason.HELD),
        ("image-hold-until: '2001-01-01'", "1.2.0"),
        ("image-hold-until: soon", Reason.NO_CHOICE),
        ("ignore: image", Reason.OPTED_OUT),
    ],
)
def test_words_beside_the_image(
    tmp_path: Path, registry: SmallRegistry, words: str, wanted: str | Reason
) -> None:
    for words_, tag in (("a", "1.0.0"), ("b", "1.1.0"), ("c", "1.2.0")):
        registry.push("app", single(words=words_), tag)
    text = _web(f"{registry.host}/app:1.0.0")
    noted = text.replace("namespace: shop}", f"namespace: shop, annotations: {{reconciler.io/{words}}}}}")
    world = _world(tmp_path, registry, {"a.yaml": noted})
    report = world.run()
    if isinstance(wanted, Reason):
        assert [kept.reason for kept in _kept(report)] == [wanted]
    else:
        assert [value.new for change in report.changes for value in change.values] == [
            f"{registry.host}/app:{wanted}"
        ]


def test_a_line_of_several_is_changed_for_all_or_for_none(tmp_path: Path, registry: SmallRegistry) -> None:
    registry.push("app", single(words="old"), "1.0.0")
    registry.push("app", single(words="new"), "1.1.0")
    base = _web(f"{registry.host}/app:1.0.0").replace("namespace: shop", "labels: {a: b}")
    overlay = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../../base]\n"
    files = {"base/web.yaml": base, "base/kustomization.yaml": "resources: [web.yaml]\n"}
    files |= {
        f"overlays/{name}/kustomization.yaml": f"{overlay}namespace: {name}\n" for name in ("dev", "prod")
    }
    policy = "mode: {images: propose}"
    head = "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: prod}\nmatch: {namespaces: [prod]}"
    hold = f"\n---\n{head}\n"
    both = _world(tmp_path / "both", registry, files, policy)
    assert len(both.run().changes) == 1
    one = _world(tmp_path / "one", registry, files, f"{policy}{hold}images: {{holdUntil: 2199-01-01}}")
    assert {kept.reason for kept in _kept(one.run())} == {Reason.HELD}


def test_explain_tells_of_images(tmp_path: Path, registry: SmallRegistry) -> None:
    registry.push("app", single(words="old"), "1.0.0", "0.9.0")
    registry.push("app", single(words="new"), "1.1.0")
    world = _world(tmp_path, registry, {"a.yaml": _web(f"{registry.host}/app:1.0.0")})
    command = [sys.executable, "-m", "reconciler", "explain", "web", "--remote", "-c", str(world.settings)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "lost       -  0.9.0: it is lower than 1.0.0" in ended.stdout
    assert f"change (image): image {registry.host}/app:1.0.0 → {registry.host}/app:1.1.0" in ended.stdout
    told = json.loads(subprocess.run([*command, "-o", "json"], capture_output=True, check=True).stdout)
    assert [row["class"] for row in told["rows"] if row["field"] == "image"] == ["image"]


def test_by_default_images_are_only_reported(tmp_path: Path, registry: SmallRegistry) -> None:
    registry.push("app", single(words="old"), "1.0.0")
    registry.push("app", single(words="new"), "1.1.0")
    files = {"a.yaml": _web(f"{registry.host}/app:1.0.0")}
    world = _world(tmp_path, registry, files, "resources: {window: 14d}")
    (kept,) = _kept(world.run())
    assert (kept.reason, "it would have been" in kept.detail) == (Reason.OBSERVED, True)
    assert world.requests() == []


def test_hostile_tags_and_labels_do_no_harm(tmp_path: Path, registry: SmallRegistry) -> None:
    evil = {
        "org.opencontainers.image.source": "https://x.io/a) @team [x](javascript:alert(1)",
        "x": "<script>",
    }
    registry.push("app", single(words="old"), "1.0.0")
    registry.push("app", single(words="new", labels=evil), "1.1.0")
    registry.tags["app"]["1.2.0\r\nX: y"] = registry.tags["app"]["1.1.0"]
    world = _world(tmp_path, registry, {"a.yaml": _web(f"{registry.host}/app:1.0.0")})
    world.run()
    (request,) = world.requests()
    assert "javascript" not in request.body
    assert "@team" not in request.body
    assert b"app:1.1.0" in world.files(request.branch)["a.yaml"]


def test_resources_and_images_are_requests_of_their_own(tmp_path: Path, registry: SmallRegistry) -> None:
    registry.push("app", single(words="old"), "1.0.0")
    registry.push("app", single(words="new"), "1.1.0")
    used = [Used(ContainerRef("", "shop", "Deployment", "web", "app"), 400, 300 << 20)]
    world = _world(tmp_path, registry, {"apps/web.yaml": _web(f"{registry.host}/app:1.0.0")}, used=used)
    world.run()
    assert sorted(request.branch for request in world.requests()) == [
        "reconcile/image/apps",
        "reconcile/safety/apps",
    ]


def test_a_policy_lets_images_share_the_request_of_savings(tmp_path: Path, registry: SmallRegistry) -> None:
    registry.push("app", single(words="old"), "1.0.0")
    registry.push("app", single(words="new"), "1.1.0")
    files = {"apps/web.yaml": _web(f"{registry.host}/app:1.0.0").replace("100m", "2")}
    policy = "mode: {images: propose}\nproposals: {images: together}"
    used = [Used(ContainerRef("", "shop", "Deployment", "web", "app"), 400, 50 << 20)]
    world = _world(tmp_path, registry, files, policy, used)
    registry.answers = lambda asked: Said(500)
    world.run()
    (request,) = world.requests()  # savings alone
    assert (request.branch, request.title) == (
        "reconcile/savings/apps",
        "perf(resources): right-size web in shop",
    )
    registry.answers = lambda asked: None
    report = world.run(NOW + 60)
    assert [action.do for action in report.actions] == [Do.UPDATE]
    (request,) = world.requests()  # both
    assert request.title == "chore(resources,images): right-size and update images of web in shop"
    assert sorted(row["class"] for row in as_json(report)["changes"]) == ["image", "savings"]
    text = world.files(request.branch)["apps/web.yaml"].decode()
    assert ("app:1.1.0" in text, "cpu: 2" in text) == (True, False)
    for words in ("Updates 1 image, frees", "`shop/web/app` | requests.cpu", "known since",
                  "Evidence of images", "older ones stay away until"):  # fmt: skip
        assert words in request.body
    before = world.state()
    assert [action.do for action in world.run(NOW + 60).actions] == [Do.LEAVE]
    assert world.state() == before
    ours = tmp_path / "policies" / "ours.yaml"
    ours.write_text(ours.read_text().replace("{images: propose}", "{resources: observe, images: propose}"))
    report = world.run(NOW + 120)
    (request,) = world.requests()  # the image alone
    assert (request.branch, request.title) == (
        "reconcile/savings/apps",
        "chore(images): update images of web in shop",
    )
    world.forge.close(request.number)
    assert Reason.HELD in {kept.reason for kept in _kept(world.run(NOW + DAY))}


def test_what_is_raised_for_safety_shares_no_request_with_images(
    tmp_path: Path, registry: SmallRegistry
) -> None:
    registry.push("app", single(words="old"), "1.0.0")
    registry.push("app", single(words="new"), "1.1.0")
    policy = "mode: {images: propose}\nproposals: {images: together}"
    used = [Used(ContainerRef("", "shop", "Deployment", "web", "app"), 400, 300 << 20)]
    files = {"apps/web.yaml": _web(f"{registry.host}/app:1.0.0")}
    world = _world(tmp_path, registry, files, policy, used)
    world.run()
    assert sorted(request.branch for request in world.requests()) == [
        "reconcile/safety/apps",
        "reconcile/savings/apps",
    ]


def test_nobody_asks_about_an_image_that_others_see_to(tmp_path: Path, registry: SmallRegistry) -> None:
    registry.push("app", single(), "1.0.0", "1.1.0")
    marker = ' # {"$imagepolicy": "flux-system:app"}'
    text = _web(f"{registry.host}/app:1.0.0").replace("   # what runs", marker)
    automation = (
        "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\n"
        "metadata: {name: all, namespace: flux-system}\n"
        "spec: {sourceRef: {kind: GitRepository, name: deploy}, update: {path: ., strategy: Setters}}\n"
    )
    world = _world(tmp_path, registry, {"a.yaml": text, "flux.yaml": automation})
    assert {kept.reason for kept in _kept(world.run())} <= {Reason.OWNED_BY, Reason.WRITTEN_BY_FLUX}
    assert not registry.asked


@pytest.mark.parametrize("complete", [True, False])
def test_what_moves_together_moves_all_or_none(
    tmp_path: Path, registry: SmallRegistry, complete: bool
) -> None:
    for name in ("server", "worker"):
        registry.push(name, single(words=f"{name} old"), "1.0.0")
        registry.push(name, single(words=f"{name} new"), "1.1.0")
    registry.push("server", single(words="server newer"), "1.2.0")
    if complete:
        registry.push("worker", single(words="worker newer"), "1.2.0")
    files = {
        f"apps/{name}.yaml": _web(f"{registry.host}/{name}:1.0.0", name) for name in ("server", "worker")
    }
    files["apps/other.yaml"] = _web(f"{registry.host}/server:1.1.0", "other")
    policy = "match: {names: [server, worker]}\nmode: {images: propose}\nimages: {together: release}"
    world = _world(tmp_path, registry, files, policy)
    report = world.run()
    if complete:
        (change,) = report.changes
        assert [value.new.rpartition("/")[2] for value in change.values] == ["server:1.2.0", "worker:1.2.0"]
        assert change.because.endswith("2 images of release move together")
        (request,) = world.requests()
        assert b"worker:1.2.0" in world.files(request.branch)["apps/worker.yaml"]
        world.forge.merge(request.number, request.head)
        assert world.run(NOW + DAY).changes == ()
    else:
        kept = {keep.reason for keep in _kept(report) if "other" not in str(keep.ref)}
        assert (kept, report.changes) == ({Reason.MOVES_TOGETHER}, ())


def test_killed_after_any_write_the_next_run_ends_the_same(tmp_path: Path, registry: SmallRegistry) -> None:
    """A branch, the ledger with its sightings, and the forge: each can be the last write."""
    for name in ("web", "api"):
        registry.push(name, single(words=f"{name} old"), "1.0.0")
        registry.push(name, single(words=f"{name} new"), "1.1.0")
    files = {f"{name}/app.yaml": _web(f"{registry.host}/{name}:1.0.0", name) for name in ("web", "api")}
    policy = "mode: {images: propose}\nimages: {minimumAge: 1d}"
    wanted: dict[str, bytes] | None = None
    for writes in (99, 1, 2, 3, 4):
        world = _world(tmp_path / str(writes), registry, files, policy)
        world.run()
        _killed(world, writes)
        world.run(NOW + 2 * DAY)
        settled = world.state()
        world.run(NOW + 2 * DAY)
        assert world.state() == settled
        requests = world.requests()
        assert sorted(request.branch for request in requests) == [
            "reconcile/image/api",
            "reconcile/image/web",
        ]
        found = {request.branch: world.files(request.branch)["web/app.yaml"] for request in requests}
        wanted = wanted or found
        assert found == wanted


def _killed(world: World, writes: int) -> None:
    program = Path(__file__).parent / "killed_run.py"
    command = [sys.executable, str(program), str(world.settings), str(NOW + 2 * DAY), str(writes)]
    ended = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert ended.returncode in (0, KILLED), ended.stderr.decode()
