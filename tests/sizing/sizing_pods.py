"""Pods, namespaces and nodes for the sizing tests."""

from __future__ import annotations

from typing import Any

from sizing_evidence import SIZING, consumer, used

from reconciler.model import Consumer, Field, LimitRange, NodeSize, Quota, Sibling, SizingPolicy

MI = 1 << 20
GI = 1 << 30
KEEPS = SIZING._replace(qos_class="keep", accelerators="raise")


def keeps(
    cpu: dict[str, Any] | None = None, memory: dict[str, Any] | None = None, **other: Any
) -> SizingPolicy:
    """The shipped policy's word on classes and devices, with other levels."""
    found = KEEPS._replace(**other)
    return found._replace(
        cpu=found.cpu._replace(**(cpu or {})), memory=found.memory._replace(**(memory or {}))
    )


def sibling(
    cpu: int | None = 100,
    memory: int | None = 128 * MI,
    cpu_limit: int | None = None,
    memory_limit: int | None = 256 * MI,
    **other: Any,
) -> Sibling:
    """By default one that makes the pod Burstable."""
    plain = {"container": "proxy", "init": False, "sidecar": False}
    return Sibling(
        **{**plain, **other},
        cpu_request=cpu,
        memory_request=memory,
        cpu_limit=cpu_limit,
        memory_limit=memory_limit,
    )


def limit_range(resource: str = "cpu", **other: Any) -> LimitRange:
    plain: dict[str, Any] = {
        "name": "limits", "kind": "Container", "resource": resource, "minimum": None, "maximum": None,
        "ratio_permille": None, "default_limit": None, "default_request": None,
        "path": "shop/namespace.yaml", "line": 7,
    }  # fmt: skip
    return LimitRange(**{**plain, **other})


def quota(field: Field, hard: int, used: int) -> Quota:
    return Quota("budget", field, hard, "shop/namespace.yaml", 21, used)


def placed(
    cpu: Any = 182, memory: Any = 400 * MI, usage: dict[str, Any] | None = None, **other: Any
) -> tuple[Consumer]:
    """The one consumer of most tests, somewhere."""
    return (consumer(used(cpu, memory, **(usage or {})))._replace(**other),)


def node(cpu: int | None = None, memory: int | None = None) -> NodeSize:
    return NodeSize(cpu, memory)
