"""What a unit knows of its Application, for whoever asks Argo CD about it."""

from __future__ import annotations

from unit_repositories import CHART, URL, application, found, unit

from reconciler.source.units import Deployed

COMMIT = "c0ffee"  # of every tree in tests
FILES = {"charts/web/Chart.yaml": CHART, "apps/x.yaml": "a: 1\n"}


def of(source: str, more: str = "") -> dict[str, str]:
    return {**FILES, "apps/web.yaml": application("web", source, more=more)}


def test_the_only_source() -> None:
    one = unit(found(of("path: ./charts/web/")), "web")
    to = ("", "https://kubernetes.default.svc", "shop")
    expected = Deployed("web", "argocd", "default", "./charts/web", ((0, COMMIT),), True, destination=to)
    assert one.application == expected


def test_a_commit_of_another_branch_is_not_told() -> None:
    one = unit(found(of("path: charts/web\ntargetRevision: release-1")), "web")
    assert one.application is not None
    assert one.application.revisions == ()


def test_several_sources_by_their_positions() -> None:
    text = f"""\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: web, namespace: team-a}}
spec:
  project: shop
  destination: {{namespace: shop}}
  syncPolicy: {{syncOptions: [CreateNamespace=true, RespectIgnoreDifferences=true]}}
  sources:
  - {{repoURL: "https://charts.example.com", chart: nginx, targetRevision: 1.0.0}}
  - {{repoURL: "{URL}", path: charts/web}}
  - {{repoURL: "{URL}", ref: values}}
"""
    result = found({**FILES, "apps/web.yaml": text})
    expected = Deployed(
        "web", "team-a", "shop", "charts/web", ((2, COMMIT), (3, COMMIT)), False, keeps_ignored=True
    )._replace(destination=("", "", "shop"))
    assert unit(result, "web#2").application == expected
    assert unit(result, "web#1").application == expected._replace(path="")


def test_what_no_application_deploys() -> None:
    assert unit(found({"web/a.yaml": "apiVersion: v1\nkind: Service\n"}), "web").application is None
