"""Nothing that a chart or a kustomization says makes a program connect anywhere, with walls or without."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from charts import chart, packed, request
from listener import Listener, listening

from reconciler.model import Reason, Refused, Secret
from reconciler.rendering import kustomize
from reconciler.rendering.fetch import ChartFetcher, ChartSource
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.sandbox import Limits
from reconciler.rendering.tools import Tools
from reconciler.rendering.walls import NO_WALLS, Walls, find_walls
from reconciler.rendering.web import Login, Web
from reconciler.source.render import HelmRequest, KustomizeRequest, Parameter, Rendered, Request

SUB = {
    "values.yaml": b"a: 1\n",
    "Chart.yaml": b"apiVersion: v2\nname: sub\nversion: 1.0.0\n",
    "templates/a.yaml": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
}


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as found:
        yield found


@pytest.fixture(params=["walls", "no walls"])
def held(request: pytest.FixtureRequest) -> Walls:
    """test_sandbox.py tries each wall by itself."""
    walls = NO_WALLS if request.param == "no walls" else find_walls()
    if request.param == "walls" and not walls.without_network:
        pytest.skip("THIS KERNEL HAS NO WALL AGAINST THE NETWORK")
    return walls


def schema(url: str) -> bytes:
    return f'{{"$schema": "{url}/s", "properties": {{"a": {{"$ref": "{url}/schema.json"}}}}}}'.encode()


def needing(url: str) -> bytes:
    """A list of dependencies, as Chart.yaml, a lock and the old requirements.yaml have it."""
    return f"dependencies: [{{name: sub, version: 1.0.0, repository: '{url}'}}]\n".encode()


def charts(url: str) -> dict[str, HelmRequest]:
    """Charts that lead to a server, each in its own way."""
    plain = chart("a: 1", "a: 1")
    depends = plain | {"Chart.yaml": plain["Chart.yaml"] + needing(url)}
    sub = {f"charts/sub/{path}": data for path, data in SUB.items()}
    looks = '{{ lookup "v1" "Secret" "kube-system" "" | toJson | quote }}'
    packed_sub = packed(SUB | {"values.schema.json": schema(url)}, "sub")
    return {
        "lookup": request(chart(f"a: {looks}"), kube_version="1.31"),
        "name": request(chart('a: {{ getHostByName "listener.example.com" | quote }}')),
        "dependency that is missing": request(depends),
        "dependency that is there": request(depends | sub),
        "lock": request(depends | {"Chart.lock": needing(url)}),
        "requirements": request(plain | {"requirements.yaml": needing(url)}),
        "schema": request(plain | {"values.schema.json": schema(url)}),
        "schema that is packed": request(plain | {"charts/sub-1.0.0.tgz": packed_sub}),
        "files": request(chart(f'a: {{{{ .Files.Get "{url}/x" | quote }}}}')),
        "value file": request(plain, f"url: {url}\nimports: [{url}/values.yaml]"),
        "parameter": request(plain, parameters=(Parameter("x", f"{url}/values.yaml"),)),
        "release": request(plain, release=url),
        "namespace": request(plain, namespace=f"{url}/x"),
    }


CHARTS = list(charts(""))


@pytest.mark.parametrize("what", CHARTS)
def test_charts_lead_nowhere(tools: Tools, held: Walls, listener: Listener, what: str) -> None:
    quiet(ProgramRenderer(tools, held), charts(f"http://127.0.0.1:{listener.port}")[what], listener)


def packed_dependency(url: str) -> bytes:
    files = {"Chart.yaml": b"apiVersion: v2\nname: d\nversion: 1.0.0\n", "values.yaml": b"a: 1\n"}
    return packed(files | {"values.schema.json": schema(url)}, "d")


def over(text: str, files: dict[str, bytes] | None = None) -> KustomizeRequest:
    named = {"kustomization.yaml": text.encode()} | (files or {})
    options = ("--enable-helm", "--load-restrictor=LoadRestrictionsNone")
    return KustomizeRequest({f"over/{path}": data for path, data in named.items()}, "over", options)


def kustomizations(url: str) -> dict[str, KustomizeRequest]:
    """The same of kustomizations."""
    deeper = {"deeper/kustomization.yaml": f"resources: ['{url}/a.yaml']".encode()}
    return {
        "file": over(f"resources: ['{url}/all.yaml']\n"),
        "git": over(f"resources: ['{url}/repository.git//base?ref=main']\n"),
        "git, said to be": over(f"resources: ['git::{url}/repository//base']\n"),
        "component": over(f"components: ['{url}/repository.git']\n"),
        "base": over(f"bases: ['{url}/repository.git']\n"),
        "base of a base": over("resources: [deeper]\n", deeper),
        "crds": over(f"crds: ['{url}/crd.json']\n"),
        "openapi": over(f"openapi: {{path: '{url}/schema.json'}}\n"),
        "configuration": over(f"configurations: ['{url}/c.yaml']\n"),
        "patch": over(f"resources: []\npatches: [{{path: '{url}/p.yaml'}}]\n"),
        "config map": over(f"configMapGenerator: [{{name: x, files: ['{url}/f']}}]\n"),
        "replacement": over(f"replacements: [{{path: '{url}/r.yaml'}}]\n"),
        "transformer": over(f"transformers: ['{url}/t.yaml']\n"),
    } | inflations(url)


def inflations(url: str) -> dict[str, KustomizeRequest]:
    """Charts that a kustomization inflates."""
    local = "helmCharts: [{name: sub}]\n"
    sub = {f"charts/sub/{path}": data for path, data in SUB.items()}
    generator = "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: x}\nname: sub\n"
    needs = {"charts/sub/Chart.yaml": SUB["Chart.yaml"] + needing(url)}
    inner = {"Chart.yaml": b"apiVersion: v2\nname: e\nversion: 1.0.0\n"}
    nested = packed(inner | {"charts/d-1.0.0.tgz": packed_dependency(url)}, "e")
    return {
        "chart": over(f"helmCharts: [{{name: sub, repo: '{url}', version: 1.0.0}}]\n"),
        "chart of a registry": over(
            f"helmCharts: [{{name: sub, repo: 'oci://{url[7:]}/x', version: 1.0.0}}]\n"
        ),
        "chart, the old way": over(
            f"helmChartInflationGenerator: [{{chartName: sub, chartRepoUrl: '{url}'}}]\n"
        ),
        "chart in a generator": over(
            "generators: [g.yaml]\n", {"g.yaml": f"{generator}repo: {url}\n".encode()}
        ),
        "values of a chart": over(f"helmCharts: [{{name: sub, valuesFile: '{url}/v.yaml'}}]\n", sub),
        "dependency of a chart": over(local, sub | needs),
        "schema of a chart": over(local, sub | {"charts/sub/values.schema.json": schema(url)}),
        "schema of a packed chart": over(
            local, sub | {"charts/sub/charts/d-1.0.0.tgz": packed_dependency(url)}
        ),
        "schema of one packed in another": over(local, sub | {"charts/sub/charts/e-1.0.0.tgz": nested}),
    }


KUSTOMIZATIONS = list(kustomizations("http://h"))


@pytest.mark.parametrize("what", KUSTOMIZATIONS)
def test_kustomizations_lead_nowhere(tools: Tools, held: Walls, listener: Listener, what: str) -> None:
    quiet(ProgramRenderer(tools, held), kustomizations(f"http://127.0.0.1:{listener.port}")[what], listener)


def quiet(renderer: ProgramRenderer, asked: Request, listener: Listener) -> None:
    answer = renderer.render(asked)
    assert isinstance(answer, Rendered) or answer.reason in (
        Reason.RENDER_FAILED, Reason.REMOTE_BASE, Reason.MISSING_DEPENDENCY, Reason.PLUGIN,
    ), answer  # fmt: skip
    time.sleep(0.02)
    assert listener.heard == []


def test_a_packed_chart_that_leads_nowhere_is_taken_without_walls(tools: Tools) -> None:
    made = kustomizations("http://h")["schema of a packed chart"]
    files = dict(made.files)
    renderer = ProgramRenderer(tools, NO_WALLS)
    answer = renderer.render(made)
    assert isinstance(answer, Refused)
    assert answer.reason is Reason.REMOTE_BASE
    harmless = packed({"Chart.yaml": b"apiVersion: v2\nname: d\nversion: 1.0.0\n"}, "d")
    files["over/charts/sub/charts/d-1.0.0.tgz"] = harmless
    assert isinstance(renderer.render(made._replace(files=files)), Rendered)


@pytest.mark.parametrize("what", ["file", "chart", "schema of a chart", "schema of a packed chart"])
def test_the_listener_would_hear_them(
    tools: Tools, listener: Listener, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Without the looks beforehand, and without walls, they do connect: the silence above means something."""
    monkeypatch.setattr(kustomize, "look", lambda *_: None)
    monkeypatch.setattr(kustomize, "without_outside_schemas", lambda files: files)
    monkeypatch.setattr(kustomize, "packed_that_leads_outside", lambda _: None)
    asked = kustomizations(f"http://127.0.0.1:{listener.port}")[what]
    ProgramRenderer(tools, NO_WALLS, Limits(seconds=5)).render(asked)
    time.sleep(0.05)
    assert listener.heard


def test_nobody_is_fetched_from_where_no_host_is_allowed(listener: Listener, tmp_path: Path) -> None:
    host = f"127.0.0.1:{listener.port}"
    fetcher = ChartFetcher(Web((), {host: Login(Secret("hunter2"), "bot")}, proxies={}), tmp_path)
    for url in (f"http://{host}/charts", f"oci://{host}/charts", f"http://bot:pw@{host}/"):
        for version in ("1.0.0", "^1", "", "sha256:" + "0" * 64):
            answer = fetcher.fetch(ChartSource(url, "web", version))
            assert isinstance(answer, Refused)
            assert answer.reason is Reason.CHART_UNAVAILABLE
            assert "among the hosts that charts may be fetched from" in answer.detail
    assert listener.heard == []
