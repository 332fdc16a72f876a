"""Who is sized together with whom: the peers that policies name, among all that is known.

What a run leaves out is a peer all the same, and so is what another policy is about, or lies in
another repository: it is measured, and not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from reconciler.model import Container, ContainerRef, Failure, PeerRule, UnitSeen, Workload, containers
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


Circles = tuple[Callable[[Workload, Container], Hashable | None], Mapping[Hashable, Sequence[Defined]]]


class Peers:
    """Answers for one container after the other; each rule is looked at once."""

    def __init__(self, homes: Sequence[Home], hidden: Sequence[Hidden] = ()) -> None:
        self._homes = tuple(homes)
        self._hidden = tuple(hidden)
        self._circles: dict[tuple[int, PeerRule], Circles] = {}

    def of(self, fed: Sequence[ContainerRef], own: PeerRule | None) -> Found:
        """All peers of everyone that some lines feed. `own` is the rule of the one that is fed alone."""
        if len(fed) == 1 and own is None:
            return Found()
        ruled = [one for ref in fed for one in self._ruled(ref)]
        found: dict[tuple[ContainerRef, str, str, str], tuple[Defined, dict[ContainerRef, None]]] = {}
        for defined, rule in ruled:
            for peer in self._of(defined, rule):
                at = peer.workload
                name = (peer.container.ref, at.repository, at.path, at.unit)
                found.setdefault(name, (peer, {}))[1][defined.container.ref] = None
        members = [
            Member(one.workload, one.container, tuple(of))
            for _, (one, of) in sorted(found.items(), key=lambda item: item[0])
        ]
        unseen = (hidden.words for hidden in self._hidden for one in ruled if self._may_hold(hidden, *one))
        return Found(tuple(members), next(unseen, ""))

    def _ruled(self, ref: ContainerRef) -> Iterator[tuple[Defined, PeerRule]]:
        for defined in self._by_ref.get(ref, ()):
            policy = self._homes[defined.home].policies.resolve(defined.workload, defined.container)
            if not isinstance(policy, Failure) and policy.peers is not None:
                yield defined, policy.peers

    def _of(self, defined: Defined, rule: PeerRule) -> Iterator[Defined]:
        """Also those that stand twice: whoever measures them has to know."""
        kin, circles = self._circles_of(defined.home, rule)
        shared = kin(defined.workload, defined.container)
        others = circles.get(shared, ()) if shared is not None else ()
        yield from (other for other in others if other.container.ref != defined.container.ref)

    def _may_hold(self, hidden: Hidden, defined: Defined, rule: PeerRule) -> bool:
        """Whether a peer could run where that does: as far as it is known where that is."""
        workload, ref = defined.workload, defined.container.ref
        if rule.within and hidden.repository != workload.repository:
            return False
        cluster, namespace = hidden.cluster or ref.cluster, hidden.namespace or ref.namespace
        here = (cluster, namespace) == (ref.cluster, ref.namespace)
        if here and not rule.names and hidden.cluster and hidden.namespace:
            return False  # there it would be the container itself
        kin = self._circles_of(defined.home, rule)[0]
        there = defined.container._replace(ref=ref._replace(cluster=cluster, namespace=namespace))
        shared = kin(workload, defined.container)
        moved = workload._replace(cluster=cluster, namespace=namespace)
        return shared is not None and kin(moved, there) == shared

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
            circles: dict[Hashable, list[Defined]] = {}
            for defined in self._all():
                shared = kin(defined.workload, defined.container)
                if shared is not None:
                    circles.setdefault(shared, []).append(defined)
            self._circles[home, rule] = (kin, circles)
        return self._circles[home, rule]
