"""Changes into files: each as a whole or not at all, and never one at the cost of another."""

from __future__ import annotations

from collections.abc import Sequence

import yaml12
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import deployment, found_in

from reconciler.model import Container, Field, FileChange, NewValue, Reason
from reconciler.source.rewrite import rewrite_groups, rewrite_values
from reconciler.source.wishes import new_values

SHARED = """\
        - name: app
          image: nginx:1.25
          resources: {requests: {cpu: &cpu 100m}, limits: {cpu: *cpu}}
"""
FILES = {
    "a.yaml": (deployment("one") + "---\n" + deployment("two")).encode(),
    "b.yaml": deployment("three").encode(),
    "c.yaml": deployment("four", containers=SHARED).encode(),
}


def _containers(files: dict[str, bytes] = FILES) -> dict[str, Container]:
    return {workload.name: workload.containers[0] for workload in found_in(files).workloads}


def _after(changes: dict[str, FileChange]) -> dict[str, bytes]:
    return {**FILES, **{path: change.after for path, change in changes.items()}}


def _values(files: dict[str, bytes]) -> dict[tuple[str, Field], str | None]:
    return {
        (name, slot.field): slot.value for name, found in _containers(files).items() for slot in found.slots
    }


def _wish(name: str, *wishes: str) -> list[NewValue]:
    return list(new_values(_containers()[name], wishes))


def test_nothing_that_was_not_asked_for_changes() -> None:
    changes, refused = rewrite_groups(FILES, [_wish("one", "cpu=250m"), _wish("two", "memory=1Gi")])
    assert refused == {}
    assert list(changes) == ["a.yaml"]
    before, after = _values(FILES), _values(_after(changes))
    assert {key: after[key] for key in after if after[key] != before[key]} == {
        ("one", Field.CPU_REQUEST): "250m",
        ("two", Field.MEMORY_REQUEST): "1Gi",
    }
    assert changes["a.yaml"].before == FILES["a.yaml"]


def test_what_already_is_so_is_no_change() -> None:
    assert rewrite_values(FILES, _wish("one", "image=nginx:1.25")) == ({}, None)
    assert rewrite_groups(FILES, []) == ({}, {})


def test_a_refused_slot_spoils_its_own_group_in_every_file_and_no_other() -> None:
    bad = _wish("one", "cpu=1") + _wish("three", "cpu=1") + _wish("four", "cpu=1")
    good = _wish("two", "cpu=2")
    changes, refused = rewrite_groups(FILES, [bad, good])
    assert list(refused) == [0]
    assert refused[0].reason is Reason.SHARED_ANCHOR
    assert list(changes) == ["a.yaml"]
    after = _values(_after(changes))
    assert (after["one", Field.CPU_REQUEST], after["two", Field.CPU_REQUEST]) == (None, "2")


def test_what_only_the_text_refuses_leaves_with_all_it_wanted() -> None:
    """A slot that looked editable, in a file that is no longer what it was."""
    files = {**FILES, "b.yaml": b"kind: [\n"}
    groups = [_wish("one", "cpu=1") + _wish("three", "cpu=1"), _wish("two", "cpu=2")]
    changes, refused = rewrite_groups(files, groups)
    assert list(refused) == [0]
    assert list(changes) == ["a.yaml"]
    assert _values({**FILES, "a.yaml": changes["a.yaml"].after})["one", Field.CPU_REQUEST] is None


def test_a_file_that_is_not_there_is_refused() -> None:
    changes, refused = rewrite_values({}, _wish("one", "cpu=1"))
    assert changes == {}
    assert refused is not None
    assert "a.yaml" in refused.detail


def test_of_two_that_contradict_each_other_the_first_stays() -> None:
    groups = [_wish("one", "cpu=1"), _wish("one", "cpu=2") + _wish("two", "cpu=2"), _wish("one", "cpu=1")]
    changes, refused = rewrite_groups(FILES, groups)
    assert list(refused) == [1]
    assert "both 1 and 2" in refused[1].detail
    after = _values(_after(changes))
    assert (after["one", Field.CPU_REQUEST], after["two", Field.CPU_REQUEST]) == ("1", None)


_names = st.sampled_from(["one", "two", "three", "four"])
_wishes = st.sampled_from(["cpu=1", "cpu=2", "memory=1Gi", "limits.cpu=3", "image=:2"])
_groups = st.lists(st.lists(st.tuples(_names, _wishes), min_size=1, max_size=3), max_size=5)


@settings(max_examples=150, deadline=None)
@given(_groups)
def test_every_group_is_there_as_a_whole_or_refused(wanted: Sequence[Sequence[tuple[str, str]]]) -> None:
    found = _containers()
    groups = [[new_values(found[name], [wish])[0] for name, wish in group] for group in wanted]
    changes, refused = rewrite_groups(FILES, groups)
    after, expected = _values(_after(changes)), _values(FILES)
    for at, group in enumerate(groups):
        if at not in refused:
            expected |= {(value.slot.consumers[0].workload, value.slot.field): value.new for value in group}
    assert after == expected
    for change in changes.values():
        yaml12.parse_yaml(change.after.decode(), multi=True)
