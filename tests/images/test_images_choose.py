"""Which tag follows which: tables of what people mean, and laws over generated lists."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.images.choose import Chosen, NoChoice, choose, judge_all
from reconciler.images.rules import BadRuleError, ImageRule, Level, Order, Strategy, strategy


def _of(current: str, tags: str, **rule: object) -> str | None:
    found = choose(ImageRule(**rule), current, tags.split())  # type: ignore[arg-type]
    return found.tag if isinstance(found, Chosen) else None


@pytest.mark.parametrize(
    ("current", "tags", "wanted"),
    [
        # What must not change comes first.
        ("1.2.3", "1.2.3 1.2.2 1.0", "1.2.3"),
        ("1.2.3", "1.2.2", None),
        ("1.2.3", "v1.2.4 1.2.4-alpine 1.2.4.1 1.3 2 latest", None),
        ("1.2.3", "1.2.4-rc1 1.2.4-SNAPSHOT 1.2.4-beta.2 1.2.4-dev 1.3.0a1 1.2.3", "1.2.3"),
        ("1.2.3", "20240115 1.2.3 3f2a91c abcdef1 sha256-" + "a" * 64, "1.2.3"),
        ("1.2.3", "1.2.3 203.0.0 20240101.0.0", "1.2.3"),
        ("3f2a91c", "3f2a91d 4f2a91c", None),
        ("latest", "1.2.3 latest", None),
        ("main", "main-2 main", None),
        ("1.2.3-3f2a91c", "1.2.4-4f2a91c", None),
        ("1.25", "1.26.1 1.25.3", None),
        ("24.04", "24.4 24.5", None),
        ("1.2.3-alpine3.18", "1.2.3-alpine3.19 1.2.3-alpine3.18", "1.2.3-alpine3.18"),
        # And then what does.
        ("1.2.3", "1.2.4 1.2.10 1.2.9", "1.2.10"),
        ("v1.2.3", "v1.2.4 1.2.5", "v1.2.4"),
        ("1.25", "1.26 1.26.1", "1.26"),
        ("1.2.3-alpine", "1.2.4-alpine 1.2.5 1.2.9-slim", "1.2.4-alpine"),
        ("1.2.3-alpine3.18", "1.2.4-alpine3.18 1.2.9-alpine3.19", "1.2.4-alpine3.18"),
        ("1.2.3-debian-12-r5", "1.2.3-debian-12-r10 1.2.3-debian-12-r9 1.2.4-debian-11-r0",
         "1.2.3-debian-12-r10"),
        ("1.2.3-rc.1", "1.2.3-rc.2 1.2.3-beta.9", "1.2.3-rc.2"),
        ("1.2.3-rc.1", "1.2.3-rc.2 1.2.3", "1.2.3"),
        ("1.2.3-rc.1", "1.3.0-rc.1 1.2.3-rc.1", "1.2.3-rc.1"),
        ("1234", "1235 1300 9", "1300"),
        ("main-1234", "main-1300 main-9 dev-2000", "main-1300"),
        ("20240115", "20240116 20250101 1", "20250101"),
        ("2024-01-15", "2024-02-01 2025-01-01-rc1", "2024-02-01"),
        ("2024.1.0", "2024.10.1 2025.2.0", "2025.2.0"),
        ("24.04", "24.10 26.04", "26.04"),
        ("RELEASE.2024-01-16T16-07-38Z", "RELEASE.2024-01-16T16-07-39Z", "RELEASE.2024-01-16T16-07-39Z"),
        ("jdk-21.0.2", "jdk-21.0.3 jre-21.0.4", "jdk-21.0.3"),
        ("2.1.0.Final", "2.2.0.Final 2.3.0.Beta1", "2.2.0.Final"),
    ],
)  # fmt: skip
def test_what_follows_by_its_looks(current: str, tags: str, wanted: str | None) -> None:
    assert _of(current, tags) == wanted


@pytest.mark.parametrize(
    ("level", "wanted"), [(Level.PATCH, "1.2.9"), (Level.MINOR, "1.9.0"), (Level.MAJOR, "3.0.0")]
)
@pytest.mark.parametrize("strategy_", [Strategy.AUTO, Strategy.SEMVER])
def test_a_level_bounds_the_step(level: Level, wanted: str, strategy_: Strategy) -> None:
    assert _of("1.2.3", "1.2.9 1.9.0 3.0.0", level=level, strategy=strategy_) == wanted


def test_a_number_alone_may_be_a_major_version_or_a_build() -> None:
    assert _of("15", "15 16 17", level=Level.MINOR) == "15"
    assert _of("15", "15 16 17", level=Level.MAJOR) == "17"
    assert _of("4711", "4712", level=Level.PATCH) == "4712"


@pytest.mark.parametrize(
    ("current", "tags", "rule", "wanted"),
    [
        ("1.2.3", "1.2.9 1.9 2.0.0", {"range": "^1.2"}, "1.9"),
        ("1.2.3", "1.2.9 1.9 2.0.0", {"range": "~1.2"}, "1.2.9"),
        ("1.2.3", "2.0.0-rc.1 1.2.3", {"range": "*"}, "1.2.3"),
        ("1.2.3", "2.0.0-rc.1 1.2.3", {"range": ">=1.0.0-0"}, "2.0.0-rc.1"),
        ("1.2.3", "2.0.0-rc.1", {"range": ">=1.0", "pre_releases": True}, "2.0.0-rc.1"),
        ("1.5.0", "1.4.9 1.5.0 2", {"range": "~1.4"}, None),  # nothing is lowered, whatever the range says
        ("latest", "1.2.3 1.3.0", {"range": "1.x"}, "1.3.0"),
        ("1.0.0", "1.0 v1.0.0 1.0.0", {"range": "*"}, "1.0.0"),
        ("0.9", "1.0 v1.0.0 1.0.0", {"range": "*"}, "v1.0.0"),
        ("app-1.2.3", "app-1.2.4 web-1.2.9", {"range": "*", "filter": "^app-(.*)$", "extract": "$1"},
         "app-1.2.4"),
    ],
)  # fmt: skip
def test_semver(current: str, tags: str, rule: dict[str, object], wanted: str | None) -> None:
    assert _of(current, tags, strategy=Strategy.SEMVER, **rule) == wanted


@pytest.mark.parametrize(
    ("current", "tags", "rule", "wanted"),
    [
        ("main-ab12cd3-100", "main-ff12cd3-99 main-0012cd3-101 dev-aa-500",
         {"filter": r"^main-[a-f0-9]+-(?P<ts>\d+)$", "extract": "$ts"}, "main-0012cd3-101"),
        ("b9", "b10 b8", {"filter": r"b(\d+)", "extract": "${1}"}, "b10"),
        ("10", "9 11 100", {"order": Order.DESCENDING}, "9"),
        ("1.5", "1.25 1.50 1.6", {}, "1.6"),
        ("9", "x 10", {}, "10"),
        ("100000000000000000000000000000000000001", "100000000000000000000000000000000000002", {},
         "100000000000000000000000000000000000002"),
    ],
)  # fmt: skip
def test_numerical(current: str, tags: str, rule: dict[str, object], wanted: str | None) -> None:
    assert _of(current, tags, strategy=Strategy.NUMERICAL, **rule) == wanted


@pytest.mark.parametrize(
    ("current", "tags", "rule", "wanted"),
    [
        ("b", "a b c ca", {}, "ca"),
        ("b", "a b c", {"order": Order.DESCENDING}, "a"),
        ("ab", "a ab abc", {"order": Order.DESCENDING}, "a"),
        ("RELEASE.2024-01-01", "RELEASE.2024-02-01 edge zzz", {"filter": "^RELEASE"}, "RELEASE.2024-02-01"),
    ],
)
def test_alphabetical(current: str, tags: str, rule: dict[str, object], wanted: str | None) -> None:
    assert _of(current, tags, strategy=Strategy.ALPHABETICAL, **rule) == wanted


def test_semver_leaps_to_no_date_unless_the_range_speaks_of_dates() -> None:
    semver = {"strategy": Strategy.SEMVER}
    assert _of("1.2.3", "1.3.0 20230101", **semver) == "1.3.0"
    assert _of("1.2.3", "1.3.0 20230101 103.0.0", range=">=1", **semver) == "1.3.0"
    assert _of("1.2.3", "1.3.0 20230101", range=">=20200101", **semver) == "20230101"
    assert _of("20241231", "20250101 1735689600", **semver) == "20250101"
    assert _of("latest", "1.3.0 20230101", range="<1000", **semver) == "1.3.0"


@pytest.mark.parametrize(
    ("current", "tags", "rule"),
    [
        ("1.5.0", "v1.0.0 v1.6.0", {"strategy": Strategy.SEMVER, "filter": "^v"}),
        ("1500", "b-100 b-1600", {"strategy": Strategy.NUMERICAL, "filter": "^b-(.*)$", "extract": "$1"}),
        ("2024.5.0", "r-2023.1.0 r-2024.6.0",
         {"strategy": Strategy.CALVER, "filter": "^r-(.*)$", "extract": "$1"}),
    ],
)  # fmt: skip
def test_nothing_is_lower_than_a_tag_that_the_filter_leaves_out(
    current: str, tags: str, rule: dict[str, object]
) -> None:
    assert _of(current, tags, **rule) == tags.split()[1]
    assert _of(current, tags.split()[0], **rule) is None


def test_a_filter_that_leaves_out_the_tag_in_force_is_told() -> None:
    found = choose(ImageRule(filter="alpine"), "1.2.3", ["1.2.4"])
    assert isinstance(found, NoChoice)
    assert "filter leaves out the tag in force, 1.2.3" in found.why


def test_calver_has_years_of_two_digits() -> None:
    assert _of("24.04", "24.10 24.99 25.4 noble", strategy=Strategy.CALVER) == "24.10"
    assert _of("24.3.2.23", "24.8.1.7 24.2.9.9", strategy=Strategy.CALVER) == "24.8.1.7"


def test_calver_takes_dates_alone() -> None:
    assert _of("2024.01.15", "2024.02.01 9999.1.1 2.0.0", strategy=Strategy.CALVER) == "2024.02.01"
    assert _of("1.2.3", "2024.02.01", strategy=Strategy.CALVER) is None
    assert _of("latest", "20240115 20240116 1.2", strategy=Strategy.CALVER) == "20240116"


def test_newest_goes_by_time_and_never_back() -> None:
    made = {"a": 100, "b": 300, "c": 200}
    rule = ImageRule(strategy=Strategy.NEWEST)
    found = choose(rule, "c", ["a", "b", "c", "unknown"], made)
    assert isinstance(found, Chosen)
    assert (found.tag, found.lost[0]) == ("b", ("c", "b is newer"))
    later = choose(rule, "b", ["a", "c"], made)
    assert isinstance(later, NoChoice)
    assert later.lost[0].why == "it was made before b"


def test_digest_stays_with_its_tag() -> None:
    assert _of("stable", "stable 1.0", strategy=Strategy.DIGEST) == "stable"
    assert _of("stable", "1.0", strategy=Strategy.DIGEST) is None


def test_only_what_others_let_through() -> None:
    found = choose(ImageRule(), "1.2.3", ["1.2.4", "1.2.5"], allowed={"1.2.4"})
    assert isinstance(found, Chosen)
    assert found.tag == "1.2.4"
    assert ("1.2.5", "it isn't among those that are allowed here") in found.lost


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"filter": "("}, "no regular expression"),
        ({"filter": "(?=x)"}, "no regular expression"),
        ({"filter": "a" * 2000}, "2000 characters"),
        ({"filter": "((a{1,1000}){1,1000})"}, "no regular expression"),
        ({"extract": "$1"}, "no filter"),
        ({"filter": "a(b)", "extract": "$2"}, "no such group"),
        ({"filter": "a(b)", "extract": "${1"}, "never closed"),
        ({"filter": "a(b)", "extract": "$1x"}, "$1x"),
        ({"strategy": Strategy.SEMVER, "range": "foo"}, "no version"),
        ({"strategy": Strategy.SEMVER, "range": " "}, "empty"),
        ({"strategy": Strategy.AUTO, "range": "^1"}, "for strategy semver"),
    ],
)
def test_what_means_nothing_fails_closed(rule: dict[str, object], words: str) -> None:
    found = choose(ImageRule(**rule), "1.2.3", ["1.2.4"])  # type: ignore[arg-type]
    assert isinstance(found, NoChoice)
    assert words in found.why


def test_names_that_others_have_for_it() -> None:
    assert strategy("newest-build") is strategy("latest") is Strategy.NEWEST
    assert strategy("name") is Strategy.ALPHABETICAL
    with pytest.raises(BadRuleError, match="semvr"):
        strategy("semvr")


def test_a_dollar_is_two() -> None:
    assert _of("x1", "x2 x3", strategy=Strategy.ALPHABETICAL, filter=r"x(\d)", extract="$$$1") == "x3"


def test_no_pattern_hangs() -> None:
    begun = time.process_time()
    tags = ["a" * 120 + str(number) for number in range(1000)]
    choose(ImageRule(strategy=Strategy.ALPHABETICAL, filter="^(a+)+$"), "a", tags)
    assert time.process_time() - begun < 2


# ---------------------------------------------------------------------------------------------
# Laws
# ---------------------------------------------------------------------------------------------

_NUMBERS = st.lists(st.integers(0, 12), min_size=1, max_size=3).map(lambda some: ".".join(map(str, some)))
_TAGS = st.one_of(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", "", "v", "app-"]),
        _NUMBERS,
        st.sampled_from(["", "", "", "-alpine", "-rc.1", "-rc2", "-debian-12-r3", "-3f2a91c", ".Final"]),
    ),
    st.sampled_from(
        ["latest", "main", "3f2a91c", "20240115", "2024-01-15", "20240230", "1234", "on", "0362525"]
    ),
)
_RULES = st.builds(
    ImageRule,
    strategy=st.sampled_from(list(Strategy)),
    filter=st.sampled_from([None, None, r"^v?[0-9.]+$", "a"]),
    order=st.sampled_from(list(Order)),
    level=st.sampled_from(list(Level)),
    pre_releases=st.booleans(),
)


@given(_RULES, _TAGS, st.lists(_TAGS, max_size=25), st.randoms(use_true_random=False))
def test_order_never_matters_and_twice_is_once(
    rule: ImageRule, current: str, tags: list[str], dice: random.Random
) -> None:
    made = {tag: sum(map(ord, tag)) for tag in tags}
    found = choose(rule, current, tags, made)
    shuffled = [*tags, *tags]
    dice.shuffle(shuffled)
    assert choose(rule, current, shuffled, made) == found
    if isinstance(found, Chosen):
        assert found.tag in tags
        again = choose(rule, found.tag, tags, made)
        assert isinstance(again, Chosen)
        assert again.tag == found.tag


@given(_RULES, _TAGS, st.lists(_TAGS, max_size=25))
def test_never_lower(rule: ImageRule, current: str, tags: list[str]) -> None:
    """Nothing leads back to where a choice came from."""
    made = {tag: sum(map(ord, tag)) for tag in tags}
    found = choose(rule, current, tags, made)
    if isinstance(found, Chosen) and found.tag != current:
        assert isinstance(choose(rule, found.tag, [current], made), NoChoice)


@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=8), _RULES)
def test_no_text_does_harm(current: str, tags: list[str], rule: ImageRule) -> None:
    found = choose(rule, current, tags)
    assert found.why


def test_fifty_thousand_tags_are_nothing() -> None:
    tags = [f"1.{minor}.{patch}" for minor in range(250) for patch in range(200)]
    random.Random(7).shuffle(tags)
    begun = time.process_time()
    found = choose(ImageRule(), "1.0.0", tags)
    assert isinstance(found, Chosen)
    assert found.tag == "1.249.199"
    assert time.process_time() - begun < 5


def test_what_is_thought_of_every_tag() -> None:
    told = judge_all(
        ImageRule(level=Level.MINOR), "1.2.3", ["1.2.3", "latest", "1.3.0", "2.0.0", "1.2.2", "1.2.4"]
    )
    assert told == [
        ("1.3.0", True, "it is the newest of the kind of 1.2.3"),
        ("1.2.4", True, ""),
        ("1.2.3", True, ""),
        ("2.0.0", False, "it is another major version, and the policy's level is minor"),
        ("1.2.2", False, "it is lower than 1.2.3"),
        ("latest", False, "it isn't of the kind of 1.2.3"),
    ]
    assert [fits for _, fits, _ in judge_all(ImageRule(filter="("), "1", ["1", "2"])] == [False, False]
    assert judge_all(ImageRule(strategy=Strategy.DIGEST), "b", ["a", "b"])[1] == (
        "b",
        True,
        "its digest is followed",
    )
