"""The newest tag that a rule allows, and why the others are not it. Pure: a list of tags in any order.

Nothing is ever lower than what is in force. Whatever the strategy, tags of equal worth are told
apart by their text, so that the order in which a registry lists them plays no part.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from reconciler.images.reference import is_tag
from reconciler.images.rules import BadRuleError, Compiled, ImageRule, Level, Order, Strategy
from reconciler.images.semver import RELEASE, Range, Version, version
from reconciler.images.shapes import Scheme, Shape, commits, is_signature, shape

MOST_JUMP: Final = 100  # majors at once: 3 → 20240101 is another way of counting
BUILDS_FROM: Final = 1000  # a lower number standing alone may be a major version: postgres:16
MOMENT: Final = 8  # digits from which on a number is a date or a time
NEAREST: Final = 5  # of those that lost, the ones worth a word


class Lost(NamedTuple):
    tag: str
    why: str


class Chosen(NamedTuple):
    """`tag` is the current one when nothing is newer."""

    tag: str
    why: str
    lost: tuple[Lost, ...]
    ranked: tuple[str, ...] = ()  # all that could be chosen, the best first


class NoChoice(NamedTuple):
    why: str
    lost: tuple[Lost, ...] = ()


class Judged(NamedTuple):
    """One tag: `order` compares it with others; None when it can't be chosen, and `why` says why."""

    tag: str
    order: Any
    why: str
    rank: Any  # how near it came, for telling


Judge = Callable[[str], Judged]


def choose(
    rule: ImageRule,
    current: str,
    tags: Iterable[str],
    made: Mapping[str, int] | None = None,
    allowed: Collection[str] | None = None,
) -> Chosen | NoChoice:
    """`made` is when each tag was, for strategy newest. `allowed` is what others let through."""
    if rule.strategy is Strategy.DIGEST:
        return _digest(current, tags)
    judged = _judged(rule, current, tags, made or {}, allowed)
    if isinstance(judged, NoChoice):
        return judged
    fit = [one for one in judged if one.order is not None]
    if not fit:
        why = f"none of {len(judged)} tags can follow {current}" if judged else "there are no tags"
        return NoChoice(why, _nearest(judged, ""))
    fit.sort(key=lambda one: (one.order, one.tag), reverse=True)
    best = fit[0]
    others = [one._replace(why=f"{best.tag} is newer") if one.order is not None else one for one in judged]
    return Chosen(best.tag, best.why, _nearest(others, best.tag), tuple(one.tag for one in fit))


def newer(rule: ImageRule, than: str, tag: str) -> bool:
    """Whether a tag is beyond another one, by the rule's own order. Without an order only another tag is."""
    found = choose(rule._replace(level=Level.MAJOR, pre_releases=True, range=None), than, [tag])
    return isinstance(found, Chosen) and found.tag != than


def judge_all(
    rule: ImageRule, current: str, tags: Iterable[str], made: Mapping[str, int] | None = None
) -> list[tuple[str, bool, str]]:
    """Every tag, whether it could be chosen, and why (not): the best first, then those that came near."""
    if rule.strategy is Strategy.DIGEST:
        why = "its digest is followed"
        return [(tag, tag == current, why if tag == current else "") for tag in sorted(tags)]
    judged = _judged(rule, current, tags, made or {}, None)
    if isinstance(judged, NoChoice):
        return [(tag, False, judged.why) for tag in sorted(tags)]
    fit = sorted((one for one in judged if one.order is not None), key=lambda one: (one.order, one.tag))
    near = sorted((one for one in judged if one.order is None and one.rank is not None),
                  key=lambda one: (one.rank, one.tag))  # fmt: skip
    rest = sorted((one for one in judged if one.rank is None), key=lambda one: one.tag, reverse=True)
    told = [one._replace(why="" if one is not fit[-1] else one.why) for one in fit]
    return [(one.tag, one.order is not None, one.why) for one in reversed([*rest, *near, *told])]


def _judged(
    rule: ImageRule,
    current: str,
    tags: Iterable[str],
    made: Mapping[str, int],
    allowed: Collection[str] | None,
) -> list[Judged] | NoChoice:
    try:
        compiled = Compiled(rule)
    except BadRuleError as bad:
        return NoChoice(str(bad))
    known = sorted({tag for tag in tags if is_tag(tag) and not is_signature(tag)})
    judge = _judge_of(compiled, current, made, known)
    if isinstance(judge, NoChoice):
        return judge
    now = judge(current)
    judged = (_allowed(judge(tag), allowed) for tag in known)
    return [_no_other_name(one, current, now) for one in judged]


def _allowed(one: Judged, allowed: Collection[str] | None) -> Judged:
    if allowed is None or one.order is None or one.tag in allowed:
        return one
    return one._replace(order=None, why="it isn't among those that are allowed here")


def _no_other_name(one: Judged, current: str, now: Judged) -> Judged:
    """1.0 never becomes v1.0 for nothing."""
    if one.tag == current or one.order is None or one.order != now.order:
        return one
    return one._replace(order=None, why=f"it is {current} under another name")


