"""Where prices come from: the settings, and OpenCost where they send us there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from reconciler.config import Settings
from reconciler.config.prices import PriceRule
from reconciler.errors import Problem
from reconciler.model import Note, Price
from reconciler.pricing import NO_PRICES, Priced, Prices, Rule, Told, asks
from reconciler.usage.port import UsageSource
from reconciler.usage.prometheus.source import LiveSource
from reconciler.wiring.metrics import open_metrics, sources_of

Pricing = Callable[[Iterable[str], int], Priced]


def pricing_of(settings: Settings, source_of: Callable[[str], UsageSource | None]) -> Pricing:
    """Asked once a run, with the clusters that it is about."""
    rules = tuple(_rule(index, rule) for index, rule in enumerate(settings.prices))
    labels = {cluster.name: cluster.labels for cluster in settings.clusters}
    path = str(settings.path) if settings.path else ""
    return partial(_priced, rules, labels, source_of, path)


def prices_now(settings: Settings) -> tuple[Mapping[str, Price], tuple[Note, ...]]:
    """What holds in each cluster that the settings name, for pods that choose no nodes."""
    sources = sources_of(settings, open_metrics(settings, None))
    names = [cluster.name for cluster in settings.clusters] or [""]
    prices, notes = pricing_of(settings, sources.of)(names, int(time.time()))
    return {name: prices.of(name) for name in names}, notes


def _rule(index: int, said: PriceRule) -> Rule:
    price = None
    if said.cpu_hour is not None and said.gib_hour is not None:
        price = Price(said.currency, said.cpu_hour, said.gib_hour, f"prices[{index}] of the settings")
    return Rule(
        said.clusters,
        tuple(sorted(said.cluster_labels.items())),
        tuple(sorted(said.node_selector.items())),
        price,
        said.currency,
    )


def _priced(
    rules: tuple[Rule, ...],
    labels: Mapping[str, Mapping[str, str]],
    source_of: Callable[[str], UsageSource | None],
    path: str,
    clusters: Iterable[str],
    now: int,
) -> Priced:
    known = sorted({*clusters})
    told: dict[str, Told] = {}
    notes = _idle(rules, labels, {*known, *labels}, path)
    for cluster in known:
        if asks(rules, cluster, labels.get(cluster, {})):
            answer = _told(cluster, source_of(cluster), now)
            if isinstance(answer, Told):
                told[cluster] = answer
            else:
                notes.append(answer)
    return Priced(Prices(rules, labels, told), tuple(dict.fromkeys(notes)))


def _told(cluster: str, source: UsageSource | None, now: int) -> Told | Note:
    """Not knowing what it costs is no reason not to size it."""
    whom = f" of {cluster}" if cluster else ""
    otherwise = f"other prices hold for what is saved{whom}"
    if not isinstance(source, LiveSource):
        why = f"{source.name} is a recording" if source is not None else "it has no metrics source"
        return Note(NO_PRICES, f"OpenCost can't be asked ({why}): {otherwise}")
    try:
        found = source.prices(cluster, now)
    except Problem as problem:
        return Note(NO_PRICES, f"OpenCost's prices could not be read ({problem}): {otherwise}")
    if found is None:
        return Note(NO_PRICES, f"{source.name} has no prices of OpenCost{whom} of the last hour: {otherwise}")
    return Told(*found, f"OpenCost's median of the nodes, from {source.name}")


def _idle(
    rules: Iterable[Rule], labels: Mapping[str, Mapping[str, str]], clusters: Iterable[str], path: str
) -> list[Note]:
    """A cluster that is misspelt would have its savings told at somebody else's prices."""
    every = list(clusters)
    return [
        Note(
            "price-matches-nothing",
            f"prices[{index}] is about no cluster there is: check its clusters and clusterLabels",
            path=path,
        )
        for index, rule in enumerate(rules)
        if every and not any(rule.is_about(cluster, labels.get(cluster, {})) for cluster in every)
    ]
