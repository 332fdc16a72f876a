"""What a terminal tells of merge requests: a line each, but not forty lines for one reason."""

from __future__ import annotations

import io

from reconciler.model import Action, Do
from reconciler.report.text import console, print_actions

AS_IT_WAS = "it says what would be proposed now"


def left(name: str, why: str = AS_IT_WAS) -> Action:
    return Action(Do.LEAVE, "deploy", f"savings/{name}", f"reconcile/savings/{name}", "", (), why)


def told(actions: list[Action], *, each: bool) -> list[str]:
    out = io.StringIO()
    print_actions(console(out), actions, wrote=True, each=each)
    return out.getvalue().splitlines()


def test_many_that_are_left_for_one_reason_are_one_line():
    opened = Action(Do.OPEN, "deploy", "savings/new", "reconcile/savings/new", "https://x/1", ("a",), "new")
    lines = told([left(f"w{n}") for n in range(4)] + [left("other", "frozen"), opened], each=False)
    assert [line for line in lines if AS_IT_WAS in line] == [
        f"  leave   4 merge requests (each: --verbose)  {AS_IT_WAS}"
    ]
    assert sum("reconcile/savings/" in line for line in lines) == 2


def test_a_few_and_whoever_asks_have_a_line_each():
    few = [left(f"w{n}") for n in range(3)]
    assert sum("reconcile/savings/" in line for line in told(few, each=False)) == 3
    many = [left(f"w{n}") for n in range(30)]
    assert sum("reconcile/savings/" in line for line in told(many, each=True)) == 30
