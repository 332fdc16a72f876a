"""Repositories whose charts and overlays mean harm, through the commands that people type.

Nothing gets out, nothing secret is said, each unit has its reason, and what is beside it is read as ever.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from rendered_world import DEPLOYMENT, FILES, VALUES, application, lay_out, put_tools_on_path
from rendering.listener import listening
from world import NOW, Used, World

from reconciler.cli import ended
from reconciler.model import ContainerRef

MI = 1 << 20
OUTSIDE = "0utside-of-the-tree"
SECRET = "s3cr3t-750m-hunter2"
GOOD = {
    "good/deployment.yaml": FILES["base/deployment.yaml"].replace("name: api}", "name: good, namespace: g}")
}
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_tools_on_path(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What nobody may read."""
    place = tmp_path / "outside"
    lay_out(
        place,
        {
            "secret": OUTSIDE,
            "values.yaml": f"resources: {{requests: {{cpu: 500m}}}}\nheap: {OUTSIDE}\n",
            "deployment.yaml": FILES["base/deployment.yaml"].replace("name: api}", f"name: {OUTSIDE}}}"),
            "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
            "chart/values.yaml": VALUES,
            "chart/templates/d.yaml": DEPLOYMENT.replace("busybox:1", OUTSIDE),
            "kustomization.yaml": "resources: [deployment.yaml]\n",
        },
    )
    return place


def settings(tmp_path: Path, **more: object) -> Path:
    """A render that never ends is waited for one second."""
    place = tmp_path / "reconcile.yaml"
    repositories = [{"url": "https://git.example.com/platform/deploy.git"}]
    rendering = {"timeout": "1s", **more}
    text = {"apiVersion": "reconciler/v1", "repositories": repositories, "rendering": rendering}
    place.write_text(json.dumps(text), encoding="utf-8")
    return place


class Scan:
    def __init__(self, folder: Path, config: Path, capsys: Capture) -> None:
        began = time.monotonic()
        self.code = ended(["scan", str(folder), "-o", "json", "--config", str(config)])
        self.seconds = time.monotonic() - began
        told = capsys.readouterr()
        self.printed = told.out + told.err
        assert "Traceback" not in self.printed
        found = json.loads(told.out)
        self.rows = found["rows"]
        self.units = {one["unit"]: one for one in found["units"]}
        self.failed = found["failed"]

    def reasons(self, workload: str) -> set[str | None]:
        return {one["reason"] for one in self.rows if one["workload"] == workload}


def set_is_refused(folder: Path, config: Path, target: str, capsys: Capture, *wishes: str) -> str:
    """`set` ends with 1 or 2, touches nothing, and says why."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    words = ["set", str(folder), target, *(wishes or ("cpu=750m",)), "--shared", "--config", str(config)]
    assert ended(words) in (1, 2)
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    return " ".join((told.out + told.err).split())


# -- templates -------------------------------------------------------------------------------------

TEMPLATES: Mapping[str, tuple[str, set[str]]] = {
    "endless": ("{{ range until 10000000 }}{{ range until 10000000 }}{{ end }}{{ end }}", {"render-limit"}),
    "deep": ('{{ define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}', {"render-failed"}),
    "huge": ('{{ repeat 90000000 "a: b\\n" }}', {"render-limit", "render-failed"}),
    "fails": ('{{ fail "no" }}', {"render-failed"}),
    "binary": ('{{ "\\x00\\x1b[31m" }}', {"render-failed"}),
}  # fmt: skip


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_that_never_ends_is_kept(tmp_path: Path, name: str, capsys: Capture) -> None:
    template, reasons = TEMPLATES[name]
    folder = lay_out(tmp_path / "deploy", {**FILES, **GOOD, "charts/web/templates/bad.yaml": template})
    config = settings(tmp_path)
    found = Scan(folder, config, capsys)
    assert found.code == 0
    assert found.seconds < 20
    assert found.units["web-prod"]["reason"] in reasons, found.units["web-prod"]
    assert found.units["web-prod"]["detail"].isprintable()
    assert len(found.units["web-prod"]["detail"]) < 600
    assert found.reasons("good") == {None}
    assert ended(["set", str(folder), "g/deploy/good", "cpu=750m", "--config", str(config)]) == 0
    capsys.readouterr()
    set_is_refused(folder, config, "prod/deploy/web-prod/app", capsys)


def test_what_a_template_looks_for_is_not_there(tmp_path: Path, outside: Path, capsys: Capture) -> None:
    """Neither a cluster nor a file outside of the chart, nor the environment, nor DNS."""
    ups = "../" * 14
    template = f"""\
