"""Ranges of versions, as helm reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.rendering.versions import highest, is_exact, read

KNOWN = [
    "0.2.3", "0.2.9", "0.3.0", "1.2.2", "1.2.3", "v1.2.9", "1.3.0", "1.10.0", "1.10.1-rc.1", "2.0.0-alpha",
    "2.0.0-alpha.2", "2.0.0-alpha.10", "2.0.0", "2.1.0+build.5", "3.0.0-beta", "nonsense",
]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("", "2.1.0+build.5"),
        ("*", "2.1.0+build.5"),
        ("1.2.3", "1.2.3"),
        ("v1.2.3", "1.2.3"),
        ("=1.2.3", "1.2.3"),
        ("1.2.9", "v1.2.9"),
        ("1.2", "v1.2.9"),
        ("1", "1.10.0"),
        ("1.x", "1.10.0"),
        ("1.2.*", "v1.2.9"),
        ("^1.2", "1.10.0"),
        ("^1.2.3", "1.10.0"),
        ("^0.2.3", "0.2.9"),
        ("^0.2", "0.2.9"),
        ("^0", "0.3.0"),
        ("^0.0", None),
        ("~1.2.3", "v1.2.9"),
        ("~1.2", "v1.2.9"),
        ("~1", "1.10.0"),
        ("~>1.2.3", "v1.2.9"),
        (">=1.2 <1.10", "1.3.0"),
        (">=1.2, <1.10", "1.3.0"),
        (">= 1.2 , < 1.10", "1.3.0"),
        (">1.10", "2.1.0+build.5"),
        (">1.10 <2.1", "2.0.0"),
        ("<=1.2", "v1.2.9"),
        ("<1.2.3", "1.2.2"),
        ("<=1.2.3", "1.2.3"),
        (">1.2.3 <1.3", "v1.2.9"),
        ("1.2 - 1.2.3", "1.2.3"),
        ("1.2.3 - 1.3", "1.3.0"),
        ("<0.1 || 1.2.x || 0.3.x", "v1.2.9"),
        ("!=2.1.0, 2.x", "2.0.0"),
        ("2.0.0-alpha.10", "2.0.0-alpha.10"),
        ("~2.0.0-0", "2.0.0"),
        (">=1.10.1-0 <2.0.0-beta", "2.0.0-alpha.10"),
        (">0.0.0-0", "3.0.0-beta"),
        (">=3", None),
        ("5.0.0", None),
        ("latest", None),
        (">>1", None),
        ("1.2.3.4", None),
        ("x" * 500, None),
        ("|| ||", None),
    ],
)
def test_the_highest_in_a_range(wanted: str, found: str | None) -> None:
    assert highest(KNOWN, wanted) == found


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("1.2.3", True),
        ("v1.2.3-rc.1+x", True),
        ("1.2", False),
        ("^1.2.3", False),
        ("", False),
        ("1.2.x", False),
    ],
)
def test_what_names_one_version(text: str, exact: bool) -> None:
    assert is_exact(text) is exact


NUMBERS = st.tuples(*[st.integers(0, 12)] * 3)


@given(st.lists(NUMBERS, min_size=1, max_size=8), NUMBERS)
def test_a_caret_stays_below_the_next_breaking_version(
    known: list[tuple[int, ...]], wanted: tuple[int, ...]
) -> None:
    found = highest([".".join(map(str, one)) for one in known], f"^{'.'.join(map(str, wanted))}")
    fixed = next((at for at, number in enumerate(wanted) if number), 2) + 1
    fitting = [one for one in known if one >= wanted and one[:fixed] == wanted[:fixed]]
    assert found == (".".join(map(str, max(fitting))) if fitting else None)


@given(st.text(alphabet="0123456789.xX*-+^~<>=!|, vab", max_size=20))
def test_no_text_is_too_odd(text: str) -> None:
    found = highest(KNOWN, text)
    assert found is None or read(found) is not None
