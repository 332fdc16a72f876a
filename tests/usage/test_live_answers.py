"""Answers as arrays: the same numbers and labels that plain JSON gives, or a clear no."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.usage.prometheus import answers, numbers
from reconciler.usage.prometheus.answers import Matrix, matrix, scalar, vector
from reconciler.usage.prometheus.unanswered import Kind, UnansweredError

NOW = 1_700_000_000
NASTY = '"values":[[1700000000,"1"]]},{"metric":{"a":"'

texts = st.one_of(
    st.text(max_size=12), st.sampled_from([NASTY, '"', "\\", "\n", "\0", "😀", '"]]', "]]}", "é"])
)
labels = st.dictionaries(st.one_of(st.text(min_size=1, max_size=8), st.just("values")), texts, max_size=4)
integers = st.one_of(st.integers(0, 99), st.integers(0, 10**17), st.integers(-(10**6), 10**6)).map(str)
floats = st.floats().map(lambda value: repr(value).replace("inf", "Inf").replace("nan", "NaN"))
others = st.sampled_from(
    ["NaN", "+Inf", "-Inf", "1e+06", "5E-324", "1.7976931348623157e+308", "-0", "007", "0"]
)
values = st.one_of(integers, floats, others)


@st.composite
def series(draw, value=values):
    first, step = draw(st.integers(10**9, 10**10 - 10**6)), draw(st.sampled_from([1, 60, 300]))
    count = draw(st.integers(0, 6))
    return draw(labels), [(first + step * index, draw(value)) for index in range(count)]


def body(*found, spaces: bool = False, ascii_only: bool = False, **more: object) -> bytes:
    result = [{"metric": metric, "values": [list(point) for point in points]} for metric, points in found]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}
    separators = (", ", ": ") if spaces else (",", ":")
    return json.dumps(answer, separators=separators, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


def by_json(raw: bytes) -> list[tuple[dict[str, str], list[tuple[int, float]]]]:
    return [
        (
            {name: value for name, value in one["metric"].items() if name != "__name__"},
            [(math.floor(time), float(value)) for time, value in one["values"]],
        )
        for one in json.loads(raw)["data"]["result"]
    ]


def as_lists(found: Matrix) -> list[tuple[dict[str, str], list[tuple[int, float]]]]:
    return [
        (
            dict(found.labels[index]),
            list(zip(found.times[begin:end].tolist(), found.values[begin:end].tolist(), strict=True)),
        )
        for index, (begin, end) in enumerate(zip(found.offsets[:-1], found.offsets[1:], strict=True))
    ]


def agree(one, other) -> None:
    """Whole numbers to the last bit, decimals but for the last."""
    assert [labels for labels, _ in one] == [labels for labels, _ in other]
    for (_, left), (_, right) in zip(one, other, strict=True):
        assert [time for time, _ in left] == [time for time, _ in right]
        for (_, value), (_, wanted) in zip(left, right, strict=True):
            exact = not math.isfinite(wanted) or wanted.is_integer()
            near = exact or math.isclose(value, wanted, rel_tol=1e-15, abs_tol=2e-16)
            assert near, (value, wanted)
            assert not exact or repr(value) == repr(wanted)


def refused(raw: bytes, read=matrix) -> str:
    with pytest.raises(UnansweredError) as caught:
        read(raw)
    assert caught.value.kind is Kind.BROKEN
    return caught.value.words


# -- the law ---------------------------------------------------------------------------------------


@settings(max_examples=120, deadline=None)
@given(st.lists(series(), max_size=5, unique_by=lambda one: tuple(sorted(one[0].items()))), st.booleans())
def test_it_is_what_json_says(found, ascii_only):
    raw = body(*found, ascii_only=ascii_only)
    read, said = matrix(raw)
    agree(as_lists(read), by_json(raw))
    assert (read.times.dtype, read.values.dtype, read.offsets.dtype) == (np.int64, np.float64, np.int64)
    assert said == answers.Said()


@settings(max_examples=120, deadline=None)
@given(
    st.lists(series(integers), min_size=1, max_size=4, unique_by=lambda one: tuple(sorted(one[0].items())))
)
def test_whole_numbers_are_read_in_bulk_whatever_the_labels_hold(found):
    raw = body(*found)
    bulk = answers._bulk(raw)
    assert (bulk is None) == (not any(points for _, points in found))
    assert bulk is None or repr(as_lists(bulk[0])) == repr(by_json(raw))


@settings(max_examples=120, deadline=None)
@given(st.lists(series(), max_size=3, unique_by=lambda one: tuple(sorted(one[0].items()))))
def test_spaces_make_no_difference(found):
    assert repr(as_lists(matrix(body(*found, spaces=True))[0])) == repr(by_json(body(*found)))


@settings(max_examples=120, deadline=None)
@given(st.lists(st.floats(min_value=0, max_value=1e9), min_size=1, max_size=40))
def test_decimals_are_read_in_bulk_to_their_last_digits(found):
    raw = body(({}, [(NOW + index, repr(value)) for index, value in enumerate(found)]))
    agree(as_lists(matrix(raw)[0]), by_json(raw))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_noise_is_no_answer(noise):
    refused(noise)
    refused(noise, vector)


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_a_changed_byte_is_noticed_or_read_as_json_reads_it(data):
    raw = bytearray(body(({"a": "b"}, [(NOW, "1"), (NOW + 300, "22")]), ({}, [(NOW, "4294967296")])))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255))
    try:
        read, _ = matrix(bytes(raw))
    except UnansweredError:
        return
    assert repr(as_lists(read)) == repr(by_json(bytes(raw)))


def test_an_answer_cut_short_at_any_byte_is_none():
    raw = body(({"a": NASTY}, [(NOW, "1"), (NOW + 300, "2")]), ({"b": "é"}, [(NOW, "0.5")]))
    matrix(raw)
    for end in range(len(raw)):
        refused(raw[:end])
    refused(raw + b"}")
    refused(raw + raw)
    matrix(raw + b"\n")


# -- cases -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["0", "9", "12345678", "123456789", "9007199254740993", "1234567890123456", "12345678901234567",
     "99999999999999999999", "-1", "0.1", "0.125", "1e3", "NaN", "+Inf", "-Inf", "-0.30000000000000004",
     "1" * 309],
)  # fmt: skip
def test_each_number_is_exact(value):
    found, _ = matrix(body(({}, [(NOW, "1"), (NOW + 1, value), (NOW + 2, "3")])))
    assert repr(found.values.tolist()) == repr([1.0, float(value), 3.0])


@pytest.mark.parametrize(
    "value",
    ["", " 1", "1 ", "1_0", "0x10", "infinity", "٣", "1,2", "1.2.3", "--1", "1e", "e1", "1" * 401],
)
def test_what_is_no_number_is_refused(value):
    refused(body(({}, [(NOW, "1"), (NOW + 1, value)])))
    one = {"resultType": "vector", "result": [{"metric": {}, "value": [1, value]}]}
    refused(json.dumps({"status": "success", "data": one}).encode(), vector)


@pytest.mark.parametrize("time", [NOW + 0.123, 5, 10**10, -5, 0])
def test_other_times_are_read_too(time):
    found, _ = matrix(body(({}, [(time, "1")])))
    assert found.times.tolist() == [math.floor(time)]


def test_two_scrapes_within_a_second_are_in_order():
    found, _ = matrix(body(({}, [(NOW + 0.1, "1"), (NOW + 0.9, "2")])))
    assert found.times.tolist() == [NOW, NOW]


@pytest.mark.parametrize("step", [0, -300])
@pytest.mark.parametrize("spaces", [False, True])
def test_times_out_of_order_are_refused(step, spaces):
    raw = body(({}, [(NOW, "1"), (NOW + step, "2")]), ({"a": "b"}, [(NOW, "1")]), spaces=spaces)
    assert "order of time" in refused(raw)


def test_one_series_may_begin_before_the_other_ends():
    found = [({"a": str(index)}, [(NOW - index, "1")] * bool(index % 3)) for index in range(9)]
    assert as_lists(matrix(body(*found))[0]) == by_json(body(*found))


def test_the_same_series_twice_is_refused_but_for_its_name():
    one = [(NOW, "1")]
    assert "same series twice" in refused(body(({"a": "b"}, one), ({"a": "b"}, one)))
    found, _ = matrix(body(({"__name__": "x", "a": "b"}, one), ({"__name__": "y", "a": "b"}, one)))
    assert found.labels == ({"a": "b"}, {"a": "b"})


def test_histograms_are_refused():
    histogram = {"metric": {}, "histograms": [[NOW, {"count": "1", "sum": "1"}]]}
    whole = {"status": "success", "data": {"resultType": "matrix", "result": [histogram]}}
    assert "histograms" in refused(json.dumps(whole).encode())
    histogram["values"] = [[NOW, "1"]]
    assert "histograms" in refused(json.dumps(whole, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "entry",
    ['{"metric":{},"values":7}', '{"metric":{},"values":null}', '{"metric":{}}',
     '{"values":[[1700000000,"1"]]}',
     '{"metric":{"a":1},"values":[[1700000000,"1"]]}', '{"metric":null,"values":[[1700000000,"1"]]}',
     '{"metric":{},"values":[[1700000000,1]]}', '{"metric":{},"values":[[true,"1"]]}',
     '{"metric":{},"values":[["1700000000","1"]]}', '{"metric":{},"values":[[1700000000,"1",2]]}',
     '{"metric":{},"values":[[1700000000]]}', '{"metric":{},"values":[[1e400,"1"]]}', "[]", "null",
     '{"metric":{"a":"\\ud800"},"values":[[1700000000,"1"]]}',
     '{"metric":{},"value":[1700000000,"1"]}',
     '{"metric":{"values":[[1700000000,"1"]]},"values":0}',
     '{"metric":{},"values":0,"x":{"values":[[1700000000,"1"]]}}'],
)  # fmt: skip
def test_what_is_no_series_is_refused(entry):
    refused(f'{{"status":"success","data":{{"resultType":"matrix","result":[{entry}]}}}}'.encode())


def test_the_last_of_two_keys_counts_as_it_does_in_json():
    entry = '{"metric":{},"values":[[1700000000,"1"]],"values":[[1700000000,"2"]]}'
    raw = f'{{"status":"success","data":{{"resultType":"matrix","result":[{entry}]}}}}'.encode()
    assert matrix(raw)[0].values.tolist() == [2]


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"[]", b"null", b'{"status":"success"}', b'{"status":"success","data":[]}',
     b'{"status":"error","data":{"resultType":"matrix","result":[]}}',
     b'{"data":{"resultType":"matrix","result":[]}}',
     b'{"status":"success","data":{"resultType":"matrix"}}' * 2,
     b'{"status":"success","data":{"resultType":"matrix","result":{}}}',
     b'{"status":"success","data":{"resultType":"vector","result":[]}}',
     b'{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":"a"}',
     b"[" * 100_000, b'{"a":' * 100_000, b"<html>", b"\xff\xfe{}"],
)  # fmt: skip
def test_what_is_no_answer_is_refused(raw):
    refused(raw)


def test_nothing_found_is_an_answer():
    for result in ("[]", "null"):
        found, _ = matrix(
            f'{{"status":"success","data":{{"resultType":"matrix","result":{result}}}}}'.encode()
        )
        assert (found.labels, found.offsets.tolist(), len(found.values)) == ((), [0], 0)


def test_what_an_answer_says_of_itself():
    stats = {"samples": {"totalQueryableSamples": 12}}
    one = ({}, [(NOW, "1")])
    assert matrix(body(one, warnings=None, infos=["x"], isPartial=False))[1] == answers.Said()
    assert matrix(body(one, warnings=["PromQL info: x"]))[1].partial == ""
    assert matrix(body(one, warnings=["a\x1b\nb"]))[1].partial == "a b"
    assert matrix(body(one, warnings=[""]))[1].partial
    assert matrix(body(one, isPartial=True))[1].partial
    assert matrix(body(one, isPartial="true"))[1].partial
    assert matrix(body(one, stats={"seriesFetched": "2"}))[1].samples == 0
    raw = body(one).replace(b'"result":', b'"stats":' + json.dumps(stats).encode() + b',"result":')
    assert matrix(raw)[1].samples == 12


def test_too_large_an_answer_in_an_unusual_form_is_asked_for_in_parts(monkeypatch):
    monkeypatch.setattr(answers, "_MOST_OBJECTS", 500)
    points = [(NOW + index, "1") for index in range(100)]
    assert len(matrix(body(({}, points)))[0].values) == 100
    with pytest.raises(UnansweredError) as caught:
        matrix(body(({}, points), spaces=True))
    assert caught.value.kind is Kind.TOO_MUCH


def test_a_large_answer_is_read_in_pieces(monkeypatch):
    monkeypatch.setattr(answers, "_CHUNK", 300)
    found = [
        ({"a": str(index)}, [(NOW + k, str(index * k)) for k in range(index % 7)]) for index in range(50)
    ]
    assert as_lists(matrix(body(*found))[0]) == by_json(body(*found))


def test_an_instant():
    found, _ = vector(
        b'{"status":"success","data":{"resultType":"vector","result":['
        b'{"metric":{"__name__":"up","a":"b"},"value":[1700000000.781,"NaN"]},'
        b'{"metric":{},"value":[1700000000,"1"]}]}}'
    )
    assert found.labels == ({"a": "b"}, {})
    assert found.times.tolist() == [NOW, NOW]
    assert repr(found.values.tolist()) == "[nan, 1.0]"


def test_one_number():
    assert scalar(b'{"status":"success","data":{"resultType":"scalar","result":[1,"2.5"]}}') == 2.5
    refused(b'{"status":"success","data":{"resultType":"scalar","result":[]}}', scalar)
    refused(b'{"status":"success","data":{"resultType":"vector","result":[]}}', scalar)


def test_numbers_alone():
    lists = [b'[1700000000,"1"],[1700000300,"0.5"]', b'[1700000000,"12345678901"]']
    found = numbers.points(lists)
    assert found is not None
    assert (found.counts.tolist(), found.values.tolist()) == ([2, 1], [1.0, 0.5, 12345678901.0])
    for bad in (
        b'[1700000000,"1"],',
        b'[170000000,"1"]',
        b'[1700000000,"1"] ',
        b'[1700000000,1"]',
        b'x1700000000,"1"]',
    ):
        assert numbers.points([bad]) is None