kind: ConfigMap
apiVersion: v1
metadata: {{name: "{{{{ .Release.Name }}}}"}}
data:
  cluster: {{{{ lookup "v1" "Secret" "" "" | toJson | quote }}}}
  up: {{{{ .Files.Get "../../../outside/secret" | quote }}}}
  root: {{{{ .Files.Get "{ups.rstrip("/")}{outside}/secret" | quote }}}}
  absolute: {{{{ .Files.Get "{outside}/secret" | quote }}}}
  globbed: {{{{ (.Files.Glob "../**").AsConfig | quote }}}}
  dns: {{{{ getHostByName "example.com" | quote }}}}
"""
    folder = lay_out(tmp_path / "deploy", {**FILES, "charts/web/templates/bad.yaml": template})
    found = Scan(folder, settings(tmp_path), capsys)
    assert found.units["web-prod"]["reason"] is None
    assert OUTSIDE not in found.printed
    for kept in (tmp_path / "cache").rglob("*"):
        assert not kept.is_file() or OUTSIDE.encode() not in kept.read_bytes()


def test_a_file_of_values_that_is_too_large(tmp_path: Path, capsys: Capture) -> None:
    large = "# " + "x" * (10 << 20) + "\nresources: {requests: {cpu: 500m}}\n"
    folder = lay_out(tmp_path / "deploy", {**FILES, **GOOD, "charts/web/prod.yaml": large})
    found = Scan(folder, settings(tmp_path), capsys)
    assert found.units["web-prod"]["reason"] is not None
    assert found.units["web-dev"]["reason"] is None
    assert found.reasons("good") == {None}
    assert found.seconds < 20


# -- links, and names that lead out ----------------------------------------------------------------


def test_links_out_of_the_tree_lead_nowhere(tmp_path: Path, outside: Path, capsys: Capture) -> None:
    links: dict[str, Path | str] = {
        "charts/web/prod.yaml": outside / "values.yaml",
        "charts/linked": outside / "chart",
        "charts/own/templates": outside / "chart/templates",
        "charts/own/values.yaml": "../../../outside/values.yaml",
        "k/deployment.yaml": outside / "deployment.yaml",
        "k2/base": outside,
        "plain": outside,
        "charts/loop": "loop",
    }
    files = {
        **FILES,
        **GOOD,
        "apps/linked.yaml": application("linked", "x", "").replace("charts/web", "charts/linked"),
        "apps/loop.yaml": application("loop", "x", "").replace("charts/web", "charts/loop"),
        "apps/own.yaml": application("own", "x", "").replace("charts/web", "charts/own"),
        "charts/own/Chart.yaml": "apiVersion: v2\nname: own\nversion: 1.0.0\n",
        "k/kustomization.yaml": "resources: [deployment.yaml]\n",
        "k2/kustomization.yaml": "resources: [base]\n",
        "k3/kustomization.yaml": f"resources: [{outside}/deployment.yaml]\n",
        "k4/kustomization.yaml": "resources: [../../outside]\n",
        "k5/kustomization.yaml": (
            "resources: [d.yaml]\nconfigMapGenerator: [{name: x, files: [../../outside/secret]}]\n"
        ),
        "k5/d.yaml": FILES["base/deployment.yaml"],
    }
    folder = lay_out(tmp_path / "deploy", files)
    for name, to in links.items():
        place = folder / name
        place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(to)
    config = settings(tmp_path, buildOptions="--load-restrictor LoadRestrictionsNone")
    found = Scan(folder, config, capsys)
    assert OUTSIDE not in found.printed
    for unit in ("web-prod", "linked", "loop", "k", "k2", "k3", "k4", "k5"):
        assert found.units[unit]["reason"], unit
    assert found.units["web-dev"]["reason"] is None
    assert found.reasons("good") == {None}
    set_is_refused(folder, config, "prod/deploy/web-prod/app", capsys)
    assert OUTSIDE in (outside / "values.yaml").read_text()


@pytest.mark.parametrize(
    "name",
    [
        "../../../outside/values.yaml",
        "{outside}/values.yaml",
        "file://{outside}/values.yaml",
        "http://127.0.0.1:{port}/values.yaml",
        "https://127.0.0.1:{port}/values.yaml",
        "$ref/../../outside/values.yaml",
        "secrets://{outside}/values.yaml",
        "git::http://127.0.0.1:{port}/x?ref=main",
        "--post-renderer={outside}/secret",
        "~/values.yaml",
        "prod.yaml,{outside}/values.yaml",
        "*/../../../outside/values.yaml",
        "-",
        "/dev/stdin",
        "",
    ],
)
def test_names_of_value_files_lead_nowhere(tmp_path: Path, outside: Path, name: str, capsys: Capture) -> None:
    with listening() as listener:
        told = json.dumps(name.format(outside=outside, port=listener.port))
        files = {**FILES, **GOOD, "apps/prod.yaml": application("web-prod", "prod", f"prod.yaml, {told}")}
        found = Scan(lay_out(tmp_path / "deploy", files), settings(tmp_path), capsys)
        assert not listener.heard
    assert found.units["web-prod"]["reason"] is not None, found.units["web-prod"]
    assert found.units["web-prod"]["detail"].isprintable()
    assert OUTSIDE not in found.printed
    assert found.reasons("good") == {None}


# -- programs of others ----------------------------------------------------------------------------


def test_nothing_of_the_surroundings_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """A plugin in the user's own folders, and one that the overlay asks for."""
    script = f"#!/bin/sh\ntouch {tmp_path}/ran\ncat\n"
    plugin = "name: evil\nversion: 1.0.0\ncommand: $HELM_PLUGIN_DIR/run\nhooks: {install: run}\n"
    getter = "downloaders: [{command: run, protocols: [evil]}]\n"
    home = lay_out(
        tmp_path / "home",
        {
            "plugins/evil/plugin.yaml": plugin + getter,
            "plugins/evil/run": script,
            "kustomize/evil.example.com/v1/evil/Evil": script,
            "bin/kubectl-kustomize": script,
            "bin/git": script,
        },
    )
    for path in home.rglob("*"):
        path.chmod(0o755)
    for name, value in {
        "HELM_PLUGINS": str(home / "plugins"),
        "HELM_POST_RENDERER": str(home / "plugins/evil/run"),
        "HELM_DATA_HOME": str(home),
        "KUSTOMIZE_PLUGIN_HOME": str(home / "kustomize"),
        "PATH": f"{os.environ['PATH']}{os.pathsep}{home / 'bin'}",
    }.items():
        monkeypatch.setenv(name, value)
    evil = "apiVersion: evil.example.com/v1\nkind: Evil\nmetadata: {name: e"
    annotated = f"{evil}, annotations: {{config.kubernetes.io/function: 'exec: {{path: ./run}}'}}}}\n"
    files = {
        **FILES,
        **GOOD,
        "k1/kustomization.yaml": "generators: [evil.yaml]\n",
        "k1/evil.yaml": f"{evil}}}\n",
        "k2/kustomization.yaml": "resources: [d.yaml]\ntransformers: [evil.yaml]\n",
        "k2/evil.yaml": annotated,
        "k2/run": script,
        "k2/d.yaml": FILES["base/deployment.yaml"],
        "apps/dev.yaml": application("web-dev", "dev", "'evil://x/values.yaml'"),
    }
    folder = lay_out(tmp_path / "deploy", files)
    (folder / "k2/run").chmod(0o755)
    found = Scan(folder, settings(tmp_path, buildOptions="--enable-helm"), capsys)
    assert found.units["web-prod"]["reason"] is None
    assert {found.units[name]["reason"] for name in ("k1", "k2")} == {"plugin"}
    assert found.units["web-dev"]["reason"] is not None
    assert not (tmp_path / "ran").exists()


