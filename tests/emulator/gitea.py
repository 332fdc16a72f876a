"""The API of Gitea and Forgejo (1.20 to 1.27, 7 to 16), as far as merge requests need it.

Its habits are theirs: `mergeable` is worked out late, labels are known by number and may be twins,
a request is reopened beside another one, one that changes nothing is opened, and a PATCH answers 201.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from . import gitea_shapes as shapes
from . import merging
from .records import Issue, Refused, Request, Right, Role, Token, User
from .repository import Repository
from .serving import Answer, Asked, Emulator, Routes

PREFIX = "/api/v1"
METHODS = {style: method for method, style in shapes.STYLES.items()}
SCOPES = {
    Right.READ: "read:repository",
    Right.PUSH: "write:repository",
    Right.REQUESTS: "write:repository",
    Right.ISSUES: "write:issue",
    Right.STATUSES: "write:repository",
    Right.USER: "read:user",
}
DRAFT = re.compile(r"WIP:|\[WIP\]", re.IGNORECASE)
NOT_FOUND = "The target couldn't be found."

routes = Routes(PREFIX)


class At:
    """One request to the API: who asks, and about what."""

    def __init__(self, emulator: Emulator, asked: Asked, token: Token | None) -> None:
        self.emulator = emulator
        self.asked = asked
        self.token = token
        self.url = emulator.url

    @property
    def me(self) -> User:
        if self.token is None:
            raise Refused("stranger", "token is required")
        return self.token.user

    @property
    def who(self) -> User | None:
        return self.token.user if self.token else None

    def place(self, right: Right = Right.READ, role: Role = Role.READ) -> Repository:
        path = f"{self.asked.params['owner']}/{self.asked.params['repo']}"
        if self.token is not None and right not in self.token.rights:
            scope = SCOPES[right]
            raise Refused("forbidden", f"token does not have at least one of required scope(s): [{scope}]")
        found = self.emulator.found(self.token, path)
        if role > Role.READ and (self.token is None or found.role(self.me) < role):
            raise Refused("forbidden", "user should have a permission to write to this repository")
        return found

    def request(self, place: Repository) -> Request:
        return place.request(self._index())

    def thing(self, place: Repository) -> Request | Issue:
        """An issue, or a merge request: they are counted together."""
        number = self._index()
        return place.issues[number] if number in place.issues else place.request(number)

    def _index(self) -> int:
        text = self.asked.params["index"]
        if not text.isdecimal():
            raise Refused("not-found", NOT_FOUND)
        return int(text)

    def page(self, entries: list[Any], status: int = 200) -> Answer:
        shown, headers = self.emulator.page(self.asked, entries, "limit", 30, 50)
        return Answer(status, shown, headers)

    def shown(self, request: Request, place: Repository, status: int = 200) -> Answer:
        return Answer(status, shapes.request(request, place, self.who, self.url))


class Gitea:
    def claims(self, path: str) -> bool:
        return path.startswith(f"{PREFIX}/")

    def answer(self, emulator: Emulator, asked: Asked, token: Token | None) -> Answer:
        at = At(emulator, asked, token)
        if asked.credential and token is None:
            return self._error(at, 401, "user does not exist [uid: 0, name: ]")
        found, is_known = routes.find(asked)
        if found is None:
            return self._error(at, 405 if is_known else 404, "Method Not Allowed" if is_known else NOT_FOUND)
        try:
            return found(at)
        except Refused as refused:
            status, words = _refusal(refused)
            return self._error(at, status, words)

    def limited(self, asked: Asked, seconds: int) -> Answer:
        return Answer(429, b"Too many requests\n", {"Retry-After": str(seconds)})

    def _error(self, at: At, status: int, words: str) -> Answer:
        body: dict[str, Any] = {"message": words, "url": f"{at.url}/api/swagger"}
        return Answer(status, {**body, "errors": None} if status == 404 else body)


def _refusal(refused: Refused) -> tuple[int, str]:
    statuses = {
        "not-found": (404, NOT_FOUND),
        "no-branch": (404, NOT_FOUND),
        "closed": (404, NOT_FOUND),
        "stranger": (401, refused.text),
        "forbidden": (403, refused.text),
        "invalid": (422, refused.text),
        "merged": (405, ""),
        "draft": (405, "Work in progress PRs cannot be merged"),
        "unknown": (405, "Please try again later"),
        "conflict": (405, "Please try again later"),
        "head-moved": (409, "head out of date"),
        "behind": (405, "The head branch is behind the base branch"),
        "approvals": (405, "Does not have enough approvals"),
        "changes-wanted": (405, "There are requested changes"),
        "checks": (405, "Not all required status checks successful"),
        "method": (405, f"{refused.text} an allowed merge style for this repository"),
    }
    if refused.why == "exists":
        return 409, f"pull request already exists for these targets [id: 1, issue_id: {refused.number}]"
    return statuses[refused.why]


# -- users and repositories -------------------------------------------------------------------------


@routes("GET", "/version")
def version(at: At) -> Answer:
    return Answer(200, {"version": str(at.emulator.store.options.get("version", "1.26.0"))})


@routes("GET", "/user")
def whoami(at: At) -> Answer:
    if at.token is not None and Right.USER not in at.token.rights:
        raise Refused("forbidden", "token does not have at least one of required scope(s): [read:user]")
    return Answer(200, shapes.user(at.me, at.url))


@routes("GET", "/repos/{owner}/{repo}")
def repository(at: At) -> Answer:
    return Answer(200, shapes.repository(at.place(), at.who, at.url))


@routes("GET", "/repos/{owner}/{repo}/compare/{between+}")
def compare(at: At) -> Answer:
    place = at.place()
    base, _, head = at.asked.params["between"].partition("...")
    one, two = place.tip(base), place.tip(head)
    if not one or not two:
        raise Refused("not-found", NOT_FOUND)
    found = merging.commits(place.git, one, two)
    return Answer(200, {"total_commits": len(found), "commits": [_commit(at, place, each) for each in found]})


@routes("GET", "/repos/{owner}/{repo}/git/commits/{sha}")
def commit(at: At) -> Answer:
    place = at.place()
    sha = at.asked.params["sha"]
    if sha not in place.git:
        raise Refused("not-found", NOT_FOUND)
    return Answer(200, _commit(at, place, place.git[sha]))


def _commit(at: At, place: Repository, found: Any) -> dict[str, Any]:
    url = f"{at.url}/api/v1/repos/{place.path}/git/commits/{found.id}"
    person = {"name": found.author.name, "email": found.author.email, "date": "2025-11-05T00:00:00Z"}
    inner = {"url": url, "author": person, "committer": person, "message": found.message}
    parents = [{"url": url, "sha": str(each), "created": shapes.NEVER} for each in found.parent_ids]
    return {
        "url": url,
        "sha": str(found.id),
        "created": "2025-11-05T00:00:00Z",
        "html_url": f"{at.url}/{place.path}/commit/{found.id}",
        "commit": inner,
        "author": None,
        "committer": None,
        "parents": parents,
    }


@routes("GET", "/repos/{owner}/{repo}/git/refs/{ref+}")
def refs(at: At) -> Answer:
    place = at.place()
    wanted = f"refs/{at.asked.params['ref']}"
    names = {f"refs/heads/{branch}": sha for branch, sha in place.branches().items()}
    names |= {f"refs/pull/{number}/head": each.head for number, each in place.requests.items()}
    url = f"{at.url}/api/v1/repos/{place.path}/git"
    found = [
        {
            "ref": name,
            "url": f"{url}/{name}",
            "object": {"type": "commit", "sha": sha, "url": f"{url}/commits/{sha}"},
        }
        for name, sha in sorted(names.items())
        if name.startswith(wanted)
    ]
    if not found:
        raise Refused("not-found", NOT_FOUND)
    return Answer(200, found[0] if len(found) == 1 and found[0]["ref"] == wanted else found)


@routes("GET", "/repos/{owner}/{repo}/commits/{sha}/status")
def combined(at: At) -> Answer:
    place = at.place()
    if not place.latest(at.asked.params["sha"]) and at.emulator.store.options.get("old"):
        return Answer(200)  # nothing at all, as servers said for long
    return Answer(200, shapes.combined(at.asked.params["sha"], place, at.who, at.url))


# -- merge requests ---------------------------------------------------------------------------------

SORTS: dict[str, tuple[Callable[[Request], int], bool]] = {
    "oldest": (lambda each: each.number, False),
    "recentupdate": (lambda each: each.updated, True),
    "leastupdate": (lambda each: each.updated, False),
}


@routes("GET", "/repos/{owner}/{repo}/pulls")
def pulls(at: At) -> Answer:
    """It can't be filtered by branch: who asks for `head` gets all."""
    place = at.place()
    state = at.asked.one("state", "open")
    found = [each for each in place.requests.values() if state == "all" or each.is_open == (state == "open")]
    key, reverse = SORTS.get(at.asked.one("sort"), (lambda each: each.number, True))
    found.sort(key=key, reverse=reverse)
    return at.page([shapes.request(each, place, at.who, at.url) for each in found])


