"""Whose price holds for a container: rules in order, what OpenCost says, and else list prices. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, NamedTuple

from reconciler.model import Note, Price
from reconciler.money import ASSUMED

Pairs = tuple[tuple[str, str], ...]

NO_PRICES: Final = "no-prices"


class Rule(NamedTuple):
    """What an hour costs in some clusters, or on some of their nodes. All that it names must hold."""

    clusters: tuple[str, ...] = ()  # patterns; () is all
    labels: Pairs = ()  # of the cluster: name, and a pattern
    selector: Pairs = ()  # of the pods: name, and a pattern
    price: Price | None = None  # None: what OpenCost says of the cluster
    currency: str = "USD"  # in which OpenCost says it

    def is_about(self, cluster: str, labels: Mapping[str, str]) -> bool:
        named = not self.clusters or any(fnmatchcase(cluster, pattern) for pattern in self.clusters)
        return named and _all_there(self.labels, labels)


class Told(NamedTuple):
    """What OpenCost said of one cluster: millionths of its currency."""

    core_hour: int
    gib_hour: int
    source: str


class Prices:
    """The prices of one run. The first rule that fits, and has an answer, wins."""

    def __init__(
        self,
        rules: Iterable[Rule] = (),
        labels: Mapping[str, Mapping[str, str]] | None = None,
        told: Mapping[str, Told] | None = None,
    ) -> None:
        self._rules = tuple(rules)
        self._labels = labels or {}
        self._told = told or {}
        self.of = lru_cache(maxsize=None)(self._of)  # ten thousand containers run in few clusters

    def _of(self, cluster: str, selector: Pairs = ()) -> Price:
        labels = self._labels.get(cluster, {})
        for rule in self._rules:
            if not rule.is_about(cluster, labels) or not _all_there(rule.selector, dict(selector)):
                continue
            told = self._told.get(cluster)
            if rule.price is not None:
                return rule.price
            if told is not None:
                return Price(rule.currency, *told)
        return ASSUMED


class Priced(NamedTuple):
    """Prices, and what the operator should know of how they were found."""

    prices: Prices
    notes: tuple[Note, ...] = ()


def assumed(clusters: Iterable[str], now: int) -> Priced:
    """Where nobody says anything of prices."""
    return Priced(Prices())


def asks(rules: Iterable[Rule], cluster: str, labels: Mapping[str, str]) -> bool:
    """Whether OpenCost's word can count in that cluster."""
    for rule in rules:
        if rule.is_about(cluster, labels):
            if rule.price is None:
                return True
            if not rule.selector:
                return False
    return False


def _all_there(wanted: Pairs, found: Mapping[str, str]) -> bool:
    return all(name in found and fnmatchcase(found[name], pattern) for name, pattern in wanted)
