"""The emulator itself: what holds for all of its dialects."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import emulator
import pytest
from emulator import Answer, Asked, Emulator, Limits, Protection, Refused, Repository, Right, Role, Routes
from emulator.records import Token
from servers.repositories import Bare, git


class Echo:
    """A dialect with nothing but what the tests here need."""

    routes = Routes("/api/echo")

    def claims(self, path: str) -> bool:
        return path.startswith("/api/echo")

    def answer(self, emulator: Emulator, asked: Asked, token: Token | None) -> Answer:
        found, is_known = self.routes.find(asked)
        if found is None:
            return Answer(405 if is_known else 404)
        return found(emulator, asked, token)

    def limited(self, asked: Asked, seconds: int) -> Answer:
        return Answer(429, {}, {"Retry-After": str(seconds)})


@Echo.routes("GET", "/things/{thing}/{rest+}")
def thing(emulator: Emulator, asked: Asked, token: Token | None) -> Answer:
    return Answer(200, asked.params)


@Echo.routes("POST", "/things")
def make(emulator: Emulator, asked: Asked, token: Token | None) -> Answer:
    emulator.store.user(asked.json["name"])
    return Answer(201, asked.json)


@Echo.routes("GET", "/numbers")
def numbers(emulator: Emulator, asked: Asked, token: Token | None) -> Answer:
    page, headers = emulator.page(asked, list(range(5)))
    return Answer(200, page, headers)


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Emulator]:
    with emulator.start(tmp_path, [Echo()]) as running:
        yield running
    assert not running.broken


@pytest.fixture
def deployed(forge: Emulator, deploy: Bare) -> Repository:
    repository = forge.store.repository("org/team/deploy", deploy.path)
    repository.members = {"ada": Role.MAINTAIN, "bot": Role.WRITE, "eve": Role.READ}
    for login in ("ada", "bot", "eve"):
        forge.store.token(f"token-of-{login}", login)
    return repository


def ask(
    forge: Emulator, method: str, path: str, body: object = None
) -> tuple[int, object, http.client.HTTPMessage]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(forge.url + path, data=data, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read() or b"null"), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null"), error.headers


def clone(forge: Emulator, repository: Repository, folder: Path, token: str) -> Path:
    url = forge.git_url(repository).replace("http://", f"http://any:{token}@")
    git("clone", "-q", url, "work", folder=folder)
    return folder / "work"


def pushed(work: Path, branch: str, text: str, *words: str) -> str:
    git("checkout", "-q", "-B", branch, "origin/main", folder=work)
    (work / "new.txt").write_text(text)
    git("add", ".", folder=work)
    git("commit", "-q", "-m", f"say {text}", folder=work)
    git("push", "-q", *words, "origin", branch, folder=work)
    return git("rev-parse", "HEAD", folder=work)


# -- serving --------------------------------------------------------------------------------------


def test_routes_take_pieces_as_they_were_sent(forge: Emulator) -> None:
    assert ask(forge, "GET", "/api/echo/things/a%2Fb/c/d")[1] == {"thing": "a/b", "rest": "c/d"}
    assert ask(forge, "PUT", "/api/echo/things")[0] == 405
    assert ask(forge, "GET", "/api/echo/nothing")[0] == 404
    assert ask(forge, "GET", "/nothing")[0] == 404


def test_pages_lead_to_each_other(forge: Emulator) -> None:
    forge.faults.page_size = 2
    status, first, headers = ask(forge, "GET", "/api/echo/numbers?per_page=100")
    assert (status, first, headers["X-Total-Count"]) == (200, [0, 1], "5")
    assert f'<{forge.url}/api/echo/numbers?per_page=100&page=2>; rel="next"' in headers["Link"]
    assert 'rel="next"' not in ask(forge, "GET", "/api/echo/numbers?page=3")[2]["Link"]


def test_what_was_asked_is_kept(forge: Emulator) -> None:
    forge.store.token("s3cret", "ada")
    ask(forge, "POST", "/api/echo/things", {"name": "x"})
    ask(forge, "GET", "/api/echo/numbers?private_token=s3cret")
    assert [(each.method, each.json, each.status) for each in forge.writes()] == [
        ("POST", {"name": "x"}, 201)
    ]
    assert len(forge.secrets_in_urls()) == 1


# -- faults ---------------------------------------------------------------------------------------


def test_an_answer_is_lost_after_the_effect(forge: Emulator) -> None:
    rule = forge.faults.lose("POST", "/things")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError, urllib.error.URLError)):
        ask(forge, "POST", "/api/echo/things", {"name": "lost"})
    assert "lost" in forge.store.users
    assert rule.met == 1
    assert ask(forge, "POST", "/api/echo/things", {"name": "again"})[0] == 201


def test_errors_before_and_after_the_effect(forge: Emulator) -> None:
    forge.faults.fail_before("POST", "/things", after=1)
    forge.faults.fail_after("POST", "/things", status=503, after=2)
    answers = [ask(forge, "POST", "/api/echo/things", {"name": name})[0] for name in "abcd"]
    assert answers == [201, 502, 503, 201]
    assert [name in forge.store.users for name in "abcd"] == [True, False, True, True]


def test_a_human_between_two_calls(forge: Emulator) -> None:
    forge.faults.human(lambda asked: forge.store.user("human"), "GET", "/numbers")
    assert "human" not in forge.store.users
    ask(forge, "GET", "/api/echo/numbers")
    assert "human" in forge.store.users


def test_limits_hold_in_virtual_time(forge: Emulator) -> None:
    forge.limits = Limits(writes_a_minute=2)
    names = iter("abcdef")

    def write() -> int:
        return ask(forge, "POST", "/api/echo/things", {"name": next(names)})[0]

    assert [write(), write(), write()] == [201, 201, 429]
    assert ask(forge, "GET", "/api/echo/numbers")[0] == 200
    forge.clock.sleep(60)
    assert write() == 201
    assert forge.limits.refused == 1


# -- git ------------------------------------------------------------------------------------------


def test_rights_hold_for_git(forge: Emulator, deployed: Repository, tmp_path: Path) -> None:
    def refused(token: str) -> str:
        url = forge.git_url(deployed).replace("http://", f"http://any:{token}@")
        return git("-c", "core.askPass=true", "ls-remote", url, folder=tmp_path, check=False)

    assert refused("wrong") == ""
    forge.store.token("elsewhere", "bot", repositories=frozenset({"org/other"}))
    assert refused("elsewhere") == ""
    assert "refs/heads/main" in refused("token-of-eve")
    work = clone(forge, deployed, tmp_path, "token-of-eve")
    with pytest.raises(AssertionError, match="403"):
        pushed(work, "mine", "x")


def test_protected_branches(forge: Emulator, deployed: Repository, tmp_path: Path) -> None:
    deployed.protected["main"] = Protection()
    work = clone(forge, deployed, tmp_path, "token-of-bot")
    with pytest.raises(AssertionError, match="protected"):
        pushed(work, "main", "x")
    pushed(work, "other", "x")
    git(
        "remote", "set-url", "origin", forge.git_url(deployed).replace("//", "//a:token-of-ada@"), folder=work
    )
    pushed(work, "main", "y")
    git("reset", "-q", "--hard", "HEAD~1", folder=work)
    with pytest.raises(AssertionError, match="no force"):
        git("push", "-q", "--force", "origin", "main", folder=work)


def test_a_push_moves_merges_and_closes(forge: Emulator, deployed: Repository, tmp_path: Path) -> None:
    bot, ada = forge.store.user("bot"), forge.store.user("ada")
    deployed.protected["main"] = Protection(approvals=1, dismiss_stale=True)
    work = clone(forge, deployed, tmp_path, "token-of-ada")
    first = pushed(work, "one", "1")
    made = deployed.open_request(bot, "one", "main", "One")
    deployed.review(made, ada, "approved")
    assert not deployed.obstacles(made)
    second = pushed(work, "one", "2", "--force")
    assert (made.head, made.events[-1].what, made.events[-1].by) == (second, "force-pushed", ada)
    assert [each.why for each in deployed.obstacles(made)] == ["approvals"]
    assert first != second
    git("push", "-q", "origin", "one:main", folder=work)
    assert (made.state, made.merge_commit, made.merged_by) == ("merged", second, ada)
    pushed(work, "two", "3")
    other = deployed.open_request(bot, "two", "main", "Two")
    git("push", "-q", "origin", ":two", folder=work)
    assert (other.state, other.closed_by) == ("closed", ada)
    with pytest.raises(Refused, match="deleted"):
        deployed.reopen(other, bot)
    pushed(work, "two", "4")
    with pytest.raises(Refused, match="force-pushed"):
        deployed.reopen(other, bot)


def test_other_habits(tmp_path: Path, deploy: Bare) -> None:
    with emulator.start(tmp_path, kind="gitlab") as forge:
        repository = forge.store.repository("org/deploy", deploy.path)
        bot = forge.store.user("bot")
        deploy.commit({"new.txt": b"1"}, "one", start="main")
        made = repository.open_request(bot, "one", "main", "One")
        assert repository.open_issue(bot, "Dashboard").number == made.number == 1
        deploy.store.references.delete("refs/heads/one")
        repository.settle()
        assert made.state == "open"
        assert [each.why for each in repository.obstacles(made)] == ["no-branch"]
        deploy.commit({"new.txt": b"2"}, "one", start="main")
        repository.settle()
        assert made.head == deploy.tip("one")


# -- merging --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["merge", "squash", "rebase", "fast-forward"])
def test_merges_are_real(forge: Emulator, deployed: Repository, deploy: Bare, method: str) -> None:
    bot = forge.store.user("bot")
    deployed.methods = [method]
    base = deploy.tip()
    for text in (b"1", b"2"):
        deploy.commit({"new.txt": text}, "one", start="main")
    head = deploy.tip("one")
    if method == "rebase":
        base = deploy.commit({"README.md": b"meanwhile"})
    made = deployed.open_request(bot, "one", "main", "One")
    merged = deployed.merge(made, bot, head=head)
    assert (merged, made.state, made.merge_commit) == (deploy.tip(), "merged", merged)
    parents = [str(each) for each in deploy.store[merged].parent_ids]
    assert deploy.read("new.txt") == b"2"
    if method == "merge":
        assert parents == [base, head]
    elif method == "squash":
        assert parents == [base]
    elif method == "rebase":
        assert [str(each) for each in deploy.store[parents[0]].parent_ids] == [base]
    else:
        assert merged == head


def test_what_stands_in_the_way(forge: Emulator, deployed: Repository, deploy: Bare) -> None:
    bot, ada, eve = (forge.store.user(login) for login in ("bot", "ada", "eve"))
    deployed.protected["main"] = Protection(approvals=1, checks=("ci",))
    deploy.commit({"new.txt": b"1"}, "one", start="main")
    made = deployed.open_request(bot, "one", "main", "One", draft=True)
    assert [each.why for each in deployed.obstacles(made)] == ["draft", "approvals", "checks"]
    made.draft = False
    deployed.review(made, eve, "approved")  # may only read: it doesn't count
    deployed.review(made, ada, "changes-wanted")
    deployed.set_status(made.head, "ci", "failure")
    assert [each.why for each in deployed.obstacles(made)] == ["changes-wanted", "approvals", "checks"]
    deployed.review(made, ada, "approved")
    deployed.set_status(made.head, "ci", "success")
    assert deployed.obstacles(made) == []
    deploy.commit({"new.txt": b"another"})
    with pytest.raises(Refused) as refused:
        deployed.merge(made, bot)
    assert refused.value.why == "conflict"
    with pytest.raises(Refused) as refused:
        deployed.merge(made, bot, "fast-forward")
    assert refused.value.why == "method"


def test_checks_end_and_merges_happen_later(forge: Emulator, deployed: Repository, deploy: Bare) -> None:
    bot = forge.store.user("bot")
    deployed.protected["main"] = Protection(checks=("ci",))
    deployed.checks_on_push = [("ci", 90, "success")]
    head = deploy.commit({"new.txt": b"1"}, "one", start="main")
    deployed.settle()
    made = deployed.open_request(bot, "one", "main", "One")
    deployed.arm(made, bot, head=head)
    forge.clock.sleep(89)
    deployed.settle()
    assert (made.state, deployed.latest(head)[0].state) == ("open", "pending")
    forge.clock.sleep(1)
    deployed.settle()
    assert (made.state, made.merged_by, made.merged_at) == ("merged", bot, forge.clock())


def test_a_queue(forge: Emulator, deployed: Repository, deploy: Bare) -> None:
    bot = forge.store.user("bot")
    deploy.commit({"new.txt": b"1"}, "one", start="main")
    made = deployed.open_request(bot, "one", "main", "One")
    deployed.enqueue(made, bot)
    forge.clock.sleep(30)
    deploy.commit({"new.txt": b"2"}, "one")
    deployed.settle()
    assert made.auto_merge is None  # a push takes it out
    deployed.enqueue(made, bot)
    forge.clock.sleep(60)
    deployed.settle()
    assert made.state == "merged"


def test_a_token_is_for_something(forge: Emulator, deployed: Repository) -> None:
    forge.store.token("reader", "ada", Right.READ)
    forge.store.token("old", "ada", expires=forge.clock() + 10)
    assert forge.store.may(forge.store.holder("reader"), deployed, Role.READ, Right.READ)
    assert not forge.store.may(forge.store.holder("reader"), deployed, Role.READ, Right.REQUESTS)
    assert not forge.store.may(None, deployed, Role.READ, Right.READ)
    forge.clock.sleep(10)
    assert forge.store.holder("old") is None
    with pytest.raises(Refused) as refused:
        forge.found(None, deployed.path)
    assert refused.value.why == "not-found"
    with pytest.raises(Refused) as refused:
        forge.found(forge.store.holder("token-of-eve"), deployed.path, Role.WRITE, Right.REQUESTS)
    assert refused.value.why == "forbidden"
