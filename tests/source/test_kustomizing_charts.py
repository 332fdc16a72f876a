"""Charts that a kustomization inflates: values inline, in files, in the chart; patches on what comes out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kustomizing_world import FETCHED, container, kubectl_renderer, wishes
from unit_repositories import found, known, unit

from reconciler.model import Field, Reason, Refused
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.tools import Tool, Tools, find_tools
from reconciler.rendering.walls import NO_WALLS
from reconciler.source.finding import find_units
from reconciler.source.kustomizing import Edited, Traced, edit, trace
from reconciler.source.render import Files
from reconciler.source.settings import UnitSettings
from reconciler.source.units import Unit

TEMPLATE = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
          resources: {{- toYaml .Values.resources | nindent 12 }}
"""
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "values.yaml": (
        "replicas: 2\nimage: {repository: shop/web, tag: 1.0.0}\n"
        "resources: {requests: {cpu: 100m, memory: 64Mi}}\n"
    ),
    "templates/web.yaml": TEMPLATE,
}
KUSTOMIZATION = """\
helmCharts:
- name: web
  releaseName: shop
  valuesFile: values.yaml
  valuesInline:
    image: {tag: 1.2.3} # pinned
"""
FILES = {
    "prod/kustomization.yaml": KUSTOMIZATION,
    "prod/values.yaml": "resources:\n  requests:\n    cpu: 250m\n",
    **{f"prod/charts/web/{path}": text for path, text in CHART.items()},
}
WITH_HELM = UnitSettings(build_options=("--enable-helm",))


@pytest.fixture(scope="module")
def renderer() -> ProgramRenderer:
    """kustomize with a helm 3, which is the one that it knows how to call."""
    tools = kubectl_renderer()._tools
    named = [os.environ.get("RECONCILE_HELM"), *sorted(FETCHED.glob("*/helm"))]
    for path in filter(None, named):
        helm = find_tools("", {"helm": Path(path)}).helm
        if isinstance(helm, Tool) and helm.version[0] == 3:
            return ProgramRenderer(Tools(helm, tools.kustomize), NO_WALLS)
    if os.environ.get("CI") == "true":
        pytest.fail("helm 3 is missing; .ci/tools fetches it")
    pytest.skip("helm 3 IS MISSING: .ci/tools fetches it")


def inflated(files: dict[str, str] = FILES) -> Unit:
    return unit(found(files, settings=WITH_HELM), "prod")


def where(one: Traced, field: Field) -> tuple[str | None, str, int, str]:
    slot = container(one, "shop/app").slot(field)
    return slot.value, slot.place.path, slot.line, slot.how_traced


def made(outcome: Edited | Refused) -> dict[str, str]:
    assert isinstance(outcome, Edited), outcome
    return {each.change.path: each.change.after.decode() for each in outcome.files}


def test_values_of_an_inflated_chart_are_traced(renderer: ProgramRenderer) -> None:
    one = trace(inflated(), renderer)
    assert where(one, Field.IMAGE) == ("shop/web:1.2.3", "prod/kustomization.yaml", 6, "values")
    assert where(one, Field.CPU_REQUEST) == ("250m", "prod/values.yaml", 3, "values")
    assert where(one, Field.MEMORY_REQUEST) == ("64Mi", "prod/charts/web/values.yaml", 3, "values")
    (extra,) = one.extras
    assert extra.place is not None
    assert (extra.value, extra.place.path) == ("2", "prod/charts/web/values.yaml")


def test_values_of_an_inflated_chart_are_edited(renderer: ProgramRenderer) -> None:
    one = trace(inflated(), renderer)
    wanted = wishes(one, ["shop/app", "requests.cpu=300m", "image=shop/web:1.2.4"])
    assert made(edit(one.unit, one, wanted, renderer)) == {
        "prod/kustomization.yaml": KUSTOMIZATION.replace("1.2.3", "1.2.4"),
        "prod/values.yaml": FILES["prod/values.yaml"].replace("250m", "300m"),
    }


def test_a_patch_may_override_what_a_chart_brings(renderer: ProgramRenderer) -> None:
    one = trace(inflated(), renderer)
    wanted = wishes(one, ["shop/app", "requests.memory=128Mi", "limits.cpu=1"])
    after = made(edit(one.unit, one, wanted, renderer, overlay=True))
    assert list(after) == ["prod/kustomization.yaml"]
    assert after["prod/kustomization.yaml"].startswith(KUSTOMIZATION + "patches:\n")


def test_without_the_option_the_reason_names_it(renderer: ProgramRenderer) -> None:
    refused = trace(unit(found(FILES), "prod"), renderer).refused
    assert refused is not None
    assert refused.reason is Reason.RENDER_FAILED
    assert "--enable-helm is not among the build options" in refused.detail


class Charts:
    """A chart repository that has one chart."""

    def chart(self, repository: str, name: str, version: str) -> Files | Refused:
        if (repository, name, version) == ("https://charts.example.com", "web", "1.0.0"):
            return {path: text.encode() for path, text in CHART.items()}
        return Refused(Reason.CHART_UNAVAILABLE, f"{repository} has no chart {name} {version}")


def fetched(version: str) -> Unit:
    files = {
        "prod/kustomization.yaml": KUSTOMIZATION.replace(
            "- name: web\n", f"- name: web\n  repo: https://charts.example.com\n  version: {version}\n"
        ),
        "prod/values.yaml": FILES["prod/values.yaml"],
    }
    result = find_units([known(files)], WITH_HELM, charts=Charts())
    return unit(result, "prod")


def test_a_chart_is_fetched_for_a_kustomization(renderer: ProgramRenderer) -> None:
    one = trace(fetched("1.0.0"), renderer)
    assert where(one, Field.CPU_REQUEST)[:2] == ("250m", "prod/values.yaml")
    slot = container(one, "shop/app").slot(Field.MEMORY_REQUEST)
    assert (slot.place.repository, slot.place.path) == ("https://charts.example.com/web", "values.yaml")
    assert slot.refused is not None
    assert slot.refused.reason is Reason.UNKNOWN_SOURCE


def test_a_chart_that_can_not_be_fetched_keeps_its_reason() -> None:
    refused = fetched("9.9.9").refused
    assert refused == Refused(Reason.CHART_UNAVAILABLE, "https://charts.example.com has no chart web 9.9.9")
