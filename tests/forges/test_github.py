"""GitHub: the contract over real HTTP and real Git, every exchange held to what GitHub publishes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path

import pytest
from contract import Bench, ForgeContract
from emulator import Role, start
from emulator.github import GitHub
from emulator.github_spec import SPECS, check
from github_bench import PATH, Place
from servers.repositories import WHO, Bare

from reconciler.errors import Problem
from reconciler.forges.github_seen import is_of
from reconciler.forges.marks import marked
from reconciler.forges.port import Checks, Comment, Draft, Page, TooMany, Wording
from reconciler.model import MergeRequest, Whose

HAS_SPEC = (SPECS / "github.json").exists()


@pytest.fixture
def place(tmp_path: Path, deploy: Bare) -> Iterator[Place]:
    dialect = GitHub()
    with start(tmp_path / "forge", [dialect]) as emulator:
        if HAS_SPEC:
            emulator.check = check
        yield Place(emulator, dialect, deploy)
        assert emulator.broken == []
        assert emulator.secrets_in_urls() == []


@pytest.fixture
def bench(place: Place) -> Bench:
    return place.bench()


class TestGitHub(ForgeContract):
    pass


@pytest.fixture
def made(bench: Bench) -> MergeRequest:
    return TestGitHub().opened(bench)


BRANCH = "reconcile/savings/web"


# -- answers that are lost -------------------------------------------------------------------------------


def lost(place: Place, how: str, method: str, path: str) -> None:
    faults = place.emulator.faults
    {"lost": faults.lose, "done": faults.fail_after, "undone": faults.fail_before}[how](method, path)


@pytest.mark.parametrize("how", ["lost", "done", "undone"])
def test_a_request_is_opened_once(place: Place, bench: Bench, how: str) -> None:
    lost(place, how, "POST", "/pulls$")
    request = TestGitHub().opened(bench)
    assert list(bench.forge.mine("")) == [request]
    assert len(place.emulator.writes("/pulls$")) == (2 if how == "undone" else 1)


@pytest.mark.parametrize("how", ["lost", "done", "undone"])
def test_a_comment_is_written_once(place: Place, bench: Bench, made: MergeRequest, how: str) -> None:
    lost(place, how, "POST", "/comments$")
    bench.forge.update(made.number, Wording(comment=Comment("edited", "text")))
    assert bench.comments(made.number) == [("edited", "text")]


@pytest.mark.parametrize("how", ["lost", "done", "undone"])
def test_a_page_is_opened_once(place: Place, bench: Bench, how: str) -> None:
    lost(place, how, "POST", "/issues$")
    page = bench.forge.write_page(Page("dashboard", "Reconciler", "text\n"))
    assert bench.forge.page("dashboard") == page
    assert len(place.repository.issues) == 1


@pytest.mark.parametrize("how", ["lost", "done", "undone"])
def test_a_merge_whose_answer_is_lost_is_a_merge(
    place: Place, bench: Bench, made: MergeRequest, how: str
) -> None:
    lost(place, how, "PUT", "/merge$")
    merged = bench.forge.merge(made.number, made.head)
    assert isinstance(merged, MergeRequest)
    assert merged.merge_commit == bench.bare.tip()


@pytest.mark.parametrize("how", ["lost", "done", "undone"])
@pytest.mark.parametrize("path", [r"/pulls/\d+$", "/labels"])
def test_an_update_is_whole(place: Place, bench: Bench, made: MergeRequest, how: str, path: str) -> None:
    lost(place, how, "write", path)
    wording = Wording(title="New", add_labels=("new",), remove_labels=("savings",))
    updated = bench.forge.update(made.number, wording)
    assert (updated.title, sorted(updated.labels)) == ("New", ["bot", "new"])


def test_a_forge_that_is_down_is_given_up(place: Place, bench: Bench) -> None:
    place.emulator.faults.fail_before(times=100)
    with pytest.raises(Problem, match="doesn't answer as it should") as raised:
        bench.forge.mine("")
    assert raised.value.failure.whose is Whose.THEIRS
    assert len(place.emulator.log) == 4


def test_who_opened_the_same_a_moment_before_is_found(place: Place, bench: Bench) -> None:
    TestGitHub().branch(bench)
    ada = place.emulator.store.user("ada")
    place.emulator.faults.human(
        lambda _: place.repository.open_request(ada, BRANCH, "main", "Ada's"), "POST", "/pulls$"
    )
    found = bench.forge.open(Draft(BRANCH, "main", "t", "b"))
    assert (found.author, found.title) == ("ada", "Ada's")


# -- limits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 429])
def test_limits_are_waited_for(place: Place, bench: Bench, status: int) -> None:
    place.emulator.faults.limit("POST", "/pulls$", status=status, seconds=40)
    assert TestGitHub().opened(bench).state == "open"
    assert 40 in place.emulator.clock.slept


def test_graphql_says_of_its_limits_with_200(place: Place, bench: Bench, made: MergeRequest) -> None:
    clock = place.emulator.clock
    body = {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(clock() + 90), "Date": _date(clock())}
    place.emulator.faults.fail_before("POST", "/graphql", status=200, body=body, headers=headers)
    assert bench.forge.close(made.number).ended_by == "robot"
    assert any(80 < each < 100 for each in clock.slept)


def _date(at: int) -> str:
    return format_datetime(datetime.fromtimestamp(at, UTC), usegmt=True)


def test_a_run_waits_only_so_long(place: Place, bench: Bench) -> None:
    TestGitHub().branch(bench)
    place.emulator.faults.limit("POST", "/pulls$", seconds=601)
    with pytest.raises(TooMany, match="wants no more requests for 601 s"):
        bench.forge.open(Draft(BRANCH, "main", "t", "b"))
    assert len(place.emulator.writes()) == 1


def test_writes_keep_to_what_github_publishes(place: Place) -> None:
    forge, bare = place.forge(), place.bare
    for number in range(4):
        bare.commit({f"a/{number}": b"x"}, f"b{number}", start="main")
        forge.open(Draft(f"b{number}", "main", "t", "b", ("bot",), ("ada",)))
    moments = [each.at for each in place.emulator.writes()]
    assert len(moments) == 12
    assert all(after - before >= 1 for before, after in pairwise(moments))


# -- reading -----------------------------------------------------------------------------------------------


def test_small_pages_hide_nothing(place: Place, bench: Bench) -> None:
    place.emulator.faults.page_size = 2
    requests = [TestGitHub().opened(bench, f"reconcile/savings/{name}") for name in "abcde"]
    for number in (2, 4):
        bench.forge.close(number)
    assert [each.number for each in bench.forge.mine("")] == [5, 4, 3, 2, 1]
    for topic in "abcde":
        bench.forge.update(1, Wording(comment=Comment(topic, "one")))
    bench.forge.update(1, Wording(comment=Comment("e", "two")))
    assert bench.comments(1) == [*((topic, "one") for topic in "abcd"), ("e", "two")]
    assert bench.forge.open(Draft(requests[0].branch, "main", "t", "b")).number == 1


def test_what_ended_long_ago_is_not_even_read(place: Place, bench: Bench) -> None:
    place.emulator.faults.page_size = 2
    for name in "abcdef":
        bench.forge.close(TestGitHub().opened(bench, f"reconcile/savings/{name}").number)
        place.emulator.clock.pass_by(86_400)
    before = len(place.emulator.log)
    since = place.emulator.clock() - 2 * 86_400
    assert [each.number for each in place.forge().mine("", since)] == [6]
    closed = [each for each in place.emulator.log[before:] if each.one("state") == "closed"]
    assert len(closed) == 1


def test_who_ended_them_is_asked_for_all_at_once(place: Place, bench: Bench) -> None:
    for name in "abcd":
        bench.forge.close(TestGitHub().opened(bench, f"reconcile/savings/{name}").number)
    before, forge = len(place.emulator.log), place.forge()
    assert {each.ended_by for each in forge.mine("")} == {"robot"}
    assert len(place.emulator.log) - before == 3  # open ones, closed ones, and who
    forge.mine("")
    assert len(place.emulator.log) - before == 5


def test_a_fork_with_a_branch_of_that_name_is_not_ours() -> None:
    pull = {"head": {"ref": BRANCH, "repo": {"full_name": "acme/deploy"}}}
    assert is_of(pull, "Acme/Deploy", "reconcile/")
    assert not is_of({"head": {"ref": BRANCH, "repo": {"full_name": "eve/deploy"}}}, PATH, "reconcile/")
    assert not is_of({"head": {"ref": BRANCH, "repo": None}}, PATH, "reconcile/")


def test_standing(place: Place, bench: Bench, made: MergeRequest) -> None:
    store, repository = place.emulator.store, place.repository
    ada, grace = store.user("ada"), store.user("grace")
    request = repository.request(made.number)
    repository.review(request, ada, "changes-wanted")
    repository.review(request, ada, "approved")
    repository.review(request, grace, "changes-wanted")
    repository.review(request, grace, "commented")
    standing = bench.forge.standing(made.number)
    assert (standing.approved_by, standing.changes_wanted_by) == (("ada",), ("grace",))
    assert standing.checks is Checks.NONE
    bench.bare.commit({"apps/web/service.yaml": b"newer\n"}, made.branch)
    assert bench.forge.standing(made.number).approved_by == ()


def test_an_approval_outlives_update_branch_and_no_other_commit(
    place: Place, bench: Bench, made: MergeRequest
) -> None:
    request, store = place.repository.request(made.number), bench.bare.store
    place.repository.review(request, place.emulator.store.user("ada"), "approved")
    base = bench.bare.commit({"apps/other.yaml": b"theirs\n"})
    index = store.merge_commits(made.head, base)
    merged = (f"refs/heads/{made.branch}", WHO, WHO, "Merge main", index.write_tree(store))
    store.create_commit(*merged, [made.head, base])
    assert bench.forge.standing(made.number).approved_by == ("ada",)
    bench.bare.commit({"apps/web/service.yaml": b"newer\n"}, made.branch)
    assert bench.forge.standing(made.number).approved_by == ()


@pytest.mark.parametrize("role", [Role.NONE, Role.READ, Role.REPORT])
def test_reviews_of_strangers_have_no_say(place: Place, bench: Bench, made: MergeRequest, role: Role) -> None:
    store, request = place.emulator.store, place.repository.requests[made.number]
    place.repository.members["eve"] = role
    with store.turn:
        place.repository.review(request, store.user("eve"), "approved")
        place.repository.review(request, store.user("mallory"), "changes-wanted")
    assert bench.forge.standing(made.number)[:2] == ((), ())
    with store.turn:
        place.repository.review(request, store.user("helper[bot]", is_bot=True), "changes-wanted")
    assert bench.forge.standing(made.number).changes_wanted_by == ("helper[bot]",)


@pytest.mark.parametrize(
    ("states", "wanted"),
    [
        ([("ci", "success", "status"), ("lint", "neutral", "check")], Checks.PASSED),
        ([("ci", "success", "status"), ("lint", "pending", "check")], Checks.PENDING),
        ([("ci", "pending", "status"), ("lint", "success", "check")], Checks.PENDING),
        ([("ci", "failure", "status"), ("lint", "pending", "check")], Checks.FAILED),
        ([("ci", "success", "status"), ("lint", "failure", "check")], Checks.FAILED),
        ([("reconcile/plan", "success", "status")], Checks.NONE),
    ],
)
def test_checks(
    place: Place, bench: Bench, made: MergeRequest, states: list[tuple[str, str, str]], wanted: Checks
) -> None:
    place.emulator.faults.page_size = 1
    for context, state, kind in states:
        place.repository.set_status(made.head, context, state, kind=kind)
    assert bench.forge.standing(made.number).checks is wanted


# -- reviewers ---------------------------------------------------------------------------------------------


def test_one_who_can_not_review_loses_nobody_else(place: Place, bench: Bench) -> None:
    place.emulator.store.team("acme/platform", "ada")
    TestGitHub().branch(bench)
    asked = ("robot", "ada", "nobody", "acme/platform", "acme/none")
    request = bench.forge.open(Draft(BRANCH, "main", "t", "b", reviewers=asked))
    assert request.reviewers == ("ada", "acme/platform")
    assert bench.forge.update(request.number, Wording(add_reviewers=("grace", "ada"))).reviewers == (
        "ada", "grace", "acme/platform",
    )  # fmt: skip


# -- comments and pages of others --------------------------------------------------------------------------


def test_a_stranger_with_our_mark_is_not_taken_for_us(place: Place, bench: Bench, made: MergeRequest) -> None:
    eve, request = place.emulator.store.user("eve"), place.repository.request(made.number)
    theirs = marked("comment", "edited", "eve's")
    place.repository.comment(request, eve, theirs)
    place.repository.open_issue(eve, "Reconciler", marked("page", "dashboard", "eve's"))
    bench.forge.update(made.number, Wording(comment=Comment("edited", "ours")))
    assert [each.body for each in request.comments] == [theirs, marked("comment", "edited", "ours")]
    assert bench.forge.page("dashboard") is None


def test_a_page_that_says_it_already_is_not_written(place: Place, bench: Bench) -> None:
    page = bench.forge.write_page(Page("dashboard", "Reconciler", "text\n"))
    before = len(place.emulator.writes())
    assert bench.fresh().write_page(page) == page
    assert len(place.emulator.writes()) == before


def test_without_issues_there_are_no_pages(place: Place, bench: Bench) -> None:
    place.repository.has_issues = False
    with pytest.raises(Problem, match="Issues has been disabled"):
        bench.forge.write_page(Page("dashboard", "Reconciler", "text"))


# -- reopening ---------------------------------------------------------------------------------------------


def test_what_was_force_pushed_is_not_reopened(bench: Bench, made: MergeRequest) -> None:
    bench.forge.close(made.number)
    bench.bare.delete(made.branch)
    TestGitHub().branch(bench, text=b"other\n")
    with pytest.raises(Problem, match="force-pushed or recreated"):
        bench.forge.reopen(made.number)
