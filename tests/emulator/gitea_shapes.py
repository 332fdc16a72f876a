"""What Gitea and Forgejo say of things, as JSON."""

from __future__ import annotations

from typing import Any

from . import merging
from .clock import iso
from .records import Event, Issue, Label, Remark, Request, Review, Role, Status, Team, User
from .repository import Repository

Json = dict[str, Any]
NEVER = "0001-01-01T00:00:00Z"
STYLES = {"merge": "merge", "squash": "squash", "rebase": "rebase", "fast-forward": "fast-forward-only"}
STATES = {"approved": "APPROVED", "changes-wanted": "REQUEST_CHANGES", "commented": "COMMENT"}
EVENTS = {
    "closed": "close",
    "reopened": "reopen",
    "merged": "merge_pull",
    "pushed": "pull_push",
    "force-pushed": "pull_push",
    "reviewed": "review",
    "armed": "pull_scheduled_merge",
    "disarmed": "pull_cancel_scheduled_merge",
}
WORST = ("skipped", "success", "warning", "pending", "failure", "error")


def user(who: User, url: str) -> Json:
    return {
        "id": who.id,
        "login": who.login,
        "login_name": "",
        "source_id": 0,
        "full_name": who.name,
        "email": who.email,
        "avatar_url": f"{url}/avatars/{who.id}",
        "html_url": f"{url}/{who.login}",
        "language": "",
        "is_admin": who.is_admin,
        "last_login": NEVER,
        "created": "2025-01-01T00:00:00Z",
        "restricted": False,
        "active": True,
        "prohibit_login": False,
        "location": "",
        "website": "",
        "description": "",
        "visibility": "public",
        "followers_count": 0,
        "following_count": 0,
        "starred_repos_count": 0,
    }


def team(which: Team) -> Json:
    return {
        "id": which.id,
        "name": which.slug,
        "description": "",
        "organization": None,
        "includes_all_repositories": False,
        "permission": "write",
        "units": ["repo.code", "repo.pulls"],
        "units_map": {"repo.code": "write", "repo.pulls": "write"},
        "can_create_org_repo": False,
    }


def label(which: Label, repository: Repository, url: str) -> Json:
    return {
        "id": which.id,
        "name": which.name,
        "exclusive": False,
        "is_archived": False,
        "color": which.color.lstrip("#"),
        "description": which.description,
        "url": f"{url}/api/v1/repos/{repository.path}/labels/{which.id}",
    }


def _labels(names: list[str], repository: Repository, url: str) -> list[Json]:
    found = (next(each for each in repository.labels if each.name == name) for name in names)
    return [label(each, repository, url) for each in found]


def repository(which: Repository, who: User | None, url: str) -> Json:
    role = which.role(who) if who else Role.READ
    owner = which.forge.user(which.owner)
    return {
        "id": which.id,
        "owner": user(owner, url),
        "name": which.name,
        "full_name": which.path,
        "description": "",
        "empty": False,
        "private": which.private,
        "fork": False,
        "html_url": f"{url}/{which.path}",
        "clone_url": f"{url}/{which.path}.git",
        "default_branch": which.default_branch,
        "archived": which.archived,
        "created_at": iso(which.created),
        "updated_at": iso(which.created),
        "permissions": {
            "admin": role >= Role.ADMIN,
            "push": role >= Role.WRITE,
            "pull": role >= Role.READ,
        },
        "has_issues": which.has_issues,
        "has_pull_requests": True,
        "ignore_whitespace_conflicts": False,
        "allow_merge_commits": "merge" in which.methods,
        "allow_rebase": "rebase" in which.methods,
        "allow_rebase_explicit": False,
        "allow_squash_merge": "squash" in which.methods,
        "allow_fast_forward_only_merge": "fast-forward" in which.methods,
        "default_merge_style": STYLES[which.methods[0]],
    }


def request(which: Request, place: Repository, who: User | None, url: str) -> Json:
    base, head = place.tip(which.base), place.tip(which.branch)
    page = f"{url}/{place.path}/pulls/{which.number}"
    told = repository(place, who, url)
    is_merged = which.state == "merged"
    sha = head or which.head  # also of one that has ended: where its branch is now
    fork = merging.merge_base(place.git, base, which.head) if base else ""
    teams = place.forge.teams
    return {
        "id": which.id,
        "url": page,
        "number": which.number,
        "user": user(which.author, url),
        "title": which.title,
        "body": which.body,
        "labels": _labels(which.labels, place, url),
        "milestone": None,
        "assignee": None,
        "assignees": None,
        "requested_reviewers": [user(place.forge.users[each], url) for each in which.reviewers] or None,
        "requested_reviewers_teams": [team(teams[each]) for each in which.teams] or None,
        "state": "open" if which.is_open else "closed",
        "draft": which.draft,
        "is_locked": False,
        "comments": len(which.comments),
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "mergeable": _mergeable(which, place),
        "merged": is_merged,
        "merged_at": iso(which.merged_at) if is_merged else None,
        "merge_commit_sha": which.merge_commit if is_merged else None,
        "merged_by": user(which.merged_by, url) if which.merged_by else None,
        "allow_maintainer_edit": False,
        "base": _side(which.base, which.base, base, place, told),
        "head": _side(which.branch, which.branch if head else _ref(which), sha, place, told),
        "merge_base": fork,
        "due_date": None,
        "created_at": iso(which.created),
        "updated_at": iso(which.updated),
        "closed_at": iso(which.closed_at) if which.closed_at else None,
        "pin_order": 0,
    }


