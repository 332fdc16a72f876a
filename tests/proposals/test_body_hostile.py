"""Names from outside stay words, whatever they are: as two real Markdown parsers read them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from body_world import GITHUB, PLAIN, change, keep, proposal
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reconciler.model import ContainerRef, Proof
from reconciler.proposals.markdown import code, prose
from reconciler.proposals.memo import find
from reconciler.proposals.surface import Surface
from reconciler.proposals.wishes import Wish, ticked

# What has a meaning somewhere, alone and in pieces that make it up.
PIECES = (
    "@alice", "#12", "!3", "GH-1", "owner/repo#1", "https://evil.test", "www.evil.test", "ftp://evil.test",
    "mailto:a@evil.test", "a@evil.test", "<b>", "</details>", "<!--", "-->", "<script>", "&lt;", "&#64;x",
    "[x](http://evil.test)", "![x](y)", "`", "``", "```", "~~~", "|", "\\", "\\|", "\n", "\r\n", "\n\n",
    "# head", "\n# head\n", "- [x] ", "\n- [x] <!-- reconcile:rebase savings/all -->\n", "*", "**", "_", "~~",
    "$1", "$`x`$", "%%{init: {}}%%", "/merge", "\n/close\n", "---", "===", "1. ", "> ", "\u202e", "\u200b",
    "\u2028", "\ud800", "&amp;", ":smile:", "\t", " ", "a", "app", "é", "漢", "[^1]", "[a]: http://evil.test",
    "<http://evil.test>",
)  # fmt: skip
NAMES = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), min_size=1, max_size=8).map("".join)
ACTIVE = (
    "<img",
    "<script",
    "<b>",
    "<h1",
    "<h2",
    "<h3",
    "<iframe",
    "<del",
    "<ol",
    "<blockquote",
    "<hr",
    "<em",
)


def gfm(text: str) -> str:
    cmarkgfm = pytest.importorskip("cmarkgfm")
    from cmarkgfm.cmark import Options

    told: str = cmarkgfm.github_flavored_markdown_to_html(
        text.encode("utf-8", "replace").decode(), options=Options.CMARK_OPT_UNSAFE
    )
    return told


def tokens(text: str) -> list[Any]:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    found = parser.parse(text)
    return [*found, *(child for one in found for child in one.children or ())]


def without_ours(shown: str) -> str:
    """The page without the addresses that lead to the repository's own files."""
    return re.sub(r'<a href="https://git\.example\.com/platform/deploy/blob/[^"<>\s]*">[^<]*</a>', "", shown)


@settings(deadline=None)
@given(NAMES)
def test_prose_is_words(text: str) -> None:
    shown = gfm(f"- so: {prose(text)}\n\n{prose(text)}\n\n| a |\n| --- |\n| {prose(text)} |\n")
    assert "<a " not in shown
    assert not re.search(r"[@#!~%&$^]\w", prose(text)), "a mention, or a reference"
    assert not prose(text).startswith("/"), "a command of a forge"
    assert not any(mark in shown for mark in ACTIVE)
    assert shown.count("<li>") == 1
    assert shown.count("<tr>") == 2


@pytest.mark.parametrize(
    "name",
    [
        "fixes #1", "fixes acme/deploy#1", "closes GH-1", "resolves !7", "@ada", "[skip ci]", "[CI Skip]",
        "[no ci]", "[skip actions]", "fixes https://git.example.com/acme/deploy/issues/1",
        "Closes www.example.com/issues/1",
    ],
)  # fmt: skip
def test_titles_and_messages_close_nothing_and_skip_no_checks(name: str) -> None:
    one = proposal([change(ContainerRef(name, name, "Deployment", name, name), because=name)], name=name)
    obeyed = re.compile(r"(?i)[#!@]\w|\bGH-\d|https?:|://|www\.|\[(skip (ci|actions)|ci skip|no ci)\]")
    assert not obeyed.search(one.title), one.title
    assert not obeyed.search(one.message), one.message


@settings(deadline=None)
@given(NAMES)
def test_code_is_one_span(text: str) -> None:
    shown = gfm(f"{code(text)}\n\n| a | b |\n| --- | --- |\n| {code(text)} | z |\n")
    assert shown.count("<code>") == (2 if "<code>" in shown else 0)
    assert shown.count("<td>") == 2
    assert "<td>z</td>" in shown
    assert "<a " not in shown
    assert not any(mark in shown for mark in ACTIVE)


@settings(deadline=None)
@given(NAMES, NAMES, st.sampled_from([GITHUB, PLAIN]))
def test_a_body_of_hostile_names(name: str, words: str, surface: Surface) -> None:
    ref = ContainerRef(name, name, "Deployment", name, words)
    proof = Proof(name, words, (name, words), (name,), (words,), (words,), 1)
    changes = [change(ref, because=words, path=f"apps/{name}", proofs=[proof], new="400m")]
    one = proposal(changes, surface, [keep(ref, detail=words)], name=name, base="main")
    alike = Proof("u", "r", ("a", "b"), ("c",), ("d",), ("e",), 1)
    plain = proposal([change(path="x.yaml", proofs=[alike])], surface, [keep()], name="n")
    told = without_ours(gfm(one.body))
    assert "<a " not in told
    assert not any(mark in told for mark in ACTIVE)
    for mark in ("<li>", "<table>", "<tr>", "<td", "<details>", "<pre", "<input"):
        assert gfm(one.body).count(mark) == gfm(plain.body).count(mark), mark
    kinds = [token.type for token in tokens(one.body)]
    assert "image" not in kinds
    assert "heading_open" not in kinds
    assert ticked(one.body) == frozenset()
    found = find(one.body)
    assert found is not None
    assert found.key == one.key
    assert not any(line.startswith("/") for line in one.body.splitlines()), "a command of a forge"
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069\u200b-\u200f]", one.body + one.title)


def test_a_box_in_a_name_is_no_box() -> None:
    name = "x\n- [x] <!-- reconcile:rebase savings/all -->\n"
    body = proposal([change(ContainerRef("", name, "Deployment", name, name), because=name)]).body
    assert ticked(body) == frozenset()
    assert (Wish.REBASE, "savings/all") in ticked(body.replace("- [ ]", "- [x]")), "our own can be ticked"
