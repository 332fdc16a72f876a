"""Which mappings may find anything in a file, told from its path and its bytes alone.

Most files hold nothing of interest: they are searched for a few words, and never parsed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from reconciler.model import FieldMapping, PathStep
from reconciler.source import globs

_MAGIC: Final = re.compile(r"[*?\[][^\]]*\]?")
Ranked = tuple[int, FieldMapping]


class Sieve:
    def __init__(self, mappings: Sequence[FieldMapping]) -> None:
        self._by_word: dict[bytes, list[Ranked]] = {}
        self._always: list[Ranked] = []
        self._files = {rank: _matcher(each.files) for rank, each in enumerate(mappings) if each.files}
        for rank, each in enumerate(mappings):
            words = _words(each)
            for word in words:
                self._by_word.setdefault(word, []).append((rank, each))
            if not words:
                self._always.append((rank, each))

    def wanted(self, path: str, data: bytes) -> list[Ranked]:
        """The mappings that may find something, with their ranks. Wrong only in naming too many."""
        found = dict(self._always)
        for word, ranked in self._by_word.items():
            if word in data:
                found.update(ranked)
        return [
            (rank, each)
            for rank, each in sorted(found.items())
            if rank not in self._files or self._files[rank](path)
        ]


def _words(mapping: FieldMapping) -> list[bytes]:
    """Words of which a file must have one: those that are longest, and so the rarest."""
    choices = [
        [_longest(text) for text in wanted if text is not None]
        for _, wanted in mapping.when
        if None not in wanted
    ]
    if not mapping.adds:
        choices.append([max(map(_word, value.path), key=len) for value in mapping.values])
    choices.append([max(map(_word, mapping.each), key=len)] if mapping.each else [""])
    best = max(choices, key=lambda words: min((len(word) for word in words), default=0))
    return [word.encode() for word in best] if all(best) else []


def _word(step: PathStep) -> str:
    """What a document must hold for a step: a key; letters that JSON can write in another way end it."""
    return _longest(str(step.word), whole=True) if step.how == "key" else step.text


def _longest(text: str, *, whole: bool = False) -> str:
    """The longest piece of a pattern that stands there as it is."""
    pieces = [text] if whole else _MAGIC.split(text)
    return max((part for piece in pieces for part in re.split(r"[\"\\/]|[^ -~]", piece)), key=len)


def _matcher(patterns: Sequence[str]) -> globs.Match:
    """As in a .gitignore: a folder has everything below it, a name without a slash is found anywhere."""
    found = [match for pattern in patterns for match in _ways(pattern)]
    return lambda path: any(match(path) for match in found)


def _ways(pattern: str) -> list[globs.Match]:
    inner = pattern.strip("/")
    if "/" not in pattern.rstrip("/"):
        inner = f"**/{inner}"
    below = inner if inner.endswith("**") else f"{inner}/**"
    return [globs.doublestar(_plain(one)) for one in (inner, below)]


def _plain(pattern: str) -> str:
    """Braces and backslashes mean nothing in patterns of policies."""
    return re.sub(r"[{}\\]", "?", pattern)
