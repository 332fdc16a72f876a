"""Runs, crashes, people and bad days in any order: what must hold, holds.

No commit of a person is lost. A key has at most one open request. A run after a run writes nothing.
What was refused is not proposed again. Every row of the table is reached.

`RECONCILE_INTERLEAVINGS=5000 pytest tests/test_interleavings.py` lives more of them.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from interleaved import KEYS, Lived, template

from reconciler.errors import Problem
from reconciler.forges.port import Checks, Method, NotMerged, Standing, TooMany, Wording
from reconciler.model import Change, ChangeClass, Do, Mode
from reconciler.proposals.memo import find
from reconciler.proposals.situation import Row
from reconciler.proposals.wishes import LABELS, Wish, box

HOW_MANY = int(os.environ.get("RECONCILE_INTERLEAVINGS", "150"))
STEPS = 14
HOUR, DAY = 3600, 86_400
VALUES = ("100m", "105m", "150m", "300m", "40m", "700m", None, None)


# -- what may happen -------------------------------------------------------------------------------


def run(one: Lived) -> None:
    one.run()


def killed(one: Lived) -> None:
    one.run(kill=one.dice.randint(1, 8))


def unlucky(one: Lived) -> None:
    """Some calls fail; of some only the answer is lost."""
    at = one.dice.randint(1, 4)
    calls = Counter[str]()

    def fails(name: str) -> Problem | None:
        calls["all"] += 1
        return Problem(name, f"{name}: no answer.") if calls["all"] == at else None

    if one.dice.random() < 0.5:
        one.bot.trouble = fails
    else:
        one.bot.lost = fails
    one.run()
    one.bot.trouble = one.bot.lost = lambda _: None


def limited(one: Lived) -> None:
    left = [one.dice.randint(0, 3)]

    def enough(name: str) -> Problem | None:
        left[0] -= 1
        return TooMany("the forge", 600) if left[0] < 0 else None

    one.bot.trouble = enough
    ran = one.run()
    if ran is not None and any("no more requests" in each.error for each in ran.failed):
        assert {action.do for action in ran.actions} <= {Do.LEAVE, Do.WAIT}
    one.bot.trouble = lambda _: None


def numbers(one: Lived) -> None:
    one.want[one.dice.choice(KEYS)] = one.dice.choice(VALUES)


def alarm(one: Lived) -> None:
    name = one.dice.choice(KEYS)
    safe = one.klass[name] is ChangeClass.SAFETY
    one.klass[name] = ChangeClass.SAVINGS if safe else ChangeClass.SAFETY


def outage(one: Lived) -> None:
    one.unknown ^= {one.dice.choice(KEYS)}


def grouping(one: Lived) -> None:
    one.grouped = not one.grouped


def mode(one: Lived) -> None:
    one.mode = Mode.PROPOSE if one.mode is Mode.MERGE else Mode.MERGE


def time(one: Lived) -> None:
    one.now += one.dice.choice((HOUR, DAY, 3 * DAY, 8 * DAY))


def push(one: Lived) -> None:
    """Somebody adds a commit to a branch of ours."""
    found = one.some(one.requests())
    name = f"refs/heads/{found.branch}" if found else ""
    if found and name in one.store.references:
        made = one.commit(found.branch, f"notes-{one.dice.randint(0, 9)}.txt", b"%d\n" % one.now)
        one.theirs[made] = found.branch


def push_anywhere(one: Lived) -> None:
    """Also to one without a request, or before there is a branch."""
    names = [name for name in one.store.branches.local if name.startswith("reconcile/s")]
    if one.dice.random() < 0.3 or not names:
        names = [f"reconcile/savings/apps-{one.dice.choice(KEYS)}"]
        if names[0] not in one.store.branches.local:
            one.store.references.create(
                f"refs/heads/{names[0]}", one.store.references["refs/heads/main"].target
            )
    branch = one.dice.choice(names)
    one.theirs[one.commit(branch, "mine.txt", b"%d\n" % one.now)] = branch


def remove_branch(one: Lived) -> None:
    found = one.some(one.requests())
    name = f"refs/heads/{found.branch}" if found else ""
    if found and name in one.store.references:
        one.store.references.delete(name)
        one.theirs = {commit: branch for commit, branch in one.theirs.items() if branch != found.branch}


def close(one: Lived) -> None:
    found = one.some(one.requests())
    if found:
        if one.dice.random() < 0.2:
            day = "2026-03-01" if one.dice.random() < 0.5 else "2031-03-01"
            one.person.update(found.number, Wording(add_labels=(f"reconcile:reject-until/{day}",)))
        closed = one.person.close(found.number)
        if closed.base == "main":
            one.said_no(closed)


def reopen(one: Lived) -> None:
    found = one.some(one.requests("closed"))
    if found:
        try:
            one.person.reopen(found.number)
        except Problem:  # its branch is gone, or has another one
            return
        one.took_back(found.number)


def label(one: Lived) -> None:
    found = one.some(one.requests())
    if found:
        name = one.dice.choice([*LABELS, "a label of mine"])
        there = name in found.labels
        one.person.update(
            found.number, Wording(remove_labels=(name,)) if there else Wording(add_labels=(name,))
        )


def tick(one: Lived) -> None:
    """A box of the body: of an open one, or of one that was closed."""
    found = one.some([*one.requests(), *one.requests("closed")])
    memo = find(found.body) if found else None
    if found and memo:
        wish = Wish.FORGET if found.state == "closed" else one.dice.choice((Wish.REBASE, Wish.FREEZE))
        empty, full = box(wish, memo.key), box(wish, memo.key, ticked=True)
        body = found.body.replace(empty, full) if empty in found.body else f"{full} x\n\n{found.body}"
        one.person.update(found.number, Wording(body=body))


def page(one: Lived) -> None:
    keys = [f"savings/apps-{name}" for name in KEYS]
    keys += [memo.key for memo in (find(each.body) for each in one.person.mine("")) if memo]
    one.page ^= {(one.dice.choice((Wish.REBASE, Wish.FREEZE, Wish.FORGET)), one.dice.choice(keys))}


def title(one: Lived) -> None:
    found = one.some(one.requests())
    if found:
        one.person.update(found.number, Wording(title=f"{one.dice.choice(('WIP: ', ''))}{found.title}"))


def description(one: Lived) -> None:
    found = one.some(one.requests())
    if found:
        one.person.update(found.number, Wording(body="I have rewritten this."))


def approve(one: Lived) -> None:
    found = one.some(one.requests())
    if found:
        one.person.approve(found.number)


def look(one: Lived) -> None:
    """Reviewers, checks and queues, which the local forge doesn't have."""
    found = one.some(one.requests())
    if found:
        one.bot.said[found.number] = one.dice.choice((
            Standing(), Standing(changes_wanted_by=("ada",)), Standing(checks=Checks.FAILED),
            Standing(checks=Checks.PENDING), Standing(merging=True),
        ))  # fmt: skip


