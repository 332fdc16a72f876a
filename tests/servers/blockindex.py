"""The index of a block: which series there are, by which labels, and where their chunks lie."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from servers.crc import crc, crc_of_rows


class Listed(Protocol):
    """A series: sorted labels, and for each chunk its first and last time (ms) and its place."""

    @property
    def labels(self) -> tuple[tuple[str, str], ...]: ...

    @property
    def chunks(self) -> list[tuple[int, int, int]]: ...


def write_index(path: Path, series: Sequence[Listed]) -> None:
    series = sorted(series, key=lambda one: one.labels)
    out = bytearray(struct.pack(">IB", 0xBAAAD700, 2))
    symbols = sorted({text for one in series for label in one.labels for text in label})
    numbers = {text: number for number, text in enumerate(symbols)}
    toc = [len(out)]
    out += _section(struct.pack(">I", len(symbols)) + b"".join(_text(text) for text in symbols))
    out += b"\0" * (-len(out) % 16)
    toc.append(len(out))
    refs = _add_series(out, series, numbers)
    toc += [0, 0, len(out)]
    places = _add_postings(out, series, refs)
    toc.append(len(out))
    rows = [b"\x02" + _text(name) + _text(value) + _uvarint(place) for (name, value), place in places]
    out += _section(struct.pack(">I", len(rows)) + b"".join(rows))
    tail = struct.pack(">6Q", *toc)
    path.write_bytes(bytes(out) + tail + struct.pack(">I", crc(tail)))


def _add_series(out: bytearray, series: Sequence[Listed], numbers: dict[str, int]) -> list[int]:
    """Each aligned to 16 bytes, which is what they are referred to by."""
    tails: dict[tuple[object, ...], bytes] = {}
    entries = [_entry(one, numbers, tails) for one in series]
    refs = []
    for entry, sum_ in zip(entries, _sums(entries), strict=True):
        refs.append(len(out) // 16)
        out += _uvarint(len(entry)) + entry + struct.pack(">I", sum_)
        out += b"\0" * (-len(out) % 16)
    return refs


def _entry(one: Listed, numbers: dict[str, int], tails: dict[tuple[object, ...], bytes]) -> bytes:
    labels = b"".join(_uvarint(numbers[text]) for label in one.labels for text in label)
    begin, end, place = one.chunks[0]
    head = _uvarint(len(one.labels)) + labels + _uvarint(len(one.chunks))
    # Of series that were scraped together all but the first chunk reads alike.
    key = tuple((first, last, at - place) for first, last, at in one.chunks)
    if key not in tails:
        tails[key] = b"".join(
            _uvarint(now[0] - last[1]) + _uvarint(now[1] - now[0]) + _varint(now[2] - last[2])
            for last, now in zip(one.chunks, one.chunks[1:], strict=False)
        )
    return head + _varint(begin) + _uvarint(end - begin) + _uvarint(place) + tails[key]


def _sums(entries: list[bytes]) -> list[int]:
    by_length = defaultdict(list)
    for at, entry in enumerate(entries):
        by_length[len(entry)].append(at)
    sums = np.zeros(len(entries), np.uint32)
    for length, places in by_length.items():
        rows = np.frombuffer(b"".join(entries[at] for at in places), np.uint8).reshape(-1, length)
        sums[places] = crc_of_rows(rows)
    return sums.tolist()


def _add_postings(
    out: bytearray, series: Sequence[Listed], refs: list[int]
) -> list[tuple[tuple[str, str], int]]:
    having: dict[tuple[str, str], list[int]] = defaultdict(list)
    having["", ""] = refs
    for one, ref in zip(series, refs, strict=True):
        for label in one.labels:
            having[label].append(ref)
    places = []
    for label in sorted(having):
        out += b"\0" * (-len(out) % 4)
        places.append((label, len(out)))
        found = having[label]
        out += _section(struct.pack(f">{len(found) + 1}I", len(found), *found))
    return places


def _section(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body + struct.pack(">I", crc(body))


def _text(text: str) -> bytes:
    raw = text.encode()
    return _uvarint(len(raw)) + raw


def _uvarint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _varint(number: int) -> bytes:
    return _uvarint(number << 1 if number >= 0 else (-number << 1) - 1)
