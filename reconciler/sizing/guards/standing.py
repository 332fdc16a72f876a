"""Whatever the numbers say: people's words, the place in the file, and others who set the value."""

from __future__ import annotations

from reconciler.model import Evidence, NoUsage, Reason, Refused, Slot
from reconciler.sizing import devices, hpa
from reconciler.sizing.case import Case
from reconciler.sizing.words import figure


def outright(evidence: Evidence, slot: Slot) -> Refused | None:
    """People's words and the place in the file come before any number."""
    if applies(evidence.opted_out, slot.field.resource):
        return Refused(Reason.OPTED_OUT, f"the annotation {evidence.opted_out} opts it out")
    mine = [one for one in evidence.fed if not slot.consumers or one.ref in slot.consumers]
    if not evidence.policy.sizing.manage_init and any(one.init and not one.sidecar for one in mine):
        return Refused(
            Reason.INIT_CONTAINER,
            "an init container runs for moments, so its use is hardly measured; the policy doesn't manage it",
        )
    return slot.refused


def applies(annotation: str, resource: str) -> bool:
    """`KEY: cpu`, `memory` and `image` are about these alone; anything else about all."""
    said = {word.strip() for word in annotation.rpartition(": ")[2].split(",")}
    return bool(annotation) and (resource in said or not said <= {"cpu", "memory", "image"})


def standing(case: Case) -> Refused | None:
    """What stands in the way for as long as the manifests and the policy stay as they are."""
    if case.slot.value is None and case.level.missing == "keep":
        return Refused(Reason.UNSET, f"no {case.slot.field} is set, and the policy adds none (missing: keep)")
    return _upside_down(case) or devices.pod_level(case) or hpa.standing(case)


def _upside_down(case: Case) -> Refused | None:
    """Kubernetes refuses such a container, so what is measured is another one."""
    if case.stated is None or case.limit is None or case.stated <= case.limit:
        return None
    request, limit = figure(case.resource, case.stated), figure(case.resource, case.limit)
    return Refused(
        Reason.LIMIT_BELOW,
        f"the request of {request} is above the limit of {limit}, which Kubernetes refuses: "
        "somebody has to say which of them is meant",
    )


def without_usage(case: Case) -> Refused:
    """Nobody that the line feeds has metrics: the reason they share, or else that there are none."""
    absent = [usage for _, usage in (*case.unmeasured, *case.unmeasured_peers)]
    if not absent:
        return Refused(Reason.NO_METRICS, "no container is known that gets its value from this line")
    return Refused(shared_reason(absent), absent[0].detail)


def shared_reason(absent: list[NoUsage]) -> Reason:
    reasons = {one.reason for one in absent}
    return absent[0].reason if len(reasons) == 1 else Reason.NO_METRICS
