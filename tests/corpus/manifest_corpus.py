"""Manifests as people write them: every habit of style that a rewriter has to leave alone.

A file has as much in it as public ones do: 2.5 KB, 2.4 documents, 1.4 containers.
`manifests(count)` gives the same files every time. Each knows where its containers are, so that tests
and benchmarks can set their requests.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


class Raw(str):
    """Written as it stands."""


class Literal(str):
    """A literal block (`|`)."""


class Folded(str):
    """A folded block (`>-`)."""


class Flow:
    """Written in flow style, whatever stands around."""

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass
class Style:
    indent: int = 2
    list_indent: bool = True
    quote: str = ""
    quote_keys: bool = False
    comments: float = 0.0
    blank_lines: float = 0.0
    trailing_spaces: float = 0.0
    newline: str = "\n"
    bom: bool = False
    final_newline: bool = True
    marker: bool = False
    json: str = ""  # "", pretty, tabs or compact
    flow_maps: bool = False


@dataclass
class Manifest:
    name: str
    data: bytes
    containers: list[tuple[int, tuple[str | int, ...]]] = field(default_factory=list)
    style: Style = field(default_factory=Style)


STYLES = {
    "plain": Style(),
    "unindented-lists": Style(list_indent=False),
    "four": Style(indent=4),
    "four-unindented": Style(indent=4, list_indent=False),
    "three": Style(indent=3),
    "single-quotes": Style(quote="'"),
    "double-quotes": Style(quote='"'),
    "quoted-keys": Style(quote='"', quote_keys=True),
    "comments": Style(comments=0.5, blank_lines=0.1),
    "comments-unindented": Style(comments=0.5, list_indent=False, blank_lines=0.2),
    "trailing-spaces": Style(trailing_spaces=0.3, comments=0.1),
    "crlf": Style(newline="\r\n", comments=0.2),
    "crlf-no-final": Style(newline="\r\n", final_newline=False),
    "bom-emoji": Style(bom=True, comments=0.4, marker=True),
    "no-final-newline": Style(final_newline=False),
    "marker": Style(marker=True, blank_lines=0.2),
    "flow-maps": Style(flow_maps=True),
    "flow-maps-quoted": Style(flow_maps=True, quote="'"),
    "json-pretty": Style(json="pretty"),
    "json-tabs": Style(json="tabs", final_newline=False),
    "json-compact": Style(json="compact"),
    "json-crlf": Style(json="pretty", newline="\r\n"),
}

LICENSE = """\
# Copyright Example Authors
#
# Permission to use, copy, modify, and distribute this file for any purpose with or without fee is
# hereby granted, provided that this notice appears in all copies of it and of what is made from it.
#
# The file is provided as it is. Whoever uses it answers for what comes of it.
#
# It is applied by the delivery system from the main branch; changes made by hand are undone within
# minutes. Ask the platform team for a review, and keep the numbers below in step with the dashboard.

