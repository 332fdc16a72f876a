"""Why a question has no answer, told so that whoever asked knows what to do next."""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

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


def shown(url: str) -> str:
    """An address as it may be said: without a password, and without what was asked."""
    try:
        parts = urlsplit(url)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    except ValueError:
        return "an address that can't be read"
    return printable(bare)[:200]


def printable(text: str) -> str:
    """One line without what a terminal would obey, or what turns text around."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
