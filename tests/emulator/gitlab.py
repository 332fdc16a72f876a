"""GitLab's API (v4), as far as a bot that opens merge requests needs it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from . import gitlab_merging, merging
from . import gitlab_shapes as shapes
from .gitlab_shapes import Extra
from .records import Issue, Protection, Refused, Request, Right, Role, Token, User
from .repository import Repository
from .serving import Answer, Asked, Emulator, Routes

ORDER = re.compile(r"^/(close|reopen|merge|approve|draft|title|label|assign)\b[^\n]*(?:\n|$)", re.MULTILINE)
REFUSALS = {
    "not-found": 404,
    "forbidden": 403,
    "exists": 409,
    "head-moved": 409,
    "merged": 400,
    "no-branch": 400,
    "invalid": 400,
}
at = Routes("/api/v4")
P = "/projects/{project}"
MR = f"{P}/merge_requests/{{number}}"


class GitLab:
    """`version` decides which words a merge understands; an `edition` of "ce" has no approvals."""

    def __init__(self, version: str = "18.5", edition: str = "ee", root: str = "") -> None:
        self.version = tuple(int(part) for part in version.split("."))
        self.edition = edition
        self.root = root  # the path below which this GitLab lies
        self.totals = True  # lists say how long they are: those of more than 10,000 things don't
        self.dated_approvals = True  # approvals say when they were given: from 18.4 on
        self.extras: dict[int, Extra] = {}

    def claims(self, path: str) -> bool:
        return path.startswith(f"{self.root}/api/v4/")

    def limited(self, asked: Asked, seconds: int) -> Answer:
        headers = {"Retry-After": str(seconds), "RateLimit-Remaining": "0"}
        return Answer(429, b"Retry later\n", {**headers, "Content-Type": "text/plain"})

    def answer(self, emulator: Emulator, asked: Asked, token: Token | None) -> Answer:
        path = asked.path
        asked.path = path.removeprefix(self.root)
        try:
            if token is None:
                return Answer(401, {"message": "401 Unauthorized"})
            if "job-token" in asked.headers and asked.is_write:
                return Answer(401, {"message": "401 Unauthorized"})
            function, _ = at.find(asked)
            if function is None:
                return Answer(404, {"error": "404 Not Found"})
            return function(Call(self, emulator, asked, token))
        except Refused as refused:
            return _refusal(refused)
        finally:
            asked.path = path

    def extra(self, one: Request) -> Extra:
        return self.extras.setdefault(one.id, Extra())


def _refusal(refused: Refused) -> Answer:
    status = REFUSALS.get(refused.why, 422)
    if refused.why == "exists":
        words = f"Another open merge request already exists for this source branch: !{refused.number}"
        return Answer(409, {"message": [words]})
    if refused.why == "forbidden":
        words = "The request requires higher privileges than provided by the access token."
        return Answer(403, {"error": "insufficient_scope", "error_description": words})
    start = {403: "403 Forbidden", 404: "404 Not Found"}.get(status, "")
    return Answer(status, {"message": start or refused.text})


class Call:
    """One request, and what it is about."""

    def __init__(self, gitlab: GitLab, emulator: Emulator, asked: Asked, token: Token) -> None:
        self.gitlab = gitlab
        self.emulator = emulator
        self.asked = asked
        self.token = token
        self.user: User = token.user
        self.url = emulator.url + gitlab.root

    def project(self, role: Role = Role.READ, right: Right = Right.READ) -> Repository:
        path = self.asked.params["project"]
        if path.isdigit():
            known = self.emulator.store.repositories.values()
            path = next((each.path for each in known if each.id == int(path)), path)
        return self.emulator.found(self.token, path, role, right)

    def request(self, role: Role = Role.READ, right: Right = Right.READ) -> tuple[Repository, Request]:
        repository = self.project(role, right)
        return repository, repository.request(self.number("number"))

    def number(self, name: str) -> int:
        text = self.asked.params[name]
        if not text.isdigit():
            raise Refused("invalid", f"{name} is invalid")
        return int(text)

    def shown(self, repository: Repository, one: Request, status: int = 200) -> Answer:
        """One merge request, as it is now."""
        extra = self.gitlab.extra(one)
        word = shapes.status_of(repository, one, known=not one.unknown)
        body = shapes.expanded(repository, one, extra, self.url, word, self.may_merge(repository, one))
        if extra.locked and one.state == "merged":
            extra.locked -= 1
            body["state"] = "locked"
        return Answer(status, body)

    def may_merge(self, repository: Repository, one: Request) -> bool:
        rules = repository.protected.get(one.base, Protection())
        return repository.role(self.user) >= max(rules.merge, Role.WRITE)

    def page(self, items: Iterable[Any]) -> Answer:
        """One page, by number; or with `pagination=keyset` by a link alone."""
        every = list(items)
        by_key = self.asked.one("pagination") == "keyset"
        size = max(1, min(int(self.asked.one("per_page") or 20), 100))
        size = min(size, self.emulator.faults.page_size or size)
        number = max(1, int(self.asked.one("cursor") or self.asked.one("page") or 1))
        pages = max(1, -(-len(every) // size))
        headers = {"X-Per-Page": str(size)}
        following = number + 1 if number < pages else 0
        if not by_key:
            headers |= {"X-Page": str(number), "X-Next-Page": str(following or "")}
            headers |= {"X-Prev-Page": str(number - 1 or "")}
            if self.gitlab.totals:
                headers |= {"X-Total": str(len(every)), "X-Total-Pages": str(pages)}
        if following:
            words = {name: texts[-1] for name, texts in self.asked.query.items()}
            words["cursor" if by_key else "page"] = str(following)
            headers["Link"] = f'<{self.url}{self.asked.path}?{urlencode(words)}>; rel="next"'
        return Answer(200, every[(number - 1) * size : number * size], headers)

    def obeyed(self, thing: Request | Issue, repository: Repository, words: str) -> str:
        """Quick actions: a line that is an order is obeyed, and is no part of the text."""
        fenced = re.split(r"(^```.*?^```[^\n]*$)", words, flags=re.MULTILINE | re.DOTALL)
        for part in fenced[::2]:
            for order in ORDER.finditer(part):
                if order[1] == "close" and isinstance(thing, Request):
                    repository.close(thing, self.user)
                if order[1] == "merge" and isinstance(thing, Request) and not repository.obstacles(thing):
                    gitlab_merging.merge_now(repository, thing, self.user, self.gitlab.extra(thing), "")
        return "".join(part if odd % 2 else ORDER.sub("", part) for odd, part in enumerate(fenced))


# -- who, and which project --------------------------------------------------------------------------


@at("GET", "/version")
def version(call: Call) -> Answer:
    return Answer(200, {"version": ".".join(map(str, call.gitlab.version)), "revision": "0123abc"})


@at("GET", "/user")
def me(call: Call) -> Answer:
    return Answer(200, shapes.me(call.user, call.url))


@at("GET", "/users")
def users(call: Call) -> Answer:
    wanted = call.asked.one("username").lower()
    known = [one for one in call.emulator.store.users.values() if not wanted or one.login.lower() == wanted]
    return call.page(shapes.user(one, call.url) for one in known)


@at("GET", P)
def project(call: Call) -> Answer:
    repository = call.project()
    return Answer(200, shapes.project(repository, call.url, repository.role(call.user)))


@at("GET", f"{P}/repository/compare")
def compare(call: Call) -> Answer:
    repository = call.project()
    one, two = repository.tip(call.asked.one("from")), repository.tip(call.asked.one("to"))
    if not one or not two:
        return Answer(404, {"message": "404 Ref Not Found"})
    found = merging.commits(repository.git, one, two)
    commits = [shapes.commit(each, repository, call.url) for each in found]
    ends = {"compare_timeout": False, "compare_same_ref": one == two, "web_url": call.url}
    return Answer(200, {"commit": commits[-1] if commits else None, "commits": commits, "diffs": [], **ends})


# -- merge requests ----------------------------------------------------------------------------------


@at("GET", f"{P}/merge_requests")
def requests(call: Call) -> Answer:
    repository, asked = call.project(), call.asked
    found = list(repository.requests.values())
    state = asked.one("state", "all")
    if state != "all":
        found = [each for each in found if each.state == {"opened": "open"}.get(state, state)]
    for name, key in (("source_branch", "branch"), ("target_branch", "base")):
        if asked.one(name):
            found = [each for each in found if getattr(each, key) == asked.one(name)]
    if asked.one("updated_after"):
        after = datetime.fromisoformat(asked.one("updated_after")).timestamp()
        found = [each for each in found if each.updated >= after]
    if asked.one("scope") == "created_by_me":
        found = [each for each in found if each.author is call.user]
    order = asked.one("order_by", "created_at")
    key = "updated" if order == "updated_at" else "created"
    found.sort(key=lambda each: (getattr(each, key), each.id), reverse=asked.one("sort", "desc") == "desc")
    return call.page(
        shapes.request(repository, each, call.gitlab.extra(each), call.url,
                       shapes.status_of(repository, each, known=not each.unknown))
        for each in found
    )  # fmt: skip


@at("POST", f"{P}/merge_requests")
def open_request(call: Call) -> Answer:
    repository, told = call.project(Role.WRITE, Right.REQUESTS), call.asked.json
    branch, base, title = (told.get(name) for name in ("source_branch", "target_branch", "title"))
    if not branch or not base or not title:
        return Answer(400, {"error": "title, source_branch, target_branch are missing"})
    one = repository.open_request(
        call.user, branch, base, " ".join(title.split()), draft=bool(shapes.DRAFT.match(title))
    )
    call.gitlab.extra(one).squash = repository.options.get("squash_option") in ("always", "default_on")
    _write(call, repository, one, {**told, "title": one.title})
    return call.shown(repository, one, 201)


@at("GET", MR)
def request(call: Call) -> Answer:
    repository, one = call.request()
    answer = call.shown(repository, one)
    repository.is_known(one)  # each question brings the answer nearer
    return answer


@at("PUT", MR)
def edit_request(call: Call) -> Answer:
    repository, one = call.request(Role.WRITE, Right.REQUESTS)
    told = call.asked.json
    if not told:
        return Answer(400, {"error": "title, description, labels are missing, at least one must be provided"})
    if told.get("title") == "":
        return Answer(400, {"error": "title is empty"})
    event = told.get("state_event")
    if event == "close" and one.is_open:
        repository.close(one, call.user)
    elif event == "reopen" and one.state == "closed" and repository.tip(one.branch):
        repository.reopen(one, call.user)
    _write(call, repository, one, told)
    return call.shown(repository, one)


def _write(call: Call, repository: Repository, one: Request, told: dict[str, Any]) -> None:
    if "title" in told:
        repository.edit(one, call.user, title=" ".join(told["title"].split()))
        one.draft = bool(shapes.DRAFT.match(one.title))
    if "description" in told:
        repository.edit(one, call.user, body=call.obeyed(one, repository, told["description"] or ""))
    if "target_branch" in told and told["target_branch"] != one.base:
        repository.rebase_onto(one, call.user, told["target_branch"])
    if "labels" in told:
        repository.set_labels(one, _names(told["labels"]))
    if "add_labels" in told:
        repository.add_labels(one, _names(told["add_labels"]))
    for name in _names(told.get("remove_labels")):
        if name in one.labels:
            repository.remove_label(one, name)
    if "reviewer_ids" in told:
        _review_by(call, repository, one, told["reviewer_ids"])
    if "remove_source_branch" in told:
        one.delete_branch = bool(told["remove_source_branch"])
    if "squash" in told:
        call.gitlab.extra(one).squash = bool(told["squash"])


def _names(told: object) -> list[str]:
    words = told if isinstance(told, list) else str(told or "").split(",")
    return [name.strip() for each in words for name in str(each).split(",") if name.strip()]


def _review_by(call: Call, repository: Repository, one: Request, ids: list[int]) -> None:
    """The list as a whole. Without a licence it holds one; who can't read here is left out."""
    known = {each.id: each for each in call.emulator.store.users.values()}
    wanted = [known[each] for each in ids if each in known and repository.role(known[each]) >= Role.READ]
    one.reviewers = [each.login for each in (wanted[:1] if call.gitlab.edition == "ce" else wanted)]
    one.updated = call.emulator.clock()


