"""Sketches: at most 1 % off, maximum exact, and merging in any order gives the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Sketch
from reconciler.usage import sketch

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
