"""jq's filters out of their text."""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from reconciler.source.jq.filters import (
    Filter,
    Item,
    UnclearError,
    all_items,
    at,
    between,
    constant,
    decided,
    each_of,
    everything,
    itself,
    key,
    of_two,
    otherwise,
    then,
    tried,
)
from reconciler.source.jq.functions import COMPARISONS, FUNCTIONS

LONGEST: Final = 2000
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<dots>\.\.)|(?P<field>\.[A-Za-z_]\w*)|(?P<text>\.?"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<word>[A-Za-z_]\w*)|(?P<sign>==|!=|<=|>=|//|[.\[\]():,;|<>?]))""",
    re.DOTALL,
)
_DEEPEST: Final = 40


class _Token(NamedTuple):
    kind: str
    text: str


class Parser:
    """Filters out of text. The weakest sign binds last: `|`, `,`, `//`, `or`, `and`, comparisons."""

    def __init__(self, source: str) -> None:
        self._tokens = _tokens(source)
        self._at = 0
        self._depth = 0

    def whole(self) -> Filter:
        found = self._pipe()
        if self._peek().kind:
            raise UnclearError
        return found

    def _peek(self) -> _Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else _Token("", "")

    def _is_next(self, text: str) -> bool:
        token = self._peek()
        if token.text != text or token.kind not in ("sign", "word"):
            return False
        self._at += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._is_next(text):
            raise UnclearError

    def _pipe(self) -> Filter:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UnclearError
        found = self._comma()
        while self._is_next("|"):
            found = then(found, self._comma())
        self._depth -= 1
        return found

    def _comma(self) -> Filter:
        found = [self._alternative()]
        while self._is_next(","):
            found.append(self._alternative())
        return found[0] if len(found) == 1 else each_of(found)

    def _alternative(self) -> Filter:
        found = self._either()
        return otherwise(found, self._alternative()) if self._is_next("//") else found

    def _either(self) -> Filter:
        found = self._both()
        while self._is_next("or"):
            found = decided(found, self._both(), by=True)
        return found

    def _both(self) -> Filter:
        found = self._comparison()
        while self._is_next("and"):
            found = decided(found, self._comparison(), by=False)
        return found

    def _comparison(self) -> Filter:
        found = self._chain()
        sign = self._peek()
        if sign.kind == "sign" and sign.text in COMPARISONS:
            self._at += 1
            return of_two(found, self._chain(), COMPARISONS[sign.text])
        return found

    def _chain(self) -> Filter:
        found = self._term()
        while True:
            token = self._peek()
            if token.kind == "field" or (token.kind == "text" and token.text[0] == "."):
                self._at += 1
                found = then(found, key(_named(token)))
            elif self._is_next("["):
                found = then(found, self._bracket())
            elif self._is_next("?"):
                found = tried(found)
            elif token.text == "." and self._after(1).text == "[":
                self._at += 1
            else:
                return found

    def _after(self, steps: int) -> _Token:
        there = self._at + steps
        return self._tokens[there] if there < len(self._tokens) else _Token("", "")

    def _term(self) -> Filter:
        token = self._peek()
        self._at += 1
        if token.kind == "dots":
            return everything
        if token.kind == "field" or (token.kind == "text" and token.text[0] == "."):
            return key(_named(token))
        if token.kind == "text":
            return constant(_read(token.text))
        if token.kind == "number":
            return constant(_number(token.text))
        if token.kind == "word":
            return self._call(token.text)
        if token.text == ".":
            return itself
        if token.text == "(":
            found = self._pipe()
            self._expect(")")
            return found
        if token.text == "[":
            return self._list()
        raise UnclearError

    def _list(self) -> Filter:
        if self._is_next("]"):
            return constant([])
        found = self._pipe()
        self._expect("]")
        return lambda run, item: iter([Item([each.value for each in found(run, item)], None)])

    def _bracket(self) -> Filter:
        """What stands in `[...]` behind something."""
        if self._is_next("]"):
            return all_items
        if self._is_next(":"):
            return self._slice(None)
        token = self._peek()
        self._at += 1
        if token.kind == "text":
            self._expect("]")
            return key(_read(token.text))
        if token.kind != "number" or "." in token.text:
            raise UnclearError
        if self._is_next(":"):
            return self._slice(int(token.text))
        self._expect("]")
        return at(int(token.text))

    def _slice(self, start: int | None) -> Filter:
        token, end = self._peek(), None
        if token.kind == "number" and "." not in token.text:
            self._at += 1
            end = int(token.text)
        self._expect("]")
        return between(start, end)

    def _call(self, name: str) -> Filter:
        given: list[Filter] = []
        if self._is_next("("):
            given.append(self._pipe())
            while self._is_next(";"):
                given.append(self._pipe())
            self._expect(")")
        known = FUNCTIONS.get((name, len(given)))
        if known is None:
            raise UnclearError
        return known(*given)


def _tokens(source: str) -> list[_Token]:
    found, here, end = [], 0, len(source.rstrip())
    if end > LONGEST:
        raise UnclearError
    while here < end:
        token = _TOKEN.match(source, here)
        if token is None or token.lastgroup is None:
            raise UnclearError
        found.append(_Token(token.lastgroup, token[token.lastgroup]))
        here = token.end()
    return found


def _named(token: _Token) -> str:
    return token.text[1:] if token.kind == "field" else _read(token.text[1:])


def _read(text: str) -> str:
    if "\\(" in text:
        raise UnclearError  # a text with an expression in it
    try:
        return str(json.loads(text))
    except ValueError:
        raise UnclearError from None


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)
