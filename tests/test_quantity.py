"""Quantities: what is refused, what is read, and how it is written back."""

from __future__ import annotations

import time
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from reconciler.model import Field
from reconciler.quantity import (
    LARGEST,
    LARGEST_CPU,
    BadQuantity,
    format_cpu,
    format_memory,
    human_cpu,
    human_memory,
    parse_cpu,
    parse_memory,
    read,
)

REFUSED = [
    "", " ", "1 ", " 1", "1\n", "1 Gi", "0x10", "1_000", "1,5", "NaN", "inf", "-inf", "Infinity", ".", "+",
    "-", "m", "Mi", "i", "1i", "1mi", "1ki", "1K", "1g", "1KI", "1MB", "1MiB", "1e", "1E+", "1e1.5", "1e3Mi",
    "1Mi3",
    "1.2.3", "--1", "+-1", "1+", "١", "１", "1²", "1\u200b", "1\x00", "true", "null", "${X}", "{{ .x }}",
    "1e99999999999", "1e-99999999999", "9" * 129,
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
@pytest.mark.parametrize("parse", [parse_cpu, parse_memory])
def test_what_is_no_quantity_is_refused_in_one_plain_sentence(parse, text):
    with pytest.raises(BadQuantity) as caught:
        parse(text)
    said = str(caught.value)
    assert said.isascii() or "…" in said
    assert "\n" not in said
    assert len(said) < 300


@pytest.mark.parametrize(
    ("text", "millicores"),
    [
        ("500m", 500), ("0.5", 500), (".5", 500), ("5.", 5000), ("1", 1000), ("+1", 1000), ("-1", -1000),
        ("0", 0), ("-0", 0), ("00.10", 100), ("1n", 1), ("1u", 1), ("999u", 1), ("1000u", 1), ("1001u", 2),
        ("0.0001", 1), ("0.1m", 1), ("1.5m", 2), ("-0.1m", -1), ("1k", 1_000_000), ("1e3", 1_000_000),
        ("1E3", 1_000_000), ("1e+3", 1_000_000), ("5e-1", 500), ("5E-4", 1), ("1Ki", 1_024_000),
        ("1E", 10**21), ("8Ei", LARGEST_CPU), ("1e100", LARGEST_CPU), ("-1e2147483647", -LARGEST_CPU),
        ("1e-2147483647", 1), ("0e2147483647", 0), ("0.000e-9", 0), ("1e0000000000003", 1_000_000),
    ],
)  # fmt: skip
def test_cpu(text, millicores):
    assert parse_cpu(text) == millicores
    assert read(Field.CPU_LIMIT, text) == millicores


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512Mi", 512 << 20), ("0.5Gi", 512 << 20), (".5Gi", 512 << 20), ("1.Gi", 1 << 30),
        ("128M", 128_000_000),
        ("134217728", 134_217_728), ("129e6", 129_000_000), ("1E", 10**18), ("1Ei", 1 << 60), ("1E1", 10),
        ("1500m", 2), ("1m", 1), ("1n", 1), ("0.3Ki", 308), ("7Ei", 7 << 60), ("8Ei", LARGEST),
        ("9E", 9 * 10**18),
        ("10E", LARGEST), ("9223372036854775807", LARGEST), ("9223372036854775808", LARGEST), ("1k", 1000),
    ],
)  # fmt: skip
def test_memory(text, size):
    assert parse_memory(text) == size
    assert read(Field.MEMORY_REQUEST, text) == size


def test_an_image_has_no_quantity():
    with pytest.raises(BadQuantity):
        read(Field.IMAGE, "1")


def test_huge_exponents_take_no_time():
    start = time.perf_counter()
    for text in (
        "1e2147483647",
        "1e-2147483647",
        "9" * 100 + "e2000000000",
        "." + "0" * 100 + "1e-2000000000",
    ):
        parse_cpu(text)
        parse_memory(text)
    assert time.perf_counter() - start < 0.1


@pytest.mark.parametrize(
    ("millicores", "like", "text"),
    [
        (350, "500m", "350m"), (1000, "500m", "1000m"), (0, "500m", "0"), (350, "0.5", "0.35"),
        (1000, "0.5", "1"),
        (1200, "1", "1200m"), (1200, "1.0", "1.2"), (2000, "1", "2"), (1005, "0.5", "1.005"),
        (40, ".5", "0.04"),
        (350, None, "350m"), (2000, None, "2"), (350, "${CPU}", "350m"), (350, "5e-1", "350m"),
        (2000, "1e3", "2"),
        (350, "500000u", "350m"), (350, "0.5k", "350m"), (350, "1.", "350m"), (350, "500.5m", "350m"),
    ],
)  # fmt: skip
def test_cpu_is_written_in_the_style_of_the_file(millicores, like, text):
    assert format_cpu(millicores, like) == text