@routes("POST", "/repos/{owner}/{repo}/pulls")
def open_pull(at: At) -> Answer:
    place = at.place(Right.REQUESTS)
    said = at.asked.json
    if said["head"] == said["base"]:
        raise Refused("invalid", "Invalid PullRequest: There are no changes between the head and the base")
    title = said["title"][:255]
    made = place.open_request(at.me, said["head"], said["base"], title, said.get("body", ""))
    made.draft = DRAFT.match(title) is not None
    if said.get("labels"):
        place.set_labels(made, _names(place, said["labels"]))
    return at.shown(made, place, 201)


@routes("GET", "/repos/{owner}/{repo}/pulls/{index}")
def pull(at: At) -> Answer:
    place = at.place()
    return at.shown(at.request(place), place)


@routes("PATCH", "/repos/{owner}/{repo}/pulls/{index}")
def edit_pull(at: At) -> Answer:
    place = at.place(Right.REQUESTS)
    request, said = at.request(place), at.asked.json
    if place.role(at.me) < Role.WRITE and request.author is not at.me:
        raise Refused("forbidden", "")
    place.edit(request, at.me, title=(said.get("title") or None), body=said.get("body"))
    request.draft = DRAFT.match(request.title) is not None
    if "labels" in said:
        place.set_labels(request, _names(place, said["labels"]))
    if said.get("state") and request.state == "merged":
        return Answer(412, {"message": "cannot change state of this pull request, it was already merged"})
    if said.get("state") == "closed":
        place.close(request, at.me)
    elif said.get("state") == "open":
        place.reopen(request, at.me)
    return at.shown(request, place, 201)


