"""Which names of branches and paths may come near a repository.

The rules of `git check-ref-format`, and for paths everything that a file system somewhere
takes for `..` or `.git`. Branch names and paths come out of other people's repositories.
"""

from __future__ import annotations

import re
from typing import Final

from reconciler.errors import Problem

_LONGEST_BRANCH: Final = 244  # `refs/heads/` and `.lock` still fit a file name of 255 bytes
_LONGEST_PATH: Final = 4000
_FORBIDDEN_IN_REF: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
_FORBIDDEN_IN_PATH: Final = re.compile(r"[\x00-\x1f\x7f\\]")
_IGNORED_BY_HFS: Final = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


def branch_flaw(name: str) -> str:
    """What is wrong with a branch name; "" when nothing is."""
    if not name or name == "@" or name == "HEAD":
        return "it is empty" if not name else "that name means something else to Git"
    if name.startswith(("-", "/")) or name.endswith(("/", ".")):
        return "it begins with '-' or '/', or ends with '/' or '.'"
    if _FORBIDDEN_IN_REF.search(name):
        return "it holds a space, a control character, '..', '//', '@{' or one of ~ ^ : ? * [ \\"
    if any(part.startswith(".") or part.endswith(".lock") for part in name.split("/")):
        return "a part of it begins with '.' or ends with '.lock'"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "it is not text"
    return "it is too long" if size > _LONGEST_BRANCH else ""


def checked_branch(name: str, repository: str) -> str:
    flaw = branch_flaw(name)
    if flaw:
        raise Problem(
            name,
            f"{name!r} can't be the name of a branch: {flaw}. Choose another name.",
            repository=repository,
        )
    return name


def _is_dot_git(part: str) -> bool:
    """Whether some file system takes this for `.git`: Windows drops endings, macOS invisible signs."""
    plain = _IGNORED_BY_HFS.sub("", part).casefold().split(":", 1)[0].rstrip(". ")
    return plain in (".git", "git~1")


def path_flaw(path: str) -> str:
    """What is wrong with a path in a repository; "" when nothing is."""
    if not path or path.startswith("/") or path.endswith("/"):
        return "it is empty, or begins or ends with '/'"
    if _FORBIDDEN_IN_PATH.search(path):
        return "it holds a backslash or a control character"
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "it holds '.', '..' or '//'"
    if any(_is_dot_git(part) for part in parts):
        return "it leads into '.git'"
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "it is not text"
    return "it is too long" if size > _LONGEST_PATH else ""


def checked_path(path: str, repository: str) -> str:
    flaw = path_flaw(path)
    if flaw:
        raise Problem(path, f"the path {path!r} is not written to: {flaw}.", repository=repository, path=path)
    return path
