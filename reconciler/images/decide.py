"""The decision over one image: pure, from what registry and history tell.

In this order: do people or others keep it; did the registry answer; can anything follow; and of what
can, the best that is old enough, complete, signed, and not held back by anybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

from reconciler.images.choose import newer
from reconciler.images.reference import BadReferenceError, Image, image, rewritten
from reconciler.images.rules import BadRuleError, ImageRule, Level, Order, strategy
from reconciler.model import (
    Change,
    ChangeClass,
    Decision,
    Evidence,
    Hold,
    ImageFacts,
    ImagePolicy,
    Keep,
    Mode,
    NewValue,
    Reason,
    Refused,
    Slot,
    Stage,
    TagSeen,
)

_LEVELLED: Final = ("auto", "semver")
_SEEN: Final = {
    "pushed": "it was pushed {} ago, as its registry says",
    "last-modified": "the registry has it for {}",
    "first-seen": "it was first seen {} ago",
}
_UNITS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def rule_of(policy: ImagePolicy) -> ImageRule:
    """BadRuleError where the policy's words mean nothing."""
    return ImageRule(
        strategy=strategy(policy.strategy),
        range=policy.range,
        filter=policy.filter,
        extract=policy.extract,
        order=Order(policy.order),
        level=Level(policy.level),
        pre_releases=policy.pre_releases,
    )


def decide_image(evidence: Evidence) -> Decision:
    """One row; `evidence.image` is there, and its slot the only one."""
    slot, facts = evidence.slots[0], evidence.image
    assert facts is not None
    refused = _outright(evidence, slot, facts)
    if refused is not None:
        return _keep(slot, refused)
    now = image(slot.value or "")
    best = _best(evidence, now, facts)
    if isinstance(best, Refused):
        return _keep(slot, best, _stages(evidence, facts))
    return _observed(_together(_change(evidence, slot, now, best, facts)))


def _together(row: Change) -> Change:
    """With the images that move to the same tag along with it, which only that makes one change."""
    others = row.evidence.beside
    if not others:
        return row
    values = {value.slot.place: value for value in row.values}
    values.update((value.slot.place, value) for one in others for value in one.values)
    name = row.evidence.policy.images.together
    because = f"{row.because}; {len(values)} images of {name} move together"
    return row._replace(values=tuple(values[place] for place in sorted(values, key=str)), because=because)


def _keep(slot: Slot, refused: Refused, told: tuple[Stage, ...] = ()) -> Keep:
    return Keep(slot, refused.reason, refused.detail, told)


# ---------------------------------------------------------------------------------------------
# Whatever the registry says
# ---------------------------------------------------------------------------------------------


def _outright(evidence: Evidence, slot: Slot, facts: ImageFacts) -> Refused | None:
    policy = evidence.policy.images
    said = {word.strip() for word in evidence.opted_out.rpartition(": ")[2].split(",")}
    if evidence.opted_out and ("image" in said or not said <= {"cpu", "memory", "image"}):
        return Refused(Reason.OPTED_OUT, f"the annotation {evidence.opted_out} opts it out")
    if slot.value is None:
        return Refused(Reason.UNSET, "no image is set")
    if slot.refused is not None:
        return slot.refused
    if facts.owner:
        return Refused(Reason.OWNED_BY, f"{facts.owner} changes this image")
    bad = _unreadable(slot.value, policy)
    if bad is not None:
        return bad
    if evidence.now < policy.hold_until:
        words = f"the policy holds it for {_span(policy.hold_until - evidence.now)} more"
        return Refused(Reason.HELD, words)
    if facts.unanswered:
        return Refused(Reason.NOT_ANSWERED, facts.unanswered)
    return None


def _unreadable(text: str, policy: ImagePolicy) -> Refused | None:
    try:
        image(text)
        rule_of(policy)
    except BadReferenceError as bad:
        return Refused(Reason.NO_CHOICE, f"the image can't be read: {bad}")
    except (BadRuleError, ValueError) as bad:
        return Refused(Reason.NO_CHOICE, str(bad))
    return None


