"""All policies together, and the one question they answer: what holds for this container?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

from reconciler import model
from reconciler.config.globs import CUSTOM_RESOURCE, is_built_in
from reconciler.config.images import image_policy
from reconciler.config.limits import split
from reconciler.config.matching import Matcher, misspelt_kinds
from reconciler.config.mistakes import BadFile, nearest
from reconciler.config.peers import kin, nobody
from reconciler.config.ranking import (
    DEFAULT,
    Claim,
    Conflict,
    Ranked,
    claims,
    defaults,
    misnamed,
    names,
    rank,
)
from reconciler.config.requests import gates
from reconciler.config.teams import LABELS, PEERS, TWINS, counts, joined
from reconciler.config.written import Key, WrittenPolicy, gather_policies, ready_made, ready_mappings
from reconciler.model import (
    Container,
    Failure,
    FieldMapping,
    LevelPolicy,
    Note,
    PeerRule,
    Policy,
    SizingPolicy,
    Whose,
    Workload,
)

_RESOURCES_MODE: Final = ("mode", "resources")
_IMAGES_MODE: Final = ("mode", "images")
_FREEZE: Final = ("proposals", "freeze")
_GROUP: Final = ("proposals", "group")
_WINDOW: Final = ("resources", "window")
_DAYS: Final = ("resources", "evidence", "days")

_Held = dict[Key, Claim]


class _Broken(NamedTuple):
    """Why nothing can hold for the containers that two policies are about."""

    error: str
    at: Claim
    beside: Claim

    def failure(self) -> Failure:
        """Named after the policies: for a hundred containers it is still one thing to mend."""
        both = dict.fromkeys((self.at.by.name, self.beside.by.name))
        what = f"the {'policies' if len(both) > 1 else 'policy'} {' and '.join(both)}"
        holder = self.at.holder
        return Failure(what, Whose.YOURS, self.error, holder.repository, holder.path, self.at.line)


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
        self._settled: dict[int, Policy | Failure] = {}

    @property
    def mappings(self) -> tuple[FieldMapping, ...]:
        """What all policies say of values outside of manifests; the first that fits a place counts."""
        own = (policy for policy, _, _ in self._ranked)
        return (*(mapping for policy in own for mapping in policy.fields), *ready_mappings())

    def with_teams(self, policies: Sequence[WrittenPolicy]) -> PolicyBook:
        """The same operator's policies, and these out of a deployment repository."""
        return PolicyBook(self._operator, policies, self._group)

    def resolve(self, workload: Workload, container: Container) -> Policy | Failure:
        """What holds for the container; a Failure where policies contradict each other.

        Containers that fail for one cause have equal failures.
        """
        bits = self._matcher.bits(workload, container.ref.container)
        if bits not in self._settled:
            self._settled[bits] = self._settle(bits)
        found = self._settled[bits]
        return found if isinstance(found, Failure) else _told_apart(found, workload.kind, container)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the ready-made policies and the others, each by itself."""
        own = (ranked.policy.name for ranked in self._ranked)
        return tuple(dict.fromkeys((*(policy.name for policy in ready_made()), *own)))

    def named(self, name: str) -> Policy | Failure | None:
        """What one policy says, whatever it is about, and the default for the rest."""
        every = (*self._ranked, *rank(ready_made(), ()))
        found = [ranked for ranked in every if ranked.policy.name == name]
        return self._joined(found[:1]) if found else None

    def kin(self, rule: PeerRule) -> Callable[[Workload, Container], tuple[str, ...] | None]:
        """What all peers of a container share under the rule; None for one that is nobody's peer."""
        shared = kin(rule)
        within = sum(
            1 << index for index, ranked in enumerate(self._ranked) if ranked.policy.name in rule.within
        )

        def found(workload: Workload, container: Container) -> tuple[str, ...] | None:
            meant = not within or within & self._matcher.bits(workload, container.ref.container) == within
            return shared(container.ref) if meant else None

        return found

    def unmatched(self, workloads: Iterable[Workload]) -> tuple[Note, ...]:
        """Policies that are about none of these workloads: often a name that was misspelt."""
        known = list(workloads)
        seen = 0
        for workload in known:
            seen |= self._matcher.any_bits(workload)
        idle = tuple(
            Note(
                "policy-matches-nothing",
                f"the policy {ranked.policy.name} matches no workload: check its match"
                f"{misspelt_kinds(ranked.policy.match)}",
                ranked.policy.repository,
                ranked.policy.path,
                ranked.policy.line,
            )
            for index, ranked in enumerate(self._ranked)
            if not seen >> index & 1
        )
        return (*idle, *_missing_peers([policy for policy, _, _ in self._ranked], known))

    def _settle(self, bits: int) -> Policy | Failure:
        return self._joined([ranked for index, ranked in enumerate(self._ranked) if bits >> index & 1])

    def _joined(self, matching: Sequence[Ranked]) -> Policy | Failure:
        said, disputed = claims([one for one in matching if not one.policy.repository])
        theirs, theirs_disputed = claims([one for one in matching if one.policy.repository])
        ours = defaults(self._default) | said
        conflicts = [disputed[key] for key in sorted(disputed)] or [
            theirs_disputed[key] for key in sorted(theirs_disputed) if counts(key, ours, self._default)
        ]
        if conflicts:
            return _told(conflicts).failure()
        held = joined(ours, theirs, self._default)
        broken = self._impossible(held)
        return broken.failure() if broken else self._policy(held, names(matching))

    def _impossible(self, held: _Held) -> _Broken | None:
        """Values that are right each in its own policy, and can't hold together.

        Beside the operator's own word a team's gives way, as far as it must.
        """
        for low, high in _IN_ORDER:
            lower, upper = held[low], held[high]
            if upper.value is None or lower.value <= upper.value:
                continue
            if self._gives_way(lower, upper):
                held[low] = lower._replace(value=upper.value)
            elif self._gives_way(upper, lower):
                held[high] = upper._replace(value=lower.value)
            else:
                return _out_of_order(low, lower, upper)
        return None

    def _gives_way(self, theirs: Claim, ours: Claim) -> bool:
        return bool(theirs.by.repository) and not ours.by.repository and ours.by is not self._default

    def _policy(self, held: _Held, ranked: tuple[str, ...]) -> Policy:
        grouped = held[_GROUP]
        by_default = grouped.by is self._default
        return Policy(
            names=ranked,
            resources_mode=held[_RESOURCES_MODE].value,
            images_mode=held[_IMAGES_MODE].value,
            sizing=_sizing(held),
            group=self._group if by_default and self._group else grouped.value,
            freezes=tuple(sorted({entry.freeze for entry in held[_FREEZE].value})),
            labels=tuple(held[LABELS].value),
            gates=gates(lambda *keys: held[("proposals", *keys)].value),
            place=held["proposals", "place"].value,
            derived=held["proposals", "derived"].value,
            peers=_kindred(held, PEERS),
            planned=tuple(sorted({entry.peak for entry in held["resources", "peaks"].value})),
            twins=_kindred(held, TWINS),
            images=image_policy(lambda key: held["images", key].value),
            image_requests=held["proposals", "images"].value,
            images_said=any(key[0] == "images" and one.by is not self._default for key, one in held.items()),
        )


