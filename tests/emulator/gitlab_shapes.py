"""What GitLab's API says of things: its entities, from what the emulator keeps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pygit2

from . import merging
from .clock import iso as _iso
from .records import Issue, Refused, Remark, Request, Role, Status, User

if TYPE_CHECKING:
    from .repository import Repository

DRAFT = re.compile(r"\A\s*(\[draft\]|\(draft\)|draft:)", re.IGNORECASE)
BOX = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+\[([ xX])\]", re.MULTILINE)
# Worst first: the one that GitLab tells of.
STATUSES = {
    "no-branch": "commits_status",
    "draft": "draft_status",
    "conflict": "conflict",
    "behind": "need_rebase",
    "changes-wanted": "requested_changes",
    "approvals": "not_approved",
    "checks": "ci_must_pass",
}


@dataclass
class Extra:
    """What only GitLab has of a merge request."""

    squash: bool = False
    error: str = ""  # why it could not be merged the last time
    fork: int = 0  # the project it comes from, when it is another one
    locked: int = 0  # questions that are still answered with `locked`
    squashed: str = ""  # the squashed commit beneath a merge commit


def iso(at: int) -> str:
    return _iso(at, "%Y-%m-%dT%H:%M:%S.000Z")


def user(one: User, url: str) -> dict[str, Any]:
    return {
        "id": one.id,
        "username": one.login,
        "name": one.name,
        "state": "active",
        "locked": False,
        "avatar_url": f"{url}/uploads/-/system/user/avatar/{one.id}/avatar.png",
        "web_url": f"{url}/{one.login}",
    }


def me(one: User, url: str) -> dict[str, Any]:
    return {**user(one, url), "bot": one.is_bot, "email": one.email, "created_at": iso(0)}


def project(repository: Repository, url: str, role: Role) -> dict[str, Any]:
    options = repository.options
    name, space = repository.name, repository.owner
    return {
        "id": repository.id,
        "name": name,
        "path": name,
        "path_with_namespace": repository.path,
        "name_with_namespace": repository.path.replace("/", " / "),
        "namespace": {"full_path": space, "kind": "group"},
        "default_branch": repository.default_branch,
        "visibility": "private" if repository.private else "public",
        "web_url": f"{url}/{repository.path}",
        "http_url_to_repo": f"{url}/{repository.path}.git",
        "issues_enabled": repository.has_issues,
        "merge_requests_enabled": True,
        "archived": repository.archived,
        "merge_method": options.get("merge_method", "merge"),
        "squash_option": options.get("squash_option", "default_off"),
        "only_allow_merge_if_pipeline_succeeds": bool(options.get("pipeline_must_succeed")),
        "merge_pipelines_enabled": repository.queue,
        "merge_trains_enabled": repository.queue,
        "permissions": {"project_access": {"access_level": int(role), "notification_level": 3}},
    }


def request(repository: Repository, one: Request, extra: Extra, url: str, status: str) -> dict[str, Any]:
    """As lists have it."""
    here = f"{url}/{repository.path}/-/merge_requests/{one.number}"
    people = repository.forge.users
    reviewers = [user(people[login], url) for login in one.reviewers if login in people]
    by = user(one.merged_by, url) if one.merged_by else None
    is_closed = one.state == "closed"
    squashed = extra.squashed or one.squash_commit
    direct = one.merge_commit in (one.head, one.squash_commit)  # no merge commit was made
    option = repository.options.get("squash_option", "default_off")
    return {
        "id": one.id,
        "iid": one.number,
        "project_id": repository.id,
        "title": one.title,
        "description": one.body,
        "state": {"open": "opened"}.get(one.state, one.state),
        "created_at": iso(one.created),
        "updated_at": iso(one.updated),
        "merged_by": by,
        "merge_user": by,
        "merged_at": iso(one.merged_at) if one.merged_at else None,
        "closed_by": user(one.closed_by, url) if is_closed and one.closed_by else None,
        "closed_at": iso(one.closed_at) if is_closed else None,
        "target_branch": one.base,
        "source_branch": one.branch,
        "user_notes_count": len(one.comments),
        "upvotes": 0,
        "downvotes": 0,
        "author": user(one.author, url),
        "assignees": [],
        "assignee": None,
        "reviewers": reviewers,
        "source_project_id": extra.fork or repository.id,
        "target_project_id": repository.id,
        "labels": sorted(one.labels),
        "draft": one.draft,
        "work_in_progress": one.draft,
        "milestone": None,
        "merge_when_pipeline_succeeds": one.auto_merge is not None,
        "merge_status": _older(status),
        "detailed_merge_status": status,
        "merge_after": None,
        "sha": one.head,
        "merge_commit_sha": None if direct else one.merge_commit or None,
        "squash_commit_sha": squashed or None,
        "discussion_locked": None,
        "should_remove_source_branch": None,
        "force_remove_source_branch": one.delete_branch,
        "prepared_at": None if _is_new(one) else iso(one.created),
        "reference": f"!{one.number}",
        "references": _references(repository, f"!{one.number}"),
        "web_url": here,
        "time_stats": _times(),
        "squash": extra.squash,
        "squash_on_merge": option == "always" or (option != "never" and extra.squash),
        "task_completion_status": _tasks(one.body),
        "has_conflicts": status == "conflict",
        "blocking_discussions_resolved": True,
        "approvals_before_merge": None,
    }


def expanded(
    repository: Repository, one: Request, extra: Extra, url: str, status: str, may_merge: bool
) -> dict[str, Any]:
    """As the question for one has it."""
    found = pipeline(repository, one.head, url)
    return {
        **request(repository, one, extra, url, status),
        "subscribed": False,
        "changes_count": "1",
        "latest_build_started_at": found and found["created_at"],
        "latest_build_finished_at": None,
        "first_deployed_to_production_at": None,
        "pipeline": found,
        "head_pipeline": _expanded_pipeline(repository, found, url) if found else None,
        "diff_refs": {"base_sha": one.base_sha, "head_sha": one.head, "start_sha": one.base_sha},
        "merge_error": extra.error or None,
        "first_contribution": False,
        "user": {"can_merge": may_merge},
    }


def status_of(repository: Repository, one: Request, *, known: bool) -> str:
    """`detailed_merge_status`"""
    if not one.is_open:
        return "not_open"
    if not known:
        return "preparing" if _is_new(one) else "checking"
    worst = min(blockers(repository, one), key=lambda each: list(STATUSES).index(each.why), default=None)
    if worst is None:
        return "mergeable"
    found = pipeline(repository, one.head, "")
    if worst.why == "checks" and found and found["status"] == "running":
        return "ci_still_running"
    return STATUSES[worst.why]


def _is_new(one: Request) -> bool:
    """Opened a moment ago: GitLab is not done with what it does then."""
    return one.unknown > 0 and [each.what for each in one.events] == ["opened"]


def blockers(repository: Repository, one: Request) -> list[Refused]:
    """Everything that keeps it from being merged now."""
    found = repository.obstacles(one)
    base, head = repository.tip(one.base), repository.tip(one.branch)
    linear = repository.options.get("merge_method", "merge") != "merge"
    if linear and base and head and not merging.contains(repository.git, head, base):
        found.append(Refused("behind", "it must be rebased"))
    wants_green = repository.options.get("pipeline_must_succeed")
    now = pipeline(repository, one.head, "")
    if wants_green and (now is None or now["status"] != "success"):
        found.append(Refused("checks", "its pipeline must succeed"))
    return found


def pipeline(repository: Repository, sha: str, url: str) -> dict[str, Any] | None:
    """All that runs for a commit is one pipeline."""
    jobs = repository.latest(sha)
    if not jobs:
        return None
    number = min(each.id for each in jobs)
    return {
        "id": number,
        "iid": number,
        "project_id": repository.id,
        "status": _together(jobs),
        "source": "push",
        "ref": next((one.branch for one in repository.requests.values() if one.head == sha), "main"),
        "sha": sha,
        "name": None,
        "web_url": f"{url}/{repository.path}/-/pipelines/{number}",
        "created_at": iso(min(each.at for each in jobs)),
        "updated_at": iso(max(each.changed for each in jobs)),
    }


def _together(jobs: list[Status]) -> str:
    states = {each.state for each in jobs}
    if states & {"failure", "error"}:
        return "failed"
    return "running" if "pending" in states else "success"


def _expanded_pipeline(repository: Repository, found: dict[str, Any], url: str) -> dict[str, Any]:
    word = found["status"]
    return {
        **found,
        "before_sha": "0" * 40,
        "tag": False,
        "yaml_errors": None,
        "user": user(repository.forge.user("somebody"), url),
        "started_at": found["created_at"],
        "finished_at": found["updated_at"],
        "committed_at": None,
        "duration": 1,
        "queued_duration": 1,
        "coverage": None,
        "detailed_status": {
            "icon": f"status_{word}",
            "text": word,
            "label": word,
            "group": word,
            "tooltip": word,
            "has_details": True,
            "details_path": f"/{repository.path}/-/pipelines/{found['id']}",
            "illustration": None,
            "favicon": f"/assets/{word}.png",
        },
    }


def note(one: Remark, thing: Request | Issue, repository: Repository, url: str) -> dict[str, Any]:
    return {
        "id": one.id,
        "type": None,
        "body": one.body,
        "attachment": None,
        "author": user(one.by, url),
        "created_at": iso(one.at),
        "updated_at": iso(one.changed),
        "system": False,
        "noteable_id": thing.id,
        "noteable_type": "Issue" if isinstance(thing, Issue) else "MergeRequest",
        "noteable_iid": thing.number,
        "project_id": repository.id,
        "resolvable": False,
        "confidential": False,
        "internal": False,
        "imported": False,
        "imported_from": "none",
        "commands_changes": {},
    }


def approvals(one: Request, repository: Repository, url: str, *, dated: bool) -> dict[str, Any]:
    given = [each for each in repository.standing_reviews(one) if each.state == "approved"]
    rules = repository.protected.get(one.base)
    wanted = rules.approvals if rules else 0
    return {
        "user_has_approved": False,
        "user_can_approve": True,
        "approved": len(given) >= wanted,
        "id": one.id,
        "iid": one.number,
        "project_id": repository.id,
        "title": one.title,
        "description": one.body,
        "state": {"open": "opened"}.get(one.state, one.state),
        "created_at": iso(one.created),
        "updated_at": iso(one.updated),
        "merge_status": "can_be_merged",
        "approvals_required": wanted,
        "approvals_left": max(0, wanted - len(given)),
        "approved_by": [
            {"user": user(each.by, url), **({"approved_at": iso(each.at)} if dated else {})} for each in given
        ],
    }


def reviewers(one: Request, repository: Repository, url: str) -> list[dict[str, Any]]:
    words = {"approved": "approved", "changes-wanted": "requested_changes", "commented": "reviewed"}
    said = {each.by.login: (each.by, words[each.state], each.at) for each in one.reviews}
    asked = {login: (repository.forge.users[login], "unreviewed", one.created) for login in one.reviewers}
    return [
        {"user": user(by, url), "state": state, "created_at": iso(at)}
        for by, state, at in {**said, **asked}.values()
    ]


def versions(one: Request) -> list[dict[str, Any]]:
    """Of its diff, newest first: one for each push."""
    pushes = [(each.at, each.detail) for each in one.events if each.what in ("pushed", "force-pushed")]
    heads = [(one.created, pushes[0][1] if pushes else one.head), *pushes]
    found = [
        {
            "id": one.id * 100 + place,
            "head_commit_sha": sha,
            "base_commit_sha": one.base_sha,
            "start_commit_sha": one.base_sha,
            "created_at": iso(at),
            "merge_request_id": one.id,
            "state": "collected",
            "real_size": "1",
        }
        for place, (at, sha) in enumerate(heads)
    ]
    return found[::-1]


def commit(one: pygit2.Commit, repository: Repository, url: str) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "short_id": str(one.id)[:8],
        "created_at": iso(one.commit_time),
        "parent_ids": [str(each) for each in one.parent_ids],
        "title": one.message.split("\n", 1)[0],
        "message": one.message,
        "author_name": one.author.name,
        "author_email": one.author.email,
        "authored_date": iso(one.author.time),
        "committer_name": one.committer.name,
        "committer_email": one.committer.email,
        "committed_date": iso(one.commit_time),
        "web_url": f"{url}/{repository.path}/-/commit/{one.id}",
    }


def issue(one: Issue, repository: Repository, url: str) -> dict[str, Any]:
    api = f"{url}/api/v4/projects/{quote(repository.path, safe='')}"
    return {
        "id": one.id,
        "iid": one.number,
        "project_id": repository.id,
        "title": one.title,
        "description": one.body,
        "state": "opened" if one.state == "open" else "closed",
        "type": "ISSUE",
        "created_at": iso(one.created),
        "updated_at": iso(one.updated),
        "author": user(one.author, url),
        "assignees": [],
        "labels": sorted(one.labels),
        "upvotes": 0,
        "downvotes": 0,
        "merge_requests_count": 0,
        "user_notes_count": len(one.comments),
        "due_date": None,
        "confidential": False,
        "discussion_locked": None,
        "web_url": f"{url}/{repository.path}/-/issues/{one.number}",
        "references": _references(repository, f"#{one.number}"),
        "time_stats": _times(),
        "subscribed": True,
        "has_tasks": bool(BOX.search(one.body)),
        "task_status": "",
        "task_completion_status": _tasks(one.body),
        "_links": {"self": f"{api}/issues/{one.number}", "notes": "", "award_emoji": "", "project": api},
    }


def _older(status: str) -> str:
    if status in ("checking", "preparing"):
        return "checking"
    return "cannot_be_merged" if status in ("conflict", "commits_status") else "can_be_merged"


def _references(repository: Repository, short: str) -> dict[str, str]:
    return {"short": short, "relative": short, "full": f"{repository.path}{short}"}


def _times() -> dict[str, Any]:
    spent = {"time_estimate": 0, "total_time_spent": 0}
    return {**spent, "human_time_estimate": None, "human_total_time_spent": None}


def _tasks(text: str) -> dict[str, int]:
    boxes = BOX.findall(text)
    return {"count": len(boxes), "completed_count": sum(each != " " for each in boxes)}
