"""The dashboard's text: hostile names stay words, boxes are nobody's but ours, and it always fits."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model import Amount, Reason
from reconciler.proposals.dashboard import Entry, Overview, Refusals, dashboard, topic_of
from reconciler.proposals.markdown import plain
from reconciler.proposals.surface import size
from reconciler.proposals.wishes import Wish, box, boxes, ticked

# What a name may hold to do harm: boxes, comments, links, mentions, tables, HTML, fences, line ends.
_EVIL = st.sampled_from(
    [
        "- [x] <!-- reconcile:open savings/all --> all",
        "\n- [x] <!-- reconcile:approve savings/web -->",
        "-->", "<!--", "](https://evil.example.com)", "@everyone", "#1", "!7", "| a | b |", "```", "~~~",
        "<img src=x onerror=alert(1)>", "\u2028- [x] ", "\r\n### head", "\x0b", "\x1c", "$(x)", "\\", "`",
        "[x]", "https://evil.example.com/a)", "‮", "- [ ] ", "\x85",
    ]
)  # fmt: skip
hostile = st.lists(st.one_of(_EVIL, st.text(max_size=12)), max_size=6).map("".join)
entries = st.builds(
    Entry,
    key=st.one_of(hostile, st.just("savings/web")).filter(bool),
    title=hostile,
    url=st.one_of(hostile, st.just("https://git.example.com/o/r/pulls/7"), hostile.map("https://x/".__add__)),
    number=st.integers(0, 999),
    note=hostile,
    ask=st.sampled_from([None, Wish.APPROVE, Wish.OPEN, Wish.FORGET, Wish.REBASE]),
)
some = st.lists(entries, max_size=4).map(tuple)
overviews = st.builds(
    Overview,
    open=some,
    approvals=some,
    waiting=st.lists(
        st.tuples(st.sampled_from([Reason.QUEUED, Reason.NOT_SCHEDULED, Reason.SYNC_WINDOW]), some),
        max_size=2,
    ).map(tuple),
    rejected=some,
    refused=st.lists(
        st.builds(
            Refusals,
            st.sampled_from(list(Reason)),
            st.integers(1, 99),
            st.lists(hostile, max_size=3).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
    saved=st.lists(st.builds(Amount, st.integers(-(10**12), 10**12), st.just("EUR")), max_size=1).map(tuple),
)


def everyone(overview: Overview) -> list[Entry]:
    waiting = [entry for _, some in overview.waiting for entry in some]
    return [*overview.approvals, *overview.open, *waiting, *overview.rejected]


@settings(max_examples=120, deadline=None)
@given(overviews)
def test_hostile_names_stay_words(overview: Overview) -> None:
    text = dashboard(overview, 1_000_000)
    asked = [entry for entry in everyone(overview) if entry.ask is not None]
    found = list(boxes(text))
    # a key that is too long to be read again has no box that anybody obeys
    told = [(box(entry.ask, entry.key), entry) for entry in asked if entry.ask]
    assert {(each.wish, each.key) for each in found} <= {(entry.ask, entry.key) for _, entry in told}
    assert len(found) == sum(len(line) < 1200 for line, _ in told)
    assert ticked(text) == frozenset()
    lines = text.split("\n")
    assert text.splitlines() == lines[:-1] or not any(
        mark in text for mark in "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
    )
    heads = {line for line in lines if line.startswith("#")}
    assert all(re.fullmatch(r"### [A-Z][A-Za-z' ]+", head) for head in heads)
    bare = re.sub(r"<!-- reconcile:[a-z]+ [A-Za-z0-9._/%-]+ -->", "", text)
    bare = re.sub(r"(?<!\\)`[^`\n]*`", "", bare)  # code spans show what is in them
    bare = re.sub(r"\]\(<https?://[^<>\s]*>\)", "", bare)
    bare = re.sub(r"\\.", " ", bare)  # what is escaped still stands between its neighbours
    assert not re.search(r"[<>]|```|~~~|@\w|\]\(", bare), bare


@settings(max_examples=50, deadline=None)
@given(overviews, st.integers(6_000, 60_000))
def test_it_always_fits(overview: Overview, limit: int) -> None:
    many = overview._replace(open=overview.open * 200, rejected=overview.rejected * 200)
    assert size(dashboard(many, limit)) <= limit


@settings(max_examples=50, deadline=None)
@given(overviews)
def test_a_ticked_box_stays_ticked_while_it_is_asked(overview: Overview) -> None:
    plain = dashboard(overview, 1_000_000)
    asked = {(each.wish, each.key) for each in boxes(plain)}
    wishes = {*asked, (Wish.OPEN, "nobody/here")}
    text = dashboard(overview, 1_000_000, wishes)
    assert ticked(text) == asked
    assert dashboard(overview, 1_000_000) == plain  # and by itself it never moves


def test_more_rows_are_shown_where_there_is_room() -> None:
    many = tuple(Entry(f"savings/w{at}", f"right-size w{at}", ask=Wish.OPEN) for at in range(300))
    overview = Overview(waiting=((Reason.QUEUED, many),))
    assert len(list(boxes(dashboard(overview, 1_000_000)))) == 300
    short = dashboard(overview, 10_000)
    assert 0 < len(list(boxes(short))) < 300
    assert "… and " in short
    assert "**0 open, 300 waiting, 0 rejected.**" in short


def test_links_lead_only_where_links_can() -> None:
    good = Entry("savings/web", "web", "https://git.example.com/o/r/pulls/7", 7)
    assert "- [web](<https://git.example.com/o/r/pulls/7>) (7)" in dashboard(Overview(open=(good,)), 10_000)
    for url in ("javascript:alert(1)", "/srv/git/deploy.git", "https://x/>)<b>", "https://x/ y", ""):
        assert "](" not in dashboard(Overview(open=(good._replace(url=url),)), 10_000)


@pytest.mark.parametrize(("base", "topic"), [("main", "dashboard"), ("live", "dashboard-live")])
def test_each_branch_has_its_topic(base: str, topic: str) -> None:
    assert topic_of(base, "main") == topic


def test_what_costs_more_than_it_saves_is_no_negative_saving() -> None:
    costs = Overview(saved=(Amount(-3_000_000, "USD"),), offered=(Amount(-1_890_000, "USD"),))
    text = plain(dashboard(costs, 10_000))
    assert "Added so far: \\$3.00 a month. What is open costs: \\$1.89 a month." in text
    assert "On offer" not in text