def load_policies(source: Path | Iterable[Path] | None = None, group: str | None = None) -> PolicyBook:
    """The book of the operator's policies: of a file, a folder, several of them, or none."""
    sources = [] if source is None else [source] if isinstance(source, Path) else list(source)
    found = gather_policies(sources)
    if found.wrong:
        raise BadFile("policies", [*found.wrong, *misnamed(found, ready_made())])
    return PolicyBook(found.policies, group=group)


def _told_apart(policy: Policy, kind: str, container: Container) -> Policy:
    """With the kind of an operator's own where the policy says `CustomResource` of what is only raised."""
    kinds = policy.sizing.raised_only_kinds
    if CUSTOM_RESOURCE not in kinds or kind in kinds:
        return policy
    custom = any(slot.how_traced.startswith(model.CUSTOM_RESOURCE) for slot in container.slots)
    if is_built_in(kind) and not custom:
        return policy
    return policy._replace(sizing=policy.sizing._replace(raised_only_kinds=(*kinds, kind)))


def _told(conflicts: Sequence[Conflict]) -> _Broken:
    """The first in full, and the keys of the others: they mostly have the same two policies."""
    others = [".".join(one.key) for one in conflicts[1:]]
    more = f"; the same goes for {', '.join(others[:5])}" if others else ""
    rest = f" and {len(others) - 5} more keys" if len(others) > 5 else ""
    return _Broken(f"{conflicts[0]}{more}{rest}", conflicts[0].one, conflicts[0].other)


