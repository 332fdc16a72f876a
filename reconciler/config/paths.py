"""Paths as settings say them: tidy, and for a stranger's file held within its own work tree."""

from __future__ import annotations

import os
from pathlib import Path


def tidied(path: Path) -> Path:
    """Without `..`, unless a link on the way gives it another meaning than it has on paper."""
    plain = Path(os.path.normpath(path))
    return plain if os.path.realpath(plain) == os.path.realpath(path) else path


def work_tree_of(path: Path) -> Path:
    """The nearest Git work tree that holds the file, by its name or else where it really lies.

    In none of them it is the file's own folder.
    """
    real = Path(os.path.realpath(path))
    for folder in (*path.absolute().parents, *real.parents):
        if os.path.lexists(folder / ".git"):
            return Path(os.path.realpath(folder))
    return real.parent


def within(path: Path, root: Path) -> bool:
    """Whether the file, or the folder with all that lies below it, is really inside of the root."""
    if not _inside(path, root):
        return False
    return all(
        _inside(Path(folder, name), root)
        for folder, folders, files in os.walk(path)
        for name in (*folders, *files)
        if os.path.islink(os.path.join(folder, name))
    )


def _inside(path: Path, root: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(root)
