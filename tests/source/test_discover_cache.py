"""The cache saves time and nothing else: with it, without it and with a damaged one, the same is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import Tree, deployment

from reconciler.model import Discovery
from reconciler.source.cache import Cache
from reconciler.source.discover import discover

FILES = {
    "a/web.yaml": deployment(metadata="  labels: {tier: web}\n"),
    "a/same.yaml": deployment(metadata="  labels: {tier: web}\n"),
    "b/kustomization.yaml": "resources: [api.yaml]\n",
    "b/api.yaml": deployment("api"),
    "broken.yaml": "kind: Deployment\n[\n",
    "config.yaml": "kind: ConfigMap\n",
    "hpa.yaml": "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: s}\n"
    "spec: {scaleTargetRef: {name: web}, triggers: [{type: cpu}]}\n",
}


def _look(tree: Tree, folder: Path) -> Discovery:
    return discover(tree, (), (), Cache(folder))


def test_a_second_look_reads_nothing_and_finds_the_same(tmp_path: Path) -> None:
    first, second = Tree(FILES), Tree(FILES)
    cold = _look(first, tmp_path / "cache")
    assert first.read_paths.count("a/web.yaml") + first.read_paths.count("a/same.yaml") == 1
    warm = _look(second, tmp_path / "cache")
    assert second.read_paths == []
    assert cold == warm == discover(Tree(FILES), (), ())
    assert len(warm.workloads) == 3
    assert len(warm.failures) == 1
    assert warm.workloads[0].scalers


def test_only_what_changed_is_read_again(tmp_path: Path) -> None:
    _look(Tree(FILES), tmp_path)
    changed = Tree({**FILES, "b/api.yaml": deployment("api2")})
    found = _look(changed, tmp_path)
    assert changed.read_paths == ["b/api.yaml"]
    assert "api2" in {workload.name for workload in found.workloads}


def test_a_kustomization_is_not_mistaken_for_an_equal_manifest(tmp_path: Path) -> None:
    text = "resources: [api.yaml]\nkind: List\napiVersion: v1\nitems: []\n"
    files = {"b/other.yaml": text, "b/kustomization.yaml": text, "b/api.yaml": deployment("api")}
    cold, warm = _look(Tree(files), tmp_path), _look(Tree(files), tmp_path)
    assert cold == warm
    assert cold.workloads[0].containers[0].slots[0].refused is not None


def _file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_cache_is_as_good_as_none(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "cache"
    _look(Tree(FILES), folder)
    good = _file(folder).read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != good[at]))
    cut = data.draw(st.booleans())
    _file(folder).write_bytes(good[:at] if cut else good[:at] + bytes([byte]) + good[at + 1 :])
    tree = Tree(FILES)
    assert _look(tree, folder) == discover(Tree(FILES), (), ())
    assert tree.read_paths  # nothing of it was believed
    assert _file(folder).read_bytes() == good  # and it is whole again


@pytest.mark.parametrize("content", [b"", b"\n", b"[]", b"{}\n{}", b"\xff" * 100])
def test_a_file_that_is_no_cache_is_replaced(tmp_path: Path, content: bytes) -> None:
    _look(Tree(FILES), tmp_path)
    _file(tmp_path).write_bytes(content)
    assert len(_look(Tree(FILES), tmp_path).workloads) == 3
    assert _file(tmp_path).read_bytes() != content


def test_a_cache_of_another_version_is_not_believed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    assert cache.save("deploy", "old", {"blob": 0}, ["blob"]) == ""
    assert cache.load("deploy", "old") == {"blob": 0}
    assert cache.load("deploy", "new") == {}
    assert cache.load("other", "old") == {}


def test_a_cache_that_cannot_be_written_is_a_note(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    found = _look(Tree(FILES), blocked / "cache")
    assert [note.what for note in found.notes] == ["cache"]
    assert len(found.workloads) == 3


def test_the_cache_stays_bounded_and_keeps_what_is_used(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    stored = {str(number): 0 for number in range(20_000)}
    cache.save("deploy", "v", stored, ["1", "2"])
    assert set(cache.load("deploy", "v")) == {"1", "2"}
    cache.save("deploy", "v", dict(list(stored.items())[:100]), ["1"])
    assert len(cache.load("deploy", "v")) == 100


def test_nothing_in_the_cache_can_run(tmp_path: Path) -> None:
    _look(Tree(FILES), tmp_path)
    body = _file(tmp_path).read_bytes().partition(b"\n")[2]
    assert isinstance(json.loads(body), dict)