# Of each pair the first can't be more than the second.
_IN_ORDER: Final[tuple[tuple[Key, Key], ...]] = (
    (_DAYS, _WINDOW),
    (("resources", "cpu", "floor"), ("resources", "cpu", "ceiling")),
    (("resources", "memory", "floor"), ("resources", "memory", "ceiling")),
)


def _out_of_order(key: Key, lower: Claim, upper: Claim) -> _Broken:
    if key == _DAYS:
        said = f"{lower.value} days of evidence ({lower}) don't fit into a window of {upper.value} ({upper})"
        return _Broken(f"{said}: change one of them", lower, upper)
    said = f"the {key[1]} floor of {lower} is above the ceiling of {upper}"
    return _Broken(f"{said}: change one of them", upper, lower)


def _sizing(held: _Held) -> SizingPolicy:
    def value(*keys: str) -> Any:
        return held[("resources", *keys)].value

    return SizingPolicy(
        cpu=_level(held, "cpu"),
        memory=_level(held, "memory"),
        window_days=value("window"),
        min_days=value("evidence", "days"),
        known_days=value("evidence", "known"),
        min_coverage_permille=value("evidence", "coverage"),
        band_up_percent=value("band", "up"),
        band_down_percent=value("band", "down"),
        step_up_percent=value("step", "up"),
        step_down_percent=value("step", "down"),
        cool_down=value("coolDown"),
        throttled_permille=value("throttled"),
        weekend=value("evidence", "weekend"),
        stale_after=value("evidence", "age"),
        quiet_days=value("killed"),
        most_restarts=value("restarts"),
        band_adapts=value("band", "adapt"),
        qos_class=value("qosClass"),
        accelerators=value("accelerators"),
        advises_replicas=value("replicas") == "advise",
        raised_only_kinds=value("raiseOnlyKinds"),
        manage_init=value("initContainers") == "manage",
        smallest_savings=value("smallestSavings") if value("smallestSavings").millionths else None,
    )


_KINDRED: Final = (PEERS, TWINS)
_KINDRED_BY: Final = {"clusters": "cluster", "namespaces": "namespace", "names": "name"}


def _missing_peers(policies: Sequence[WrittenPolicy], known: Sequence[Workload]) -> Iterable[Note]:
    """One that is misspelt keeps nobody from being shrunk."""
    for policy, section, (key, attribute) in product(policies, _KINDRED, _KINDRED_BY.items()):
        said = policy.says.get((*section, key))
        if said is not None and said.value:
            names = sorted({getattr(workload, attribute) for workload in known})
            for pattern in said.value:
                if nobody(pattern, names):
                    whose = f"{section[1]} of the policy {policy.name}"
                    told = f'"{pattern}" in {key} of the {whose} matches nothing'
                    hint = nearest(pattern, names) or ": check how it is spelt"
                    yield Note(
                        "peers-match-nothing", f"{told}{hint}", policy.repository, policy.path, said.line
                    )


def _kindred(held: _Held, section: Key) -> PeerRule | None:
    """A team's word is about workloads that its policy is about, and about nobody else's."""
    said = [held[*section, key] for key in ("clusters", "namespaces", "names")]
    if not any(claim.value for claim in said):
        return None
    teams = {claim.by.name for claim in said if claim.by.repository}
    clusters, namespaces, names = (claim.value for claim in said)
    return PeerRule(clusters, namespaces, names, tuple(sorted(teams)))


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
        limit=split(value("limit"))[0],
        limit_percent=split(value("limit"))[1],
        missing_limit=value("missingLimit"),
        lower_limit=value("lowerLimit"),
        whole=level == "cpu" and value("whole"),
        fixed_heap=value("fixedHeap") if level == "memory" else "floor",
        percentage_heap=value("percentageHeap") if level == "memory" else "keep",
        # Days are weighed only for whom it matters: a reading for all others stays one.
        half_life_days=value("halfLife") if value("estimator") == "decayed" else 0,
        recent_days=value("recent"),
        raise_extra_percent=value("raiseExtra"),
    )
