"""What kustomize must answer, as Argo CD calls it, and what is refused before it is called."""

from __future__ import annotations

import time
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from listener import listening

from reconciler.model import Reason, Refused
from reconciler.rendering.kustomize import Options, arguments, read_options
from reconciler.rendering.lookout import look
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.sandbox import Limits, run
from reconciler.rendering.tools import Missing, Tool, Tools
from reconciler.rendering.tree import temporary_tree, write_files
from reconciler.rendering.walls import NO_WALLS, Walls
from reconciler.source.render import KustomizeRequest, Rendered

MAP = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}\n"


@pytest.fixture(scope="module")
def kustomize(kubectl: Tool, walls: Walls) -> ProgramRenderer:
    return ProgramRenderer(Tools(Missing("helm", "helm is not on PATH"), kubectl), walls)


def tree(**files: str) -> dict[str, bytes]:
    """Files by path, with `__` for '/' and `_yaml` at the end."""
    named = {name.replace("__", "/").replace("_yaml", ".yaml"): text for name, text in files.items()}
    return {path: dedent(text).encode() for path, text in named.items()}


def overlay(text: str, folder: str = "over", **more: str) -> KustomizeRequest:
    files = {"base/map.yaml": MAP, "base/kustomization.yaml": b"resources: [map.yaml]\n"}
    return KustomizeRequest(
        files | tree(**more) | {f"{folder}/kustomization.yaml".lstrip("/"): dedent(text).encode()}, folder
    )


def names(answer: Rendered | Refused) -> list[str]:
    assert isinstance(answer, Rendered), answer
    return [body["metadata"]["name"] for body in yaml.safe_load_all(answer.text)]


def refused(answer: Rendered | Refused) -> Refused:
    assert isinstance(answer, Refused), answer
    return answer


def test_an_overlay_over_a_base(kustomize: ProgramRenderer) -> None:
    asked = overlay("resources: [../base]\nnamePrefix: blue-\n")
    answer = kustomize.render(asked)
    assert names(answer) == ["blue-map"]
    assert isinstance(answer, Rendered)
    assert answer.renderer == kustomize.identity(asked)
    assert "kustomize 5." in answer.renderer


def test_the_root_itself(kustomize: ProgramRenderer) -> None:
    assert names(kustomize.render(overlay("resources: [base]\n", folder=""))) == ["map"]


def test_components_patches_and_generators(kustomize: ProgramRenderer) -> None:
    text = """
        resources: [../base]
        components: [../part]
        configMapGenerator:
          - {name: made, files: [key=data.txt], options: {disableNameSuffixHash: true}}
        patches:
          - patch: |
              - {op: add, path: /data, value: {a: b}}
            target: {kind: ConfigMap, name: map}
          - path: patch.yaml
    """
    part = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -part\n"
    patch = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map, labels: {a: b}}\n"
    asked = overlay(text, part__kustomization_yaml=part, over__patch_yaml=patch)
    asked.files["over/data.txt"] = b"x"  # type: ignore[index]
    assert sorted(names(kustomize.render(asked))) == ["made-part", "map-part"]


def test_files_outside_the_folder_only_with_the_option(kustomize: ProgramRenderer) -> None:
    asked = overlay("resources: [../base/map.yaml]\n")
    answer = refused(kustomize.render(asked))
    assert answer.reason is Reason.RENDER_FAILED
    assert "is not in or below" in answer.detail
    assert "reconcile-render" not in answer.detail
    for options in (
        ("--load-restrictor=LoadRestrictionsNone",),
        ("--load-restrictor", "LoadRestrictionsNone"),
        ("--load-restrictor LoadRestrictionsNone --enable-alpha-plugins",),
    ):
        assert names(kustomize.render(asked._replace(options=options))) == ["map"]


