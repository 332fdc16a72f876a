"""How the word of a team is joined with the operator's.

Where the operator has spoken, it is the operator's word that holds, whatever the priorities. On
what keeps clusters safe a team can still ask for more care than the operator, or than
`balanced` where the operator says nothing, and never for less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.config.globs import any_name
from reconciler.config.ranking import Claim
from reconciler.config.written import OPERATORS_OWN, TEAM_LABELS, Key, WrittenPolicy
from reconciler.model import Mode

LABELS: Final = ("proposals", "labels")
PEERS: Final = ("resources", "peers")
TWINS: Final = ("resources", "twins")
_STRENGTH: Final = {Mode.OBSERVE: 0, Mode.PROPOSE: 1, Mode.MERGE: 2}


def _weaker(one: Mode, other: Mode) -> Mode:
    return min(one, other, key=_STRENGTH.__getitem__)


def _both(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*one, *(entry for entry in other if entry not in one))


def _if_none(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    """One of several is enough, so a longer list is no more careful than a shorter one."""
    return one or other


def _fewer(one: int | None, other: int | None) -> int | None:
    """None is any number."""
    known = [number for number in (one, other) if number is not None]
    return min(known, default=None)


_SCHEDULE: Final = (("proposals", "schedule"), ("proposals", "timezone"))

# Of two values the more careful one.
_CAREFUL: Final[Mapping[Key, Callable[[Any, Any], Any]]] = {
    ("mode", "resources"): _weaker,
    ("mode", "images"): _weaker,
    ("resources", "raiseOnlyKinds"): _both,
    ("resources", "step", "up"): min,
    ("resources", "step", "down"): min,
    ("resources", "coolDown"): max,
    ("resources", "evidence", "days"): max,
    ("resources", "evidence", "known"): max,
    ("resources", "evidence", "coverage"): max,
    ("resources", "throttled"): min,
    ("resources", "evidence", "weekend"): max,
    ("resources", "evidence", "age"): min,
    ("resources", "killed"): max,
    ("resources", "cpu", "lowerLimit"): min,  # false before true
    ("resources", "memory", "lowerLimit"): min,
    ("resources", "qosClass"): max,  # keep before change
    ("resources", "accelerators"): max,  # raise before manage
    ("resources", "restarts"): min,
    ("resources", "peaks"): _both,
    ("resources", "memory", "fixedHeap"): min,  # floor before hold before ignore
    ("resources", "memory", "percentageHeap"): min,  # keep before lower
    ("images", "minimumAge"): max,
    ("images", "signedBy"): _if_none,
    ("images", "platforms"): _both,
    ("images", "ignore"): _both,
    ("proposals", "freeze"): _both,
    ("proposals", "derived"): max,  # refuse before allow
    ("proposals", "approval"): max,  # required before none
    **{("proposals", "limits", key): _fewer for key in ("open", "perHour", "perRun", "perWeek", "perOwner")},
}


def counts(key: Key, ours: Mapping[Key, Claim], default: WrittenPolicy) -> bool:
    """Whether what a team says on the key can make a difference."""
    if key[:2] in (PEERS, TWINS):  # one thing in several keys: nobody's word is mixed with another's
        return all(claim.by is default for said, claim in ours.items() if said[:2] == key[:2])
    if key in _SCHEDULE:  # the hours of one in the time zone of another are nobody's word, either
        return all(ours[said].by is default for said in _SCHEDULE)
    return key not in OPERATORS_OWN and (key in _CAREFUL or key == LABELS or ours[key].by is default)


def joined(
    ours: Mapping[Key, Claim], theirs: Mapping[Key, Claim], default: WrittenPolicy
) -> dict[Key, Claim]:
    """What holds, of the operator's claims (complete with the defaults) and a team's."""
    held = dict(ours)
    for key, claim in theirs.items():
        if key in _CAREFUL:
            held[key] = _told(ours[key], claim, _CAREFUL[key](ours[key].value, claim.value))
        elif key == LABELS:
            held[key] = _told(ours[key], claim, _labels(ours, claim))
        elif counts(key, ours, default):
            held[key] = claim
    return held


def _told(ours: Claim, theirs: Claim, value: Any) -> Claim:
    return ours if value == ours.value else theirs._replace(value=value)


def _labels(ours: Mapping[Key, Claim], theirs: Claim) -> tuple[str, ...]:
    """Labels can set off what others have built on them, so the operator says which a team may use."""
    patterns = ours[TEAM_LABELS].value
    allowed = any_name(patterns) if patterns else lambda name: False
    found: tuple[str, ...] = ours[LABELS].value
    return _both(found, tuple(label for label in theirs.value if allowed(label)))
