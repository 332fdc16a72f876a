"""What becomes of a limit when its request changes, as the policy says it."""

from __future__ import annotations

from reconciler.model import Reason, Refused
from reconciler.quantity import LARGEST
from reconciler.sizing import bounds, rounding
from reconciler.sizing.bounds import Bound
from reconciler.sizing.case import Case
from reconciler.sizing.estimate import Need
from reconciler.sizing.estimators import largest
from reconciler.sizing.words import figure


def rule(case: Case) -> str:
    """The policy's; but of a Guaranteed pod request and limit are one number, or neither moves."""
    if case.guaranteed and case.level.limit != "keep":
        return "equal"
    return case.level.limit


def movable(case: Case) -> bool:
    """Whether the policy moves this limit, and its line can be edited.

    A limit of 0 means "none" to the kubelet: raising it to the request would introduce one.
    """
    slot = case.limit_slot
    return rule(case) != "keep" and bool(case.limit) and slot is not None and not slot.refused


def cap(case: Case) -> int | None:
    """The limit that the request may not pass, or None when nothing holds it."""
    return None if movable(case) else case.limit


def paired(case: Case) -> bool:
    """Whether request and limit are one number, and stay so (`limit: equal`, or a Guaranteed pod)."""
    return rule(case) == "equal" and bool(case.limit) and case.in_force == case.limit


def may_fall(case: Case) -> bool:
    """A limit isn't lowered against the policy, nor one that others live under who weren't asked."""
    lower = case.level.lower_limit
    if not (case.resource == "cpu" if lower is None else lower):
        return False
    return (
        movable(case)
        and case.limit_slot is not None
        and {*case.limit_slot.consumers} <= {one.ref for one in case.consumers}
    )


def follows(case: Case) -> bool:
    """Whether a request that falls takes its limit along, by its share."""
    return may_fall(case) and (paired(case) or rule(case) in ("ratio", "multiple"))


