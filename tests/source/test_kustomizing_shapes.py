"""Every shape of a kustomization: what owns each field, and what each edit changes, byte by byte.

The shapes lie in tests/overlays, each with its files, the edits to try, and what is expected.
"""

from __future__ import annotations

import pytest
from kustomizing_world import SHAPES, Remembering, kubectl_renderer, read_shape, told, unit, wishes

from reconciler.model import Refused
from reconciler.source.kustomizing import edit, trace

NAMES = sorted(path.name for path in SHAPES.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def renderer() -> Remembering:
    return Remembering(kubectl_renderer())


@pytest.mark.parametrize("name", NAMES)
def test_a_shape_is_traced_and_edited_as_expected(name: str, renderer: Remembering) -> None:
    expected = (SHAPES / name / "expected.txt").read_text(encoding="utf-8")
    assert told(name, renderer) == expected


@pytest.mark.parametrize("name", ["base-and-overlay", "images", "json-patches", "legacy-keys", "crlf"])
def test_an_edit_made_twice_is_made_once(name: str, renderer: Remembering) -> None:
    files, folder, edits = read_shape(name)
    before = unit(files, folder)
    for words in edits:
        overlay = words.endswith(" overlay")
        traced = trace(before, renderer)
        first = edit(before, traced, wishes(traced, words.split()), renderer, overlay=overlay)
        if isinstance(first, Refused):
            continue
        after = unit({**files, **{one.change.path: one.change.after for one in first.files}}, folder)
        again = trace(after, renderer)
        second = edit(after, again, wishes(again, words.split()), renderer, overlay=overlay)
        assert not isinstance(second, Refused)
        assert second.files == ()


def test_most_shapes_need_two_renders(renderer: Remembering) -> None:
    counts = []
    for name in NAMES:
        files, folder, _ = read_shape(name)
        counts.append(trace(unit(files, folder), renderer).renders)
    assert sum(counts) / len(counts) < 3
