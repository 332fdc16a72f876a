"""What templates read: value paths that no file of values mentions.

Found by patterns, not by a parser: a path too many costs nothing (its sentinel comes out nowhere),
and one that is missed leaves a field untraced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from reconciler.source.tracing.charts import Chart, Keys, value_at

_LONGEST: Final = 400_000  # characters of one template; more is data, not a template
_MOST: Final = 3_000

_GROUPED: Final = re.compile(r"\(\s*([\w$.]*\.Values(?:\.\w+)*)\s*\)(?=\.)")
_CHAIN: Final = re.compile(r"\.Values((?:\.[A-Za-z_]\w*)+)")
_INDEX: Final = re.compile(
    r"\bindex\s+\(?\s*[\w$.]*\.Values((?:\.\w+)*)\s*\)?((?:\s+\"[^\"\n]+\")+)((?:\.\w+)*)"
)
_INDEXED: Final = re.compile(
    r"\(\s*index\s+\(?\s*[\w$.]*\.Values((?:\.\w+)*)\s*\)?((?:\s+\"[^\"\n]+\")+)\s*\)((?:\.\w+)+)"
)
_DIG: Final = re.compile(r"\bdig((?:\s+\"[^\"\n]+\")+)[^{}\n|]*?\.Values((?:\.\w+)*)")
_GET: Final = re.compile(r"\bget\s+\(?\s*[\w$.]*\.Values((?:\.\w+)*)\s*\)?\s+\"([^\"\n]+)\"")
_RELATIVE: Final = re.compile(r"(?<![\w)\]])(?:\$\w*)?((?:\.[A-Za-z_]\w*)+)")
_QUOTED: Final = re.compile(r"\"([^\"\n]+)\"")
_ANY: Final = re.compile(
    r"\b(?:(?:index|get)\b[^{}\n\"]{0,200}\.Values\s+[$.(]|(?:pick|range)\b[^{}\n\"]{0,200}\.Values(?![\w.]))"
)
_EITHER: Final = re.compile(
    r"\{\{[^{}\n]{0,300}\b(default|or|coalesce|merge\w*|mustMerge\w*)\b[^{}\n]{0,300}\}\}"
)
_RESOURCES: Final = re.compile(r"[\w$]*(?:\.\w+)*\.\w*[rR]esources\b")
_BUILT_IN: Final = frozenset(("Values", "Chart", "Release", "Capabilities", "Files", "Template", "Subcharts"))


def read_paths(tree: Iterable[Chart]) -> tuple[Keys, ...]:
    """Every path below `.Values` that a template names, in the values of the whole."""
    found: dict[Keys, None] = {}
    for chart in tree:
        for text in chart.templates:
            for path in _paths(_flat(text)):
                if path and len(found) < _MOST:
                    found[path if path[0] == "global" else (*chart.prefix, *path)] = None
    return tuple(found)


def relative_paths(tree: Iterable[Chart]) -> tuple[Keys, ...]:
    """Chains such as `.resources` or `$worker.image.tag`, within whatever `with` or `range` mean."""
    found: dict[Keys, None] = {}
    for chart in tree:
        for text in () if chart.library else chart.templates:
            for chain in _RELATIVE.findall(text[:_LONGEST]):
                path = _split(chain)
                if path[0] not in _BUILT_IN and len(path) <= 5 and len(found) < _MOST:
                    found[path] = None
    return tuple(found)


def holders(paths: Iterable[Keys], values: dict[str, Any]) -> Iterator[Keys]:
    """Mappings that templates name, and the mappings in them: what `with` and `range` go through."""
    seen: set[Keys] = set()
    for path in paths:
        value = value_at(values, path)
        items: list[tuple[Any, Any]] = []
        if isinstance(value, dict):
            items = [(path, value), *(((*path, key), below) for key, below in value.items())]
        elif isinstance(value, list):
            items = [((*path, at), below) for at, below in enumerate(value)]
        for keys, below in items:
            if isinstance(below, dict) and keys not in seen:
                seen.add(keys)
                yield keys


def reads_any(chart: Chart) -> bool:
    """Whether templates take values by names that only rendering knows: `index .Values $name`."""
    return any(_ANY.search(text[:_LONGEST]) for text in chart.templates)


class Fallback(NamedTuple):
    """`toYaml (.hiding | default .Values.taken)`; what hides may be known by the end of its path alone."""

    hiding: Keys
    taken: Keys


def fallbacks(tree: Iterable[Chart]) -> tuple[Fallback, ...]:
    """Where the templates take other `resources` as long as a container's own are empty."""
    found: dict[Fallback, None] = {}
    for chart in tree:
        for text in chart.templates:
            for action in _EITHER.finditer(_flat(text)) if "esources" in text else ():
                if action[0].count("esources") < 2:
                    continue
                refs = [(one.start(), one[0]) for one in _RESOURCES.finditer(action[0])]
                behind = action.start(1) - action.start()
                last = next((ref for at, ref in refs if at > behind), "")
                if action[1] != "default":  # the first that holds something wins
                    last = refs[-1][1] if refs else ""
                if ".Values." not in last:
                    continue
                taken = _absolute(chart, last)
                others = {_absolute(chart, ref) for _, ref in refs} - {taken}
                found.update(dict.fromkeys(Fallback(other, taken) for other in others))
    return tuple(found)


def _absolute(chart: Chart, ref: str) -> Keys:
    _, values, path = ref.rpartition(".Values.")
    if not values:
        return _split(ref[ref.find(".") :])
    keys = _split(path)
    return keys if keys[0] == "global" else (*chart.prefix, *keys)


def _flat(text: str) -> str:
    """`((.Values.a).b).c` as `.Values.a.b.c`."""
    text = text[:_LONGEST]
    for _ in range(4):
        text, changed = _GROUPED.subn(r"\1", text)
        if not changed:
            break
    return text


def _paths(text: str) -> Iterator[Keys]:
    for chain in _CHAIN.findall(text):
        yield _split(chain)
    for pattern in (_INDEX, _INDEXED):
        for chain, words, rest in pattern.findall(text):
            yield (*_split(chain), *_QUOTED.findall(words), *_split(rest))
    for words, chain in _DIG.findall(text):
        keys = _QUOTED.findall(words)
        yield (*_split(chain), *keys)
        yield (*_split(chain), *keys[:-1])  # the last may have been what to take instead
    for chain, word in _GET.findall(text):
        yield (*_split(chain), word)


def _split(chain: str) -> Keys:
    return tuple(chain.strip(".").split(".")) if chain else ()