def least_pair(case: Case) -> Bound | None:
    """Beneath which a pair of one memory request and limit doesn't fall: what was used, and its room."""
    if case.resource != "memory" or not paired(case) or not may_fall(case):
        return None
    tops = [largest(usage.memory) for _, usage in case.measured]
    roomy = max((-(-top * (100 + case.level.headroom_percent) // 100) for top in tops), default=0)
    words = f"the limit is the request as well, and the peak with its headroom is {figure('memory', roomy)}"
    return Bound(min(roomy, case.in_force or 0), Reason.AT_LIMIT, words)


def apart(case: Case) -> Bound | None:
    """Below a limit that stays, where a request that reaches it would make a Burstable pod Guaranteed."""
    if not case.holds_apart or not case.limit or movable(case):
        return None
    words = f"at its limit of {figure(case.resource, case.limit)} the pod would become Guaranteed"
    below = case.level.round_to if case.limit > case.level.round_to else 1
    return Bound(case.limit - below, Reason.QOS_CLASS, words)


def pair_stays(case: Case) -> Refused | None:
    """Why a pair of request and limit can't come down together."""
    if case.guaranteed and rule(case) == "keep":
        return Refused(
            Reason.QOS_CLASS,
            "its pod is Guaranteed, so that its request and limit stay equal, and the policy keeps the limit "
            "as it is (limit: keep)",
        )
    if not paired(case) or may_fall(case):
        return None
    lowered = case.level.lower_limit or (case.level.lower_limit is None and case.resource == "cpu")
    why = (
        "its line can't be lowered together with the request's"
        if lowered
        else f"{case.resource} limits are never lowered"
    )
    if case.guaranteed:
        return Refused(
            Reason.QOS_CLASS,
            f"its pod is Guaranteed, so that its request and limit stay equal, and of the limit {why}",
        )
    return Refused(
        Reason.ONLY_RAISED, f"the policy keeps request and limit equal (limit: equal), and of the limit {why}"
    )


def moved(case: Case, needs: tuple[Need, ...], request: int) -> int | None:
    """The limit that has to go with that request, or None when it stays, or there is none."""
    slot = case.limit_slot
    if slot is None or slot.refused or rule(case) == "keep" or case.limit == 0:
        return None
    wanted = _added(case, needs, request) if case.limit is None else _wanted(case, needs, request)
    if wanted is None or wanted == case.limit:
        return None
    most = bounds.highest_limit(case, request)
    found = max(request, min(wanted, most))
    if case.limit is not None and wanted > case.limit > found:
        return None  # it is above what is allowed already: that is for somebody else to mend
    if case.holds_apart and found == request:
        if case.limit is None:
            return None
        found = request + case.level.round_to
    return found if found != case.limit else None


def _added(case: Case, needs: tuple[Need, ...], request: int) -> int | None:
    if case.level.missing_limit != "add":
        return None
    if rule(case) == "equal":
        return request
    return max(_share(case, request), _least(case, needs)) if rule(case) == "multiple" else None


def _wanted(case: Case, needs: tuple[Need, ...], request: int) -> int:
    """By the rule alone. A limit comes down only together with its request."""
    assert case.limit is not None
    by_rule = _by_rule(case, request)
    if by_rule >= case.limit:
        return by_rule
    if request >= (case.in_force or 0) or not may_fall(case):
        return case.limit
    return by_rule if paired(case) else min(case.limit, max(by_rule, _least(case, needs)))


def _by_rule(case: Case, request: int) -> int:
    assert case.limit is not None
    before = case.in_force
    if paired(case):
        return request
    if rule(case) == "ratio" and before:
        # In whole numbers, and rounded down as the autoscaler does: the ratio never grows.
        kept = min(case.limit * request // before, LARGEST)
        return max(request, kept // case.level.round_to * case.level.round_to)
    if rule(case) == "multiple":
        return _share(case, request)
    return max(request, case.limit)


def _share(case: Case, request: int) -> int:
    share = -(-request * case.level.limit_percent // 100)
    return max(request, min(rounding.up(share, case.level.round_to), LARGEST))


def _least(case: Case, needs: tuple[Need, ...]) -> int:
    """No limit goes beneath what was used, where it would throttle or kill; memory has room above that."""
    if case.resource == "cpu":
        return max(need.peak for need in needs)
    roomy = (-(-need.peak * (100 + case.level.headroom_percent) // 100) for need in needs)
    return rounding.up(max(*roomy, *(need.wanted for need in needs)), case.level.round_to)


def unwanted(case: Case) -> Refused | None:
    """A limit that the policy wants none of; a line isn't taken away by setting a value."""
    if case.level.limit != "none" or case.limit_slot is None or case.limit_slot.value is None:
        return None
    return Refused(
        Reason.UNWANTED_LIMIT,
        f"the policy wants no {case.resource} limit (limit: none), and one of "
        f"{figure(case.resource, case.limit or 0)} is set: remove its line, for lines are never removed here",
    )


def bends(case: Case, needs: tuple[Need, ...], request: int) -> bool:
    """Whether the rule would make the pair equal, and the pod Guaranteed, so that it isn't followed."""
    slot = case.limit_slot
    if not case.holds_apart or slot is None or slot.refused or case.limit == 0:
        return False
    if rule(case) == "keep":
        return request >= (case.limit or request + 1) - case.level.round_to
    return request == (_added(case, needs, request) if case.limit is None else _wanted(case, needs, request))


# ---------------------------------------------------------------------------------------------
# Words
# ---------------------------------------------------------------------------------------------


def said(case: Case) -> str:
    """The rule as the policy writes it."""
    return f"{case.level.limit_percent}%" if case.level.limit == "multiple" else case.level.limit


def pair_in_words(case: Case) -> str:
    if rule(case) == "keep":
        return "its limit stays (limit: keep), and so does its request"
    return "request and limit move together" if may_fall(case) else "request and limit only rise, together"


def stage_in_words(case: Case, needs: tuple[Need, ...], value: int, *, stuck: bool) -> str:
    """What the limit does at that request."""
    before = figure(case.resource, case.limit or 0)
    which = (
        f"the namespace's default limit of {before}" if case.limit_is_default else f"the limit of {before}"
    )
    new = moved(case, needs, value)
    if new is None:
        return f"no further than {which}, which stays" if stuck else f"within {which}"
    to = "" if new == value else f" to {figure(case.resource, new)}"
    if new < (case.limit or 0):
        return f"within {which}, which comes down with it{to} (limit: {said(case)})"
    side = "above" if value > (case.limit or 0) else "within"
    return f"{side} {which}, which rises with it{to} (limit: {said(case)})"
