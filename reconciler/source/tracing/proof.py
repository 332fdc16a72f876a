"""Compares two renders by what they mean, and holds the difference against what was meant.

Every difference is somebody's: intended, a verbatim copy of an image's tag (and checksums of what
holds one), noise that two plain renders show as well, or an effect that nobody asked for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from reconciler.model import ContainerRef, Field
from reconciler.quantity import BadQuantity, parse_cpu, parse_memory
from reconciler.source.tracing import images
from reconciler.source.tracing.rendered import Identity, Object, Path, Render, labelled, numbered, objects_of
from reconciler.source.yamledit.values import Plain, is_null, read_part, resolved

_DEEPEST: Final = 250
_CHECKSUM: Final = re.compile(r"[0-9a-f]{32,128}")
_CHECKSUM_KEY: Final = re.compile(r"(?i).*(checksum|hash|sha|digest).*")


class Spot(NamedTuple):
    """Where two renders differ: an object as it was called before, and the way into it."""

    identity: Identity
    path: Path

    def __str__(self) -> str:
        return f"{self.identity}: {readable(self.path)}" if self.path else str(self.identity)


class Difference(NamedTuple):
    """Old and new; None where there is none."""

    old: Any
    new: Any


class Intent(NamedTuple):
    """One field of one container (or a number that belongs to none), and the text that it is to have."""

    ref: ContainerRef | None
    field: Field | None
    spot: Spot
    old: str | None
    new: str


class Copy(NamedTuple):
    """A verbatim copy of an image's tag, or a checksum of one, that followed: the two texts alone."""

    spot: Spot
    old: str
    new: str


class Verdict(NamedTuple):
    """What an edit did. It is proven when nothing is `missing` and nothing is `beyond`."""

    done: tuple[Intent, ...]
    missing: tuple[Intent, ...]
    copies: tuple[Copy, ...]
    beyond: tuple[tuple[Spot, Difference], ...]


Differences = dict[Spot, Difference]


def differences(before: Render, after: Render) -> Differences:
    """Everything that differs. Documents of equal text are not even read."""
    common = Counter(before.parts) & Counter(after.parts)
    old, new = _rest(before, common), _rest(after, common)
    found: Differences = {}
    for identity, one, other in _pairs(old, new):
        if one is None or other is None:
            found[Spot(identity, ())] = Difference(one, other)
        else:
            for path, difference in _walk(one, other, (), 0):
                found[Spot(identity, path)] = difference
    return found


def judge(found: Differences, intents: tuple[Intent, ...], noise: frozenset[Spot]) -> Verdict:
    left = {spot: one for spot, one in found.items() if spot not in noise}
    done, missing = [], []
    for intent in intents:
        difference = left.get(intent.spot)
        reached = intent.old if difference is None else difference.new
        if isinstance(reached, str) and same_value(intent.field, str(reached), intent.new):
            left.pop(intent.spot, None)
            done.append(intent)
        else:
            missing.append(intent)
    copies = _copies(left, intents)
    for copy in copies:
        del left[copy.spot]
    return Verdict(tuple(done), tuple(missing), copies, tuple(left.items()))


def same_value(field: Field | None, one: str, other: str) -> bool:
    if one == other or field is None or field is Field.IMAGE:
        return one == other
    return _same_amount(field.resource, one, other)


def readable(path: Path) -> str:
    text = ""
    for key in path:
        text += key if key.startswith("[") or not text else f".{key}"
    return text


# -- pairing objects ------------------------------------------------------------------------------


def _rest(render: Render, common: Counter[str]) -> dict[Identity, Any]:
    """The objects of documents that the other render doesn't have letter by letter."""
    left = Counter(common)
    found: list[Object] = []
    for text in render.parts:
        if left[text] > 0:
            left[text] -= 1
            continue
        part = read_part(text)
        objects = list(objects_of(part))
        if part.error or (not objects and not is_null(part.value)):
            # nothing that could be compared, so that any change of its text counts
            found.append(Object(Identity("", "an unreadable document", "", ""), {"text": text}))
        found.extend(objects)
    return {each.identity: each.value for each in numbered(found)}


def _pairs(old: dict[Identity, Any], new: dict[Identity, Any]) -> Iterator[tuple[Identity, Any, Any]]:
    """Objects by name; those left over by kind and order, for a name may itself be random."""
    lost = [identity for identity in old if identity not in new]
    came = [identity for identity in new if identity not in old]
    for identity in old:
        if identity in new:
            yield identity, old[identity], new[identity]
    for identity in lost:
        heir = next(
            (one for one in came if (one.version, one.kind) == (identity.version, identity.kind)), None
        )
        if heir is not None:
            came.remove(heir)
        yield identity, old[identity], new[heir] if heir is not None else None
    for identity in came:
        yield identity, None, new[identity]


