"""The JSON Schemas of what the commands print."""

from __future__ import annotations

from typing import Any

from reconciler.audit.story import Since, What
from reconciler.model import ChangeClass, Do, Field, Reason, Risk, Whose
from reconciler.report.rows import API_VERSION

_STRING = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_AMOUNT = {"type": "number", "minimum": 0}
_OPTIONAL = {"type": ["string", "null"]}
_IDENTITY = dict.fromkeys(("cluster", "namespace", "kind", "workload", "container"), _STRING)
_FIELD = {"enum": [field.value for field in Field]}
_KEYS = {"type": "array", "items": {"type": ["string", "integer"]}}
_REASON = {"enum": [reason.value for reason in Reason]}
_MAYBE_REASON = {"enum": [None, *(reason.value for reason in Reason)]}


def _object(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _rows(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _document(title: str, properties: dict[str, Any]) -> dict[str, Any]:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return head | _object({"apiVersion": {"const": API_VERSION}, **properties})


def scan() -> dict[str, Any]:
    row = {
        "unit": _STRING, **_IDENTITY, "init": {"type": "boolean"}, "field": _STRING, "value": _OPTIONAL,
        "path": _STRING, "line": _COUNT, "document": _COUNT, "keys": _KEYS, "traced": {"type": "boolean"},
        "via": _STRING, "shared_with": _rows(_object(_IDENTITY)), "reason": _MAYBE_REASON,
    }  # fmt: skip
    unit = {
        "unit": _STRING, "path": _STRING, "line": _COUNT, "cluster": _STRING, "namespace": _STRING,
        "kind": {"enum": ["helm", "kustomize", ""]}, "renderer": _STRING, "containers": _COUNT,
        "reason": _MAYBE_REASON, "detail": _OPTIONAL,
    }  # fmt: skip
    return _document(
        "reconcile scan",
        {
            "rows": _rows(_object(row)),
            "units": _rows(_object(unit)),
            "failed": _failed(),
            "notes": _notes(),
        },
    )


def run() -> dict[str, Any]:
    words = _rows(_STRING)
    proof = {
        "unit": _STRING, "renderer": _STRING, "changed": words, "copies": words, "derived": words,
        "carried": words, "noise": _COUNT,
    }  # fmt: skip
    lived = {"days_over": _COUNT, "minutes_over_a_day": _AMOUNT, "slack": {"type": "number"}}
    hindsight = {
        "days": _COUNT, "containers": _COUNT, "old": {"anyOf": [_object(lived), {"type": "null"}]},
        "new": _object(lived),
    }  # fmt: skip
    change = {
        "id": _STRING, **_IDENTITY, "field": _FIELD, "old": _OPTIONAL, "new": _STRING,
        "class": {"enum": [klass.value for klass in ChangeClass]}, "because": _STRING, "repository": _STRING,
        "path": _STRING, "line": _COUNT, "keys": _KEYS, "consumers": _rows(_object(_IDENTITY)),
        "peers": _rows(_object(_IDENTITY)), "twins": _rows(_object(_IDENTITY)),
        "group": _STRING, "evidence": _STRING,
        "proof": _rows(_object(proof)), "savings_monthly": {"type": ["number", "null"]},
        "currency": _OPTIONAL, "prices": _OPTIONAL, "risk_because": _OPTIONAL,
        "risk": {"enum": [None, *(risk.value for risk in Risk)]},
        "hindsight": {"anyOf": [_object(hindsight), {"type": "null"}]},
    }  # fmt: skip
    kept = {
        **_IDENTITY, "field": _FIELD, "value": _OPTIONAL, "reason": _REASON, "detail": _STRING,
        "repository": _STRING, "path": _STRING, "line": _COUNT,
    }  # fmt: skip
    action = {
        "action": {"enum": [do.value for do in Do]}, "repository": _STRING, "key": _STRING, "branch": _STRING,
        "url": _STRING, "changes": _rows(_STRING), "why": _STRING,
    }  # fmt: skip
    proposal = {
        **dict.fromkeys(("repository", "key", "branch", "base", "title", "body"), _STRING),
        "labels": words, "reviewers": words,
    }  # fmt: skip
    return _document(
        "reconcile run",
        {
            "now": {"type": "integer"}, "changes": _rows(_object(change)), "kept": _rows(_object(kept)),
            "proposals": _rows(_object(proposal)),
            "actions": _rows(_object(action)), "failed": _failed(), "notes": _notes(),
            "stats": {"type": "object", "additionalProperties": {"type": "integer"}},
            "metrics": _metrics(),
        },
    )  # fmt: skip


def usage() -> dict[str, Any]:
    maybe = {"type": ["integer", "null"], "minimum": 0}
    row = {
        **_IDENTITY, "window_seconds": _COUNT, "step_seconds": _COUNT, "samples": _COUNT, "expected": _COUNT,
        "coverage": _AMOUNT,
        "cpu_millicores": _object(dict.fromkeys(("p50", "p90", "p95", "p99", "max"), _COUNT)),
        "busy_hours": _rows(_object(dict.fromkeys(("hour", "cpu", "weeks"), _COUNT))),
        "memory_bytes": _object(dict.fromkeys(("p50", "p95", "max"), _COUNT)),
        "rss_bytes_max": maybe, "oom_kills": _COUNT,
        "throttled_share": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "restarts": _COUNT, "replicas": _COUNT, "pods": _COUNT, "first": _COUNT, "last": _COUNT,
        "source": _STRING, "autoscaled": _rows({"enum": ["cpu", "memory"]}),
        "owner_guessed": {"type": "boolean"}, "incomplete": _STRING,
    }  # fmt: skip
    unmeasured = {**_IDENTITY, "reason": _REASON, "detail": _STRING}
    return _document(
        "reconcile usage",
        {
            "now": {"type": "integer"}, "rows": _rows(_object(row)), "unmeasured": _rows(_object(unmeasured)),
            "failed": _failed(), "notes": _notes(), "metrics": _metrics(),
        },
    )  # fmt: skip


def backtest() -> dict[str, Any]:
    number, maybe = {"type": "number"}, {"type": ["number", "null"]}
    row = {
        "policy": _STRING, "slack_of": _OPTIONAL, "cpu_factor": _AMOUNT, "memory_factor": _AMOUNT,
        "container_days": _COUNT, "cpu_slack": number, "memory_slack": number,
        "overrun_share": _AMOUNT | {"maximum": 1}, "overrun_size": _AMOUNT,
        "cpu_minutes_over_a_day": _AMOUNT, "changes_a_week": _AMOUNT, "cpu_changes_a_week": _AMOUNT,
        "memory_changes_a_week": _AMOUNT, "cost_a_month": maybe, "currency": _OPTIONAL,
    }  # fmt: skip
    price = {
        "cluster": _STRING, "currency": _STRING, "core_hour": _AMOUNT, "gib_hour": _AMOUNT,
        "source": _STRING,
    }  # fmt: skip
    return _document(
        "reconcile backtest",
        {
            "containers": _COUNT, "train_days": _COUNT, "step_days": _COUNT, "prices": _rows(_object(price)),
            "rows": _rows(_object(row)), "failed": _failed(), "notes": _notes(), "metrics": _metrics(),
        },
    )  # fmt: skip


def log() -> dict[str, Any]:
    row = {
        "at": _COUNT, **_IDENTITY, "field": _FIELD, "old": _OPTIONAL, "new": _OPTIONAL, "by": _STRING,
        "what": {"enum": [what.value for what in What]},
        "since": {"enum": [None, *(since.value for since in Since if since.value)]}, "ended_by": _STRING,
        "why": _STRING, "class": {"enum": [None, *(klass.value for klass in ChangeClass)]},
        "repository": _STRING, "path": _STRING, "key": _STRING,
        "number": {"type": ["integer", "null"], "minimum": 1}, "url": _STRING, "commit": _STRING,
        "proposed_at": _COUNT, "evidence": _STRING, "shared_with": _COUNT,
        "savings_monthly": {"type": ["number", "null"]}, "currency": _OPTIONAL,
    }  # fmt: skip
    saved = {"currency": _STRING, "monthly": {"type": "number"}}
    return _document(
        "reconcile log",
        {
            "now": _COUNT, "rows": _rows(_object(row)), "saved": _rows(_object(saved)), "failed": _failed(),
            "notes": _notes(),
        },
    )  # fmt: skip


def replay() -> dict[str, Any]:
    words = _rows(_STRING)
    tools = _object({"version": _STRING, "renderers": words})
    row = {
        "commit": _STRING, "base": _STRING, "key": _STRING, "same": {"type": ["boolean", "null"]},
        "files": words, "patch": _STRING, "difference": _STRING, "otherwise": words, "evidence": words,
        "then": {"anyOf": [tools, {"type": "null"}]}, "now": tools, "notes": words,
    }  # fmt: skip
    return _document("reconcile replay", {"rows": _rows(_object(row))})


def _metrics() -> dict[str, Any]:
    cost = {
        "source": _STRING, "series": _COUNT, "points": _COUNT, "queries": _COUNT, "bytes": _COUNT,
        "samples": _COUNT, "seconds": _AMOUNT, "days_read": _COUNT, "days_known": _COUNT,
        "estimated_seconds": _AMOUNT,
    }  # fmt: skip
    return _rows(_object(cost))


def _failed() -> dict[str, Any]:
    return _rows(
        _object(
            {
                "what": _STRING, "whose": {"enum": [whose.value for whose in Whose]}, "error": _STRING,
                "repository": _STRING, "path": _STRING, "line": _COUNT,
            }
        )
    )  # fmt: skip


def _notes() -> dict[str, Any]:
    note = {"what": _STRING, "detail": _STRING, "repository": _STRING, "path": _STRING, "line": _COUNT}
    return _rows(_object(note))
