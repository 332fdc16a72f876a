"""What lies elsewhere, over real connections: fetched from hosts that the settings allow, and never else."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import rendered_argocd
from rendered_world import BASE, DEPLOYMENT, VALUES, lay_out, put_tools_on_path
from rendering.chart_servers import Reply, Server, index, push, serving
from rendering.charts import packed
from rendering.listener import Listener, listening
from servers import argocd_api, git_http
from servers.git_http import GitServer
from servers.repositories import Bare, git
from world import Used, World

from reconciler.cli import ended
from reconciler.model import ContainerRef

MI = 1 << 20
TOKEN = "g1t-t0ken-for-tests"
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.2.3\n",
    "values.yaml": VALUES,
    "templates/deployment.yaml": DEPLOYMENT,
}
PACKED = packed({path: text.encode() for path, text in CHART.items()}, "web")
Rows = dict[tuple[str, str], dict[str, object]]


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_tools_on_path(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def charts() -> Iterator[Server]:
    """A chart repository, which is a registry as well."""
    with serving() as found:
        found.pages["/charts/index.yaml"] = Reply(index({"web": {"1.2.3": PACKED}}))
        found.pages["/charts/web-1.2.3.tgz"] = Reply(PACKED)
        push(found, "team/web", {"1.2.3": PACKED})
        yield found


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Somebody whom nobody must talk to."""
    with listening() as found:
        yield found


@pytest.fixture
def bases(tmp_path: Path) -> Bare:
    """Another repository: a base, a chart, and values."""
    made = Bare(tmp_path / "served" / "bases.git")
    files = {"base/kustomization.yaml": "resources: [deployment.yaml]\n", "base/deployment.yaml": BASE}
    files |= {f"charts/web/{path}": text for path, text in CHART.items()}
    made.commit({path: text.encode() for path, text in files.items()})
    return made


@pytest.fixture
def git_there(bases: Bare) -> Iterator[GitServer]:
    running, stop = git_http.start(bases.path.parent, "")
    yield running
    stop()


def application(name: str, source: Mapping[str, object], **more: object) -> str:
    spec = {"destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"}, **more}
    if source:
        spec["source"] = source
    head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"}
    return json.dumps({**head, "metadata": {"name": name, "namespace": "argocd"}, "spec": spec}, indent=1)


def settings(tmp_path: Path, **more: object) -> Path:
    place = tmp_path / "reconcile.yaml"
    repositories = [{"url": "https://git.example.com/platform/deploy.git"}]
    place.write_text(json.dumps({"apiVersion": "reconciler/v1", "repositories": repositories, **more}))
    return place


