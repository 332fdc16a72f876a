"""Whose files are: CODEOWNERS as GitHub and as GitLab read it.

Of all lines that match a file the last one counts, also where it names nobody. GitLab's file may have
sections; each has a last line of its own, and what those say adds up. Patterns are those of a
.gitignore, but for one thing: in GitLab's files only a leading `/` ties one to the root.

The file is anybody's text: lines that say nothing sensible are left out, and matching takes time in
proportion to the text, whatever the pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import re2  # type: ignore[import-untyped]

# The first that is there counts, as on the forge whose folder it names.
PLACES: Final = (".github/CODEOWNERS", ".gitlab/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
MOST_BYTES: Final = 3 << 20
MOST_REVIEWERS: Final = 5
_MOST_RULES: Final = 5_000
_MOST_PATTERN: Final = 512
_SECTION: Final = re.compile(r"\^?\[([^\]]{1,200})\](?:\[[0-9]{1,3}\])?(?:\s+(.*))?")
_OWNER: Final = re.compile(r"@([A-Za-z0-9_][A-Za-z0-9._-]{0,99}(?:/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){0,9})")
_WORD: Final = re.compile(r"(?:\\.|[^\s\\])+")


class _Rule(NamedTuple):
    literal: str  # in every path that matches: looked for first, as that is a hundred times as fast
    expression: Callable[[str], object]
    owners: tuple[str, ...]
    exempts: bool = False  # `!pattern`: nobody of this section

    def matches(self, path: str) -> bool:
        return self.literal in path and self.expression(path) is not None


class CodeOwners(NamedTuple):
    """The rules of each section, the last line first."""

    sections: tuple[tuple[_Rule, ...], ...] = ()

    def of(self, path: str) -> tuple[str, ...]:
        """Names of users, and of teams as `organisation/team`, in the order of the file."""
        found: dict[str, None] = {}
        for rules in self.sections:
            fits = [rule for rule in rules if rule.literal in path]
            if any(rule.exempts and rule.matches(path) for rule in fits):
                continue
            last = next((rule for rule in fits if not rule.exempts and rule.matches(path)), None)
            found |= dict.fromkeys(last.owners if last is not None else ())
        return tuple(found)


def code_owners(read: Callable[[str], bytes | None]) -> CodeOwners:
    """The owners of a repository, whose files `read` reads."""
    for place in PLACES:
        data = read(place)
        if data is not None:
            return parse(data, gitlab=place.startswith(".gitlab/"))
    return CodeOwners()


def parse(data: bytes, *, gitlab: bool = False) -> CodeOwners:
    """`gitlab`: known to be GitLab's; a file with sections is, too."""
    if len(data) > MOST_BYTES:
        return CodeOwners()
    text = data.decode("utf-8", "replace").replace("\0", "")
    lines = [line.strip() for line in text.split("\n")]
    gitlab = gitlab or any(_is_section(line) for line in lines)
    sections: dict[str, list[_Rule]] = {"": []}
    name, default = "", tuple[str, ...]()
    count = 0
    for line in lines:
        if not line or line.startswith("#") or count >= _MOST_RULES:
            continue
        header = _SECTION.fullmatch(line) if gitlab else None
        if header is not None:
            name, default = header[1].strip().lower(), _owners(_words(header[2] or ""))
            sections.setdefault(name, [])
            continue
        rule = _rule(_words(line), default, gitlab)
        if rule is not None:
            sections[name].append(rule)
            count += 1
    return CodeOwners(tuple(tuple(reversed(rules)) for rules in sections.values() if rules))


def _is_section(line: str) -> bool:
    """`[abc]` may also begin a pattern of a .gitignore, which GitHub doesn't know, either."""
    return _SECTION.fullmatch(line) is not None


def _words(line: str) -> list[str]:
    """Up to a comment. A blank of a path is written `\\ `."""
    found = []
    for word in _WORD.findall(line):
        if word.startswith("#"):
            break
        found.append(word)
    return found


def _owners(words: Iterable[str]) -> tuple[str, ...]:
    """E-mail addresses and roles (`@@maintainer`) are nobody whom a forge can be told to ask."""
    found = (_OWNER.fullmatch(word) for word in words)
    return tuple(dict.fromkeys(each[1] for each in found if each is not None))


def _rule(words: Sequence[str], default: tuple[str, ...], gitlab: bool) -> _Rule | None:
    pattern = words[0] if words else ""
    exempts = pattern.startswith("!")
    if not pattern or len(pattern) > _MOST_PATTERN or (exempts and not gitlab):
        return None
    found = _matcher(pattern[1:] if exempts else pattern, gitlab)
    if found is None:
        return None
    # a line that names nobody: on GitHub nobody's, in a section of GitLab's those of its head
    return _Rule(*found, _owners(words[1:]) if len(words) > 1 else default, exempts)


def _matcher(pattern: str, gitlab: bool) -> tuple[str, Callable[[str], object]] | None:
    """The longest text that a path must have, and what matches it as a whole."""
    text = re.sub(r"\\(.)", lambda found: f"\0{ord(found[1]):x};", pattern)
    anchored = text.startswith("/") or (not gitlab and "/" in text.rstrip("/"))
    text = text.removeprefix("/")
    folder = text.endswith("/")
    text = text.rstrip("/")
    if not text:
        return None
    head = "" if anchored else "(?:.*/)?"
    # what is below a folder of that name belongs to it, but for `folder/*`: that ends there
    below = "/.*" if folder else "" if text.endswith("/*") else "(?:/.*)?"
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        compiled: Any = re2.compile(f"(?s){head}{_expression(text)}{below}", options)
    except re2.error:
        return None
    return _literal(text), compiled.fullmatch


_TOKEN: Final = re.compile(r"\0([0-9a-f]+);|/\*\*/|\*\*/|/\*\*|\*+|\?|.", re.DOTALL)


def _expression(text: str) -> str:
    parts = []
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "/**/":
                parts.append("/(?:.*/)?")
            case "**/":
                parts.append("(?:.*/)?")
            case "/**":
                parts.append("/.*")
            case "?":
                parts.append("[^/]")
            case word if word.startswith("*"):
                parts.append("[^/]*" if len(word) == 1 else ".*")
            case word:
                parts.append(re2.escape(chr(int(token[1], 16)) if token[1] else word))
    return "".join(parts)


def _literal(text: str) -> str:
    runs = [""]
    for token in _TOKEN.finditer(text):
        if token[1]:
            runs[-1] += chr(int(token[1], 16))
        elif len(token[0]) == 1 and token[0] not in "*?":
            runs[-1] += token[0]
        else:
            runs.append("")
    return max(runs, key=len)


def reviewers(names: Iterable[str], me: str, most: int = MOST_REVIEWERS) -> tuple[str, ...]:
    """Each once, and never whoever opens the request: nobody reviews their own."""
    own = me.lower().removesuffix("[bot]")
    found = dict.fromkeys(name for name in names if name.lower().removesuffix("[bot]") != own)
    return tuple(found)[:most]
