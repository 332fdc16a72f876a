"""Image references in parts, and what to write where only a part of one stands."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import Reason, Refused
from reconciler.source.tracing.images import parts


class Reference(NamedTuple):
    name: str
    tag: str  # "" when there is none
    digest: str

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}" + (f"@{self.digest}" if self.digest else "")


def split(text: str) -> Reference:
    return Reference(*parts(text))


def rewritten(own: str, old: str, new: str) -> str | Refused:
    """What a place that holds `own` must hold for the rendered reference to be `new` instead of `old`.

    A place may hold the whole reference, its tag, its digest, or a reference whose name is replaced
    on the way (`newName`).
    """
    was, wanted, mine = split(old), split(new), split(own)
    if own == old:
        return new
    if own == was.tag:
        return _part(wanted.tag, "tag", same=(was.name, was.digest) == (wanted.name, wanted.digest), new=new)
    if own == was.digest:
        return _part(wanted.digest, "digest", same=(was.name, was.tag) == (wanted.name, wanted.tag), new=new)
    if (mine.tag, mine.digest) != (was.tag, was.digest):
        return Refused(Reason.NOT_TRACED, f"`{own}` is only loosely part of `{old}`")
    if was.name != wanted.name:
        return Refused(
            Reason.NOT_TRACED, f"the name of the image `{old}` is set in another place than its tag"
        )
    return str(Reference(mine.name, wanted.tag, wanted.digest))


def _part(part: str, what: str, *, same: bool, new: str) -> str | Refused:
    if part and same:
        return part
    why = f"`{new}` has none" if not part else "more of the reference would have to change"
    return Refused(Reason.NOT_TRACED, f"only the {what} of the image stands at its place, and {why}")


def followed(current: str, old: str, new: str) -> str:
    """What becomes of another reference that shares parts with the one that changes from `old` to `new`."""
    if current == old:
        return new
    own, was, wanted = split(current), split(old), split(new)
    parts = zip(own, was, wanted, strict=True)
    return str(Reference(*(third if first == second else first for first, second, third in parts)))