@at("GET", f"{MR}/commits")
def commits(call: Call) -> Answer:
    repository, one = call.request()
    found = merging.commits(repository.git, one.base_sha, one.head)
    return call.page(shapes.commit(each, repository, call.url) for each in reversed(found))


@at("GET", f"{MR}/versions")
def versions(call: Call) -> Answer:
    return call.page(shapes.versions(call.request()[1]))


@at("GET", f"{MR}/pipelines")
def pipelines(call: Call) -> Answer:
    repository, one = call.request()
    found = shapes.pipeline(repository, one.head, call.url)
    return call.page([found] if found else [])


# -- approvals -----------------------------------------------------------------------------------------


@at("GET", f"{MR}/approvals")
def approvals(call: Call) -> Answer:
    repository, one = call.request()
    if call.gitlab.edition == "ce":
        return Answer(404, {"error": "404 Not Found"})
    return Answer(200, shapes.approvals(one, repository, call.url, dated=call.gitlab.dated_approvals))


@at("POST", f"{MR}/approve")
def approve(call: Call) -> Answer:
    repository, one = call.request(Role.WRITE, Right.REQUESTS)
    if call.asked.json.get("sha", one.head) != one.head:
        return Answer(409, {"message": f"SHA does not match HEAD of source branch: {one.head}"})
    try:
        repository.review(one, call.user, "approved")
    except Refused:
        return Answer(401, {"message": "401 Unauthorized"})
    return Answer(201, shapes.approvals(one, repository, call.url, dated=call.gitlab.dated_approvals))


