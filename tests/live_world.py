"""Whole runs over metrics servers: a repository that asks for too much, and what stands before a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import requests
from servers import sick
from servers.lived import BEGIN, DAY
from world import HUMAN, manifest

from reconciler.git.create import create_bare

POLICY = """\
apiVersion: reconciler/v1
kind: Policy
metadata: {name: all}
resources: {window: 4d, evidence: {days: 3, weekend: false}}
"""


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.out)


def settle(folder: Path, *metrics: Mapping[str, object], **more: object) -> None:
    """JSON is YAML."""
    text = {
        "apiVersion": "reconciler/v1",
        "repositories": [{"url": str(folder / "deploy.git"), "branch": "main"}],
        "metrics": list(metrics),
        "policies": "policies",
        "cache": "cache",
        **more,
    }
    (folder / "reconcile.yaml").write_text(json.dumps({key: value for key, value in text.items() if value}))


def proposed(ran: Ran) -> dict[tuple[str, str], str]:
    """What each field becomes, and why."""
    return {
        (each["workload"], each["field"]): f"{each['new']} {each['class']} {each['because']}"
        for each in ran.document["changes"]
    }


def lowered(ran: Ran) -> list[str]:
    """In one order: which saves most differs by a hair from one reading to the next."""
    return sorted(each["workload"] for each in ran.document["changes"] if "down at most" in each["because"])


def rows_of(ran: Ran) -> list[dict[str, Any]]:
    """What was used, without who says so."""
    drop = ("source", "autoscaled")
    return [{key: value for key, value in row.items() if key not in drop} for row in ran.document["rows"]]


def deploy(folder: Path) -> None:
    """A repository, and settings without a source of metrics."""
    files = {f"apps/{name}.yaml": manifest(name, "4", "4Gi").encode() for name in ("steady", "web")}
    files["apps/squeezed.yaml"] = manifest("squeezed", "20m", "4Gi").encode()
    when = BEGIN - 30 * DAY
    create_bare(folder / "deploy.git", files, branch="main", message="x", author=HUMAN, when=when)
    (folder / "policies").mkdir()
    (folder / "policies" / "all.yaml").write_text(POLICY)
    settle(folder)


# ---------------------------------------------------------------------------------- before a server


def through(
    url: str,
    may: Callable[[sick.Asked], bool] = lambda asked: True,
    spoilt: Callable[[sick.Asked, bytes], bytes] = lambda asked, content: content,
    strip: str = "",
) -> sick.Way:
    def way(handler: sick.Handler) -> None:
        asked = handler.asked
        if not may(asked):
            sick.fails(401, "not with this token", "unauthorized")(handler)
            return
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(url + asked.path.removeprefix(strip), data=asked.form)
            if answer.status_code == 405:
                answer = session.get(url + asked.path.removeprefix(strip), params=asked.form)
        sick.says(spoilt(asked, answer.content), answer.status_code)(handler)

    return way


def warned(asked: sick.Asked, content: bytes) -> bytes:
    """As Thanos says that a store did not answer."""
    if "rate(" not in asked.form["query"][0]:
        return content
    return json.dumps({**json.loads(content), "warnings": ["a store did not answer"]}).encode()


def cut(asked: sick.Asked, content: bytes) -> bytes:
    return content[: len(content) // 2] if "max_over_time" in asked.form["query"][0] else content


def hostile(asked: sick.Asked, content: bytes) -> bytes:
    """Another namespace than was asked for, with whatever a query could be broken with."""
    return content.replace(b'"namespace":"shop"', rb'"namespace":"shop\"} or up{a=\"\n"')