# -- secrets ---------------------------------------------------------------------------------------

OF_SECRETS = f"""\
apiVersion: v1
kind: Secret
metadata: {{name: "{{{{ .Release.Name }}}}"}}
stringData:
  cpu: "{SECRET}-{{{{ .Values.resources.requests.cpu }}}}"
  password: {{{{ .Values.password | quote }}}}
"""


def with_secrets(**more: str) -> dict[str, str]:
    values = f"{VALUES}password: {SECRET}\n"
    return {**FILES, **GOOD, "charts/web/values.yaml": values, **more}


def test_a_secret_that_would_change_refuses_and_is_not_quoted(tmp_path: Path, capsys: Capture) -> None:
    """Its value holds the very number that is edited."""
    files = with_secrets(**{"charts/web/templates/secret.yaml": OF_SECRETS})
    folder = lay_out(tmp_path / "deploy", files)
    config = settings(tmp_path)
    found = Scan(folder, config, capsys)
    assert found.code == 0
    assert SECRET not in found.printed
    told = set_is_refused(folder, config, "prod/deploy/web-prod/app", capsys)
    assert "side-effect" in told
    assert "Secret" in told
    assert SECRET not in told
    assert "hunter2" not in told


def test_a_copy_of_a_tag_in_a_secret_is_listed_without_its_words(tmp_path: Path, capsys: Capture) -> None:
    """A copy may follow a new tag; the text around it is nobody's business."""
    secret = OF_SECRETS.replace("{{ .Values.resources.requests.cpu }}", "{{ .Values.image.tag }}")
    files = with_secrets(**{"charts/web/templates/secret.yaml": secret})
    folder = lay_out(tmp_path / "deploy", files)
    words = ["set", str(folder), "prod/deploy/web-prod/app", "image=:1.26", "--shared"]
    assert ended([*words, "--config", str(settings(tmp_path))]) in (0, 1)
    told = capsys.readouterr()
    assert "Secret" in told.out
    assert SECRET not in told.out + told.err


