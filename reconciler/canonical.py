"""Records as canonical JSON and back: the form that is hashed, stored and replayed.

One record has exactly one text: keys sorted, no spaces, UTF-8. So equal facts have equal
hashes on every machine, and `load` gives back a record equal to the one that was dumped.
"""

from __future__ import annotations

import hashlib
import json
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any, Final, TypeVar

R = TypeVar("R")

# Fields that came later stand in the text only where they say something: what is as it was before
# them has the text, and the hash, that it had.
_LATER: Final = frozenset(
    {
        "accelerators",
        "aims",
        "fewest",
        "most",
        "advises_replicas",
        "band_adapts",
        "beside",
        "busy_hours",
        "cpu_decayed",
        "elsewhere",
        "extras",
        "fixed_heap",
        "forgotten",
        "gates",
        "half_life_days",
        "image",
        "images",
        "images_said",
        "image_requests",
        "together",
        "known_days",
        "last_year",
        "limit_percent",
        "limit_ranges",
        "lower_limit",
        "missing_limit",
        "most_restarts",
        "node",
        "own",
        "peer",
        "peers",
        "percentage_heap",
        "planned",
        "pod_level",
        "raise_extra_percent",
        "recent_days",
        "price",
        "qos_class",
        "quiet_days",
        "quotas",
        "raise_only",
        "restart_days",
        "runtime",
        "scaled_on",
        "siblings",
        "smallest_savings",
        "stale_after",
        "stated",
        "targets",
        "twins",
        "weekend",
        "whole",
        "worth",
    }
)


def plain(value: Any) -> Any:
    """The record as dictionaries, lists, strings, integers, booleans and None."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int):
        return value
    if hasattr(value, "_fields"):
        kind: Any = type(value)
        silent = _silent(kind)
        return {
            name: plain(item)
            for name, item in zip(value._fields, value, strict=True)
            if name not in silent or item != silent[name]
        }
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if value and type(value[0]) is int and {*map(type, value)} == {int}:
            return list(value)  # the buckets of sketches: most of all evidence, and plain already
        return [plain(item) for item in value]
    raise TypeError(f"a record can't hold {type(value).__name__}")


def dump(value: Any) -> str:
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """The SHA-256 of the canonical text, in hex."""
    return hashlib.sha256(dump(value).encode("utf-8", "surrogatepass")).hexdigest()


def load(kind: type[R], value: Any) -> R:
    """The record of that kind that `plain` made `value` of; ValueError when it is none."""
    return typing.cast(R, _load(kind, value))


def _load(kind: Any, value: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _load_union(typing.get_args(kind), value)
    if origin is tuple:
        return _load_tuple(typing.get_args(kind), value)
    if hasattr(kind, "_fields"):
        return _load_record(kind, value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is type(None):
        if value is not None:
            raise ValueError(f"expected null, found {value!r}")
        return None
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise ValueError(f"expected {getattr(kind, '__name__', kind)}, found {type(value).__name__}")


def _load_union(kinds: tuple[Any, ...], value: Any) -> Any:
    for kind in kinds:
        if hasattr(kind, "_fields") and not _has_fields_of(kind, value):
            continue
        try:
            return _load(kind, value)
        except ValueError:
            continue
    raise ValueError(f"{type(value).__name__} fits none of the kinds expected here")


def _load_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f"expected a list, found {type(value).__name__}")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_load(kinds[0], item) for item in value)
    return tuple(_load(kind, item) for kind, item in zip(kinds, value, strict=True))


def _load_record(kind: Any, value: Any) -> Any:
    if not isinstance(value, dict) or set(value) - set(kind._fields):
        raise ValueError(f"not a {kind.__name__}")
    hints = _hints(kind)
    missing = set(kind._fields) - set(value) - set(kind._field_defaults)
    if missing:
        raise ValueError(f"a {kind.__name__} without {', '.join(sorted(missing))}")
    return kind(**{name: _load(hints[name], item) for name, item in value.items()})


def _has_fields_of(kind: Any, value: Any) -> bool:
    return isinstance(value, dict) and (
        set(kind._fields) - set(kind._field_defaults) <= set(value) <= set(kind._fields)
    )


@cache
def _silent(kind: Any) -> Mapping[str, Any]:
    """Of each field that may be left out the value that says nothing."""
    return {name: value for name, value in kind._field_defaults.items() if name in _LATER}


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)
