"""Which files a unit is made of, which charts nobody deploys, and what a second look reads."""

from __future__ import annotations

from textwrap import dedent

import pytest
from trees import deployment
from unit_repositories import CHART, SHOW, URL, application, found, known, program_renderer, unit

from reconciler.rendering.renderer import ProgramRenderer
from reconciler.source.finding import Found, find_units
from reconciler.source.inputs import inputs
from reconciler.source.memo import Memo
from reconciler.source.settings import ChartSetting, UnitSettings

WEB = {
    "charts/web/Chart.yaml": CHART
    + "dependencies: [{name: common, version: 0.1.0, repository: 'file://../common'}]\n",
    "charts/web/values.yaml": "a: 1\n",
    "charts/web/templates/show.yaml": SHOW,
    "charts/web/prod.yaml": "b: 2\n",
    "charts/web/notes.txt": "hello",
    "charts/common/Chart.yaml": CHART.replace("web", "common"),
    "charts/common/templates/_all.tpl": "",
}


def paths(result: Found, name: str) -> list[str]:
    found = inputs(unit(result, name))
    assert {repository for repository, _ in found} == {"deploy"}
    return sorted(path for _, path in found)


def chart_notes(result: Found) -> list[str]:
    return [note.path for note in result.notes if note.what == "chart"]


def test_the_inputs_of_a_chart() -> None:
    source = """\
        path: charts/web
        helm:
          valueFiles: [prod.yaml, ../../all.yaml]
          fileParameters: [{name: notes, path: notes.txt}]
        """
    files = WEB | {
        "apps/web.yaml": application("web", source),
        "all.yaml": "c: 3\n",
        "charts/web/.argocd-source-web.yaml": "helm: {parameters: [{name: d, value: x}]}\n",
        "other.yaml": "",
    }
    assert paths(found(files), "web") == sorted(files.keys() - {"other.yaml"})


def test_linked_files_are_inputs_where_they_lie() -> None:
    files = WEB | {"apps/web.yaml": application("web", "path: charts/web"), "shared/more.yaml": "x: 1\n"}
    result = found(files, links={"charts/web/templates/linked.yaml": "../../../shared/more.yaml"})
    assert "shared/more.yaml" in paths(result, "web")


def test_the_inputs_of_an_overlay_and_of_a_folder() -> None:
    files = {
        "base/kustomization.yaml": "resources: [web.yaml]\n",
        "base/web.yaml": deployment(),
        "prod/kustomization.yaml": "resources: [../base]\npatches: [{path: patch.yaml}]\n",
        "prod/patch.yaml": deployment(),
        "plain/a.yaml": deployment("a"),
        "plain/b.yaml": deployment("b"),
        "apps/prod.yaml": application("app", "path: prod\nkustomize: {images: ['nginx:2']}"),
    }
    result = found(files)
    assert paths(result, "app") == sorted(path for path in files if not path.startswith("plain"))
    assert paths(result, "plain") == ["plain/a.yaml", "plain/b.yaml"]


@pytest.mark.parametrize("go", [True, False])
@pytest.mark.parametrize("prefix", ["", "at"])
def test_a_generator_s_files_are_inputs_of_their_own_application(
    go: bool, prefix: str, renderer: ProgramRenderer
) -> None:
    own = "{{ .name }}" if go else "{{name}}"
    more = f", pathParamPrefix: {prefix}" if prefix else ""
    text = f"""\
        apiVersion: argoproj.io/v1alpha1
        kind: ApplicationSet
        metadata: {{name: all, namespace: argocd}}
        spec:
          goTemplate: {str(go).lower()}
          generators:
          - git: {{repoURL: "{URL}", files: [{{path: "apps/*/config.yaml"}}]{more}}}
          template:
            metadata: {{name: '{own}'}}
            spec:
              destination: {{server: https://kubernetes.default.svc}}
              source: {{repoURL: "{URL}", path: plain}}
        """
    files = {
        "set.yaml": dedent(text),
        "apps/a/config.yaml": "name: a\n",
        "apps/b/config.yaml": "name: b\n",
        "plain/a.yaml": deployment("a"),
    }
    result = found(files, renderer=renderer)
    assert paths(result, "a") == ["apps/a/config.yaml", "plain/a.yaml", "set.yaml"]
    assert paths(result, "b") == ["apps/b/config.yaml", "plain/a.yaml", "set.yaml"]


