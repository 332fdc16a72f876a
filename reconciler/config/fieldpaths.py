"""Paths and templates of `fields:` as they are written, read into steps.

A path is `spec.pools[name={pool}].cpu`, also with `["any key"]`, `[0]` and, where many may be meant,
`*` and `[*]`. A template is text with `{metadata.name}` in it. Read here once, with the place of the
mistake at hand; whoever walks through documents never sees the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from reconciler.model import Key, PathStep, Reference, Template

_LONGEST: Final = 512
_MOST_STEPS: Final = 32
_WORD: Final = r"[A-Za-z0-9_$@-]+"
_NAME: Final = r"[A-Za-z][A-Za-z0-9_]*"
_STEP: Final = re.compile(
    rf"(?P<any>\*)|\{{(?P<key_name>{_NAME})\}}|(?P<key>{_WORD})"
    rf"|\[(?:(?P<at>[0-9]{{1,6}})|(?P<any_item>\*)|\{{(?P<item_name>{_NAME})\}}"
    r"|\"(?P<double>[^\"\\\x00-\x1f]{1,256})\"|'(?P<single>[^'\\\x00-\x1f]{1,256})'"
    rf"|(?P<by>{_WORD})=(?:\{{(?P<by_name>{_NAME})\}}|(?P<by_any>\*)|(?P<text>[^\]\[{{}}*\x00-\x1f]{{1,253}})))\]"
)
_HOLES: Final = re.compile(r"\{([^{}]*)\}")


class WrittenPath(NamedTuple):
    steps: tuple[PathStep, ...]
    relative: bool  # begins with `.`: where `each` led

    @property
    def is_many(self) -> bool:
        """Whether it can lead to more than one value."""
        return any(step.how == "any-key" or (step.how == "any-item" and not step.text) for step in self.steps)

    @property
    def names(self) -> Iterator[str]:
        return (step.name for step in self.steps if step.name)


def path(text: str) -> WrittenPath:
    """The steps of a path; ValueError when it is none."""
    if not isinstance(text, str) or not text or len(text) > _LONGEST:
        raise ValueError("expected a path like spec.resources.requests.cpu")
    relative = text.startswith(".")
    steps: list[PathStep] = []
    at = 1 if relative else 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None or (steps and text[at - 1] != "." and not found[0].startswith("[")):
            raise ValueError(
                f"expected a path like spec.pools[name=web].cpu: it can't be read from position {at + 1}; a "
                'key with other characters is written ["like/this"]'
            )
        steps.append(_step(found))
        at = found.end()
        if text[at : at + 1] == ".":
            at += 1
            if at == len(text) or text[at] == "[":
                raise ValueError("expected a path like spec.resources: after a '.' there is a key")
    if not steps or len(steps) > _MOST_STEPS:
        raise ValueError(f"expected a path of at most {_MOST_STEPS} steps")
    return WrittenPath(tuple(steps), relative)


def _step(found: re.Match[str]) -> PathStep:
    key = found["key"] or found["double"] or found["single"]
    if key:
        return PathStep("key", key)
    if found["at"]:
        return PathStep("item", int(found["at"]))
    if found["any"] or found["key_name"]:
        return PathStep("any-key", name=found["key_name"] or "")
    name = found["item_name"] or found["by_name"] or ""
    return PathStep("any-item", by=found["by"] or "", text=found["text"] or "", name=name)


def template(text: str, names: frozenset[str]) -> Template:
    """A text with holes for what the document says; `names` are those that `each` gives."""
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise ValueError("expected text like {metadata.name}-kafka")
    parts: list[str | Reference] = []
    done = 0
    for hole in _HOLES.finditer(text):
        parts += [text[done : hole.start()], _reference(hole[1], names)]
        done = hole.end()
    parts.append(text[done:])
    if any(isinstance(part, str) and re.search(r"[{}\x00-\x1f]", part) for part in parts):
        raise ValueError("expected text like {metadata.name}-kafka: a brace has no partner")
    return tuple(part for part in parts if part)


def _reference(text: str, names: frozenset[str]) -> Reference:
    if text in names:
        return Reference(text)
    found = path(text)
    if found.is_many:
        raise ValueError(f"{{{text}}} can mean more than one text: name it in `each`, as in [name={{x}}]")
    return Reference("", found.steps, found.relative)


def container(text: str, names: frozenset[str]) -> tuple[Template, ...]:
    """NAMESPACE/KIND/NAME/CONTAINER; without a namespace it is the document's own."""
    parts = _split(text)
    if len(parts) == 3:
        parts = ["{metadata.namespace}", *parts]
    if len(parts) != 4 or not all(parts):
        raise ValueError("expected [NAMESPACE/]KIND/NAME/CONTAINER, like Deployment/{metadata.name}/app")
    if not re.match(r"[A-Z{]", parts[1]):
        raise ValueError(f"expected a KIND with a capital letter, like Deployment, where {parts[1]!r} stands")
    return tuple(template(part, names) for part in parts)


def _split(text: str) -> list[str]:
    """At every slash that is not within braces."""
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise ValueError("expected [NAMESPACE/]KIND/NAME/CONTAINER")
    parts, depth = [""], 0
    for letter in text:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "/" and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def below(steps: tuple[PathStep, ...], *keys: Key) -> tuple[PathStep, ...]:
    return (*steps, *(PathStep("key", key) for key in keys))