def _ref(which: Request) -> str:
    return f"refs/pull/{which.number}/head"


def _side(branch: str, ref: str, sha: str, place: Repository, told: Json) -> Json:
    return {"label": branch, "ref": ref, "sha": sha, "repo_id": place.id, "repo": told}


def _mergeable(which: Request, place: Repository) -> bool:
    """Approvals and checks don't count here, only the content."""
    if which.state != "open":
        return False
    if not place.is_known(which):
        return False
    return not any(each.why in ("draft", "conflict", "no-branch") for each in place.obstacles(which))


def issue(which: Issue, place: Repository, url: str) -> Json:
    return {
        "id": which.id,
        "url": f"{url}/api/v1/repos/{place.path}/issues/{which.number}",
        "html_url": f"{url}/{place.path}/issues/{which.number}",
        "number": which.number,
        "user": user(which.author, url),
        "original_author": "",
        "original_author_id": 0,
        "title": which.title,
        "body": which.body,
        "ref": "",
        "assets": [],
        "labels": _labels(which.labels, place, url),
        "milestone": None,
        "assignee": None,
        "assignees": None,
        "state": which.state,
        "is_locked": which.locked,
        "comments": len(which.comments),
        "created_at": iso(which.created),
        "updated_at": iso(which.updated),
        "closed_at": iso(which.closed_at) if which.closed_at else None,
        "due_date": None,
        "pull_request": None,
        "pin_order": 0,
    }


def comment(which: Remark, number: int, place: Repository, url: str) -> Json:
    page = f"{url}/{place.path}/issues/{number}"
    return {
        "id": which.id,
        "html_url": f"{page}#issuecomment-{which.id}",
        "pull_request_url": "",
        "issue_url": page,
        "user": user(which.by, url),
        "original_author": "",
        "original_author_id": 0,
        "body": which.body,
        "assets": [],
        "created_at": iso(which.at),
        "updated_at": iso(which.changed),
    }


def review(which: Review, at: Request, place: Repository, url: str) -> Json:
    page = f"{url}/{place.path}/pulls/{at.number}"
    return {
        "id": which.id,
        "user": user(which.by, url),
        "team": None,
        "state": STATES[which.state],
        "body": which.body,
        "commit_id": which.commit,
        "stale": which.commit != at.head,
        "official": which.official,
        "dismissed": which.dismissed,
        "comments_count": 0,
        "submitted_at": iso(which.at),
        "updated_at": iso(which.at),
        "html_url": f"{page}#issuecomment-{which.id}",
        "pull_request_url": page,
    }


def event(which: Event, number: int, at: Request, place: Repository, url: str) -> Json:
    page = f"{url}/{place.path}/pulls/{at.number}"
    return {
        "id": at.id * 1000 + number,
        "type": EVENTS[which.what],
        "html_url": f"{page}#event-{number}",
        "pull_request_url": page,
        "issue_url": "",
        "user": user(which.by, url),
        "body": which.detail,
        "created_at": iso(which.at),
        "updated_at": iso(which.at),
        "old_project_id": 0,
        "project_id": 0,
        "old_title": "",
        "new_title": "",
        "old_ref": "",
        "new_ref": "",
        "review_id": 0,
        "ref_action": "",
        "ref_commit_sha": "",
        "removed_assignee": False,
    }


def status(which: Status, place: Repository, url: str) -> Json:
    return {
        "id": which.id,
        "status": which.state if which.state in WORST else "success",
        "target_url": which.url,
        "description": which.description,
        "url": f"{url}/api/v1/repos/{place.path}/statuses/{which.sha}",
        "context": which.context,
        "creator": user(which.by, url) if which.by else None,
        "created_at": iso(which.at),
        "updated_at": iso(which.changed),
    }


def combined(sha: str, place: Repository, who: User | None, url: str) -> Json:
    found = [status(each, place, url) for each in place.latest(sha)]
    states = [each["status"] for each in found]
    return {
        "state": max(states, key=WORST.index) if states else "pending",
        "sha": sha,
        "total_count": len(found),
        "statuses": found,
        "repository": repository(place, who, url),
        "commit_url": f"{url}/api/v1/repos/{place.path}/commits/{sha}",
        "url": f"{url}/api/v1/repos/{place.path}/commits/{sha}/status",
    }
