"""What a policy says about the tags of an image, checked once before any tag is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, NamedTuple

import re2  # type: ignore[import-untyped]

from reconciler.images.semver import BadRangeError, Range, version_range


class Strategy(StrEnum):
    AUTO = "auto"  # what the current tag looks like
    SEMVER = "semver"
    CALVER = "calver"
    NUMERICAL = "numerical"
    ALPHABETICAL = "alphabetical"
    NEWEST = "newest"  # by the time it was made
    DIGEST = "digest"  # of a tag that moves


class Order(StrEnum):
    ASCENDING = "asc"  # the highest is the newest
    DESCENDING = "desc"


class Level(StrEnum):
    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"


# What Argo CD Image Updater and Flux call them.
ALIASES: Final[Mapping[str, Strategy]] = {
    "newest-build": Strategy.NEWEST,
    "latest": Strategy.NEWEST,
    "name": Strategy.ALPHABETICAL,
}
STRATEGIES: Final = (*(each.value for each in Strategy), *ALIASES)
_LONGEST_PATTERN: Final = 1000
_MEMORY: Final = 1 << 20  # of one compiled pattern


class BadRuleError(ValueError):
    """What the policy says of this image means nothing; the words say what and why."""


class ImageRule(NamedTuple):
    """As it is written. `compiled` checks it."""

    strategy: Strategy = Strategy.AUTO
    range: str | None = None
    filter: str | None = None
    extract: str | None = None
    order: Order = Order.ASCENDING
    level: Level = Level.MAJOR
    pre_releases: bool = False


def strategy(text: str) -> Strategy:
    """By its own name, or the one it has elsewhere."""
    if text in ALIASES:
        return ALIASES[text]
    try:
        return Strategy(text)
    except ValueError:
        raise BadRuleError(f"{text!r} is no strategy; known are {', '.join(STRATEGIES)}") from None


class Compiled:
    """A rule that can be asked about tags."""

    def __init__(self, rule: ImageRule) -> None:
        self.rule = rule
        self._pattern = _pattern(rule.filter) if rule.filter is not None else None
        self._template = _template(rule, self._pattern)
        if rule.range is not None and rule.strategy is not Strategy.SEMVER:
            raise BadRuleError(f"a range is for strategy semver, and this one is {rule.strategy}")
        _ = self.range

    @cached_property
    def range(self) -> Range | None:
        if self.rule.range is None:
            return None
        if not self.rule.range.strip():
            raise BadRuleError("the range is empty; '*' means every stable version")
        try:
            return version_range(self.rule.range)
        except BadRangeError as bad:
            raise BadRuleError(str(bad)) from bad

    def passes(self, tag: str) -> str | None:
        """The text that counts of it: all, or what is extracted. None when the filter leaves it out."""
        if self._pattern is None:
            return tag
        found = self._pattern.search(tag)
        if found is None:
            return None
        return tag if self._template is None else _expanded(self._template, found)


def _pattern(text: str) -> Any:
    """Matched in time that grows with the tag alone: no pattern can hang a run."""
    if len(text) > _LONGEST_PATTERN:
        raise BadRuleError(f"the filter has {len(text)} characters; {_LONGEST_PATTERN} are the most")
    options = re2.Options()
    options.log_errors, options.max_mem = False, _MEMORY
    try:
        return re2.compile(text, options)
    except re2.error as bad:
        raise BadRuleError(f"the filter {text!r} is no regular expression (RE2): {_words(bad)}") from bad


def _words(bad: Exception) -> str:
    said = bad.args[0] if bad.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


_Template = tuple[str | int, ...]
_NAME_END: Final = "0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _template(rule: ImageRule, pattern: Any) -> _Template | None:
    """`$1`, `$name`, `${name}`, and `$$` for a dollar, as Go has it: a name goes as far as it can."""
    if rule.extract is None:
        return None
    if pattern is None:
        raise BadRuleError("extract takes from what a filter matches, and there is no filter")
    parts: list[str | int] = []
    rest = rule.extract
    while rest:
        text, dollar, rest = rest.partition("$")
        parts += [text] if text else []
        if not dollar:
            break
        if rest.startswith("$"):
            parts, rest = [*parts, "$"], rest[1:]
            continue
        name, rest = _name(rest, rule.extract)
        parts.append(_group(name, pattern, rule.extract))
    return tuple(parts)


def _name(rest: str, whole: str) -> tuple[str, str]:
    if rest.startswith("{"):
        name, closed, rest = rest[1:].partition("}")
        if not closed:
            raise BadRuleError(f"extract {whole!r} has a {{ that is never closed")
        return name, rest
    size = next((at for at, char in enumerate(rest) if char not in _NAME_END), len(rest))
    return rest[:size], rest[size:]


def _group(name: str, pattern: Any, whole: str) -> int:
    if name.isdigit() and int(name) <= pattern.groups:
        return int(name)
    if name in pattern.groupindex:
        return int(pattern.groupindex[name])
    raise BadRuleError(f"extract {whole!r} takes ${name}, and the filter has no such group")


def _expanded(template: _Template, found: Any) -> str:
    return "".join(part if isinstance(part, str) else (found.group(part) or "") for part in template)
