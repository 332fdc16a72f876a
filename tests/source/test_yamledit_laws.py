"""Laws of every edit, on generated files: right or refused, nothing else changed, twice is once."""

from __future__ import annotations

import random
import re
import sys
import warnings
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
import yaml12
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity
from ruamel.yaml import YAML

from reconciler.model import Refused
from reconciler.source.yamledit import Alias, Assignment, Mapping, Node, Scalar, Sequence, parse, rewrite
from reconciler.source.yamledit.scalars import is_plain_text, is_quantity, written

sys.path.append(str(Path(__file__).parents[1] / "corpus"))

from manifest_corpus import STYLES, Flow, Folded, Literal, Raw, Style, as_yaml, manifests

WORDS_AND_NUMBERS = (
    "on yes no y n null ~ true 1.20 0362525 010 0o7 0x1F 1e3 1_000 12:30 12:30:45 2024-01-01 = << .5 5. .inf "
    "-.nan +1 -1 1.2.3 1.2.3e5 1E 12E5 0b1 0x 1,5 NaN inf TRUE Off nULL e 1. v1 nginx:1.27 a@sha256:0123abcd "
    "a:b 1.2.3.4:5000/x host:5000/a/b:1.0"
)
SIGNS = "--- ... - ? : # a# @a `a %a *a &a !a |a >a 'a \"a a' [a] {a} a, a]"
NASTY = [
    *WORDS_AND_NUMBERS.split(),
    *SIGNS.split(),
    "",
    " ",
    "a ",
    " a",
    "a: b",
    "a #b",
    "- a",
    "? a",
    "a:",
    "it's",
]
NASTY += ['say "hi"', "back\\slash", "two\nlines", "tab\there", "é", "🚀", "{{ a }}", "x" * 300]
NASTY += ["\u0085", "\u2028", "\ufeff", "\x7f", "\x00"]


# -- how one value is written ---------------------------------------------------------------------


def readings(text: str) -> Iterator[tuple[str, Any]]:
    yield "py-yaml12", yaml12.parse_yaml(text, multi=True)[0]
    yield "libyaml", yaml.load(text, Loader=yaml.CSafeLoader)
    for version in ((1, 1), (1, 2)):
        loader = YAML(typ="safe", pure=True)
        loader.version = version
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that `1e3` is a number in YAML 1.2 only is what we test
            found = loader.load(text)
        yield f"ruamel {version}", found


@pytest.mark.parametrize("value", NASTY)
@pytest.mark.parametrize("style", ["", "'", '"'])
@pytest.mark.parametrize("frame", ["a: {}\n", "{{a: {}, b: c}}\n", "- {}\n"])
def test_nasty_text_is_text_to_everyone(value: str, style: str, frame: str) -> None:
    text = frame.format(written(value, text=True, json=False, style=style))
    for name, found in readings(text):
        assert (found[0] if isinstance(found, list) else found["a"]) == value, (name, text)


@given(st.text(alphabet="0123456789.+-_:eExXoObBaAfFtTzZnNyYsSlLuUrR~=<@/", max_size=12))
@settings(max_examples=400, deadline=None)
@example("1.0.0")
def test_what_looks_like_a_number_or_a_word_is_text_to_everyone(value: str) -> None:
    if is_plain_text(value):
        for name, found in readings(f"a: {value}\n"):
            assert found == {"a": value}, name


QUANTITIES = st.from_regex(
    r"[+-]?([0-9]{1,14}(\.[0-9]{0,6})?|\.[0-9]{1,6})([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?",
    fullmatch=True,
)


@given(QUANTITIES, st.sampled_from(["", "'", '"']), st.booleans())
@settings(max_examples=200, deadline=None)
@example("9000000000000.001", "", False)
def test_a_quantity_means_the_same_to_kubernetes_however_it_is_written(
    value: str, style: str, json: bool
) -> None:
    assert is_quantity(value)
    text = f'{{"a": {written(value, text=False, json=json, style=style)}}}\n'
    for name, found in readings(text):
        read = found["a"]
        assert isinstance(read, str | int | float)
        if isinstance(read, str):
            assert read == value, name
        else:
            assert Decimal(repr(read)) == parse_quantity(value), name