class Scan:
    """One `reconcile scan`."""

    def __init__(self, folder: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.code = ended(["scan", str(folder), "-o", "json", "--config", str(config)])
        told = capsys.readouterr()
        self.printed = told.out + told.err
        found = json.loads(told.out)
        self.rows: Rows = {
            (f"{one['workload']}/{one['container']}", one["field"]): one for one in found["rows"]
        }
        self.units = {one["unit"]: one for one in found["units"]}
        self.failed = found["failed"]

    def row(self, who: str, field: str) -> tuple[object, object, object]:
        one = self.rows[who, field]
        return one["value"], one["path"], one["reason"]


def of_chart(url: str, version: str = "1.2.3") -> str:
    helm = {"valuesObject": {"resources": {"requests": {"cpu": "500m"}}}}
    return application("shop", {"repoURL": url, "chart": "web", "targetRevision": version, "helm": helm})


# -- charts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("registry", [False, True], ids=["repository", "registry"])
def test_a_chart_of_a_repository_or_a_registry(
    tmp_path: Path, charts: Server, registry: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{charts.host}/team" if registry else f"{charts.url}/charts"
    folder = lay_out(tmp_path / "deploy", {"apps/shop.yaml": of_chart(url)})
    config = settings(tmp_path, rendering={"hosts": [charts.host]})
    found = Scan(folder, config, capsys)
    assert (found.code, found.failed) == (0, [])
    assert found.units["shop"]["reason"] is None
    assert found.row("shop/app", "requests.cpu") == ("500m", "apps/shop.yaml", None)
    assert found.row("shop/app", "image")[0] == "nginx:1.25"
    asked = len(charts.asked)
    charts.pages.clear()
    again = Scan(folder, config, capsys)
    assert again.rows == found.rows
    assert len(charts.asked) == asked  # nobody was asked a second time
    assert ended(["set", str(folder), "deploy/shop/app", "cpu=300m", "--config", str(config)]) == 0
    assert "shop renders the same but for 1 field" in " ".join(capsys.readouterr().out.split())
    assert '"cpu": "300m"' in (folder / "apps/shop.yaml").read_text()


def test_a_chart_from_elsewhere_is_compared_with_argo_cd(tmp_path: Path, charts: Server) -> None:
    """It has no commit; the Application that says its values has one."""
    argo, stop = argocd_api.start(rendered_argocd.TOKEN)
    try:
        files = {"apps/shop.yaml": of_chart(f"{charts.url}/charts")}
        argo.applications = rendered_argocd.listed(files)
        there = lay_out(
            tmp_path / "there", {"c/values-own.json": '{"resources": {"requests": {"cpu": "500m"}}}'}
        )
        lay_out(there / "c", CHART)
        told = {"path": "c", "helm": {"valueFiles": ["values-own.json"]}}
        app = argo.applications[0]
        argo.rendered = {
            "shop": rendered_argocd.rendered(there, {**app, "spec": {**app["spec"], "source": told}})
        }
        seen = [Used(ContainerRef("", "shop", "Deployment", "shop", "app"), 100, 60 * MI)]
        more = {"rendering": {"hosts": [charts.host]}}
        world = rendered_argocd.world_with(tmp_path / "world", seen, files, argo.url, **more)
        report = world.run(write=False)
        assert not report.failed
        assert report.changes
        rendered_argocd.spoil(argo, "shop")
        report = world.run(write=False)
        assert not report.changes
        assert any("renders-differently" in note.detail for note in report.notes)
    finally:
        stop()


def everything(listener: Listener) -> dict[str, str]:
    host = f"http://127.0.0.1:{listener.port}"
    several = [
        {"repoURL": f"{host}/values.git", "ref": "values", "targetRevision": "main"},
        {"repoURL": "https://git.example.com/platform/deploy.git", "path": "charts/web",
         "helm": {"valueFiles": ["$values/prod.yaml"]}},
    ]  # fmt: skip
    return {
        "apps/chart.yaml": of_chart(f"{host}/charts"),
        "apps/oci.yaml": of_chart(f"127.0.0.1:{listener.port}/team").replace("shop", "oci"),
        "apps/git.yaml": application("git", {"repoURL": f"{host}/x.git", "path": "base"}),
        "apps/values.yaml": application("values", {}, sources=several),
        "apps/url.yaml": application(
            "url",
            {
                "repoURL": "https://git.example.com/platform/deploy.git",
                "path": "charts/web",
                "helm": {"valueFiles": [f"{host}/values.yaml"]},
            },
        ),
        **{f"charts/web/{path}": text for path, text in CHART.items()},
        "k1/kustomization.yaml": f"resources: ['{host}/bases.git//base?ref=main']\n",
        "k2/kustomization.yaml": f"resources: ['{host}/all.yaml']\n",
        "k3/kustomization.yaml": (
            f"helmCharts: [{{name: web, repo: '{host}/charts', version: 1.2.3, releaseName: k3}}]\n"
        ),
        "k4/kustomization.yaml": f"components: ['git::{host}/bases//c']\n",
        "flux/all.yaml": f"""\
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {{name: charts, namespace: flux}}
spec: {{url: '{host}/charts', interval: 1h}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {{name: flux, namespace: flux}}
spec:
  interval: 1h
  chart: {{spec: {{chart: web, version: 1.2.3, sourceRef: {{kind: HelmRepository, name: charts}}}}}}
""",
        "dependent/Chart.yaml": (
            "apiVersion: v2\nname: dependent\nversion: 1.0.0\n"
            f"dependencies: [{{name: web, version: 1.2.3, repository: '{host}/charts'}}]\n"
        ),
        "apps/dependent.yaml": application(
            "dependent", {"repoURL": "https://git.example.com/platform/deploy.git", "path": "dependent"}
        ),
    }


KEPT = {"shop", "oci", "git", "values", "url", "k1", "k2", "k3", "k4", "dependent", "flux"}


def test_without_hosts_everything_is_kept_and_nobody_hears_of_it(
    tmp_path: Path, listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lay_out(tmp_path / "deploy", everything(listener))
    for more in ({}, {"rendering": {"hosts": ["charts.example.com"], "buildOptions": "--enable-helm"}}):
        found = Scan(folder, settings(tmp_path, **more), capsys)
        kept = {name: unit["reason"] for name, unit in found.units.items()}
        assert set(kept) >= KEPT, kept
        assert None not in {kept[name] for name in KEPT}, kept
        assert found.code == 0
    assert not listener.heard


def test_a_port_that_nobody_allowed_is_another_host(
    tmp_path: Path, charts: Server, listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither an index nor a redirect leads there."""
    charts.pages["/charts/index.yaml"] = Reply(
        index({"web": {"1.2.3": PACKED}}, f"http://127.0.0.1:{listener.port}/w.tgz")
    )
    folder = lay_out(tmp_path / "deploy", {"apps/shop.yaml": of_chart(f"{charts.url}/charts")})
    found = Scan(folder, settings(tmp_path, rendering={"hosts": [charts.host]}), capsys)
    assert found.units["shop"]["reason"] == "chart-unavailable"
    there = f"http://127.0.0.1:{listener.port}/index.yaml"
    charts.pages["/charts/index.yaml"] = Reply(status=302, headers=(("Location", there),))
    found = Scan(folder, settings(tmp_path, rendering={"hosts": [charts.host]}), capsys)
    assert found.units["shop"]["reason"] == "chart-unavailable"
    assert not listener.heard


# -- Git -------------------------------------------------------------------------------------------


def overlay(url: str, revision: str) -> dict[str, str]:
    ref = f"?ref={revision}" if revision else ""
    text = f"namespace: k\nresources: ['{url}/bases.git//base{ref}']\n"
    return {"overlay/kustomization.yaml": text}


def test_a_remote_base_at_a_branch_a_tag_and_a_commit(
    tmp_path: Path, git_there: GitServer, bases: Bare, capsys: pytest.CaptureFixture[str]
) -> None:
    first = bases.tip()
    git("tag", "-a", "-m", "1", "v1", "main", folder=bases.path)
    bases.commit({"base/deployment.yaml": BASE.replace("500m", "700m").encode()})
    config = settings(tmp_path, rendering={"hosts": ["127.0.0.1"]})
    for revision, cpu in (("main", "700m"), ("v1", "500m"), (first, "500m"), ("", "700m")):
        folder = lay_out(tmp_path / "deploy", overlay(git_there.url, revision))
        found = Scan(folder, config, capsys)
        assert found.units["overlay"]["reason"] is None, revision
        assert found.row("api/api", "requests.cpu")[0] == cpu, revision
        assert found.row("api/api", "requests.cpu")[2] == "unknown-source"
        assert found.row("api/api", "limits.cpu") == (None, "overlay/kustomization.yaml", None)
    before = (tmp_path / "deploy/overlay/kustomization.yaml").read_bytes()
    assert ended(["set", str(tmp_path / "deploy"), "deploy/api", "cpu=1", "--config", str(config)]) == 1
    assert "unknown-source" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "deploy/overlay/kustomization.yaml").read_bytes() == before
    words = ["set", str(tmp_path / "deploy"), "deploy/api", "limits.cpu=1", "--config", str(config)]
    assert ended(words) == 0
    assert b"cpu: 1" in (tmp_path / "deploy/overlay/kustomization.yaml").read_bytes()


def test_a_commit_is_read_from_the_cache_when_the_server_is_gone(
    tmp_path: Path, git_there: GitServer, bases: Bare, capsys: pytest.CaptureFixture[str]
) -> None:
    config = settings(tmp_path, rendering={"hosts": ["127.0.0.1"]})
    folder = lay_out(tmp_path / "deploy", overlay(git_there.url, bases.tip()))
    first = Scan(folder, config, capsys)
    asked = len(git_there.seen)
    git_there.status = 503
    assert Scan(folder, config, capsys).rows == first.rows
    assert len(git_there.seen) == asked
    lay_out(folder, overlay(git_there.url, "main"))
    found = Scan(folder, config, capsys)
    assert found.units["overlay"]["reason"] == "remote-base"  # a branch may have moved


def test_a_host_that_does_not_answer_is_asked_three_times(
    tmp_path: Path, git_there: GitServer, bases: Bare, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each time may take minutes. What is in the cache needs no host."""
    config = settings(tmp_path, rendering={"hosts": ["127.0.0.1"]})
    folder = lay_out(tmp_path / "deploy", overlay(git_there.url, bases.tip()))
    assert Scan(folder, config, capsys).units["overlay"]["reason"] is None
    text = "nameSuffix: -{0}\nresources: ['{1}/bases{0}.git//base?ref=main']\n"
    lay_out(folder, {f"o{n}/kustomization.yaml": text.format(n, git_there.url) for n in range(6)})
    git_there.status = 503
    asked = len(git_there.seen)
    found = Scan(folder, config, capsys)
    assert {found.units[f"o{n}"]["reason"] for n in range(6)} == {"remote-base"}
    assert found.units["overlay"]["reason"] is None
    assert len({seen.path for seen in git_there.seen[asked:]}) == 3


def test_a_copy_that_broke_is_mended_by_the_next_run(
    tmp_path: Path, git_there: GitServer, bases: Bare, capsys: pytest.CaptureFixture[str]
) -> None:
    config = settings(tmp_path, rendering={"hosts": ["127.0.0.1"]})
    folder = lay_out(tmp_path / "deploy", overlay(git_there.url, bases.tip()))
    first = Scan(folder, config, capsys)
    blob = git("rev-parse", "main:base/deployment.yaml", folder=bases.path)
    (broken,) = (tmp_path / "cache").rglob(f"objects/{blob[:2]}/{blob[2:]}")
    broken.chmod(0o600)
    broken.write_bytes(b"")
    assert Scan(folder, config, capsys).rows == first.rows


@pytest.mark.parametrize("revision", ["gone", "--upload-pack=touch%20x", "a..b", "main%0aother"])
def test_a_revision_that_is_none_keeps_the_overlay(
    tmp_path: Path, git_there: GitServer, revision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lay_out(tmp_path / "deploy", overlay(git_there.url, revision))
    found = Scan(folder, settings(tmp_path, rendering={"hosts": ["127.0.0.1"]}), capsys)
    assert found.units["overlay"]["reason"] == "remote-base"
    assert found.code == 0


def sources(url: str) -> str:
    several = [
        {"repoURL": f"{url}/bases.git", "path": "charts/web", "targetRevision": "main",
         "helm": {"valueFiles": ["$own/values/prod.yaml"]}},
        {"repoURL": "https://git.example.com/platform/deploy.git", "targetRevision": "HEAD", "ref": "own"},
    ]  # fmt: skip
    return application("shop", {}, sources=several)


def test_a_chart_of_another_repository_with_values_of_ones_own(
    tmp_path: Path, git_there: GitServer, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "apps/shop.yaml": sources(git_there.url),
        "values/prod.yaml": "resources:\n  requests: {cpu: 500m}  # ours\n",
    }
    folder = lay_out(tmp_path / "deploy", files)
    config = settings(tmp_path, rendering={"hosts": [f"127.0.0.1:{git_there.url.rpartition(':')[2]}"]})
    found = Scan(folder, config, capsys)
    assert found.units["shop"]["reason"] is None
    assert found.row("shop/app", "requests.cpu") == ("500m", "values/prod.yaml", None)
    assert found.row("shop/app", "requests.memory") == ("128Mi", "values/prod.yaml", None)
    words = ["set", str(folder), "deploy/shop/app", "cpu=300m", "memory=64Mi", "--config", str(config)]
    assert ended(words) == 0
    text = (folder / "values/prod.yaml").read_text()
    assert "cpu: 300m" in text
    assert "memory: 64Mi" in text
    assert "# ours" in text


def test_a_token_goes_to_its_own_forge_alone(
    tmp_path: Path, bases: Bare, git_there: GitServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two servers of one host are two; only the one of the settings hears of the token."""
    own, stop = git_http.start(bases.path.parent, TOKEN)
    try:
        (tmp_path / "token").write_text(TOKEN)
        forges = [{"kind": "gitlab", "url": own.url, "tokenFile": "token"}]
        config = settings(tmp_path, rendering={"hosts": ["127.0.0.1"]}, forges=forges)
        files = {
            "a/kustomization.yaml": f"nameSuffix: -a\nresources: ['{own.url}/bases.git//base?ref=main']\n",
            "b/kustomization.yaml": (
                f"nameSuffix: -b\nresources: ['{git_there.url}/bases.git//base?ref=main']\n"
            ),
        }
        found = Scan(lay_out(tmp_path / "deploy", files), config, capsys)
        assert {name: unit["reason"] for name, unit in found.units.items()} == {"a": None, "b": None}
        assert own.authorized()
        assert git_there.seen
        assert not git_there.authorized()
        assert TOKEN not in found.printed
        (tmp_path / "token").write_text("wrong")
        found = Scan(tmp_path / "deploy", config, capsys)
        assert found.units["a"]["reason"] == "remote-base"
        assert "wrong" not in found.printed
    finally:
        stop()


def test_hosts_of_settings_that_nobody_named_are_not_asked(
    tmp_path: Path, listener: Listener, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings that lie in a stranger's clone."""
    folder = lay_out(tmp_path / "deploy", everything(listener))
    git("init", "-q", str(folder), folder=tmp_path)
    settings(folder, rendering={"hosts": ["127.0.0.1"]})
    monkeypatch.chdir(folder)
    assert ended(["scan", str(folder), "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {unit["unit"]: unit["reason"] for unit in told["units"]}["k1"] == "remote-base"
    assert not listener.heard


# -- runs ------------------------------------------------------------------------------------------


def test_a_run_goes_on_without_the_server_of_one_unit(
    tmp_path: Path, git_there: GitServer, charts: Server
) -> None:
    """And proposes what is fetched: the value stands in this repository."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        closed = made.getsockname()[1]
    files = {
        "apps/shop.yaml": of_chart(f"{charts.url}/charts"),
        "apps/down.yaml": of_chart(f"http://127.0.0.1:{closed}/charts").replace("shop", "down"),
        **overlay(git_there.url, "main"),
    }
    seen = [
        Used(ContainerRef("", "shop", "Deployment", "shop", "app"), 100, 60 * MI),
        Used(ContainerRef("", "k", "Deployment", "api", "api"), 100, 60 * MI),
    ]
    (tmp_path / "world").mkdir()
    world = World(tmp_path / "world", files, seen, rendering={"hosts": ["127.0.0.1"]})
    report = world.run(write=False)
    assert not report.failed
    assert {value.slot.place.path for change in report.changes for value in change.values} == {
        "apps/shop.yaml"
    }
    reasons = {str(keep.reason) for keep in report.kept if keep.ref.workload == "api"}
    assert "unknown-source" in reasons
    assert any("the unit down is kept as it is" in note.detail for note in report.notes)
