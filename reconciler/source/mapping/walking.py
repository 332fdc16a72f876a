"""Paths of a mapping through a document, its aliases followed as a loader would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from reconciler.model import Key, PathStep
from reconciler.source.mapping.traced import Fact
from reconciler.source.objects import word
from reconciler.source.view import TooMuchError, View, is_null
from reconciler.source.yamledit import Node, Scalar, Sequence

_MOST: Final = 5_000  # parts of one document; a real one has a few


class Hit(NamedTuple):
    """A part of a document that `each` leads to."""

    node: Node | None
    keys: tuple[Key, ...]
    names: tuple[tuple[str, str], ...] = ()
    facts: tuple[Fact, ...] = ()


class Way(NamedTuple):
    """Where a path to one value ends. `lacks`: a list has no such item, so nothing can be added there."""

    keys: tuple[Key, ...]
    facts: tuple[Fact, ...]
    node: Node | None
    lacks: str = ""


def hits(view: View, start: Hit, steps: tuple[PathStep, ...]) -> Iterator[Hit]:
    """Every part that is there."""
    for count, found in enumerate(_hits(view, start, steps)):
        if count == _MOST:
            raise TooMuchError(f"more than {_MOST} parts of it are meant")
        yield found


def _hits(view: View, at: Hit, steps: tuple[PathStep, ...]) -> Iterator[Hit]:
    if not steps:
        yield at
        return
    for below in _below(view, at, steps[0]):
        yield from _hits(view, below, steps[1:])


def _below(view: View, at: Hit, step: PathStep) -> Iterator[Hit]:
    if step.how in ("key", "any-key"):
        entries = view.entries(at.node)
        wanted = entries if step.how == "any-key" else [str(step.word)]
        for key in wanted:
            if key in entries:
                yield at._replace(
                    node=view.followed(entries[key]), keys=(*at.keys, key), names=_named(at, step, key)
                )
        return
    found = view.followed(at.node)
    for position, item in enumerate(found.items if isinstance(found, Sequence) else ()):
        if step.how == "item" and position != step.word:
            continue
        text = word(view.get(item, step.by)) if step.by else str(position)
        if not text or (step.text and text != step.text):
            continue
        keys = (*at.keys, position)
        facts: tuple[Fact, ...] = (((*keys, step.by), text),) if step.by else ()
        yield Hit(view.followed(item), keys, _named(at, step, text), (*at.facts, *facts))


def _named(at: Hit, step: PathStep, text: str) -> tuple[tuple[str, str], ...]:
    return (*at.names, (step.name, text)) if step.name else at.names


def way(view: View, start: Hit, steps: tuple[PathStep, ...]) -> Way:
    """Where the one value of a path is, or would be."""
    at = start._replace(facts=())
    for depth, step in enumerate(steps):
        below = next(_below(view, at, step), None)
        if below is not None:
            at = below
            continue
        rest = steps[depth:]
        if all(one.how == "key" for one in rest):
            return Way((*at.keys, *(one.word for one in rest)), at.facts, None)
        named = steps[depth - 1 :] if depth and step.how != "key" else rest
        return Way(at.keys, at.facts, at.node, _selector(named))
    return Way(at.keys, at.facts, at.node)


def _selector(steps: tuple[PathStep, ...]) -> str:
    """`containers[name=app]`"""
    text = ""
    for step in steps:
        if step.how == "key":
            text += f".{step.word}"
        else:
            text += f"[{step.by}={step.text}]" if step.by else f"[{step.word}]"
            break
    return text.removeprefix(".")


def text_at(view: View, start: Hit, steps: tuple[PathStep, ...]) -> tuple[str | None, tuple[Fact, ...]]:
    """The text that a path leads to, and what to look for again; "" for what is there and is no text."""
    found = way(view, start, steps)
    if found.lacks or found.node is None or is_null(found.node):
        return None, (*found.facts, *(() if found.lacks else ((found.keys, None),)))
    if not isinstance(found.node, Scalar):
        return "", found.facts
    return found.node.value, (*found.facts, (found.keys, found.node.value))
