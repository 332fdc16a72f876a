"""What a namespace allows its pods: LimitRanges and ResourceQuotas, wherever a repository has them.

Read from plain values in which every scalar is its text. What isn't shaped as it should be, or isn't a
quantity, is taken as not said: Kubernetes takes no such object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from reconciler.model import Field, LimitRange, Quota, Workload
from reconciler.quantity import BadQuantity, parse_cpu, parse_memory

KINDS: Final = ("LimitRange", "ResourceQuota")  # of the group without a name

_PARSE: Final = {"cpu": parse_cpu, "memory": parse_memory}
_FIELDS: Final = {
    "cpu": Field.CPU_REQUEST,
    "memory": Field.MEMORY_REQUEST,
    **{
        field.value: field
        for field in (Field.CPU_REQUEST, Field.MEMORY_REQUEST, Field.CPU_LIMIT, Field.MEMORY_LIMIT)
    },
}
# What runs on and requests something falls under these; of the others it can't be said here.
_SCOPES: Final = frozenset({"NotBestEffort", "NotTerminating"})

Range = tuple[str, str, int | None, int | None, int | None, int | None, int | None]


class FoundRule(NamedTuple):
    """One such object, before it meets the workloads of its namespace."""

    name: str
    namespace: str
    line: int
    ranges: Sequence[Range] = ()  # type, resource, min, max, ratio in permille, default limit and request
    quotas: Sequence[tuple[str, int]] = ()  # field and amount


class Placed(NamedTuple):
    """A rule, and where it is applied; "" where that isn't known."""

    cluster: str
    namespace: str
    unit: str
    path: str
    rule: FoundRule


def read(kind: str, name: str, namespace: str, line: int, body: object) -> FoundRule | None:
    """What an object of one of KINDS says of CPU and memory; None when it says nothing of them."""
    spec = _map(_map(body).get("spec"))
    found = FoundRule(name, namespace, line)
    if kind == "LimitRange":
        found = found._replace(ranges=tuple(_ranges(spec)))
    elif _is_about_all(spec):
        found = found._replace(quotas=tuple(_quotas(_map(spec.get("hard")))))
    return found if found.ranges or found.quotas else None


def load(row: Sequence[object]) -> FoundRule:
    """What a cache kept of one, as JSON."""
    found = FoundRule._make(row)
    return found._replace(
        ranges=[(*each,) for each in found.ranges],
        quotas=[(field, amount) for field, amount in found.quotas],
    )


def _ranges(spec: Mapping[str, object]) -> Iterator[Range]:
    for item in map(_map, _list(spec.get("limits"))):
        kind = item.get("type")
        if kind not in ("Container", "Pod"):
            continue
        for resource, parse in _PARSE.items():
            low, high, limit, request = (
                _amount(_map(item.get(key)).get(resource), parse)
                for key in ("min", "max", "default", "defaultRequest")
            )
            if low is not None and high is not None and low > high:
                continue  # Kubernetes refuses the object, so that nothing of this is in force
            ratio = _amount(_map(item.get("maxLimitRequestRatio")).get(resource), parse_cpu)
            if kind == "Pod":
                limit = request = None
            else:  # as Kubernetes completes it
                limit = high if limit is None else limit
                request = next((one for one in (request, limit, low) if one is not None), None)
            row = (low, high, ratio, limit, request)
            if row != (None,) * len(row):
                yield (str(kind), resource, *row)


def _is_about_all(spec: Mapping[str, object]) -> bool:
    """Whether a quota counts every pod that runs on, and not only those of some scope."""
    selected = [_map(one) for one in _list(_map(spec.get("scopeSelector")).get("matchExpressions"))]
    scopes = {one.get("scopeName") if one.get("operator") == "Exists" else None for one in selected}
    return {*_list(spec.get("scopes")), *scopes} <= _SCOPES


def _quotas(hard: Mapping[str, object]) -> Iterator[tuple[str, int]]:
    found: dict[str, int] = {}
    for key, field in _FIELDS.items():
        amount = _amount(hard.get(key), _PARSE[field.resource])
        if amount is not None:
            found[field.value] = min(amount, found.get(field.value, amount))
    yield from found.items()


# -- meeting the workloads --------------------------------------------------------------------


def ruled(workloads: Sequence[Workload], rules: Iterable[Placed]) -> list[Workload]:
    """The workloads with the rules of their namespaces, each rule once."""
    placed: dict[str, list[Placed]] = {}
    for one in rules:
        placed.setdefault(one.namespace, []).append(one)
    if not placed:
        return list(workloads)
    everything = [one for some in placed.values() for one in some]
    unplaced = placed.get("", [])
    return [
        _with_rules(workload, [*placed.get(space, ()), *unplaced] if space else everything)
        for workload in workloads
        for space in (workload.namespace,)
    ]


def _with_rules(workload: Workload, rules: Sequence[Placed]) -> Workload:
    held = [one for one in rules if _holds(one, workload)]
    if not held:
        return workload
    ranges = [
        LimitRange(one.rule.name, *each, one.path, one.rule.line) for one in held for each in one.rule.ranges
    ]
    quotas = [
        Quota(one.rule.name, Field(field), hard, one.path, one.rule.line)
        for one in held
        for field, hard in one.rule.quotas
    ]
    return workload._replace(
        limit_ranges=tuple(dict.fromkeys(sorted(ranges, key=_by_place))),
        quotas=tuple(dict.fromkeys(sorted(quotas, key=_by_place))),
    )


def _by_place(one: LimitRange | Quota) -> tuple[str, int, str]:
    return one.path, one.line, str(one[1:3])


def _holds(one: Placed, workload: Workload) -> bool:
    """In the same namespace, as far as is known: what is one unit is applied to one.

    Of a cluster that nobody names it may be any: a bound too many keeps a value, one too few breaks it.
    """
    if one.cluster and workload.cluster and one.cluster != workload.cluster:
        return False
    return (one.namespace == workload.namespace != "") or (
        "" in (one.namespace, workload.namespace) and one.unit == workload.unit
    )


def _amount(value: object, parse: object) -> int | None:
    try:
        amount = parse(value) if isinstance(value, str) and callable(parse) else None
    except BadQuantity:
        return None
    return amount if isinstance(amount, int) and amount >= 0 else None


def _map(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[object]:
    return [one for one in value if isinstance(one, str | dict)] if isinstance(value, list) else ()