def merge(one: Lived) -> None:
    found = one.some(one.requests())
    if found and found.base == "main":
        how = one.dice.choice((Method.MERGE, Method.SQUASH))
        answer = one.person.merge(found.number, found.head, method=how)
        if not isinstance(answer, NotMerged):
            one.merged(found)


def squash_by_hand(one: Lived) -> None:
    """With plain Git, and without a word to the forge."""
    found = one.some(one.requests())
    if found and found.base == "main" and f"refs/heads/{found.branch}" in one.store.references:
        tip = str(one.store.references[f"refs/heads/{found.branch}"].target)
        main = str(one.store.references["refs/heads/main"].target)
        index = one.store.merge_commits(main, tip)
        if index.conflicts:
            return
        for name in KEYS:
            path = f"apps/{name}/{name}.yaml"
            content = one.store[index[path].id].data  # type: ignore[union-attr]
            if content != one.read(path):
                one.commit("main", path, content)
        one.merged(found)


def base(one: Lived) -> None:
    """Main goes on: beside it, or on the same line."""
    if one.dice.random() < 0.5:
        one.commit("main", "README.md", b"%d\n" % one.now)
        return
    name = one.dice.choice(KEYS)
    path = f"apps/{name}/{name}.yaml"
    new = one.dice.choice(("500m", "400m", "620m"))
    text = one.read(path).replace(f"cpu: {one.current(name)} ".encode(), f"cpu: {new} ".encode())
    one.commit("main", path, text)


def retarget(one: Lived) -> None:
    if "next" not in one.store.branches.local:
        one.store.references.create("refs/heads/next", one.store.references["refs/heads/main"].target)
    found = one.some(one.requests())
    if found:
        record = one.person.records.get(found.number)
        to = "main" if record.base == "next" else "next"
        one.person.records.put(record.model_copy(update={"base": to}))


HAPPENS: list[tuple[Callable[[Lived], None], int]] = [
    (run, 30), (killed, 10), (unlucky, 6), (limited, 5), (numbers, 14), (alarm, 3), (outage, 6),
    (grouping, 4), (mode, 5), (time, 8), (push, 5), (push_anywhere, 2), (remove_branch, 2), (close, 6),
    (reopen, 5), (label, 5), (tick, 5), (page, 3), (title, 2), (description, 1), (approve, 5), (look, 8),
    (merge, 5), (squash_by_hand, 2), (base, 5), (retarget, 2),
]  # fmt: skip


# -- the property ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Change]]:
    return template(tmp_path_factory.mktemp("template"))


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody cuts the power here, and thousands of records are written."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def lived(made: tuple[Path, dict[str, Change]], folder: Path, seed: int) -> tuple[Lived, list[str]]:
    bare, changes = made
    here = folder / str(seed) / "deploy.git"
    shutil.copytree(bare, here)
    return Lived(here, changes, random.Random(seed)), []


def test_whatever_happens_in_whatever_order(made: tuple[Path, dict[str, Change]], tmp_path: Path) -> None:
    rows: Counter[Row] = Counter()
    refusals = 0
    acts, weights = zip(*HAPPENS, strict=True)
    first = int(os.environ.get("RECONCILE_SEED", "0"))
    for seed in range(first, first + 4 * HOW_MANY):
        if seed >= first + HOW_MANY and (set(Row) == set(rows) or HOW_MANY < 100):
            break  # a rare row may take some more
        one, story = lived(made, tmp_path, seed)
        try:
            one.run()
            for act in one.dice.choices(acts, weights, k=STEPS):
                story.append(act.__name__)
                act(one)
                one.now += 60
            story.append("settled")
            one.settled()
        except Exception as error:
            raise AssertionError(f"RECONCILE_SEED={seed}: {', '.join(story)}: {error!r}") from error
        rows += one.rows
        refusals += one.refusals
        shutil.rmtree(tmp_path / str(seed))
    assert refusals > HOW_MANY // 20, "too few of what was refused was wanted again"
    if HOW_MANY >= 100:
        assert set(Row) == set(rows), f"never reached: {set(Row) - set(rows)}"
