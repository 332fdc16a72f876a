"""What a jq expression finds in a value, as paths: of jq as much as people write to point at things.

Three outcomes: the paths; an error of jq's own, with which Argo CD finds nothing; and, where the expression
goes on in a way that isn't known here, the paths so far, for what follows can only lead further down.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from reconciler.source.jq.filters import Item, JqError, Path, Run, UnclearError
from reconciler.source.jq.reading import LONGEST, Parser

__all__ = ["Found", "Path", "find"]


class Found(NamedTuple):
    """A place in the value; not `certain`: something at it, or below."""

    path: Path
    certain: bool = True


def find(expression: str, value: Any) -> tuple[Found, ...]:
    """The places that `del(expression)` would take out of a value of plain dicts, lists and scalars."""
    run, items = Run(), [Item(value, ())]
    for source in _stages(expression):
        try:
            stage = Parser(source).whole()
            items = [found for item in items for found in stage(run, item)]
        except UnclearError:
            return tuple(Found((*(item.path or ()), *_beginning(source)), False) for item in items)
        except JqError:
            return ()
    if any(item.path is None for item in items):
        return ()  # jq calls it an invalid path expression
    return tuple(Found(item.path) for item in items if item.path is not None)


def _stages(expression: str) -> list[str]:
    """The parts between the pipes that stand in no brackets."""
    found, depth, start = [], 0, 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[\](){}|]', expression[:LONGEST], re.DOTALL):
        if token[0] in "[({":
            depth += 1
        elif token[0] in "])}":
            depth -= 1
        elif token[0] == "|" and depth == 0:
            found.append(expression[start : token.start()])
            start = token.end()
    return [*found, expression[start:]]


def _beginning(source: str) -> Path:
    """The plain keys with which a part begins, where all that it finds lies below them."""
    if "," in source or "//" in source:
        return ()
    found = re.match(r"\s*((?:\.[A-Za-z_]\w*)*)", source)
    return tuple(found[1].split(".")[1:]) if found and found[1] else ()
