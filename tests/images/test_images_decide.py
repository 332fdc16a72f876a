"""The decision over one image: tables of what is decided, and laws over whatever comes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config import PolicyBook
from reconciler.images.decide import decide_image
from reconciler.images.reference import image
from reconciler.model import (
    Change,
    ChangeClass,
    Consumer,
    ContainerRef,
    Evidence,
    Field,
    Hold,
    ImageFacts,
    ImagePolicy,
    Keep,
    Mode,
    NoUsage,
    Place,
    Policy,
    Reason,
    Slot,
    TagSeen,
)

_DAY = 86_400
_NOW = 1_800_000_000
_REF = ContainerRef("prod", "shop", "Deployment", "web", "app")


def _digest(name: str) -> str:
    return "sha256:" + (name.encode().hex() * 64)[:64]


def _seen(tag: str, **how: Any) -> TagSeen:
    usual: dict[str, Any] = {
        "digest": _digest(tag),
        "platforms": (("linux/amd64", _digest(tag + "a")), ("linux/arm64", _digest(tag + "b"))),
        "since": _NOW - 30 * _DAY,
        "known_by": "last-modified",
    }
    return TagSeen(tag, **{**usual, **how})


def _policy(mode: Mode = Mode.PROPOSE, **said: Any) -> Policy:
    found = PolicyBook().named("balanced")
    assert isinstance(found, Policy)
    return found._replace(images_mode=mode, images=ImagePolicy(**said))


def _evidence(value: str | None = "reg.io/app:1.0.0", **how: Any) -> Evidence:
    slot = Slot(Place("deploy", "web.yaml", 0, ("image",)), 7, Field.IMAGE, value, (_REF,))
    facts = {
        "current": _seen("1.0.0"),
        "finalists": (_seen("1.2.0"), _seen("1.1.0"), _seen("1.0.0")),
        "tags": 9,
    }
    given_facts = {key: how.pop(key) for key in list(how) if key in ImageFacts._fields}
    return Evidence(
        now=_NOW,
        repository="deploy",
        commit="c",
        blob="b",
        slots=(slot._replace(refused=how.pop("refused", None)),),
        consumers=(Consumer(_REF, NoUsage(Reason.NO_METRICS, ""), 1, False, False, ()),),
        policy=how.pop("policy", None) or _policy(**how.pop("said", {})),
        last_changes=(),
        opted_out=how.pop("opted_out", ""),
        image=ImageFacts(**{**facts, **given_facts}),  # type: ignore[arg-type]
    )


def _new(evidence: Evidence) -> str | Reason:
    row = decide_image(evidence)
    return row.values[0].new if isinstance(row, Change) else row.reason


@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        # What must not change comes first.
        ({"value": "reg.io/app:1.2.0"}, Reason.UP_TO_DATE),
        ({"finalists": (_seen("1.0.0"),)}, Reason.UP_TO_DATE),
        ({"finalists": ()}, Reason.UP_TO_DATE),
        ({"none": "nothing follows"}, Reason.NO_CHOICE),
        ({"unanswered": "nobody answers"}, Reason.NOT_ANSWERED),
        ({"owner": "Flux"}, Reason.OWNED_BY),
        ({"value": None}, Reason.UNSET),
        ({"value": "not an image"}, Reason.NO_CHOICE),
        ({"said": {"strategy": "semvr"}}, Reason.NO_CHOICE),
        ({"opted_out": "reconcile.dev/ignore: true"}, Reason.OPTED_OUT),
        ({"opted_out": "reconcile.dev/ignore: image"}, Reason.OPTED_OUT),
        ({"said": {"hold_until": _NOW + 1}}, Reason.HELD),
        ({"said": {"ignore": ("*",)}}, Reason.HELD),
        ({"said": {"pin": "9.9.9"}}, Reason.PINNED),
        ({"said": {"pin": "1.2.0-alpine"}, "finalists": ()}, Reason.PINNED),
        ({"said": {"pin": "0.9.0"}, "finalists": (_seen("1.0.0"),)}, Reason.PINNED),
        ({"said": {"pin": "1.0.0"}, "finalists": ()}, Reason.UP_TO_DATE),
        ({"holds": (Hold("1.2.0", 1, "rolled back"),)}, Reason.HELD),
        ({"holds": (Hold("1.3.0", 1, "closed"),)}, Reason.HELD),
        ({"holds": (Hold("1.2.0", 1, "closed", _digest("1.2.0")),),
          "finalists": (_seen("1.2.0"),)}, Reason.HELD),
        ({"holds": (Hold("1.2.0", 1, "closed", _digest("y")),)}, "reg.io/app:1.2.0"),
        ({"said": {"minimum_age": 31 * _DAY}}, Reason.TOO_YOUNG),
        ({"said": {"signed_by": ("cosign.pub",)}}, Reason.UNSIGNED),
        ({"said": {"platforms": ("linux/s390x",)}}, Reason.MISSING_PLATFORM),
        ({"finalists": (_seen("1.2.0", platforms=(("linux/amd64", "x"),)),)}, Reason.MISSING_PLATFORM),
        ({"finalists": (_seen("1.2.0", platforms=(("", "x"),)),)}, Reason.MISSING_PLATFORM),
        ({"finalists": (_seen("1.2.0", platforms=_seen("1.0.0").platforms),)}, Reason.SAME_CONTENT),
        ({"said": {"mode": Mode.OBSERVE}}, Reason.OBSERVED),
        # And then what does.
        ({}, "reg.io/app:1.2.0"),
        ({"opted_out": "reconcile.dev/ignore: cpu"}, "reg.io/app:1.2.0"),
        ({"current": None}, "reg.io/app:1.2.0"),
        ({"said": {"hold_until": _NOW}}, "reg.io/app:1.2.0"),
        ({"said": {"ignore": ("1.2.*",)}}, "reg.io/app:1.1.0"),
        ({"said": {"pin": "1.1.0"}}, "reg.io/app:1.1.0"),
        ({"holds": (Hold("1.1.0", 1, "rolled back"),)}, "reg.io/app:1.2.0"),
        ({"said": {"minimum_age": 30 * _DAY}}, "reg.io/app:1.2.0"),
        ({"finalists": (_seen("1.2.0", since=_NOW), _seen("1.1.0")), "said": {"minimum_age": _DAY}},
         "reg.io/app:1.1.0"),
        ({"said": {"digest": "pin"}}, f"reg.io/app:1.2.0@{_digest('1.2.0')}"),
        ({"value": f"reg.io/app:1.0.0@{_digest('x')}"}, f"reg.io/app:1.2.0@{_digest('1.2.0')}"),
        ({"value": "app:1.0.0"}, "app:1.2.0"),
        ({"finalists": (_seen("1.2.0", signed_by="cosign.pub"),), "said": {"signed_by": ("cosign.pub",)}},
         f"reg.io/app:1.2.0@{_digest('1.2.0')}"),
        ({"finalists": (_seen("1.2.0", platforms=(("", "x"),)),), "current": None}, "reg.io/app:1.2.0"),
        # A tag that moves, followed by its digest.
        ({"value": "reg.io/app:stable", "said": {"strategy": "digest", "digest": "pin"},
          "current": _seen("stable"), "finalists": (_seen("stable"),)},
         f"reg.io/app:stable@{_digest('stable')}"),
        ({"value": f"reg.io/app:stable@{_digest('stable')}", "said": {"strategy": "digest", "digest": "pin"},
          "current": _seen("stable"), "finalists": (_seen("stable"),)}, Reason.UP_TO_DATE),
    ],
)  # fmt: skip
def test_what_is_decided(how: dict[str, Any], wanted: str | Reason) -> None:
    assert _new(_evidence(**how)) == wanted


def test_the_wait_for_age_is_bounded_and_shown() -> None:
    young = _seen("1.2.0", since=None, known_by="first-seen")
    row = decide_image(_evidence(finalists=(young,), said={"minimum_age": 3 * _DAY}))
    assert isinstance(row, Keep)
    assert row.detail == "it is seen for the first time; the policy wants 3 days, 3 days more"


def test_what_an_image_says_of_its_own_age_can_only_lengthen_the_wait() -> None:
    said = {"minimum_age": _DAY}
    old = _seen("1.2.0", since=_NOW, known_by="first-seen", created=_NOW - 900 * _DAY)
    assert _new(_evidence(finalists=(old,), said=said)) is Reason.TOO_YOUNG
    fresh = _seen("1.2.0", created=_NOW - 60)
    assert _new(_evidence(finalists=(fresh,), said=said)) is Reason.TOO_YOUNG
    future = _seen("1.2.0", created=_NOW + 900 * _DAY)
    assert _new(_evidence(finalists=(future,), said=said)) == "reg.io/app:1.2.0"  # or it would never end


def test_class_and_words() -> None:
    row = decide_image(_evidence(said={"minimum_age": _DAY, "range": "^1", "strategy": "semver"}))
    assert isinstance(row, Change)
    assert row.klass is ChangeClass.IMAGE
    assert row.because == "1.2.0 follows 1.0.0 (semver, ^1); the registry has it for 30 days"


_TAGS = st.sampled_from(["0.9.0", "1.0.0", "1.1.0", "1.2.0", "2.0.0"])
_FINALISTS = st.lists(
    st.builds(
        _seen,
        _TAGS,
        since=st.one_of(st.none(), st.integers(_NOW - 90 * _DAY, _NOW)),
        signed_by=st.sampled_from(["", "cosign.pub"]),
        platforms=st.sampled_from([_seen("x").platforms, (("linux/amd64", "1"),), (("", "1"),)]),
    ),
    max_size=4,
    unique_by=lambda one: one.tag,
)
_SAID = st.fixed_dictionaries(
    {
        "minimum_age": st.sampled_from([0, _DAY, 60 * _DAY]),
        "signed_by": st.sampled_from([(), ("cosign.pub",)]),
        "digest": st.sampled_from(["keep", "pin"]),
        "ignore": st.sampled_from([(), ("1.*",)]),
        "platforms": st.sampled_from([(), ("linux/arm64",)]),
    }
)
_HELD = st.sampled_from(["", _digest("1.2.0"), _digest("x")])
_HOLDS = st.lists(st.builds(Hold, _TAGS, st.just(1), st.just("rolled back"), _HELD), max_size=2).map(tuple)


@given(_FINALISTS, _SAID, _HOLDS)
def test_what_is_written_is_a_reference_and_was_let_through(
    finalists: list[TagSeen], said: dict[str, Any], holds: tuple[Hold, ...]
) -> None:
    evidence = _evidence(finalists=tuple(finalists), said=said, holds=holds)
    row = decide_image(evidence)
    assert decide_image(evidence) == row
    if isinstance(row, Keep):
        return
    new = image(row.values[0].new)
    chosen = next(one for one in finalists if one.tag == new.tag and new.digest in ("", one.digest))
    assert not said["signed_by"] or (chosen.signed_by and new.digest == chosen.digest)
    assert all(hold.tag != chosen.tag or hold.digest not in ("", chosen.digest) for hold in holds)
    assert not said["minimum_age"] or (chosen.since or _NOW) + said["minimum_age"] <= _NOW


@given(_FINALISTS, _SAID)
def test_settled_is_settled(finalists: list[TagSeen], said: dict[str, Any]) -> None:
    row = decide_image(_evidence(finalists=tuple(finalists), said=said))
    if isinstance(row, Change):
        chosen = image(row.values[0].new).tag
        kept = tuple(one for one in finalists if one.tag == chosen)[:1]
        again = decide_image(_evidence(row.values[0].new, finalists=kept, said=said, current=kept[0]))
        assert isinstance(again, Keep)
