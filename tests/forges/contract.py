"""What every forge must do. A forge's tests subclass `ForgeContract` and hand in a `Bench`.

Written against the port and a real Git repository only, so that the same suite runs on a folder
and on a server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from servers.repositories import Bare

from reconciler.errors import Problem
from reconciler.forges.port import Blocked, Comment, Draft, Forge, Method, NotMerged, Page, Wording
from reconciler.model import MergeRequest

BODY = "**Why** | `x` | ü 🎉\n\n<!-- hidden -->\n"


class Bench(NamedTuple):
    """A forge in front of a repository whose `main` has files, and ways to look behind it."""

    forge: Forge
    bare: Bare
    fresh: Callable[[], Forge]  # the forge as another process sees it
    comments: Callable[[int], list[tuple[str, str]]]  # topic and text
    now: Callable[[], int]


class ForgeContract:
    # -- helpers ------------------------------------------------------------------------------

    def branch(self, bench: Bench, name: str = "reconcile/savings/web", text: bytes = b"ours\n") -> str:
        message = "Lower cpu\n\nReconcile-Key: savings/web\n"
        return bench.bare.commit({"apps/web/service.yaml": text}, name, message, start="main")

    def opened(self, bench: Bench, name: str = "reconcile/savings/web") -> MergeRequest:
        self.branch(bench, name)
        return bench.forge.open(Draft(name, "main", "Lower cpu", BODY, ("savings", "bot")))

    # -- opening --------------------------------------------------------------------------------

    def test_what_is_opened_is_found(self, bench: Bench) -> None:
        made = self.opened(bench)
        assert made.state == "open"
        assert (made.branch, made.base, made.title, made.body) == (
            "reconcile/savings/web", "main", "Lower cpu", BODY,
        )  # fmt: skip
        assert set(made.labels) == {"savings", "bot"}
        assert made.head == bench.bare.tip("reconcile/savings/web")
        assert abs(made.opened_at - bench.now()) < 60
        assert (made.ended_at, made.ended_by, made.merge_commit) == (0, "", "")
        assert made.url
        assert made.author
        assert list(bench.fresh().mine("reconcile/")) == [made]

    def test_opening_twice_is_one(self, bench: Bench) -> None:
        made = self.opened(bench)
        again = bench.forge.open(Draft(made.branch, "main", "Another title", "another body"))
        assert again == made
        assert len(bench.forge.mine("")) == 1

    def test_only_ours_and_newest_first(self, bench: Bench) -> None:
        first = self.opened(bench, "reconcile/savings/a")
        self.opened(bench, "people/b")
        third = self.opened(bench, "reconcile/safety/c")
        assert [each.number for each in bench.forge.mine("reconcile/")] == [third.number, first.number]

    def test_opening_again_after_the_end_is_a_new_one(self, bench: Bench) -> None:
        made = self.opened(bench)
        bench.forge.close(made.number)
        again = bench.forge.open(Draft(made.branch, "main", "t", "b"))
        assert again.number != made.number
        assert [each.state for each in bench.forge.mine("")] == ["open", "closed"]

    def test_a_branch_that_is_not_there(self, bench: Bench) -> None:
        for draft in (Draft("nope", "main", "t", "b"), Draft("main", "nope", "t", "b")):
            with pytest.raises(Problem):
                bench.forge.open(draft)
        assert not bench.forge.mine("")

    def test_nothing_to_merge(self, bench: Bench) -> None:
        bench.bare.move("same", bench.bare.tip())
        with pytest.raises(Problem):
            bench.forge.open(Draft("same", "main", "t", "b"))

    # -- updating -------------------------------------------------------------------------------

    def test_only_what_is_named_is_updated(self, bench: Bench) -> None:
        made = self.opened(bench)
        updated = bench.forge.update(made.number, Wording(title="New title"))
        assert updated == made._replace(title="New title")
        updated = bench.forge.update(made.number, Wording(body="New body"))
        assert updated == made._replace(title="New title", body="New body")
        assert bench.fresh().mine("")[0] == updated

    def test_labels_of_people_stay(self, bench: Bench) -> None:
        made = self.opened(bench)
        bench.fresh().update(made.number, Wording(add_labels=("a person's",)))
        updated = bench.forge.update(
            made.number, Wording(add_labels=("new", "bot"), remove_labels=("savings",))
        )
        assert sorted(updated.labels) == ["a person's", "bot", "new"]

    def test_a_topic_has_one_comment(self, bench: Bench) -> None:
        made = self.opened(bench)
        for text in ("one", "two", "two"):
            bench.forge.update(made.number, Wording(comment=Comment("edited", text)))
        bench.forge.update(made.number, Wording(comment=Comment("other", "three")))
        assert sorted(bench.comments(made.number)) == [("edited", "two"), ("other", "three")]

    def test_a_new_commit_is_the_new_head(self, bench: Bench) -> None:
        made = self.opened(bench)
        moved = bench.bare.commit({"apps/web/service.yaml": b"newer\n"}, made.branch)
        assert bench.forge.mine("")[0] == made._replace(head=moved)

    def test_a_number_that_is_not_there(self, bench: Bench) -> None:
        forge = bench.forge
        for call in (
            lambda: forge.update(999_999, Wording(title="x")),
            lambda: forge.close(999_999),
            lambda: forge.reopen(999_999),
            lambda: forge.merge(999_999, "0" * 40),
        ):
            with pytest.raises(Problem):
                call()

    # -- closing and reopening --------------------------------------------------------------------

    def test_closing_and_reopening(self, bench: Bench) -> None:
        made = self.opened(bench)
        closed = bench.forge.close(made.number, Comment("closed", "no longer needed"))
        assert closed.state == "closed"
        assert abs(closed.ended_at - bench.now()) < 60
        assert closed.ended_by
        assert bench.bare.tip(made.branch) == made.head
        assert bench.comments(made.number) == [("closed", "no longer needed")]
        assert bench.forge.reopen(made.number) == made

    def test_closing_and_reopening_twice(self, bench: Bench) -> None:
        made = self.opened(bench)
        assert bench.forge.close(made.number) == bench.forge.close(made.number)
        assert bench.forge.reopen(made.number) == bench.forge.reopen(made.number) == made

    def test_reopening_beside_an_open_one(self, bench: Bench) -> None:
        made = self.opened(bench)
        bench.forge.close(made.number)
        bench.forge.open(Draft(made.branch, "main", "t", "b"))
        with pytest.raises(Problem):
            bench.forge.reopen(made.number)

    # -- merging ----------------------------------------------------------------------------------

    def test_a_merge(self, bench: Bench) -> None:
        made = self.opened(bench)
        base = bench.bare.commit({"README.md": b"meanwhile\n"})
        merged = bench.forge.merge(made.number, made.head)
        assert isinstance(merged, MergeRequest)
        assert merged.state == "merged"
        assert merged.merge_commit == bench.bare.tip()
        assert abs(merged.ended_at - bench.now()) < 60
        assert merged.ended_by
        parents = bench.bare.store[bench.bare.tip()].parent_ids
        assert [str(parent) for parent in parents] == [base, made.head]
        assert bench.bare.read("apps/web/service.yaml") == b"ours\n"
        assert bench.bare.read("README.md") == b"meanwhile\n"
        assert bench.fresh().mine("")[0] == merged

    def test_a_squash(self, bench: Bench) -> None:
        """One commit for all of the branch's; a forge may put a merge commit on top of it."""
        if not bench.forge.capabilities.squash:
            pytest.skip("this forge doesn't squash")
        made = self.opened(bench)
        more = {"apps/web/deployment.yaml": b"ours, too\n"}
        head = bench.bare.commit(more, made.branch, "More\n\nReconcile-Key: savings/web\n")
        base = bench.bare.tip()
        merged = bench.forge.merge(made.number, head, method=Method.SQUASH)
        assert isinstance(merged, MergeRequest)
        commit = bench.bare.store[merged.merge_commit]
        first, *rest = (str(parent) for parent in commit.parent_ids)
        assert first == base
        squashed = bench.bare.store[rest[0]] if rest else commit
        assert [str(parent) for parent in squashed.parent_ids] == [base]
        assert "Reconcile-Key: savings/web" in squashed.message
        assert bench.bare.read("apps/web/service.yaml") == b"ours\n"
        assert bench.bare.read("apps/web/deployment.yaml") == b"ours, too\n"

    def test_merging_twice_is_once(self, bench: Bench) -> None:
        made = self.opened(bench)
        merged = bench.forge.merge(made.number, made.head)
        tip = bench.bare.tip()
        assert bench.forge.merge(made.number, made.head) == merged
        assert bench.bare.tip() == tip

    def test_what_was_not_reviewed_is_not_merged(self, bench: Bench) -> None:
        made = self.opened(bench)
        base = bench.bare.tip()
        bench.bare.commit({"apps/web/service.yaml": b"not reviewed\n"}, made.branch)
        answer = bench.forge.merge(made.number, made.head)
        assert isinstance(answer, NotMerged)
        assert answer.why is Blocked.HEAD_MOVED
        assert bench.bare.tip() == base

    def test_what_was_merged_at_another_commit_is_not_what_was_asked(self, bench: Bench) -> None:
        made = self.opened(bench)
        bench.forge.merge(made.number, made.head)
        later = bench.bare.commit({"apps/web/service.yaml": b"not reviewed\n"}, made.branch)
        base = bench.bare.tip()
        for head in (later, "0" * 40):
            answer = bench.forge.merge(made.number, head)
            assert isinstance(answer, NotMerged)
            assert answer.why is Blocked.HEAD_MOVED
        assert bench.bare.tip() == base
        assert bench.forge.mine("")[0].head == made.head

    def test_a_branch_whose_content_is_there_already_is_not_merged_at_another_commit(
        self, bench: Bench
    ) -> None:
        made = self.opened(bench)
        bench.bare.commit({"apps/web/service.yaml": b"ours\n"})
        base = bench.bare.tip()
        answer = bench.forge.merge(made.number, "0" * 40)
        assert isinstance(answer, NotMerged)
        assert answer.why is Blocked.HEAD_MOVED
        assert bench.bare.tip() == base

    def test_a_branch_that_is_gone_is_not_merged(self, bench: Bench) -> None:
        made = self.opened(bench)
        base = bench.bare.tip()
        bench.bare.delete(made.branch)
        assert isinstance(bench.forge.merge(made.number, made.head), NotMerged)
        assert bench.bare.tip() == base

    def test_a_conflict(self, bench: Bench) -> None:
        made = self.opened(bench)
        base = bench.bare.commit({"apps/web/service.yaml": b"theirs\n"})
        answer = bench.forge.merge(made.number, made.head)
        assert isinstance(answer, NotMerged)
        assert answer.why is Blocked.CONFLICT
        assert bench.bare.tip() == base
        assert bench.forge.mine("")[0].state == "open"

    def test_a_closed_one_is_not_merged(self, bench: Bench) -> None:
        made = self.opened(bench)
        bench.forge.close(made.number)
        answer = bench.forge.merge(made.number, made.head)
        assert isinstance(answer, NotMerged)
        assert answer.why is Blocked.NOT_OPEN

    def test_a_merged_one_stays_merged(self, bench: Bench) -> None:
        made = self.opened(bench)
        bench.forge.merge(made.number, made.head)
        for call in (bench.forge.close, bench.forge.reopen):
            with pytest.raises(Problem):
                call(made.number)
        assert bench.forge.mine("")[0].state == "merged"

    def test_merged_by_a_person_with_plain_git(self, bench: Bench) -> None:
        made = self.opened(bench)
        bench.bare.move("main", made.head)
        bench.bare.commit({"README.md": b"and more\n"})
        (seen,) = bench.forge.mine("")
        assert (seen.state, seen.merge_commit) == ("merged", made.head)
        assert bench.forge.open(
            Draft(self._another(bench, made.branch), "main", "t", "b")
        ).number != made.number  # fmt: skip

    def _another(self, bench: Bench, branch: str) -> str:
        bench.bare.commit({"apps/db/statefulset.yaml": b"newer\n"}, branch)
        return branch

    def test_what_only_looks_like_it_is_not_merged(self, bench: Bench) -> None:
        self.opened(bench)
        bench.bare.commit({"apps/web/service.yaml": b"theirs\n", "README.md": b"ours\n"})
        bench.bare.commit({"apps/web/other.yaml": b"ours\n"})
        assert bench.fresh().mine("")[0].state == "open"

    def test_its_branch_may_go_after_the_merge(self, bench: Bench) -> None:
        made = self.opened(bench)
        merged = bench.forge.merge(made.number, made.head)
        if made.branch in bench.bare.branches():  # some forges delete it themselves
            bench.bare.delete(made.branch)
        assert list(bench.forge.mine("")) == [merged]

    def test_hostile_words_stay_words(self, bench: Bench) -> None:
        branch = "reconcile/savings/x"
        self.branch(bench, branch)
        title = "</title>\n\n<script>\x1b[31m ' \" \\ {{x}} $(id) \u202e"
        made = bench.forge.open(Draft(branch, "main", title, title, ("a,b", "ü")))
        assert "\n" not in made.title
        assert "$(id)" in made.body
        assert bench.fresh().mine("")[0] == made

    def test_a_body_may_be_as_long_as_promised(self, bench: Bench) -> None:
        self.branch(bench)
        body = ("| `ü` | 🎉 |\n" * 200_000)[: bench.forge.capabilities.body_limit - 1] + "."
        made = bench.forge.open(Draft("reconcile/savings/web", "main", "t", body))
        assert made.body == body
        assert bench.forge.update(made.number, Wording(body=body[:-1] + "!")).body == body[:-1] + "!"

    def test_later_is_now_where_nothing_stands_in_the_way(self, bench: Bench) -> None:
        made = self.opened(bench)
        merged = bench.forge.merge(made.number, made.head, later=True)
        assert isinstance(merged, MergeRequest)
        assert (merged.state, merged.merge_commit) == ("merged", bench.bare.tip())

    # -- who, since when, pages ---------------------------------------------------------------------

    def test_what_we_write_is_shown_under_our_name(self, bench: Bench) -> None:
        assert self.opened(bench).author == bench.forge.whoami()

    def test_what_ended_long_ago_is_left_out(self, bench: Bench) -> None:
        made = self.opened(bench)
        other = self.opened(bench, "reconcile/savings/api")
        ended = bench.forge.close(made.number)
        assert [each.number for each in bench.forge.mine("", ended.ended_at)] == [other.number, made.number]
        assert [each.number for each in bench.forge.mine("", ended.ended_at + 86_400)] == [other.number]

    def test_nobody_has_looked_at_a_new_one(self, bench: Bench) -> None:
        standing = bench.forge.standing(self.opened(bench).number)
        assert (standing.approved_by, standing.changes_wanted_by, standing.merging) == ((), (), False)

    def test_a_topic_has_one_page(self, bench: Bench) -> None:
        if not bench.forge.capabilities.pages:
            pytest.skip("this forge has no issues")
        assert bench.forge.page("dashboard") is None
        first = bench.forge.write_page(Page("dashboard", "Reconciler", BODY))
        assert first.url
        assert bench.fresh().page("dashboard") == first
        again = bench.fresh().write_page(Page("dashboard", "Reconciler", "changed\n"))
        assert again.url == first.url
        assert bench.fresh().page("dashboard") == again
        assert bench.fresh().page("other") is None