# -- whole files ----------------------------------------------------------------------------------

WORDS = st.sampled_from(["name", "image", "cpu", "on", "a-b", "x.y/z", "1", "key with blanks"])
TEXTS = st.sampled_from(
    ["web", "registry/web:1.0", "yes", "1.20", "x: y", "a # b", "it's", "-", "long " * 30]
)
LEAVES = st.one_of(
    TEXTS,
    st.sampled_from([Raw("1"), Raw("0.5"), Raw("null"), Raw(""), Raw("true"), Raw("500m"), Raw("~")]),
    st.sampled_from([Literal("some text\n\nand more\n"), Folded("folded\ntext"), Literal("x")]),
    st.sampled_from([Flow({}), Flow([]), Flow({"a": "b"}), Flow(["a", "b"])]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(WORDS, inner, min_size=1, max_size=4), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=12,
)
BLOCK_STYLES = [style for style in STYLES.values() if not style.json]


@st.composite
def files(draw: st.DrawFn) -> str:
    roots = draw(st.lists(st.dictionaries(WORDS, VALUES, min_size=1, max_size=4), min_size=1, max_size=3))
    style: Style = draw(st.sampled_from(BLOCK_STYLES))
    text = as_yaml(roots, style, random.Random(draw(st.integers(0, 99))))
    if not style.final_newline:
        text = text.rstrip("\n")
    return ("\ufeff" if style.bom else "") + text.replace("\n", style.newline)


def paths(node: Node, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every path to a value, and beside each mapping and below each empty value one that is missing."""
    if isinstance(node, Mapping):
        yield (*path, "added")
        yield (*path, "added", "below", "deeper")
        for key, value in node.pairs:
            if isinstance(key, Scalar):
                yield from paths(value, (*path, key.value))
    elif isinstance(node, Sequence):
        for at, item in enumerate(node.items):
            yield from paths(item, (*path, at))
    else:
        yield path
        yield (*path, "added")


def assignments(text: str, data: st.DataObject) -> list[Assignment]:
    places = [
        (found.index, path) for found in parse(text) if found.root for path in paths(found.root) if path
    ]
    if not places:
        return []
    chosen = data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=4, unique=True))
    made = []
    for document, path in chosen:
        if data.draw(st.booleans()):
            made.append(Assignment(document, path, data.draw(st.sampled_from(NASTY)), True))
        else:
            made.append(
                Assignment(document, path, data.draw(st.sampled_from(["735m", "2", "0.25", "1e3", "010"])))
            )
    return made


def put(value: Any, keys: tuple[str | int, ...], new: Any) -> Any:
    """The value with another at the end of a path; aliases elsewhere keep what they had."""
    if not keys:
        return new
    if isinstance(value, list):
        assert isinstance(keys[0], int)
        return [*value[: keys[0]], put(value[keys[0]], keys[1:], new), *value[keys[0] + 1 :]]
    value = value if isinstance(value, dict) else {}
    return {**value, keys[0]: put(value.get(keys[0]), keys[1:], new)}


def as_words(text: str) -> list[Any]:
    """All documents with every scalar as its text, by libyaml."""
    return list(yaml.load_all(text, Loader=yaml.CBaseLoader))


def node_at(node: Any, keys: tuple[str | int, ...]) -> Any:
    for key in keys:
        if isinstance(node, yaml.SequenceNode):
            node = node.value[key]
        elif isinstance(node, yaml.MappingNode):
            node = next(own for name, own in reversed(node.value) if name.value == key)
        else:
            raise StopIteration
    return node


def check(before: str, wanted: list[Assignment]) -> bool:
    """Whether it was edited. Whatever comes out must be right."""
    after_data = rewrite(before.encode(), wanted)
    if isinstance(after_data, Refused):
        assert after_data.detail
        return False
    after = after_data.decode()
    intended = as_words(before)
    for one in wanted:
        intended[one.document] = put(intended[one.document], one.keys, one.value)
    assert as_words(after) == intended
    nodes = list(yaml.compose_all(after, Loader=yaml.CSafeLoader))
    for one in wanted:
        kind = node_at(nodes[one.document], one.keys).tag.rpartition(":")[2]
        assert kind == "str" or (not one.text and kind in ("int", "float")), (one, kind)
    assert rewrite(after_data, wanted) == after_data
    assert lines_gone(before, after) <= lines_of_old_values(before, wanted)
    assert after.startswith("\ufeff") == before.startswith("\ufeff")
    return True


def lines_gone(before: str, after: str) -> int:
    """How many lines the shortest possible diff takes away."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    kept = [0] * (len(new) + 1)
    for line in old:
        above = kept[:]
        for at, other in enumerate(new):
            kept[at + 1] = above[at] + 1 if line == other else max(above[at + 1], kept[at])
    return len(old) - kept[-1]


def lines_of_old_values(before: str, wanted: list[Assignment]) -> int:
    """The lines that the old values stand in, and the last one, which may get its line break."""
    nodes = list(yaml.compose_all(before, Loader=yaml.CBaseLoader))
    total = 1
    for one in wanted:
        total += 1
        try:
            node = node_at(nodes[one.document], one.keys)
        except StopIteration:
            continue
        total += node.end_mark.line - node.start_mark.line
    return total


@given(st.data(), files())
@settings(max_examples=300, deadline=None)
def test_right_or_refused_on_generated_files(data: st.DataObject, before: str) -> None:
    if wanted := assignments(before, data):
        check(before, wanted)


CORPUS = [one.data.decode() for one in manifests(60, seed=11)]
SNIPPETS = [
    "&a ",
    "*a",
    "&b ",
    "*b",
    "!!str ",
    "!x ",
    "? ",
    "<<: *a\n",
    "{",
    "}",
    "[",
    "]",
    ": ",
    ", ",
    "# ",
    "'",
]
SNIPPETS += [
    '"',
    "\n",
    "\r\n",
    "\t",
    "  ",
    "---\n",
    "...\n",
    "- ",
    "|\n",
    "> ",
    "{{ x }}",
    "\u0085",
    "\u2028",
    "null",
    "%",
]


@given(st.data(), st.sampled_from(CORPUS))
@settings(max_examples=500, deadline=None)
def test_right_or_refused_on_damaged_files(data: st.DataObject, before: str) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(before)))
        cut = data.draw(st.sampled_from([0, 0, 0, 1, 5]))
        before = before[:at] + data.draw(st.sampled_from(SNIPPETS)) + before[at + cut :]
    wanted = assignments(before, data)
    if "<<" in before or not wanted:  # the words of a merge are no value of their own
        assert not wanted or rewrite(before.encode(), wanted) is not None
        return
    try:
        as_words(before)
    except (yaml.YAMLError, ValueError):
        rewrite_or_refuse(before, wanted)
        return
    check(before, wanted)


