"""YAML as plain values, for what is only looked at: never edited, never trusted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
import yaml12

_ANCHOR: Final = re.compile(r"(?:^|[\s,\[{])&\S", re.MULTILINE)
_MOST_NODES: Final = 200_000

Keys = tuple[str, ...]


class UnreadableError(Exception):
    """The text is no YAML that can be read; the message is one line."""


def documents(data: bytes) -> list[Any]:
    """All documents. Aliases are shared, not copied, so that a few lines can't become gigabytes."""
    try:
        text = data.decode("utf-8-sig")
        if not _ANCHOR.search(text):
            return list(yaml12.parse_yaml(text, multi=True))
        return list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    except (ValueError, TypeError, OverflowError, RecursionError, yaml.YAMLError) as error:
        raise UnreadableError(" ".join(str(error).split())[:200]) from error


def leaves(value: Any) -> Iterator[tuple[Keys, str]]:
    """Every scalar with the mapping keys that lead to it; list positions are left out.

    Each shared node is visited once, and there is an end to it.
    """
    seen: set[int] = set()
    open_: list[tuple[Keys, Any]] = [((), value)]
    budget = _MOST_NODES
    while open_ and budget:
        keys, node = open_.pop()
        budget -= 1
        if isinstance(node, (dict, list)):
            if id(node) in seen:
                continue
            seen.add(id(node))
            inner = node.items() if isinstance(node, dict) else (("", entry) for entry in node)
            open_.extend(((*keys, str(key)) if key != "" else keys, entry) for key, entry in inner)
        elif node is not None:
            yield keys, str(node)


def mapping(value: Any) -> dict[str, Any]:
    """The value when it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def entries(value: Any) -> list[Any]:
    """The value when it is a list, else an empty one."""
    return value if isinstance(value, list) else []