@at("GET", f"{MR}/reviewers")
def reviewers(call: Call) -> Answer:
    repository, one = call.request()
    return call.page(shapes.reviewers(one, repository, call.url))


# -- merging -------------------------------------------------------------------------------------------


@at("PUT", f"{MR}/merge")
def merge(call: Call) -> Answer:
    repository, one = call.request(Role.READ, Right.REQUESTS)
    told, extra = call.asked.json, call.gitlab.extra(one)
    if not call.may_merge(repository, one):
        return Answer(401, {"message": "401 Unauthorized"})
    if told.get("sha") not in (None, one.head):
        return Answer(409, {"message": f"SHA does not match HEAD of source branch: {one.head}"})
    if told.get("squash"):
        extra.squash = True
    message = told.get("squash_commit_message") or ""
    newer = call.gitlab.version >= (17, 11)
    later = told.get("merge_when_pipeline_succeeds") or (newer and told.get("auto_merge"))
    blockers = shapes.blockers(repository, one)
    found = shapes.pipeline(repository, one.head, "")
    runs = bool(found and found["status"] == "running")
    if not one.is_open or not repository.is_known(one):
        return Answer(405, {"message": "405 Method Not Allowed"})
    waits = {each.why for each in blockers} <= {"checks", "approvals"} and (runs or bool(blockers))
    if later and waits and (runs or call.gitlab.version >= (17, 4)):
        gitlab_merging.arm(repository, one, call.user, extra, told.get("sha", ""), message)
    elif blockers or repository.queue:
        return Answer(405, {"message": "405 Method Not Allowed"})
    elif repository.options.get("refuses_merge"):
        extra.error = str(repository.options["refuses_merge"])
        return Answer(422, {"message": "Branch cannot be merged"})
    else:
        gitlab_merging.merge_now(repository, one, call.user, extra, message)
    return call.shown(repository, one)


