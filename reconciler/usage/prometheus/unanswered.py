"""Why a question has no answer, told so that whoever asked knows what to do next."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from reconciler.connection import printable as printable
from reconciler.connection import shown as shown
from reconciler.model import Whose

MOST_WORDS: Final = 300


class Kind(StrEnum):
    """What whoever asked should do."""

    TOO_MUCH = "too-much"  # ask for less
    BUSY = "busy"  # ask later
    DENIED = "denied"  # mend the token
    WRONG = "wrong"  # the server does not understand the question
    BROKEN = "broken"  # what it says is no whole answer
    GONE = "gone"  # nobody is there


class UnansweredError(Exception):
    """One clear sentence that names the server, without anything secret."""

    def __init__(self, kind: Kind, words: str, whose: Whose = Whose.THEIRS) -> None:
        super().__init__(words)
        self.kind = kind
        self.words = words
        self.whose = whose