"""
FLAGS = (
    "--storage.tsdb.path=/var/lib/metrics/data",
    "--leader-election-namespace=platform-system",
    "--upstream=http://backend.platform-system.svc.cluster.local:8080/",
    "--feature-gates=Alpha=false,Beta=true",
)
REMARKS = (
    "keep in step with the chart",
    "see the runbook: oncall/web",
    "TICKET-12",
    "naïve — 🚀 later",
    "| # {x}",
)


def manifests(count: int, seed: int = 7) -> Iterator[Manifest]:
    usual = [name for name, style in STYLES.items() if not style.json]
    names = usual * 3 + list(STYLES)  # JSON is rare
    for number in range(count):
        name = names[number % len(names)]
        rng = random.Random(f"{seed}/{number}")
        yield _manifest(f"{number:04d}-{name}", STYLES[name], rng)


def _manifest(name: str, style: Style, rng: random.Random) -> Manifest:
    documents: list[Any] = []
    containers: list[tuple[int, tuple[str | int, ...]]] = []
    for _ in range(1 if style.json else rng.choice((1, 1, 1, 1, 1, 1, 1, 1, 1, 2))):
        for _ in range(0 if style.json else rng.choice((0, 1, 1, 2))):
            documents.append(rng.choice((_service, _config_map, _role))(rng))
        value, paths = _workload(rng)
        if rng.random() < 0.1:
            value = {"apiVersion": "v1", "kind": "List", "items": [_service(rng), value]}
            paths = [("items", 1, *path) for path in paths]
        containers += [(len(documents), path) for path in paths]
        documents.append(value)
    text = _as_json(documents[0], style) if style.json else as_yaml(documents, style, rng)
    if not style.final_newline:
        text = text.rstrip("\n")
    text = text.replace("\n", style.newline)
    return Manifest(name, (("\ufeff" if style.bom else "") + text).encode(), containers, style)


# -- what the manifests say -----------------------------------------------------------------------


def _workload(rng: random.Random) -> tuple[Any, list[tuple[str | int, ...]]]:
    kind = rng.choice(
        ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "Pod", "Rollout", "Service")
    )
    pod: dict[str, Any] = {}
    if rng.random() < 0.5:
        pod["serviceAccountName"] = "runner"
    if rng.random() < 0.3:
        pod["securityContext"] = {"runAsNonRoot": True, "fsGroup": 2000}
    lists = ["containers"] + (["initContainers"] if rng.random() < 0.1 else [])
    if rng.random() < 0.5:
        lists.reverse()
    for key in lists:
        pod[key] = [
            _container(rng, f"{key[:4]}-{at}") for at in range(rng.choice((1, 1, 1, 1, 1, 1, 1, 1, 1, 3)))
        ]
    if rng.random() < 0.4:
        pod["volumes"] = [
            {"name": "tmp", "emptyDir": Flow({})},
            {"name": "cfg", "configMap": {"name": "cfg"}},
        ]
    if rng.random() < 0.3:
        pod["nodeSelector"] = {"kubernetes.io/os": "linux"}
    inside = [(key, at) for key in lists for at in range(len(pod[key]))]
    head, way = _head(kind, pod, rng)
    return head, [(*way, *path) for path in inside]


def _head(kind: str, pod: Any, rng: random.Random) -> tuple[Any, tuple[str, ...]]:
    labels = {"app": f"app-{rng.randrange(99)}", "tier": rng.choice(("on", "front", "1.20"))}
    meta: dict[str, Any] = {"name": labels["app"], "labels": labels}
    if rng.random() < 0.5:
        meta["annotations"] = {
            "example.com/note": rng.choice(("yes", "12:30", "a: b", "0755", "x # y", "null"))
        }
    if kind == "Pod":
        return {"apiVersion": "v1", "kind": kind, "metadata": meta, "spec": pod}, ("spec",)
    template = {"metadata": {"labels": dict(labels)}, "spec": pod}
    api = {"Rollout": "argoproj.io/v1alpha1", "Service": "serving.knative.dev/v1"}.get(kind, "apps/v1")
    if kind in ("Job", "CronJob"):
        api = "batch/v1"
    if kind == "CronJob":
        spec: dict[str, Any] = {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": template}}}
        way: tuple[str, ...] = ("spec", "jobTemplate", "spec", "template", "spec")
    else:
        spec = {
            "replicas": rng.randrange(1, 9),
            "selector": {"matchLabels": dict(labels)},
            "template": template,
        }
        way = ("spec", "template", "spec")
    return {"apiVersion": api, "kind": kind, "metadata": meta, "spec": spec}, way


def _container(rng: random.Random, name: str) -> dict[str, Any]:
    pairs: list[tuple[str, Any]] = [("image", f"registry.example.com/team/{name}:1.{rng.randrange(30)}.0")]
    if rng.random() < 0.5:
        pairs.append(
            ("args", ["--listen=:8080", "--level", rng.choice(("debug", "on", "1e3")), *rng.sample(FLAGS, 2)])
        )
    if rng.random() < 0.3:
        pairs.append(("command", Flow(["sh", "-c", "exec app"])))
    if rng.random() < 0.5:
        pairs.append(
            ("env", [{"name": "A", "value": "1"}, {"name": "LONG", "value": "x" * rng.choice((5, 160))}])
        )
    if rng.random() < 0.4:
        pairs.append(
            ("readinessProbe", {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10})
        )
    if rng.random() < 0.4:
        pairs.append(("ports", [{"containerPort": 8080, "name": "http"}]))
    if rng.random() < 0.2:
        pairs.insert(0, ("script", Literal("set -e\n\nif true; then\n  echo hi   \nfi\n")))
    if rng.random() < 0.2:
        pairs.append(("note", Folded("a long note that was folded\n\nby hand")))
    resources = _resources(rng)
    if resources is not _ABSENT:
        pairs.insert(rng.randrange(len(pairs) + 1), ("resources", resources))
    named = [("name", name)]
    return dict(named + pairs if rng.random() < 0.8 else pairs + named)


_ABSENT = object()


def _resources(rng: random.Random) -> Any:
    cpu = rng.choice(("500m", "1", Raw("2"), Raw("0.5"), "1500m"))
    memory = rng.choice(("512Mi", "1Gi", "1G", Raw("1073741824")))
    return rng.choice(
        (
            {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}},
            {"limits": {"cpu": cpu, "memory": memory}, "requests": {"memory": memory, "cpu": cpu}},
            {"requests": {"cpu": cpu}},
            {"requests": {"memory": memory, "ephemeral-storage": "1Gi"}},
            {"limits": {"memory": memory}},
            {"requests": Flow({"cpu": cpu, "memory": memory})},
            Flow({"requests": {"cpu": cpu}, "limits": {"memory": memory}}),
            {"requests": Flow({})},
            Flow({}),
            Raw("null"),
            Raw(""),
            _ABSENT,
            _ABSENT,
        )
    )


def _service(rng: random.Random) -> Any:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"svc-{rng.randrange(99)}"},
        "spec": {
            "ports": [{"port": 80, "targetPort": "http"}],
            "selector": Flow({"app": "web", "on": "yes"}),
        },
    }


def _role(rng: random.Random) -> Any:
    rules = [
        {"apiGroups": Flow([group]), "resources": resources, "verbs": Flow(["get", "list", "watch"])}
        for group, resources in (("apps", ["deployments", "statefulsets"]), ("batch", ["jobs"]))
    ]
    meta = {"name": f"role-{rng.randrange(99)}", "namespace": "platform-system"}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": rules}


def _config_map(rng: random.Random) -> Any:
    script = "#!/bin/sh\n# waits for the database, then starts\nset -eu\n\n" + "".join(
        f"if ! nc -z database-{n} 5432; then\n    echo 'database {n} is not there yet' >&2\n    exit 1\nfi\n"
        for n in range(rng.randrange(12))
    )
    body = "key: value\n# {{ not a template }} of ours\n---not a document\nlist:\n- a\n"
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"cfg-{rng.randrange(99)}"},
        "data": {
            "app.yaml": Literal(body),
            "start.sh": Literal(script),
            "text": Folded("folded text\nof two lines"),
            "port": "8080",
        },
    }


# -- how it is written ----------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """The value without its style, for JSON."""
    if isinstance(value, Flow):
        return _plain(value.value)
    if isinstance(value, Raw):
        return json.loads(value or "null")
    if isinstance(value, dict):
        return {key: _plain(own) for key, own in value.items()}
    if isinstance(value, list):
        return [_plain(own) for own in value]
    return str(value) if isinstance(value, str) else value


def _as_json(value: Any, style: Style) -> str:
    if style.json == "compact":
        return json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False) + "\n"
    return json.dumps(_plain(value), indent="\t" if style.json == "tabs" else 2, ensure_ascii=False) + "\n"


def as_yaml(documents: list[Any], style: Style, rng: random.Random) -> str:
    writer = _Writer(style, rng)
    parts: list[str] = []
    for at, document in enumerate(documents):
        head = "---\n" if at or style.marker else ""
        if not at and rng.random() < 0.4:
            head = LICENSE + head
        parts.append(head + "\n".join(writer.block(document, 0)) + "\n")
    return "".join(parts)


_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9./_-]*(:[A-Za-z0-9./_-]+)*")
_TYPED = frozenset(("yes", "no", "on", "off", "null", "true", "false", "y", "n"))


class _Writer:
    def __init__(self, style: Style, rng: random.Random) -> None:
        self.style = style
        self.rng = rng

    def block(self, value: Any, column: int) -> list[str]:
        return self._mapping(value, column) if isinstance(value, dict) else self._list(value, column)

    def _mapping(self, value: dict[str, Any], column: int) -> list[str]:
        lines: list[str] = []
        for key, own in value.items():
            if lines and self.rng.random() < self.style.blank_lines:
                lines.append("")
            if lines and self.rng.random() < self.style.comments / 2:
                lines.append(" " * column + "# " + self.rng.choice(REMARKS))
            lines += self._pair(self._key(key), own, column)
        return lines

    def _pair(self, key: str, own: Any, column: int) -> list[str]:
        head = " " * column + key + ":"
        if isinstance(own, dict) and own and not (self.style.flow_maps and _is_small(own)):
            return [self._ended(head), *self.block(own, column + self.style.indent)]
        if isinstance(own, list) and own:
            below = column + (self.style.indent if self.style.list_indent else 0)
            return [self._ended(head), *self.block(own, below)]
        if isinstance(own, Literal | Folded):
            inside = " " * (column + self.style.indent)
            sign = "|" if isinstance(own, Literal) else ">-"
            return [
                f"{head} {sign}",
                *((inside + line if line else "") for line in own.rstrip("\n").split("\n")),
            ]
        return [self._ended(f"{head} {self._value(own)}".rstrip())]

    def _list(self, value: list[Any], column: int) -> list[str]:
        lines: list[str] = []
        for own in value:
            if isinstance(own, dict):
                inner = self._mapping(own, column + 2)
                lines += [" " * column + "- " + inner[0].lstrip(" "), *inner[1:]]
            else:
                lines.append(self._ended(" " * column + "- " + self._value(own)))
        return lines

    def _ended(self, line: str) -> str:
        if self.rng.random() < self.style.comments:
            return line + "  # " + self.rng.choice(REMARKS)
        return line + "   " if self.rng.random() < self.style.trailing_spaces else line

    def _key(self, key: str) -> str:
        return f'"{key}"' if self.style.quote_keys or key.lower() in _TYPED else key

    def _value(self, value: Any) -> str:
        if isinstance(value, Flow):
            return self._flow(value.value)
        if isinstance(value, dict | list):
            return self._flow(value)
        if isinstance(value, Raw):
            return str(value)
        if not isinstance(value, str):
            return json.dumps(value)
        quantity = re.fullmatch(r"\d+(m|Mi|Gi|G)", value)
        safe = quantity or (_SAFE.fullmatch(value) and value.lower() not in _TYPED)
        if safe and not self.style.quote:
            return value
        return "'" + value.replace("'", "''") + "'" if self.style.quote == "'" else json.dumps(value)

    def _flow(self, value: Any) -> str:
        if isinstance(value, Flow):
            value = value.value
        if isinstance(value, dict):
            pairs = ", ".join(f"{self._key(key)}: {self._flow(own)}" for key, own in value.items())
            return "{" + pairs + "}"
        if isinstance(value, list):
            return "[" + ", ".join(self._flow(own) for own in value) + "]"
        if isinstance(value, Literal | Folded):
            return json.dumps(value)
        return self._value(value) or "null"


def _is_small(value: dict[str, Any]) -> bool:
    return len(value) <= 3 and all(isinstance(own, str) for own in value.values())
