"""Merging as GitLab does it: squashes, merge commits and fast-forwards, by what the project is set to."""

from __future__ import annotations

import pygit2

from . import merging
from .gitlab_shapes import Extra
from .records import AutoMerge, Refused, Request, User
from .repository import Repository


def merge_now(repository: Repository, one: Request, by: User, extra: Extra, message: str) -> None:
    """`message` is for the squashed commit; "" takes the title."""
    git, method = repository.git, str(repository.options.get("merge_method", "merge"))
    base, at = repository.tip(one.base), repository.tip(one.branch)
    who = pygit2.Signature(by.name, by.email, repository.forge.clock(), 0)
    tip = _squashed(repository, one, base, at, message, who) if _squashes(repository, extra) else at
    if method == "ff":
        merged = tip
    else:
        tree = git.merge_commits(base, at).write_tree(git)
        words = f"Merge branch '{one.branch}' into '{one.base}'\n\n{one.title}\n\n"
        text = f"{words}See merge request {repository.path}!{one.number}"
        merged = merging._commit(git, tree, text, who, who, [base, tip])
    if tip != at:
        extra.squashed = one.squash_commit = tip
    _move(repository, one, by, at, merged)


def _squashes(repository: Repository, extra: Extra) -> bool:
    option = repository.options.get("squash_option", "default_off")
    return option == "always" or (option != "never" and extra.squash)


def _squashed(
    repository: Repository, one: Request, base: str, at: str, message: str, who: pygit2.Signature
) -> str:
    """One commit alone, which says the same already, is left as it is."""
    git = repository.git
    text = message or one.title
    commits = merging.commits(git, base, at)
    if len(commits) == 1 and commits[0].message == text:
        return at
    start = merging.merge_base(git, base, at)
    tree = git[at].peel(pygit2.Tree).id
    return merging._commit(git, tree, text, commits[0].author, who, [start])


def _move(repository: Repository, one: Request, by: User, at: str, merged: str) -> None:
    merging.move(repository.git, one.base, merged)
    repository._merged(one, by, at, merged)
    repository._seen[one.base] = merged
    if one.delete_branch:
        repository.git.references.delete(f"refs/heads/{one.branch}")
        repository._seen.pop(one.branch, None)
    repository._base_moved(one.base, by)


def arm(repository: Repository, one: Request, by: User, extra: Extra, head: str, message: str) -> None:
    """Merge it by itself, once nothing is in the way."""
    method = {"ff": "fast-forward"}.get(str(repository.options.get("merge_method")), "merge")
    if _squashes(repository, extra):
        method = "squash"
    if method not in repository.methods:
        repository.methods.append(method)
    repository.arm(one, by, method, head=head, message=message if method == "squash" else "")


def board(repository: Repository, one: Request, by: User) -> None:
    """Into the merge train: it waits for its pipeline there, and for those before it."""
    if one.auto_merge is not None:
        raise Refused("exists", "it is in the train already")
    one.auto_merge = AutoMerge(by, repository.methods[0], repository.forge.clock(), queued=True)


def push_rule(repository: Repository, message: str) -> None:
    """From now on a push is refused whose commit messages don't match this (an extended pattern)."""
    hook = repository.bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(_HOOK)
    hook.chmod(0o755)
    hook.with_name("message-rule").write_text(message)


_HOOK = """#!/bin/sh
rule=$(cat "$(dirname "$0")/message-rule")
while read -r old new ref; do
  case $new in *[!0]*) ;; *) continue ;; esac
  for commit in $(git rev-list "$new" --not --all); do
    git log -1 --format=%B "$commit" | grep -Eq "$rule" && continue
    echo "GitLab: Commit message does not follow the pattern '$rule'" >&2
    exit 1
  done
done
"""
