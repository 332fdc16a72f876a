"""JSON Schemas of settings and policies, for editors."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from reconciler.config.policy import PolicyFile
from reconciler.config.settings import Settings

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def settings_schema() -> dict[str, Any]:
    """Of `reconcile.yaml`."""
    return _schema(Settings, "Settings of Reconciler")


def policy_schema() -> dict[str, Any]:
    """Of a policy file."""
    return _schema(PolicyFile, "Policy of Reconciler")


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    found = _tidied(model.model_json_schema(by_alias=True))
    return {"$schema": _DIALECT, **found, "title": title}


def _tidied(node: Any, *, names: bool = False) -> Any:
    """Without titles, which repeat the keys, and without defaults that stand for "not said".

    `names` where the keys are names of users' keys, which may be called title too.
    """
    if isinstance(node, list):
        return [_tidied(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _tidied(value, names=key in ("properties", "$defs") and not names)
        for key, value in node.items()
        if names or not (key == "title" or (key == "default" and isinstance(value, dict | list | None)))
    }
