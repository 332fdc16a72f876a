"""Commits that the forge makes itself, and vouches for; and what a forge's token can't do.

The commit is made here, too: it says what the files have to be, and stands in where the forge
makes none.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.errors import Problem
from reconciler.forges.port import Forge
from reconciler.git.mirror import Mirror
from reconciler.model import Commit, Note, Whose


def vouched(
    forge: Forge, mirror: Mirror, ours: str, base: str, files: Mapping[str, bytes], message: str
) -> str:
    """The forge's commit in place of ours; ours where it makes none. It lies in the mirror, on no branch."""
    if not forge.capabilities.commits:
        return ours
    what = Commit(base, dict(files), message, mirror.executables(ours, files))
    made = forge.commit(what)
    if made is None:
        return ours
    mirror.bring(made)
    theirs, own = mirror.info(made), mirror.info(ours)
    if (theirs.tree, theirs.parents) != (own.tree, own.parents):
        words = f"the forge made a commit {made[:12]} with other files than it was told: nothing was pushed."
        raise Problem(made, words, whose=Whose.THEIRS, repository=mirror.repository)
    return made


def cautions(forge: Forge, repository: str, *, by_forge: bool) -> tuple[Note, ...]:
    """What the operator should know about who writes here."""
    notes = []
    if by_forge and not forge.capabilities.commits:
        told = "commits are made here, and not signed by the forge: it does that for an app alone"
        notes.append(Note("unsigned", told, repository))
    if not forge.capabilities.starts_checks:
        told = (
            f"what {forge.whoami()} opens starts no workflows, so checks may never come: give the forge the "
            "token of an app, or of a user of its own"
        )
        notes.append(Note("no-checks", told, repository))
    return tuple(notes)