@at("POST", f"{MR}/cancel_merge_when_pipeline_succeeds")
def cancel(call: Call) -> Answer:
    repository, one = call.request(Role.WRITE, Right.REQUESTS)
    if one.auto_merge is None:
        return Answer(406, {"message": "406 Not Acceptable"})
    repository.disarm(one, call.user)
    return Answer(201, {"status": "success"})


@at("POST", f"{P}/merge_trains/merge_requests/{{number}}")
def board(call: Call) -> Answer:
    repository, one = call.request(Role.WRITE, Right.REQUESTS)
    told = call.asked.json
    if not repository.queue:
        return Answer(403, {"message": "403 Forbidden"})
    if told.get("sha") not in (None, one.head):
        return Answer(409, {"message": f"SHA does not match HEAD of source branch: {one.head}"})
    blockers = {each.why for each in shapes.blockers(repository, one)}
    later = told.get("when_pipeline_succeeds") or told.get("auto_merge")
    if not one.is_open or (blockers and not (later and blockers <= {"checks", "approvals"})):
        return Answer(400, {"message": "400 Bad request - Failed to merge"})
    call.gitlab.extra(one).squash = bool(told.get("squash"))
    gitlab_merging.board(repository, one, call.user)
    return Answer(202 if blockers else 201, [_car(call, repository, one)])


@at("GET", f"{P}/merge_trains/merge_requests/{{number}}")
def car(call: Call) -> Answer:
    repository, one = call.request()
    if not repository.queue:
        return Answer(403, {"message": "403 Forbidden"})
    if one.auto_merge is None or not one.auto_merge.queued:
        return Answer(404, {"message": "404 Not Found"})
    return Answer(200, _car(call, repository, one))


