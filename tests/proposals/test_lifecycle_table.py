"""The table of situations, row by row: what there is, and what is to be done about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from reconciler.model import (
    Change,
    ChangeClass,
    ContainerRef,
    Do,
    Field,
    FileChange,
    MergeRequest,
    Mode,
    NewValue,
    Place,
    Proposal,
    Slot,
)
from reconciler.proposals.lifecycle import decide, retire
from reconciler.proposals.memo import Memo, MemoValue, hide
from reconciler.proposals.situation import (
    ABANDONED,
    CLOSED_BY_US,
    REOPENED_WITHIN,
    Branch,
    Look,
    Noted,
    Observed,
    Row,
    Step,
    closed_by_us,
    reopenable,
)
from reconciler.proposals.wishes import Wish, box

KEY = "savings/web"
WEB = ContainerRef("", "shop", "Deployment", "web", "app")
PLACE = Place("deploy", "web.yaml", 0, ("cpu",), ())
NOW = 1_800_000_000


def change(new: str = "100m", klass: ChangeClass = ChangeClass.SAVINGS) -> Change:
    slot = Slot(PLACE, 1, Field.CPU_REQUEST, "500m", (WEB,), "")
    return Change((NewValue(slot, new),), klass, "because", evidence=None, stages=())  # type: ignore[arg-type]


def proposal(plan: str = "P", **more: Any) -> Proposal:
    made = Proposal(
        key=KEY, klass=ChangeClass.SAVINGS, group="web", repository="deploy", base="main", base_commit="b",
        branch="reconcile/savings/web", mode=Mode.PROPOSE, plan=plan, title="Lower", body="", message="Lower",
        trailers=(), labels=(), files=(FileChange("web.yaml", b"a", b"b"),), changes=(),
    )  # fmt: skip
    return made._replace(**more)


def body(plan: str = "P", new: str = "100m") -> str:
    value = MemoValue(PLACE.path, 0, PLACE.keys, (), Field.CPU_REQUEST.value, "500m", new, (WEB,))
    return f"{box(Wish.REBASE, KEY)} rebase\n{hide(Memo(KEY, plan, (value,), (), 'Lower'))}"


def request(**more: Any) -> MergeRequest:
    made = MergeRequest(
        7,
        "u7",
        "reconcile/savings/web",
        "main",
        "h" * 40,
        "open",
        "Lower",
        body(),
        (),
        NOW - 100,
        author="bot",
    )
    return made._replace(**more)


OURS = Branch("t" * 40, "P", untouched=True, recorded=True, conflicts=False, fresh=True)
THEIRS = OURS._replace(untouched=False, recorded=False, plan="", by=("Ada",))
OPEN = Observed(request(), OURS)
ENDED = request(state="closed", title=f"Lower{CLOSED_BY_US}", ended_at=NOW - 60, ended_by="bot")
MERGES = proposal(mode=Mode.MERGE)
NEWER = proposal("Q")
SAFETY = NEWER._replace(klass=ChangeClass.SAFETY)
STALE = OURS._replace(fresh=False)
LABELLED = request(labels=("reconcile:rebase",))
CLOSED = Noted("closed", "", NOW - 9)
HALF_CLOSED = request(title=f"Lower{CLOSED_BY_US}")
REBASE = frozenset({Wish.REBASE})
FREEZE = frozenset({Wish.FREEZE})
APPROVED = Look(approved_by=("ada",))

WITH = [
    # nothing is open
    (Row.NEW, Do.OPEN, "push", proposal(), Observed(None, None)),
    (Row.NEW, Do.OPEN, "push merge", MERGES, Observed(None, None)),
    (Row.UNOPENED, Do.OPEN, "", proposal(), Observed(None, OURS)),
    (Row.OVERTAKEN, Do.OPEN, "push", NEWER, Observed(None, OURS)),
    (Row.OVERTAKEN, Do.OPEN, "push", proposal(), Observed(None, OURS._replace(conflicts=True))),
    (Row.THEIRS, Do.WAIT, "", proposal(), Observed(None, THEIRS)),
    (Row.THEIRS, Do.WAIT, "", proposal(), Observed(None, THEIRS, ENDED)),
    (Row.REBASE, Do.OPEN, "push backup said", proposal(), Observed(None, THEIRS, wishes=REBASE)),
    (Row.NEEDED_AGAIN, Do.REOPEN, "", proposal(), Observed(None, OURS, ENDED)),
    (Row.NEEDED_AGAIN, Do.REOPEN, "push", NEWER, Observed(None, OURS, ENDED)),
    # its reviewers may have wanted changes: the next run asks, and merges
    (Row.NEEDED_AGAIN, Do.REOPEN, "", MERGES, Observed(None, OURS, ENDED)),
    (Row.NEW, Do.OPEN, "push", proposal(), Observed(None, None, ENDED)),
    (Row.FROZEN, Do.WAIT, "", proposal(), Observed(None, None, wishes=FREEZE)),
    # one is open, and nobody but us has written to its branch
    (Row.SAME, Do.LEAVE, "", proposal(), OPEN),
    (Row.SAME, Do.LEAVE, "", proposal(mode=Mode.MERGE, merge_waits="outside of its hours"), OPEN),
    (Row.NEAR, Do.LEAVE, "", proposal("Q", changes=(change("104m"),)), OPEN),
    (Row.NEWER, Do.UPDATE, "push", proposal("Q", changes=(change("50m"),)), OPEN),
    (Row.NEWER, Do.UPDATE, "push merge", NEWER._replace(mode=Mode.MERGE), OPEN),
    (Row.CONFLICT, Do.UPDATE, "push", proposal(), OPEN._replace(branch=OURS._replace(conflicts=True))),
    (Row.GONE, Do.UPDATE, "push", proposal(), OPEN._replace(branch=None)),
    (Row.TEXT, Do.UPDATE, "", proposal(), OPEN._replace(request=request(body="mine"))),
    (Row.TEXT, Do.UPDATE, "", proposal(), OPEN._replace(request=request(title=f"Lower{CLOSED_BY_US}"))),
    (Row.TEXT, Do.UPDATE, "merge", MERGES, OPEN._replace(request=request(body=body("O")))),
    # reviewers and the forge have begun with it
    (Row.APPROVED, Do.LEAVE, "said", NEWER, OPEN._replace(look=APPROVED)),
    (Row.NEWER, Do.UPDATE, "push", SAFETY, OPEN._replace(look=APPROVED)),
    (Row.CONFLICT, Do.UPDATE, "push", proposal(),
     OPEN._replace(branch=OURS._replace(conflicts=True), look=APPROVED)),
    (Row.MERGING, Do.LEAVE, "", NEWER, OPEN._replace(look=Look(merging=True))),
    (Row.MERGING, Do.LEAVE, "", SAFETY, OPEN._replace(look=Look(merging=True))),
    (Row.MERGING, Do.LEAVE, "", MERGES, OPEN._replace(look=Look(merging=True))),
    (Row.MERGE, Do.MERGE, "merge", MERGES, OPEN._replace(look=Look(checks="passed"))),
    (Row.MERGE, Do.MERGE, "merge", MERGES, OPEN._replace(look=Look(checks="pending", later=True))),
    (Row.NOT_READY, Do.LEAVE, "", MERGES, OPEN._replace(look=Look(checks="pending"))),
    (Row.NOT_READY, Do.LEAVE, "", MERGES, OPEN._replace(look=Look(checks="failed", later=True))),
    (Row.NOT_READY, Do.LEAVE, "", MERGES, OPEN._replace(look=Look(changes_wanted_by=("ada",)))),
    (Row.NOT_READY, Do.LEAVE, "", MERGES, OPEN._replace(request=request(draft=True))),
    (Row.NEWER, Do.UPDATE, "push", NEWER._replace(mode=Mode.MERGE),
     OPEN._replace(look=Look(changes_wanted_by=("a",)))),
    # people have their hands on it
    (Row.EDITED, Do.WAIT, "said", proposal(), OPEN._replace(branch=THEIRS)),
    (Row.EDITED, Do.WAIT, "said", SAFETY, OPEN._replace(branch=THEIRS)),
    (Row.EDITED, Do.WAIT, "said title", proposal(),
     OPEN._replace(branch=THEIRS, request=request(title=f"Lower{ABANDONED}"))),
    (Row.STRAYED, Do.WAIT, "said", proposal(), Observed(None, OURS, strayed=request(base="next"))),
    (Row.REBASE, Do.UPDATE, "push backup said", proposal(), OPEN._replace(branch=THEIRS, wishes=REBASE)),
    (Row.REBASE, Do.UPDATE, "push said", proposal(), OPEN._replace(branch=STALE, wishes=REBASE)),
    (Row.REBASE, Do.UPDATE, "push said", NEWER,
     OPEN._replace(request=LABELLED, wishes=REBASE, look=APPROVED)),
    (Row.REBASE, Do.UPDATE, "", proposal(),
     OPEN._replace(request=LABELLED, wishes=REBASE)),
    (Row.SAME, Do.LEAVE, "", proposal(), OPEN._replace(wishes=REBASE)),  # it was obeyed; the page is not ours
    (Row.MERGING, Do.LEAVE, "", proposal(),
     OPEN._replace(branch=STALE, wishes=REBASE, look=Look(merging=True))),
    (Row.FROZEN, Do.LEAVE, "said", NEWER, OPEN._replace(wishes=FREEZE)),
    (Row.FROZEN, Do.LEAVE, "said", SAFETY, OPEN._replace(wishes=FREEZE)),
    (Row.FROZEN, Do.LEAVE, "said", MERGES, OPEN._replace(wishes=FREEZE)),
    (Row.FROZEN, Do.LEAVE, "said", proposal(), OPEN._replace(branch=THEIRS, wishes=FREEZE)),
    (Row.SAME, Do.LEAVE, "", proposal(), OPEN._replace(wishes=FREEZE)),
    (Row.REBASE, Do.UPDATE, "push backup said", proposal(),
     OPEN._replace(branch=THEIRS, wishes=REBASE | FREEZE)),
]  # fmt: skip


def flags(step: Step) -> set[str]:
    found = {name for name in ("push", "merge", "backup", "drop") if getattr(step, name)}
    found |= {"said"} if step.remark is not None else set()
    return found | ({"title"} if step.title is not None else set())


@pytest.mark.parametrize(("row", "do", "what", "wanted", "seen"), WITH)
def test_with_a_proposal(row: Row, do: Do, what: str, wanted: Proposal, seen: Observed) -> None:
    step = decide(wanted, seen)
    assert (step.row, step.do, flags(step)) == (row, do, set(what.split()))
    if step.push or step.backup:
        assert step.expected == (seen.branch.tip if seen.branch else "")


WITHOUT = [
    (Row.OBSOLETE, Do.CLOSE, "", OPEN, {}),
    (Row.OBSOLETE, Do.CLOSE, "", OPEN._replace(branch=None), {}),
    (Row.SUPERSEDED, Do.CLOSE, "", OPEN, {"instead": ["safety/web"]}),
    (Row.UNKNOWN, Do.LEAVE, "", OPEN, {"unsettled": "no metrics"}),
    (Row.UNKNOWN, Do.LEAVE, "", OPEN._replace(branch=THEIRS), {"unsettled": "no metrics"}),
    (Row.ABANDONED, Do.WAIT, "said title", OPEN._replace(branch=THEIRS), {}),
    (Row.ABANDONED, Do.WAIT, "said title", OPEN._replace(branch=THEIRS), {"instead": ["safety/web"]}),
    (Row.ABANDONED, Do.WAIT, "", OPEN._replace(branch=THEIRS, noted=(Noted("abandoned", "0", NOW),)), {}),
    (Row.OBSOLETE, Do.CLOSE, "", OPEN._replace(branch=THEIRS, wishes=REBASE), {}),
    (Row.FROZEN, Do.LEAVE, "said", OPEN._replace(wishes=FREEZE), {}),
    (Row.STRAYED, Do.WAIT, "said", Observed(None, OURS, strayed=request(base="next")), {}),
    (Row.WANTED, Do.LEAVE, "",
     OPEN._replace(request=HALF_CLOSED, noted=(CLOSED,)), {}),
    (Row.OBSOLETE, Do.CLOSE, "", OPEN._replace(request=HALF_CLOSED), {}),  # cut off before it was closed
    (Row.OBSOLETE, Do.CLOSE, "", OPEN._replace(
        request=HALF_CLOSED, noted=(CLOSED, Noted("reopened", "", NOW - 5))), {}),
    (Row.LEFTOVER, Do.LEAVE, "drop", Observed(None, OURS), {}),
]  # fmt: skip


@pytest.mark.parametrize(("row", "do", "what", "seen", "more"), WITHOUT)
def test_without_a_proposal(row: Row, do: Do, what: str, seen: Observed, more: dict[str, Any]) -> None:
    step = retire(seen, more.get("unsettled", ""), more.get("instead", ()))
    assert step is not None
    assert (step.row, step.do, flags(step)) == (row, do, set(what.split()))


@pytest.mark.parametrize(
    ("seen", "unsettled"),
    [
        (Observed(None, None), ""),
        (Observed(None, THEIRS), ""),
        (Observed(None, OURS._replace(recorded=False)), ""),
        (Observed(None, OURS), "somebody may still want it"),
        (Observed(None, OURS, ENDED), ""),  # it may be needed again within the week
    ],
)
def test_branches_that_stay(seen: Observed, unsettled: str) -> None:
    assert retire(seen, unsettled) is None


def test_what_could_not_be_judged_is_not_withdrawn() -> None:
    step = decide(NEWER, OPEN, unsettled="a part was not judged")
    assert (step.row, step.do, step.push) == (Row.UNJUDGED, Do.LEAVE, False)


SAID = [
    (row, wanted, seen) for row, _, what, wanted, seen in WITH if "said" in what and row is not Row.REBASE
]


@pytest.mark.parametrize(("row", "wanted", "seen"), SAID)
def test_what_was_said_is_not_said_again(row: Row, wanted: Proposal, seen: Observed) -> None:
    first = decide(wanted, seen)
    assert first.remark is not None
    known = (*seen.noted, Noted(first.remark.event, first.remark.mark, NOW))
    there = seen.request
    if there is not None and first.title is not None:
        there = there._replace(title=first.title)
    second = decide(wanted, seen._replace(noted=known, request=there))
    assert (second.row, second.writes) == (row, False)


def test_an_approval_of_another_commit_is_told_anew() -> None:
    told = OPEN._replace(look=APPROVED, noted=(Noted("frozen", "g" * 40, NOW),))
    assert decide(NEWER, told).remark is not None


def test_whoever_pushes_again_after_a_rebase_is_told_again() -> None:
    noted = (Noted("edited", "0", NOW), Noted("rebased", "x", NOW))
    assert decide(proposal(), OPEN._replace(branch=THEIRS, noted=noted)).remark is not None
    noted += (Noted("edited", "1", NOW),)
    assert decide(proposal(), OPEN._replace(branch=THEIRS, noted=noted)).remark is None


def test_hostile_names_stay_names_in_what_is_said() -> None:
    branch = THEIRS._replace(by=("@everyone <img src=x> #1",))
    step = decide(proposal(), OPEN._replace(branch=branch))
    assert step.remark is not None
    assert "@everyone" not in step.remark.text
    assert not re.search(r"(?<!\\)<img", step.remark.text)


def test_who_closed_it() -> None:
    assert closed_by_us(ENDED)
    assert closed_by_us(ENDED._replace(ended_by=""))  # the forge doesn't tell
    assert not closed_by_us(ENDED._replace(ended_by="hannah"))
    assert not closed_by_us(ENDED._replace(title="Lower"))


def test_opened_again_is_what_we_closed_last_and_not_long_ago() -> None:
    branch = ENDED.branch
    assert reopenable([ENDED], branch, NOW) == ENDED
    assert reopenable([ENDED], branch, ENDED.ended_at + REOPENED_WITHIN) == ENDED
    assert reopenable([ENDED], branch, ENDED.ended_at + REOPENED_WITHIN + 1) is None
    assert reopenable([ENDED._replace(ended_by="hannah")], branch, NOW) is None
    assert reopenable([ENDED, request(number=9, state="merged")], branch, NOW) is None
    assert reopenable([ENDED], "another", NOW) is None


def test_every_row_is_in_the_tables_and_the_docs() -> None:
    """But for `unseen`, which is no decision: nobody told what there is to decide on."""
    tested = {row for row, *_ in WITH} | {row for row, *_ in WITHOUT}
    assert set(Row) - tested == {Row.UNSEEN, Row.UNJUDGED}
    docs = (Path(__file__).parents[2] / "docs" / "merge-requests.md").read_text()
    for row in Row:
        assert f"| `{row.value}` |" in docs, row


def test_what_is_needed_again_and_abandoned_again_shows_it_each_time() -> None:
    seen = OPEN._replace(branch=THEIRS, noted=(Noted("edited", "0", NOW),))
    for _ in range(2):
        gone = retire(seen, "")
        assert gone is not None
        assert gone.remark is not None
        assert gone.title == f"Lower{ABANDONED}"
        noted = (*seen.noted, Noted(gone.remark.event, gone.remark.mark, NOW))
        seen = seen._replace(noted=noted, request=request(title=gone.title))
        back = decide(proposal(), seen)
        assert back.remark is not None
        assert back.title == "Lower"
        noted = (*seen.noted, Noted(back.remark.event, back.remark.mark, NOW))
        seen = seen._replace(noted=noted, request=request())
        assert not decide(proposal(), seen).writes
