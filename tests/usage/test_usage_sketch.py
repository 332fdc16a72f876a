"""Sketches: at most 1 % off, maximum exact, and merging in any order gives the same."""

from bisect import bisect_left
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Sketch
from reconciler.usage import sketch, sums
from reconciler.usage.parquet import Lists
from reconciler.usage.rows import offsets_of

VALUES = st.one_of(
    st.integers(0, 300),
    st.integers(0, 1 << 20),
    st.integers(0, sketch.LARGEST),
)
SAMPLES = st.lists(VALUES, max_size=200)
FULL = st.lists(VALUES, min_size=1, max_size=200)


def build(samples: list[int]) -> Sketch:
    return sketch.build(np.array(samples, np.int64))


def test_an_empty_sketch_has_nothing() -> None:
    assert build([]) == sketch.EMPTY
    assert sketch.merge([]) == sketch.EMPTY


@pytest.mark.parametrize("samples", [[-1], [sketch.LARGEST + 1]])
def test_impossible_values_are_refused(samples: list[int]) -> None:
    with pytest.raises(ValueError, match="a sketch holds values"):
        build(samples)


def test_small_values_are_exact() -> None:
    assert build(list(range(99))) == Sketch(tuple(range(99)), (1,) * 99)


@given(FULL, st.integers(0, 1000))
def test_quantiles_are_within_one_percent(samples: list[int], permille: int) -> None:
    exact = sketch.nearest_rank(np.sort(np.array(samples, np.int64)), permille)
    assert abs(build(samples).quantile(permille) - exact) * 100 <= exact


@given(FULL)
def test_the_maximum_is_exact_and_values_ascend(samples: list[int]) -> None:
    found = build(samples)
    assert found.quantile(1000) == found.values[-1] == max(samples)
    assert sum(found.counts) == len(samples)
    assert min(found.counts) > 0
    assert list(found.values) == sorted(set(found.values))
    assert all(type(number) is int for number in (*found.values, *found.counts))


@given(st.lists(SAMPLES, max_size=4), st.randoms())
def test_merging_is_the_same_as_building_at_once(parts: list[list[int]], random: object) -> None:
    whole = build([value for part in parts for value in part])
    sketches = [build(part) for part in parts]
    assert sketch.merge(sketches) == whole
    random.shuffle(sketches)  # type: ignore[attr-defined]
    assert sketch.merge([sketch.merge(sketches[:2]), *sketches[2:]]) == whole


@given(FULL, st.data())
def test_more_usage_never_gives_less(samples: list[int], data: st.DataObject) -> None:
    raised = [data.draw(st.integers(value, sketch.LARGEST)) for value in samples]
    permille = data.draw(st.integers(0, 1000))
    # The exact quantile is monotone, the sketch's to within its error on either side.
    low, high = build(samples).quantile(permille), build(raised).quantile(permille)
    assert high * 101 >= low * 99


@given(FULL, st.integers(0, 1000), st.integers(0, 1000))
def test_a_higher_quantile_is_no_smaller(samples: list[int], one: int, other: int) -> None:
    found = build(samples)
    assert found.quantile(min(one, other)) <= found.quantile(max(one, other))


def test_the_table_is_pinned() -> None:
    """Recordings outlive versions: these numbers must never change within usage/v1."""
    assert sketch.BUCKETS == 1947
    assert sketch.REPRESENTATIVES[[0, 50, 98, 99, 100, 500, 1000]].tolist() == PINNED


PINNED = [0, 50, 98, 99, 102, 317_810, 7_002_603_966]


EDGES = sorted(
    {
        value + off
        for value in (*sketch.REPRESENTATIVES.tolist(), *(1 << power for power in range(61)))
        for off in range(-3, 4)
        if 0 <= value + off <= sketch.LARGEST
    }
)


def test_each_value_falls_into_the_bucket_that_the_format_says() -> None:
    """Against the plain table of docs/recording.md, around all its edges and all powers of two."""
    tops, middles = [0], [0]
    while tops[-1] < sketch.LARGEST:
        low = tops[-1] + 1
        middles.append(low + low // 100)
        tops.append(middles[-1] * 100 // 99)
    values = sorted({*EDGES, *tops[:-1], *(top + 1 for top in tops[:-1]), *range(5000)})
    assert sketch.buckets_of(np.array(values)).tolist() == [bisect_left(tops, value) for value in values]
    assert sketch.REPRESENTATIVES.tolist() == middles


def test_what_is_no_sample_has_no_bucket() -> None:
    assert sketch.buckets_of(np.array([-1, 0, -1, 7], np.int32)).tolist() == [-1, 0, -1, 7]


@given(st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(-1, 3) | VALUES, min_size=2, max_size=2))))
def test_many_at_once_are_the_same_as_one_by_one(lines: list[tuple[int, list[int]]]) -> None:
    samples = [
        [value for owner, line in lines if owner == one for value in line if value >= 0] for one in range(4)
    ]
    tops = np.array([max(mine, default=0) for mine in samples], np.int64)
    owners = np.array([owner for owner, _ in lines], np.int64)
    values = np.array([line for _, line in lines], np.int64).reshape(-1, 2)
    many = sketch.build_many(owners, sketch.buckets_of(values), tops)
    assert sketch.records(many) == [build(mine) for mine in samples]


def lists_of(sketches: list[Sketch]) -> tuple[Lists, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    lengths = [len(one.values) for one in sketches]
    values, counts = (
        np.array([number for one in sketches for number in one[part]], np.int64) for part in (0, 1)
    )
    return Lists(offsets_of(np.array(lengths, np.int64)), values), counts


@pytest.mark.parametrize("most_cells", [0, 400, 4_000, 1_000_000])
@pytest.mark.parametrize("at_once", [1, 100, 1_000_000])
@pytest.mark.parametrize("largest", [50, 1 << 31, sketch.LARGEST])
def test_sums_are_the_same_however_they_are_kept(
    monkeypatch: pytest.MonkeyPatch, most_cells: int, at_once: int, largest: int
) -> None:
    monkeypatch.setattr(sums, "_MOST_CELLS", most_cells)
    monkeypatch.setattr(sums, "_AT_ONCE", at_once)
    random = np.random.default_rng(largest)
    added = sums.Sums(300)
    every: dict[int, list[Sketch]] = defaultdict(list)
    for _ in range(12):
        owners = np.sort(random.integers(0, 300, 40))
        parts = [build(random.integers(0, largest, random.integers(0, 9)).tolist()) for _ in owners]
        # The counts of a hostile file pass what 32 bits hold.
        parts = [part._replace(counts=tuple(count << 29 for count in part.counts)) for part in parts]
        added.add(owners, *lists_of(parts))
        for owner, part in zip(owners.tolist(), parts, strict=True):
            every[owner].append(part)
    merged = {owner: sketch.merge(parts) for owner, parts in every.items()}
    assert added.sketches() == {owner: found for owner, found in merged.items() if found.values}
