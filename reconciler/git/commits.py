"""Builds commits straight from a tree: no work tree, no index, only the touched folders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, cast

import pygit2
from pygit2.enums import FileMode

from reconciler.errors import Problem
from reconciler.git.names import checked_path
from reconciler.git.signing import Signing, sign

_FILES: Final = (FileMode.BLOB, FileMode.BLOB_EXECUTABLE)


class Author(NamedTuple):
    name: str
    email: str


class CommitRequest(NamedTuple):
    """One commit on top of `base` ("" begins a history of its own). The same request, the same id.

    Unless a signature says otherwise: those of ECDSA and GPG differ every time.
    """

    base: str
    files: Mapping[str, bytes]
    message: str
    author: Author
    when: int
    signing: Signing | None = None


def write_commit(store: pygit2.Repository, request: CommitRequest, repository: str) -> str:
    """Write the commit and everything it needs; answer its id. No branch moves."""
    base = store[request.base].peel(pygit2.Commit) if request.base else None
    wanted = _nested(request.files, repository)
    tree = _write_tree(store, base.tree if base is not None else None, wanted, "", repository)
    who = _signature(request.author, request.when)
    parents: list[pygit2.Oid | str] = [base.id] if base is not None else []
    text = request.message
    if request.signing is None:
        return str(store.create_commit(None, who, who, text, tree, parents))
    # pygit2 declares an id here, and answers with text
    content = cast(str, store.create_commit_string(who, who, text, tree, parents))
    signature = sign(content, request.signing)
    return str(store.create_commit_with_signature(content, signature))


def _signature(author: Author, when: int) -> pygit2.Signature:
    """Angle brackets and line breaks would end the field; Git drops them too."""
    name, email = (" ".join(text.translate(_UNWANTED).split()) for text in author)
    if not name or not email:
        raise Problem("commit author", "a commit's author needs a name and an e-mail address: set both.")
    return pygit2.Signature(name, email, when, 0, "utf-8")


_UNWANTED: Final = {ord("<"): None, ord(">"): None} | dict.fromkeys((*range(32), 127), " ")

Nested = dict[str, "bytes | Nested"]


def _nested(files: Mapping[str, bytes], repository: str) -> Nested:
    """Paths to folders in folders, so that every folder is written once."""
    root: Nested = {}
    for path, content in sorted(files.items()):
        *folders, name = checked_path(path, repository).split("/")
        inside = root
        for folder in folders:
            below = inside.setdefault(folder, {})
            if isinstance(below, bytes):
                raise _in_the_way(path, "a file is to be written where a folder is needed", repository)
            inside = below
        if name in inside:
            raise _in_the_way(path, "a file is to be written where a folder is needed", repository)
        inside[name] = content
    return root


def _write_tree(
    store: pygit2.Repository, old: pygit2.Tree | None, wanted: Nested, prefix: str, repository: str
) -> pygit2.Oid:
    builder = store.TreeBuilder(old) if old is not None else store.TreeBuilder()
    for name, content in wanted.items():
        there = old[name] if old is not None and name in old else None
        path = prefix + name
        if isinstance(content, bytes):
            mode = _mode(there, path, repository)
            builder.insert(name, store.create_blob(content), mode)
        else:
            if there is not None and not isinstance(there, pygit2.Tree):
                raise _in_the_way(path, "it is no folder", repository)
            below = _write_tree(store, there, content, path + "/", repository)
            builder.insert(name, below, FileMode.TREE)
    return builder.write()


def _mode(there: pygit2.Object | None, path: str, repository: str) -> FileMode:
    if there is None:
        return FileMode.BLOB
    for mode in _FILES:
        if there.filemode == mode:
            return mode
    raise _in_the_way(path, "it is a folder, a symlink or a submodule", repository)


def _in_the_way(path: str, why: str, repository: str) -> Problem:
    return Problem(path, f"the file {path!r} is not written: {why}.", repository=repository, path=path)
