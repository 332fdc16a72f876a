"""Unique values set in many places at once, each looking like what it replaces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from reconciler.model import Edit, Refused
from reconciler.source.kustomizing import references
from reconciler.source.kustomizing.candidates import Candidate, Wants
from reconciler.source.kustomizing.sources import Texts
from reconciler.source.render import Files
from reconciler.source.yamledit import Assignment, Document, Scalar, apply, plan
from reconciler.source.yamledit.scalars import quoted

_FIRST: Final = 7001
_COUNTS_FROM: Final = 700_000
_VERSION: Final = re.compile(r"(v?)\d+\.\d+\.\d+(.*)")
_BEFORE_VALUE: Final = re.compile(r"(?:[&!]\S*\s+)*")


class Sentinel(NamedTuple):
    candidate: Candidate
    text: str  # what is written
    marks: tuple[str, ...]  # as which it may come out


def sentinels(candidates: Iterable[Candidate], rendered: str, first: int = _FIRST) -> Iterator[Sentinel]:
    """One for each candidate; its number stands nowhere in what was rendered."""
    number = first
    for candidate in candidates:
        while str(number) in rendered:
            number += 1
        yield _sentinel(candidate, number)
        number += 1


def _sentinel(candidate: Candidate, number: int) -> Sentinel:
    own = candidate.node.value if candidate.node is not None else ""
    wants = candidate.wants
    if wants is Wants.IMAGE:
        was = references.split(own)
        tag = _tag(was.tag, number) if was.tag or not was.digest else ""
        digest = _digest(number) if was.digest else ""
        text = str(references.Reference(was.name, tag, digest))
        return Sentinel(candidate, text, tuple(mark for mark in (tag, digest) if mark))
    text = {
        Wants.CPU: f"{number}m",
        Wants.MEMORY: f"{number}Mi",
        Wants.TAG: _tag(own, number),
        Wants.DIGEST: _digest(number),
        Wants.COUNT: str(_COUNTS_FROM + number),
    }[wants]
    return Sentinel(candidate, text, (text,))


def _tag(own: str, number: int) -> str:
    """A tag keeps its shape, for whoever compares versions on the way."""
    found = _VERSION.fullmatch(own)
    return f"{found[1]}1.{number}.3{found[2]}" if found else f"t{number}"


def _digest(number: int) -> str:
    return f"sha256:{number:064x}"


def planted(texts: Texts, chosen: Sequence[Sentinel]) -> tuple[Files, list[Sentinel]]:
    """The files with the sentinels in them, and those that could be set."""
    files = dict(texts.files)
    done: list[Sentinel] = []
    by_path = sorted(chosen, key=lambda one: one.candidate.path)
    for path, group in groupby(by_path, key=lambda one: one.candidate.path):
        text = texts.text(path)
        if not isinstance(text, Refused):
            after = _planted(text, texts.documents(path), list(group), done)
            files[path] = after.encode("utf-8")
    return files, done


def _planted(text: str, documents: tuple[Document, ...], group: list[Sentinel], done: list[Sentinel]) -> str:
    """One file. An inline patch is written anew as a whole: nobody sees how a sentinel is written."""
    direct = [one for one in group if one.candidate.host is None]
    edits = _edits(text, direct, done)
    hosts: dict[int, list[Sentinel]] = {}
    for one in group:
        if one.candidate.host is not None:
            hosts.setdefault(one.candidate.host.start, []).append(one)
    for inside in hosts.values():
        host = inside[0].candidate.host
        assert host is not None
        after = apply(host.value, _edits(host.value, inside, done))
        edits.append(_replaced(text, host, after))
    return apply(text, sorted(edits, key=lambda edit: edit.start))


def _edits(text: str, group: list[Sentinel], done: list[Sentinel]) -> list[Edit]:
    """What is there is replaced; what is missing is added as an edit of ours would add it."""
    edits = []
    missing = []
    for one in group:
        node = one.candidate.node
        if node is None:
            missing.append(one)
        else:
            edits.append(_replaced(text, node, one.text, number=one.candidate.wants is Wants.COUNT))
            done.append(one)
    added = plan(text, [_assignment(one) for one in missing])
    if not isinstance(added, Refused):
        done.extend(missing)
        edits.extend(added)
        return edits
    possible = [one for one in missing if not isinstance(plan(text, [_assignment(one)]), Refused)]
    added = plan(text, [_assignment(one) for one in possible])
    if not isinstance(added, Refused):
        done.extend(possible)
        edits.extend(added)
    return edits


def _assignment(one: Sentinel) -> Assignment:
    candidate = one.candidate
    keys = candidate.keys if candidate.host is None else candidate.inner
    return Assignment(0 if candidate.host is not None else candidate.document, keys, one.text)


def _replaced(text: str, node: Scalar, value: str, *, number: bool = False) -> Edit:
    """Anchor and tag stay, so that aliases mean the new value, too."""
    before = _BEFORE_VALUE.match(text, node.start, node.end)
    start = before.end() if before is not None else node.start
    written = value if number else quoted(value)
    if node.style in ("|", ">"):
        written += "\n"
    elif start == node.end and not text[start - 1 : start].isspace():
        written = " " + written
    return Edit(start, node.end, written)
