"""Merging on GitLab: by what the project is set up for, later, by train; and when it may not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract import ForgeContract
from emulator import Protection, Role
from emulator.gitlab import GitLab
from gitlab_bench import TOKEN, Rig, rigged
from servers.repositories import Bare

from reconciler.forges.port import Blocked, Checks, Merging, Method, NotMerged
from reconciler.model import MergeRequest


@pytest.fixture
def rig(deploy: Bare, tmp_path: Path) -> Iterator[Rig]:
    with rigged(deploy, tmp_path / "gitlab") as made:
        yield made


@pytest.fixture
def made(rig: Rig) -> MergeRequest:
    return ForgeContract().opened(rig.bench)


def parents(rig: Rig, commit: str) -> list[str]:
    return [str(each) for each in rig.bench.bare.store[commit].parent_ids]


def message(rig: Rig, commit: str) -> str:
    return str(rig.bench.bare.store[commit].message)


# -- how the project wants it --------------------------------------------------------------------------


def test_a_squash_beneath_a_merge_commit_keeps_the_trailers(rig: Rig, made: MergeRequest) -> None:
    rig.bench.bare.commit({"apps/web/more.yaml": b"more\n"}, made.branch, "A second one\n\nAnd-So: on\n")
    (made,) = rig.forge.mine("")
    base = rig.bench.bare.tip()
    merged = rig.forge.merge(made.number, made.head, method=Method.SQUASH)
    assert isinstance(merged, MergeRequest)
    assert merged.merge_commit == rig.bench.bare.tip()
    first, squashed = parents(rig, merged.merge_commit)
    assert (first, parents(rig, squashed)) == (base, [base])
    assert message(rig, squashed).startswith("Lower cpu\n\n")
    assert "Reconcile-Key: savings/web" in message(rig, squashed)
    assert "And-So: on" in message(rig, squashed)


def test_a_fast_forward(rig: Rig, made: MergeRequest) -> None:
    rig.repository.options["merge_method"] = "ff"
    merged = rig.forge.merge(made.number, made.head, method=Method.REBASE)
    assert isinstance(merged, MergeRequest)
    assert merged.merge_commit == made.head == rig.bench.bare.tip()
    assert rig.bench.fresh().mine("")[0] == merged


def test_a_fast_forward_of_a_branch_that_is_behind(rig: Rig, made: MergeRequest) -> None:
    rig.repository.options["merge_method"] = "ff"
    base = rig.bench.bare.commit({"README.md": b"meanwhile\n"})
    answer = rig.forge.merge(made.number, made.head)
    assert isinstance(answer, NotMerged)
    assert (answer.why, "fast-forwards" in answer.detail) == (Blocked.CONFLICT, True)
    assert rig.bench.bare.tip() == base


@pytest.mark.parametrize(
    ("options", "method"),
    [
        ({"squash_option": "never"}, Method.SQUASH),
        ({"squash_option": "always"}, Method.MERGE),
        ({"squash_option": "always"}, Method.REBASE),
        ({"merge_method": "ff"}, Method.MERGE),
        ({"merge_method": "merge"}, Method.REBASE),
        ({"merge_method": "rebase_merge"}, Method.REBASE),
    ],
)
def test_what_the_project_does_not_do(
    rig: Rig, made: MergeRequest, options: dict[str, str], method: Method
) -> None:
    rig.repository.options |= options
    rig.emulator.log.clear()
    answer = rig.forge.merge(made.number, made.head, method=method)
    assert isinstance(answer, NotMerged)
    assert answer.why is Blocked.NOT_ALLOWED
    assert not rig.emulator.writes()


def test_a_project_that_always_squashes(rig: Rig, made: MergeRequest) -> None:
    rig.repository.options |= {"squash_option": "always", "merge_method": "ff"}
    rig.bench.bare.commit({"apps/web/more.yaml": b"more\n"}, made.branch, "More\n")
    (made,) = rig.forge.mine("")
    base = rig.bench.bare.tip()
    merged = rig.forge.merge(made.number, made.head)
    assert isinstance(merged, MergeRequest)
    assert parents(rig, merged.merge_commit) == [base]
    assert "Reconcile-Key: savings/web" in message(rig, merged.merge_commit)


def test_a_person_wants_a_squash_and_auto_follows(rig: Rig, made: MergeRequest) -> None:
    rig.gitlab.extra(rig.repository.request(made.number)).squash = True
    rig.forge.merge(made.number, made.head)
    (write,) = rig.emulator.writes("/merge$")
    assert write.json["squash"] is True
    assert "Reconcile-Key" in write.json["squash_commit_message"]


def test_a_merge_is_no_squash_even_if_the_request_says_so(rig: Rig, made: MergeRequest) -> None:
    rig.gitlab.extra(rig.repository.request(made.number)).squash = True
    merged = rig.forge.merge(made.number, made.head, method=Method.MERGE)
    assert isinstance(merged, MergeRequest)
    assert made.head in parents(rig, merged.merge_commit)


# -- while GitLab works it out -------------------------------------------------------------------------


def test_mergeability_that_takes_its_time(rig: Rig, made: MergeRequest) -> None:
    rig.repository.request(made.number).unknown = 4
    merged = rig.forge.merge(made.number, made.head)
    assert isinstance(merged, MergeRequest)
    assert merged.state == "merged"
    assert len(rig.emulator.clock.slept) == 4


def test_its_pipeline_is_on_its_way(rig: Rig, made: MergeRequest) -> None:
    """GitLab makes it a moment after a request is opened: none yet is not none."""
    assert rig.forge.standing(made.number).checks is Checks.NONE
    rig.repository.request(made.number).unknown = 2
    assert rig.forge.standing(made.number).checks is Checks.PENDING


def test_mergeability_that_is_never_worked_out(rig: Rig, made: MergeRequest) -> None:
    rig.repository.request(made.number).unknown = 1_000
    answer = rig.forge.merge(made.number, made.head)
    assert isinstance(answer, NotMerged)
    assert answer.why is Blocked.NOT_READY
    assert sum(rig.emulator.clock.slept) < 60
    assert not rig.emulator.writes("/merge$")


def test_the_base_moves_between_the_look_and_the_wish(rig: Rig, made: MergeRequest) -> None:
    """GitLab begins anew to work it out, and says 405."""
    rig.repository.forge.slow_mergeability = 2

    def pushes(_: object) -> None:
        rig.bench.bare.commit({"README.md": b"meanwhile\n"})

    rig.emulator.faults.human(pushes, "PUT", "/merge$")
    answer = rig.forge.merge(made.number, made.head)
    assert isinstance(answer, MergeRequest)
    assert answer.state == "merged"


def test_it_is_being_merged_this_moment(rig: Rig, made: MergeRequest) -> None:
    rig.gitlab.extra(rig.repository.request(made.number)).locked = 2
    merged = rig.forge.merge(made.number, made.head)
    assert isinstance(merged, MergeRequest)
    assert merged.state == "merged"


def test_the_branch_moves_between_the_look_and_the_wish(rig: Rig, made: MergeRequest) -> None:
    def pushes(_: object) -> None:
        rig.bench.bare.commit({"apps/web/service.yaml": b"not reviewed\n"}, made.branch)

    rig.emulator.faults.human(pushes, "PUT", "/merge$")
    base = rig.bench.bare.tip()
    answer = rig.forge.merge(made.number, made.head)
    assert isinstance(answer, NotMerged)
    assert answer.why is Blocked.HEAD_MOVED
    assert rig.bench.bare.tip() == base


# -- what is missing -----------------------------------------------------------------------------------


def test_approvals_are_missing(rig: Rig, made: MergeRequest) -> None:
    rig.repository.protected["main"] = Protection(approvals=1)
    answer = rig.forge.merge(made.number, made.head)
    assert answer == NotMerged(Blocked.NOT_READY, "approvals are missing")
    assert not rig.emulator.writes("/merge$")


def test_a_draft_is_not_merged_later_either(rig: Rig, made: MergeRequest) -> None:
    rig.repository.request(made.number).draft = True
    answer = rig.forge.merge(made.number, made.head, later=True)
    assert answer == NotMerged(Blocked.NOT_READY, "it is a draft")


def test_a_user_that_may_not_merge(rig: Rig, made: MergeRequest) -> None:
    rig.repository.protected["main"] = Protection(merge=Role.ADMIN)
    answer = rig.forge.merge(made.number, made.head)
    assert isinstance(answer, NotMerged)
    assert answer.why is Blocked.NOT_ALLOWED


def test_a_rule_refuses_the_merge_commit(rig: Rig, made: MergeRequest) -> None:
    why = f"GitLab: Commit message does not follow the pattern. https://oauth2:{TOKEN}@x/"
    rig.repository.options["refuses_merge"] = why
    answer = rig.forge.merge(made.number, made.head)
    assert isinstance(answer, NotMerged)
    assert answer.why is Blocked.NOT_ALLOWED
    assert "does not follow the pattern" in answer.detail
    assert TOKEN not in answer.detail


# -- later ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["18.5", "17.10", "16.11"])
def test_once_its_pipeline_has_passed(deploy: Bare, tmp_path: Path, version: str) -> None:
    with rigged(deploy, tmp_path / "old", GitLab(version)) as rig:
        rig.repository.options["pipeline_must_succeed"] = True
        rig.repository.checks_on_push.append(("build", 300, "success"))
        made = ForgeContract().opened(rig.bench)
        assert rig.forge.merge(made.number, made.head) == NotMerged(
            Blocked.NOT_READY, "its pipeline is running"
        )
        answer = rig.forge.merge(made.number, made.head, later=True)
        assert isinstance(answer, Merging)
        assert rig.forge.standing(made.number).merging
        rig.emulator.log.clear()
        assert isinstance(rig.forge.merge(made.number, made.head, later=True), Merging)
        assert not rig.emulator.writes()
        rig.emulator.clock.pass_by(301)
        (seen,) = rig.forge.mine("")
        assert (seen.state, seen.merge_commit) == ("merged", rig.bench.bare.tip())


def test_a_pipeline_that_is_not_required_is_waited_for_too(rig: Rig) -> None:
    rig.repository.checks_on_push.append(("build", 300, "failure"))
    made = ForgeContract().opened(rig.bench)
    assert isinstance(rig.forge.merge(made.number, made.head, later=True), Merging)


def test_nothing_to_wait_for_merges_at_once(rig: Rig, made: MergeRequest) -> None:
    answer = rig.forge.merge(made.number, made.head, later=True)
    assert isinstance(answer, MergeRequest)
    assert answer.state == "merged"


def test_an_old_server_does_not_wait_for_approvals(deploy: Bare, tmp_path: Path) -> None:
    with rigged(deploy, tmp_path / "old", GitLab("16.11")) as rig:
        rig.repository.protected["main"] = Protection(approvals=1)
        made = ForgeContract().opened(rig.bench)
        answer = rig.forge.merge(made.number, made.head, later=True)
        assert answer == NotMerged(Blocked.NOT_READY, "approvals are missing")


def test_a_failed_pipeline_that_is_required(rig: Rig) -> None:
    rig.repository.options["pipeline_must_succeed"] = True
    rig.repository.checks_on_push.append(("build", 1, "failure"))
    made = ForgeContract().opened(rig.bench)
    rig.emulator.clock.pass_by(2)
    answer = rig.forge.merge(made.number, made.head)
    assert answer == NotMerged(Blocked.NOT_READY, "its pipeline has to pass")


# -- trains --------------------------------------------------------------------------------------------


def test_a_train(rig: Rig, made: MergeRequest) -> None:
    rig.repository.queue = True
    answer = rig.forge.merge(made.number, made.head)
    assert isinstance(answer, NotMerged)
    assert (answer.why, "merge train" in answer.detail) == (Blocked.NOT_READY, True)
    answer = rig.forge.merge(made.number, made.head, later=True)
    assert isinstance(answer, Merging)
    assert [each.path.rsplit("/", 3)[1:] for each in rig.emulator.writes("trains")] == [
        ["merge_trains", "merge_requests", str(made.number)]
    ]
    assert not rig.emulator.writes("/merge$")
    assert rig.forge.standing(made.number).merging
    rig.emulator.clock.pass_by(rig.repository.queue_seconds)
    assert rig.forge.mine("")[0].state == "merged"


def test_a_train_that_waits_for_the_pipeline(rig: Rig) -> None:
    rig.repository.queue = True
    rig.repository.checks_on_push.append(("build", 300, "success"))
    rig.repository.options["pipeline_must_succeed"] = True
    made = ForgeContract().opened(rig.bench)
    assert isinstance(rig.forge.merge(made.number, made.head, later=True), Merging)
    (write,) = rig.emulator.writes("trains")
    assert write.json["auto_merge"] is True
    assert write.json["when_pipeline_succeeds"] is True


def test_a_train_that_does_not_take_it(rig: Rig, made: MergeRequest) -> None:
    rig.repository.queue = True
    rig.emulator.faults.fail_before("POST", "merge_trains", 400, body={"message": "400 Failed to merge"})
    answer = rig.forge.merge(made.number, made.head, later=True)
    assert isinstance(answer, NotMerged)
    assert (answer.why, "Failed to merge" in answer.detail) == (Blocked.NOT_READY, True)
