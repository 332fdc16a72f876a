"""Policies as they were written: read from text, each value with its place."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from reconciler.config.check import Wrong, check, mistake
from reconciler.config.document import LARGEST, Document, read_documents
from reconciler.config.limits import ADDS_NONE
from reconciler.config.mistakes import BadFile, Mistake
from reconciler.config.paths import tidied
from reconciler.config.policy import Match, PolicyFile, Resources, said
from reconciler.errors import Misconfigured
from reconciler.model import FieldMapping

Key = tuple[str, ...]

# The keys that say something about containers; the others say what the policy is.
_ABOUT_CONTAINERS: Final = ("mode", "resources", "images", "proposals")
TEAM_LABELS: Final = ("proposals", "teamLabels")
OPERATORS_OWN: Final = (TEAM_LABELS, ("proposals", "owner"))


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
    fields: tuple[FieldMapping, ...] = ()

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}"


class Gathered(NamedTuple):
    """What could be read, all that is wrong, and names of policies that have mistakes in them.

    `unread` are files of which not even the names are known.
    """

    policies: tuple[WrittenPolicy, ...]
    wrong: tuple[Mistake, ...] = ()
    broken_names: frozenset[str] = frozenset()
    unread: bool = False


def parse_policies(raw: str | bytes, path: str, repository: str = "") -> tuple[WrittenPolicy, ...]:
    """The policies of one file; a BadFile lists everything that is wrong with it.

    `repository` names the deployment repository when a team keeps the file there.
    """
    found = _gathered(raw.encode() if isinstance(raw, str) else raw, path, repository)
    if found.wrong:
        raise BadFile("policies", found.wrong, repository)
    return found.policies


def _gathered(raw: bytes, path: str, repository: str = "") -> Gathered:
    policies: list[WrittenPolicy] = []
    wrong: list[Mistake] = []
    names: set[str] = set()
    try:
        documents = read_documents(raw, path, "policies")
    except BadFile as bad:
        return Gathered((), bad.mistakes, unread=True)
    for document in documents:
        policy = check(PolicyFile, document, path)
        if isinstance(policy, Wrong):
            wrong += policy.mistakes
            names |= _name_of(document)
        else:
            policies.append(_written(policy, document, path, repository))
        values = _sound_values(document, policy) if isinstance(policy, Wrong) else said(policy)
        wrong += [mistake(document, path, *one) for one in contradictions(values)]
        for key in OPERATORS_OWN if repository else ():
            if key in values:
                words = f"{'.'.join(key)} is for the operator's policies to say: remove it"
                wrong.append(mistake(document, path, key, words, key=True))
    return Gathered(tuple(policies), tuple(wrong), frozenset(names))


def _name_of(document: Document) -> set[str]:
    metadata = document.data.get("metadata") if isinstance(document.data, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return {name} if isinstance(name, str) else set()


def _sound_values(document: Document, wrong: Wrong) -> Mapping[Key, Any]:
    """What a policy with mistakes in it says of resources where it is right."""
    written = document.data.get("resources") if isinstance(document.data, dict) else None
    if not wrong.recognised or not isinstance(written, dict):
        return {}
    for loc in wrong.places:
        if loc[0] == "resources":
            written = _without(written, loc[1:])
    found = check(Resources, document._replace(data=written, twice=()), "")
    return said(found, ("resources",)) if isinstance(found, Resources) else {}


def _without(data: Any, loc: tuple[str | int, ...]) -> Any:
    if not loc or not isinstance(data, dict):
        return None
    inner = {key: value for key, value in data.items() if key != loc[0]}
    if len(loc) > 1 and loc[0] in data:
        inner[loc[0]] = _without(data[loc[0]], loc[1:])
    return inner


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
        fields=tuple(
            entry.mapping(f"{path}:{document.spot(('fields', index)).line}", repository)
            for index, entry in enumerate(policy.fields or ())
        ),
    )


def contradictions(values: Mapping[Key, Any]) -> Iterator[tuple[Key, str]]:
    """Values that are right by themselves and can't hold together."""
    if values.get(("fields",)) and any(key[0] == "match" for key in values):
        yield (
            ("match",),
            "`fields` say which files they are about themselves: say them in a policy of their own",
        )
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
        rule = values.get(("resources", level, "limit"))
        if values.get(("resources", level, "missingLimit")) == "add" and rule in ADDS_NONE:
            yield (
                ("resources", level, "missingLimit"),
                f"resources.{level}: with `limit: {rule}` none is ever added, as nothing says how high: "
                "write `limit: equal`, or a share such as 150%",
            )


# ---------------------------------------------------------------------------------------------
# Folders
# ---------------------------------------------------------------------------------------------


def read_policies(source: Path) -> tuple[WrittenPolicy, ...]:
    """All policies of a file, or of the YAML files in a folder and below."""
    found = gather_policies([source])
    if found.wrong:
        raise BadFile("policies", found.wrong)
    return found.policies


def gather_policies(sources: Iterable[Path]) -> Gathered:
    """The same of several, with everything that is wrong."""
    files = [path for source in sources for path in _files(source)]
    parts = [_gathered(_bytes(path), str(tidied(path))) for path in files]
    return Gathered(
        tuple(policy for part in parts for policy in part.policies),
        tuple(one for part in parts for one in part.wrong),
        frozenset(name for part in parts for name in part.broken_names),
        any(part.unread for part in parts),
    )


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
    return tuple(
        policy
        for path in sorted(_shipped().glob("*.yaml"))
        for policy in parse_policies(_bytes(path), f"ready-made/{path.name}")
    )


@cache
def ready_mappings() -> tuple[FieldMapping, ...]:
    """The mappings that ship with the program. Read once: a book is made for every repository."""
    return tuple(
        mapping._replace(where="")
        for path in sorted((_shipped() / "mappings").glob("*.yaml"))
        for policy in parse_policies(_bytes(path), f"ready-made/mappings/{path.name}")
        for mapping in policy.fields
    )


def _shipped() -> Path:
    home = Path(__file__).resolve().parents[1]
    within = home / "ready_made"
    return within if within.is_dir() else home.parent / "policies"
