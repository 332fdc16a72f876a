"""A run cut off after any single write: the next one ends where an uncut one ends, and then all is said.

Not only of open requests: of those that are given back, reopened, superseded, abandoned, closed, and
frozen by an approval.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygit2
import pytest
from interleaved import KEYS, Lived, template

from reconciler.errors import Problem
from reconciler.forges.port import TooMany, Wording
from reconciler.model import Change, ChangeClass, Do, Mode
from reconciler.proposals.memo import find
from reconciler.proposals.situation import ABANDONED, Row
from reconciler.proposals.wishes import Wish, box

DAY = 86_400
Made = tuple[Path, dict[str, Change]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return template(tmp_path_factory.mktemp("template"))


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def world(made: Made, folder: Path) -> Lived:
    bare, changes = made
    shutil.copytree(bare, folder / "deploy.git")
    one = Lived(folder / "deploy.git", changes, random.Random(0))
    one.writes.apart = False
    return one


def of(one: Lived, name: str) -> Any:
    return next(each for each in one.person.mine("") if each.branch.endswith(name) or name in each.branch)


def pushed_to(one: Lived, name: str) -> str:
    request = of(one, name)
    commit = one.commit(request.branch, "mine.txt", b"mine\n")
    one.theirs[commit] = request.branch
    return commit


# -- pasts -----------------------------------------------------------------------------------------


def anew(one: Lived) -> set[Row]:
    return {Row.NEW}


def newer(one: Lived) -> set[Row]:
    one.run()
    one.want = dict.fromkeys(KEYS, "300m")
    return {Row.NEWER}


def given_back(one: Lived) -> set[Row]:
    one.run()
    pushed_to(one, "web")
    one.run()
    one.person.update(of(one, "web").number, Wording(add_labels=("reconcile:rebase",)))
    return {Row.REBASE, Row.SAME}


def needed_again(one: Lived) -> set[Row]:
    one.run()
    one.want["web"] = None
    one.run()
    one.now += 3 * DAY
    one.want["web"] = "300m"
    return {Row.NEEDED_AGAIN, Row.SAME}


def superseded(one: Lived) -> set[Row]:
    one.run()
    one.grouped = True
    return {Row.NEW, Row.SUPERSEDED}


def abandoned(one: Lived) -> set[Row]:
    one.run()
    pushed_to(one, "web")
    one.run()
    one.want["web"] = None
    return {Row.ABANDONED, Row.SAME}


def obsolete(one: Lived) -> set[Row]:
    one.run()
    one.want = dict.fromkeys(KEYS, None)
    return {Row.OBSOLETE}


def approved(one: Lived) -> set[Row]:
    one.run()
    for name in KEYS:
        one.person.approve(of(one, name).number)
    one.want = dict.fromkeys(KEYS, "300m")
    one.klass["api"] = ChangeClass.SAFETY
    return {Row.APPROVED, Row.NEW, Row.SUPERSEDED}


def edited(one: Lived) -> set[Row]:
    one.run()
    pushed_to(one, "web")
    return {Row.EDITED, Row.SAME}


def merged(one: Lived) -> set[Row]:
    one.mode = Mode.MERGE
    return {Row.NEW}


PASTS: list[Callable[[Lived], set[Row]]] = [
    anew, newer, given_back, needed_again, superseded, abandoned, obsolete, approved, edited, merged,
]  # fmt: skip


@pytest.mark.parametrize("past", PASTS, ids=lambda past: past.__name__)
def test_cut_off_after_any_write(made: Made, tmp_path: Path, past: Callable[[Lived], set[Row]]) -> None:
    def story(name: str) -> tuple[Lived, set[Row]]:
        (tmp_path / name).mkdir()
        one = world(made, tmp_path / name)
        rows = past(one)
        one.now += 60
        return one, rows

    one, rows = story("uncut")
    ran = one.run()
    assert ran is not None
    assert {each.step.row for each in ran.planned} == rows
    count = one.writes.done
    one.settled()
    wanted = end(one)
    assert count > 1
    for kill in range(1, count + 1):
        other, _ = story(f"cut-{kill}")
        assert other.run(kill=kill) is None
        other.settled()
        assert end(other) == wanted, f"cut off after write {kill} of {count}"
        shutil.rmtree(tmp_path / f"cut-{kill}")


def end(one: Lived) -> dict[str, Any]:
    """What is there in the end; of commits only their files, of records not when they were written."""
    trees = {
        name: str(one.store[one.store.references[name].target].peel(pygit2.Commit).tree_id)
        for name in one.store.references
        if "ledger" not in name and "backup" not in name
    }
    records = [
        (each.number, each.branch, each.state, each.title, each.body, sorted(each.labels),
         sorted((said.topic, said.text) for said in each.comments))
        for each in one.bot.records.all()
    ]  # fmt: skip
    facts = Counter(
        (entry.event, entry.key, str(entry.facts.get("number")))
        for entry in one.ledger()
        if entry.event != "pushed"
    )
    return {"trees": trees, "records": without_places(records, one), "ledger": facts}


def without_places(records: Any, one: Lived) -> str:
    return repr(records).replace(str(one.bare.parent), "")


# -- single lives ------------------------------------------------------------------------------------


def test_what_somebody_wrote_is_kept_before_it_is_built_anew(made: Made, tmp_path: Path) -> None:
    one = world(made, tmp_path)
    given_back(one)
    commit = next(iter(one.theirs))
    one.run()
    request = of(one, "web")
    backup = f"refs/heads/reconcile-backup/{request.branch}/{commit[:12]}"
    assert str(one.store.references[backup].target) == commit
    assert request.head != commit
    assert "reconcile:rebase" not in request.labels
    assert [entry.facts["kept"] for entry in one.ledger() if entry.event == "rebased"] == [
        backup.removeprefix("refs/heads/")
    ]


def test_nothing_is_overwritten_where_it_can_not_be_kept(made: Made, tmp_path: Path) -> None:
    """A branch of that name is there already, with something else on it."""
    one = world(made, tmp_path)
    given_back(one)
    commit = next(iter(one.theirs))
    request = of(one, "web")
    main = one.store.references["refs/heads/main"].target
    one.store.references.create(f"refs/heads/reconcile-backup/{request.branch}/{commit[:12]}", main)
    ran = one.run()
    assert ran is not None
    (action,) = [each for each in ran.actions if each.branch == request.branch]
    assert (action.do, "could not be kept" in action.why) == (Do.WAIT, True)
    assert of(one, "web").head == commit


def test_opened_again_within_a_week_is_the_same_one(made: Made, tmp_path: Path) -> None:
    one = world(made, tmp_path)
    needed_again(one)
    number = of(one, "web").number
    ran = one.run()
    assert ran is not None
    assert {each.do for each in ran.actions} == {Do.REOPEN, Do.LEAVE}
    again = of(one, "web")
    assert (again.number, again.state, again.title.endswith("autoclosed")) == (number, "open", False)


def test_a_forge_that_does_not_reopen_gets_a_new_one(made: Made, tmp_path: Path) -> None:
    one = world(made, tmp_path)
    needed_again(one)
    number = of(one, "web").number
    one.bot.trouble = lambda name: None if name != "reopen" else _no(name)
    ran = one.run()
    assert ran is not None
    assert not ran.failed
    assert {each.do for each in ran.actions} == {Do.OPEN, Do.LEAVE}
    assert of(one, "web").number > number
    one.settled()


def test_after_a_week_it_is_a_new_one(made: Made, tmp_path: Path) -> None:
    one = world(made, tmp_path)
    one.run()
    one.want["web"] = None
    one.run()
    number = of(one, "web").number
    one.now += 8 * DAY
    one.run()
    assert f"refs/heads/{of(one, 'web').branch}" not in one.store.references
    one.want["web"] = "300m"
    one.run()
    assert of(one, "web").number > number


def test_the_new_one_is_named_on_the_one_that_it_replaces(made: Made, tmp_path: Path) -> None:
    one = world(made, tmp_path)
    superseded(one)
    one.run()
    (heir,) = one.requests()
    for closed in one.requests("closed"):
        (comment,) = one.person.get(closed.number).comments
        assert heir.url in comment.text


def test_nothing_is_superseded_by_what_could_not_be_opened(made: Made, tmp_path: Path) -> None:
    one = world(made, tmp_path)
    superseded(one)
    one.bot.trouble = lambda name: _no(name) if name == "open" else None
    ran = one.run()
    assert ran is not None
    assert len(one.requests()) == 2
    assert {each.do for each in ran.actions} == {Do.WAIT}


def test_an_approval_holds_numbers_but_not_safety(made: Made, tmp_path: Path) -> None:
    one = world(made, tmp_path)
    one.klass["api"] = ChangeClass.SAFETY
    one.run()
    heads = {name: of(one, name).head for name in KEYS}
    for name in KEYS:
        one.person.approve(of(one, name).number)
    one.want = dict.fromkeys(KEYS, "300m")
    one.run()
    assert of(one, "web").head == heads["web"]
    assert of(one, "api").head != heads["api"]
    (comment,) = one.person.get(of(one, "web").number).comments
    assert "Newer numbers" in comment.text


def test_only_who_would_be_moved_or_merged_is_asked(made: Made, tmp_path: Path) -> None:
    one = world(made, tmp_path)
    one.run()
    one.run()
    assert not one.bot.asked
    one.want["web"] = "300m"
    one.run()
    assert dict(one.bot.asked) == {of(one, "web").number: 1}


def test_where_the_limits_end_the_next_run_goes_on(made: Made, tmp_path: Path) -> None:
    one = world(made, tmp_path)
    calls = iter(range(1, 99))
    one.bot.trouble = lambda name: TooMany("the forge", 600) if next(calls) > 1 else None
    ran = one.run()
    assert ran is not None
    assert not ran.failed
    assert sorted(each.do for each in ran.actions) == [Do.OPEN, Do.WAIT]
    assert [entry.event for entry in one.ledger()].count("opened") == 1
    one.bot.trouble = lambda _: None
    ran = one.run()
    assert ran is not None
    assert sorted(each.do for each in ran.actions) == [Do.LEAVE, Do.OPEN]


def test_limits_that_let_nothing_be_done_are_a_failure(made: Made, tmp_path: Path) -> None:
    one = world(made, tmp_path)
    one.run()
    one.want = dict.fromkeys(KEYS, None)
    one.bot.trouble = lambda name: TooMany("the forge", 600)
    ran = one.run()
    assert ran is not None
    assert {each.do for each in ran.actions} == {Do.WAIT}
    assert len(ran.failed) == 1


def test_a_no_ends_with_its_day(made: Made, tmp_path: Path) -> None:
    one = world(made, tmp_path)
    one.run()
    number = of(one, "web").number
    one.person.update(number, Wording(add_labels=("reconcile:reject-until/2026-02-20",)))
    one.person.close(number)
    one.run()
    assert of(one, "web").state == "closed"
    one.person.update(number, Wording(remove_labels=("reconcile:reject-until/2026-02-20",)))
    one.now += 6 * DAY
    one.run()
    assert of(one, "web").state == "closed"  # without a day it ends by the numbers alone
    one.person.update(number, Wording(add_labels=("reconcile:reject-until/2026-02-20",)))
    one.run()
    assert of(one, "web").number > number


def test_a_no_may_hold_to_the_end_of_the_calendar(made: Made, tmp_path: Path) -> None:
    one = world(made, tmp_path)
    one.run()
    number = of(one, "web").number
    one.person.update(number, Wording(add_labels=("reconcile:reject-until/9999-12-31",)))
    one.person.close(number)
    for _ in range(2):
        one.run()
        assert of(one, "web").number == number
        assert of(one, "web").state == "closed"


def test_a_person_who_reopens_what_nobody_needs_wants_it(made: Made, tmp_path: Path) -> None:
    one = world(made, tmp_path)
    obsolete(one)
    one.run()
    closed = of(one, "web")
    one.person.reopen(closed.number)
    one.settled()
    assert of(one, "web").state == "open"
    one.person.close(closed.number)  # and a no is theirs, though the title says otherwise
    one.want["web"] = "100m"
    one.settled()
    assert of(one, "web").state == "closed"


def test_abandoned_says_so_once(made: Made, tmp_path: Path) -> None:
    one = world(made, tmp_path)
    abandoned(one)
    one.settled()
    record = one.person.get(of(one, "web").number)
    assert record.title.endswith(ABANDONED)
    assert sorted(said.topic for said in record.comments) == ["abandoned", "edited"]


def _no(name: str) -> Problem:
    return Problem(name, f"{name} is refused.")


@pytest.mark.parametrize("kill", range(1, 6))
def test_a_no_that_is_taken_back_stays_taken_back(made: Made, tmp_path: Path, kill: int) -> None:
    """Also where the run that obeyed the box was cut off, and the box is no longer looked at."""
    one = world(made, tmp_path)
    one.run()
    closed = of(one, "web")
    one.person.close(closed.number)
    one.settled()
    assert len(one.requests()) == 1
    memo = find(closed.body)
    assert memo is not None
    ticked = box(Wish.FORGET, memo.key, ticked=True)
    one.person.update(closed.number, Wording(body=f"{ticked} again\n\n{closed.body}"))
    one.run(kill=kill)
    one.settled()
    assert len(one.requests()) == 2
