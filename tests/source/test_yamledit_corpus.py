"""Hundreds of manifests in every style: right in three parsers' eyes, and no line touched without need."""

from __future__ import annotations

import copy
import difflib
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
import yaml12
from ruamel.yaml import YAML

from reconciler.source.yamledit import Assignment, decode, parse, rewrite, where

sys.path.append(str(Path(__file__).parents[1] / "corpus"))

from manifest_corpus import STYLES, Manifest, manifests

FILES = list(manifests(420))
NEW = {"cpu": "735m", "memory": "1471Mi"}


def by_ruamel(text: str) -> list[Any]:
    loader = YAML(typ="safe", pure=True)
    loader.version = (1, 1)
    return list(loader.load_all(io.StringIO(text)))


PARSERS: dict[str, Callable[[str], list[Any]]] = {
    "py-yaml12": lambda text: yaml12.parse_yaml(text.removeprefix("\ufeff"), multi=True),
    "libyaml": lambda text: list(yaml.load_all(text, Loader=yaml.CSafeLoader)),
    "ruamel": by_ruamel,
}


def assignments(manifest: Manifest) -> list[Assignment]:
    return [
        Assignment(document, (*path, "resources", "requests", name), value)
        for document, path in manifest.containers
        for name, value in NEW.items()
    ]


def edited(manifest: Manifest) -> str:
    after = rewrite(manifest.data, assignments(manifest))
    assert isinstance(after, bytes), (manifest.name, after)
    return after.decode()


def intended(documents: list[Any], manifest: Manifest) -> list[Any]:
    documents = copy.deepcopy(documents)
    for document, path in manifest.containers:
        found = documents[document]
        for key in path:
            found = found[key]
        for key in ("resources", "requests"):
            if found.get(key) is None:
                found[key] = {}
            found = found[key]
        found.update(NEW)
    return documents


@pytest.mark.parametrize("style", STYLES)
def test_every_manifest_holds_exactly_the_new_values_for_three_parsers(style: str) -> None:
    files = [one for one in FILES if one.name.endswith("-" + style)]
    assert files
    for manifest in files[:10]:
        before, after = manifest.data.decode(), edited(manifest)
        for name, parser in PARSERS.items():
            assert parser(after) == intended(parser(before), manifest), (manifest.name, name)
        if manifest.style.json:
            json.loads(after)


def test_every_manifest_is_edited_and_none_refused() -> None:
    for manifest in FILES:
        before, after = manifest.data.decode(), edited(manifest)
        libyaml = PARSERS["libyaml"]
        assert libyaml(after) == intended(libyaml(before), manifest), manifest.name


def test_a_second_time_changes_nothing() -> None:
    for manifest in FILES:
        once = edited(manifest).encode()
        assert rewrite(once, assignments(manifest)) is once


def test_no_line_is_touched_without_need() -> None:
    for manifest in FILES:
        before, after = manifest.data.decode(), edited(manifest)
        removed, added = changed(before, after)
        for line in removed:
            assert is_of_resources(line) or is_only_line_end(line, added, before, manifest), (
                manifest.name,
                line,
            )
        for line in added:
            assert is_of_resources(line) or line.strip() in "{}," or line in without_end(removed), (
                manifest.name
            )
        assert len(removed) <= replaced_at_most(manifest, before), (manifest.name, removed)


def changed(before: str, after: str) -> tuple[list[str], list[str]]:
    removed, added = [], []
    matcher = difflib.SequenceMatcher(
        None, before.splitlines(keepends=True), after.splitlines(keepends=True), autojunk=False
    )
    for what, a, b, c, d in matcher.get_opcodes():
        if what != "equal":
            removed += matcher.a[a:b]
            added += matcher.b[c:d]
    return removed, added


def is_of_resources(line: str) -> bool:
    return any(word in line for word in ("resources", "requests", "cpu", "memory"))


def without_end(lines: list[str]) -> list[str]:
    return [
        end
        for line in lines
        for end in (line + "\n", line + "\r\n", line.rstrip() + ",\n", line.rstrip() + ",\r\n")
    ]


def is_only_line_end(line: str, added: list[str], before: str, manifest: Manifest) -> bool:
    """A last line that got its line break, or the comma of JSON."""
    if manifest.style.json:
        return any(one.rstrip() == line.rstrip() + "," for one in added) or line.strip() in ("}", "},")
    return before.endswith(line) and not line.endswith("\n")


def replaced_at_most(manifest: Manifest, before: str) -> int:
    """A line for each value; one more where the file ends without a line break, or JSON wants a comma."""
    return 2 * len(manifest.containers) + len(manifest.containers) * bool(manifest.style.json) + 1


def test_line_ends_and_byte_order_mark_stay_pure() -> None:
    for manifest in FILES:
        after = edited(manifest)
        if manifest.style.newline == "\r\n":
            assert after.count("\n") == after.count("\r\n"), manifest.name
        else:
            assert "\r" not in after
        assert after.startswith("\ufeff") == manifest.style.bom
        assert after.endswith("\n") == manifest.style.final_newline


def test_where_names_the_line_that_changes() -> None:
    for manifest in FILES:
        text = decode(manifest.data)
        assert isinstance(text, str)
        documents, lines = parse(text), text.splitlines()
        for document, path in manifest.containers:
            for name in NEW:
                found = where(documents[document], text, (*path, "resources", "requests", name))
                assert found.refused is None
                assert 1 <= found.line <= len(lines)
                if found.value is not None:
                    assert found.value in lines[found.line - 1]
                    assert name in lines[found.line - 1]


def test_where_agrees_with_a_parser_on_every_value() -> None:
    for manifest in FILES:
        text = manifest.data.decode()
        documents, values = parse(text), yaml.load_all(text, Loader=yaml.CBaseLoader)
        plain = list(values)
        for document, path in manifest.containers:
            found: Any = plain[document]
            for key in path:
                found = found[key]
            for keys in (("image",), ("resources", "limits", "memory"), ("resources", "requests", "cpu")):
                assert where(documents[document], text, (*path, *keys)).value == value_at(found, keys)


def value_at(value: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
