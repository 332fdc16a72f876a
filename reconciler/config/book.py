"""All policies together, and the one question they answer: what holds for this container?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from reconciler.config.matching import Matcher
from reconciler.config.ranking import DEFAULT, Claim, Conflict, Ranked, names, rank, settle
from reconciler.config.written import Key, WrittenPolicy, read_policies, ready_made
from reconciler.model import (
    Container,
    Failure,
    Freeze,
    LevelPolicy,
    Mode,
    Note,
    Policy,
    SizingPolicy,
    Whose,
    Workload,
)

_STRENGTH: Final = {Mode.OBSERVE: 0, Mode.PROPOSE: 1, Mode.MERGE: 2}
_RESOURCES_MODE: Final = ("mode", "resources")
_IMAGES_MODE: Final = ("mode", "images")
_FREEZE: Final = ("proposals", "freeze")
_GROUP: Final = ("proposals", "group")
_LABELS: Final = ("proposals", "labels")

_Held = Mapping[Key, Claim]


class _Broken(NamedTuple):
    """Why nothing can hold for the containers that a set of policies is about."""

    error: str
    at: Claim


class PolicyBook:
    """The operator's policies, those of one repository's teams, and the ready-made ones."""

    def __init__(
        self,
        operator: Sequence[WrittenPolicy] = (),
        teams: Sequence[WrittenPolicy] = (),
        group: str | None = None,
    ) -> None:
        """`group` is what settings say of grouping; any policy that says something of it wins."""
        shipped = ready_made()
        self._operator, self._group = tuple(operator), group
        self._default = next(policy for policy in shipped if policy.name == DEFAULT)
        self._ranked = (*rank(operator, shipped), *rank(teams, (*shipped, *operator)))
        self._matcher = Matcher([ranked.policy for ranked in self._ranked])
        self._settled: dict[int, Policy | _Broken] = {}

    def with_teams(self, policies: Sequence[WrittenPolicy]) -> PolicyBook:
        """The same operator's policies, and these out of a deployment repository."""
        return PolicyBook(self._operator, policies, self._group)

    def resolve(self, workload: Workload, container: Container) -> Policy | Failure:
        """What holds for the container; a Failure where policies contradict each other."""
        bits = self._matcher.bits(workload)
        found = self._settled.get(bits)
        if found is None:
            found = self._settled[bits] = self._settle(bits)
        if isinstance(found, Policy):
            return found
        at = found.at
        return Failure(
            str(container.ref), Whose.YOURS, found.error, at.holder.repository, at.holder.path, at.line
        )

    def unmatched(self, workloads: Iterable[Workload]) -> tuple[Note, ...]:
        """Policies that are about none of these workloads: often a name that was misspelt."""
        seen = 0
        for workload in workloads:
            seen |= self._matcher.bits(workload)
        return tuple(
            Note(
                "policy-matches-nothing",
                f"the policy {ranked.policy.name} matches no workload: check its match",
                ranked.policy.repository,
                ranked.policy.path,
                ranked.policy.line,
            )
            for index, ranked in enumerate(self._ranked)
            if not seen >> index & 1
        )

    def _settle(self, bits: int) -> Policy | _Broken:
        matching = [ranked for index, ranked in enumerate(self._ranked) if bits >> index & 1]
        held, conflicts = settle(matching, self._default)
        if conflicts:
            return _told(conflicts)
        allowed, refused = self._allowed(matching)
        broken = refused or _impossible(held)
        return broken or self._policy(held, allowed, names(matching))

    def _allowed(self, matching: Sequence[Ranked]) -> tuple[_Held, _Broken | None]:
        """What the operator's policies alone say: the bound of what teams can reach."""
        own = [ranked for ranked in matching if not ranked.policy.repository]
        held, conflicts = settle(own, self._default)
        about_modes = [one for one in conflicts if one.key in (_RESOURCES_MODE, _IMAGES_MODE, _FREEZE)]
        return held, _told(about_modes) if about_modes else None

    def _policy(self, held: _Held, allowed: _Held, ranked: tuple[str, ...]) -> Policy:
        grouped = held[_GROUP]
        by_default = grouped.by is self._default
        return Policy(
            names=ranked,
            resources_mode=_least(held, allowed, _RESOURCES_MODE),
            images_mode=_least(held, allowed, _IMAGES_MODE),
            sizing=_sizing(held),
            group=self._group if by_default and self._group else grouped.value,
            freezes=_freezes(allowed[_FREEZE], held[_FREEZE]),
            labels=tuple(held[_LABELS].value),
        )


