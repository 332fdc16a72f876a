"""What a merge request remembers of itself, in a comment of its body that people don't see.

The forge keeps the body for as long as it keeps the request, so what was proposed can be told
years later from the forge alone, and a lost ledger can be written again.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from reconciler import canonical
from reconciler.model import Change, ContainerRef, Field, Key
from reconciler.proposals.group import fingerprint

_BLOCK = re.compile(r"<!-- reconcile:v([12]) ([A-Za-z0-9+/=]{1,2000000}) -->")
_MOST = 64 << 20  # bytes: nobody's body is unpacked any further


class MemoValue(NamedTuple):
    """One value that was proposed."""

    path: str
    document: int
    keys: tuple[Key, ...]
    inner: tuple[Key, ...]
    field: str
    old: str | None
    new: str
    consumers: tuple[ContainerRef, ...]


class Memo(NamedTuple):
    key: str
    plan: str
    values: tuple[MemoValue, ...]
    evidence: tuple[str, ...]
    title: str = ""  # as it was set, so that a person's own title is recognised
    elsewhere: bool = False  # its values were too many for the body: the ledger has them


def memo_of(key: str, plan: str, changes: Iterable[Change], title: str = "") -> Memo:
    chosen = tuple(changes)
    return Memo(
        key,
        plan,
        tuple(
            MemoValue(
                slot.place.path, slot.place.document, slot.place.keys, slot.place.inner,
                slot.field.value, slot.value, new, slot.consumers,
            )
            for change in chosen
            for slot, new in change.values
        ),
        tuple(sorted({fingerprint(change.evidence) for change in chosen})),
        title,
    )  # fmt: skip


def hide(memo: Memo, limit: int = 2_000_000) -> str:
    """The comment, at most so long: what has no room in it is left to the ledger."""
    packed = zlib.compress(canonical.dump(memo).encode("utf-8", "surrogatepass"), 9)
    text = f"<!-- reconcile:v2 {base64.b64encode(packed).decode('ascii')} -->"
    if len(text) <= limit or memo.elsewhere:
        return text
    return hide(memo._replace(values=(), evidence=(), elsewhere=True))


@lru_cache(maxsize=2048)  # a run asks the same bodies again and again
def find(body: str) -> Memo | None:
    """The memo in a body; None where there is none that can be read, as in a body edited by hand."""
    found = _BLOCK.findall(body)
    if not found:
        return None
    try:  # the last one: what stands before may quote anybody
        version, text = found[-1]
        data = base64.b64decode(text, validate=True)
        return read(
            json.loads((_unpacked(data) if version == "2" else data).decode("utf-8", "surrogatepass"))
        )
    except (binascii.Error, zlib.error, ValueError, RecursionError):
        return None


def _unpacked(data: bytes) -> bytes:
    reader = zlib.decompressobj()
    found = reader.decompress(data, _MOST)
    if not reader.eof:
        raise ValueError("cut off, or larger than any memo")
    return found


def read(plain: object) -> Memo:
    """A memo as it was stored; ValueError when it is none."""
    memo = canonical.load(Memo, plain)
    for value in memo.values:
        Field(value.field)  # a field of another version, or nobody's
    return memo
