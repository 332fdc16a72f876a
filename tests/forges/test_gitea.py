"""Gitea and Forgejo: the contract over real HTTP and Git, and what is theirs alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import emulator
import pytest
from contract import BODY, Bench, ForgeContract
from emulator import Emulator, Protection, Repository, Right
from gitea_bench import bench_of, placed, served, site_of
from servers.repositories import Bare

from reconciler.errors import Problem
from reconciler.forges import FORGES
from reconciler.forges.gitea import GiteaForge
from reconciler.forges.port import (
    Blocked,
    Checks,
    Comment,
    Draft,
    Method,
    NotMerged,
    Page,
    TooMany,
    Wording,
)
from reconciler.model import MergeRequest, Whose


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Emulator]:
    with served(tmp_path) as running:
        yield running


@pytest.fixture
def place(server: Emulator, deploy: Bare) -> Repository:
    return placed(server, deploy)


@pytest.fixture
def bench(server: Emulator, place: Repository, deploy: Bare) -> Bench:
    return bench_of(server, place, deploy)


class TestGitea(ForgeContract):
    pass


@pytest.fixture
def made(bench: Bench) -> MergeRequest:
    return TestGitea().opened(bench)


def test_it_is_in_the_dict(server: Emulator, place: Repository) -> None:
    assert FORGES["gitea"](site_of(server)).whoami() == "bot"


# -- pages of lists ---------------------------------------------------------------------------------


def test_tiny_pages(bench: Bench, server: Emulator) -> None:
    server.faults.page_size = 2
    made = [TestGitea().opened(bench, f"reconcile/savings/{n}") for n in range(5)]
    bench.forge.close(made[0].number)
    for topic in "abc":
        bench.forge.update(made[1].number, Wording(comment=Comment(topic, "x")))
    bench.forge.update(made[1].number, Wording(comment=Comment("c", "y")))
    assert [each.number for each in bench.fresh().mine("")] == [each.number for each in reversed(made)]
    assert bench.comments(made[1].number) == [("a", "x"), ("b", "x"), ("c", "y")]


def test_a_list_that_moves_is_read_again(bench: Bench, server: Emulator, place: Repository) -> None:
    made = [TestGitea().opened(bench, f"reconcile/savings/{n}") for n in range(5)]
    server.faults.page_size = 2
    first = place.requests[made[0].number]
    ada = server.store.user("ada")
    server.faults.human(lambda asked: place.close(first, ada), "GET", "/pulls$", late=True)
    found = {each.number: each.state for each in bench.forge.mine("")}
    assert found == {each.number: "closed" if each is made[0] else "open" for each in made}


def test_forks_are_not_ours(bench: Bench, made: MergeRequest, server: Emulator) -> None:
    def foreign(asked: object, answer: emulator.Answer) -> None:
        if isinstance(answer.body, list):
            for each in answer.body:
                each["head"]["repo_id"] = 7

    server.check = foreign
    assert not bench.fresh().mine("")


# -- writes whose answer is lost --------------------------------------------------------------------

LOST = [("lose", {}), ("fail_after", {"status": 502}), ("fail_before", {"status": 500})]


@pytest.mark.parametrize(("how", "more"), LOST)
def test_nothing_is_doubled(bench: Bench, server: Emulator, place: Repository, how: str, more: dict) -> None:
    for method, path in (
        ("POST", "/pulls$"),
        ("POST", "/labels$"),
        ("POST", "/comments$"),
        ("PATCH", "/comments/"),
        ("POST", "/issues$"),
        ("PATCH", "/issues/"),
        ("PATCH", "/pulls/"),
        ("POST", "/merge$"),
        ("POST", "/requested_reviewers$"),
        ("DELETE", "/labels/"),
    ):
        getattr(server.faults, how)(method, path, **more)
    forge = bench.forge
    TestGitea().branch(bench, "reconcile/savings/web")
    draft = Draft("reconcile/savings/web", "main", "Lower cpu", BODY, ("savings",), ("ada",))
    made = forge.open(draft)
    assert (made.labels, made.reviewers) == (("savings",), ("ada",))
    for text in ("one", "two"):
        forge.update(made.number, Wording(title=text, comment=Comment("topic", text)))
        forge.write_page(Page("dashboard", "Dashboard", text))
    assert forge.update(made.number, Wording(remove_labels=("savings",))).labels == ()
    merged = forge.merge(made.number, made.head)
    assert isinstance(merged, MergeRequest)
    assert (merged.state, merged.title) == ("merged", "two")
    assert bench.comments(made.number) == [("topic", "two")]
    assert [each.name for each in place.labels] == ["savings"]
    assert (len(place.requests), len(place.issues)) == (1, 1)
    assert all(rule.met == 1 for rule in server.faults.rules)


def test_one_that_somebody_else_opened_is_adopted(bench: Bench, server: Emulator, place: Repository) -> None:
    TestGitea().branch(bench, "reconcile/savings/web")
    ada = server.store.user("ada")
    server.faults.human(
        lambda asked: place.open_request(ada, "reconcile/savings/web", "main", "Theirs"), "POST", "/pulls$"
    )
    made = bench.forge.open(Draft("reconcile/savings/web", "main", "Ours", "b"))
    assert (made.title, made.author, len(place.requests)) == ("Theirs", "ada", 1)


def test_limits_are_waited_for(bench: Bench, server: Emulator, place: Repository) -> None:
    server.faults.limit("POST", "/pulls$", seconds=40)
    began = server.clock()
    TestGitea().opened(bench)
    assert server.clock() - began >= 40
    server.faults.limit("GET", "/pulls", seconds=4_000, times=99)
    with pytest.raises(TooMany) as error:
        bench.forge.mine("")
    assert error.value.seconds == 4_000


# -- labels, reviewers ------------------------------------------------------------------------------


def test_labels_are_made_once(bench: Bench, made: MergeRequest, place: Repository) -> None:
    TestGitea().opened(bench, "reconcile/savings/api")
    bench.fresh().update(made.number, Wording(add_labels=("savings", "new")))
    assert sorted(each.name for each in place.labels) == ["bot", "new", "savings"]


def test_a_label_and_its_twin_go_together(bench: Bench, made: MergeRequest, place: Repository) -> None:
    twin = place.new_label("savings")
    assert [each.name for each in place.labels].count("savings") == 2
    bench.forge.update(made.number, Wording(remove_labels=("savings",)))
    assert twin.name not in place.requests[made.number].labels


def test_who_can_be_asked_is_asked(bench: Bench) -> None:
    TestGitea().branch(bench, "reconcile/savings/web")
    names = ("ada", "nobody", "bot", "org/platform", "org/unknown", "stranger")
    made = bench.forge.open(Draft("reconcile/savings/web", "main", "t", "b", (), names))
    assert made.reviewers == ("ada", "org/platform")
    assert bench.forge.update(made.number, Wording(add_reviewers=("grace", "ada"))).reviewers == (
        "ada", "grace", "org/platform",
    )  # fmt: skip


def test_only_what_is_new_is_written(bench: Bench, made: MergeRequest, server: Emulator) -> None:
    bench.forge.update(made.number, Wording(comment=Comment("a", "x")))
    bench.forge.write_page(Page("dashboard", "D", BODY))
    before = len(server.writes())
    same = Wording(made.title, made.body, made.labels, ("unknown",), Comment("a", "x"))
    assert bench.fresh().update(made.number, same) == made
    bench.fresh().write_page(Page("dashboard", "D", BODY))
    bench.fresh().reopen(made.number)
    assert len(server.writes()) == before


def test_comments_and_pages_of_others_stay(bench: Bench, made: MergeRequest, place: Repository) -> None:
    ada = place.forge.user("ada")
    bench.forge.update(made.number, Wording(comment=Comment("a", "ours")))
    forged = place.requests[made.number].comments[0].body
    place.requests[made.number].comments.clear()
    place.comment(place.requests[made.number], ada, forged)
    place.open_issue(ada, "Fake", "<!-- reconcile:page dashboard -->\nfake")
    bench.forge.update(made.number, Wording(comment=Comment("a", "again")))
    assert bench.comments(made.number) == [("a", "ours"), ("a", "again")]
    assert bench.forge.page("dashboard") is None


# -- standing ---------------------------------------------------------------------------------------


def test_reviews_count_for_their_commit(bench: Bench, made: MergeRequest, place: Repository) -> None:
    request = place.requests[made.number]
    ada, grace, eve = (place.forge.user(name) for name in ("ada", "grace", "eve"))
    place.review(request, ada, "changes-wanted")
    place.review(request, ada, "approved")
    place.review(request, ada, "commented")
    place.review(request, grace, "changes-wanted")
    place.review(request, eve, "approved")  # may only read
    found = bench.forge.standing(made.number)
    assert (found.approved_by, found.changes_wanted_by) == (("ada",), ("grace",))
    request.reviews[3].dismissed = True
    assert bench.forge.standing(made.number).changes_wanted_by == ()
    bench.bare.commit({"x": b"new"}, made.branch)
    assert bench.forge.standing(made.number).approved_by == ()


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({}, Checks.NONE),
        ({"a": "success"}, Checks.PASSED),
        ({"a": "success", "b": "warning"}, Checks.PASSED),
        ({"a": "success", "b": "pending"}, Checks.PENDING),
        ({"a": "pending", "b": "failure"}, Checks.FAILED),
        ({"a": "error"}, Checks.FAILED),
    ],
)
@pytest.mark.parametrize("old", [False, True])
def test_checks(
    bench: Bench, made: MergeRequest, place: Repository, states: dict, expected: Checks, old: bool
) -> None:
    place.forge.options["old"] = old
    for context, state in states.items():
        place.set_status(made.head, context, state, place.forge.user("ada"))
    assert bench.forge.standing(made.number).checks is expected


# -- merging ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("usual", ["merge", "squash", "rebase", "fast-forward"])
def test_it_is_merged_as_the_repository_is_set_up(
    bench: Bench, made: MergeRequest, place: Repository, usual: str
) -> None:
    place.methods = [usual]
    merged = bench.forge.merge(made.number, made.head)
    assert isinstance(merged, MergeRequest)
    assert len(bench.bare.store[bench.bare.tip()].parent_ids) == (2 if usual == "merge" else 1)
    assert merged.merge_commit == bench.bare.tip()


def test_a_way_that_is_not_allowed(bench: Bench, made: MergeRequest, place: Repository) -> None:
    place.methods = ["merge"]
    answer = bench.forge.merge(made.number, made.head, method=Method.SQUASH)
    assert isinstance(answer, NotMerged)
    assert answer.why is Blocked.NOT_ALLOWED


def test_it_takes_a_while_until_it_can_be_merged(bench: Bench, server: Emulator) -> None:
    server.store.slow_mergeability = 3
    made = TestGitea().opened(bench)
    assert isinstance(bench.forge.merge(made.number, made.head), MergeRequest)
    assert server.clock.slept


def test_rules_of_the_branch_hold(bench: Bench, made: MergeRequest, place: Repository) -> None:
    place.protected["main"] = Protection(approvals=1, checks=("ci",))
    ada = place.forge.user("ada")

    def tried() -> object:
        answer = bench.forge.merge(made.number, made.head, later=True)
        return answer.why if isinstance(answer, NotMerged) else answer

    assert tried() is Blocked.NOT_READY
    place.review(place.requests[made.number], ada, "approved")
    assert tried() is Blocked.NOT_READY
    place.set_status(made.head, "ci", "success")
    merged = tried()
    assert isinstance(merged, MergeRequest)
    assert (merged.state, merged.merge_commit) == ("merged", bench.bare.tip())


def test_what_a_person_scheduled_is_seen(bench: Bench, made: MergeRequest, place: Repository) -> None:
    place.protected["main"] = Protection(checks=("ci",))
    assert not bench.forge.standing(made.number).merging
    request, ada = place.requests[made.number], place.forge.user("ada")
    place.arm(request, ada)
    assert bench.forge.standing(made.number).merging
    place.disarm(request, ada)
    assert not bench.forge.standing(made.number).merging


def test_later_never_passes_over_checks(
    bench: Bench, made: MergeRequest, server: Emulator, place: Repository
) -> None:
    """Fast-forward-only would be merged at once, whatever the checks say."""
    place.methods = ["fast-forward"]
    place.protected["main"] = Protection(checks=("ci",))
    answer = bench.forge.merge(made.number, made.head, later=True)
    assert isinstance(answer, NotMerged)
    assert not any("merge_when_checks_succeed" in each.json for each in server.writes("/merge$"))
    assert place.requests[made.number].is_open


def test_a_branch_that_moves_while_it_is_merged(bench: Bench, made: MergeRequest, server: Emulator) -> None:
    server.faults.human(lambda asked: bench.bare.commit({"x": b"y"}, made.branch), "POST", "/merge$")
    answer = bench.forge.merge(made.number, made.head)
    assert isinstance(answer, NotMerged)
    assert answer.why is Blocked.HEAD_MOVED


def test_drafts_wait(bench: Bench, made: MergeRequest) -> None:
    draft = bench.forge.update(made.number, Wording(title="WIP: not yet"))
    assert draft.draft
    answer = bench.forge.merge(made.number, made.head)
    assert isinstance(answer, NotMerged)
    assert answer.why is Blocked.NOT_READY


def test_merges_that_the_server_does_not_notice(bench: Bench, made: MergeRequest, place: Repository) -> None:
    place.habits = place.habits._replace(notices_manual_merges=False)
    bench.bare.store.references.create("refs/heads/main", made.head, force=True)
    (seen,) = bench.forge.mine("")
    assert (seen.state, seen.merge_commit, place.requests[made.number].is_open) == ("merged", made.head, True)


def test_a_closed_one_tells_who_and_where(bench: Bench, made: MergeRequest, place: Repository) -> None:
    place.close(place.requests[made.number], place.forge.user("ada"))
    bench.bare.commit({"x": b"later"}, made.branch)
    (seen,) = bench.forge.mine("")
    assert (seen.state, seen.ended_by, seen.head) == ("closed", "ada", made.head)


def test_a_branch_that_is_gone_is_not_reopened(bench: Bench, made: MergeRequest) -> None:
    bench.forge.close(made.number)
    bench.bare.store.references.delete(f"refs/heads/{made.branch}")
    with pytest.raises(Problem, match="branch is gone"):
        bench.forge.reopen(made.number)


# -- tokens, hostile answers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "rights", "words"),
    [
        ("wrong", None, "does not accept the token"),
        ("reader", (Right.READ, Right.USER), r"may not do that .*write:"),
        ("nameless", (Right.READ, Right.REQUESTS, Right.ISSUES), "read:user"),
        ("elsewhere", "elsewhere", "not there, or the token may not see it"),
    ],
)
def test_what_a_token_may_not(bench: Bench, server: Emulator, token: str, rights: object, words: str) -> None:
    if rights == "elsewhere":
        server.store.token(token, "bot", repositories=frozenset())
    elif rights:
        server.store.token(token, "bot", *rights)
    TestGitea().branch(bench)
    with pytest.raises(Problem, match=words) as error:
        GiteaForge(site_of(server, token)).open(Draft("reconcile/savings/web", "main", "t", "b", ("x",)))
    assert token not in str(error.value).replace("elsewhere", "") or token == "elsewhere"
    assert error.value.failure.whose is Whose.YOURS


def spoiled(change: Callable[[dict], object]) -> Callable[[object, emulator.Answer], None]:
    def spoil(asked: object, answer: emulator.Answer) -> None:
        for each in answer.body if isinstance(answer.body, list) else [answer.body]:
            if isinstance(each, dict) and "head" in each:
                change(each)

    return spoil


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.update(number="7"),
        lambda told: told.update(number=-1),
        lambda told: told.update(id=True),
        lambda told: told.update(head=None),
        lambda told: told["head"].update(sha="main; rm -rf /"),
        lambda told: told.update(base=[]),
    ],
)
def test_strange_answers(bench: Bench, made: MergeRequest, server: Emulator, change: Callable) -> None:
    server.check = spoiled(change)
    with pytest.raises(Problem) as error:
        bench.fresh().mine("")
    assert error.value.failure.whose is Whose.THEIRS


def test_a_page_that_is_no_json(bench: Bench, server: Emulator) -> None:
    server.faults.fail_before("GET", "/pulls", status=200, body=b"<html>hello</html>")
    with pytest.raises(Problem, match="is there a Gitea or Forgejo"):
        bench.forge.mine("")


def test_a_redirect_is_not_followed(bench: Bench, server: Emulator) -> None:
    server.faults.fail_before("GET", "/pulls", status=302, headers={"Location": "http://127.0.0.1:1/"})
    with pytest.raises(Problem, match="leads on to"):
        bench.forge.mine("")


def test_lists_without_an_end(bench: Bench, server: Emulator) -> None:
    """A server that says the same page for ever, and one that invents entries, are both left."""
    same = [{"id": 1, "name": "x"}]
    server.faults.fail_before("GET", "/labels", status=200, body=same, times=10_000)
    TestGitea().branch(bench)
    made = bench.forge.open(Draft("reconcile/savings/web", "main", "t", "b", ("x",)))
    assert made.state == "open"