@routes("POST", "/repos/{owner}/{repo}/pulls/{index}/merge")
def merge_pull(at: At) -> Answer:
    place = at.place(Right.REQUESTS)
    request, said = at.request(place), at.asked.json
    if not request.is_open:
        raise Refused("merged" if request.state == "merged" else "closed", "")
    if place.role(at.me) < Role.WRITE:
        return Answer(405, {"message": "User not allowed to merge PR", "url": f"{at.url}/api/swagger"})
    style, head = said["Do"], said.get("head_commit_id", "")
    if style not in METHODS:
        raise Refused("invalid", f"[Do]: {style} is no style")
    if not place.is_known(request):
        raise Refused("unknown", "")
    if request.draft:
        raise Refused("draft", "")
    obstacles = place.obstacles(request)
    if obstacles and obstacles[0].why == "conflict":
        raise obstacles[0]
    if said.get("merge_when_checks_succeed"):
        return _schedule(at, place, request, style)
    message = "\n\n".join(
        text for text in (said.get("MergeTitleField", ""), said.get("MergeMessageField", "")) if text
    )
    if obstacles:
        raise obstacles[0]
    place.merge(request, at.me, METHODS[style], head=head, message=message)
    return Answer(200)


def _schedule(at: At, place: Repository, request: Request, style: str) -> Answer:
    if request.auto_merge is not None:
        return Answer(409, {"message": "pull request is already scheduled to auto merge when checks succeed"})
    if style == "fast-forward-only":  # as it is: nothing is waited for
        place.merge(request, at.me, "fast-forward", check=False)
        return Answer(200)
    place.arm(request, at.me, METHODS[style])
    return Answer(201)


