"""A value that became another on a branch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.audit.requests import Spot


class Edit(NamedTuple):
    """One value became another on the branch."""

    at: int  # when it came there
    spot: Spot
    old: str | None
    new: str | None
    commit: str  # that brought it there
    written: str  # the commit that wrote it, which is the same one or was merged by it
    author: str
    merged_by: str  # "" where it was no merge
    subject: str
    marks: Mapping[str, str]  # trailers of the commit that says it is ours; none of others