def _nearest(judged: Iterable[Judged], chosen: str) -> tuple[Lost, ...]:
    """The highest of those that lost: a reader looks for what they know to be out."""
    lost = [one for one in judged if one.tag != chosen and one.rank is not None]
    lost.sort(key=lambda one: (one.rank, one.tag), reverse=True)
    return tuple(Lost(one.tag, one.why) for one in lost[:NEAREST])


def _digest(current: str, tags: Iterable[str]) -> Chosen | NoChoice:
    if current in set(tags):
        return Chosen(current, f"{current} is followed by its digest", ())
    return NoChoice(f"the registry has no tag {current}")


def _judge_of(
    compiled: Compiled, current: str, made: Mapping[str, int], tags: Collection[str]
) -> Judge | NoChoice:
    strategy = compiled.rule.strategy
    if strategy is Strategy.AUTO:
        return _auto(compiled, current, tags)
    if strategy is Strategy.SEMVER:
        return _semver(compiled, current)
    if strategy is Strategy.CALVER:
        return _calver(compiled, current)
    if strategy is Strategy.NEWEST:
        return _newest(compiled, current, made)
    return _sorted(compiled, current)


# ---------------------------------------------------------------------------------------------
# auto: what the current tag looks like
# ---------------------------------------------------------------------------------------------


def _auto(compiled: Compiled, current: str, tags: Iterable[str]) -> Judge | NoChoice:
    text = compiled.passes(current)
    if text is None:
        return NoChoice(
            f"the filter leaves out the tag in force, {current}, which would show what kind follows"
        )
    now = shape(text)
    counts = now is not None and now.scheme is Scheme.NUMBER
    beside = commits(filter(None, map(compiled.passes, tags))) if counts else frozenset()
    if now is None or _is_commit(now, beside):
        words = "shows no version, so a policy has to say which tags follow it (images.strategy)"
        return NoChoice(f"the tag {current} {words}")

    def judge(tag: str) -> Judged:
        counted = compiled.passes(tag)
        if counted is None:
            return Judged(tag, None, "the filter leaves it out", None)
        seen = shape(counted)
        if seen is None or not now.is_like(seen) or _is_commit(seen, beside):
            return Judged(tag, None, f"it isn't of the kind of {current}", None)
        why = _refused(compiled.rule, now, seen, current)
        return Judged(tag, None if why else seen.order, why or _same_or_newer(tag, current), seen.order)

    return judge


def _is_commit(seen: Shape, beside: Collection[tuple[str, int]]) -> bool:
    return (seen.prefix, seen.widths[0]) in beside


def _same_or_newer(tag: str, current: str) -> str:
    return f"{current} is the newest" if tag == current else f"it is the newest of the kind of {current}"


def _refused(rule: ImageRule, now: Shape, seen: Shape, current: str) -> str:
    if seen.order < now.order:
        return f"it is lower than {current}"
    goes_on = bool(now.pre) and seen.numbers == now.numbers and seen.pre[:1] == now.pre[:1]
    if seen.pre and not rule.pre_releases and not goes_on:
        return "it is no stable version"
    if _counts_otherwise(now, seen):
        return "its numbers are much longer, which is another way of counting"
    if now.scheme is Scheme.DATE or (now.scheme is Scheme.NUMBER and now.numbers[0] >= BUILDS_FROM):
        return ""  # neither a date nor the number of a build promises anything by what it leaves as it is
    jump = seen.numbers[0] - now.numbers[0]
    if jump > MOST_JUMP:
        return f"it is {jump} majors higher, which is another way of counting"
    return _beyond(rule.level, now.numbers, seen.numbers)


def _counts_otherwise(now: Shape, seen: Shape) -> bool:
    """1234 → 1705312345 and 1.2.3 → 1.20240115.0: a moment has come in place of a count."""
    if now.scheme is Scheme.NUMBER and now.numbers[0] >= BUILDS_FROM:
        return seen.widths[0] > now.widths[0] + 1
    pairs = zip(now.widths, seen.widths, strict=True)
    return any(is_ >= MOMENT and was < MOMENT - 1 for was, is_ in pairs)


def _beyond(level: Level, now: tuple[int, ...], seen: tuple[int, ...]) -> str:
    """Why a step is larger than the level lets it be."""
    if level is not Level.MAJOR and seen[0] != now[0]:
        return f"it is another major version, and the policy's level is {level}"
    if level is Level.PATCH and seen[:2] != now[:2]:
        return "it is another minor version, and the policy's level is patch"
    return ""


# ---------------------------------------------------------------------------------------------
# semver
# ---------------------------------------------------------------------------------------------


def _semver(compiled: Compiled, current: str) -> Judge | NoChoice:
    wanted = compiled.range
    now = version(_counted(compiled, current))

    def judge(tag: str) -> Judged:
        counted = compiled.passes(tag)
        if counted is None:
            return Judged(tag, None, "the filter leaves it out", None)
        seen = version(counted)
        if seen is None:
            return Judged(tag, None, f"{counted[:140]!r} is no semantic version", None)
        why = _outside(compiled, seen, now, current)
        return Judged(tag, None if why else seen, why or _highest(wanted, tag, current), seen)

    return judge


