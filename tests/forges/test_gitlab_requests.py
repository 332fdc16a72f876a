"""GitLab's own ways with merge requests, notes, reviewers and pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract import ForgeContract
from emulator import Right
from emulator.gitlab import GitLab
from emulator.gitlab_merging import push_rule
from gitlab_bench import BOT, PATH, TOKEN, Rig, rigged
from hypothesis import given
from hypothesis import strategies as st
from servers.repositories import Bare, git

from reconciler.errors import Problem
from reconciler.forges import FORGES, gitlab_texts
from reconciler.forges.port import Checks, Comment, Draft, Page, Wording
from reconciler.model import MergeRequest


@pytest.fixture
def rig(deploy: Bare, tmp_path: Path) -> Iterator[Rig]:
    with rigged(deploy, tmp_path / "gitlab") as made:
        yield made


def opened(rig: Rig, name: str = "reconcile/savings/web", **more: object) -> MergeRequest:
    ForgeContract().branch(rig.bench, name)
    return rig.forge.open(Draft(name, "main", "Lower cpu", "Why", **more))  # type: ignore[arg-type]


# -- where, and who ------------------------------------------------------------------------------------


def test_the_bot_of_a_project_token_has_the_name_that_gitlab_gave_it(rig: Rig) -> None:
    assert rig.forge.whoami() == BOT
    assert opened(rig).url == f"{rig.emulator.url}/{PATH}/-/merge_requests/1"


def test_it_is_found_by_its_kind(rig: Rig) -> None:
    assert FORGES["gitlab"](rig.site()).whoami() == BOT


def test_a_gitlab_below_a_path(deploy: Bare, tmp_path: Path) -> None:
    with rigged(deploy, tmp_path / "below", GitLab(root="/gitlab")) as rig:
        assert opened(rig).url.startswith(f"{rig.emulator.url}/gitlab/{PATH}/")
        assert {each.path.split("/projects/")[1].split("/")[0] for each in rig.emulator.log
                if "/projects/" in each.path} == {"team%2Fplatform%2Fdeploy"}  # fmt: skip


def test_without_the_path_it_is_named(deploy: Bare, tmp_path: Path) -> None:
    below = GitLab(root="/gitlab")
    with rigged(deploy, tmp_path / "below", below) as rig, pytest.raises(Problem, match="404"):
        rig.again(server=rig.emulator.url).whoami()


@pytest.mark.parametrize(
    ("rights", "words"),
    [((Right.READ, Right.USER), "needs the scope `api`"), ((), "token is not taken")],
)
def test_a_token_that_may_not(rig: Rig, rights: tuple[Right, ...], words: str) -> None:
    ForgeContract().branch(rig.bench)
    if rights:
        rig.emulator.store.token("glpat-weak", "ada", *rights)
    forge = rig.again(token="glpat-weak")
    with pytest.raises(Problem) as caught:
        forge.open(Draft("reconcile/savings/web", "main", "t", "b"))
    assert words in str(caught.value)
    assert "glpat" not in str(caught.value)


def test_a_project_that_the_token_may_not_see(rig: Rig) -> None:
    rig.emulator.store.token("glpat-stranger", "mallory")
    with pytest.raises(Problem, match="may not see it"):
        rig.again(token="glpat-stranger").mine("")


def test_the_token_is_in_no_object_and_no_url(rig: Rig) -> None:
    opened(rig)
    api = rig.forge._api
    for each in (api, api._gitlab, api._gitlab._backend, api._token):
        assert TOKEN not in repr(each)
        assert TOKEN not in str(getattr(each, "__dict__", ""))
    assert all(each.headers.get("private-token") == TOKEN for each in rig.emulator.log)


# -- what is listed ------------------------------------------------------------------------------------


def test_of_a_fork_none_is_ours(rig: Rig) -> None:
    made = opened(rig)
    rig.gitlab.extra(rig.repository.request(made.number)).fork = 4711
    assert not rig.forge.mine("reconcile/")
    again = rig.forge._open_of(Draft(made.branch, "main", "t", "b"))
    assert again is None


def test_many_pages_and_no_totals(rig: Rig) -> None:
    for name in "abcde":
        opened(rig, f"reconcile/savings/{name}")
    rig.gitlab.totals = False
    rig.emulator.faults.page_size = 2
    assert [each.number for each in rig.forge.mine("reconcile/")] == [5, 4, 3, 2, 1]


def test_what_ended_is_asked_for_since_then_only(rig: Rig) -> None:
    made = opened(rig)
    rig.forge.close(made.number)
    rig.emulator.clock.pass_by(90 * 86_400)
    other = opened(rig, "reconcile/savings/api")
    rig.emulator.log.clear()
    found = rig.forge.mine("", rig.emulator.clock() - 86_400)
    assert [each.number for each in found] == [other.number]
    asked = [(each.one("state"), each.one("updated_after")) for each in rig.emulator.log]
    assert [state for state, _ in asked] == ["opened", "closed", "merged"]
    assert [bool(after) for _, after in asked] == [False, True, True]


# -- opening and changing ------------------------------------------------------------------------------


def test_nothing_to_merge_opens_nothing(rig: Rig) -> None:
    rig.bench.bare.store.references.create("refs/heads/same", rig.bench.bare.tip())
    with pytest.raises(Problem, match="nothing to merge"):
        rig.forge.open(Draft("same", "main", "t", "b"))
    assert not rig.emulator.writes()


def test_somebody_opens_it_first(rig: Rig) -> None:
    ForgeContract().branch(rig.bench)
    ada = rig.emulator.store.user("ada")

    def opens(_: object) -> None:
        rig.repository.open_request(ada, "reconcile/savings/web", "main", "Mine", "")

    rig.emulator.faults.human(opens, "POST", "/merge_requests$")
    made = rig.forge.open(Draft("reconcile/savings/web", "main", "t", "b"))
    assert (made.author, made.title) == ("ada", "Mine")
    assert len(rig.repository.requests) == 1


def test_of_two_bases_the_one_that_is_meant(rig: Rig) -> None:
    rig.bench.bare.store.references.create("refs/heads/stable", rig.bench.bare.tip())
    made = opened(rig)
    rig.repository.open_request(rig.emulator.store.user("ada"), made.branch, "stable", "To stable", "")
    assert rig.forge.open(Draft(made.branch, "stable", "t", "b")).base == "stable"
    assert rig.forge.open(Draft(made.branch, "main", "t", "b")) == made


def test_its_branch_goes_with_the_merge(rig: Rig) -> None:
    made = opened(rig)
    rig.forge.merge(made.number, made.head)
    assert made.branch not in rig.bench.bare.branches()


def test_reviewers_that_gitlab_knows(rig: Rig) -> None:
    made = opened(rig, reviewers=("Ada", "@eve", "nobody", "team/leads", "ada@example.com"))
    assert made.reviewers == ("ada", "eve")
    lookups = [each for each in rig.emulator.log if each.path.endswith("/users")]
    assert {each.one("username") for each in lookups} == {"Ada", "eve", "nobody"}


def test_reviewers_are_added_to_those_that_are_there(rig: Rig) -> None:
    made = opened(rig, reviewers=("ada",))
    updated = rig.forge.update(made.number, Wording(add_reviewers=("eve", "ada")))
    assert updated.reviewers == ("ada", "eve")
    rig.emulator.log.clear()
    rig.forge.update(made.number, Wording(add_reviewers=("eve",)))
    assert not rig.emulator.writes()


def test_what_is_as_it_should_be_is_not_written(rig: Rig) -> None:
    made = opened(rig, labels=("bot",))
    rig.emulator.log.clear()
    again = Wording(title="Lower  cpu", body="Why", add_labels=("bot",), remove_labels=("gone",))
    assert rig.forge.update(made.number, again) == made
    assert not rig.emulator.writes()


def test_only_what_differs_is_sent(rig: Rig) -> None:
    made = opened(rig, labels=("bot",))
    rig.repository.add_labels(rig.repository.request(made.number), ["a person's"])
    rig.forge.update(made.number, Wording(title="Lower memory", add_labels=("bot", "new")))
    (write,) = rig.emulator.writes("/merge_requests/1$")
    assert write.json == {"title": "Lower memory", "add_labels": "new"}


def test_a_draft_stays_a_draft(rig: Rig) -> None:
    made = opened(rig)
    request = rig.repository.request(made.number)
    request.title, request.draft = "Draft: Lower cpu", True
    (seen,) = rig.forge.mine("")
    assert (seen.title, seen.draft) == ("Lower cpu", True)
    updated = rig.forge.update(made.number, Wording(title="Lower memory"))
    assert (updated.title, updated.draft) == ("Lower memory", True)
    assert request.title == "Draft: Lower memory"


def test_a_branch_that_is_gone_is_not_reopened(rig: Rig) -> None:
    made = opened(rig)
    rig.forge.close(made.number)
    rig.bench.bare.store.references.delete(f"refs/heads/{made.branch}")
    with pytest.raises(Problem, match="does not reopen"):
        rig.forge.reopen(made.number)


# -- orders in texts -----------------------------------------------------------------------------------


def test_what_looks_like_an_order_is_text(rig: Rig) -> None:
    body = "Why\n/close\n\n/merge\n  /label ~x\n\\/close\n```\n/title x\n```\n"
    branch = "reconcile/savings/web"
    ForgeContract().branch(rig.bench, branch)
    made = rig.forge.open(Draft(branch, "main", "t", body))
    assert (made.state, made.body) == ("open", body)
    updated = rig.forge.update(made.number, Wording(body="/close", comment=Comment("x", "a\n/merge\n")))
    assert (updated.state, updated.body) == ("open", "/close")
    assert rig.forge.write_page(Page("dashboard", "t", "/close\n")).body == "/close\n"
    assert rig.bench.fresh().mine("")[0].state == "open"


def test_an_order_in_a_persons_words_is_obeyed_by_the_emulator(rig: Rig) -> None:
    """Or the test above could not fail."""
    made = opened(rig)
    path = f"/projects/{PATH.replace('/', '%2F')}/merge_requests/{made.number}/notes"
    rig.forge._api.send("post", path, {"body": "enough\n/close"}, lambda: None)
    assert rig.forge.mine("")[0].state == "closed"


@given(st.text(st.sampled_from(list("/\\ac \n\t`")), max_size=40))
def test_texts_come_back_as_they_were(text: str) -> None:
    written = gitlab_texts.written(text)
    assert gitlab_texts.read(written) == text
    assert not any(line.lstrip(" \t")[:1] == "/" and line.lstrip(" \t")[1:2].isalpha()
                   for line in written.split("\n"))  # fmt: skip


def test_labels_have_no_commas(rig: Rig) -> None:
    made = opened(rig, labels=("a,b", "", "x" * 300))
    assert made.labels == ("a b", "x" * 255)


# -- notes and pages -----------------------------------------------------------------------------------


def test_another_ones_note_with_our_mark_is_left_alone(rig: Rig) -> None:
    made = opened(rig)
    request = rig.repository.request(made.number)
    forged = "<!-- reconcile:comment edited -->\nfooled"
    rig.repository.comment(request, rig.emulator.store.user("ada"), forged)
    rig.forge.update(made.number, Wording(comment=Comment("edited", "ours")))
    rig.forge.update(made.number, Wording(comment=Comment("edited", "ours, again")))
    assert [(each.by.login, each.body) for each in request.comments] == [
        ("ada", forged),
        (BOT, "<!-- reconcile:comment edited -->\nours, again"),
    ]


def test_the_same_note_is_not_written_again(rig: Rig) -> None:
    made = opened(rig)
    rig.forge.update(made.number, Wording(comment=Comment("edited", "ours")))
    rig.emulator.log.clear()
    rig.forge.update(made.number, Wording(comment=Comment("edited", "ours")))
    assert not rig.emulator.writes()


def test_a_page_that_was_closed_is_opened_again(rig: Rig) -> None:
    page = rig.forge.write_page(Page("dashboard", "Reconciler", "one\n- [ ] box\n"))
    rig.emulator.log.clear()
    assert rig.forge.write_page(page) == page
    assert not rig.emulator.writes()
    rig.repository.issue(1).state = "closed"
    assert rig.forge.write_page(page) == page
    assert rig.repository.issue(1).state == "open"


def test_a_project_without_issues_has_no_pages(rig: Rig) -> None:
    rig.repository.has_issues = False
    assert rig.forge.page("dashboard") is None
    with pytest.raises(Problem, match="issues"):
        rig.forge.write_page(Page("dashboard", "t", "b"))


# -- standing ------------------------------------------------------------------------------------------


def reviewed(rig: Rig, login: str, state: str) -> None:
    rig.repository.review(rig.repository.request(1), rig.emulator.store.user(login), state)


def test_approvals_and_objections(rig: Rig) -> None:
    made = opened(rig)
    reviewed(rig, "ada", "approved")
    reviewed(rig, "eve", "changes-wanted")
    standing = rig.forge.standing(made.number)
    assert (standing.approved_by, standing.changes_wanted_by) == (("ada",), ("eve",))
    assert standing.checks is Checks.NONE


@pytest.mark.parametrize("dated", [True, False])
def test_an_approval_of_an_earlier_commit_is_none(rig: Rig, dated: bool) -> None:
    rig.gitlab.dated_approvals = dated
    made = opened(rig)
    reviewed(rig, "ada", "approved")
    rig.emulator.clock.pass_by(60)
    rig.bench.bare.commit({"apps/web/service.yaml": b"newer\n"}, made.branch)
    assert rig.forge.standing(made.number).approved_by == ()
    rig.emulator.clock.pass_by(60)
    reviewed(rig, "eve", "approved")
    assert rig.forge.standing(made.number).approved_by == (("eve",) if dated else ())


def test_an_edition_without_approvals(deploy: Bare, tmp_path: Path) -> None:
    with rigged(deploy, tmp_path / "ce", GitLab(edition="ce")) as rig:
        made = opened(rig, reviewers=("ada", "eve"))
        assert made.reviewers == ("ada",)  # it has one reviewer only
        assert rig.forge.standing(made.number).approved_by == ()


@pytest.mark.parametrize(
    ("outcome", "seen"), [("success", Checks.PASSED), ("failure", Checks.FAILED), ("error", Checks.FAILED)]
)
def test_its_pipeline(rig: Rig, outcome: str, seen: Checks) -> None:
    rig.repository.checks_on_push.append(("build", 60, outcome))
    made = opened(rig)
    assert rig.forge.standing(made.number).checks is Checks.PENDING
    rig.emulator.clock.pass_by(61)
    assert rig.forge.standing(made.number).checks is seen


# -- git beside it -------------------------------------------------------------------------------------


def test_a_push_that_a_rule_refuses(rig: Rig, tmp_path: Path) -> None:
    """The rule is GitLab's, the refusal git's: what a person is told stands in the push's answer."""
    push_rule(rig.repository, "^[A-Z]+-[0-9]+ ")
    clone = tmp_path / "clone"
    address = rig.emulator.git_url(rig.repository).replace("http://", f"http://oauth2:{TOKEN}@")
    git("clone", "-q", address, str(clone), folder=tmp_path)
    git("commit", "-q", "--allow-empty", "-m", "no ticket", folder=clone)
    with pytest.raises(AssertionError, match="does not follow the pattern"):
        git("push", "-q", "origin", "HEAD:refs/heads/reconcile/x", folder=clone)
    git("commit", "-q", "--amend", "--allow-empty", "-m", "OPS-1 a ticket", folder=clone)
    git("push", "-q", "origin", "HEAD:refs/heads/reconcile/x", folder=clone)
    assert "reconcile/x" in rig.bench.bare.branches()
