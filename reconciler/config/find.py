"""Finds and loads the operator's settings, and tells theirs from a stranger's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from reconciler.config.check import check, mistake
from reconciler.config.contradictions import contradictions, entries_of, sound_entries
from reconciler.config.document import LARGEST, Document, Loc, read_documents
from reconciler.config.mistakes import BadFile, Mistake
from reconciler.config.paths import tidied, within, work_tree_of
from reconciler.config.settings import Settings
from reconciler.errors import Misconfigured
from reconciler.model import Note

FILE_NAME: Final = "reconcile.yaml"
VARIABLE: Final = "RECONCILE_CONFIG"

# What a stranger's file could misuse: send a token to a host of theirs, lead the traffic through
# it, or have files written where they like.
_IGNORED_ANYWHERE: Final = ("tokenFile", "tokenEnv", "token", "password", "secret")
_IGNORED_ON_TOP: Final = ("network", "cache", "registries", "imageKeys", "imageIdentities")
_IGNORED_OF_METRICS: Final = frozenset(
    {
        "username", "passwordFile", "passwordEnv", "identity", "region", "clientCertificate", "clientKey",
        "caBundle", "headersFrom", "cache",
    }
)  # fmt: skip
# Of `rendering` they may say how, but not with which programs, nor whom to ask, nor for how long.
_TAKEN_OF_RENDERING: Final = frozenset({"buildOptions"})


class Found(NamedTuple):
    path: Path
    trusted: bool


def find_settings(explicit: Path | None, environ: Mapping[str, str], start: Path) -> Found | None:
    """`--config`, else $RECONCILE_CONFIG, else `reconcile.yaml` upwards from `start`.

    A file that nobody named is trusted only outside of Git work trees, and when it belongs to
    the user or to root: a clone, or a shared folder, may hold a stranger's.
    """
    if explicit is not None:
        return Found(_existing(explicit, "--config"), True)
    if environ.get(VARIABLE):
        return Found(_existing(Path(environ[VARIABLE]), f"${VARIABLE}"), True)
    for folder in (start.absolute(), *start.absolute().parents):
        path = folder / FILE_NAME
        if os.path.isfile(path):
            return Found(path, not _maybe_a_strangers(path))
    return None


def _existing(path: Path, named_by: str) -> Path:
    # Not Path.is_file, which raises where a folder on the way can't be entered.
    if os.path.isfile(path):
        return tidied(path.absolute())
    what = "is a folder, not a file" if os.path.isdir(path) else "does not exist, or can't be reached"
    raise Misconfigured("settings", f"{path}, named by {named_by}, {what}", path=str(path))


def _maybe_a_strangers(path: Path) -> bool:
    real = path.resolve()
    places = [*path.parents, *real.parents]
    return any(os.path.lexists(folder / ".git") for folder in places) or real.stat().st_uid not in (
        0,
        os.getuid(),
    )


def load_settings(found: Found) -> Settings:
    """The settings of that file; a BadFile lists everything that is wrong with it."""
    shown = str(found.path)
    if not found.trusted:
        _must_lie_within(found.path)
    documents = read_documents(_bytes(found.path), shown, "settings")
    if len(documents) != 1:
        count = "is empty" if not documents else "holds several documents"
        raise BadFile("settings", [Mistake(shown, 0, 0, f"it {count}; settings are one YAML mapping")])
    document = documents[0]
    notes: list[Note] = []
    if not found.trusted:
        document = document._replace(data=_without_secrets(document, (), shown, notes))
    settings = _checked(document, found)
    return settings.read_from(found.path, trusted=found.trusted, notes=notes)


def _checked(document: Document, found: Found) -> Settings:
    shown, base = str(found.path), found.path.absolute().parent
    settings = check(Settings, document, shown, base)
    if isinstance(settings, Settings):
        wrong = [] if found.trusted else _led_astray(settings, found, document)
        entries = entries_of(settings)
    elif settings.recognised:
        wrong = settings.mistakes
        entries = sound_entries(document.data, base)
    else:
        raise BadFile("settings", settings.mistakes)
    wrong += [mistake(document, shown, loc, message) for loc, message in contradictions(entries)]
    if wrong or not isinstance(settings, Settings):
        raise BadFile("settings", wrong)
    return settings


def _must_lie_within(path: Path) -> None:
    """A link that a clone holds could have any file of the machine read and quoted."""
    if not within(path, work_tree_of(path)):
        why = f"it leads out of its Git work tree and nobody named it: name it with --config {path}"
        raise Misconfigured("settings", why, path=str(path))


def _led_astray(settings: Settings, found: Found, document: Document) -> list[Mistake]:
    """Paths by which a stranger's file would have others read than those that came with it."""
    root = work_tree_of(found.path)
    paths: dict[Loc, Path | None] = {("policies",): settings.policies}
    paths |= {("applications",): settings.applications}
    paths |= {("metrics", index, "path"): one.path for index, one in enumerate(settings.metrics)}
    said = (
        "this leads out of the folder that the settings came with, and nobody named them, so it is not "
        f"read: name them with --config {found.path} if they are yours"
    )
    return [
        mistake(document, str(found.path), loc, said)
        for loc, path in paths.items()
        if path is not None and not within(path, root)
    ]


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            return opened.read(LARGEST + 1)
    except OSError as error:
        why = error.strerror or "unknown error"
        raise Misconfigured("settings", f"it can't be read: {why}", path=str(path)) from None


def _without_secrets(document: Document, loc: tuple[str | int, ...], path: str, notes: list[Note]) -> Any:
    """The data without what an unnamed file may not say; each left-out key becomes a note."""
    data: Any = document.data
    if isinstance(data, list):
        return [
            _without_secrets(document._replace(data=item), (*loc, index), path, notes)
            for index, item in enumerate(data)
        ]
    if not isinstance(data, dict):
        return data
    kept = {}
    for key, value in data.items():
        here = (*loc, key)
        if _is_ignored(here):
            notes.append(_ignored(key, path, document.spot(here, key=True).line))
        else:
            kept[key] = _without_secrets(document._replace(data=value), here, path, notes)
    return kept


def _is_ignored(loc: Loc) -> bool:
    if loc[-1] in _IGNORED_ANYWHERE or loc == ("commits", "signing"):
        return True
    if len(loc) == 1:
        return loc[0] in _IGNORED_ON_TOP
    if loc[0] == "metrics" and len(loc) == 3:
        return loc[-1] in _IGNORED_OF_METRICS
    return loc[0] == "rendering" and len(loc) == 2 and loc[1] not in _TAKEN_OF_RENDERING


def _ignored(key: str, path: str, line: int) -> Note:
    detail = (
        f"{key} is ignored: these settings were found inside a Git work tree, or belong to another user, "
        f"and nobody named them; name them with --config {path} to use them in full"
    )
    return Note("untrusted-settings", detail, path=path, line=line)
