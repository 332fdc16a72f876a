"""Semantic versions and ranges, by the rules that Helm's library has for them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.images.semver import BadRangeError, Version, version, version_range


def _versions() -> st.SearchStrategy[str]:
    numbers = st.lists(st.integers(0, 30), min_size=1, max_size=3).map(lambda some: ".".join(map(str, some)))
    tails = st.sampled_from(["", "", "", "-rc.1", "-alpha", "-alpha.beta", "-10", "-9", "+build.7"])
    return st.builds(lambda v, text, tail: v + text + tail, st.sampled_from(["", "v"]), numbers, tails)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1.2.3", (1, 2, 3)), ("v1.2.3", (1, 2, 3)), ("1.2", (1, 2, 0)), ("7", (7, 0, 0)),
        ("01.02.3", (1, 2, 3)),
        ("1.2.3.4", None), ("", None), ("latest", None), ("1.2.x", None), ("1..2", None), ("V1.2.3", None),
        ("1.2.3-", None), ("1.2.3-01", None), ("1.2.3-beta.01", None),
        ("1.2.3-0a", (1, 2, 3)), ("1.2.3+x", (1, 2, 3)),
        ("18446744073709551615.0.0", (18446744073709551615, 0, 0)), ("18446744073709551616.0.0", None),
        ("1.2.3\n", None), ("٣.1.2", None),
    ],
)  # fmt: skip
def test_what_is_a_version(text: str, wanted: tuple[int, int, int] | None) -> None:
    found = version(text)
    assert (found and found[:3]) == wanted


def test_the_order_of_the_specification() -> None:
    ascending = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
                 "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0"]  # fmt: skip
    found = [version(each) for each in ascending]
    assert sorted(found, key=lambda one: one or Version(0, 0, 0)) == found
    assert version("1.0.0+a") == version("1.0.0+b")


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("^1.2.3", "1.2.3 1.2.4 1.9 1.99.99", "1.2.2 2.0.0 0.9 1.3.0-rc.1"),
        ("^0.2.3", "0.2.3 0.2.9", "0.3.0 1.0.0 0.2.2"),
        ("^0.0.3", "0.0.3", "0.0.4 0.0.2 0.1.0"),
        ("^0.0", "0.0.0 0.0.9", "0.1.0"),
        ("^0", "0.0.1 0.9.9", "1.0.0"),
        ("^1", "1.0.0 1.9", "2.0.0"),
        ("~1.2.3", "1.2.3 1.2.9", "1.3.0 1.2.2"),
        ("~1.2", "1.2.0 1.2.9", "1.3.0 1.1.9"),
        ("~1", "1.0.0 1.9.9", "2.0.0"),
        ("~>1.2.3", "1.2.9", "1.3.0"),
        ("*", "0.0.0 1.2.3 99", "1.0.0-rc.1"),
        ("", "0.0.0 1.2.3", "1.0.0-rc.1"),
        ("1.x", "1.0.0 1.9", "2.0.0 0.9"),
        ("1.2.x", "1.2.0 1.2.9", "1.3.0"),
        ("1.2", "1.2.0 1.2.9", "1.3.0"),
        ("=1.2.3", "1.2.3", "1.2.4"),
        ("!=1.2.3", "1.2.4", "1.2.3"),
        ("!=1.2", "1.3.0", "1.2.0 1.2.9"),
        ("!=1", "2.0.0", "1.0.0 1.9.9"),
        (">1.2.3", "1.2.4 2", "1.2.3"),
        (">1", "2.0.0", "1.0.0 1.9.9"),
        (">1.2", "1.3.0 2", "1.2.0 1.2.9"),
        (">=1.2", "1.2.0 9", "1.1.9"),
        ("=>1.2", "1.2.0", "1.1.9"),
        ("<2", "1.9.9 0", "2.0.0"),
        ("<=2", "2.0.0 2.9.9 1", "3.0.0"),
        ("<=2.1", "2.1.9 2.0", "2.2.0"),
        ("=<2.1.0", "2.1.0", "2.1.1"),
        (">=1.2, <1.5", "1.2.0 1.4.9", "1.5.0"),
        (">=1.2 <1.5", "1.2.0 1.4.9", "1.5.0"),
        ("1.2 - 1.4", "1.2.0 1.4.9", "1.5.0 1.1"),
        ("1.2.0 - 1.4.5", "1.4.5", "1.4.6"),
        ("1.x || >=2.5", "1.4 2.5.0 3", "2.4.9"),
        (">=1.0.0-0", "1.0.0-rc.1 1.0.0 2.0.0-alpha", "0.9.9"),
        (">=1.0.0-0 <2", "1.5.0-rc.1", "2.0.0"),
        ("^1.2.3-beta.2", "1.2.3-beta.2 1.2.3 1.5.0-alpha", "1.2.3-beta.1 2.0.0"),
        ("~0.0.0", "0.0.0 5.6.7", "1.0.0-rc.1"),
        ("v1.2.3", "1.2.3 v1.2.3", "1.2.4"),
    ],
)  # fmt: skip
def test_what_is_in_a_range(text: str, inside: str, outside: str) -> None:
    wanted = version_range(text)
    for each in inside.split():
        found = version(each)
        assert found is not None
        assert wanted.holds(found), each
    for each in outside.split():
        found = version(each)
        assert found is not None
        assert not wanted.holds(found), each


@pytest.mark.parametrize(
    "text",
    ["foo", ">= bar", "BAR >= 1.2.3", "12.3.4.1234", "12.3.34~ 1.2.3", "v1.2.3-beta.01", ">", ">=1.2 <",
     "1.2,", "||foo", "1.2.3 &", ">=1<2", "^^1",
     "1x", "1.2.3\x00", "9" * 300, "1.2 - ", " ", "1 ||  ", "latest"],
)  # fmt: skip
def test_what_is_no_range_says_so(text: str) -> None:
    with pytest.raises(BadRangeError):
        version_range(text)


@given(st.text(max_size=40))
def test_no_text_does_harm(text: str) -> None:
    version(text)
    with contextlib.suppress(BadRangeError):
        version_range(text)


@given(_versions(), _versions())
def test_operators_agree_with_each_other(one: str, other: str) -> None:
    """On whole versions, and where pre-releases take part."""
    bound = version(other)
    seen = version(one)
    assert bound is not None
    assert seen is not None
    text = f"{bound.major}.{bound.minor}.{bound.patch}"

    def holds(range_: str) -> bool:
        return version_range(range_).holds(seen)

    if seen.is_pre:
        assert not any(holds(op + text) for op in ("", "=", "!=", ">", ">=", "<", "<=", "~", "^"))
        return
    assert holds(">" + text) + holds("<" + text) + holds("=" + text) == 1
    assert holds(">=" + text) == (not holds("<" + text))
    assert holds("<=" + text) == (not holds(">" + text))
    assert holds("!=" + text) == (not holds("=" + text))
    if bound[:3] != (0, 0, 0):
        assert holds("^" + text) or not holds("~" + text) or bound[0] == 0
    assert not holds("~" + text) or holds(">=" + text)
