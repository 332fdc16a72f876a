"""A commit made anew: decided by today's code from the evidence of then, written and proven at its base.

Only when that is done is the commit itself looked at, and compared byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from reconciler import __version__
from reconciler.audit.claim import Unknown
from reconciler.audit.records import Claim, Replayed, With
from reconciler.images.decide import decide_image
from reconciler.model import Change, ContainerRef, Decision, Evidence, FileChange, Keep, Reason
from reconciler.proposals.group import first_consumer
from reconciler.proposals.memo import memo_of
from reconciler.proposals.pushed import Told, renderers
from reconciler.sizing import decide
from reconciler.source.apart import Batch, Result, change_apart
from reconciler.source.estate import Estate
from reconciler.source.overlaying import in_overlays

# What this machine lacks, which says nothing of the commit.
_LACKING: Final = frozenset(
    {
        Reason.MISSING_TOOL,
        Reason.MISSING_DEPENDENCY,
        Reason.CHART_UNAVAILABLE,
        Reason.REMOTE_BASE,
        Reason.RENDER_LIMIT,
        Reason.UNKNOWN_SOURCE,
    }
)


Surveyed = Callable[[str, str, int], Estate]  # at a commit, by the name of the repository, as of a moment
Files = Callable[[str, str], bytes | None]  # a file of a commit; None where it has none
Changed = Callable[[str, str], Iterable[str]]  # the files in which two commits differ


def replay(claim: Claim, surveyed: Surveyed, read: Files, changed: Changed) -> Replayed:
    changes, otherwise = _decided(claim)
    own = {value.slot.place.repository for change in changes for value in change.values}
    if not own:
        return _undecided(claim, otherwise)
    estate = surveyed(claim.base, min(own), changes[0].evidence.now)
    overlaid = {ref for change in changes for ref in _on_top(change.evidence)}
    estate = in_overlays(estate, overlaid) if overlaid else estate
    result = _written(estate, changes)
    otherwise += _refused(estate, changes, result)
    files = [one for (repository, _), one in sorted(result.files.items()) if repository in own]
    proven = [change._replace(proofs=result.proofs.get(at, ())) for at, change in enumerate(changes)]
    then = With(claim.push.version, claim.push.renderers) if claim.push else None
    differences = _compared(claim, files, read, changed) if claim.commit else ()
    now = With(__version__, renderers(proven))
    return Replayed(claim, tuple(files), tuple(differences), tuple(otherwise), then, now)


def _undecided(claim: Claim, otherwise: Iterable[str]) -> Replayed:
    then = With(claim.push.version, claim.push.renderers) if claim.push else None
    return Replayed(claim, (), (), tuple(otherwise), then, With(__version__, ()))


# -- decided anew ---------------------------------------------------------------------------------


def _decided(claim: Claim) -> tuple[list[Change], list[str]]:
    """The changes, in the order in which they were made; and what has become of the others."""
    if claim.push is None:
        rows = [row for evidence in claim.evidence.values() for row in rows_of(evidence)]
        changes = [row for row in rows if isinstance(row, Change)]
        return changes, [] if changes else [_kept(row) for row in rows if isinstance(row, Keep)]
    changes, otherwise = [], []
    for told in claim.push.changes:
        row = _row(claim.evidence[told.evidence], told.field)
        if isinstance(row, Change):
            changes.append(row)
            otherwise += _moved(told, row)
        else:
            whom = _named(told)
            words = "today nothing is decided on it" if row is None else f"today it is kept: {row.detail}"
            otherwise.append(f"{whom}: then {_values_of(told)}; {words}")
    return changes, otherwise


def rows_of(evidence: Evidence) -> tuple[Decision, ...]:
    return (decide_image(evidence),) if evidence.image is not None else decide(evidence)


def _row(evidence: Evidence, field: str) -> Decision | None:
    for row in rows_of(evidence):
        slot = row.slot if isinstance(row, Keep) else row.values[0].slot
        if slot.field.value == field:
            return row
    return None


def _moved(told: Told, row: Change) -> list[str]:
    if memo_of("", "", [row]).values == told.values:
        return []
    words = ", ".join(f"{value.slot.field} {value.new}" for value in row.values)
    return [f"{_named(told)}: then {_values_of(told)}; today {words}"]


def _named(told: Told) -> str:
    return str(min(told.values[0].consumers)) if told.values and told.values[0].consumers else told.field


def _values_of(told: Told) -> str:
    return ", ".join(f"{value.field} {value.new}" for value in told.values)


def _kept(row: Keep) -> str:
    return f"{min(row.slot.consumers, default=row.slot.place.path)} {row.slot.field}: kept, {row.detail}"


# -- written anew ---------------------------------------------------------------------------------


def _on_top(evidence: Evidence) -> Collection[ContainerRef]:
    return [one.ref for one in evidence.fed] if evidence.policy.place == "overlay" else ()


def _written(estate: Estate, changes: list[Change]) -> Result:
    lenient = [at for at, one in enumerate(changes) if one.evidence.policy.derived == "allow"]
    return change_apart(estate, [Batch([one.values for one in changes], lenient)])[0]


def _refused(estate: Estate, changes: list[Change], result: Result) -> list[str]:
    """What can't be written today; Unknown where only this machine lacks something for it."""
    lacking = [
        unit.refused
        for found in estate.discoveries.values()
        for unit in found.units
        if unit.refused is not None and unit.refused.reason in _LACKING
    ]
    told = []
    for at, why in sorted(result.refused.items()):
        whom = str(first_consumer(changes[at]))
        if why.reason in _LACKING:
            raise Unknown(whom, f"{whom} can't be written anew here: {why.detail}")
        if lacking:
            raise Unknown(whom, f"{whom} can't be written anew here: {lacking[0].detail}")
        told.append(f"{whom}: today it can't be written ({why.reason.value}): {why.detail}")
    return told


def _compared(
    claim: Claim, files: Iterable[FileChange], read: Files, changed: Changed
) -> Iterable[FileChange]:
    """Every file that one of the two changed, where they are not the same."""
    made: Mapping[str, bytes] = {one.path: one.after for one in files}
    for path in sorted({*made, *changed(claim.commit, claim.base)}):
        there = read(claim.commit, path) or b""
        now = made.get(path)
        if now is None:
            now = read(claim.base, path) or b""
        if there != now:
            yield FileChange(path, there, now)