@pytest.mark.parametrize(
    ("size", "like", "text"),
    [
        (640 << 20, "512Mi", "640Mi"), (2 << 30, "512Mi", "2048Mi"), (768 << 20, "0.5Gi", "0.75Gi"),
        (640 << 20, "0.5Gi", "640Mi"), (640 << 20, "0.125Gi", "0.625Gi"), (1536 << 20, "1Gi", "1536Mi"),
        (3 << 30, "1Gi", "3Gi"), (160_000_000, "128M", "160M"), (160_500_000, "128M", "160500k"),
        (160 << 20, "128M", "160Mi"), (167_772_161, "128M", "167772161"),
        (160 << 20, "134217728", "167772160"),
        (160_000_000, "129e6", "160e6"), (160_000_000, "1E3", "160000E3"), (160 << 20, "129e6", "160Mi"),
        (1_500_000_000, "1.5G", "1.5G"), (1_750_000_000, "1.5G", "1.75G"), (1_755_000_000, "1.5G", "1755M"),
        (1 << 30, None, "1Gi"), (1536 << 20, None, "1536Mi"), (1001, None, "1001"), (0, "1Gi", "0"),
        (1500, "1500m", "1500"), (1025, "1Ki", "1025"), (1 << 20, "", "1Mi"), (160 << 20, "1e40", "160Mi"),
    ],
)  # fmt: skip
def test_memory_is_written_in_the_style_of_the_file(size, like, text):
    assert format_memory(size, like) == text


@pytest.mark.parametrize("value", [-1, LARGEST_CPU + 1])
def test_what_no_container_can_have_is_not_written(value):
    with pytest.raises(BadQuantity):
        format_cpu(value)
    with pytest.raises(BadQuantity):
        format_memory(value)


DIGITS = st.text("0123456789", max_size=18)
NUMBER = st.one_of(
    st.tuples(DIGITS.filter(len), st.just("")),
    st.tuples(DIGITS.filter(len), DIGITS.map(".{}".format)),
    st.tuples(st.just(""), DIGITS.filter(len).map(".{}".format)),
).map("".join)
SUFFIX = st.one_of(
    st.sampled_from(["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]),
    st.tuples(st.sampled_from(["e", "E"]), st.integers(-25, 25)).map(lambda pair: f"{pair[0]}{pair[1]}"),
)
QUANTITY = st.tuples(st.sampled_from(["", "+", "-"]), NUMBER, SUFFIX).map("".join)


@given(QUANTITY)
def test_the_client_of_kubernetes_reads_the_same(text):
    exact = parse_quantity(text)
    away = ROUND_FLOOR if exact < 0 else ROUND_CEILING
    bounded = max(Decimal(-LARGEST), min(Decimal(LARGEST), exact))
    assert parse_memory(text) == int(bounded.to_integral_value(away))
    if abs(exact) <= LARGEST:
        assert parse_cpu(text) == int((exact * 1000).to_integral_value(away))


@given(st.integers(0, LARGEST_CPU) | st.integers(0, 100_000), st.none() | QUANTITY | st.text(max_size=8))
def test_cpu_written_is_cpu_read(millicores, like):
    written = format_cpu(millicores, like)
    assert parse_cpu(written) == millicores
    assert parse_quantity(written) * 1000 == millicores


@given(
    st.integers(0, LARGEST) | st.integers(0, 1 << 14).map(lambda count: count << 20),
    st.none() | QUANTITY | st.text(max_size=8),
)
def test_memory_written_is_memory_read(size, like):
    written = format_memory(size, like)
    assert parse_memory(written) == size
    assert parse_quantity(written) == size


@given(QUANTITY.filter(lambda text: "-" not in text.partition("e")[0].partition("E")[0]))
def test_an_unchanged_value_keeps_its_meaning(text):
    assert parse_cpu(format_cpu(parse_cpu(text), text)) == parse_cpu(text)
    assert parse_memory(format_memory(parse_memory(text), text)) == parse_memory(text)


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused(text):
    try:
        assert abs(parse_memory(text)) <= LARGEST
        assert text.isascii()
    except BadQuantity:
        pass


def test_for_eyes():
    assert [human_cpu(value) for value in (0, 350, -20, 9999, 12_440, 20_000)] == [
        "0m", "350m", "-20m", "9999m", "12.4 cores", "20 cores",
    ]  # fmt: skip
    sizes = (0, 12, 412 << 20, 1 << 30, (3 << 30) + 1, 33_500_000_000, -(2 << 30))
    assert [human_memory(size) for size in sizes] == [
        "0", "12", "412Mi", "1Gi", "3072Mi", "31.2Gi", "-2Gi",
    ]  # fmt: skip
