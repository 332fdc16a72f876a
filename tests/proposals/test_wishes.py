"""Boxes that people tick: written, read again, and never mistaken for what somebody quotes."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.proposals.wishes import Wish, box, ticked

KEY = "savings/web"


def test_a_box_as_it_stands_in_a_body():
    assert box(Wish.REBASE, KEY) == "- [ ] <!-- reconcile:rebase savings/web -->"
    assert box(Wish.FREEZE, KEY, ticked=True) == "- [x] <!-- reconcile:freeze savings/web -->"


def test_an_empty_box_asks_for_nothing():
    assert ticked(box(Wish.OPEN, KEY) + " open it now") == frozenset()


def test_ticked_boxes_are_found_among_other_lines_however_a_forge_ends_them():
    body = "\r\n".join([
        "## Controls", "",
        box(Wish.REBASE, KEY, ticked=True) + " build it **anew**",
        box(Wish.FREEZE, KEY) + " freeze it",
        box(Wish.FORGET, "image/api", ticked=True).replace("- [x]", "* [X]"),
        "- [x] something of my own", "",
    ])  # fmt: skip
    assert ticked(body) == {(Wish.REBASE, KEY), (Wish.FORGET, "image/api")}


def test_what_is_quoted_in_a_fence_is_nobodys_wish():
    line = box(Wish.APPROVE, KEY, ticked=True)
    for quoted in (
        f"```diff\n{line}\n```",
        f"~~~\n```\n{line}\n~~~",
        f"````\n```\n{line}\n````",
        f"```\n{line}",
    ):
        assert ticked(quoted) == frozenset()
    assert ticked(f"```diff\n-a\n```\n{line} yes") == {(Wish.APPROVE, KEY)}
    assert ticked(f"```not a fence```\n{line} yes") == {(Wish.APPROVE, KEY)}


def test_what_no_box_would_say_is_no_wish():
    for line in (
        "- [x] <!-- reconcile:delete savings/web -->",
        "- [x] <!-- reconcile:rebase -->",
        "- [x] <!-- reconcile:rebase savings/web more -->",
        "- [x] <!-- reconcile:rebase savings/%FF -->",
        "- [x] <!-- reconcile:rebase savings/%77eb -->",
        "    - [x] <!-- reconcile:rebase savings/web -->",
        "> - [x] <!-- reconcile:rebase savings/web -->",
        "text - [x] <!-- reconcile:rebase savings/web -->",
    ):
        assert ticked(line) == frozenset()


@given(st.sampled_from(Wish), st.text(min_size=1, max_size=60) | st.text("-a%<>", min_size=1))
def test_every_key_comes_back_and_ends_no_comment(wish, key):
    line = box(wish, key, ticked=True)
    assert line.count("-->") == 1
    assert line.count("--") == 2
    assert len(line.splitlines()) == 1
    assert ticked(f"before\n{line} words\nafter") == {(wish, key)}
