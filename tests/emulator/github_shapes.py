"""What GitHub's REST API answers with, of what the store knows."""

from __future__ import annotations

import hashlib
from typing import Any

import pygit2

from .clock import iso
from .github_basics import Basics, node
from .records import Issue, Refused, Remark, Request, Review, Status
from .repository import Repository

STATES = {"approved": "APPROVED", "changes-wanted": "CHANGES_REQUESTED", "commented": "COMMENTED"}


class Shapes(Basics):
    # -- pull requests ----------------------------------------------------------------------------

    def pull(self, repository: Repository, request: Request) -> dict[str, Any]:
        """As it stands in a list; `details` adds what only a question about it alone tells."""
        api, web = f"{self.api}/repos/{repository.path}", f"{self.web}/{repository.path}"
        url, html = f"{api}/pulls/{request.number}", f"{web}/pull/{request.number}"
        issue = f"{api}/issues/{request.number}"
        links = {
            "self": url, "html": html, "issue": issue, "comments": f"{issue}/comments",
            "review_comments": f"{url}/comments", "review_comment": f"{api}/pulls/comments{{/number}}",
            "commits": f"{url}/commits", "statuses": f"{api}/statuses/{request.head}",
        }  # fmt: skip
        return {
            "url": url,
            "id": request.id,
            "node_id": node("PullRequest", request.id),
            "html_url": html,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "issue_url": issue,
            **{f"{name}_url": links[name] for name in ("comments", "commits", "review_comment",
                                                       "review_comments", "statuses")},
            "number": request.number,
            "state": "open" if request.is_open else "closed",
            "locked": False,
            "title": request.title,
            "user": self.user(request.author),
            "body": request.body or None,
            "labels": self.labels(repository, request.labels),
            "milestone": None,
            "created_at": iso(request.created),
            "updated_at": iso(request.updated),
            "closed_at": None if request.is_open else iso(request.closed_at),
            "merged_at": iso(request.merged_at) if request.merged_at else None,
            "merge_commit_sha": request.merge_commit or _test_merge(request),
            "assignee": None,
            "assignees": [],
            "requested_reviewers": [self.user(repository.forge.user(each)) for each in request.reviewers],
            "requested_teams": [self.team(*each.rsplit("/", 1)) for each in request.teams],
            "head": self._side(repository, request.branch, request.head),
            "base": self._side(repository, request.base, request.base_sha),
            "author_association": "CONTRIBUTOR",
            "auto_merge": self._auto_merge(request),
            "active_lock_reason": None,
            "draft": request.draft,
            "_links": {name: {"href": href} for name, href in links.items()},
        }  # fmt: skip

    def details(self, repository: Repository, request: Request) -> dict[str, Any]:
        known = not request.is_open or repository.is_known(request)
        state = mergeable_state(repository, request) if request.is_open and known else "unknown"
        counts = ("comments", "review_comments", "commits", "additions", "deletions", "changed_files")
        return {
            **self.pull(repository, request),
            "merged": bool(request.merged_at),
            "mergeable": state != "dirty" if request.is_open and known else None,
            "rebaseable": None,
            "mergeable_state": state,
            "merged_by": self.user(request.merged_by),
            "maintainer_can_modify": False,
            **dict.fromkeys(counts, 0),
        }

    def _side(self, repository: Repository, branch: str, sha: str) -> dict[str, Any]:
        return {
            "label": f"{repository.owner}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": self.user(repository.forge.user(repository.owner)),
            "repo": self.repository(repository),
        }

    def _auto_merge(self, request: Request) -> dict[str, Any] | None:
        armed = request.auto_merge
        if armed is None or armed.queued:
            return None
        words = {"commit_title": armed.title, "commit_message": armed.message}
        return {"enabled_by": self.user(armed.by), "merge_method": armed.method, **words}

    def review(self, repository: Repository, request: Request, review: Review) -> dict[str, Any]:
        html = f"{self.web}/{repository.path}/pull/{request.number}#pullrequestreview-{review.id}"
        url = f"{self.api}/repos/{repository.path}/pulls/{request.number}"
        return {
            "id": review.id,
            "node_id": node("PullRequestReview", review.id),
            "user": self.user(review.by),
            "body": review.body,
            "state": "DISMISSED" if review.dismissed else STATES[review.state],
            "html_url": html,
            "pull_request_url": url,
            "_links": {"html": {"href": html}, "pull_request": {"href": url}},
            "submitted_at": iso(review.at),
            "commit_id": review.commit,
            "author_association": "MEMBER",
        }

    # -- issues -----------------------------------------------------------------------------------

    def issue(self, repository: Repository, issue: Issue | Request) -> dict[str, Any]:
        api, web = f"{self.api}/repos/{repository.path}", f"{self.web}/{repository.path}"
        url = f"{api}/issues/{issue.number}"
        is_pull = isinstance(issue, Request)
        found = {
            "id": issue.id,
            "node_id": node("Issue", issue.id),
            "url": url,
            "repository_url": api,
            "labels_url": f"{url}/labels{{/name}}",
            "comments_url": f"{url}/comments",
            "events_url": f"{url}/events",
            "html_url": f"{web}/{'pull' if is_pull else 'issues'}/{issue.number}",
            "number": issue.number,
            "state": "open" if issue.state == "open" else "closed",
            "title": issue.title,
            "body": issue.body or None,
            "user": self.user(issue.author),
            "labels": self.labels(repository, issue.labels),
            "assignee": None,
            "assignees": [],
            "milestone": None,
            "locked": False,
            "comments": len(issue.comments),
            "closed_at": iso(issue.closed_at) if issue.closed_at else None,
            "created_at": iso(issue.created),
            "updated_at": iso(issue.updated),
            "author_association": "CONTRIBUTOR",
            "closed_by": self.user(issue.closed_by),
        }
        if is_pull:
            pull = f"{api}/pulls/{issue.number}"
            html = f"{web}/pull/{issue.number}"
            found["pull_request"] = {
                "url": pull, "html_url": html, "diff_url": f"{html}.diff", "patch_url": f"{html}.patch"
            }  # fmt: skip
        return found

    def remark(self, repository: Repository, number: int, remark: Remark) -> dict[str, Any]:
        api, web = f"{self.api}/repos/{repository.path}", f"{self.web}/{repository.path}"
        return {
            "id": remark.id,
            "node_id": node("IssueComment", remark.id),
            "url": f"{api}/issues/comments/{remark.id}",
            "html_url": f"{web}/pull/{number}#issuecomment-{remark.id}",
            "issue_url": f"{api}/issues/{number}",
            "body": remark.body,
            "user": self.user(remark.by),
            "created_at": iso(remark.at),
            "updated_at": iso(remark.changed),
            "author_association": "CONTRIBUTOR",
        }

    # -- checks -----------------------------------------------------------------------------------

    def check_run(self, repository: Repository, check: Status) -> dict[str, Any]:
        done = check.state != "pending"
        url = f"{self.api}/repos/{repository.path}/check-runs/{check.id}"
        output = {
            "title": None, "summary": None, "text": None, "annotations_count": 0,
            "annotations_url": f"{url}/annotations",
        }  # fmt: skip
        return {
            "id": check.id,
            "name": check.context,
            "node_id": node("CheckRun", check.id),
            "head_sha": check.sha,
            "external_id": "",
            "url": url,
            "html_url": f"{self.web}/{repository.path}/runs/{check.id}",
            "details_url": None,
            "status": "completed" if done else "in_progress",
            "conclusion": ("failure" if check.state == "error" else check.state) if done else None,
            "started_at": iso(check.at),
            "completed_at": iso(check.changed) if done else None,
            "output": output,
            "check_suite": {"id": 1},
            "app": self.app(check.by) if check.by is not None else None,
            "pull_requests": [],
        }

    def status(self, repository: Repository, status: Status) -> dict[str, Any]:
        return {
            "url": f"{self.api}/repos/{repository.path}/statuses/{status.sha}",
            "avatar_url": None,
            "id": status.id,
            "node_id": node("StatusContext", status.id),
            "state": status.state,
            "description": status.description or None,
            "target_url": status.url or None,
            "context": status.context,
            "created_at": iso(status.at),
            "updated_at": iso(status.changed),
        }

    # -- commits ----------------------------------------------------------------------------------

    def commit(self, repository: Repository, sha: str) -> dict[str, Any]:
        try:
            found = repository.git[sha]
        except (KeyError, ValueError):
            raise Refused("not-found", "Not Found") from None
        if not isinstance(found, pygit2.Commit):
            raise Refused("not-found", "Not Found")
        url = f"{self.api}/repos/{repository.path}/git"
        verified = sha in repository.vouched
        return {
            "sha": sha,
            "node_id": node("Commit", found.commit_time),
            "url": f"{url}/commits/{sha}",
            "html_url": f"{self.web}/{repository.path}/commit/{sha}",
            "author": _person(found.author),
            "committer": _person(found.committer),
            "tree": {"sha": str(found.tree_id), "url": f"{url}/trees/{found.tree_id}"},
            "message": found.message,
            "parents": [
                {
                    "sha": str(parent),
                    "url": f"{url}/commits/{parent}",
                    "html_url": f"{self.web}/{repository.path}/commit/{parent}",
                }
                for parent in found.parent_ids
            ],
            "verification": {
                "verified": verified,
                "reason": "valid" if verified else "unsigned",
                "signature": "-----BEGIN PGP SIGNATURE-----" if verified else None,
                "payload": "tree" if verified else None,
                "verified_at": iso(found.commit_time) if verified else None,
            },
        }


def mergeable_state(repository: Repository, request: Request) -> str:
    """GitHub's one word for all that stands in the way."""
    obstacles = {each.why for each in repository.obstacles(request)}
    for word, whys in (
        ("dirty", {"conflict", "no-branch"}),
        ("draft", {"draft"}),
        ("blocked", {"approvals", "changes-wanted", "checks"}),
        ("behind", {"behind"}),
    ):
        if obstacles & whys:
            return word
    if repository.queue:
        return "blocked"
    states = {each.state for each in repository.latest(request.head)}
    return "unstable" if states & {"pending", "failure", "error"} else "clean"


def _test_merge(request: Request) -> str:
    """While it is open, the commit of a merge that GitHub only tries: never the one to come."""
    return hashlib.sha1(f"test {request.head}".encode()).hexdigest()


def _person(found: pygit2.Signature) -> dict[str, Any]:
    return {"name": found.name, "email": found.email, "date": iso(found.time)}
