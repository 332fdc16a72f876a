"""What reviewers and pipelines say of one merge request on GitLab.

An approval may outlive the commit it was given for: whether a push takes it back is a setting, and
not one of every edition. What counts here is an approval of the commit that is there now.
"""

from __future__ import annotations

from typing import Any

from reconciler.forges.gitlab_api import Api, Found, RefusedError
from reconciler.forges.gitlab_seen import Seen, moment, text, user_of
from reconciler.forges.port import Standing

_MISSING = (403, 404)  # what this edition, or its licence, doesn't have


def standing(api: Api, now: Seen) -> Standing:
    path = f"{api.project}/merge_requests/{now.request.number}"
    return Standing(
        approved_by=_approved_by(api, path),
        changes_wanted_by=_changes_wanted_by(api, path),
        checks=now.checks,
        merging=now.merging or now.locked,  # a merge train counts as the first
    )


def _approved_by(api: Api, path: str) -> tuple[str, ...]:
    told = api.find(f"{path}/approvals", without=_MISSING) or {}
    given = [each for each in _list(told, "approved_by") if user_of(each.get("user"))]
    if not given:
        return ()
    pushed = [moment(each.get("created_at")) for each in api.each(f"{path}/versions")]
    counts = (each for each in given if len(pushed) <= 1 or _is_later(each, max(pushed)))
    return tuple(dict.fromkeys(user_of(each.get("user")) for each in counts))


def _is_later(approval: Found, pushed: int) -> bool:
    """Older servers don't say when; then it may have been before."""
    return moment(approval.get("approved_at")) >= pushed > 0


def _changes_wanted_by(api: Api, path: str) -> tuple[str, ...]:
    try:
        found = list(api.each(f"{path}/reviewers"))
    except RefusedError as refused:
        if refused.status in _MISSING:
            return ()
        raise
    wanted = (each for each in found if text(each, "state") == "requested_changes")
    return tuple(filter(None, (user_of(each.get("user")) for each in wanted)))


def _list(found: Found, key: str) -> list[Any]:
    value = found.get(key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
