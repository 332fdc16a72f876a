"""A deployment repository whose workloads are rendered: Applications of a chart, overlays of a base.

Two Applications share a file of values; two overlays share a base.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / ".venv" / "tools"


def put_tools_on_path(patch: pytest.MonkeyPatch) -> None:
    """helm and kubectl, those of the machine first. Skips loudly without them, and fails with CI=true."""
    patch.setenv("PATH", f"{os.environ['PATH']}{os.pathsep}{TOOLS}")
    missing = [name for name in ("helm", "kubectl") if shutil.which(name) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"{' and '.join(missing)} missing; .ci/tools fetches them")
    if missing:
        pytest.skip(f"{' and '.join(missing)} MISSING: .ci/tools fetches them")


def application(name: str, namespace: str, files: str, more: str = "") -> str:
    return f"""\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: {name}, namespace: argocd}}
spec:
  destination: {{server: https://kubernetes.default.svc, namespace: {namespace}}}
  source:
    repoURL: https://git.example.com/platform/deploy.git
    path: charts/web
    helm:
      valueFiles: [{files}]
{more}"""


DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  template:
    spec:
      containers:
      - name: app
        image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
        env:
        - {name: HEAP, value: "{{ .Values.heap }}"}
        resources: {{- toYaml .Values.resources | nindent 10 }}
      - name: side
        image: busybox:1
        {{- with .Values.side.resources }}
        resources: {{- toYaml . | nindent 10 }}
        {{- end }}
"""
VALUES = """\
replicas: 2
heap: 64m
image: {repository: nginx, tag: "1.25"}
resources:
  requests: {cpu: 100m, memory: 128Mi}
side: {}
"""
BASE = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  replicas: 2
  template:
    spec:
      containers:
      - name: api
        image: registry.example.com/api:1.0
        resources:
          requests:
            cpu: 500m  # a guess
            memory: 512Mi
"""


def overlay(namespace: str, tag: str) -> str:
    return f"""\
namespace: {namespace}
resources: [../../base]
images:
- name: registry.example.com/api
  newTag: "{tag}"
"""


FILES: Mapping[str, str] = {
    "apps/dev.yaml": application("web-dev", "dev", "all.yaml, dev.yaml"),
    "apps/prod.yaml": application("web-prod", "prod", "all.yaml, prod.yaml"),
    "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "charts/web/values.yaml": VALUES,
    "charts/web/templates/deployment.yaml": DEPLOYMENT,
    "charts/web/all.yaml": "# for everyone\nresources:\n  requests:\n    memory: 512Mi  # shared\n",
    "charts/web/dev.yaml": "resources: {requests: {cpu: 500m}}\n",
    "charts/web/prod.yaml": "resources:\n  requests:\n    cpu: 500m  # of prod alone\n",
    "base/kustomization.yaml": "resources: [deployment.yaml]\n",
    "base/deployment.yaml": BASE,
    "overlays/dev/kustomization.yaml": overlay("k-dev", "1.1"),
    "overlays/prod/kustomization.yaml": overlay("k-prod", "1.2"),
}


def lay_out(folder: Path, files: Mapping[str, str] = FILES) -> Path:
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return folder