def _walk(old: Any, new: Any, path: Path, depth: int) -> Iterator[tuple[Path, Difference]]:
    if depth > _DEEPEST:
        yield path, Difference(old, new)
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _below(old.get(key), new.get(key), key in old, key in new, (*path, key), depth)
    elif isinstance(old, list) and isinstance(new, list):
        ones, others = dict(labelled(old)), dict(labelled(new))
        if list(ones) != list(others):
            if ones.keys() == others.keys() or ones.keys().isdisjoint(others.keys()):
                yield path, Difference(old, new)
                return
            shared = [label for label in ones if label in others]
            if shared != [label for label in others if label in ones]:
                yield path, Difference(old, new)
                return
        for label in [*ones, *(label for label in others if label not in ones)]:
            yield from _below(
                ones.get(label), others.get(label), label in ones, label in others, (*path, label), depth
            )
    elif not _equal(old, new, path):
        yield path, Difference(old, new)


def _below(
    old: Any, new: Any, in_old: bool, in_new: bool, path: Path, depth: int
) -> Iterator[tuple[Path, Difference]]:
    """A key that one side may lack: `resources` that isn't there is one that sets nothing."""
    if (in_old and in_new) or _of_resources(path):
        yield from _walk(_filled(old, path), _filled(new, path), path, depth + 1)
    elif in_old != in_new:
        yield path, Difference(old, new)


def _of_resources(path: Path) -> bool:
    return path[-1] == "resources" or path[-2:-1] == ("resources",) or path[-3:-2] == ("resources",)


def _filled(value: Any, path: Path) -> Any:
    """`resources`, `requests` and `limits` that are empty or null are mappings with nothing in them."""
    mapping = path[-1] == "resources" or (
        path[-2:-1] == ("resources",) and path[-1] in ("requests", "limits")
    )
    return {} if mapping and is_null(value) else value


def _equal(old: Any, new: Any, path: Path) -> bool:
    if type(old) is type(new):
        if old == new:
            return True
    elif isinstance(old, str) and isinstance(new, str):
        ones = [_meaning(one) for one in (old, new)]
        if type(ones[0]) is type(ones[1]) and ones[0] == ones[1]:
            return True
    amounts = path[-3:-2] == ("resources",) and isinstance(old, str) and isinstance(new, str)
    return amounts and _same_amount(path[-1], str(old), str(new))


def _meaning(text: str) -> Any:
    found = resolved(text) if isinstance(text, Plain) else text
    return str(found) if isinstance(found, str) else found


def _same_amount(resource: str, one: str, other: str) -> bool:
    parse = parse_cpu if resource == "cpu" else parse_memory
    try:
        return parse(one) == parse(other)
    except BadQuantity:
        return False


# -- copies of a tag ------------------------------------------------------------------------------


def _copies(left: Differences, intents: tuple[Intent, ...]) -> tuple[Copy, ...]:
    """Differences that are the old tag's text made the new one's, and checksums beside them."""
    swaps = [swap for intent in intents if intent.field is Field.IMAGE for swap in _swaps(intent)]
    if not swaps:
        return ()
    found = [
        Copy(spot, *swap)
        for spot, one in left.items()
        if isinstance(one.old, str)
        and isinstance(one.new, str)
        and (swap := _copied(one.old, one.new, swaps)) is not None
    ]
    if any(copy.spot.identity.kind in ("ConfigMap", "Secret") for copy in found):
        found += [
            Copy(spot, str(one.old), str(one.new)) for spot, one in left.items() if _is_checksum(spot, one)
        ]
    return tuple(found)


def _swaps(intent: Intent) -> Iterator[tuple[str, str]]:
    old, new = images.parts(intent.old or ""), images.parts(intent.new)
    yield intent.old or "", intent.new
    for one, other in zip(old[1:], new[1:], strict=True):
        if one and other and one != other:
            yield one, other
    if old[1] and new[1] and old[1] != new[1]:  # a version that is the tag without what follows it
        numbers = [re.match(r"v?([0-9]+(?:\.[0-9]+)+)", tag) for tag in (old[1], new[1])]
        if numbers[0] and numbers[1] and numbers[0][1] != numbers[1][1]:
            yield numbers[0][1], numbers[1][1]


def _copied(old: str, new: str, swaps: list[tuple[str, str]]) -> tuple[str, str] | None:
    """The two tags of which one text has the new one wherever the other has the old one."""
    for one, other in swaps:
        pattern = rf"(?<![0-9A-Za-z.]){re.escape(one)}(?![0-9A-Za-z])"
        if (len(one) > 1 or (one and old == one)) and other.join(re.split(pattern, old)) == new:
            return one, other
    return None


def _is_checksum(spot: Spot, one: Difference) -> bool:
    if not isinstance(one.old, str) or not isinstance(one.new, str) or len(spot.path) < 2:
        return False
    alike = len(one.old) == len(one.new) and _CHECKSUM.fullmatch(one.old) and _CHECKSUM.fullmatch(one.new)
    return bool(alike) and "annotations" in spot.path and _CHECKSUM_KEY.fullmatch(spot.path[-1]) is not None