# ---------------------------------------------------------------------------------------------
# Which of those that may follow
# ---------------------------------------------------------------------------------------------


def _best(evidence: Evidence, now: Image, facts: ImageFacts) -> TagSeen | Refused:
    """The first of the finalists that nothing stands against; else why the best of them isn't it."""
    if facts.none:
        return Refused(Reason.NO_CHOICE, facts.none)
    answers: list[Refused] = []
    for one in facts.finalists:
        if _is_in_force(evidence, now, one):
            return answers[0] if answers else _nothing_newer(evidence.policy.images, now)
        refused = against(evidence.policy.images, evidence.now, one, facts)
        if refused is None:
            return one
        answers.append(refused)
    return answers[0] if answers else _nothing_newer(evidence.policy.images, now)


def _nothing_newer(policy: ImagePolicy, now: Image) -> Refused:
    if policy.pin is not None and policy.pin != (now.tag or "latest"):
        words = f"the policy pins it to {policy.pin}, which isn't among the tags that can follow {now.tag}"
        return Refused(Reason.PINNED, words)
    return Refused(Reason.UP_TO_DATE, f"{now.tag} is the newest that there may be")


def _is_in_force(evidence: Evidence, now: Image, one: TagSeen) -> bool:
    if one.tag != now.tag:
        return False
    pinned = evidence.policy.images.digest == "pin" or bool(now.digest)
    return not pinned or now.digest == one.digest


def against(policy: ImagePolicy, now: int, one: TagSeen, facts: ImageFacts) -> Refused | None:
    """What stands against one tag; None when it may be taken."""
    return (
        by_people(policy, one.tag, facts.holds, one.digest)
        or _incomplete(policy, one, facts.current)
        or _same(one, facts.current)
        or _young(policy, now, one)
        or _unsigned(policy, one)
    )


def by_people(policy: ImagePolicy, tag: str, holds: Iterable[Hold], digest: str = "") -> Refused | None:
    """What people have said against a tag: but for its digest that is known before a registry is asked."""
    pattern = next((each for each in policy.ignore if fnmatchcase(tag, each)), None)
    if pattern is not None:
        return Refused(Reason.HELD, f"the policy ignores {pattern}, which {tag} is")
    if policy.pin is not None and tag != policy.pin:
        return Refused(Reason.PINNED, f"the policy pins it to {policy.pin}, and {tag} is newer")
    held = next((hold for hold in holds if _holds(policy, hold, tag, digest)), None)
    return Refused(Reason.HELD, f"{tag} is held: {held.why}") if held is not None else None


def _holds(policy: ImagePolicy, hold: Hold, tag: str, digest: str) -> bool:
    """A "no" to one tag is a "no" to all below it; of one that moves, to what it pointed to."""
    if hold.digest:
        return (tag, digest) == (hold.tag, hold.digest)
    return tag == hold.tag or not newer(rule_of(policy), hold.tag, tag)


def _incomplete(policy: ImagePolicy, one: TagSeen, current: TagSeen | None) -> Refused | None:
    needed = [*policy.platforms, *(name for name, _ in (current.platforms if current else ()) if name)]
    there = {name for name, _ in one.platforms}
    missing = [name for name in dict.fromkeys(needed) if name not in there]
    if not missing:
        return None
    return Refused(Reason.MISSING_PLATFORM, f"{one.tag} has no image for {', '.join(missing)}")


def _same(one: TagSeen, current: TagSeen | None) -> Refused | None:
    """The same images under another name are no news, unless the digest is to be written."""
    if current is None or one.tag == current.tag or not one.platforms:
        return None
    if dict(one.platforms) != dict(current.platforms):
        return None
    return Refused(Reason.SAME_CONTENT, f"{one.tag} holds the very images of {current.tag}")


