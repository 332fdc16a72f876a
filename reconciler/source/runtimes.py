"""The sizes that programs are started with: heaps, soft limits, caches, processors, workers.

Pure: out of what a container is started with come the options that count, the way each runtime
decides which of several does. What can't be read is told, and counts for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from reconciler.model import RuntimeOption
from reconciler.quantity import BadQuantity, parse_cpu, parse_memory
from reconciler.source import started
from reconciler.source.options import (
    BY_VARIABLE,
    GIVEN,
    JVM,
    RELEVANT,
    STEMS,
    Rule,
    attached,
    of_flag,
    of_variable,
)
from reconciler.source.started import Amount, Configs, Given, Started, Text, Word, put_together, words_of

Resources = Mapping[str, str | None]  # requests.memory -> 1Gi

_ASSIGNED: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.]{0,100})=(.+)", re.DOTALL)
_LONGEST_SHOWN: Final = 40
_MOST: Final = 50  # options of one container

# The later of two wins; those of scripts lie between what the JVM reads by itself.
_RANKS: Final = {"JAVA_TOOL_OPTIONS": 0, "JDK_JAVA_OPTIONS": 1, "_JAVA_OPTIONS": 4}
_OF_SCRIPTS: Final = 2
_OF_COMMAND: Final = 3


class Found(NamedTuple):
    """One place that says something, before it is known whether it counts."""

    rank: int
    group: str  # the process, where a container has several that are told apart
    rule: Rule
    option: RuntimeOption


def given(container: Mapping[str, Any]) -> Given | None:
    """What a container's mapping, as plain values, holds that may say a size."""
    return started.given(container, RELEVANT)


def no_configs(name: str) -> Mapping[str, str] | None:
    """Where no ConfigMap is known."""
    return None


def may_matter(text: str) -> bool:
    """Whether a text can hold anything of it: wrong only in saying yes."""
    return "envFrom" in text or "resourceFieldRef" in text or any(stem in text for stem in STEMS)


def read(found: Given, container: str, resources: Mapping[str, Resources], configs: Configs) -> tuple[
    RuntimeOption, ...
]:  # fmt: skip
    """The options that count; `resources` are those of every container of the pod."""
    whole = put_together(found, amounts(container, resources), configs)
    return tuple(_counting([*_in_variables(whole), *_in_words(whole)]))[:_MOST]


