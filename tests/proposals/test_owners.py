"""Whose files are, as GitHub's and GitLab's files say."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.proposals.owners import CodeOwners, code_owners, parse, reviewers

GITHUB = r"""
# everything
*            @global you@example.com
*.yaml       @org/yaml   # a comment
/build/logs/ @doctocat
docs/*       docs@example.com @docs
apps/        @octocat
/scripts/    @a @b
**/secret    @sec
/apps/free
apps/**/deep @deep
with\ blank/ @blank
\#hash       @hash
!no.txt      @never
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("README.md", ["global"]),
        ("a/b/c.yaml", ["org/yaml"]),
        ("build/logs/x", ["doctocat"]),
        ("deep/build/logs/x", ["global"]),  # tied to the root
        ("docs/x.md", ["docs"]),
        ("docs/build/x.md", ["global"]),  # `*` ends at the folder
        ("a/docs/x.md", ["global"]),
        ("a/apps/x", ["octocat"]),  # a folder at any depth
        ("apps", ["global"]),  # a file of a folder's name
        ("scripts/x/y.yaml", ["a", "b"]),
        ("x/secret", ["sec"]),
        ("secret/below/it", ["sec"]),
        ("apps/free", []),  # a line without a name: nobody's
        ("apps/free/x", []),
        ("apps/deep", ["deep"]),
        ("apps/a/b/deep", ["deep"]),
        ("with blank/x", ["blank"]),
        ("#hash", ["hash"]),
        ("no.txt", ["global"]),
    ],
)
def test_githubs_last_match_wins(path: str, expected: list[str]) -> None:
    assert list(parse(GITHUB.encode()).of(path)) == expected


GITLAB = """
* @root
[Docs] @writers @@maintainer
docs/
README.md @boss
^[Web][2] @group/sub/web
*.js
!generated.js
[docs]
CHANGELOG.md
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("x", ["root"]),
        ("a/docs/x", ["root", "writers"]),  # not tied to the root; the names of its section
        ("README.md", ["root", "boss"]),
        ("a/b.js", ["root", "group/sub/web"]),
        ("a/generated.js", ["root"]),
        ("CHANGELOG.md", ["root"]),  # the second head of a section names nobody
    ],
)
def test_gitlabs_sections_add_up(path: str, expected: list[str]) -> None:
    assert list(parse(GITLAB.encode()).of(path)) == expected


def test_only_a_leading_slash_ties_gitlabs_patterns_to_the_root() -> None:
    text = b"config/db @dba\n/top/db @top\n"
    assert parse(text, gitlab=True).of("a/config/db") == ("dba",)
    assert parse(text).of("a/config/db") == ()
    assert parse(text, gitlab=True).of("a/top/db") == ()


def test_the_first_file_counts() -> None:
    files = {"docs/CODEOWNERS": b"* @docs", "CODEOWNERS": b"* @root", ".github/CODEOWNERS": b"* @hub"}
    assert code_owners(files.get).of("x") == ("hub",)
    del files[".github/CODEOWNERS"]
    assert code_owners(files.get).of("x") == ("root",)
    del files["CODEOWNERS"]
    assert code_owners(files.get).of("x") == ("docs",)
    assert code_owners({}.get) == CodeOwners()


def test_reviewers_are_few_once_each_and_never_the_bot() -> None:
    assert reviewers(["a", "Reconciler[bot]", "b", "a", "c"], "reconciler", 2) == ("a", "b")
    assert reviewers(["reconciler", "b"], "reconciler[bot]") == ("b",)
    assert reviewers(["org/reconciler"], "reconciler") == ("org/reconciler",)
    assert len(reviewers([f"u{n}" for n in range(50)], "")) == 5


@pytest.mark.parametrize(
    "text",
    [
        "*" * 400 + "x @a\n", "**/" * 150 + "x @a\n", "/**/" * 120 + " @a\n", "\0ffffffffff;x @a\n",
        "[[[[ @a\n", "\\ @a\n", "x \\", "@a @b\n", "]( @a\n", "\xff\xfe @a\n", "a{1000}{1000} @a",
        "(?P<x> @a", "[" + "x" * 1000 + "] @a\n* @b",
    ],
)  # fmt: skip
def test_hostile_lines_neither_break_nor_stop_it(text: str) -> None:
    began = time.process_time()
    found = parse((text + "\n/safe @safe").encode("latin-1"))
    found.of("x" * 4000)
    found.of("/".join("x" * 500))
    assert found.of("safe")[-1] == "safe"
    assert time.process_time() - began < 1


def test_names_that_are_none_are_left_out() -> None:
    text = b"x @a/../b @<script> @-x @ok @a//b @" + b"y" * 200 + b" @o/t\n"
    assert parse(text).of("x") == ("ok", "o/t")


@given(st.binary(max_size=300), st.text(max_size=40))
def test_any_bytes_are_read(data: bytes, path: str) -> None:
    assert all(name for name in parse(data).of(path))


@given(
    st.text(alphabet="ab/*?\\ .", min_size=1, max_size=12),
    st.text(alphabet="ab/. ", min_size=1, max_size=12),
    st.booleans(),
)
def test_what_is_looked_for_first_rules_out_nothing_that_matches(
    pattern: str, path: str, gitlab: bool
) -> None:
    for rules in parse(f"{pattern} @a\n".encode(), gitlab=gitlab).sections:
        for rule in rules:
            assert rule.expression(path) is None or rule.literal in path