@pytest.mark.parametrize("how", ["required", "fail", "schema", "yaml"])
def test_what_helm_complains_of_shows_no_secret(tmp_path: Path, how: str, capsys: Capture) -> None:
    more = {
        "required": {"charts/web/templates/x.yaml": '{{ fail (printf "bad %s" .Values.password) }}'},
        "fail": {"charts/web/templates/x.yaml": "{{ fail (.Values.password | b64enc) }}"},
        "schema": {
            "charts/web/values.schema.json": json.dumps({"properties": {"password": {"enum": ["x"]}}}),
        },
        "yaml": {"charts/web/templates/x.yaml": "a: {{ .Values.password }}\n  b: [{{ .Values.password }}\n"},
    }[how]
    folder = lay_out(tmp_path / "deploy", with_secrets(**more))
    config = settings(tmp_path)
    found = Scan(folder, config, capsys)
    assert found.units["web-prod"]["reason"] == "render-failed"
    told = found.printed + set_is_refused(folder, config, "prod/deploy/web-prod/app", capsys)
    assert SECRET not in told
    assert "hunter2" not in told


def test_no_merge_request_holds_a_secret(tmp_path: Path) -> None:
    """Neither the body, nor the proof, nor what is kept of the decision: its tag is a Secret's, too."""
    secret = OF_SECRETS.replace("{{ .Values.resources.requests.cpu }}", "{{ .Release.Name }}")
    files = with_secrets(**{"charts/web/templates/secret.yaml": secret})
    world = world_of(tmp_path, files)
    report = world.run()
    assert report.changes
    assert SECRET not in json.dumps([request._asdict() for request in world.requests()], default=str)
    assert SECRET not in repr(report)
    for name, target in world.refs().items():
        if name.startswith("refs/heads/reconcile/"):
            message = world.store[target].message
            assert SECRET not in message, name


# -- words for terminals, and for those who review -------------------------------------------------