def _highest(wanted: Range | None, tag: str, current: str) -> str:
    if tag == current:
        return f"{current} is the highest"
    return f"it is the highest in {wanted.text}" if wanted is not None else "it is the highest"


def _outside(compiled: Compiled, seen: Version, now: Version | None, current: str) -> str:
    rule, wanted = compiled.rule, compiled.range
    stable = seen._replace(pre=RELEASE) if rule.pre_releases else seen
    if wanted is not None and not wanted.holds(seen) and not wanted.holds(stable):
        return f"it isn't in {wanted.text}"
    goes_on = now is not None and now.is_pre and seen[:3] == now[:3]
    if wanted is None and seen.is_pre and not rule.pre_releases and not goes_on:
        return "it is no stable version"
    if now is None:
        return ""
    if seen < now:
        return f"it is lower than {current}"
    if _leaps(now.major, seen.major) and not (
        wanted is not None and wanted.reaches(now.major + MOST_JUMP + 1)
    ):
        return f"it is {seen.major - now.major} majors higher, which is another way of counting"
    return "" if wanted is not None else _beyond(rule.level, now[:3], seen[:3])


def _counted(compiled: Compiled, current: str) -> str:
    """What counts of the tag in force, also of one that the filter leaves out: nothing may be lower."""
    text = compiled.passes(current)
    return current if text is None else text


def _leaps(now: int, seen: int) -> bool:
    """1.2.3 → 20240101: a date, or the number of a build, reads as a version, too."""
    return len(str(seen)) > len(str(now)) + 1 if now >= BUILDS_FROM else seen - now > MOST_JUMP


# ---------------------------------------------------------------------------------------------
# calver, numerical, alphabetical, newest
# ---------------------------------------------------------------------------------------------


def _calver(compiled: Compiled, current: str) -> Judge | NoChoice:
    now = shape(_counted(compiled, current))
    meant = now if compiled.passes(current) is not None else None  # the form that others must have

    def judge(tag: str) -> Judged:
        counted = compiled.passes(tag)
        if counted is None:
            return Judged(tag, None, "the filter leaves it out", None)
        seen = shape(counted)
        if seen is None or not seen.is_calendar or (meant is not None and not meant.is_like(seen)):
            return Judged(tag, None, f"it is no date like {current}", None)
        earlier = now is not None and now.is_like(seen) and seen.order < now.order
        why = f"it is earlier than {current}" if earlier else ""
        if seen.pre and not compiled.rule.pre_releases:
            why = "it is no stable version"
        return Judged(tag, None if why else seen.order, why or "it is the latest date", seen.order)

    if meant is not None and not meant.is_calendar:
        return NoChoice(f"the current tag {current} is no date, and the strategy is calver")
    return judge


def _sorted(compiled: Compiled, current: str) -> Judge | NoChoice:
    """By number or by text. Down means that the lowest is the newest."""
    numerical, rule = compiled.rule.strategy is Strategy.NUMERICAL, compiled.rule
    key = _number if numerical else _text
    sign = -1 if rule.order is Order.DESCENDING else 1
    text = compiled.passes(current)
    if text is None and numerical:  # names of two kinds can't be compared, numbers can
        text = current
    now = key(text, sign) if text is not None else None
    side = "higher" if sign < 0 else "lower"
    said = f"it is the {'first' if sign < 0 else 'last'} by {'number' if numerical else 'name'}"

    def judge(tag: str) -> Judged:
        counted = compiled.passes(tag)
        if counted is None:
            return Judged(tag, None, "the filter leaves it out", None)
        seen = key(counted, sign)
        if seen is None:
            return Judged(tag, None, f"{counted[:140]!r} is no number", None)
        if now is not None and seen < now:
            return Judged(tag, None, f"it is {side} than {current}", seen)
        return Judged(tag, seen, said, seen)

    return judge


_DIGITS: Final = 40


def _number(text: str, sign: int) -> tuple[int, ...] | None:
    """Exact, with as many places behind the point as are written."""
    whole, _, part = text.partition(".")
    body = whole[1:] if whole[:1] in ("-", "+") else whole
    if not body.isascii() or not body.isdigit() or (part and not (part.isascii() and part.isdigit())):
        return None
    if len(body) > _DIGITS or len(part) > _DIGITS or text.endswith("."):
        return None
    value = int(body + part.ljust(_DIGITS, "0"))
    return (sign * (-value if whole[:1] == "-" else value),)


def _text(text: str, sign: int) -> tuple[int, ...] | None:
    """Character by character; the end counts as lower than any."""
    return (*(sign * (ord(char) + 1) for char in text), 0)


def _newest(compiled: Compiled, current: str, made: Mapping[str, int]) -> Judge | NoChoice:
    now = made.get(current)

    def judge(tag: str) -> Judged:
        if compiled.passes(tag) is None:
            return Judged(tag, None, "the filter leaves it out", None)
        seen = made.get(tag)
        if seen is None:
            return Judged(tag, None, "when it was made isn't known", None)
        if now is not None and seen < now:
            return Judged(tag, None, f"it was made before {current}", seen)
        return Judged(tag, seen, "it was made last", seen)

    return judge
