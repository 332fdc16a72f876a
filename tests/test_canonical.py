"""Canonical records: one text a record, and the way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler import canonical
from reconciler.model import (
    Consumer,
    ContainerRef,
    Field,
    NoUsage,
    Peer,
    Place,
    Price,
    Reason,
    Refused,
    Sketch,
    Slot,
    Usage,
)

texts = st.text(max_size=8)
refs = st.builds(ContainerRef, texts, texts, texts, texts, texts)
places = st.builds(
    Place,
    texts,
    texts,
    st.integers(0, 9),
    st.lists(st.one_of(texts, st.integers(0, 99)), max_size=4).map(tuple),
)
refusals = st.builds(Refused, st.sampled_from(list(Reason)), texts)
slots = st.builds(
    Slot,
    places,
    st.integers(0, 999),
    st.sampled_from(list(Field)),
    st.none() | texts,
    st.lists(refs, max_size=3).map(tuple),
    texts,
    st.none() | refusals,
)


@given(slots)
def test_a_record_comes_back_equal(slot: Slot) -> None:
    assert canonical.load(Slot, canonical.plain(slot)) == slot


@given(slots, slots)
def test_equal_records_and_only_they_have_equal_digests(one: Slot, other: Slot) -> None:
    assert (canonical.digest(one) == canonical.digest(other)) == (one == other)


def test_a_union_is_told_apart_by_its_fields() -> None:
    usage = Usage("m", "q", 0, 1, 60, 1, 1, 1, 1, *[Sketch((1,), (1,))] * 4, 5, (), (), None, 0)
    for record in (usage, NoUsage(Reason.NO_METRICS, "none")):
        assert canonical.load(Usage | NoUsage, canonical.plain(record)) == record  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "value"),
    [(Sketch, {"values": [1]}), (Sketch, {"values": ["1"], "counts": [1]}), (Sketch, []), (Field, "cpu")],
)
def test_what_is_no_such_record_is_refused(kind: type, value: object) -> None:
    with pytest.raises(ValueError, match=r"not a|without|expected|is not a valid"):
        canonical.load(kind, value)


def test_the_text_has_one_form() -> None:
    assert canonical.dump({"b": (1, None), "a": Field.IMAGE}) == '{"a":"image","b":[1,null]}'


def test_a_field_that_came_later_changes_no_text_where_it_says_nothing() -> None:
    usage = Usage("m", "q", 0, 1, 60, 1, 1, 1, 1, *[Sketch((1,), (1,))] * 4, 5, (), (), None, 0)
    consumer = Consumer(ContainerRef("", "shop", "Deployment", "web", "app"), usage, 1, False, False, ())
    known = set(canonical.plain(consumer)) | set(canonical.plain(usage))

    assert not known & {"peer", "scaled_on", "price"}
    assert {"owner_guessed", "incomplete"} <= known  # those that were always written still are
    for more in (
        consumer._replace(peer=Peer((consumer.ref,), 0, 5)),
        consumer._replace(usage=usage._replace(scaled_on=("cpu",))),
        consumer._replace(price=Price("EUR", 31_611, 4_237, "a test")),
    ):
        assert canonical.digest(more) != canonical.digest(consumer)
        for one in (consumer, more):
            assert canonical.load(Consumer, canonical.plain(one)) == one
