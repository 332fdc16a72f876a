"""Policies as they were written: read from text, each value with its place."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from reconciler.config.check import check, mistake
from reconciler.config.document import LARGEST, Document, read_documents
from reconciler.config.mistakes import BadFile, Mistake
from reconciler.config.policy import Match, PolicyFile, said
from reconciler.errors import Misconfigured

Key = tuple[str, ...]

# The keys that say something about containers; the others say what the policy is.
_ABOUT_CONTAINERS: Final = ("mode", "resources", "proposals")


class Said(NamedTuple):
    value: Any
    line: int
    column: int


class WrittenPolicy(NamedTuple):
    name: str
    repository: str  # the deployment repository it lies in; "" for the operator's and ready-made ones
    path: str
    line: int
    column: int
    extends: tuple[Said, ...]
    priority: int
    match: Match | None
    says: Mapping[Key, Said]

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}"


def parse_policies(raw: str | bytes, path: str, repository: str = "") -> tuple[WrittenPolicy, ...]:
    """The policies of one file; a BadFile lists everything that is wrong with it.

    `repository` names the deployment repository when a team keeps the file there.
    """
    try:
        return _parsed(raw.encode() if isinstance(raw, str) else raw, path, repository)
    except BadFile as bad:
        raise BadFile("policies", bad.mistakes, repository) from None


def _parsed(raw: bytes, path: str, repository: str) -> tuple[WrittenPolicy, ...]:
    found: list[WrittenPolicy] = []
    wrong: list[Mistake] = []
    for document in read_documents(raw, path, "policies"):
        policy = check(PolicyFile, document, path)
        if isinstance(policy, PolicyFile):
            wrong += [mistake(document, path, loc, text) for loc, text in _contradictions(policy)]
            found.append(_written(policy, document, path, repository))
        else:
            wrong += policy
    if wrong:
        raise BadFile("policies", wrong)
    return tuple(found)


def _written(policy: PolicyFile, document: Document, path: str, repository: str) -> WrittenPolicy:
    named = document.spot(("metadata", "name"))
    return WrittenPolicy(
        name=policy.metadata.name,
        repository=repository,
        path=path,
        line=named.line,
        column=named.column,
        extends=tuple(
            Said(name, *document.spot(("extends", index))) for index, name in enumerate(policy.extends)
        ),
        priority=policy.priority,
        match=policy.match,
        says={
            keys: Said(value, *document.spot(keys, key=True))
            for keys, value in said(policy).items()
            if keys[0] in _ABOUT_CONTAINERS
        },
    )


def _contradictions(policy: PolicyFile) -> Iterator[tuple[Key, str]]:
    values = said(policy)
    window, days = values.get(("resources", "window")), values.get(("resources", "evidence", "days"))
    if window is not None and days is not None and days > window:
        yield (
            ("resources", "evidence", "days"),
            f"{days} days of evidence don't fit into a window of {window}",
        )
    for level in ("cpu", "memory"):
        floor = values.get(("resources", level, "floor"))
        ceiling = values.get(("resources", level, "ceiling"))
        if floor is not None and ceiling is not None and floor > ceiling:
            yield ("resources", level, "ceiling"), f"resources.{level}: the ceiling is below the floor"


# ---------------------------------------------------------------------------------------------
# Folders
# ---------------------------------------------------------------------------------------------


def read_policies(source: Path) -> tuple[WrittenPolicy, ...]:
    """All policies of a file, or of the YAML files in a folder and below."""
    found: list[WrittenPolicy] = []
    wrong: list[Mistake] = []
    for path in _files(source):
        try:
            found += parse_policies(_bytes(path), str(path))
        except BadFile as bad:
            wrong += bad.mistakes
    if wrong:
        raise BadFile("policies", wrong)
    return tuple(found)


def _files(source: Path) -> list[Path]:
    if os.path.isfile(source):
        return [source]
    if not os.path.isdir(source):
        raise Misconfigured("policies", "there is no such file or folder of policies", path=str(source))
    return sorted(
        path
        for path in source.rglob("*")
        if path.suffix in (".yaml", ".yml")
        and os.path.isfile(path)
        and not any(part.startswith(".") for part in path.relative_to(source).parts)
    )


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            return opened.read(LARGEST + 1)
    except OSError as error:
        why = error.strerror or "unknown error"
        raise Misconfigured("policies", f"it can't be read: {why}", path=str(path)) from None


def ready_made() -> tuple[WrittenPolicy, ...]:
    """The policies that ship with the program: in the wheel, or else in a checkout of it."""
    home = Path(__file__).resolve().parents[1]
    shipped = home / "ready_made"
    folder = shipped if shipped.is_dir() else home.parent / "policies"
    return tuple(
        policy
        for path in _files(folder)
        for policy in parse_policies(_bytes(path), f"ready-made/{path.name}")
    )
