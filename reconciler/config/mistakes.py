"""What is wrong with a file, all of it at once, each with its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from reconciler.errors import Misconfigured


class Mistake(NamedTuple):
    path: str
    line: int  # 1-based; 0 when the whole file is meant
    column: int
    message: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        return f"{where}: {self.message}"


class BadFile(Misconfigured):
    """Settings or policies with mistakes in them. Its text has one line for each."""

    def __init__(self, what: str, mistakes: Iterable[Mistake], repository: str = "") -> None:
        self.mistakes = tuple(sorted(dict.fromkeys(mistakes)))
        first = self.mistakes[0]
        text = "\n".join(map(str, self.mistakes))
        super().__init__(what, text, repository=repository, path=first.path, line=first.line)

    def __str__(self) -> str:
        return self.failure.error


def nearest(word: str, known: Sequence[str]) -> str:
    """`; did you mean "x"?`, or else the words there are."""
    by_small = {one.lower(): one for one in known}
    small = word.lower()
    begun = [one for one in by_small if len(small) > 2 and one.startswith(small)]
    close = begun if len(begun) == 1 else get_close_matches(small, by_small, n=1)
    if close:
        return f'; did you mean "{by_small[close[0]]}"?'
    if not known:
        return ""
    return f"; known here: {', '.join(known)}"


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
            plain = "".join(char if char.isprintable() else "?" for char in value[:41])
            return f'"{plain[:40]}…"' if len(value) > 40 else f'"{plain}"'
        case dict():
            return "a mapping"
        case _:
            return "a list"
