"""What is wrong with a file, all of it at once, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple

from reconciler.errors import Misconfigured

_MOST_TOLD: Final = 40
_MOST_KNOWN: Final = 20
_LONGEST: Final = 40  # characters of a file that a message repeats

# Beginnings that the tokens and hashes of well-known programs have, and what else only a machine writes.
_TOKEN: Final = re.compile(
    r"(?:gh[a-z]_|github_pat_|gl[a-z]{2,8}-|xox[a-z]-|AKIA|eyJ|-----BEGIN|[0-9a-f]{32})|\$[0-9a-z]{1,3}\$|://[^/\s]*:[^/\s]*@"
)
_WORDLESS: Final = re.compile(r"(?=.*[0-9])(?=.*[a-z])(?=.*[A-Z])[A-Za-z0-9+/=_~-]{20,}")


class Mistake(NamedTuple):
    path: str
    line: int  # 1-based; 0 when the whole file is meant
    column: int
    message: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        return f"{where}: {self.message}"


class BadFile(Misconfigured):
    """Settings or policies with mistakes in them. Its text has one line for each.

    The row of its report has the place of the first, so only the others' stand in the error.
    """

    def __init__(self, what: str, mistakes: Iterable[Mistake], repository: str = "") -> None:
        self.mistakes = tuple(sorted(dict.fromkeys(mistakes)))
        first = self.mistakes[0]
        text = "\n".join([first.message, *self._after_first()])
        super().__init__(what, text, repository=repository, path=first.path, line=first.line)

    def __str__(self) -> str:
        return "\n".join([str(self.mistakes[0]), *self._after_first()])

    def _after_first(self) -> list[str]:
        lines = [str(one) for one in self.mistakes[1:_MOST_TOLD]]
        more = len(self.mistakes) - _MOST_TOLD
        return [*lines, f"and {more} more"] if more > 0 else lines


def nearest(word: str, known: Sequence[str]) -> str:
    """`; did you mean "x"?`, or else the words there are."""
    by_small = {one.lower(): one for one in known}
    small = word.lower()
    begun = [one for one in by_small if len(small) > 2 and one.startswith(small)]
    close = begun if len(begun) == 1 else get_close_matches(small, by_small, n=1)
    if close:
        return f'; did you mean "{by_small[close[0]]}"?'
    words = list(dict.fromkeys(filter(None, known)))
    if not words:
        return ""
    more = f" and {len(words) - _MOST_KNOWN} more" if len(words) > _MOST_KNOWN else ""
    return f"; known here: {', '.join(words[:_MOST_KNOWN])}{more}"


def shown(value: object) -> str:
    """A found value, short and on one line."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int():
            return f"the number {value}"
        case str():
            return "something that looks like a secret" if _secret(value) else f'"{clipped(value)}"'
        case dict():
            return "a mapping"
        case _:
            return "a list"


def clipped(text: str) -> str:
    """Words of a file as a message may repeat them: few, and printable."""
    plain = "".join(char if char.isprintable() else "?" for char in text[:_LONGEST])
    return f"{plain}…" if len(text) > _LONGEST else plain


def _secret(text: str) -> bool:
    return _TOKEN.search(text) is not None or _WORDLESS.fullmatch(text) is not None
