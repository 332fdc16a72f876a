"""Who is sized together with whom: the peers that policies name, among all that is known.

What a run leaves out is a peer all the same, and so is what another policy is about, or lies in
another repository: it is measured, and not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from operator import attrgetter
from typing import Final, NamedTuple

from reconciler.model import (
    Container,
    ContainerRef,
    Failure,
    PeerRule,
    Policy,
    UnitSeen,
    Workload,
    containers,
)
from reconciler.ports import Policies


class Home(NamedTuple):
    """Everything in one repository, and the policies that hold there."""

    workloads: tuple[Workload, ...]
    policies: Policies


class Defined(NamedTuple):
    """A container, where it is defined."""

    home: int
    workload: Workload
    container: Container


class Member(NamedTuple):
    """A container that is a peer of those."""

    workload: Workload
    container: Container
    of: tuple[ContainerRef, ...]


# Each of so many holds the use of all others in its evidence; more than that grows beyond all bounds.
MOST_PEERS: Final = 50


class Hidden(NamedTuple):
    """What could hold peers, and could not be looked into. "" for a cluster or namespace not known."""

    words: str
    repository: str
    cluster: str = ""
    namespace: str = ""


def hidden(failed: Iterable[Failure], units: Iterable[UnitSeen]) -> list[Hidden]:
    """What of the repositories stays unknown: what can't be read, and units that nobody sees into."""
    found = [
        Hidden(f"{one.path or one.what}, which may define a peer, could not be read", one.repository)
        for one in failed
    ]
    found += [
        Hidden(
            f"the unit {unit.name} in {unit.path}, which may define a peer, could not be rendered",
            unit.repository,
            unit.cluster,
            unit.namespace,
        )
        for unit in units
        if unit.refused is not None and not unit.containers
    ]
    return list(dict.fromkeys(found))


class Found(NamedTuple):
    """`unseen` is what else may hold a peer; "" when there is nothing."""

    members: tuple[Member, ...] = ()
    unseen: str = ""


class Circle(NamedTuple):
    """All that are peers of each other; also what is defined twice, for whoever measures it."""

    members: list[Defined]
    refs: set[ContainerRef]


Kin = Callable[[Workload, Container], Hashable | None]
Circles = tuple[Kin, Mapping[Hashable, Circle]]


_NOBODY: Final = Circle([], set())


