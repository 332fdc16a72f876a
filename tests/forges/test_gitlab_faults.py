"""GitLab when things go wrong: lost answers, limits, tiny pages, and answers that are nonsense."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract import ForgeContract
from emulator import Limits
from emulator.gitlab_types import Published
from gitlab_bench import BOT, DECLARATIONS, TOKEN, Rig, rigged
from servers.authority import Authority
from servers.proxy import Proxy
from servers.repositories import Bare

from reconciler.errors import Problem
from reconciler.forges.gitlab_seen import Seen, moment, seen
from reconciler.forges.pace import GITLAB
from reconciler.forges.port import Comment, Draft, Forge, Merging, NotMerged, Page, TooMany, Wording
from reconciler.model import MergeRequest

LOST = ("lose", "fail_after", "fail_before")


@pytest.fixture
def rig(deploy: Bare, tmp_path: Path) -> Iterator[Rig]:
    with rigged(deploy, tmp_path / "gitlab") as made:
        yield made


def opened(rig: Rig, name: str = "reconcile/savings/web") -> MergeRequest:
    return ForgeContract().opened(rig.bench, name)


# -- answers that are lost -----------------------------------------------------------------------------


@pytest.mark.parametrize("fault", LOST)
def test_opening(rig: Rig, fault: str) -> None:
    getattr(rig.emulator.faults, fault)("POST", "/merge_requests$")
    made = opened(rig)
    assert len(rig.repository.requests) == 1
    assert list(rig.bench.fresh().mine("")) == [made]


@pytest.mark.parametrize("fault", LOST)
def test_changing(rig: Rig, fault: str) -> None:
    made = opened(rig)
    getattr(rig.emulator.faults, fault)("PUT", r"/merge_requests/\d+$")
    wording = Wording(title="New", body="Other", add_labels=("x",), remove_labels=("bot",))
    updated = rig.forge.update(made.number, wording)
    assert (updated.title, updated.body, set(updated.labels)) == ("New", "Other", {"savings", "x"})
    assert len(rig.emulator.writes(r"/merge_requests/\d+$")) == (2 if fault == "fail_before" else 1)


@pytest.mark.parametrize("fault", LOST)
def test_commenting(rig: Rig, fault: str) -> None:
    made = opened(rig)
    for method, text in (("POST", "one"), ("PUT", "two")):
        getattr(rig.emulator.faults, fault)(method, "/notes")
        rig.forge.update(made.number, Wording(comment=Comment("edited", text)))
        assert rig.bench.comments(made.number) == [("edited", text)]


@pytest.mark.parametrize("fault", LOST)
def test_closing_and_reopening(rig: Rig, fault: str) -> None:
    made = opened(rig)
    for act, state in ((rig.forge.close, "closed"), (rig.forge.reopen, "open")):
        getattr(rig.emulator.faults, fault)("PUT", r"/merge_requests/\d+$")
        assert act(made.number).state == state
    what = [each.what for each in rig.repository.request(made.number).events]
    assert what == ["opened", "closed", "reopened"]


@pytest.mark.parametrize("fault", LOST)
def test_merging(rig: Rig, fault: str) -> None:
    made = opened(rig)
    getattr(rig.emulator.faults, fault)("PUT", "/merge$")
    merged = rig.forge.merge(made.number, made.head)
    assert isinstance(merged, MergeRequest)
    assert merged.merge_commit == rig.bench.bare.tip()


@pytest.mark.parametrize("fault", LOST)
def test_merging_later(rig: Rig, fault: str) -> None:
    rig.repository.checks_on_push.append(("build", 3_000, "success"))
    made = opened(rig)
    getattr(rig.emulator.faults, fault)("PUT", "/merge$")
    assert isinstance(rig.forge.merge(made.number, made.head, later=True), Merging)


@pytest.mark.parametrize("fault", LOST)
def test_boarding_a_train(rig: Rig, fault: str) -> None:
    rig.repository.queue, rig.repository.queue_seconds = True, 3_000
    made = opened(rig)
    getattr(rig.emulator.faults, fault)("POST", "merge_trains")
    assert isinstance(rig.forge.merge(made.number, made.head, later=True), Merging)
    assert [each.what for each in rig.repository.request(made.number).events] == ["opened"]


@pytest.mark.parametrize("fault", LOST)
def test_writing_a_page(rig: Rig, fault: str) -> None:
    for method, text in (("POST", "one\n"), ("PUT", "two\n")):
        getattr(rig.emulator.faults, fault)(method, "/issues")
        assert rig.forge.write_page(Page("dashboard", "t", text)).body == text
    assert len(rig.repository.issues) == 1


def test_what_goes_on_failing_is_a_problem(rig: Rig) -> None:
    ForgeContract().branch(rig.bench)
    rig.emulator.faults.fail_before("POST", "/merge_requests$", times=100)
    with pytest.raises(Problem, match="answers 502"):
        rig.forge.open(Draft("reconcile/savings/web", "main", "t", "b"))
    assert len(rig.emulator.writes()) == 2
    rig.emulator.faults.fail_before("GET", "", times=100, status=503)
    with pytest.raises(Problem, match="answers 503"):
        rig.forge.mine("")


# -- limits --------------------------------------------------------------------------------------------


def test_it_waits_as_long_as_gitlab_says(rig: Rig) -> None:
    rig.emulator.faults.limit("POST", "/merge_requests$", seconds=42)
    rig.emulator.faults.limit("GET", "/merge_requests$", seconds=17)
    opened(rig)
    assert {17.0, 42.0} <= set(rig.emulator.clock.slept)


def test_it_does_not_wait_for_ever(rig: Rig) -> None:
    rig.emulator.faults.limit("GET", "/merge_requests$", seconds=86_400, times=9)
    with pytest.raises(TooMany) as caught:
        rig.forge.mine("")
    assert caught.value.seconds == 86_400
    assert sum(rig.emulator.clock.slept) == 0


def test_many_writes_stay_within_the_limits(rig: Rig) -> None:
    rig.emulator.limits = Limits(writes_a_minute=GITLAB.minute)
    made = opened(rig)
    for number in range(205):
        rig.forge.update(made.number, Wording(title=f"Title {number}"))
    assert rig.emulator.limits.refused == 0
    assert 60 <= rig.emulator.clock.monotonic() < 120


def test_tiny_pages_everywhere(rig: Rig) -> None:
    rig.emulator.faults.page_size = 1
    first = opened(rig)
    opened(rig, "reconcile/savings/api")
    for topic in ("a", "b", "c", "a"):
        rig.forge.update(first.number, Wording(comment=Comment(topic, "text")))
        rig.forge.write_page(Page(topic, topic, "text"))
    assert len(rig.bench.comments(first.number)) == 3
    assert len(rig.repository.issues) == 3
    assert len(rig.bench.fresh().mine("")) == 2


# -- the way there ------------------------------------------------------------------------------------


def test_an_authority_of_ones_own(deploy: Bare, tmp_path: Path, authority: Authority) -> None:
    with rigged(deploy, tmp_path / "tls", tls=authority) as rig:
        assert rig.emulator.url.startswith("https://")
        assert opened(rig).state == "open"
        with pytest.raises(Problem, match="can't be trusted: its certificate is not accepted"):
            rig.again(ca_bundle=None).whoami()


def test_through_a_proxy(rig: Rig, proxy_server: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert rig.again(proxy=proxy_server.url).whoami() == BOT
    assert proxy_server.asked == [f"GET {rig.emulator.url}/api/v4/user"]


# -- other ways ----------------------------------------------------------------------------------------


def test_a_redirect_is_not_followed(rig: Rig) -> None:
    rig.emulator.faults.fail_before(
        "GET", "/user$", 302, headers={"Location": "http://evil.example/api/v4/user"}
    )
    with pytest.raises(Problem, match=r"leads on to http://evil\.example"):
        rig.forge.whoami()


def test_a_link_to_another_server_is_not_followed(rig: Rig) -> None:
    opened(rig)
    away = {"Link": '<http://evil.example/x>; rel="next"', "X-Next-Page": ""}
    shown = rig.emulator.log  # an answer of the emulator's own, with a header that leads away
    one = rig.forge._api.get("/projects/team%2Fplatform%2Fdeploy/merge_requests/1")
    rig.emulator.faults.fail_before("GET", "/merge_requests$", 200, headers=away, body=[one])
    assert len(rig.forge.mine("")) == 1
    assert "evil" not in "".join(each.path for each in shown)


@pytest.mark.parametrize("next_page", ["1", "-3", "x", "9" * 30, "²"])
def test_pages_that_lead_nowhere(rig: Rig, next_page: str) -> None:
    headers = {"X-Next-Page": next_page} if next_page.isascii() else {"X-Next-Page": "%C2%B2"}
    rig.emulator.faults.fail_before("GET", "/merge_requests$", 200, headers=headers, body=[], times=9)
    with pytest.raises(Problem, match="can't be understood"):
        rig.forge.mine("")


def test_a_list_without_end(rig: Rig) -> None:
    def turn(asked: Any) -> None:
        rule.headers = {"X-Next-Page": str(int(asked.one("page")) + 1)}

    rig.emulator.faults.human(turn, "GET", "/merge_requests$", times=10_000)
    rule = rig.emulator.faults.fail_before("GET", "/merge_requests$", 200, body=[], times=10_000)
    with pytest.raises(Problem, match="more than 200 pages"):
        rig.forge.mine("")


NONSENSE = (
    b"",
    b"<html>Sign in</html>",
    b"[1]",
    b"null",
    b"{}",
    b"[" * 100_000,
    b'"x"',
    b'{"iid": true}',
    b"\xff",
)


@pytest.mark.parametrize("body", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_is_a_problem(rig: Rig, body: bytes) -> None:
    made = opened(rig)
    rig.emulator.faults.fail_before(
        "", "/(user|merge_requests|issues|notes|merge)", 200, body=body, times=999
    )
    forge: Forge = rig.again()
    for act in (
        lambda: forge.whoami(),
        lambda: forge.mine(""),
        lambda: forge.update(made.number, Wording(title="x")),
        lambda: forge.merge(made.number, made.head),
        lambda: forge.standing(made.number),
        lambda: forge.page("dashboard"),
    ):
        with pytest.raises(Problem) as caught:
            act()
        assert TOKEN not in str(caught.value)


def spoiled(rig: Rig) -> Iterator[tuple[str, object, dict[str, Any]]]:
    made = opened(rig)
    good = rig.forge._api.get(f"/projects/team%2Fplatform%2Fdeploy/merge_requests/{made.number}")
    for key in good:
        for value in (None, 7, "x", "\x1b[2J" * 3, [], {}, [None, 3, {"username": 5}], True, -1, 1e300):
            yield key, value, {**good, key: value}


def test_any_field_may_be_anything(rig: Rig) -> None:
    """A Problem, or a record whose fields are what they should be; never anything else."""
    count = 0
    for key, value, found in spoiled(rig):
        count += 1
        try:
            made = seen(rig.forge._api, json.loads(json.dumps(found)))
        except Problem:
            assert key in ("iid", "state", "source_branch", "target_branch"), (key, value)
            continue
        sound(made)
    assert count > 500


def sound(made: Seen) -> None:
    request = made.request
    texts = (request.url, request.branch, request.base, request.head, request.title, request.body,
             request.ended_by, request.author, *request.labels, *request.reviewers, made.status)  # fmt: skip
    assert all(isinstance(each, str) for each in texts)
    assert all(isinstance(each, int) and each >= 0 for each in (request.opened_at, request.ended_at))
    assert all(isinstance(each, bool) for each in (request.draft, made.merging, made.squash, made.own))
    assert request.url.startswith("http")
    assert request.url.isprintable()
    assert request.head == "" or len(request.head) in (40, 64)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2018-09-07T11:16:17.520Z", 1_536_318_977),
        ("2018-09-07T13:16:17+02:00", 1_536_318_977),
        ("2018-09-07T11:16:17", 0),  # of no zone: of no moment
        ("0001-01-01T00:00:00+23:00", 0),
        ("soon", 0),
        (None, 0),
        (1_536_318_977, 0),
    ],
)
def test_moments(text: object, at: int) -> None:
    assert moment(text) == at


# -- what is published ---------------------------------------------------------------------------------


def published() -> Published:
    if not DECLARATIONS.exists():
        words = f"{DECLARATIONS} is missing: run .ci/contracts"
        assert os.environ.get("CI") != "true", words
        pytest.skip(words)
    return Published(DECLARATIONS)


def test_every_answer_is_as_published(rig: Rig) -> None:
    check = published()
    rig.emulator.check = check.check
    rig.repository.checks_on_push.append(("build", 1, "success"))
    made = opened(rig)
    rig.repository.review(rig.repository.request(made.number), rig.emulator.store.user("ada"), "approved")
    rig.forge.update(made.number, Wording(comment=Comment("x", "y"), add_reviewers=("eve",)))
    rig.forge.standing(made.number)
    rig.forge.write_page(Page("dashboard", "t", "b"))
    rig.repository.options["squash_option"] = "always"
    rig.emulator.clock.pass_by(5)
    assert not isinstance(rig.forge.merge(made.number, made.head), NotMerged)
    rig.repository.queue = True
    other = opened(rig, "reconcile/savings/api")
    rig.bench.bare.commit({"x": b"y"}, other.branch)
    rig.emulator.clock.pass_by(5)
    (head,) = (each.head for each in rig.forge.mine("") if each.number == other.number)
    assert isinstance(rig.again().merge(other.number, head, later=True), Merging)
    assert check.held == {
        "SimpleUserSchema", "MergeRequestSchema", "ExpandedMergeRequestSchema", "MergeRequestNoteSchema",
        "MergeRequestLevelMergeRequestApprovalSchema", "MergeRequestReviewerSchema", "MergeTrainSchema",
        "MergeRequestDiffVersionsSchema", "CommitSchema", "RepositoryCompareSchema", "IssueSchema",
    }  # fmt: skip


@pytest.mark.parametrize("change", [{"iid": "1"}, {"draft": None}, {"author": {}}, {"merge_status": "x"}])
def test_what_is_not_as_published_is_noticed(rig: Rig, change: dict[str, object]) -> None:
    check = published()
    good = rig.forge._api.get(f"/projects/team%2Fplatform%2Fdeploy/merge_requests/{opened(rig).number}")
    schema = check.validator("ExpandedMergeRequestSchema")
    assert schema.is_valid(good)
    assert not schema.is_valid({**good, **change})
    assert not schema.is_valid({name: value for name, value in good.items() if name not in change})