@routes("DELETE", "/repos/{owner}/{repo}/pulls/{index}/merge")
def unschedule(at: At) -> Answer:
    place = at.place(Right.REQUESTS)
    request = at.request(place)
    if request.auto_merge is None:
        raise Refused("not-found", NOT_FOUND)
    place.disarm(request, at.me)
    return Answer(204)


@routes("GET", "/repos/{owner}/{repo}/pulls/{index}/reviews")
def reviews(at: At) -> Answer:
    place = at.place()
    request = at.request(place)
    return at.page([shapes.review(each, request, place, at.url) for each in request.reviews])


@routes("POST", "/repos/{owner}/{repo}/pulls/{index}/requested_reviewers")
def ask_reviewers(at: At) -> Answer:
    place = at.place(Right.REQUESTS)
    request, said = at.request(place), at.asked.json
    names = said.get("reviewers") or []
    teams = [f"{place.owner}/{each}" for each in said.get("team_reviewers") or []]
    store = at.emulator.store
    if any(each not in store.users for each in names) or any(each not in store.teams for each in teams):
        raise Refused("not-found", NOT_FOUND)
    place.ask(request, names, teams)
    return Answer(201, [])


@routes("GET", "/repos/{owner}/{repo}/pulls/{base}/{head+}")
def pull_between(at: At) -> Answer:
    """The first that there ever was between two branches, whatever has become of it."""
    place = at.place()
    base, head = at.asked.params["base"], at.asked.params["head"]
    for each in place.requests.values():
        if (each.base, each.branch) == (base, head):
            return at.shown(each, place)
    raise Refused("not-found", NOT_FOUND)


# -- what merge requests and issues have ------------------------------------------------------------


def _names(place: Repository, wanted: list[object]) -> list[str]:
    """Labels by number, or by name; unknown ones are passed over."""
    by_id = {each.id: each.name for each in place.labels}
    if all(isinstance(each, str) for each in wanted):
        return [str(each) for each in wanted if each in by_id.values()]
    if not all(isinstance(each, int) for each in wanted):
        raise Refused("invalid", "labels should be an array of strings or integers")
    return [by_id[each] for each in wanted if each in by_id]


@routes("GET", "/repos/{owner}/{repo}/labels")
def labels(at: At) -> Answer:
    place = at.place(Right.READ)
    return at.page([shapes.label(each, place, at.url) for each in place.labels])


@routes("POST", "/repos/{owner}/{repo}/labels")
def make_label(at: At) -> Answer:
    place = at.place(Right.ISSUES, Role.WRITE)
    said = at.asked.json
    made = place.new_label(said["name"], said["color"], said.get("description", ""))
    return Answer(201, shapes.label(made, place, at.url))


@routes("GET", "/orgs/{organisation}/labels")
def organisation_labels(at: At) -> Answer:
    raise Refused("not-found", NOT_FOUND)


@routes("GET", "/repos/{owner}/{repo}/issues/{index}/labels")
def labels_of(at: At) -> Answer:
    place = at.place()
    thing = at.thing(place)
    return Answer(200, [shapes.label(place.label(each), place, at.url) for each in thing.labels])


