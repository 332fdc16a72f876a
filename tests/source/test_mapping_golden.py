"""Mappings that ship with the program, each with a file before and after."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mapping_world import asked, joined_discovery, written
from trees import Tree

from reconciler.config import PolicyBook

CASES = sorted(path for path in (Path(__file__).parents[1] / "mappings").iterdir() if path.is_dir())
SHIPPED = Path(__file__).parents[2] / "policies" / "mappings"


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_what_is_asked_for_changes_and_nothing_else(folder: Path) -> None:
    before = (folder / "before.yaml").read_bytes()
    case = json.loads((folder / "case.json").read_text())
    discovery = joined_discovery(Tree({"cluster/object.yaml": before}), PolicyBook().mappings)
    values = [value for target, wishes in case["set"].items() for value in asked(discovery, target, *wishes)]
    after = written(before, values)
    assert isinstance(after, bytes), after
    assert after.decode() == (folder / "after.yaml").read_text()
    assert written(after, asked_again(after, case["set"])) == after


def asked_again(after: bytes, wishes: dict[str, list[str]]) -> list:
    discovery = joined_discovery(Tree({"cluster/object.yaml": after}), PolicyBook().mappings)
    return [value for target, some in wishes.items() for value in asked(discovery, target, *some)]


def test_every_ready_made_mapping_has_a_case_that_meets_it() -> None:
    met = set()
    for folder in CASES:
        tree = Tree({"cluster/object.yaml": (folder / "before.yaml").read_bytes()})
        for each in joined_discovery(tree, PolicyBook().mappings).workloads:
            met |= {
                slot.how_traced.partition('"by":"')[2].partition('"')[0]
                for c in each.containers
                for slot in c.slots
            }
    alike = (" of a CronJob", " of a Pod", " as a StatefulSet")  # the same with another path or kind
    names = {one.name for one in PolicyBook().mappings if not one.name.endswith(alike)}
    rare = {
        "Strimzi Cruise Control", "Strimzi KafkaMirrorMaker2", "Strimzi KafkaBridge", "CloudNativePG Pooler",
        "PrometheusAgent", "ThanosRuler", "OpenTelemetry target allocator", "VictoriaMetrics VMAlert",
        "VictoriaMetrics VMCluster vminsert", "Percona MongoDB config servers",
    }  # fmt: skip
    assert names - met <= rare


def test_every_file_of_mappings_says_what_it_is() -> None:
    for path in sorted(SHIPPED.glob("*.yaml")):
        text = path.read_text()
        assert text.startswith(f"# {path.stem}: ")
        assert f"`{path.stem}`" in (SHIPPED.parents[1] / "docs" / "mappings.md").read_text()
