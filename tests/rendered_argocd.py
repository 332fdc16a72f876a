"""Argo CD beside a world: what its server lists and renders of the Applications in a deployment repository.

What it renders comes from helm and kubectl themselves, run as Argo CD runs them.
"""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from rendered_world import lay_out
from servers.argocd_api import ArgoServer
from world import Used, World

TOKEN = "argo-t0ken-for-tests"
ADDRESS = "https://git.example.com/platform/deploy"


def listed(files: Mapping[str, str]) -> list[dict]:
    """The Applications of a repository, as the server says them."""
    found = []
    for path, text in files.items():
        for each in yaml.safe_load_all(text) if path.startswith("apps/") else ():
            spec = {"project": "default", **each["spec"]}
            found.append({"metadata": each["metadata"], "spec": spec, "status": {}})
    return found


def rendered(folder: Path, app: dict) -> list[dict]:
    """What helm, kustomize or the folder itself says of an Application's only source."""
    spec = app["spec"]
    source, namespace = spec["source"], spec["destination"]["namespace"]
    place = folder / source["path"]
    if (place / "Chart.yaml").exists():
        values = [word for name in source["helm"]["valueFiles"] for word in ("-f", str(place / name))]
        name = app["metadata"]["name"]
        text = _said("helm", "template", name, str(place), "--namespace", namespace, *values)
    elif (place / "kustomization.yaml").exists():
        text = _said("kubectl", "kustomize", str(place))
    else:
        text = "\n---\n".join(each.read_text() for each in sorted(place.glob("*.yaml")))
    found = [each for each in yaml.safe_load_all(text) if each]
    for each in found:
        tracking = f"{app['metadata']['name']}:{each['kind']}:{namespace}/{each['metadata']['name']}"
        each["metadata"].setdefault("annotations", {})["argocd.argoproj.io/tracking-id"] = tracking
        each["metadata"].setdefault("namespace", namespace)
    return found


def _said(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def serve(argo: ArgoServer, folder: Path, files: Mapping[str, str]) -> None:
    """The server lists the Applications of the files, and renders them as they should be."""
    lay_out(folder, files)
    argo.applications = listed(files)
    argo.rendered = {app["metadata"]["name"]: rendered(folder, app) for app in argo.applications}


def spoil(argo: ArgoServer, name: str) -> None:
    """From now on it renders more replicas for one Application."""
    found = copy.deepcopy(argo.rendered[name])
    for each in found:
        if "replicas" in each.get("spec", {}):
            each["spec"]["replicas"] += 3
    argo.rendered[name] = found


def world_with(
    folder: Path, seen: Sequence[Used], files: Mapping[str, str], url: str, token: str = TOKEN, **more: object
) -> World:
    """A world whose settings name the server. Its metrics, and the repository, are as they always are."""
    folder.mkdir()
    (folder / "token").write_text(f"{token}\n", encoding="utf-8")
    bare = {"url": str(folder / "deploy.git"), "branch": "main", "aliases": [ADDRESS]}
    argocd = [{"url": url, "tokenFile": "token"}]
    return World(folder, files, seen, **{"repositories": [bare], "argocd": argocd, **more})
