"""Finds and loads the operator's settings, and tells theirs from a stranger's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from reconciler.config.check import check, mistake
from reconciler.config.contradictions import contradictions
from reconciler.config.document import LARGEST, Document, read_documents
from reconciler.config.mistakes import BadFile, Mistake
from reconciler.config.settings import Settings
from reconciler.errors import Misconfigured
from reconciler.model import Note

FILE_NAME: Final = "reconcile.yaml"
VARIABLE: Final = "RECONCILE_CONFIG"

# What a stranger's file could misuse: send a token to a host of theirs, lead the traffic through
# it, or have files written where they like.
_IGNORED_ANYWHERE: Final = ("tokenFile", "tokenEnv", "token", "password", "secret")
_IGNORED_ON_TOP: Final = ("network", "cache")


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
        return path.absolute()
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
    documents = read_documents(_bytes(found.path), shown, "settings")
    if len(documents) != 1:
        count = "is empty" if not documents else "holds several documents"
        raise BadFile("settings", [Mistake(shown, 0, 0, f"it {count}; settings are one YAML mapping")])
    document = documents[0]
    notes: list[Note] = []
    if not found.trusted:
        document = document._replace(data=_without_secrets(document, (), shown, notes))
    base = found.path.absolute().parent
    settings = check(Settings, document, shown, base)
    if not isinstance(settings, Settings):
        raise BadFile("settings", settings)
    wrong = [mistake(document, shown, loc, message) for loc, message in contradictions(settings)]
    if wrong:
        raise BadFile("settings", wrong)
    return settings.read_from(found.path, trusted=found.trusted, notes=notes)


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
        if key in _IGNORED_ANYWHERE or (not loc and key in _IGNORED_ON_TOP) or here == ("commits", "signing"):
            notes.append(_ignored(key, path, document.spot(here, key=True).line))
        else:
            kept[key] = _without_secrets(document._replace(data=value), here, path, notes)
    return kept


def _ignored(key: str, path: str, line: int) -> Note:
    detail = (
        f"{key} is ignored: these settings were found inside a Git work tree, or belong to another user, "
        f"and nobody named them; name them with --config {path} to use them in full"
    )
    return Note("untrusted-settings", detail, path=path, line=line)