def _car(call: Call, repository: Repository, one: Request) -> dict[str, Any]:
    names = (
        "id",
        "iid",
        "project_id",
        "title",
        "description",
        "state",
        "created_at",
        "updated_at",
        "web_url",
    )
    shown = shapes.request(repository, one, call.gitlab.extra(one), call.url, "mergeable")
    now = shapes.iso(call.emulator.clock())
    return {
        "id": one.id,
        "merge_request": {name: shown[name] for name in names},
        "user": shapes.user(call.user, call.url),
        "pipeline": shapes.pipeline(repository, one.head, call.url),
        "created_at": now,
        "updated_at": now,
        "target_branch": one.base,
        "status": "idle",
        "merged_at": None,
        "duration": None,
    }


# -- notes and issues ----------------------------------------------------------------------------------


@at("GET", f"{MR}/notes")
def notes(call: Call) -> Answer:
    repository, one = call.request()
    found = [shapes.note(each, one, repository, call.url) for each in one.comments]
    return call.page(found if call.asked.one("sort", "desc") == "asc" else found[::-1])


@at("POST", f"{MR}/notes")
def say(call: Call) -> Answer:
    repository, one = call.request(Role.REPORT, Right.REQUESTS)
    words = call.obeyed(one, repository, call.asked.json.get("body") or "")
    if not words.strip():
        return Answer(400, {"message": "400 Bad request - Note can't be blank"})
    return Answer(201, shapes.note(repository.comment(one, call.user, words), one, repository, call.url))


@at("GET", f"{MR}/notes/{{note}}")
def note(call: Call) -> Answer:
    repository, one = call.request()
    found = next((each for each in one.comments if each.id == call.number("note")), None)
    if found is None:
        return Answer(404, {"message": "404 Not found"})
    return Answer(200, shapes.note(found, one, repository, call.url))


@at("PUT", f"{MR}/notes/{{note}}")
def say_anew(call: Call) -> Answer:
    repository, one = call.request(Role.REPORT, Right.REQUESTS)
    found = next((each for each in one.comments if each.id == call.number("note")), None)
    if found is None:
        return Answer(404, {"message": "404 Not found"})
    if found.by is not call.user and repository.role(call.user) < Role.MAINTAIN:
        return Answer(403, {"message": "403 Forbidden"})
    found.body = call.obeyed(one, repository, call.asked.json.get("body") or "")
    found.changed = one.updated = call.emulator.clock()
    return Answer(200, shapes.note(found, one, repository, call.url))


@at("GET", f"{P}/issues")
def issues(call: Call) -> Answer:
    repository = _with_issues(call)
    found = list(repository.issues.values())
    if call.asked.one("scope") == "created_by_me":
        found = [each for each in found if each.author is call.user]
    state = call.asked.one("state", "all")
    if state != "all":
        found = [each for each in found if each.state == {"opened": "open"}.get(state, state)]
    found.sort(key=lambda each: each.id, reverse=call.asked.one("sort", "desc") == "desc")
    return call.page(shapes.issue(each, repository, call.url) for each in found)


@at("POST", f"{P}/issues")
def open_issue(call: Call) -> Answer:
    repository, told = _with_issues(call, Role.REPORT, Right.ISSUES), call.asked.json
    one = repository.open_issue(call.user, told["title"])
    one.body = call.obeyed(one, repository, told.get("description") or "")
    return Answer(201, shapes.issue(one, repository, call.url))


@at("GET", f"{P}/issues/{{number}}")
def issue(call: Call) -> Answer:
    repository = _with_issues(call)
    return Answer(200, shapes.issue(repository.issue(call.number("number")), repository, call.url))


@at("PUT", f"{P}/issues/{{number}}")
def edit_issue(call: Call) -> Answer:
    repository, told = _with_issues(call, Role.REPORT, Right.ISSUES), call.asked.json
    one = repository.issue(call.number("number"))
    words = told.get("description")
    text = None if words is None else call.obeyed(one, repository, words)
    repository.edit(one, call.user, title=told.get("title"), body=text)
    one.state = {"close": "closed", "reopen": "open"}.get(told.get("state_event"), one.state)
    return Answer(200, shapes.issue(one, repository, call.url))


def _with_issues(call: Call, role: Role = Role.READ, right: Right = Right.READ) -> Repository:
    repository = call.project(role, right)
    if not repository.has_issues:
        raise Refused("not-found", "404 Not Found") if right is Right.READ else Refused("forbidden", "403")
    return repository