def load_policies(source: Path | Iterable[Path] | None = None, group: str | None = None) -> PolicyBook:
    """The book of the operator's policies: of a file, a folder, several of them, or none."""
    sources = [] if source is None else [source] if isinstance(source, Path) else list(source)
    return PolicyBook([policy for one in sources for policy in read_policies(one)], group=group)


def _told(conflicts: Sequence[Conflict]) -> _Broken:
    """The first in full, and the keys of the others: they mostly have the same two policies."""
    others = [".".join(one.key) for one in conflicts[1:]]
    more = f"; the same goes for {', '.join(others[:5])}" if others else ""
    rest = f" and {len(others) - 5} more keys" if len(others) > 5 else ""
    return _Broken(f"{conflicts[0]}{more}{rest}", conflicts[0].one)


def _least(held: _Held, allowed: _Held, key: Key) -> Mode:
    modes: list[Mode] = [held[key].value, allowed[key].value]
    return min(modes, key=_STRENGTH.__getitem__)


def _freezes(*claims: Claim) -> tuple[Freeze, ...]:
    """A team can add freezes to the operator's, and not lift them."""
    found = {entry.freeze for claim in claims for entry in claim.value}
    return tuple(sorted(found))


def _impossible(held: _Held) -> _Broken | None:
    """Values that are right each in its own policy, and can't hold together."""
    window, wanted = held["resources", "window"], held["resources", "evidence", "days"]
    if wanted.value > window.value:
        said = (
            f"{wanted.value} days of evidence ({wanted}) don't fit into a window of {window.value} ({window})"
        )
        return _Broken(f"{said}: change one of them", wanted)
    for level in ("cpu", "memory"):
        floor, ceiling = held["resources", level, "floor"], held["resources", level, "ceiling"]
        if ceiling.value is not None and floor.value > ceiling.value:
            said = f"the {level} floor of {floor} is above the ceiling of {ceiling}"
            return _Broken(f"{said}: change one of them", ceiling)
    return None


def _sizing(held: _Held) -> SizingPolicy:
    def value(*keys: str) -> Any:
        return held[("resources", *keys)].value

    return SizingPolicy(
        cpu=_level(held, "cpu"),
        memory=_level(held, "memory"),
        window_days=value("window"),
        min_days=value("evidence", "days"),
        min_coverage_permille=value("evidence", "coverage"),
        band_up_percent=value("band", "up"),
        band_down_percent=value("band", "down"),
        step_up_percent=value("step", "up"),
        step_down_percent=value("step", "down"),
        cool_down=value("coolDown"),
        throttled_permille=value("throttled"),
        raised_only_kinds=value("raiseOnlyKinds"),
        manage_init=value("initContainers") == "manage",
    )


def _level(held: _Held, level: str) -> LevelPolicy:
    def value(key: str) -> Any:
        return held["resources", level, key].value

    return LevelPolicy(
        estimator=value("estimator"),
        percentile_permille=value("percentile"),
        headroom_percent=value("headroom"),
        floor=value("floor"),
        ceiling=value("ceiling"),
        round_to=value("round"),
        smallest_change=value("smallestChange"),
        missing=value("missing"),
        limit=value("limit"),
    )
