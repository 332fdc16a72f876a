"""The JSON of a run, in the words of the published schema."""

from __future__ import annotations

from typing import Any

from reconciler import canonical
from reconciler.images import remedies
from reconciler.model import (
    Action,
    Change,
    ContainerRef,
    Evidence,
    Failure,
    Hindsight,
    Keep,
    Lived,
    Note,
    Proof,
    Proposal,
    Report,
    Slot,
)
from reconciler.money import MILLION
from reconciler.proposals.group import change_id, fingerprint, whom
from reconciler.report.costs import cost_row
from reconciler.sizing import Explanation, remedy

API_VERSION = "reconciler/v1"


def report(found: Report) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "now": found.now,
        "changes": [row for proposal in found.proposals for row in _proposal_rows(proposal)],
        "kept": [kept_row(keep) for keep in found.kept],
        "proposals": [_proposal_row(proposal) for proposal in found.proposals],
        "actions": [_action_row(action) for action in found.actions],
        "failed": [failure_row(failure) for failure in found.failed],
        "notes": [note_row(note) for note in found.notes],
        "stats": dict(found.stats),
        "metrics": [cost_row(cost) for cost in found.costs],
    }


def _proposal_row(proposal: Proposal) -> dict[str, Any]:
    """A merge request as its forge gets it."""
    return {
        "repository": proposal.repository,
        "key": proposal.key,
        "branch": proposal.branch,
        "base": proposal.base,
        "title": proposal.title,
        "body": proposal.body,
        "labels": list(proposal.labels),
        "reviewers": list(proposal.reviewers),
    }


def _proposal_rows(proposal: Proposal) -> list[dict[str, Any]]:
    return [row for change in proposal.changes for row in change_rows(change, proposal.group)]


def change_rows(change: Change, group: str) -> list[dict[str, Any]]:
    name, evidence = change_id(change), fingerprint(change.evidence)
    proofs = [proof_row(proof) for proof in change.proofs]
    return [
        {
            "id": name,
            **identity(whom(change, slot)),
            "field": slot.field.value,
            "old": slot.value,
            "new": new,
            "class": change.klass.value,
            "because": change.because,
            "repository": slot.place.repository,
            "path": slot.place.path,
            "line": slot.line,
            "keys": [*slot.place.keys, *slot.place.inner],
            "consumers": [identity(consumer) for consumer in slot.consumers],
            "peers": [identity(peer.ref) for peer in change.evidence.peers],
            "twins": [identity(twin.ref) for twin in change.evidence.twins],
            "group": group,
            "evidence": evidence,
            "proof": proofs,
            **_worth(change, slot),
            "hindsight": _hindsight(change.hindsight, slot),
        }
        for slot, new in change.values
    ]


def _hindsight(found: Hindsight | None, slot: Slot) -> dict[str, Any] | None:
    """Of the request; null for whatever goes along with it."""
    if found is None or found.field is not slot.field:
        return None
    return {
        "days": found.days,
        "containers": found.containers,
        "old": None if found.old is None else _lived(found.old),
        "new": _lived(found.new),
    }


def _lived(found: Lived) -> dict[str, Any]:
    return {
        "days_over": found.days_over,
        "minutes_over_a_day": found.seconds_over / 60,
        "slack": found.slack_permille / 1000,
    }


def _worth(change: Change, slot: Slot) -> dict[str, Any]:
    """Of the change as a whole. The money stands in the first of its rows, the others move none: so that
    rows can be added up. Null where nothing is known of prices."""
    found = change.worth
    moved = found.monthly.millionths if found and slot == change.values[0].slot else 0
    return {
        "savings_monthly": -moved / MILLION if found else None,
        "currency": found.monthly.currency if found else None,
        "prices": found.source if found else None,
        "risk": found.risk.value if found else None,
        "risk_because": found.why if found else None,
    }


def proof_row(proof: Proof) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in proof._asdict().items()
    }


def kept_row(keep: Keep) -> dict[str, Any]:
    slot = keep.slot
    ref = keep.ref or min(slot.consumers, default=ContainerRef("", "", "", "", ""))
    return {
        **identity(ref),
        "field": slot.field.value,
        "value": slot.value,
        "reason": keep.reason.value,
        "detail": keep.detail,
        "repository": slot.place.repository,
        "path": slot.place.path,
        "line": slot.line,
    }


def identity(ref: ContainerRef) -> dict[str, str]:
    return ref._asdict()


def _action_row(action: Action) -> dict[str, Any]:
    row = action._asdict()
    return {"action": row.pop("do").value, **row, "changes": list(action.changes)}


def failure_row(failure: Failure) -> dict[str, Any]:
    return {
        "what": failure.what,
        "whose": failure.whose.value,
        "error": failure.error,
        "repository": failure.repository,
        "path": failure.path,
        "line": failure.line,
    }


def note_row(note: Note) -> dict[str, Any]:
    return {
        "what": note.what,
        "detail": note.detail,
        "repository": note.repository,
        "path": note.path,
        "line": note.line,
    }


def _is_own(slot: Slot, evidence: Evidence) -> bool:
    """Not of another container that changes with it, nor of another's autoscaler."""
    return slot in evidence.slots or slot in evidence.consumers[0].targets


def takes(evidence: Evidence, row: Keep) -> str:
    """What would have to change for it to be proposed."""
    return remedy(evidence, row) if evidence.image is None else remedies.remedy(row)


def explanation(found: Explanation, evidence: Evidence) -> dict[str, Any]:
    """One row of `reconcile explain --output json`."""
    row = found.decision
    outcome: dict[str, Any] = (
        {
            "decision": "keep",
            "reason": row.reason.value,
            "detail": row.detail,
            "takes": takes(evidence, row),
        }
        if isinstance(row, Keep)
        else {
            "decision": "change",
            "class": row.klass.value,
            "because": row.because,
            "new": {
                value.slot.field.value: value.new for value in row.values if _is_own(value.slot, evidence)
            },
            "hindsight": _hindsight(row.hindsight, row.values[0].slot),
            **_worth(row, row.values[0].slot),
        }
    )
    return {
        **identity(evidence.consumers[0].ref),
        "field": found.slot.field.value,
        "value": found.slot.value,
        "stages": [canonical.plain(stage) for stage in found.stages],
        **outcome,
        "peers": [identity(peer.ref) for peer in evidence.peers],
        "twins": [identity(twin.ref) for twin in evidence.twins],
        "evidence": fingerprint(evidence),
    }