def _young(policy: ImagePolicy, now: int, one: TagSeen) -> Refused | None:
    """The wait is bounded: it begins with the first sight of a tag, at the latest."""
    wanted = policy.minimum_age
    if not wanted:
        return None
    known = now if one.since is None else one.since
    made = one.created if one.created is not None and one.created <= now else known
    believed = max(known, made)
    left = believed + wanted - now
    if left <= 0:
        return None
    words = f"{_age(one, now)}; the policy wants {_span(wanted)}, {_span(left)} more"
    return Refused(Reason.TOO_YOUNG, words)


def _age(one: TagSeen, now: int) -> str:
    """How long it is known, and how that is known."""
    if one.since is None or (one.known_by == "first-seen" and one.since >= now):
        return "it is seen for the first time"
    return _SEEN.get(one.known_by, "it is known for {}").format(_span(max(0, now - one.since)))


def _unsigned(policy: ImagePolicy, one: TagSeen) -> Refused | None:
    if not policy.signed_by or one.signed_by:
        return None
    return Refused(Reason.UNSIGNED, f"{one.tag} is signed by none of {', '.join(policy.signed_by)}")


# ---------------------------------------------------------------------------------------------
# What is written
# ---------------------------------------------------------------------------------------------


def _change(evidence: Evidence, slot: Slot, now: Image, best: TagSeen, facts: ImageFacts) -> Change:
    """A digest is written where one stands, where the policy wants it, and where a signature was checked:
    a tag could be moved after that."""
    policy = evidence.policy.images
    pinned = bool(now.digest) or policy.digest == "pin" or bool(policy.signed_by)
    tag = best.tag if now.tag or not now.digest else ""
    new = rewritten(slot.value or "", tag, best.digest if pinned else "")
    because, told = _because(evidence, now, best), _stages(evidence, facts)
    return Change((NewValue(slot, new),), ChangeClass.IMAGE, because, evidence, told)


def _because(evidence: Evidence, now: Image, best: TagSeen) -> str:
    policy = evidence.policy.images
    words = [f"{best.tag} follows {now.tag or 'latest'} ({_rule_in_words(policy)})"]
    if best.tag == now.tag:
        words = [f"{best.tag} is another image now"]
    if policy.minimum_age and best.since is not None:
        words.append(_age(best, evidence.now))
    if best.signed_by:
        words.append(f"signed by {best.signed_by}")
    return "; ".join(words)


def _rule_in_words(policy: ImagePolicy) -> str:
    if policy.range:
        return f"{policy.strategy}, {policy.range}"
    return f"{policy.strategy}, level {policy.level}" if policy.strategy in _LEVELLED else policy.strategy


def _stages(evidence: Evidence, facts: ImageFacts) -> tuple[Stage, ...]:
    told = [
        Stage("registry", None, f"{facts.tags} tags"),
        Stage("rule", None, _rule_in_words(evidence.policy.images)),
    ]
    told += [Stage("may follow", None, _finalist(one, evidence.now)) for one in facts.finalists]
    told += [Stage("lost", None, f"{tag}: {why}") for tag, why in facts.lost]
    return tuple(told)


def _finalist(one: TagSeen, now: int) -> str:
    words = [one.digest[:19], *([_age(one, now)] if one.since is not None else [])]
    return f"{one.tag} ({'; '.join(filter(None, words))})" if any(words) else one.tag


def _observed(row: Change) -> Decision:
    if row.evidence.policy.images_mode is not Mode.OBSERVE:
        return row
    value = row.values[0]
    detail = f"the policy only observes; it would have been {value.new}: {row.because}"
    return Keep(value.slot, Reason.OBSERVED, detail, row.stages)


def _span(seconds: int) -> str:
    size, noun = next((unit for unit in _UNITS if seconds >= unit[0]), _UNITS[-1])
    number = -(-seconds // size)
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
