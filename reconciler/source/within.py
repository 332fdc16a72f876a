"""A part of a repository: what is defined in one of its folders, or takes a value from there."""

from __future__ import annotations

import posixpath
from dataclasses import replace

from reconciler.model import Discovery

EVERYTHING = "."


def is_within(path: str, inside: str) -> bool:
    return inside == EVERYTHING or path == inside or path.startswith(f"{inside}/")


def within(found: Discovery, inside: str) -> Discovery:
    """What concerns a folder of all that was found."""
    if inside == EVERYTHING:
        return found
    workloads = tuple(one for one in found.workloads if any(is_within(path, inside) for path in one.files))
    units = {one.unit for one in workloads}
    return replace(
        found,
        workloads=workloads,
        failures=tuple(one for one in found.failures if not one.path or is_within(one.path, inside)),
        notes=tuple(one for one in found.notes if not one.path or is_within(one.path, inside)),
        units=tuple(one for one in found.units if one.name in units or is_within(one.path, inside)),
    )


def seen_from(path: str, inside: str) -> str:
    """A path of the repository, as it is called from one of its folders."""
    return path if inside == EVERYTHING or not path else posixpath.relpath(path, inside)