def rewrite_or_refuse(before: str, wanted: list[Assignment]) -> None:
    """Another document is broken: then at least this one's lines are all there."""
    after = rewrite(before.encode(), wanted)
    if not isinstance(after, Refused):
        assert len(after.decode().splitlines()) >= 1


@given(st.text(alphabet="a:- \n\t#'\"{}[],&*?|>!%@`\\\r\ufeff\u0085.~01", max_size=40))
@settings(max_examples=600, deadline=None)
def test_any_text_is_read_without_a_crash(text: str) -> None:
    documents = parse(text)
    for found in documents:
        assert 0 <= found.start <= found.end <= len(text)
        if found.root is not None:
            spans(found.root, text)
        else:
            assert found.error
            assert found.error_line >= 1


def spans(node: Node, text: str) -> None:
    """Every node's span lies in the text, within its parent's, in order; and says what it holds."""
    assert 0 <= node.start <= node.end <= len(text)
    assert node.line == text.count("\n", 0, node.start) + 1
    if isinstance(node, Scalar) and not (node.style or node.tag or node.anchor):
        assert re.sub(r"\s+", " ", text[node.start : node.end]) == re.sub(r"\s+", " ", node.value)
    if isinstance(node, Alias):
        assert text[node.start : node.end] == "*" + node.name
    children: list[Node] = []
    if isinstance(node, Mapping):
        children = [part for pair in node.pairs for part in pair]
    elif isinstance(node, Sequence):
        children = list(node.items)
    for child in children:
        assert node.start <= child.start <= child.end <= max(node.end, child.end)
        spans(child, text)