@pytest.mark.parametrize(
    "text",
    [
        "configMapGenerator: [{name: x, files: [SECRET]}]",
        "configMapGenerator: [{name: x, files: [k=SECRET]}]",
        "configMapGenerator: [{name: x, envs: [SECRET]}]",
        "secretGenerator: [{name: x, env: SECRET}]",
        "resources: [SECRET]",
        "patches: [{path: SECRET}]",
        "patchesStrategicMerge: [SECRET]",
        "replacements: [{path: SECRET}]",
        "generators: ['{apiVersion: builtin, kind: ConfigMapGenerator, metadata: {name: x}, env: SECRET}']",
        "generators: [gen.yaml]",
        "helmGlobals: {chartHome: SECRET}",
        "openapi: {path: SECRET}",
    ],
)
def test_files_outside_the_tree_are_never_read(
    kustomize: ProgramRenderer, tools: Tools, walls: Walls, tmp_path: Path, text: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("token=hunter2\n")
    generator = "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: x}\nenvs: [SECRET]\n"
    for path in (str(secret), "../" * 12 + str(secret)[1:], "../../values/0.yaml"):
        files = {"over/gen.yaml": generator.replace("SECRET", path).encode()}
        asked = overlay(f"resources: [../base]\n{text.replace('SECRET', path)}\n")
        asked = asked._replace(
            files=dict(asked.files) | files, options=("--load-restrictor=LoadRestrictionsNone",)
        )
        answer = refused(kustomize.render(asked))
        assert "hunter2" not in answer.detail
        assert look(asked.files, "over") is not None  # even where there are no walls


@pytest.mark.parametrize(
    "where",
    [
        "https://github.com/org/repo//base?ref=v1",
        "https://example.com/all.yaml",
        "http://127.0.0.1:1/all.yaml",
        "github.com/org/repo",
        "github.com/org/repo/base?ref=main",
        "git@github.com:org/repo.git//base",
        "git::https://example.com/repo//base",
        "ssh://git@example.com/repo.git",
        "gh:org/repo",
        "example.com/org/repo.git//base",
        "file:///etc",
        "org@example.com:repo",
    ],
)
def test_remote_bases_are_refused_in_their_own_words(where: str) -> None:
    for key in ("resources", "bases", "components"):
        answer = look(overlay(f"{key}: ['{where}']\n").files, "over")
        assert answer is not None
        assert answer.reason is Reason.REMOTE_BASE
        assert answer.detail == f"over/kustomization.yaml: {key} leads to {where!r}"


def test_a_remote_base_of_a_base(kustomize: ProgramRenderer) -> None:
    asked = overlay(
        "resources: [../middle]\n", middle__kustomization_yaml="resources: ['https://user:pw@example.com/x']"
    )
    answer = refused(kustomize.render(asked))
    assert answer.reason is Reason.REMOTE_BASE
    assert answer.detail.startswith("middle/kustomization.yaml: ")
    assert "pw" not in answer.detail


def test_what_only_looks_remote_is_taken(kustomize: ProgramRenderer) -> None:
    text = """
        resources: [./github.com/org/map.yaml, ../repo.git]
        patches:
          - patch: '[{"op": "add", "path": "/data", "value": {"url": "https://example.com/x.git?ref=1"}}]'
            target: {name: map}
        configMapGenerator: [{name: made, literals: ["files=https://example.com/a"]}]
        labels: [{pairs: {a: b}, fields: [{path: spec/x, create: true}]}]
    """
    more = {
        "over__github.com__org__map_yaml": MAP.decode(),
        "repo.git__other_yaml": MAP.decode().replace("map", "it"),
    }
    asked = overlay(text, **more)
    asked.files["repo.git/kustomization.yaml"] = b"resources: [other.yaml]\n"  # type: ignore[index]
    assert len(names(kustomize.render(asked))) == 3


def test_a_circle_ends(kustomize: ProgramRenderer) -> None:
    asked = overlay("resources: [../base, ../round]\n", round__kustomization_yaml="resources: [../over]\n")
    assert "cycle" in refused(kustomize.render(asked)).detail


def test_a_kustomization_that_is_not_there(kustomize: ProgramRenderer) -> None:
    answer = refused(kustomize.render(overlay("resources: [../base]\n")._replace(folder="base/none")))
    assert answer.reason is Reason.RENDER_FAILED
    answer = refused(kustomize.render(overlay("")._replace(folder="../up")))
    assert answer.reason is Reason.RENDER_FAILED


@pytest.mark.parametrize("text", ["resources: [", "{{ x }}: [", "\xff", "&a [*a]", "resources: &a [*a]"])
def test_what_can_not_be_read(kustomize: ProgramRenderer, text: str) -> None:
    asked = overlay(text)
    refused(kustomize.render(asked))
    refused(kustomize.render(asked._replace(files={"over/kustomization.yaml": text.encode("latin-1")})))


# ------------------------------------------------------------------------------ plugins


@pytest.mark.parametrize(
    "config",
    [
        "apiVersion: viaduct.ai/v1\nkind: ksops\nmetadata: {name: x}\nfiles: [./secret.enc.yaml]\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  annotations:\n"
        "    config.kubernetes.io/function: |\n      exec: {path: ./run.sh}\n",
    ],
)
@pytest.mark.parametrize("key", ["generators", "transformers", "validators"])
def test_plugins_are_refused(kustomize: ProgramRenderer, key: str, config: str) -> None:
    for asked in (
        overlay(f"resources: [../base]\n{key}: [plug.yaml]\n", over__plug_yaml=config),
        overlay(f"resources: [../base]\n{key}: [../plug]\n", plug__kustomization_yaml="resources: [p.yaml]",
                plug__p_yaml=config),
    ):  # fmt: skip
        asked = asked._replace(options=("--enable-alpha-plugins", "--enable-exec"))
        answer = refused(kustomize.render(asked))
        assert answer.reason is Reason.PLUGIN, answer


def test_built_in_plugins_are_taken(kustomize: ProgramRenderer) -> None:
    config = "apiVersion: builtin\nkind: PrefixSuffixTransformer\nmetadata: {name: x}\nprefix: a-\n"
    config += "fieldSpecs: [{path: metadata/name}]\n"
    asked = overlay("resources: [../base]\ntransformers: [plug.yaml]\n", over__plug_yaml=config)
    assert names(kustomize.render(asked)) == ["a-map"]


@pytest.mark.parametrize(
    "words",
    [
        ("--output=/tmp/x",),
        ("-o", "x"),
        ("--mount=x",),
        ("--env=X",),
        ("/etc",),
        ("--as-current-user",),
        ("--load-restrictor=x",),
        ("--load-restrictor",),
        ("--enable-helm=maybe",),
    ],
)
def test_options_that_are_not_allowed(kustomize: ProgramRenderer, words: tuple[str, ...]) -> None:
    answer = refused(kustomize.render(overlay("resources: [../base]\n")._replace(options=words)))
    assert answer.reason is Reason.PLUGIN
    assert words[0] in answer.detail


def test_options_that_are_allowed() -> None:
    words = (
        "--enable-helm --helm-command /bin/evil",
        "--helm-kube-version=1.28",
        "--helm-api-versions",
        "a/v1,b/v1",
    )
    assert read_options(words) == Options(helm=True, kube_version="1.28", api_versions=("a/v1", "b/v1"))
    assert read_options(("--enable-helm=false", "--load-restrictor=none")) == Options(
        restrictor="LoadRestrictionsNone"
    )


def test_the_words_of_the_command() -> None:
    asked = KustomizeRequest({}, "over/prod", kube_version="1.31", api_versions=("a/v1",))
    options = Options(helm=True, restrictor="LoadRestrictionsNone")
    kustomize = Tool("kustomize", Path("/k"), (5, 4, 0), (5, 4, 0))
    assert " ".join(arguments(kustomize, [Path("/helm")], asked, options)) == (
        "build ./files/over/prod --enable-helm --helm-command /helm --load-restrictor LoadRestrictionsNone "
        "--helm-kube-version 1.31 --helm-api-versions a/v1"
    )
    old = Tool("kubectl", Path("/k"), (1, 27, 0), (5, 0, 1))
    assert " ".join(arguments(old, [], asked._replace(folder=""), Options())) == "kustomize ./files"


# ------------------------------------------------------------------------------ charts


INFLATED = """
    helmCharts:
      - {name: sub, releaseName: blue, namespace: shop, valuesFile: values.yaml, valuesInline: {b: 2}}
"""
CHART = {
    "over__charts__sub__Chart_yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
    "over__charts__sub__values_yaml": "{}",
    "over__charts__sub__templates__map_yaml": """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: "{{ .Release.Name }}", namespace: "{{ .Release.Namespace }}"}
        data: {a: "{{ .Values.a }}", b: "{{ .Values.b }}", kube: "{{ .Capabilities.KubeVersion.Minor }}"}
    """,
    "over__values_yaml": "a: 1\n",
}


def test_charts_are_inflated_by_the_helm_that_was_found(renderer: ProgramRenderer) -> None:
    asked = overlay(INFLATED, **CHART)._replace(options=("--enable-helm",), kube_version="1.27")
    answer = renderer.render(asked)
    assert names(answer) == ["blue"]
    assert isinstance(answer, Rendered)
    assert yaml.safe_load(answer.text)["data"] == {"a": "1", "b": "2", "kube": "27"}
    assert "helm " in answer.renderer


def test_charts_without_the_option_or_without_helm(kustomize: ProgramRenderer) -> None:
    asked = overlay(INFLATED, **CHART)
    assert "--enable-helm" in refused(kustomize.render(asked)).detail
    answer = refused(kustomize.render(asked._replace(options=("--enable-helm",))))
    assert answer == Refused(Reason.MISSING_TOOL, "--enable-helm: helm is not on PATH")


@pytest.mark.parametrize(
    "text",
    [
        "helmCharts: [{name: sub, repo: 'https://charts.invalid', version: 1.0.0}]",
        "helmCharts: [{name: other, repo: 'https://charts.invalid'}]",
        "helmCharts: [{name: sub, repo: 'oci://charts.invalid', version: 1.0.0, releaseName: x}]",
        "helmChartInflationGenerator: [{chartName: other, chartRepoUrl: 'https://charts.invalid'}]",
        "generators: [chart.yaml]",
    ],
)
def test_charts_that_would_be_fetched(renderer: ProgramRenderer, text: str) -> None:
    config = "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: x}\nname: other\n"
    asked = overlay(text, over__chart_yaml=f"{config}repo: https://charts.invalid\n", **CHART)
    answer = refused(renderer.render(asked._replace(options=("--enable-helm",))))
    assert answer.reason is Reason.REMOTE_BASE
    assert "charts.invalid" in answer.detail


def test_a_fetched_chart_that_was_committed_is_used(renderer: ProgramRenderer) -> None:
    text = "helmCharts: [{name: sub, repo: 'https://charts.invalid', version: 1.0.0, releaseName: x}]"
    kept = {name.replace("charts__sub", "charts__sub-1.0.0__sub"): body for name, body in CHART.items()}
    asked = overlay(text, **kept)._replace(options=("--enable-helm",))
    assert names(renderer.render(asked)) == ["x"]


# ------------------------------------------------------------------------------ the network


def test_kustomize_itself_is_kept_from_the_network(kubectl: Tool, walls: Walls) -> None:
    """Past the lookout: without walls kubectl does go there, behind them nobody comes."""
    if not walls.without_network:
        pytest.skip("THIS KERNEL HAS NO WALL AGAINST THE NETWORK")
    with listening() as listener:
        asked = overlay(f"resources: ['http://127.0.0.1:{listener.port}/all.yaml']\n")
        words = [str(kubectl.path), "kustomize", "./files/over"]
        heard = []
        for held in (walls, Walls(walls.landlock, ""), Walls(0, walls.unshare), NO_WALLS):
            with temporary_tree() as root:
                write_files(root / "files", asked.files)
                ran = run(words, root, Limits(), held, [kubectl.path])
            assert not isinstance(ran, Refused)
            assert ran.status != 0
            time.sleep(0.1)
            heard.append(len(listener.heard) if held.without_network or held is NO_WALLS else 0)
    assert heard[:3] == [0, 0, 0]
    assert heard[3] > 0
