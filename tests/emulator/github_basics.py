"""What GitHub's REST API says of people, repositories and apps."""

from __future__ import annotations

import base64
from typing import Any

from .clock import iso
from .records import Label, Refused, Role, Token, User
from .repository import Repository

USER_URLS = (
    "followers", "following", "gists", "starred", "subscriptions", "organizations", "repos", "events",
    "received_events",
)  # fmt: skip
REPOSITORY_URLS = (
    "archive", "assignees", "blobs", "branches", "collaborators", "comments", "commits", "compare",
    "contents", "contributors", "deployments", "downloads", "events", "forks", "git_commits", "git_refs",
    "git_tags", "hooks", "issue_comment", "issue_events", "issues", "keys", "labels", "languages", "merges",
    "milestones", "notifications", "pulls", "releases", "stargazers", "statuses", "subscribers",
    "subscription", "tags", "teams", "trees",
)  # fmt: skip


def node(kind: str, number: int) -> str:
    """An id as GraphQL has it: opaque to clients, and readable here."""
    return base64.b64encode(f"{kind}:{number}".encode()).decode("ascii")


def unnode(text: str) -> tuple[str, int]:
    try:
        kind, _, number = base64.b64decode(text, validate=True).decode().partition(":")
        return kind, int(number)
    except ValueError:
        raise Refused("not-found", f"Could not resolve to a node with the global id of '{text}'") from None


class Basics:
    """`web` is the server's address, `api` that of its API."""

    def __init__(self, web: str, api: str) -> None:
        self.web = web
        self.api = api

    # -- people -----------------------------------------------------------------------------------

    def user(self, user: User | None) -> dict[str, Any] | None:
        if user is None:
            return None
        url = f"{self.api}/users/{user.login}"
        return {
            "login": user.login,
            "id": user.id,
            "node_id": node("User", user.id),
            "avatar_url": f"{self.web}/avatars/{user.id}",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.web}/{user.login}",
            "type": "Bot" if user.is_bot else "User",
            "site_admin": user.is_admin,
            **{f"{name}_url": f"{url}/{name}" for name in USER_URLS},
        }

    def me(self, user: User) -> dict[str, Any]:
        nobody = dict.fromkeys(("bio", "blog", "company", "location", "hireable"))
        counts = dict.fromkeys(("followers", "following", "public_gists", "public_repos"), 0)
        more = {"name": user.name, "email": user.email, "blog": ""}
        dates = {"created_at": iso(0), "updated_at": iso(0)}
        return {**(self.user(user) or {}), **nobody, **counts, **more, **dates, "user_view_type": "public"}

    def team(self, organisation: str, slug: str) -> dict[str, Any]:
        url = f"{self.api}/organizations/1/team/{slug}"
        return {
            "id": 1,
            "node_id": node("Team", 1),
            "url": url,
            "html_url": f"{self.web}/orgs/{organisation}/teams/{slug}",
            "members_url": f"{url}/members{{/member}}",
            "repositories_url": f"{url}/repos",
            "name": slug.title(),
            "description": None,
            "permission": "push",
            "slug": slug,
            "parent": None,
            "type": "organization",
        }

    # -- repositories -----------------------------------------------------------------------------

    def repository(self, repository: Repository, token: Token | None = None) -> dict[str, Any]:
        url = f"{self.api}/repos/{repository.path}"
        zero = ("forks", "forks_count", "open_issues", "open_issues_count", "size", "stargazers_count",
                "watchers", "watchers_count", "network_count", "subscribers_count")  # fmt: skip
        no = ("fork", "has_projects", "has_wiki", "has_pages", "has_downloads", "has_discussions", "disabled")
        found = {
            "id": repository.id,
            "node_id": node("Repository", repository.id),
            "name": repository.name,
            "full_name": repository.path,
            "private": repository.private,
            "owner": self.user(repository.forge.user(repository.owner)),
            "html_url": f"{self.web}/{repository.path}",
            "description": None,
            "url": url,
            "homepage": None,
            "language": None,
            "license": None,
            "mirror_url": None,
            "default_branch": repository.default_branch,
            "has_issues": repository.has_issues,
            "archived": repository.archived,
            "git_url": f"git://example.com/{repository.path}.git",
            "ssh_url": f"git@example.com:{repository.path}.git",
            "clone_url": f"{self.web}/{repository.path}.git",
            "svn_url": f"{self.web}/{repository.path}",
            **{name: iso(repository.created) for name in ("created_at", "updated_at", "pushed_at")},
            **dict.fromkeys(zero, 0),
            **dict.fromkeys(no, False),
            **{f"{name}_url": f"{url}/{name}" for name in REPOSITORY_URLS},
        }
        if token is not None and repository.role(token.user) >= Role.WRITE:
            found |= {
                "allow_merge_commit": "merge" in repository.methods,
                "allow_squash_merge": "squash" in repository.methods,
                "allow_rebase_merge": "rebase" in repository.methods,
                "allow_auto_merge": repository.auto_merge_allowed,
                "delete_branch_on_merge": repository.delete_branch_on_merge,
            }
        return found

    def label(self, repository: Repository, label: Label) -> dict[str, Any]:
        return {
            "id": label.id,
            "node_id": node("Label", label.id),
            "url": f"{self.api}/repos/{repository.path}/labels/{label.name}",
            "name": label.name,
            "color": label.color,
            "default": False,
            "description": label.description,
        }

    def labels(self, repository: Repository, names: list[str]) -> list[dict[str, Any]]:
        return [self.label(repository, repository.label(name)) for name in names]

    # -- apps -------------------------------------------------------------------------------------

    def app(self, bot: User) -> dict[str, Any]:
        slug = bot.login.removesuffix("[bot]")
        return {
            "id": bot.id,
            "slug": slug,
            "node_id": node("App", bot.id),
            "owner": self.user(bot),
            "name": slug.title(),
            "description": None,
            "external_url": self.web,
            "html_url": f"{self.web}/apps/{slug}",
            "created_at": iso(0),
            "updated_at": iso(0),
            "permissions": {"pull_requests": "write", "contents": "write"},
            "events": [],
        }

    def installation(self, number: int, bot: User, account: User) -> dict[str, Any]:
        url = f"{self.api}/app/installations/{number}"
        return {
            "id": number,
            "account": self.user(account),
            "repository_selection": "selected",
            "access_tokens_url": f"{url}/access_tokens",
            "repositories_url": f"{self.api}/installation/repositories",
            "html_url": f"{self.web}/settings/installations/{number}",
            "app_id": bot.id,
            "app_slug": bot.login.removesuffix("[bot]"),
            "target_id": account.id,
            "target_type": "User",
            "permissions": {"contents": "write", "pull_requests": "write"},
            "events": [],
            "created_at": iso(0),
            "updated_at": iso(0),
            "single_file_name": None,
            "suspended_by": None,
            "suspended_at": None,
        }
