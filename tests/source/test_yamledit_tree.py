"""Reading: where documents begin, what stands where, and what one broken document costs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reconciler.source.yamledit import Alias, Mapping, Scalar, Sequence, parse, where
from reconciler.source.yamledit.reading import parse_some

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


def test_what_follows_an_end_without_a_marker_breaks_only_what_follows() -> None:
    first, second = parse("a: 1\n...\nb: 2\n")
    assert (first.error, first.line) == ("", 1)
    assert second.error
    assert second.error_line == 3


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
    assert parse_some(text, {3})[3] == parse(text)[3]


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
