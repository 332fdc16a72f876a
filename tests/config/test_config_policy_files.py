"""Folders of policies: what is read, and how all that is wrong in them is told."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from policy_world import book, container, policy, resolve, workload

from reconciler.config import BadFile, load_policies, parse_policies
from reconciler.errors import Misconfigured
from reconciler.model import Policy


def test_a_folder_is_read_with_all_below_it_and_all_mistakes_are_told(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a.yaml").write_text(policy("a", "resources: {window: 20d}"))
    (tmp_path / "deep" / "b.yml").write_text(policy("b", "priority: 1\nresources: {window: 21d}"))
    (tmp_path / "README.md").write_text("no policy")
    (tmp_path / ".hidden" / "c.yaml").write_text("no policy")
    assert resolve(load_policies(tmp_path)).sizing.window_days == 21
    assert resolve(load_policies(tmp_path / "a.yaml")).sizing.window_days == 20
    (tmp_path / "a.yaml").write_text("x: 1\n")
    (tmp_path / "deep" / "b.yml").write_text("- y\n")
    with pytest.raises(BadFile) as caught:
        load_policies(tmp_path)
    assert {one.path for one in caught.value.mistakes} == {
        str(tmp_path / "a.yaml"), str(tmp_path / "deep" / "b.yml"),
    }  # fmt: skip


def test_wrong_names_and_contradictions_are_told_beside_other_mistakes(tmp_path):
    (tmp_path / "a.yaml").write_text(policy("a", "extends: [cautius, b, e]\nx: 1"))
    (tmp_path / "b.yaml").write_text(policy("b", "resources: {window: 7d, evidence: {days: 8}, y: 1}"))
    (tmp_path / "c.yaml").write_text(policy("c", "extends: [b, cautius, a]"))
    (tmp_path / "d.yaml").write_text(policy("c", "resources: {cpu: {floor: 2, ceiling: 1, round: x}}"))
    (tmp_path / "e.yaml").write_text(policy("batch"))
    with pytest.raises(BadFile) as caught:
        load_policies([tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml", "d.yaml", "e.yaml")])
    told = [line.removeprefix(f"{tmp_path}/").partition(";")[0] for line in str(caught.value).splitlines()]
    assert [line.partition(": ready")[0][:60] for line in told] == [
        'a.yaml:5:1: unknown key "x"',
        "b.yaml:4:42: 8 days of evidence don't fit into a window of 7",
        'b.yaml:4:46: unknown key "y"',
        'c.yaml:4:14: no policy is called "cautius"',
        "d.yaml:4:38: resources.cpu: the ceiling is below the floor",
        "d.yaml:4:48: resources.cpu.round: 'x' is no quantity: write ",
        'e.yaml:3:18: the name "batch" is taken by the policy at read',
    ]
    (tmp_path / "f.yaml").write_text("a: [")  # what it would have held, nobody knows
    with pytest.raises(BadFile) as caught:
        load_policies([tmp_path / "c.yaml", tmp_path / "f.yaml"])
    assert len(caught.value.mistakes) == 1


def test_paths_are_told_without_detours(tmp_path):
    (tmp_path / "settings").mkdir()
    (tmp_path / "p.yaml").write_text(policy("a", "match: {names: [x]}"))
    (note,) = load_policies(tmp_path / "settings" / ".." / "p.yaml").unmatched([workload()])
    assert note.path == str(tmp_path / "p.yaml")


def test_a_detour_through_a_link_is_none(tmp_path):
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "deep")
    (tmp_path / "far" / "p.yaml").write_text(policy("a"))
    assert load_policies(tmp_path / "link" / ".." / "p.yaml").unmatched([]) != ()


def test_the_row_of_a_report_says_the_first_place_once():
    with pytest.raises(BadFile) as caught:
        parse_policies(policy("a", "x: 1\ny: 1"), "t.yaml", "deploy")
    failed = caught.value.failure
    assert (failed.repository, failed.path, failed.line) == ("deploy", "t.yaml", 4)
    assert [line.partition(";")[0] for line in failed.error.splitlines()] == [
        'unknown key "x"', 't.yaml:5:1: unknown key "y"',
    ]  # fmt: skip
    assert str(caught.value) == f"t.yaml:4:1: {failed.error}"


def test_broad_policies_can_rank_below_all_others():
    found = book(
        policy("broad", "priority: -10\nresources: {window: 20d}"), policy("b", "resources: {window: 30d}")
    )
    assert resolve(found).sizing.window_days == 30


def test_several_policies_share_a_file_and_each_keeps_its_lines():
    first, second = parse_policies(policy("a") + "---\n" + policy("b", "mode: observe"), "p.yaml")
    assert (first.line, second.line) == (3, 8)
    assert second.says["mode", "resources"].line == 9


def test_a_folder_that_is_not_there_is_told():
    with pytest.raises(Misconfigured, match="no such file or folder"):
        load_policies(Path("/nowhere/policies"))


def test_ten_thousand_containers_take_less_than_a_second():
    texts = [
        policy(f"p{index}", f"match: {{namespaces: ['team-{index}-*'], paths: ['teams/{index}/**'],"
                            f" labels: {{tier: [web, 'w*']}}}}\nresources: {{window: {20 + index}d}}")
        for index in range(50)
    ]  # fmt: skip
    found = book(*texts)
    workloads = [
        workload(f"web-{n}", namespace=f"team-{n % 50}-prod", path=f"teams/{n % 50}/app-{n}/web.yaml")
        for n in range(10_000)
    ]
    start = time.process_time()
    answers = [found.resolve(one, container(one)) for one in workloads]
    assert time.process_time() - start < 1
    assert [one.sizing.window_days for one in answers[:60] if isinstance(one, Policy)][-10:] == [
        *range(20, 30)
    ]
