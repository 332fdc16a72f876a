"""JSON as people write it into configuration: with comments, trailing commas, and keys without quotes."""

from __future__ import annotations

import re
from typing import Final

from reconciler.source.typed import Value

_MOST: Final = 1 << 20  # characters
_DEEPEST: Final = 100
_SKIPPED: Final = re.compile(r"(?:[\s\ufeff]+|//[^\n\r\u2028\u2029]*|/\*(?:[^*]|\*(?!/))*\*/)*")
_NAME: Final = re.compile(r"[^\W\d][\w$]*|[$_][\w$]*")
_WORD: Final = re.compile(r"[-+.\w]+")
_PLAIN: Final = re.compile(r"[^\\\"'\n\r]*")
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "0": "\0"}
_WORDS: Final = {"true": True, "false": False, "null": None}


class BadJson5Error(ValueError):
    """The words say what is wrong, and in which line."""


def read(source: str) -> Value:
    """What a text says."""
    if len(source) > _MOST:
        raise BadJson5Error(f"it has more than {_MOST} characters")
    reader = _Reader(source)
    found = reader.value(0)
    reader.skip()
    if reader.at < len(source):
        raise reader.bad("something stands behind its end")
    return found


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0

    def bad(self, words: str) -> BadJson5Error:
        return BadJson5Error(f"line {self.source.count(chr(10), 0, self.at) + 1}: {words}")

    def skip(self) -> str:
        """The next character that means something; "" at the end."""
        found = _SKIPPED.match(self.source, self.at)
        self.at = found.end() if found else self.at
        return self.source[self.at : self.at + 1]

    def value(self, depth: int) -> Value:
        if depth > _DEEPEST:
            raise self.bad(f"it is nested deeper than {_DEEPEST} levels")
        first = self.skip()
        if first == "{":
            return self._table(depth)
        if first == "[":
            return self._list(depth)
        if first in ("'", '"') and first:
            return self._text(first)
        return self._word()

    def _table(self, depth: int) -> Value:
        found: dict[str, Value] = {}
        self.at += 1
        while self.skip() != "}":
            key = self._key()
            if self.skip() != ":":
                raise self.bad("a colon is missing behind a key")
            self.at += 1
            found[key] = self.value(depth + 1)
            self._comma("}")
        self.at += 1
        return found

    def _list(self, depth: int) -> Value:
        found: list[Value] = []
        self.at += 1
        while self.skip() != "]":
            found.append(self.value(depth + 1))
            self._comma("]")
        self.at += 1
        return found

    def _comma(self, end: str) -> None:
        follows = self.skip()
        if follows == ",":
            self.at += 1
        elif follows != end:
            raise self.bad(f"a comma or {end} is missing")

    def _key(self) -> str:
        first = self.skip()
        if first in ("'", '"') and first:
            return self._text(first)
        found = _NAME.match(self.source, self.at)
        if found is None:
            raise self.bad("a key is missing")
        self.at = found.end()
        return found[0]

    def _text(self, quote: str) -> str:
        parts: list[str] = []
        self.at += 1
        while True:
            plain = _PLAIN.match(self.source, self.at)
            parts.append(plain[0] if plain else "")
            self.at = plain.end() if plain else self.at
            char = self.source[self.at : self.at + 1]
            if char == quote:
                self.at += 1
                return _whole("".join(parts))
            if char in ("", "\n", "\r"):
                raise self.bad("a text isn't closed")
            self.at += 1
            parts.append(self._escaped() if char == "\\" else char)

    def _escaped(self) -> str:
        char = self.source[self.at : self.at + 1]
        self.at += 1
        if char in ("\r", "\n", "\u2028", "\u2029"):  # the text goes on in the next line
            self.at += char == "\r" and self.source[self.at : self.at + 1] == "\n"
            return ""
        size = {"x": 2, "u": 4}.get(char)
        if size is None:
            return _ESCAPES.get(char, char)
        digits = self.source[self.at : self.at + size]
        if not re.fullmatch(rf"[0-9a-fA-F]{{{size}}}", digits):
            raise self.bad(f"\\{char} wants {size} digits")
        self.at += size
        return chr(int(digits, 16))

    def _word(self) -> Value:
        found = _WORD.match(self.source, self.at)
        if found is None:
            raise self.bad("a value is missing")
        word = found[0]
        self.at = found.end()
        if word in _WORDS:
            return _WORDS[word]
        try:
            return _number(word)
        except ValueError:
            raise self.bad(f"{word[:40]} is no value") from None


def _whole(text: str) -> str:
    """With pairs of surrogates as the one letter that they mean, and a half of one as no letter."""
    if not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _number(word: str) -> Value:
    if len(word) > 40 or not word.isascii() or "_" in word:
        raise ValueError
    bare = word.lstrip("+-")
    if bare[:2].lower() == "0x":
        return int(bare, 16)
    return int(word) if bare.isdigit() else float(word)
