"""What Gitea and Forgejo tell of merge requests, in the words of the port."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from reconciler.errors import Problem
from reconciler.forges.gitea_api import Api, Told
from reconciler.forges.port import Checks
from reconciler.forges.records import LATEST
from reconciler.model import MergeRequest

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_DRAFT: Final = re.compile(r"\s*(?:WIP:|\[WIP\])", re.IGNORECASE)
_CHECKS: Final = {
    "success": Checks.PASSED,
    "warning": Checks.PASSED,
    "skipped": Checks.PASSED,
    "failure": Checks.FAILED,
    "error": Checks.FAILED,
}


class Seen(NamedTuple):
    """A merge request, and what only decides how it is asked on."""

    request: MergeRequest
    is_ours: bool  # its branch is one of this repository
    is_open: bool  # as the forge has it; one whose commits are in its base already is merged for us
    branch_there: bool
    mergeable: bool
    labels: tuple[tuple[str, int], ...]  # with their ids
    updated: int


def seen(api: Api, told: Told, path: str) -> Seen:
    head, base = api.thing(told.get("head"), path), api.thing(told.get("base"), path)
    state, at = text(told, "state"), moment(told.get("updated_at"))
    merged, is_open = told.get("merged") is True, state == "open"
    sha = commit(api, head.get("sha"), path)
    # commits that reached the base by plain Git: not every server notices, but each says where both part
    is_landed = is_open and told.get("merge_base") == sha
    shown = "merged" if merged or is_landed else "open" if is_open else "closed"
    ended = moment(told.get("merged_at")) if merged else moment(told.get("closed_at"))
    branch = text(head, "label")
    labels = tuple(
        (text(each, "name"), api.number(each, "id", path)) for each in api.things(told.get("labels"), path)
    )
    title = " ".join(text(told, "title").split())
    reviewers = _logins(told.get("requested_reviewers"))
    request = MergeRequest(
        number=api.number(told, "number", path),
        url=text(told, "html_url"),
        branch=branch,
        base=text(base, "ref"),
        head=sha,
        state=shown,
        title=title,
        body=text(told, "body").replace("\r\n", "\n"),
        labels=tuple(sorted({name for name, _ in labels})),  # each kind of answer has an order of its own
        opened_at=moment(told.get("created_at")),
        ended_at=0 if shown == "open" else at if is_landed else ended,
        ended_by=_login(told.get("merged_by")) if merged else "",
        merge_commit=_merge_commit(told, sha, merged=merged, is_landed=is_landed),
        author=_login(told.get("user")),
        draft=told.get("draft") is True or _DRAFT.match(title) is not None,
        reviewers=(*reviewers, *_teams(told.get("requested_reviewers_teams"), api.owner)),
    )
    return Seen(
        request=request,
        is_ours=bool(branch) and head.get("repo_id") == base.get("repo_id"),
        is_open=is_open,
        branch_there=head.get("ref") == branch,
        mergeable=told.get("mergeable") is True,
        labels=labels,
        updated=at,
    )


def _merge_commit(told: Told, head: str, *, merged: bool, is_landed: bool) -> str:
    found = text(told, "merge_commit_sha") if merged else ""
    return found if _COMMIT.fullmatch(found) else head if is_landed else ""


def reviewed(told: Iterable[Told]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who approves of the commit that is there, and who wants changes: what each said last."""
    last: dict[str, str] = {}
    for each in sorted(told, key=lambda one: (moment(one.get("submitted_at")), str(one.get("id")))):
        who, state = _login(each.get("user")), text(each, "state")
        if state not in ("APPROVED", "REQUEST_CHANGES") or not who or each.get("official") is False:
            continue
        is_void = each.get("dismissed") is True or (state == "APPROVED" and each.get("stale") is True)
        last[who] = "" if is_void else state
    approved = tuple(who for who, state in last.items() if state == "APPROVED")
    return approved, tuple(who for who, state in last.items() if state == "REQUEST_CHANGES")


def checked(told: object) -> Checks:
    """Of a combined status. Old servers say nothing at all where there is none."""
    if not isinstance(told, dict) or not (told.get("total_count") or told.get("statuses")):
        return Checks.NONE
    return _CHECKS.get(text(told, "state"), Checks.PENDING)


def last_event(told: Iterable[Told], *kinds: str) -> Told | None:
    """The newest event of a timeline that is one of these."""
    found = [each for each in told if text(each, "type") in kinds]
    return max(found, key=_when, default=None)


def _when(event: Told) -> tuple[int, int]:
    number = event.get("id")
    return moment(event.get("created_at")), number if isinstance(number, int) else 0


def actor(event: Told | None) -> str:
    return _login(event.get("user")) if event else ""


def text(told: Told, key: str) -> str:
    found = told.get(key)
    return found if isinstance(found, str) else ""


def moment(told: object) -> int:
    """Seconds since 1970 of a time as the API writes it; 0 for none."""
    if not isinstance(told, str):
        return 0
    try:
        return min(max(0, int(datetime.fromisoformat(told).timestamp())), LATEST)
    except (ValueError, OverflowError):
        return 0


def commit(api: Api, told: object, path: str) -> str:
    if isinstance(told, str) and _COMMIT.fullmatch(told):
        return told
    raise _no_commit(api, path)


def _no_commit(api: Api, path: str) -> Problem:
    return api.strange(path, "names no commit")


def _login(told: object) -> str:
    return text(told, "login") if isinstance(told, dict) else ""


def _logins(told: object) -> tuple[str, ...]:
    found = (_login(each) for each in told) if isinstance(told, list) else ()
    return tuple(dict.fromkeys(login for login in found if login))


def _teams(told: object, organisation: str) -> tuple[str, ...]:
    names = [text(each, "name") for each in told if isinstance(each, dict)] if isinstance(told, list) else []
    return tuple(f"{organisation}/{name}" for name in names if name)
