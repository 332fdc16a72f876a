"""Bytes in, proven bytes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reconciler.model import Edit, Reason, Refused
from reconciler.source.yamledit.edits import Assignment, apply, plan_in
from reconciler.source.yamledit.layout import last_leaf
from reconciler.source.yamledit.proof import proven
from reconciler.source.yamledit.reading import parse_some
from reconciler.source.yamledit.splitting import split
from reconciler.source.yamledit.templates import untemplated
from reconciler.source.yamledit.tree import Document, Scalar, decode

# Why documents aren't those that someone means to change; of the others nothing has been read.
Doubt = Callable[[tuple[Document, ...]], Refused | None]


def rewrite(
    data: bytes,
    assignments: Sequence[Assignment],
    doubt: Doubt | None = None,
    *,
    as_it_stands: bool = False,
) -> bytes | Refused:
    """The file with every assignment true and nothing else changed; or a reason, and no file at all.

    A file in which they already are true comes back as it is, to the byte. `as_it_stands`: it is known
    that no template engine fills the file, so that an instruction in a comment is only a comment.
    """
    text = decode(data)
    if isinstance(text, Refused):
        return text
    documents = parse_some(text, {assignment.document for assignment in assignments})
    if as_it_stands:
        documents = untemplated(documents)
    if doubt is not None and (refused := doubt(documents)) is not None:
        return refused
    edits = plan_in(documents, text, assignments)
    if isinstance(edits, Refused):
        return edits
    if not edits:
        return data
    after = apply(text, edits)
    for index in sorted({assignment.document for assignment in assignments}):
        group = [one for one in assignments if one.document == index]
        if (refused := _proven(documents[index], text, edits, group)) is not None:
            return refused
    if [start for start, _ in split(after)] != _moved([found.start for found in documents], edits):
        return Refused(Reason.UNPROVEN, "the edit would change where documents begin")
    return after.encode("utf-8")


def _proven(
    document: Document, text: str, edits: tuple[Edit, ...], group: list[Assignment]
) -> Refused | None:
    start, end = document.start, document.end
    before = text[start:end]
    own = [edit for edit in edits if start <= edit.start <= end]
    after = apply(before, [Edit(edit.start - start, edit.end - start, edit.text) for edit in own])
    # a block at the end of a file: whether its last line ends is a matter of opinion
    leaf = last_leaf(document.root) if document.root is not None and before[-1:] != "\n" else None
    careful = isinstance(leaf, Scalar) and leaf.style in ("|", ">")
    return proven(before, after, group, careful=careful)


def _moved(starts: list[int], edits: tuple[Edit, ...]) -> list[int]:
    """Where documents begin when edits change nothing but the length of those before."""
    moved: list[int] = []
    ahead, done = 0, 0
    for start in starts:
        while done < len(edits) and edits[done].end < start:
            ahead += len(edits[done].text) - (edits[done].end - edits[done].start)
            done += 1
        moved.append(start + ahead)
    return moved
