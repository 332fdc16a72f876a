"""Proves an edit by parsers that had no part in it.

What the new text must mean is worked out on the parsed values of the old text, not on the edits.
py-yaml12, which shares no code with libyaml, reads both; libyaml must accept the new text, too. Where
py-yaml12 can't read the old text, or the two may see its lines differently, PyYAML compares instead.
"""

from __future__ import annotations

import marshal
from typing import Any, NamedTuple

import yaml
import yaml12
from yaml._yaml import CParser

from reconciler.model import Key, Reason, Refused
from reconciler.source.yamledit import scalars
from reconciler.source.yamledit.edits import Assignment


class _Leaf(NamedTuple):
    """The value that a path is to end with."""

    value: Any


_ODD = "\x85\u2028\u2029\ufeff"  # line breaks, and blanks, to one of the parsers only

Meant = dict[Key, Any]  # values to be, or more of the same, by key


class _UnreadableError(Exception):
    """A parser refused the text."""


class _DiffersError(Exception):
    """The new text doesn't mean what it should: how."""


def proven(before: str, after: str, group: list[Assignment], *, careful: bool = False) -> Refused | None:
    """None when the one document `after` is `before` with exactly these assignments; else why not.

    `careful`: the text ends in a way that the two parsers read differently, so both have to agree.
    """
    try:
        CParser(after).raw_parse()
        readable = _compared_by_yaml12(before, after, group)
        odd = not before.isascii() and any(mark in before for mark in _ODD)
        if not readable or careful or odd:
            _compare(_by_pyyaml(before), _by_pyyaml(after), group)
    except yaml.YAMLError as error:
        return Refused(Reason.UNPROVEN, f"the new text is no valid YAML: {' '.join(str(error).split())}")
    except _UnreadableError as error:
        return Refused(Reason.UNPROVEN, f"no second parser can read it: {error}")
    except _DiffersError as error:
        return Refused(Reason.UNPROVEN, f"a second parser sees more or less than the new value: {error}")
    except RecursionError:
        return Refused(Reason.UNPROVEN, "it is nested too deeply to be compared")
    return None


def _compared_by_yaml12(before: str, after: str, group: list[Assignment]) -> bool:
    """False where it can't read the old text, so that another parser has to."""
    try:
        old = _by_yaml12(before)
    except _UnreadableError:
        return False
    _compare(old, _by_yaml12(after), group)
    return True


def _by_yaml12(text: str) -> Any:
    try:
        found = yaml12.parse_yaml(text, multi=True)
    except (ValueError, TypeError) as error:
        raise _UnreadableError(_first_line(error)) from error
    return _only(found)


def _by_pyyaml(text: str) -> Any:
    try:
        found = list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # e.g. a date that doesn't exist
        raise _UnreadableError(_first_line(error)) from error
    return _only(found)


def _only(found: list[Any]) -> Any:
    if len(found) != 1:
        raise _DiffersError(f"{len(found)} documents where one should be")
    return found[0]


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _compare(old: Any, new: Any, group: list[Assignment]) -> None:
    meant: Meant = {}
    for assignment in group:
        found = _value_at(new, assignment.keys)
        if assignment.inner:
            _compare_inside(_value_at(old, assignment.keys), found, group, assignment)
        elif not scalars.means(found, assignment.value, text=assignment.text):
            raise _DiffersError(f"{found!r} instead of {assignment.value!r}"[:300])
        below = meant
        for key in assignment.keys[:-1]:
            below = below.setdefault(key, {})
        below[assignment.keys[-1]] = _Leaf(found)
    wanted = _with(old, meant)
    if not _is(wanted, new):
        raise _DiffersError("another value has changed, too")


def _compare_inside(old: Any, new: Any, group: list[Assignment], one: Assignment) -> None:
    """The text of a literal block is YAML of its own; all assignments to it count at once."""
    if not isinstance(old, str) or not isinstance(new, str):
        raise _DiffersError("the block is no text")
    inside = [other._replace(keys=other.inner, inner=()) for other in group if other.keys == one.keys]
    if old != new and (refused := proven(old, new, inside, careful=not old.endswith("\n"))) is not None:
        raise _DiffersError(refused.detail)


def _value_at(value: Any, keys: tuple[Key, ...]) -> Any:
    for key in keys:
        if isinstance(value, dict):
            if key in value:
                value = value[key]
            else:
                value = value[_own_key(value, key)] if _has(value, key) else _merged(value, key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            raise _DiffersError(f"there is no `{key}`")
    return value


def _with(value: Any, meant: Meant) -> Any:
    """A value with others at the ends of some paths. What it shares with the old one stays untouched."""
    if isinstance(value, list):
        changed: Any = list(value)
    elif isinstance(value, dict) or value is None:
        changed = dict(value or {})
    else:
        raise _DiffersError("there is a single value where others should go")
    for key, below in meant.items():
        if isinstance(value, list):
            own: Any = key
            if not isinstance(key, int) or key >= len(value):
                raise _DiffersError(f"there is no item {key}")
        else:
            own = key if key in changed or not _has(changed, key) else _own_key(changed, key)
        if isinstance(below, _Leaf):
            changed[own] = below.value
        elif isinstance(value, list) or own in changed:
            changed[own] = _with(changed[own], below)
        else:
            changed[own] = _with(_merged(changed, key), below)
    return changed


def _has(value: dict[Any, Any], key: Key) -> bool:
    return key in value or any(not isinstance(own, str) and str(own) == key for own in value)


def _own_key(value: dict[Any, Any], key: Key) -> Any:
    """The key as the parser has it: `8080` may be a number there."""
    if key in value:
        return key
    return next(own for own in value if str(own) == key)


def _merged(value: dict[Any, Any], key: Key) -> Any:
    """What `<<` supplies, for the parser that leaves it as it stands."""
    return _flat(value).get(key)


def _flat(value: Any) -> Any:
    """A mapping with its merges and those of all mappings in it worked in, its own keys first."""
    if not isinstance(value, dict):
        return value
    flat = {key: _flat(own) for key, own in value.items() if key != "<<"}
    sources = value.get("<<")
    for source in sources if isinstance(sources, list) else [sources]:
        for key, own in _flat(source).items() if isinstance(source, dict) else ():
            flat.setdefault(key, own)
    return flat


def _is(one: Any, other: Any) -> bool:
    """Equal in value, type and order; `==` takes 1 for true. Version 2 of marshal has one form a value."""
    try:
        if marshal.dumps(one, 2) == marshal.dumps(other, 2):
            return True
    except ValueError:  # a tagged value or a date, which marshal doesn't know
        pass
    return _same(one, other)


def _same(one: Any, other: Any) -> bool:
    """Equal in value and type, whatever the order of keys."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(own, other[key]) for key, own in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return repr(one) == repr(other)
