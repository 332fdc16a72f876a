"""From the list of a server to the verdict on a unit: what a run asks of Argo CD, over a real connection."""

from __future__ import annotations

import json

import pytest
import yaml
from servers.argocd_api import ArgoServer

from reconciler.argocd import Access, ArgoCD, Servers
from reconciler.model import Entry, Field, Reason, Secret
from reconciler.source.comparing import Judge, compared
from reconciler.source.finding import find_units
from reconciler.source.lints import ignored
from reconciler.source.repositories import Known
from reconciler.source.settings import UnitSettings
from reconciler.source.tracing.rendered import Render
from reconciler.source.units import Unit

TOKEN = "argo-t0ken-for-tests"
URL = "https://git.example.com/platform/deploy.git"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
      - {name: web, image: "nginx:1.25", resources: {requests: {cpu: 200m}}}
"""
APPLICATION = {
    "metadata": {"name": "web", "namespace": "team-a"},
    "spec": {
        "project": "shop",
        "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
        "source": {"repoURL": URL, "path": "web", "targetRevision": "main"},
        "ignoreDifferences": [
            {
                "group": "apps",
                "kind": "Deployment",
                "jsonPointers": ["/spec/template/spec/containers/0/image"],
            }
        ],
    },
}


class Snapshot:
    """One file, at one commit."""

    repository = "deploy"
    commit = COMMIT

    def entries(self):
        return [Entry("web/deployment.yaml", "1", 0o100644)]

    def read(self, entry) -> bytes:
        return DEPLOYMENT.encode()


@pytest.fixture
def servers(argo: ArgoServer) -> Servers:
    argo.applications = [APPLICATION]
    body = yaml.safe_load(DEPLOYMENT)
    body["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "web:apps/Deployment:shop/web"}
    argo.rendered = {"web": [body]}
    return Servers([ArgoCD(Access(argo.url, Secret(TOKEN)))])


def found(servers: Servers) -> Unit:
    known = Known("deploy", Snapshot(), (URL,), ("main",), True)
    units = find_units([known], UnitSettings(exported=servers.applications())).units
    return next(each for each in units if each.name == "web" and each.application is not None)


def test_what_is_listed_is_asked_for_where_it_lies_and_at_the_commit_that_is_read(
    argo: ArgoServer, servers: Servers
) -> None:
    judge: Judge = servers
    assert compared(found(servers), DEPLOYMENT, judge) is None
    assert argo.asked[-1].path == "/api/v1/applications/web/manifests"
    assert argo.asked[-1].query == {"appNamespace": ["team-a"], "project": ["shop"], "revision": [COMMIT]}


def test_another_render_than_ours_keeps_the_unit(argo: ArgoServer, servers: Servers) -> None:
    unit = found(servers)
    argo.rendered = json.loads(json.dumps(argo.rendered).replace("200m", "300m"))
    answer = compared(unit, DEPLOYMENT, servers)
    assert answer is not None
    assert answer.reason is Reason.RENDERS_DIFFERENTLY
    assert "containers[web].resources.requests.cpu is `300m`, here `200m`" in answer.detail


def test_a_server_that_cannot_say_keeps_the_unit(argo: ArgoServer, servers: Servers) -> None:
    unit = found(servers)
    argo.rendered = {}
    answer = compared(unit, DEPLOYMENT, servers)
    assert answer is not None
    assert answer.reason is Reason.NOT_COMPARED


def test_what_the_listed_application_ignores_is_known(servers: Servers) -> None:
    unit = found(servers)
    render = Render(DEPLOYMENT, unit.cluster, unit.namespace)
    (container,) = render.containers()
    assert ignored(unit, Field.CPU_REQUEST, container.ref, render) is None
    assert ignored(unit, Field.IMAGE, container.ref, render) is not None
