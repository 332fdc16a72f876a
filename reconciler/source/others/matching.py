"""What Renovate's patterns match: `/expression/i`, globs, names, and `!` before each of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import re2  # type: ignore[import-untyped]

from reconciler.source import globs
from reconciler.source.typed import Table, texts

_LONGEST: Final = 2000
_MEMORY: Final = 1 << 20  # of one compiled expression
_MOST_FOUND: Final = 20_000
_WILD: Final = re.compile(r"[*?\[{\\]")
_LARGEST: Final = 4 << 20  # bytes of a file that expressions are tried on
_NAMES: Final = {
    "matchPackageNames": "",
    "matchDepNames": "",
    "matchPackagePatterns": "pattern",
    "matchDepPatterns": "pattern",
    "matchPackagePrefixes": "prefix",
    "matchDepPrefixes": "prefix",
}
_EXCLUDED: Final = {key.replace("match", "exclude"): how for key, how in _NAMES.items()}
_CATEGORIES: Final = {
    "kubernetes": ("kubernetes",),
    "helm-values": ("helm", "kubernetes"),
    "kustomize": ("kubernetes",),
    "argocd": ("kubernetes", "cd"),
    "flux": ("kubernetes", "cd"),
    "custom": ("custom",),
}


def file_matches(patterns: Sequence[str], path: str) -> bool:
    return any(_one(each, path) for each in patterns)


def is_matched(rule: Table, manager: str, path: str, names: Sequence[str]) -> bool | None:
    """Whether a rule is about an image; None when it asks for something that isn't known here."""
    unknown = False
    for key in rule:
        if key in _NAMES or key in _EXCLUDED or not key.startswith(("match", "exclude")):
            continue
        answer = _asks(key, rule, manager, path)
        if answer is False:
            return False
        unknown = unknown or answer is None
    if any(_named(rule, key, how, names) for key, how in _EXCLUDED.items() if key in rule):
        return False
    wanted = [(key, how) for key, how in _NAMES.items() if key in rule]
    if wanted and not any(_named(rule, key, how, names) for key, how in wanted):
        return False
    return None if unknown else True


def _asks(key: str, rule: Table, manager: str, path: str) -> bool | None:
    said = texts(rule[key])
    if key == "matchDatasources":
        return among(said, ("docker",))
    if key == "matchManagers":
        known = (manager, "custom.regex", "regex") if manager == "custom" else (manager,)
        return among(said, known)
    if key in ("matchFileNames", "matchPaths"):
        return among(said, (path,)) or (key == "matchPaths" and any(each in path for each in said))
    if key == "matchCategories":
        return bool(set(said) & set(_CATEGORIES[manager]))
    return None


def _named(rule: Table, key: str, how: str, names: Sequence[str]) -> bool:
    said = texts(rule[key])
    if how == "pattern":
        return any(each == "*" or _found(each, name) for each in said for name in names)
    if how == "prefix":
        return any(name.startswith(each) for each in said for name in names)
    return among(said, names)


def among(patterns: Sequence[str], names: Sequence[str]) -> bool:
    """One that fits, and none of those with `!` before it. With only such: whatever they don't name."""
    wanted = [each for each in patterns if not each.startswith("!")]
    unwanted = [each[1:] for each in patterns if each.startswith("!")]
    if any(_one(each, name) for each in unwanted for name in names):
        return False
    return any(_one(each, name) for each in wanted for name in names) if wanted else bool(unwanted)


def _one(pattern: str, name: str) -> bool:
    if pattern in ("*", name):
        return True
    head, _, flags = pattern.rpartition("/")
    if len(head) > 0 and pattern.startswith("/") and flags in ("", "i"):
        return _found(head[1:], name, flags == "i")
    if not _WILD.search(pattern):
        return pattern.lower() == name.lower()
    return _glob(pattern.lower())(name.lower())


@lru_cache(maxsize=1000)
def _glob(pattern: str) -> Callable[[str], bool]:
    return globs.doublestar(pattern[:_LONGEST])


def _found(expression: str, name: str, any_case: bool = False) -> bool:
    compiled = _compiled(expression, any_case)
    return compiled is not None and compiled.search(name) is not None


@lru_cache(maxsize=1000)
def _compiled(expression: str, any_case: bool = False) -> Any:
    """None for what is none. It is matched in time that grows with the text alone."""
    if len(expression) > _LONGEST:
        return None
    options = re2.Options()
    options.log_errors, options.max_mem, options.case_sensitive = False, _MEMORY, not any_case
    try:
        return re2.compile(expression.replace("(?<", "(?P<"), options)
    except re2.error:
        return None


def covered(expressions: Sequence[str], data: bytes | None, line: int) -> bool:
    """Whether one of the expressions finds something in a line (0: in any). What can't be tried may."""
    if data is None or len(data) > _LARGEST:
        return True
    found = [_lines(each, data) for each in expressions]
    return any(lines is None or line in lines or (not line and lines) for lines in found)


@lru_cache(maxsize=100)
def _lines(expression: str, data: bytes) -> frozenset[int] | None:
    """The lines of what an expression finds; None where that can't be known."""
    compiled = _compiled(expression)
    if compiled is None:
        return None
    text = data.decode("utf-8", "replace")
    lines: set[int] = set()
    line, counted = 1, 0
    for count, found in enumerate(compiled.finditer(text)):
        if count == _MOST_FOUND:
            return None
        line, counted = line + text.count("\n", counted, found.start()), found.start()
        last = line + text.count("\n", found.start(), found.end())
        lines.update(range(line, last + 1))
    return frozenset(lines)
