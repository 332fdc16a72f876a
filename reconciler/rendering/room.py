"""How much room there is for renders: a container has less than the machine it runs on."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from reconciler.rendering.sandbox import Limits

_CGROUPS: Final = Path("/sys/fs/cgroup")
_MEMORY: Final = ("memory.max", "memory/memory.limit_in_bytes")
_CPU: Final = "cpu.max"
_SHARE: Final = 4  # of all memory, what one render may take: others run beside it, and so does this process
_LEAST_MEMORY: Final = 384 << 20
_USUAL_MEMORY: Final = 192 << 20  # of one render, with what this process keeps of it


def limits_here(seconds: float, cgroups: Path = _CGROUPS) -> Limits:
    """The limits of a render: one chart can't take what the whole run may."""
    limits = Limits(seconds)
    bound = _memory(cgroups)
    return (
        limits._replace(memory=min(limits.memory, max(_LEAST_MEMORY, bound // _SHARE))) if bound else limits
    )


def workers_here(cgroups: Path = _CGROUPS) -> int:
    """How many renders may run side by side."""
    found = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    memory, cpus = _memory(cgroups), _cpus(cgroups)
    found += [memory // _USUAL_MEMORY] if memory else []
    found += [cpus] if cpus else []
    return max(1, min(found))


def _memory(cgroups: Path) -> int:
    """Bytes for all processes of a container; 0 where nothing bounds them."""
    for name in _MEMORY:
        with contextlib.suppress(OSError, ValueError):  # there is no such file, or it says "max"
            return int((cgroups / name).read_text())
    return 0


def _cpus(cgroups: Path) -> int:
    """Whole cores that may be used, a part of one counted as one; 0 where nothing bounds them."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = map(int, (cgroups / _CPU).read_text().split())
        return -(-quota // period) if period > 0 else 0
    return 0