@pytest.fixture(scope="module")
def renderer() -> ProgramRenderer:
    return program_renderer()


def test_what_brings_forth_an_application_is_an_input_of_it(renderer: ProgramRenderer) -> None:
    child = application("child-{{ .Values.a }}", "path: plain").replace("{{ ", "{{").replace(" }}", "}}")
    files = {
        "charts/root/Chart.yaml": CHART,
        "charts/root/values.yaml": "a: 1\n",
        "charts/root/templates/child.yaml": child,
        "apps/root.yaml": application("root", "path: charts/root"),
        "plain/a.yaml": deployment("a"),
    }
    assert paths(found(files, renderer=renderer), "child-1") == sorted(files)


def test_the_inputs_of_flux() -> None:
    git = (
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: deploy}\n"
        f"spec: {{url: '{URL}', ref: {{branch: main}}}}\n"
    )
    release = (
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web}\nspec:\n"
        "  chart: {spec: {chart: charts/web, sourceRef: {kind: GitRepository, name: deploy}}}\n"
    )
    result = found(WEB | {"git.yaml": git, "web.yaml": release})
    assert {"git.yaml", "web.yaml", "charts/common/Chart.yaml"} <= set(paths(result, "web"))


# -- charts that nothing deploys --------------------------------------------------------------------


def test_a_chart_that_nothing_deploys_is_told() -> None:
    lonely = {"lonely/Chart.yaml": CHART, "lonely/charts/inner/Chart.yaml": CHART}
    library = {"lib/Chart.yaml": CHART + "type: library\n"}
    result = found(WEB | lonely | library)
    assert chart_notes(result) == ["charts/web/Chart.yaml", "lonely/Chart.yaml"]
    assert "`units: [" in next(note.detail for note in result.notes if note.what == "chart")


def test_a_chart_that_is_deployed_named_or_inflated_is_not_told() -> None:
    files = WEB | {
        "apps/web.yaml": application("web", "path: charts/web"),
        "apps/broken.yaml": application("b", "path: broken\nhelm: {valueFiles: [missing.yaml]}"),
        "broken/Chart.yaml": CHART,
        "named/Chart.yaml": CHART,
        "prod/kustomization.yaml": "helmCharts: [{name: own}]\n",
        "prod/charts/own/Chart.yaml": CHART,
    }
    result = found(files, settings=UnitSettings(charts=(ChartSetting("", "named"),)))
    assert chart_notes(result) == []


# -- looking again ----------------------------------------------------------------------------------


class Counting:
    """A snapshot that counts how often a file is read."""

    def __init__(self, files: dict[str, str]) -> None:
        self._inner = known(files).snapshot
        self.repository, self.commit = self._inner.repository, self._inner.commit
        self.entries = self._inner.entries
        self.paths: list[str] = []

    def read(self, entry):  # type: ignore[no-untyped-def]
        self.paths.append(entry.path)
        return self._inner.read(entry)


def test_a_second_look_gives_the_same_and_parses_only_what_changed() -> None:
    files = {
        "set.yaml": "a: [\n# argoproj.io/\n",
        "base/kustomization.yaml": "resources: [web.yaml]\n",
        "base/web.yaml": deployment(),
        "plain/a.yaml": deployment("a"),
        **WEB,
        **{f"apps/{at}.yaml": application(f"app-{at}", "path: charts/web") for at in range(9)},
    }
    changed = files | {"apps/3.yaml": application("other", "path: charts/web")}
    memo = Memo()

    def look(files: dict[str, str], memo: Memo | None) -> tuple[Found, list[str]]:
        snapshot = Counting(files)
        result = find_units([known(files)._replace(snapshot=snapshot)], UnitSettings(), memo=memo)
        return result, snapshot.paths

    first, _ = look(files, memo)
    again, read = look(files, memo)
    assert again == first
    assert again == look(files, None)[0]
    assert not [path for path in read if path.startswith(("apps", "plain", "set"))]
    after, read = look(changed, memo)
    assert after == look(changed, None)[0]
    assert {path for path in read if path.startswith("apps")} == {"apps/3.yaml"}


def test_a_memo_has_a_bound() -> None:
    memo = Memo(most=4)
    for at in range(20):
        assert memo.wanted.get(str(at), lambda at=at: at % 2 == 0) is (at % 2 == 0)  # type: ignore[misc]
    assert len(memo.wanted) <= 4
    assert memo.wanted.get("19", lambda: True) is False
