"""GitHub's API: who asks, apps, repositories, commits and checks."""

from __future__ import annotations

import base64

import pygit2

from .clock import iso
from .github_calls import ROUTES, Call
from .records import Refused, Right, Role
from .serving import Answer

# -- who ---------------------------------------------------------------------------------------------

_PERMISSIONS = {Role.NONE: "none", Role.READ: "read", Role.REPORT: "read", Role.ADMIN: "admin"}
_ROLES = {Role.REPORT: "triage", Role.MAINTAIN: "maintain"}


@ROUTES("GET", "/user")
def _me(call: Call) -> Answer:
    if call.token is not None and call.token.app:
        raise Refused("forbidden", "Resource not accessible by integration")
    return Answer(200, call.shapes.me(call.by))


@ROUTES("GET", "/repos/{owner}/{repo}/collaborators/{username}/permission")
def _permission(call: Call) -> Answer:
    repository, user = call.repository(), call.store.user(call.asked.params["username"])
    if user.is_bot:
        raise Refused("not-found", f"{user.login} is not a user")
    role = repository.role(user)
    permission = _PERMISSIONS.get(role, "write")
    told = {"permission": permission, "role_name": _ROLES.get(role, permission), "user": None}
    return Answer(200, told)


@ROUTES("GET", "/app")
def _app(call: Call) -> Answer:
    return Answer(200, call.shapes.app(call.store.user(call.app().login, is_bot=True)))


@ROUTES("GET", "/repos/{owner}/{repo}/installation")
def _installation(call: Call) -> Answer:
    app, owner = call.app(), call.asked.params["owner"]
    bot = call.store.user(app.login, is_bot=True)
    for number, account in app.installations.items():
        if account == owner:
            return Answer(200, call.shapes.installation(number, bot, call.store.user(owner)))
    raise Refused("not-found", "Not Found")


@ROUTES("POST", "/app/installations/{number}/access_tokens")
def _mint(call: Call) -> Answer:
    app = call.app()
    owner = app.installations.get(int(call.asked.params["number"]))
    if owner is None:
        raise Refused("not-found", "Not Found")
    names = call.given.get("repositories")
    paths = frozenset(f"{owner}/{name}" for name in names) if names else None
    if paths and not paths <= call.store.repositories.keys():
        raise Refused("invalid", "There is at least one repository that does not exist or is not accessible")
    app.minted += 1
    call.store.user(app.login, is_bot=True)
    until = call.store.clock() + 3600
    text = f"ghs_{app.slug}{app.minted:06d}"
    call.store.token(text, app.login, repositories=paths, expires=until, app=app.slug)
    return Answer(201, {"token": text, "expires_at": iso(until), "repository_selection": "selected"})


# -- repositories and commits --------------------------------------------------------------------------


@ROUTES("GET", "/repos/{owner}/{repo}")
def _repository(call: Call) -> Answer:
    return Answer(200, call.shapes.repository(call.repository(), call.token))


@ROUTES("GET", "/repos/{owner}/{repo}/git/commits/{sha}")
def _commit(call: Call) -> Answer:
    return Answer(200, call.shapes.commit(call.repository(), call.asked.params["sha"]))


@ROUTES("POST", "/repos/{owner}/{repo}/git/blobs")
def _new_blob(call: Call) -> Answer:
    repository = call.repository(Role.WRITE, Right.PUSH)
    text = str(call.given["content"])
    content = base64.b64decode(text) if call.given.get("encoding") == "base64" else text.encode()
    sha = str(repository.git.create_blob(content))
    return Answer(201, {"sha": sha, "url": f"{call.shapes.api}/repos/{repository.path}/git/blobs/{sha}"})


@ROUTES("POST", "/repos/{owner}/{repo}/git/trees")
def _new_tree(call: Call) -> Answer:
    repository = call.repository(Role.WRITE, Right.PUSH)
    store, index = repository.git, pygit2.Index()
    if call.given.get("base_tree"):
        index.read_tree(store[str(call.given["base_tree"])].peel(pygit2.Tree))
    for each in call.given["tree"]:
        sha = each["sha"] if "sha" in each else str(store.create_blob(each["content"].encode()))
        if sha is None:
            index.remove(each["path"])
        else:
            index.add(pygit2.IndexEntry(each["path"], pygit2.Oid(hex=sha), int(each["mode"], 8)))
    sha = str(index.write_tree(store))
    url = f"{call.shapes.api}/repos/{repository.path}/git/trees/{sha}"
    return Answer(201, {"sha": sha, "url": url, "tree": [], "truncated": False})


@ROUTES("POST", "/repos/{owner}/{repo}/git/commits")
def _new_commit(call: Call) -> Answer:
    """GitHub signs what an app commits in nobody's name."""
    repository, given, by = call.repository(Role.WRITE, Right.PUSH), call.given, call.by
    who = pygit2.Signature(by.login, by.email, call.store.clock(), 0)
    parents = [pygit2.Oid(hex=each) for each in given.get("parents", [])]
    tree = pygit2.Oid(hex=given["tree"])
    sha = str(repository.git.create_commit(None, who, who, given["message"], tree, parents))
    is_apps = call.token is not None and bool(call.token.app)
    if is_apps and "author" not in given and "committer" not in given:
        repository.vouched.add(sha)
    return Answer(201, call.shapes.commit(repository, sha))


@ROUTES("GET", "/repos/{owner}/{repo}/commits/{ref}/check-runs")
def _check_runs(call: Call) -> Answer:
    repository = call.repository()
    runs = [each for each in repository.latest(call.asked.params["ref"]) if each.kind == "check"]
    shown = [call.shapes.check_run(repository, each) for each in runs]
    answer = call.listed(shown)
    return answer._replace(body={"total_count": len(shown), "check_runs": answer.body})


@ROUTES("GET", "/repos/{owner}/{repo}/commits/{ref}/status")
def _combined_status(call: Call) -> Answer:
    repository, sha = call.repository(), call.asked.params["ref"]
    statuses = [each for each in repository.latest(sha) if each.kind == "status"]
    shown = [call.shapes.status(repository, each) for each in statuses]
    answer = call.listed(shown)
    states = {each.state for each in statuses}
    worst = "failure" if states & {"failure", "error"} else "pending" if states != {"success"} else "success"
    url = f"{call.shapes.api}/repos/{repository.path}/commits/{sha}"
    return answer._replace(
        body={
            "state": worst,
            "statuses": answer.body,
            "sha": sha,
            "total_count": len(shown),
            "repository": call.shapes.repository(repository),
            "commit_url": url,
            "url": f"{url}/status",
        }
    )
