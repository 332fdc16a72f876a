"""GitHub's API: issues, their labels and comments; a pull request is an issue, too."""

from __future__ import annotations

from .github_calls import ROUTES, Call, problem
from .records import Refused, Right, Role
from .serving import Answer

# -- issues --------------------------------------------------------------------------------------------


@ROUTES("GET", "/repos/{owner}/{repo}/issues")
def _issues(call: Call) -> Answer:
    """Pull requests are issues, too."""
    repository, asked = call.repository(), call.asked
    found = [*repository.issues.values(), *repository.requests.values()]
    state, creator = asked.one("state", "open"), asked.one("creator")
    found = [each for each in found if state == "all" or (each.state == "open") == (state == "open")]
    found = [each for each in found if creator in ("", each.author.login)]
    found.sort(key=lambda each: each.number, reverse=asked.one("direction", "desc") == "desc")
    return call.listed([call.shapes.issue(repository, each) for each in found])


@ROUTES("POST", "/repos/{owner}/{repo}/issues")
def _new_issue(call: Call) -> Answer:
    repository, given = call.repository(Role.READ, Right.ISSUES), call.given
    if not repository.has_issues:
        return problem(410, "Issues has been disabled in this repository.")
    made = repository.open_issue(call.by, str(given["title"]), str(given.get("body") or ""))
    return Answer(201, call.shapes.issue(repository, made))


@ROUTES("GET", "/repos/{owner}/{repo}/issues/{number}")
def _issue(call: Call) -> Answer:
    repository = call.repository()
    return Answer(200, call.shapes.issue(repository, call.thing(repository)))


@ROUTES("PATCH", "/repos/{owner}/{repo}/issues/{number}")
def _edit_issue(call: Call) -> Answer:
    repository, given = call.repository(Role.READ, Right.ISSUES), call.given
    issue = call.thing(repository)
    repository.edit(issue, call.by, title=given.get("title"), body=given.get("body"))
    return Answer(200, call.shapes.issue(repository, issue))


@ROUTES("POST", "/repos/{owner}/{repo}/issues/{number}/labels")
def _add_labels(call: Call) -> Answer:
    repository, given = call.repository(Role.REPORT, Right.REQUESTS), call.asked.json
    thing = call.thing(repository)
    repository.add_labels(
        thing, [str(each) for each in (given["labels"] if isinstance(given, dict) else given)]
    )
    return call.listed(call.shapes.labels(repository, thing.labels))


@ROUTES("DELETE", "/repos/{owner}/{repo}/issues/{number}/labels/{name}")
def _remove_label(call: Call) -> Answer:
    repository = call.repository(Role.REPORT, Right.REQUESTS)
    thing = call.thing(repository)
    repository.remove_label(thing, call.asked.params["name"])
    return Answer(200, call.shapes.labels(repository, thing.labels))


@ROUTES("GET", "/repos/{owner}/{repo}/issues/{number}/comments")
def _comments(call: Call) -> Answer:
    repository = call.repository()
    thing = call.thing(repository)
    return call.listed([call.shapes.remark(repository, thing.number, each) for each in thing.comments])


@ROUTES("POST", "/repos/{owner}/{repo}/issues/{number}/comments")
def _new_comment(call: Call) -> Answer:
    repository = call.repository(Role.READ, Right.REQUESTS)
    thing = call.thing(repository)
    made = repository.comment(thing, call.by, str(call.given["body"]))
    return Answer(201, call.shapes.remark(repository, thing.number, made))


@ROUTES("PATCH", "/repos/{owner}/{repo}/issues/comments/{number}")
def _edit_comment(call: Call) -> Answer:
    repository = call.repository(Role.READ, Right.REQUESTS)
    for thing in (*repository.requests.values(), *repository.issues.values()):
        for remark in thing.comments:
            if remark.id == int(call.asked.params["number"]):
                if remark.by is not call.by and repository.role(call.by) < Role.WRITE:
                    raise Refused("forbidden", "Must have admin rights to Repository.")
                remark.body, remark.changed = str(call.given["body"]), call.store.clock()
                return Answer(200, call.shapes.remark(repository, thing.number, remark))
    raise Refused("not-found", "Not Found")
