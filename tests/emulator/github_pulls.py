"""GitHub's API: pull requests."""

from __future__ import annotations

from .github_calls import ROUTES, Call, invalid, title_of
from .records import Refused, Right, Role
from .serving import Answer

# -- pull requests -------------------------------------------------------------------------------------


@ROUTES("GET", "/repos/{owner}/{repo}/pulls")
def _pulls(call: Call) -> Answer:
    repository, asked = call.repository(), call.asked
    state, head = asked.one("state", "open"), asked.one("head")
    found = [
        each for each in repository.requests.values() if state == "all" or each.is_open == (state == "open")
    ]
    if ":" in head:  # without the owner it is silently ignored
        found = [each for each in found if f"{repository.owner}:{each.branch}" == head]
    if asked.one("base"):
        found = [each for each in found if each.base == asked.one("base")]
    key = {"updated": lambda each: (each.updated, each.number)}.get(
        asked.one("sort"), lambda each: each.number
    )
    found.sort(key=key, reverse=asked.one("direction", "desc") == "desc")
    return call.listed([call.shapes.pull(repository, each) for each in found])


@ROUTES("POST", "/repos/{owner}/{repo}/pulls")
def _new_pull(call: Call) -> Answer:
    repository, given = call.repository(Role.READ, Right.REQUESTS), call.given
    body = str(given.get("body") or "")
    if len(body) > call.forge.first_body_limit:
        raise invalid("body", "body is too long (maximum is 65536 characters)")
    branch, base = str(given["head"]).rpartition(":")[2], str(given["base"])
    for name, field_ in ((branch, "head"), (base, "base")):
        if not repository.tip(name):
            raise invalid(field_, "", "invalid")
    try:
        made = repository.open_request(
            call.by, branch, base, title_of(given["title"]), body, draft=bool(given.get("draft"))
        )
    except Refused as refused:
        words = {
            "exists": f"A pull request already exists for {repository.owner}:{branch}.",
            "empty": f"No commits between {base} and {branch}",
        }
        raise invalid("", words.get(refused.why, refused.text)) from None
    return Answer(201, call.shapes.details(repository, made))


@ROUTES("GET", "/repos/{owner}/{repo}/pulls/{number}")
def _pull(call: Call) -> Answer:
    repository = call.repository()
    return Answer(200, call.shapes.details(repository, call.request(repository)))


@ROUTES("PATCH", "/repos/{owner}/{repo}/pulls/{number}")
def _edit_pull(call: Call) -> Answer:
    repository, given = call.repository(Role.READ, Right.REQUESTS), call.given
    request = call.request(repository)
    title = title_of(given["title"]) if "title" in given else None
    repository.edit(request, call.by, title=title, body=given.get("body"))
    try:
        if given.get("state") == "closed":
            repository.close(request, call.by)
        elif given.get("state") == "open":
            repository.reopen(request, call.by)
    except Refused as refused:
        raise invalid("", f"state cannot be changed. {refused.text[:1].upper()}{refused.text[1:]}.") from None
    return Answer(200, call.shapes.details(repository, request))


@ROUTES("PUT", "/repos/{owner}/{repo}/pulls/{number}/merge")
def _merge(call: Call) -> Answer:
    repository, given = call.repository(Role.WRITE, Right.PUSH), call.given
    request = call.request(repository)
    if repository.queue:
        raise Refused(
            "queue", "Repository rule violations found\n\nChanges must be made through the merge queue"
        )
    method = str(given.get("merge_method") or "merge")
    texts = [str(given[name]) for name in ("commit_title", "commit_message") if given.get(name)]
    may_pass_over = repository.role(call.by) >= Role.ADMIN
    sha = repository.merge(
        request, call.by, method, head=str(given.get("sha") or ""), message="\n\n".join(texts),
        check=not may_pass_over,
    )  # fmt: skip
    return Answer(200, {"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


@ROUTES("GET", "/repos/{owner}/{repo}/pulls/{number}/reviews")
def _reviews(call: Call) -> Answer:
    repository = call.repository()
    request = call.request(repository)
    return call.listed([call.shapes.review(repository, request, each) for each in request.reviews])


@ROUTES("POST", "/repos/{owner}/{repo}/pulls/{number}/requested_reviewers")
def _ask(call: Call) -> Answer:
    repository, given = call.repository(Role.WRITE, Right.REQUESTS), call.given
    request = call.request(repository)
    teams = [f"{repository.owner}/{slug}" for slug in given.get("team_reviewers", [])]
    reviewers = [str(each) for each in given.get("reviewers", [])]
    if request.author.login in reviewers:
        raise Refused("invalid", "Review cannot be requested from pull request author.")
    repository.ask(request, reviewers, teams)
    return Answer(201, call.shapes.pull(repository, request))
