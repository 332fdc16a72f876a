"""What GitHub's answers say, as our records. Its texts may be anybody's: types are looked at first."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from reconciler.forges.port import Checks
from reconciler.forges.records import LATEST
from reconciler.model import MergeRequest

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_FINE: Final = frozenset({"success", "neutral", "skipped"})
_OURS: Final = "reconcile/"  # contexts of our own count for nothing


class StrangeError(Exception):
    """An answer lacks what the API promises."""


def seen(pull: Mapping[str, Any], owner: str, ended_by: str = "") -> MergeRequest:
    """A merge request, of a pull request in a list or by itself."""
    merged_at = moment(pull.get("merged_at"))
    closed_at = moment(pull.get("closed_at"))
    state = "merged" if merged_at else text(pull, "state")
    if state not in ("open", "closed", "merged"):
        raise StrangeError("state")
    merged_as = pull.get("merge_commit_sha")  # GitHub has forgotten those of its first years
    number = pull.get("number")
    if not isinstance(number, int):
        raise StrangeError("number")
    return MergeRequest(
        number=number,
        url=text(pull, "html_url"),
        branch=text(_inner(pull, "head"), "ref"),
        base=text(_inner(pull, "base"), "ref"),
        head=commit(_inner(pull, "head").get("sha")),
        state=state,
        title=text(pull, "title"),
        body=body(pull),
        labels=tuple(text(each, "name") for each in inners(pull, "labels")),
        opened_at=moment(pull.get("created_at")),
        ended_at=0 if state == "open" else merged_at or closed_at,
        ended_by=ended_by if state != "open" else "",
        merge_commit=commit(merged_as) if merged_at and merged_as is not None else "",
        author=login(pull.get("user")),
        draft=pull.get("draft") is True,
        reviewers=(
            *(login(each) for each in inners(pull, "requested_reviewers")),
            *(f"{owner}/{each['slug']}" for each in inners(pull, "requested_teams") if each.get("slug")),
        ),
    )


def is_of(pull: Mapping[str, Any], repository: str, prefix: str) -> bool:
    """Whether its branch begins so, and lies in the repository itself, not in a fork."""
    head = pull.get("head")
    if not isinstance(head, dict) or not isinstance(head.get("ref"), str):
        return False
    home = head.get("repo")  # None: the fork is gone
    name = home.get("full_name") if isinstance(home, dict) else None
    return isinstance(name, str) and name.lower() == repository.lower() and head["ref"].startswith(prefix)


def body(found: Mapping[str, Any]) -> str:
    """A text as it was written: GitHub's form ends lines with CR LF when people edit there."""
    written = found.get("body")
    return written.replace("\r\n", "\n") if isinstance(written, str) else ""


def login(user: object) -> str:
    name = user.get("login") if isinstance(user, dict) else None
    return name if isinstance(name, str) else "ghost"  # as GitHub calls those who are gone


def actor(found: object) -> str:
    """A login of GraphQL, which leaves out what REST adds to the names of apps."""
    if not isinstance(found, dict):
        return "ghost"
    name = login(found)
    is_app = found.get("__typename") == "Bot" and not name.endswith("[bot]")
    return f"{name}[bot]" if is_app else name


def moment(value: object) -> int:
    if value is None:
        return 0
    try:
        at = int(datetime.fromisoformat(str(value).replace("Z", "+00:00")).timestamp())
    except (ValueError, OverflowError):
        raise StrangeError("a time") from None
    return min(max(0, at), LATEST)


def commit(value: object) -> str:
    if isinstance(value, str) and _COMMIT.fullmatch(value):
        return value
    raise StrangeError("a commit")


def text(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    if not isinstance(value, str):
        raise StrangeError(key)
    return value


def inners(found: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    value = found.get(key) or []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise StrangeError(key)
    return value


def _inner(found: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = found.get(key)
    if not isinstance(value, dict):
        raise StrangeError(key)
    return value


def reviews(
    found: Iterable[Mapping[str, Any]], heads: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who has approved one of these commits, and who wants changes; each one's last word counts."""
    last: dict[str, tuple[str, object]] = {}
    for each in found:
        if each.get("state") in ("APPROVED", "CHANGES_REQUESTED", "DISMISSED"):
            last[login(each.get("user"))] = (str(each.get("state")), each.get("commit_id"))
    approved = tuple(who for who, (state, at) in last.items() if state == "APPROVED" and at in heads)
    return approved, tuple(who for who, (state, _) in last.items() if state == "CHANGES_REQUESTED")


def checks(runs: Iterable[Mapping[str, Any]], statuses: Iterable[Mapping[str, Any]], me: str) -> Checks:
    """All checks of a commit as one; our own don't count."""
    found: list[Checks] = []
    for run in runs:
        app = run.get("app")
        if isinstance(app, dict) and f"{app.get('slug')}[bot]" == me:
            continue
        if run.get("status") != "completed":
            found.append(Checks.PENDING)
        else:
            found.append(Checks.PASSED if run.get("conclusion") in _FINE else Checks.FAILED)
    for status in statuses:
        if str(status.get("context")).startswith(_OURS):
            continue
        state = status.get("state")
        passed = Checks.PASSED if state == "success" else Checks.FAILED
        found.append(Checks.PENDING if state == "pending" else passed)
    for worst in (Checks.FAILED, Checks.PENDING, Checks.PASSED):
        if worst in found:
            return worst
    return Checks.NONE
