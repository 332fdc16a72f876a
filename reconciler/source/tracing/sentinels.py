"""Values that can't be mistaken for any other, and look like what they replace.

Every one holds a number of five digits that no port, size or version has, so that it is found again
even where a template adds a unit or a prefix.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from reconciler.source.render import HelmRequest, Parameter
from reconciler.source.tracing import images
from reconciler.source.tracing.candidates import COUNT, CPU, DIGEST, IMAGE, TAG, Candidate
from reconciler.source.tracing.charts import Keys, parameter_keys, value_at

_FIRST: Final = 70_001  # above every port
_FIRST_LIMIT: Final = 80_001  # a limit is never below its request
_FIRST_COUNT: Final = 11  # some charts make an object for each replica
_DIGITS: Final = re.compile(r"[0-9]+")
_AMOUNT: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?([a-zA-Z]*)")
_NUMBERS: Final = re.compile(r"(v?[0-9]+\.[0-9]+)(?:\.[0-9]+)?(?![0-9.])")


class Sentinel(NamedTuple):
    """What is given at a candidate's path, and the text that it is known by."""

    candidate: Candidate
    value: Any
    text: str


class Seen(NamedTuple):
    """A sentinel in a field, and what the chart put around it."""

    candidate: Candidate
    before: str
    text: str
    after: str


class Sentinels:
    """Those of one render."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self.all: list[Sentinel] = []
        self._by_number: dict[str, Sentinel] = {}
        self._counts: dict[str, Sentinel] = {}
        requests, limits, counts = _FIRST, _FIRST_LIMIT, _FIRST_COUNT
        for one in candidates:
            if one.kind == COUNT:
                number, counts = counts, counts + 2
            elif one.limit:
                number, limits = limits, limits + 1
            else:
                number, requests = requests, requests + 1
            made = _made(one, number)
            self.all.append(made)
            (self._counts if one.kind == COUNT else self._by_number)[str(number)] = made

    def seen(self, text: str, kinds: tuple[str, ...]) -> tuple[Seen, ...]:
        """The sentinels in a text, in the order of `kinds`."""
        found: list[Seen] = []
        for digits in _DIGITS.findall(text):
            one = self._by_number.get(digits)
            if one is not None and one.candidate.kind in kinds and one.text in text:
                before, _, after = text.partition(one.text)
                found.append(Seen(one.candidate, before, one.text, after))
        return tuple(sorted(found, key=lambda each: kinds.index(each.candidate.kind)))

    def counted(self, text: str) -> Candidate | None:
        one = self._counts.get(text)
        return one.candidate if one else None

    def request(self, request: HelmRequest, values: dict[str, Any]) -> HelmRequest:
        """The request with every sentinel in its place, over everything that is set."""
        overlay: dict[str, Any] = {}
        parameters = list(request.parameters)
        owned = {parameter_keys(one.name): at for at, one in enumerate(parameters)}
        for one in self.all:
            at = owned.get(one.candidate.keys)
            if at is not None:
                parameters[at] = Parameter(parameters[at].name, str(one.value), parameters[at].as_text)
            else:
                _put(overlay, values, one.candidate.keys, one.value)
        return request._replace(
            chart=_unchecked(request.chart),
            values=(*request.values, json.dumps(overlay).encode()),
            parameters=tuple(parameters),
        )


def _unchecked(chart: Any) -> dict[str, bytes]:
    """Without schemas: they say what a user may set, and an edit is held to them when it is proven."""
    return {path: data for path, data in chart.items() if not path.endswith("values.schema.json")}


def _put(overlay: dict[str, Any], values: dict[str, Any], keys: Keys, new: Any) -> None:
    """Set a path. A list on the way is copied whole, because helm doesn't merge lists."""
    at: Any = overlay
    for depth, key in enumerate(keys[:-1]):
        if isinstance(at, dict):
            below = value_at(values, keys[: depth + 1])
            if key not in at or not isinstance(at[key], dict | list):
                at[key] = copy.deepcopy(below) if isinstance(below, list) else {}
            at = at[key]
        elif isinstance(at, list) and isinstance(key, int) and key < len(at):
            if not isinstance(at[key], dict | list):
                at[key] = {}
            at = at[key]
        else:
            return
    if isinstance(at, dict) or (isinstance(keys[-1], int) and keys[-1] < len(at)):
        at[keys[-1]] = new


def _made(one: Candidate, number: int) -> Sentinel:
    if one.kind == COUNT:
        return Sentinel(one, str(number) if isinstance(one.current, str) else number, str(number))
    if one.kind == TAG:
        text = _tag(str(one.current) if one.filled and one.current is not None else one.like, number)
        return Sentinel(one, text, text)
    if one.kind == IMAGE:
        name, tag, digest = images.parts(str(one.current) if one.current else one.like)
        text = f"{name}@{_digest(number)}" if digest and not tag else f"{name}:{_tag(tag, number)}"
        return Sentinel(one, text, text)
    if one.kind == DIGEST:
        return Sentinel(one, _digest(number), _digest(number))
    return _amount(one, number)


def _amount(one: Candidate, number: int) -> Sentinel:
    if isinstance(one.current, int):
        return Sentinel(one, number, str(number))
    if isinstance(one.current, float):
        return Sentinel(one, number + 0.5, f"{number}.5")
    unit = "m" if one.kind == CPU else "Mi"
    found = _AMOUNT.fullmatch(str(one.current)) if one.current is not None else None
    if found is not None and str(one.keys[-1]) not in ("cpu", "memory"):
        unit = found[1]  # a shape of the chart's own: it may add the unit itself
    return Sentinel(one, f"{number}{unit}", f"{number}{unit}")


def _tag(like: str, number: int) -> str:
    """A tag that still is the version that it was to whoever compares versions."""
    if "{{" in like or not like:
        return f"1.0.{number}"
    found = _NUMBERS.match(like)
    if found is not None:
        return f"{found[1]}.{number}{like[found.end() :]}"[:120]
    return f"{like[:100]}-{number}"


def _digest(number: int) -> str:
    return "sha256:" + f"{number}".ljust(63, "a") + "f"