@routes("POST", "/repos/{owner}/{repo}/issues/{index}/labels")
def add_labels(at: At) -> Answer:
    place = at.place(Right.ISSUES, Role.WRITE)
    thing = at.thing(place)
    place.add_labels(thing, _names(place, at.asked.json["labels"]))
    return Answer(200, [shapes.label(place.label(each), place, at.url) for each in thing.labels])


@routes("DELETE", "/repos/{owner}/{repo}/issues/{index}/labels/{id}")
def remove_label(at: At) -> Answer:
    place = at.place(Right.ISSUES, Role.WRITE)
    found = [each for each in place.labels if str(each.id) == at.asked.params["id"]]
    if not found:
        raise Refused("invalid", "label does not exist")
    thing = at.thing(place)
    if found[0].name in thing.labels:
        place.remove_label(thing, found[0].name)
    return Answer(204)


@routes("GET", "/repos/{owner}/{repo}/issues/{index}/timeline")
def timeline(at: At) -> Answer:
    place = at.place()
    request = at.request(place)
    shown = [
        shapes.event(each, number, request, place, at.url)
        for number, each in enumerate(request.events)
        if each.what in shapes.EVENTS
    ]
    return at.page(shown)


@routes("GET", "/repos/{owner}/{repo}/issues/{index}/comments")
def comments(at: At) -> Answer:
    """All at once, whatever page is asked for."""
    place = at.place()
    thing = at.thing(place)
    shown = [shapes.comment(each, thing.number, place, at.url) for each in thing.comments]
    return Answer(200, shown, {"X-Total-Count": str(len(shown))})


@routes("POST", "/repos/{owner}/{repo}/issues/{index}/comments")
def make_comment(at: At) -> Answer:
    place = at.place(Right.ISSUES)
    thing = at.thing(place)
    made = place.comment(thing, at.me, at.asked.json["body"])
    return Answer(201, shapes.comment(made, thing.number, place, at.url))


@routes("PATCH", "/repos/{owner}/{repo}/issues/comments/{id}")
def edit_comment(at: At) -> Answer:
    place = at.place(Right.ISSUES)
    for thing in (*place.requests.values(), *place.issues.values()):
        for each in thing.comments:
            if str(each.id) == at.asked.params["id"]:
                if each.by is not at.me and place.role(at.me) < Role.ADMIN:
                    raise Refused("forbidden", "")
                each.body, each.changed = at.asked.json["body"], at.emulator.clock()
                return Answer(200, shapes.comment(each, thing.number, place, at.url))
    raise Refused("not-found", NOT_FOUND)


# -- issues -----------------------------------------------------------------------------------------


@routes("GET", "/repos/{owner}/{repo}/issues")
def issues(at: At) -> Answer:
    place = _with_issues(at)
    state, by = at.asked.one("state", "open"), at.asked.one("created_by")
    found = [
        each
        for each in place.issues.values()
        if state in ("all", each.state) and (not by or each.author.login == by)
    ]
    found.sort(key=lambda each: -each.number)
    return at.page([shapes.issue(each, place, at.url) for each in found])


@routes("POST", "/repos/{owner}/{repo}/issues")
def make_issue(at: At) -> Answer:
    place = _with_issues(at, Right.ISSUES)
    said = at.asked.json
    made = place.open_issue(at.me, said["title"], said.get("body", ""))
    return Answer(201, shapes.issue(made, place, at.url))


@routes("PATCH", "/repos/{owner}/{repo}/issues/{index}")
def edit_issue(at: At) -> Answer:
    place = _with_issues(at, Right.ISSUES)
    found, said = place.issue(at._index()), at.asked.json
    if found.author is not at.me and place.role(at.me) < Role.WRITE:
        raise Refused("forbidden", "")
    place.edit(found, at.me, title=said.get("title") or None, body=said.get("body"))
    found.state = said.get("state", found.state)
    return Answer(201, shapes.issue(found, place, at.url))


def _with_issues(at: At, right: Right = Right.READ) -> Repository:
    place = at.place(right)
    if not place.has_issues:
        raise Refused("not-found", NOT_FOUND)
    return place
