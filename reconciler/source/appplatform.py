"""The App Platform (Otomi): every workload of a team becomes an Application, as the platform makes it."""

from __future__ import annotations

import re
from typing import Final

from reconciler.source.applications import Application, Origin
from reconciler.source.settings import IN_CLUSTER_SERVER
from reconciler.source.typed import Table, Thing, Value, table, table_of, text

_PATH: Final = re.compile(r"(?P<folder>(?:.*/)?env/teams/(?P<team>[^/]+))/workloads/[^/]+")


def is_workload(thing: Thing) -> bool:
    return thing.kind == "AplTeamWorkload"


def application(thing: Thing) -> Application | None:
    """What is deployed for a workload; None where it doesn't lie in a team's folder."""
    found = _PATH.fullmatch(thing.path)
    if found is None or not thing.name:
        return None
    spec = table(thing.body.get("spec"))
    team = text(table_of(thing.body, "metadata", "labels").get("apl.io/teamId")) or found["team"]
    own = text(spec.get("namespace")) if team == "admin" else ""
    values = f"$values/{found['folder']}/workloadValues/{thing.name}"
    files: list[Value] = [f"{values}.yaml"]
    if text(table(spec.get("imageUpdateStrategy")).get("type")) not in ("", "disabled"):
        files.append(f"{values}.managed.yaml")
    helm: Table = {"releaseName": thing.name, "valueFiles": files}
    if spec.get("sidecarInject") is True and spec.get("createNamespace") is True:
        helm["parameters"] = [{"name": "sidecar.istio.io/inject", "value": "true"}]
    kept = {key: spec[key] for key in ("path", "chart") if spec.get(key)}
    source: Table = {"repoURL": spec.get("url"), "targetRevision": spec.get("revision"), **kept, "helm": helm}
    body: Table = {
        "project": f"team-{team}",
        "sources": [source, {"repoURL": "", "ref": "values"}],
        "destination": {"server": IN_CLUSTER_SERVER, "namespace": own or f"team-{team}"},
    }
    origin = Origin(thing.repository, thing.path, thing.line, thing.document, thing.keys)
    return Application(f"team-{team}-{thing.name}", "argocd", body, origin, {})
