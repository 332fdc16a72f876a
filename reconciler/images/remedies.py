"""What it would take for an image that is kept to be updated, in a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.model import Keep, Reason

_TOLD: Final[Mapping[Reason, str]] = {
    Reason.UP_TO_DATE: "a newer tag in the registry, or a policy that allows more",
    Reason.NO_CHOICE: "a policy that says which tags follow; reconcile images choose tries one",
    Reason.NOT_ANSWERED: "an answer of the registry; the settings name registries, and as whom to ask them",
    Reason.TOO_YOUNG: "nothing but time, or a smaller minimumAge in the policy",
    Reason.UNSIGNED: "a signature by one of the keys that signedBy names",
    Reason.MISSING_PLATFORM: "an image for each platform of the one in force",
    Reason.SAME_CONTENT: "another image under the newer tag",
    Reason.HELD: "a tag newer than the one that was refused; or take back who said no",
    Reason.OWNED_BY: "the other tool switched off for this image; reconcile import takes its rules over",
    Reason.PINNED: "another pin, or none",
    Reason.MOVES_TOGETHER: "the same tag for all images of the set",
}


def remedy(row: Keep) -> str:
    return _TOLD.get(row.reason) or f"docs/reasons.md tells who can mend {row.reason}, and how"
