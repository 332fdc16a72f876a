"""Reading: where documents begin, what stands where, and what one broken document costs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reconciler.model import Refused
from reconciler.source.yamledit import Alias, Assignment, Mapping, Scalar, Sequence, parse, rewrite, where
from reconciler.source.yamledit.reading import parse_some
from reconciler.source.yamledit.splitting import split

sys.path.append(str(Path(__file__).parents[1] / "corpus"))

from manifest_corpus import manifests


def test_spans_count_characters_and_lines_count_from_one() -> None:
    text = "\ufeff# 🚀\r\na: &x !t 'é'\r\nb: [1, *x]\r\n"
    (found,) = parse(text)
    assert isinstance(found.root, Mapping)
    (_, a), (_, b) = found.root.pairs
    assert isinstance(a, Scalar)
    assert (a.value, a.style, a.tag, a.anchor, a.line) == ("é", "'", "!t", "x", 2)
    assert text[a.start : a.end] == "&x !t 'é'"
    assert isinstance(b, Sequence)
    assert (b.flow, text[b.start : b.end]) == (True, "[1, *x]")
    assert isinstance(b.items[1], Alias)
    assert found.targets[b.items[1].start] is a
    assert found.shared == {a.start}


def test_a_block_ends_with_its_last_leaf() -> None:
    text = "a:\n  b: 1  # one\n  # more\n\n# next\nc: 2\n"
    (found,) = parse(text)
    assert isinstance(found.root, Mapping)
    inner = found.root.pairs[0][1]
    assert text[inner.start : inner.end] == "b: 1"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("# only a comment\n", []),
        ("a: 1\n", [1]),
        ("---\na: 1\n---\nb: 2\n", [2, 4]),
        ("# head\n---\na: 1\n--- # two\nb: 2\n---\n", [3, 5, 7]),
        ("a: |\n  ---\n  x\n---\nb: 1\n", [1, 5]),
        ("a: 1\n...\n---\nb: 2\n", [1, 4]),
        ("%YAML 1.1\n---\na: 1\n...\n%YAML 1.1\n---\nb: 1\n", [3, 7]),
        ("---a: 1\n", [1]),
        ("a: '\n\n  ---'\n", [1]),
        ("--- a\n---\tb\n---\r\nc: 1\r\n", [1, 2, 4]),
    ],
)
def test_documents_begin_at_their_markers(text: str, lines: list[int]) -> None:
    found = parse(text)
    assert [one.line for one in found] == lines
    assert [one.index for one in found] == list(range(len(lines)))
    assert not any(one.error for one in found)


def test_a_broken_document_says_where_and_hides_no_other() -> None:
    found = parse("a: 1\n---\nb: [\nc: 2\n---\n{d: 1}\ne: 3\n---\nf: \x07\n---\ng: *h\n---\nok: 1\n")
    assert [bool(one.error) for one in found] == [False, True, True, True, True, False]
    assert [one.error_line for one in found] == [0, 5, 7, 9, 11, 0]
    assert found[-1].root is not None


ONE_BY_LINES = {
    "an end without a marker": "a: 1\n...\nb: 2\n",
    "an end that is none": "a: 1\n...b\n",
    "marker between lone CRs": "a: 1\r---\rb: 2\n",
    "marker between line separators": "a: 1\u2028---\u2028b: 2\n",
    "marker between paragraph separators": "a: 1\u2029---\u2029b: 2\n",
    "marker between next lines": "a: 1\x85---\x85b: 2\n",
    "only lone CRs": "a: 1\r...\r---\rb: 2\r\n",
    "marker after a lone CR": "a: 1\r---\nb: 2\n",
    "text behind a marker that is none": "{a: 1}\n---foo: 1\n",
    "certificate": "{{ if .x }}\na: |\n-----BEGIN CERTIFICATE-----\nMIIB\n{{ end }}\n",
    "a comment that ends early": "# head\u2028a: 1\r---\rb: 1\n",
    "a tab alone": "\t\n",
    "text for a root": "--- |\n x\n",
}


@pytest.mark.parametrize("text", ONE_BY_LINES.values(), ids=ONE_BY_LINES)
def test_what_is_one_document_by_its_lines_is_one_or_none_to_everyone(text: str) -> None:
    """However many a parser sees in it: it never shifts the numbers of those that follow."""
    whole = text + "---\nweb: 1\n---\nb: [\n---\ndb: 2\n"
    documents = parse(whole)
    assert [one.index for one in documents] == [0, 1, 2, 3]
    for one, name in ((documents[1], "web"), (documents[3], "db")):
        assert whole[one.start : one.end].startswith(f"---\n{name}: ")
        assert one.root is not None
    for wanted in range(4):
        assert parse_some(whole, {wanted})[wanted] == documents[wanted]
    assert (documents[0].root is None) == bool(documents[0].error)
    after = rewrite(whole.encode(), [Assignment(1, ("web",), "7"), Assignment(3, ("db",), "8")])
    assert after == whole.replace("web: 1", "web: 7").replace("db: 2", "db: 8").encode()
    if documents[0].error:
        assert isinstance(rewrite(whole.encode(), [Assignment(0, ("a",), "7")]), Refused)


def test_two_documents_without_a_line_between_them_are_refused_with_the_line_of_the_second() -> None:
    (found,) = parse("# one\na: 1\r---\rb: 2\n")
    assert found.root is None
    assert (found.error, found.error_line) == ("a second document begins without a line `---` before it", 2)


def test_a_directive_whose_marker_is_none_spoils_the_document_after_it_alone() -> None:
    found = parse("%YAML 1.1\r---\ra: 1\n---\nb: 1\n---\nc: 1\n")
    assert [bool(one.error) for one in found] == [True, False]


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("%YAML 1.1\n---\na: 1\n---\nb: 1\n", ["%YAML 1.1\n---\na: 1\n", "---\nb: 1\n"]),
        ("# x\n\n%YAML 1.1\n# y\n---\na: 1\n", ["# x\n\n%YAML 1.1\n# y\n---\na: 1\n"]),
        ("a: 1\n...\n# x\n%TAG ! !x\n---\nb: 1\n", ["a: 1\n...\n", "# x\n%TAG ! !x\n---\nb: 1\n"]),
        ("a: |\n\n%x\n---\nb: 1\n", ["a: |\n\n%x\n", "---\nb: 1\n"]),
        ("%A\r\n---\r\na: 1\r\n", ["%A\r\n---\r\na: 1\r\n"]),
        ("\ufeff# x\n---\na: 1\n", ["---\na: 1\n"]),
        ("# x\r# y\u2028\n---\na: 1\n", ["---\na: 1\n"]),
        ("---\n---\n", ["---\n", "---\n"]),
    ],
)
def test_directives_and_comments_belong_to_the_document_they_stand_above(
    text: str, starts: list[str]
) -> None:
    assert [text[start:end] for start, end in split(text)] == starts


def test_lines_are_those_of_an_editor_whatever_yaml_1_1_calls_a_line() -> None:
    text = "a: 'x\u2028y'\nb: \u0085\r c\nd: 1"
    (found,) = parse(text)
    assert isinstance(found.root, Mapping)
    assert next(key.line for key, _ in found.root.pairs) == 1
    assert found.root.pairs[-1][0].line == text.count("\n", 0, text.index("d:")) + 1


def test_an_empty_value_at_the_end_of_a_file_stands_in_its_line() -> None:
    text = "a: 1\ncpu:"
    found = where(parse(text)[0], text, ("cpu",))
    assert (found.line, found.value, found.refused) == (2, None, None)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: {{ .Values.b }}\n", 2),
        ("{{- if x }}\na: 1\n{{- end }}\n", 1),
        ("a: 1\n# {{- if x }}\nb: 1\n", 2),
        ("a: 1\n  {% if x %}\n", 2),
        ("a: '{{ x }}'\n", 0),
        ("a: |\n  {{ x }}\n", 0),
        ("a: --format={{.Names}}\n", 0),
        ("a: 'one\n\n  {{ x }}'\n", 0),
        ("a: {b: {c: 1}}\n", 0),
    ],
)
def test_a_template_is_known_by_what_stands_between_the_values(text: str, line: int) -> None:
    assert parse(text)[0].template == line


def test_reading_only_some_documents_reads_those_alike() -> None:
    for manifest in manifests(80):
        text = manifest.data.decode()
        everything = parse(text)
        for wanted in everything:
            some = parse_some(text, {wanted.index})
            assert len(some) == len(everything)
            assert some[wanted.index] == wanted
    text = "a: 1\n...\nb: 2\n---\nc: [\n---\nd: 1\n"
    assert parse_some(text, {2})[2] == parse(text)[2]


@pytest.mark.parametrize(
    ("text", "keys", "line", "value"),
    [
        ("c:\n  name: x\n  # end\nd: 1\n", ("c", "resources", "requests", "cpu"), 2, None),
        ("c:\n  resources: {}\n", ("c", "resources", "requests", "cpu"), 2, None),
        ("c:\n  resources:\n    requests:\n      memory: 1\n", ("c", "resources", "limits", "cpu"), 4, None),
        ("c: {a: 1,\n  b: 2\n  }\n", ("c", "d"), 2, None),
        ("c:\n  x: |\n    text\n\n\n", ("c", "d"), 3, None),
        ("c: &x 5\n", ("c",), 1, "5"),
        ("a: &x 5\nc: *x\n", ("c",), 2, "5"),
        ("a: &x {b: 5}\nc:\n  <<: *x\n", ("c", "b"), 3, "5"),
        ("a: &x {b: {d: 5}}\nc:\n  <<: *x\n", ("c", "b", "d"), 3, "5"),
        ("a: &x {b: 5}\nc: *x\n", ("c", "b"), 2, "5"),
        ("c: ~\n", ("c",), 1, None),
        ("c: 'null'\n", ("c",), 1, "null"),
        ("c: ''\n", ("c",), 1, ""),
    ],
)
def test_where_a_value_stands_or_would(
    text: str, keys: tuple[str, ...], line: int, value: str | None
) -> None:
    found = where(parse(text)[0], text, keys)
    assert (found.line, found.value, found.refused) == (line, value, None)


def test_where_inside_a_literal_block() -> None:
    text = "a: 1\nvalues: |\n\n  c:\n    cpu: 5\n"
    found = where(parse(text)[0], text, ("values",), ("c", "cpu"))
    assert (found.line, found.value, found.refused) == (5, "5", None)
