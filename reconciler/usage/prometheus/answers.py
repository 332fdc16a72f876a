"""Answers of a metrics server as arrays.

Nearly all of an answer is numbers, and they are read in bulk. The rest, with the numbers taken out
and a placeholder in each list's stead, is read as the JSON that it is. So labels may hold anything:
a quote within a label is escaped, so `"values":[[` is never a part of one.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reconciler.usage.prometheus import numbers
from reconciler.usage.prometheus.unanswered import Kind, UnansweredError, printable
from reconciler.usage.sketch import Ints

Floats = NDArray[np.float64]

_BEGIN: Final = b'"values":[['
_END: Final = b'"]]'
_KEY: Final = b'"values":'
# As objects of Python an answer takes twenty times its size.
_MOST_OBJECTS: Final = 16 << 20
_MOST_REASONS: Final = 200
# Warnings that take nothing away from an answer: on the query, and from Thanos that no store has
# anything of that time.
_REMARKS: Final = ("PromQL info:", "No StoreAPIs matched for this query")
_CHUNK: Final = 1 << 20


class Matrix(NamedTuple):
    """Of a question over a range of time."""

    labels: tuple[Mapping[str, str], ...]  # one a series, without __name__
    offsets: Ints  # series i has the points offsets[i]:offsets[i + 1]
    times: Ints  # Unix seconds
    values: Floats  # NaN stays NaN


class Vector(NamedTuple):
    """Of a question about one moment."""

    labels: tuple[Mapping[str, str], ...]
    times: Ints  # of each sample
    values: Floats


class Said(NamedTuple):
    """What an answer says of itself."""

    partial: str = ""  # why it is no whole answer
    samples: int = 0  # that the server looked at, when it says so


def matrix(body: bytes) -> tuple[Matrix, Said]:
    """The answer to a range query. Raises UnansweredError for anything that is not one."""
    try:
        return _bulk(body) or _by_json(body)
    except (ValueError, RecursionError):
        raise _broken(_what_instead(body)) from None


def vector(body: bytes) -> tuple[Vector, Said]:
    """The answer to an instant query. Raises UnansweredError for anything that is not one."""
    try:
        answer = _loaded(body)
        result, said = _result(answer, "vector")
        labels = tuple(_labels(entry) for entry in result)
        points = [_point(_kept(entry, "value")) for entry in result]
    except (ValueError, RecursionError):
        raise _broken(_what_instead(body)) from None
    _all_different(result)
    times = np.array([math.floor(time) for time, _ in points], np.int64)
    return Vector(labels, times, np.array([value for _, value in points], np.float64)), said


_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}


def retention(body: bytes) -> int | None:
    """The seconds of `storageRetention`, such as 15d or 1w2d; None for what isn't a time."""
    try:
        found = json.loads(body)["data"]["storageRetention"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    if not isinstance(found, str) or not re.fullmatch(r"(\d{1,6}[smhdwy])+", found):
        return None
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(.)", found))


def scalar(body: bytes) -> float:
    """The one number of an answer, be it a scalar or the only sample of a vector."""
    try:
        data = _data(_loaded(body))
        if data.get("resultType") == "scalar":
            return _point(data.get("result"))[1]
    except (ValueError, RecursionError):
        raise _broken(_what_instead(body)) from None
    found, _ = vector(body)
    if len(found.values) != 1:
        raise _broken("the answer is not one number")
    return float(found.values[0])


# -- in bulk ---------------------------------------------------------------------------------------


def _bulk(body: bytes) -> tuple[Matrix, Said] | None:
    """None where the answer is not written in the usual way, though it may be one."""
    rests, lists = _apart(body)
    if not lists:
        return None
    frame = bytearray(rests[0])
    mark = secrets.randbits(60)  # so that nobody else's number is taken for a placeholder
    for index, rest in enumerate(rests[1:], mark):
        frame += b"%s%d" % (_KEY, index) + rest
    try:
        result, said = _result(_loaded(bytes(frame)), "matrix")
    except (ValueError, RecursionError):
        return None
    places = [entry.get("values") for entry in result]
    placed = [one for one in places if one != []]
    if placed != list(range(mark, mark + len(lists))) or not all(type(one) is int for one in placed):
        return None
    read = list(_read(lists))
    if None in read:
        return None
    counts = np.concatenate([part.counts for part in read if part])
    sizes = np.zeros(len(result), np.int64)
    sizes[[index for index, one in enumerate(places) if one != []]] = counts
    labels = tuple(_labels(entry) for entry in result)
    times = np.concatenate([part.times for part in read if part])
    values = np.concatenate([part.values for part in read if part])
    return _checked(result, Matrix(labels, _offsets(sizes), times, values)), said


def _apart(body: bytes) -> tuple[list[bytes], list[bytes]]:
    """What is between the lists of numbers, and those lists, without their outer brackets."""
    rests, lists = [], []
    done = 0
    while (begin := body.find(_BEGIN, done)) >= 0:
        first = begin + len(_BEGIN) - 1
        end = body.find(_END, first)
        if end < 0:
            break
        rests.append(body[done:begin])
        lists.append(body[first : end + 2])
        done = end + len(_END)
    rests.append(body[done:])
    return rests, lists


def _read(lists: Sequence[bytes]) -> Iterator[numbers.Points | None]:
    """A MiB at a time, so that what is made on the way stays small, and near the processor."""
    waiting: list[bytes] = []
    size = 0
    for one in lists:
        waiting.append(one)
        size += len(one)
        if size >= _CHUNK:
            yield numbers.points(waiting)
            waiting, size = [], 0
    if waiting:
        yield numbers.points(waiting)


# -- by JSON ---------------------------------------------------------------------------------------


def _by_json(body: bytes) -> tuple[Matrix, Said]:
    answer = _loaded(body)
    result, said = _result(answer, "matrix")
    lists = [_kept(entry, "values") for entry in result]
    if not all(isinstance(each, list) for each in lists):
        raise ValueError
    points = [_point(point) for each in lists for point in each]
    exact = np.array([time for time, _ in points], np.float64)
    values = np.array([value for _, value in points], np.float64)
    offsets = _offsets(np.array([len(each) for each in lists], np.int64))
    labels = tuple(_labels(entry) for entry in result)
    _in_order(offsets, exact)
    times = np.floor(exact).astype(np.int64)
    return _checked(result, Matrix(labels, offsets, times, values), ordered=True), said


def _loaded(text: bytes) -> object:
    if len(text) > _MOST_OBJECTS:
        raise UnansweredError(Kind.TOO_MUCH, "the answer is too large for the way it is written")
    return json.loads(text.decode("utf-8"))


def _data(answer: object) -> dict[str, Any]:
    if not isinstance(answer, dict) or answer.get("status") != "success":
        raise ValueError
    data = answer.get("data")
    if not isinstance(data, dict):
        raise ValueError
    return data


def _result(answer: object, kind: str) -> tuple[list[dict[str, Any]], Said]:
    data = _data(answer)
    result = _kept(data, "result")
    if result is None and data.get("resultType") == kind:
        result = []  # Go writes an empty list as null
    if data.get("resultType") != kind or not isinstance(result, list):
        raise ValueError
    for entry in result:
        if not isinstance(entry, dict):
            raise ValueError
        if entry.get("histogram") or entry.get("histograms"):
            raise _broken("the answer holds histograms, where numbers were asked for")
    assert isinstance(answer, dict)
    return result, Said(_partial(answer), _samples(data))


def _partial(answer: Mapping[str, object]) -> str:
    """What the server says against its own answer. Remarks on the query are nothing against it."""
    if answer.get("isPartial") not in (None, False):
        return "it says that its answer is partial"
    warnings = answer.get("warnings") or []
    if not isinstance(warnings, list):
        raise ValueError
    found = [str(one) for one in warnings if not str(one).startswith(_REMARKS)]
    return printable(found[0][:4096])[:_MOST_REASONS] or "it warns" if found else ""


def _samples(data: Mapping[str, object]) -> int:
    found: object = data
    for key in ("stats", "samples", "totalQueryableSamples"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0


def _kept(entry: Mapping[str, Any], key: str) -> Any:
    if key not in entry:
        raise ValueError
    return entry[key]


def _point(point: object) -> tuple[float, float]:
    """`[1700000000.123, "0.5"]`"""
    if not isinstance(point, list) or len(point) != 2:
        raise ValueError
    time, value = point
    if isinstance(time, bool) or not isinstance(time, int | float) or not abs(time) < 1e12:
        raise ValueError
    if not isinstance(value, str):
        raise ValueError
    return time, numbers.number(value)


def _labels(entry: Mapping[str, Any]) -> Mapping[str, str]:
    found = entry.get("metric")
    if not isinstance(found, dict):
        raise ValueError
    for value in found.values():
        if not isinstance(value, str):
            raise ValueError
    "".join((*found, *found.values())).encode()  # half a surrogate pair is no text: UnicodeEncodeError
    return {name: value for name, value in found.items() if name != "__name__"}


# -- checks ----------------------------------------------------------------------------------------


def _checked(result: Sequence[Mapping[str, Any]], found: Matrix, *, ordered: bool = False) -> Matrix:
    _all_different(result)
    if not ordered:
        _in_order(found.offsets, found.times)
    return found


def _all_different(result: Sequence[Mapping[str, Any]]) -> None:
    if len({tuple(sorted(entry["metric"].items())) for entry in result}) != len(result):
        raise _broken("the answer has the same series twice")


def _in_order(offsets: Ints, times: NDArray[Any]) -> None:
    later = np.diff(times) > 0
    first = offsets[1:-1]  # the step from one series to the next may lead back
    later[first[(first > 0) & (first < len(times))] - 1] = True
    if not later.all():
        raise _broken("the points of a series are not in the order of time")


def _offsets(sizes: Ints) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])


def _broken(words: str) -> UnansweredError:
    return UnansweredError(Kind.BROKEN, words)


def _what_instead(body: bytes) -> str:
    start = body[:64].lstrip()
    if not start:
        return "the answer is empty"
    if start[:1] == b"<":
        return "it answers with a web page: the address lacks its path, or a login page stands before it"
    if start[:1] != b"{":
        return "it answers with what is no JSON"
    if not body.rstrip().endswith(b"}"):
        return "the answer is cut short"
    return "what it answers is not what was asked for"
