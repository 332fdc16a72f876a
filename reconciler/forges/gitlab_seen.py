"""What GitLab says of a merge request, checked: its answers are anybody's text."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeGuard
from urllib.parse import urlsplit

from reconciler.forges import gitlab_texts as texts
from reconciler.forges.gitlab_api import Api, Found
from reconciler.forges.port import Checks
from reconciler.model import MergeRequest

_STATES: Final = {"opened": "open", "locked": "open", "merged": "merged", "closed": "closed"}
_SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LONGEST: Final = 2_000_000
_LATEST: Final = 253_402_300_799  # the end of the year 9999
_CHECKS: Final = {
    "success": Checks.PASSED,
    "failed": Checks.FAILED,
    "canceled": Checks.FAILED,
    "skipped": Checks.NONE,
}


class Seen(NamedTuple):
    """A merge request, and what only GitLab says of it."""

    request: MergeRequest
    locked: bool  # it is being merged this moment
    status: str  # detailed_merge_status
    merging: bool  # by itself, once it may
    squash: bool
    error: str  # what kept it from being merged the last time
    reviewers: tuple[int, ...]
    own: bool  # from a branch of this project, not of a fork
    checks: Checks  # of a pipeline for the commit that is there now
    prepared: bool  # what GitLab does when one is opened is done: its pipeline is made as well


def seen(api: Api, found: object) -> Seen:
    if not isinstance(found, dict):
        raise api.strange("a merge request")
    number, state = found.get("iid"), text(found, "state")
    branch, base = text(found, "source_branch"), text(found, "target_branch")
    if not _is_id(number) or state not in _STATES or not branch or not base:
        raise api.strange("a merge request without number, state or branches")
    draft = found.get("draft") is True or found.get("work_in_progress") is True
    name = text(found, "title")
    ended_at, ended_by = _end(found, state)
    head = _sha(found, "sha")
    request = MergeRequest(
        number=number,
        url=url_of(found) or f"{api.server}/{api.path}/-/merge_requests/{number}",
        branch=branch,
        base=base,
        head=head,
        state=_STATES[state],
        title=texts.without_draft(name) if draft else name,
        body=texts.read(text(found, "description")),
        labels=tuple(each for each in _list(found, "labels") if isinstance(each, str)),
        opened_at=moment(found.get("created_at")),
        ended_at=ended_at,
        ended_by=ended_by,
        merge_commit=_merge_commit(found) if state == "merged" else "",
        author=user_of(found.get("author")),
        draft=draft,
        reviewers=tuple(filter(None, (user_of(each) for each in _list(found, "reviewers")))),
    )
    ids = (each.get("id") for each in _list(found, "reviewers") if isinstance(each, dict))
    return Seen(
        request=request,
        locked=state == "locked",
        status=_status(found),
        merging=state == "opened" and found.get("merge_when_pipeline_succeeds") is True,
        squash=found.get("squash") is True,
        error=api.shown(text(found, "merge_error")) if text(found, "merge_error") else "",
        reviewers=tuple(each for each in ids if _is_id(each)),
        own=found.get("source_project_id") == found.get("target_project_id"),
        checks=_checks(found, head),
        prepared=_is_prepared(found),
    )


def number_of(api: Api, found: Found, key: str = "iid") -> int:
    value = found.get(key)
    if not _is_id(value):
        raise api.strange(f"something without its {key}")
    return value


def text(found: Found, key: str) -> str:
    value = found.get(key)
    return value if isinstance(value, str) and len(value) <= _LONGEST else ""


def user_of(found: object) -> str:
    return text(found, "username") if isinstance(found, dict) else ""


def moment(value: object) -> int:
    """Seconds since 1970; 0 for what is no time."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) and len(value) < 64 else None
        return min(max(int(at.timestamp()), 0), _LATEST) if at and at.tzinfo else 0
    except (ValueError, OverflowError):
        return 0


def _is_id(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 53


def _list(found: Found, key: str) -> list[Any]:
    value = found.get(key)
    return value[:1_000] if isinstance(value, list) else []


def _sha(found: Found, key: str) -> str:
    value = text(found, key)
    return value if _SHA.fullmatch(value) else ""


def _end(found: Found, state: str) -> tuple[int, str]:
    if state == "merged":
        who = user_of(found.get("merge_user")) or user_of(found.get("merged_by"))
        return moment(found.get("merged_at")) or moment(found.get("updated_at")), who
    if state == "closed":
        at = moment(found.get("closed_at")) or moment(found.get("updated_at"))
        return at, user_of(found.get("closed_by"))
    return 0, ""


def _merge_commit(found: Found) -> str:
    """What the base branch got: a merge commit, else the squashed one, else the branch's own."""
    kinds = ("merge_commit_sha", "squash_commit_sha", "sha")
    return next((sha for key in kinds if (sha := _sha(found, key))), "")


def _status(found: Found) -> str:
    """Before 15.6 GitLab told less, by another name."""
    told = text(found, "detailed_merge_status")
    if told:
        return told[:100]
    older = {"can_be_merged": "mergeable", "cannot_be_merged": "conflict"}
    return older.get(text(found, "merge_status"), "checking")


def _is_prepared(found: Found) -> bool:
    """GitLab before 16.1 doesn't tell."""
    return "prepared_at" not in found or found["prepared_at"] is not None


def _checks(found: Found, head: str) -> Checks:
    """Of the head pipeline. One of an earlier commit tells nothing: the next is on its way."""
    pipeline = found.get("head_pipeline")
    if not isinstance(pipeline, dict):
        return Checks.NONE if _is_prepared(found) else Checks.PENDING
    merged = text(pipeline, "ref").endswith("/merge") or text(pipeline, "ref").endswith("/train")
    if not merged and text(pipeline, "sha") != head:
        return Checks.PENDING
    return _CHECKS.get(text(pipeline, "status"), Checks.PENDING)


def url_of(found: Found) -> str:
    """Its address for people, if it is one."""
    url = text(found, "web_url")
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    fits = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
    return url if fits and url.isprintable() and " " not in url and len(url) <= 2_000 else ""