class Peers:
    """Answers for one container after the other; each rule is looked at once."""

    def __init__(
        self,
        homes: Sequence[Home],
        hidden: Sequence[Hidden] = (),
        rule: Callable[[Policy], PeerRule | None] = attrgetter("peers"),
    ) -> None:
        """`rule` is what of a policy says who they are."""
        self._rule = rule
        self._homes = tuple(homes)
        self._hidden = tuple(hidden)
        self._circles: dict[tuple[int, PeerRule], Circles] = {}
        self._unseen: dict[tuple[object, ...], str] = {}

    def of(self, fed: Sequence[ContainerRef], own: PeerRule | None) -> Found:
        """All peers of everyone that some lines feed. `own` is the rule of the one that is fed alone."""
        if len(fed) == 1 and own is None:
            return Found()
        ruled = [one for ref in fed for one in self._ruled(ref)]
        everyone = (self._circle(*one).refs for one in ruled)
        beside = max((len(refs) - len({*fed} & refs) for refs in everyone), default=0)
        if beside > MOST_PEERS:
            return Found((), f"{beside} peers are more than the {MOST_PEERS} that are looked at together")
        return Found(self._members(ruled), next(filter(None, (self._unseen_by(*one) for one in ruled)), ""))

    def some(self, fed: Sequence[ContainerRef], own: PeerRule | None, most: int) -> tuple[Member, ...]:
        """The first in the order of their names, of those that aren't fed themselves."""
        if len(fed) == 1 and own is None:
            return ()
        found = self._members([one for ref in fed for one in self._ruled(ref)])
        return tuple(islice((one for one in found if one.container.ref not in fed), most))

    def _members(self, ruled: Sequence[tuple[Defined, PeerRule]]) -> tuple[Member, ...]:
        found: dict[tuple[ContainerRef, str, str, str], tuple[Defined, dict[ContainerRef, None]]] = {}
        for defined, rule in ruled:
            for peer in self._circle(defined, rule).members:
                if peer.container.ref != defined.container.ref:
                    _, of = found.setdefault(_place(peer), (peer, {}))
                    of[defined.container.ref] = None
        ordered = sorted(found.items(), key=lambda item: item[0])
        return tuple(Member(one.workload, one.container, tuple(of)) for _, (one, of) in ordered)

    def _ruled(self, ref: ContainerRef) -> Iterator[tuple[Defined, PeerRule]]:
        for defined in self._by_ref.get(ref, ()):
            policy = self._homes[defined.home].policies.resolve(defined.workload, defined.container)
            rule = None if isinstance(policy, Failure) else self._rule(policy)
            if rule is not None:
                yield defined, rule

    def _circle(self, defined: Defined, rule: PeerRule) -> Circle:
        kin, circles = self._circles_of(defined.home, rule)
        shared = kin(defined.workload, defined.container)
        return circles.get(shared, _NOBODY) if shared is not None else _NOBODY

    def _unseen_by(self, defined: Defined, rule: PeerRule) -> str:
        """What may hold a peer of it, by where it runs: that is the same for all that run there."""
        kin, _ = self._circles_of(defined.home, rule)
        workload, ref = defined.workload, defined.container.ref
        if not self._hidden or kin(workload, defined.container) is None:
            return ""
        who = ref if rule.within else None  # a team's policy may look at more than where it is
        key = (defined.home, rule, ref.cluster, ref.namespace, workload.repository, who)
        if key not in self._unseen:
            found = (one.words for one in self._hidden if _may_hold(one, defined, rule, kin))
            self._unseen[key] = next(found, "")
        return self._unseen[key]

    @cached_property
    def _by_ref(self) -> Mapping[ContainerRef, Sequence[Defined]]:
        found: dict[ContainerRef, list[Defined]] = {}
        for defined in self._all():
            found.setdefault(defined.container.ref, []).append(defined)
        return found

    def _all(self) -> Iterable[Defined]:
        for number, home in enumerate(self._homes):
            for workload, container in containers(home.workloads):
                yield Defined(number, workload, container)

    def _circles_of(self, home: int, rule: PeerRule) -> Circles:
        """A team's policies mean something in their own repository alone, so rules belong to a home."""
        if (home, rule) not in self._circles:
            kin = self._homes[home].policies.kin(rule)
            circles: dict[Hashable, Circle] = {}
            for defined in self._all():
                shared = kin(defined.workload, defined.container)
                if shared is not None:
                    circle = circles.setdefault(shared, Circle([], set()))
                    circle.members.append(defined)
                    circle.refs.add(defined.container.ref)
            self._circles[home, rule] = (kin, circles)
        return self._circles[home, rule]


def _place(found: Defined) -> tuple[ContainerRef, str, str, str]:
    return found.container.ref, found.workload.repository, found.workload.path, found.workload.unit


def _may_hold(hidden: Hidden, defined: Defined, rule: PeerRule, kin: Kin) -> bool:
    """Whether a peer could run where that does: as far as it is known where that is."""
    workload, ref = defined.workload, defined.container.ref
    if rule.within and hidden.repository != workload.repository:
        return False
    cluster, namespace = hidden.cluster or ref.cluster, hidden.namespace or ref.namespace
    here = (cluster, namespace) == (ref.cluster, ref.namespace)
    if here and not rule.names and hidden.cluster and hidden.namespace:
        return False  # there it would be the container itself
    there = defined.container._replace(ref=ref._replace(cluster=cluster, namespace=namespace))
    moved = workload._replace(cluster=cluster, namespace=namespace)
    return kin(moved, there) == kin(workload, defined.container)