def world_of(tmp_path: Path, files: Mapping[str, str], *names: str) -> World:
    folder = tmp_path / "world"
    folder.mkdir()
    bare = {"url": str(folder / "deploy.git"), "branch": "main"}
    bare["aliases"] = ["https://git.example.com/platform/deploy"]  # type: ignore[assignment]
    seen = [
        Used(ContainerRef("", namespace, "Deployment", name, "app"), 100, 60 * MI)
        for namespace, name in (("dev", "web-dev"), ("prod", "web-prod"), *(("m", name) for name in names))
    ]
    return World(folder, files, seen, repositories=[bare])


ODD = (
    "<script>alert(1)</script>",
    "@everyone",
    "`code` ![x](http://evil.example.com/x.png)",
    "a\\n\\n# Approved\\n/merge",
    "\\e[31mred\\e]0;title\\a\\u202e",
    "| a | b |",
    "<!-- reconcile: {} -->",
)


def test_names_with_markup_stay_words(tmp_path: Path, capsys: Capture) -> None:
    """An Application may be called anything in a file; a reviewer reads it in the proof."""
    files = dict(FILES)
    for at, name in enumerate(ODD):
        app = application("NAME", "m", f"m{at}.yaml").replace("name: NAME", f'name: "{name}"')
        files[f"apps/evil{at}.yaml"] = app.replace(
            "      valueFiles", f"      releaseName: evil{at}\n      valueFiles"
        )
        files[f"charts/web/m{at}.yaml"] = "resources: {requests: {cpu: 500m}}\n"
    world = world_of(tmp_path, files, *(f"evil{at}" for at in range(len(ODD))))
    assert not world.run().failed
    bodies = [request.body for request in world.requests()]
    assert sum("Proven by rendering" in body and "`@everyone`" in body for body in bodies) == 1
    for body in bodies:
        for line in body.splitlines():
            words = "".join(line.split("`")[::2])  # what is no code
            for bad in ("@everyone", "<script", "evil.example.com", "<!-- reconcile: {}"):
                assert bad not in words
            assert not line.startswith(("# Approved", "/merge"))
    printed = "".join(request.title + request.body for request in world.requests())
    words = ["run", "-n", "--remote", "--config", str(world.settings), "--now", str(NOW), "-v"]
    for output in ("text", "markdown"):
        assert ended([*words, "-o", output]) == 0
        told = capsys.readouterr()
        printed += told.out + told.err
    assert "\x1b" not in printed
    assert "\u202e" not in printed


def test_a_terminal_is_given_nothing_to_obey(tmp_path: Path, capsys: Capture) -> None:
    odd = '"\\e[2J\\e]0;owned\\a\\u202ex"'
    app = application("NAME", "x", "all.yaml, gone.yaml").replace("name: NAME", f"name: {odd}")
    files = {
        **FILES,
        "apps/evil.yaml": app,
        "charts/web/templates/bad.yaml": (
            'kind: ConfigMap\napiVersion: v1\nmetadata: {name: "{{ .Release.Name }}", '
            'annotations: {a: "\\e[31m"}}\n'
        ),
        "k/kustomization.yaml": f"resources: [{odd}]\n",
        "k2/kustomization.yaml": "resources: [d.yaml]\nnamespace: " + odd + "\n",
        "k2/d.yaml": FILES["base/deployment.yaml"],
    }
    folder = lay_out(tmp_path / "deploy", files)
    config = settings(tmp_path)
    checks: list[Callable[[], object]] = [
        lambda: ended(["scan", str(folder), "--config", str(config)]),
        lambda: ended(["set", str(folder), "prod/deploy/web-prod/app", "cpu=750m", "--config", str(config)]),
        lambda: ended(["set", str(folder), "x/deploy/gone", "cpu=750m", "--config", str(config)]),
        lambda: ended(["why", f"{folder}/k2/d.yaml:10", "--dir", str(folder), "--config", str(config)]),
    ]
    for check in checks:
        assert check() in (0, 1, 2)
        told = capsys.readouterr()
        for mark in ("\x1b[2J", "\x1b]", "\x07", "\u202e"):
            assert mark not in told.out + told.err
        assert "Traceback" not in told.err
