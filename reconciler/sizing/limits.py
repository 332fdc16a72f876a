"""What a limit does to its request: it caps it, or it moves along in the same change."""

from __future__ import annotations

from reconciler.sizing.case import Case


def movable(case: Case) -> bool:
    """Whether the policy moves this limit, and its line can be edited.

    A limit of 0 means "none" to the kubelet: raising it to the request would introduce one.
    """
    slot = case.limit_slot
    return (
        case.level.limit in ("raise", "equal") and bool(case.limit) and slot is not None and not slot.refused
    )


def cap(case: Case) -> int | None:
    """The limit that the request may not pass, or None when nothing holds it."""
    return None if movable(case) else case.limit


def paired(case: Case) -> bool:
    """Whether request and limit are one number, and the policy keeps them so (`limit: equal`)."""
    return case.level.limit == "equal" and bool(case.limit) and case.in_force == case.limit


def may_fall_together(case: Case) -> bool:
    """A memory limit is never lowered, nor one that others live under who weren't asked."""
    if case.resource == "memory" or not movable(case) or case.limit_slot is None:
        return False
    return set(case.limit_slot.consumers) <= {one.ref for one in case.consumers}


def moved(case: Case, request: int) -> int | None:
    """The limit that has to go with that request, or None when it stays."""
    if not movable(case) or case.limit is None:
        return None
    if request > case.limit or (paired(case) and request < case.limit and may_fall_together(case)):
        return request
    return None
