"""Which policies are about a container."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from reconciler.config.globs import PathMatcher, any_kind, any_name, nearest_kind
from reconciler.config.policy import Match
from reconciler.config.written import WrittenPolicy
from reconciler.model import Workload

_Test = Callable[[Any], bool]


class Matcher:
    """The policies that match a container, as a number with one bit a policy.

    Asked one attribute at a time and remembered: ten thousand containers have far fewer
    namespaces, kinds and folders.
    """

    def __init__(self, policies: Sequence[WrittenPolicy]) -> None:
        matches = [policy.match for policy in policies]
        self._cluster = _Attribute([_test(one, "clusters", any_name) for one in matches])
        self._namespace = _Attribute([_test(one, "namespaces", any_name) for one in matches])
        self._kind = _Attribute([_test(one, "kinds", any_kind) for one in matches])
        self._name = _Attribute([_test(one, "names", any_name) for one in matches])
        self._container = _Attribute([_test(one, "containers", any_name) for one in matches])
        self._path = PathMatcher([one.paths if one is not None else None for one in matches])
        self._labels = _Attribute([_label_test(one) for one in matches])
        self._repository = _Attribute([_only_in(policy.repository) for policy in policies])

    def bits(self, workload: Workload, container: str) -> int:
        """The policies that are about that container of the workload."""
        found = self._container.bits(container)
        return found and found & self._of_workload(workload)

    def any_bits(self, workload: Workload) -> int:
        """Those that are about the workload, or one of its containers."""
        names = {one.ref.container for one in workload.containers}
        found = self._container.free
        for name in names:
            found |= self._container.bits(name)
        return found & self._of_workload(workload)

    def _of_workload(self, workload: Workload) -> int:
        return (
            self._repository.bits(workload.repository)
            & self._cluster.bits(workload.cluster)
            & self._namespace.bits(workload.namespace)
            & self._kind.bits(workload.kind)
            & self._name.bits(workload.name)
            & self._paths(workload)
            & self._labels.bits(workload.labels)
        )

    def _paths(self, workload: Workload) -> int:
        """A policy about a folder is about what is defined there, and what takes a value from there."""
        if not self._path.asks:
            return self._path.bits(workload.path)
        found = 0
        for path in workload.files:
            found |= self._path.bits(path)
        return found


def misspelt_kinds(match: Match | None) -> str:
    """`; did you mean "Deployment"?`: a kind that isn't known may be one of your own, or misspelt."""
    kinds = match.kinds if match is not None and match.kinds is not None else ()
    near = dict.fromkeys(f'"{kind}"' for kind in map(nearest_kind, kinds) if kind)
    return f"; did you mean {' and '.join(near)}?" if near else ""


class _Attribute:
    def __init__(self, tests: Sequence[_Test | None]) -> None:
        self._tests = [(1 << index, test) for index, test in enumerate(tests) if test is not None]
        self.free = sum(1 << index for index, test in enumerate(tests) if test is None)
        self._known: dict[Hashable, int] = {}

    def bits(self, value: Hashable) -> int:
        """The policies that this value does not rule out."""
        if not self._tests:
            return self.free
        found = self._known.get(value)
        if found is None:
            found = self.free | sum(bit for bit, test in self._tests if test(value))
            self._known[value] = found
        return found


def _test(match: Match | None, key: str, of: Callable[[Sequence[str]], _Test]) -> _Test | None:
    patterns = getattr(match, key) if match is not None else None
    return of(patterns) if patterns is not None else None


def _only_in(repository: str) -> _Test | None:
    """A team's policy is about its own repository and no other."""
    return (lambda found: found == repository) if repository else None


def _label_test(match: Match | None) -> _Test | None:
    if match is None or match.labels is None:
        return None
    tests = {label: any_name(patterns) for label, patterns in match.labels.items()}

    def all_there(labels: tuple[tuple[str, str], ...]) -> bool:
        found = dict(labels)
        return all(label in found and test(found[label]) for label, test in tests.items())

    return all_there
