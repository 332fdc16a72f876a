"""YAML read as plain data together with the place of each key and value.

Made for files of strangers too: bounded in size, depth and number of values, no tags, no
floats. A number with a point stays the text it is, so `1.30` doesn't become 1.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import yaml

from reconciler.config.mistakes import BadFile, Mistake, clipped

LARGEST: Final = 1 << 20  # bytes
_MOST_VALUES: Final = 20_000
_DEEPEST: Final = 32

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_FLAGS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")

Loc = tuple[str | int, ...]


class Spot(NamedTuple):
    line: int
    column: int


class Document(NamedTuple):
    data: object
    keys: dict[Loc, Spot]  # where a key is written
    values: dict[Loc, Spot]  # where its value begins
    twice: tuple[Mistake, ...] = ()  # keys that are written twice

    def spot(self, loc: Sequence[object], *, key: bool = False) -> Spot:
        """The place of that value or key, or of the nearest one around it that is written."""
        parts = tuple(part for part in loc if isinstance(part, str | int))
        for length in range(len(parts), -1, -1):
            for places in (self.keys, self.values) if key else (self.values, self.keys):
                if parts[:length] in places:
                    return places[parts[:length]]
        return Spot(1, 1)


def read_documents(raw: bytes, path: str, what: str) -> tuple[Document, ...]:
    """All documents of a file that are not empty; a BadFile when it can't be read."""
    reader = _Reader(path, what)
    text = reader.decoded(raw)
    try:
        return tuple(reader.documents(yaml.parse(text, Loader=yaml.CSafeLoader)))
    except yaml.YAMLError as error:
        raise reader.broken(error) from None


def _spot_of(event: yaml.Event) -> Spot:
    mark = event.start_mark
    return Spot(mark.line + 1, mark.column + 1) if mark else Spot(1, 1)


class _Reader:
    """One pass over the events of a file."""

    def __init__(self, path: str, what: str) -> None:
        self._path, self._what = path, what
        self._count = 0
        self._keys: dict[Loc, Spot] = {}
        self._values: dict[Loc, Spot] = {}
        self._anchors: dict[str, tuple[object, int]] = {}
        self._twice: list[Mistake] = []

    def bad(self, spot: Spot, message: str) -> BadFile:
        return BadFile(self._what, [Mistake(self._path, spot.line, spot.column, message)])

    def decoded(self, raw: bytes) -> str:
        if len(raw) > LARGEST:
            raise self.bad(Spot(0, 0), f"it is larger than {LARGEST >> 20} MiB, so it is not read")
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            column = error.start - raw.rfind(b"\n", 0, error.start)
            raise self.bad(Spot(line, column), "it is not UTF-8 text: save it as UTF-8") from None

    def broken(self, error: yaml.YAMLError) -> BadFile:
        mark = getattr(error, "problem_mark", None)
        spot = Spot(mark.line + 1, mark.column + 1) if mark else Spot(0, 0)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it can't be read"
        return self.bad(spot, f"broken YAML: {problem}")

    def documents(self, events: Iterator[yaml.Event]) -> Iterator[Document]:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._keys, self._values, self._anchors, self._twice = {}, {}, {}, []
                data = self._value(next(events), events, ())
                if data is not None:
                    yield Document(data, self._keys, self._values, tuple(self._twice))

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], loc: Loc) -> object:
        spot = _spot_of(event)
        self._values[loc] = spot
        before = self._count
        self._counted(1, spot)
        if len(loc) > _DEEPEST:
            raise self.bad(spot, f"it is nested deeper than {_DEEPEST} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor or "", spot)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        data = self._fresh(event, events, loc, spot)
        if event.anchor:
            self._anchors[event.anchor] = (data, self._count - before)
        return data

    def _fresh(
        self,
        event: yaml.ScalarEvent | yaml.CollectionStartEvent,
        events: Iterator[yaml.Event],
        loc: Loc,
        spot: Spot,
    ) -> object:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, spot)
        if event.tag and event.tag not in ("!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise self.bad(spot, "YAML tags have no meaning here: remove it")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, loc)
        items: list[object] = []
        for one in events:
            if isinstance(one, yaml.SequenceEndEvent):
                break
            items.append(self._value(one, events, (*loc, len(items))))
        return items

    def _mapping(self, events: Iterator[yaml.Event], loc: Loc) -> dict[str, object]:
        found: dict[str, object] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            spot = _spot_of(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise self.bad(spot, "a key must be a plain word")
            key = event.value
            if key in found:
                first = self._keys[(*loc, key)].line
                message = f'the key "{clipped(key)}" is already on line {first}: remove one of the two'
                self._twice.append(Mistake(self._path, spot.line, spot.column, message))
            self._keys[(*loc, key)] = spot
            found[key] = self._value(next(events), events, (*loc, key))
        return found

    def _alias(self, name: str, spot: Spot) -> object:
        if name not in self._anchors:
            raise self.bad(spot, f'the alias "*{clipped(name)}" names nothing that is complete before it')
        data, size = self._anchors[name]
        self._counted(size, spot)
        return data

    def _counted(self, more: int, spot: Spot) -> None:
        self._count += more
        if self._count > _MOST_VALUES:
            raise self.bad(spot, f"it has more than {_MOST_VALUES} values, counting what aliases repeat")

    def _scalar(self, event: yaml.ScalarEvent, spot: Spot) -> object:
        text = event.value
        if event.tag and event.tag not in ("!", "tag:yaml.org,2002:str"):
            raise self.bad(spot, "YAML tags have no meaning here: remove it, or quote the value")
        if event.style or event.tag:
            return str(text)
        if text in _NULLS:
            return None
        if text in _FLAGS:
            return _FLAGS[text]
        return int(text) if _INTEGER.fullmatch(text) else str(text)
