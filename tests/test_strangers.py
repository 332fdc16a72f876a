"""Who may only read and write requests, issues and comments makes the bot do nothing: over real HTTP."""

from __future__ import annotations

import re

from emulator import Role
from test_github_run import Hosted, as_user, world
from world import NOW

from reconciler.forges.marks import marked
from reconciler.model import Do, Report
from reconciler.proposals.wishes import Wish, box

__all__ = ["world"]  # a fixture
HOUR = 3_600


def done(report: Report) -> set[Do]:
    assert not report.failed, report.failed
    return {action.do for action in report.actions}


def known(world: Hosted) -> None:
    as_user(world)
    world.repository.members["eve"] = Role.READ


def test_a_request_of_our_branch_that_a_stranger_opened_is_left_alone(world: Hosted) -> None:
    known(world)
    store, repository = world.emulator.store, world.repository
    world.emulator.faults.fail_before("POST", "/pulls$", 422, times=100)  # pushed, and not opened
    assert world.run().failed
    world.emulator.faults.rules.clear()
    branches = sorted(name for name in repository.branches() if name.startswith("reconcile/savings/"))
    assert branches
    with store.turn:
        theirs = [
            repository.open_request(store.user("eve"), each, "main", "Mine", "words") for each in branches
        ]
    for hours in (1, 2):
        report = world.run(NOW + hours * HOUR)
        assert sorted(one.error.partition(",")[0] for one in report.failed) == [
            f"!{each.number} of the branch {each.branch} was opened by eve" for each in theirs
        ]
        assert {(each.title, each.body, each.state) for each in theirs} == {("Mine", "words", "open")}
    with store.turn:
        for each in theirs:
            repository.close(each, store.user("eve"))
    assert done(world.run(NOW + 3 * HOUR)) == {Do.OPEN}
    assert {each.author.login for each in repository.requests.values() if each.is_open} == {"robot"}


def test_what_a_stranger_writes_is_nobodys_wish(world: Hosted) -> None:
    known(world)
    store, repository = world.emulator.store, world.repository
    settings = world.settings.read_text()
    world.settings.write_text(settings[:-1] + ', "proposals": {"dashboard": true}}')
    assert done(world.run()) == {Do.OPEN}
    assert done(world.run(NOW + 60)) == {Do.LEAVE}
    before = dict(repository.branches())
    ours = list(repository.requests.values())
    wishes = [
        f"{box(wish, each.branch.removeprefix('reconcile/'), True)} do it" for each in ours for wish in Wish
    ]
    memo = re.findall(r"<!-- reconcile:v2 .*? -->", ours[0].body)[0]
    words = "\n".join(wishes) + f"\n\n{memo}\n"
    eve = store.user("eve")
    with store.turn:
        repository.open_issue(eve, "Reconciler", marked("page", "dashboard", words))
        for each in ours:
            repository.comment(each, eve, marked("comment", "edited", words))
            repository.git.references.create("refs/heads/other", repository.tip("main"), force=True)
            repository.open_request(eve, each.branch, "other", f"{each.title} - autoclosed", words)
            repository.review(each, eve, "approved")
    world.emulator.log.clear()
    assert done(world.run(NOW + HOUR)) == {Do.LEAVE}
    assert not world.emulator.writes("/repos/")
    assert {name: repository.branches()[name] for name in before} == before