def amounts(container: str, resources: Mapping[str, Resources]) -> Amount:
    """What a resourceFieldRef gives; None for the share of the node, where no limit is set."""

    def amount(other: str, resource: str, divisor: str) -> str | None:
        own = resources.get(other or container, {})
        text = own.get(resource)
        if text is None and resource.startswith("requests."):
            text = own.get(resource.replace("requests.", "limits.", 1))
        read_one = parse_cpu if resource.endswith(".cpu") else parse_memory
        try:
            value, unit = read_one(text or ""), read_one(divisor or "1") or read_one("1")
        except BadQuantity:
            return None
        return str(-(-value // unit)) if value > 0 and unit > 0 else None

    return amount


# ---------------------------------------------------------------------------------------------
# Where something is said
# ---------------------------------------------------------------------------------------------


def _in_variables(whole: Started) -> Iterator[Found]:
    for name, where, text in whole.variables:
        yield from _in_variable(name, where, text, whole.programs)


def _in_variable(name: str, where: str, text: Text, programs: frozenset[str]) -> Iterator[Found]:
    rule = of_variable(name)
    if rule is not None and rule.read is not None:
        value = Word(text.text.strip(), text.origin(0, len(text.text) or 1), "")
        yield from _found(_OF_SCRIPTS, "", rule, value.text, value, where)
        return
    filled = text.origin(0, len(text.text))
    if rule is None and len(text.spans) == 1 and filled not in ("", started.UNKNOWN):
        option = RuntimeOption(name, where, "", "given", 0, filled)
        yield Found(_OF_SCRIPTS, "", GIVEN._replace(setting=f"given {name}"), option)
        return
    rank = _RANKS.get(name, _OF_SCRIPTS)
    group = rule.process if rule is not None else ""
    words = list(words_of(text))
    if rule is not None and any(word.text == started.BLANK for word in words):
        yield Found(rank, group, rule, RuntimeOption(name, where, "", "unread", 0))
        return
    implied = programs | {rule.program} if rule is not None and rule.program else programs
    for one in _flags(words, implied, lambda word: where):
        yield one._replace(rank=rank, group=group)


def _in_words(whole: Started) -> Iterator[Found]:
    for words, place in ((whole.command, "command"), (whole.args, "args")):

        def where(word: Word, place: str = place) -> str:
            return f"{place}, env {word.variable}" if word.variable else place

        yield from _flags(words, whole.programs, where)


def _flags(words: Sequence[Word], programs: frozenset[str], where: Any) -> Iterator[Found]:
    """Options among the words of a command. What follows `-jar FILE` is for the program, not for the JVM."""
    for_program = False
    for at, word in enumerate(words):
        text = word.text
        if text == "-jar":
            for_program = True
        elif text == "java" or text.endswith("/java"):
            for_program = False
        assigned = _ASSIGNED.fullmatch(text) if not text.startswith("-") else None
        if assigned and (rule := BY_VARIABLE.get(assigned[1])) is not None and rule.read is not None:
            yield from _found(_OF_SCRIPTS, "", rule, assigned[2], word, where(word))
            continue
        text = assigned[2] if assigned and assigned[2].startswith("-X") else text
        if text.startswith("-X"):
            if not for_program:
                yield from _jvm(text, word, where(word))
            continue
        found = _flag(text, words[at + 1] if at + 1 < len(words) else None, programs)
        if found is not None:
            rule, value, of = found
            yield from _found(_OF_COMMAND, "", rule, value, of or word, where(word))


def _jvm(text: str, word: Word, where: str) -> Iterator[Found]:
    for prefix, rule in JVM:
        if text.startswith(prefix):
            yield from _found(_OF_COMMAND, "", rule, text[len(prefix) :], word, where)
            return


def _flag(text: str, after: Word | None, programs: frozenset[str]) -> tuple[Rule, str, Word | None] | None:
    head, equals, value = text.partition("=")
    rules = of_flag(head, programs)
    if rules and equals:
        return _fitting(rules, value), value, None
    if rules and rules[0].spaced:
        return (_fitting(rules, after.text), after.text, after) if after is not None else None
    short = attached(text, programs)
    return (*short, None) if short is not None else None


def _fitting(rules: Sequence[Rule], value: str) -> Rule:
    """Of several meanings the one that can read the value."""
    return next((rule for rule in rules if rule.read is not None and rule.read(value) is not None), rules[0])


def _found(rank: int, group: str, rule: Rule, value: str, word: Word, where: str) -> Iterator[Found]:
    assert rule.read is not None
    if value.lower() in rule.none or not (value or rule.kind == "touched"):
        return
    shown = _shown(value)
    if word.origin == started.UNKNOWN or started.BLANK in value or "$" in value:
        source = word.origin if word.origin != started.UNKNOWN else ""
        kind = rule.kind if source else _unread(rule)
        yield Found(rank, group, rule, RuntimeOption(rule.name, where, shown, kind, 0, source))
        return
    amount = rule.read(value)
    if amount is None:
        yield Found(rank, group, rule, RuntimeOption(rule.name, where, shown, _unread(rule), 0, word.origin))
    elif amount > 0:
        source = word.origin or rule.follows
        yield Found(rank, group, rule, RuntimeOption(rule.name, where, shown, rule.kind, amount, source))


def _unread(rule: Rule) -> str:
    return "unread-count" if rule.kind in ("processors", "workers") else "unread"


def _shown(value: str) -> str:
    clean = "".join(one for one in value if one.isprintable())
    return clean if len(clean) <= _LONGEST_SHOWN else f"{clean[: _LONGEST_SHOWN - 1]}…"


# ---------------------------------------------------------------------------------------------
# What counts
# ---------------------------------------------------------------------------------------------


def _counting(found: Iterable[Found]) -> Iterator[RuntimeOption]:
    """Of each setting of a process the one that wins, and then what those leave without effect."""
    held: dict[tuple[str, str], list[Found]] = {}
    unread: dict[RuntimeOption, None] = {}
    for one in found:
        if one.option.kind.startswith("unread"):
            unread[one.option] = None
        else:
            held.setdefault((one.group, one.rule.setting), []).append(one)
    winners = {key: _winner(several) for key, several in held.items()}
    followed = {one.option.from_resources for one in winners.values() if one.rule.kind != "given"}
    for (group, _), one in winners.items():
        beaten = any((group, other) in winners for other in one.rule.beaten_by)
        # What another option is made of is told with that one.
        if not beaten and not (one.rule.kind == "given" and one.option.from_resources in followed):
            yield one.option
    yield from unread


def _winner(several: Sequence[Found]) -> Found:
    """The last of the highest rank; of several variables, whose order only a script knows, the largest."""
    top = max(one.rank for one in several)
    last = {one.option.where: one for one in several if one.rank == top}
    if top == _OF_COMMAND:
        return [one for one in several if one.rank == top][-1]
    return max(last.values(), key=lambda one: one.option.amount)
