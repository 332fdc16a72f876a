"""Which policy decides what: priorities, what `extends` brings, and contradictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from reconciler.config.mistakes import BadFile, Mistake, nearest
from reconciler.config.written import Gathered, Key, Said, WrittenPolicy, contradictions

DEFAULT: Final = "balanced"
_LONGEST_WAY: Final = 64


Heritage = tuple[Mapping[Key, tuple[Said, WrittenPolicy]], tuple[str, ...]]


class Ranked(NamedTuple):
    """A policy with all that its `extends` brings, and the names it comes from, nearest first."""

    policy: WrittenPolicy
    brought: Mapping[Key, tuple[Said, WrittenPolicy]]
    lineage: tuple[str, ...]


class Claim(NamedTuple):
    """One policy's word on one key. `holder` is the policy that says it, maybe an extended one."""

    value: Any
    line: int
    holder: WrittenPolicy
    by: WrittenPolicy

    def __str__(self) -> str:
        via = f", which {self.by.name} ({self.by.where}) extends" if self.by is not self.holder else ""
        return f"{self.holder.name} ({self.holder.path}:{self.line}{via})"


class Conflict(NamedTuple):
    key: Key
    one: Claim
    other: Claim

    def __str__(self) -> str:
        return (
            f"{'.'.join(self.key)} is said differently by {self.one} and {self.other}, and both have "
            f"priority {self.one.by.priority}: give one of them a higher priority"
        )


def rank(policies: Sequence[WrittenPolicy], known: Sequence[WrittenPolicy]) -> tuple[Ranked, ...]:
    """Each of the policies with what it extends, out of themselves and `known`."""
    _reject(_taken_twice(policies, known), policies)
    by_name = {policy.name: policy for policy in (*known, *policies)}
    _reject(_unknown(policies, by_name), policies)
    family = _Family(by_name)
    found = tuple(Ranked(policy, *family.heritage(policy)) for policy in policies)
    _reject((one for ranked in found for one in _torn(ranked)), policies)
    return found


def misnamed(found: Gathered, known: Sequence[WrittenPolicy]) -> list[Mistake]:
    """Wrong names among policies of which others can't be read: only what is sure."""
    wrong = list(_taken_twice(found.policies, known))
    if not found.unread:
        by_name = {policy.name: policy for policy in (*known, *found.policies)}
        wrong += _unknown(found.policies, by_name, found.broken_names)
    return wrong


def _torn(ranked: Ranked) -> Iterable[Mistake]:
    """What a policy says itself must fit to what it extends for the rest."""
    policy, brought, _ = ranked
    whole = {key: said.value for key, (said, _) in brought.items()}
    whole |= {key: said.value for key, said in policy.says.items()}
    for _, message in contradictions(whole):
        at = policy.extends[-1]
        said = f"{message}: some of it comes with what it extends, so say both in here"
        yield Mistake(policy.path, at.line, at.column, said)


def _reject(mistakes: Iterable[Mistake], policies: Sequence[WrittenPolicy]) -> None:
    found = list(mistakes)
    if found:
        raise BadFile("policies", found, policies[0].repository)


def _taken_twice(policies: Sequence[WrittenPolicy], known: Sequence[WrittenPolicy]) -> Iterable[Mistake]:
    seen = {policy.name: policy for policy in known}
    for policy in policies:
        first = seen.setdefault(policy.name, policy)
        if first is not policy:
            message = f'the name "{policy.name}" is taken by the policy at {first.where}: choose another'
            yield Mistake(policy.path, policy.line, policy.column, message)


def _unknown(
    policies: Sequence[WrittenPolicy],
    by_name: Mapping[str, WrittenPolicy],
    broken: frozenset[str] = frozenset(),
) -> Iterable[Mistake]:
    for policy in policies:
        for name, line, column in policy.extends:
            if name not in by_name and name not in broken:
                message = f'no policy is called "{name}"{nearest(name, [*by_name])}'
                yield Mistake(policy.path, line, column, message)


class _Family:
    """Works out what each policy gets from those it extends; each only once."""

    def __init__(self, by_name: Mapping[str, WrittenPolicy]) -> None:
        self._by_name = by_name
        self._known: dict[str, Heritage] = {}

    def heritage(self, policy: WrittenPolicy, way: tuple[str, ...] = ()) -> Heritage:
        """A base's own words lie over what that base extends, and later bases over earlier ones."""
        way = (*way, policy.name)
        if policy.name not in self._known:
            brought: dict[Key, tuple[Said, WrittenPolicy]] = {}
            lineage: list[str] = []
            for said in policy.extends:
                base = self._by_name[said.value]
                self._check_way(policy, said, way)
                inherited, names = self.heritage(base, way)
                brought |= inherited
                brought |= {key: (word, base) for key, word in base.says.items()}
                lineage = [base.name, *names, *lineage]
            self._known[policy.name] = (brought, tuple(dict.fromkeys(lineage)))
        return self._known[policy.name]

    def _check_way(self, policy: WrittenPolicy, said: Said, way: tuple[str, ...]) -> None:
        message = ""
        if said.value in way:
            circle = [*way[way.index(said.value) :], said.value]
            message = f"extends goes in a circle: {' -> '.join(circle)}"
        elif len(way) > _LONGEST_WAY:
            message = f"extends leads on for more than {_LONGEST_WAY} policies: name the last one directly"
        if message:
            wrong = Mistake(policy.path, said.line, said.column, message)
            raise BadFile("policies", [wrong], policy.repository)


def claims(matching: Sequence[Ranked]) -> tuple[dict[Key, Claim], dict[Key, Conflict]]:
    """What the policies say, key by key: own words over what is brought. And where they disagree."""
    held: dict[Key, Claim] = {}
    conflicts: dict[Key, Conflict] = {}
    for layer in (_brought(matching), _own(matching)):  # the later one lies over the earlier one
        for key, all_of_key in layer.items():
            top = max(claim.by.priority for claim in all_of_key)
            best = [claim for claim in all_of_key if claim.by.priority == top]
            held[key] = best[0]
            conflicts.pop(key, None)
            other = next((claim for claim in best[1:] if claim.value != best[0].value), None)
            if other:
                conflicts[key] = Conflict(key, best[0], other)
    return held, conflicts


def defaults(default: WrittenPolicy) -> dict[Key, Claim]:
    return {key: Claim(said.value, said.line, default, default) for key, said in default.says.items()}


def _own(matching: Sequence[Ranked]) -> dict[Key, list[Claim]]:
    claims: dict[Key, list[Claim]] = {}
    for policy, _, _ in matching:
        for key, said in policy.says.items():
            claims.setdefault(key, []).append(Claim(said.value, said.line, policy, policy))
    return claims


def _brought(matching: Sequence[Ranked]) -> dict[Key, list[Claim]]:
    """Without what comes from the default: it ranks lowest, named or not."""
    claims: dict[Key, list[Claim]] = {}
    for policy, brought, _ in matching:
        for key, (said, base) in brought.items():
            if base.name != DEFAULT:
                claims.setdefault(key, []).append(Claim(said.value, said.line, base, policy))
    return claims


def names(matching: Sequence[Ranked]) -> tuple[str, ...]:
    """Highest rank first: the operator's that match, then the teams', what they extend, the default."""
    ordered = sorted(matching, key=lambda ranked: (bool(ranked.policy.repository), -ranked.policy.priority))
    own = [ranked.policy.name for ranked in ordered]
    extended = [name for ranked in ordered for name in ranked.lineage]
    return tuple(dict.fromkeys([*own, *(name for name in extended if name != DEFAULT), DEFAULT]))
