"""Metrics servers: from an entry of the settings to a source that reads one."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from reconciler.canonical import digest
from reconciler.config import Settings
from reconciler.config.metrics import LabelNames, Metrics
from reconciler.config.tokens import TokenSource
from reconciler.model import Secret
from reconciler.usage.cache import DayCache
from reconciler.usage.prometheus import auth
from reconciler.usage.prometheus.limits import Limits
from reconciler.usage.prometheus.listening import QUERY, Source
from reconciler.usage.prometheus.promql import PRESETS, Labels, Names, Scope
from reconciler.usage.prometheus.source import LiveSource
from reconciler.usage.prometheus.wire import Access, Wire
from reconciler.usage.shelf import Shelf
from reconciler.usage.store import open_shelf
from reconciler.wiring.places import cache_folder

_LONGEST_NOTE: Final = 4096
_NOTE_LASTS: Final = 7 * 86_400  # seconds after a refusal until as much is asked again


def open_live(each: Metrics, settings: Settings) -> LiveSource:
    """Nothing is asked yet. Misconfigured when a token or a certificate can't be read."""
    folder = cache_folder(settings) / "usage"
    shelf = open_shelf(each.cache or folder, folder / "copies")
    learned = folder / f"limits-{digest(_address(each))[:16]}.json"
    return LiveSource(
        Source(
            name=each.name,
            server=wire_of(each, settings),
            clusters=_clusters(each, settings),
            cache=_caches(each, shelf),
            labels=labels_of(each),
            workers=each.concurrency,
            interval=each.scrape_interval,
            limits=Limits(_read(learned)),
            remember=lambda most: _write(learned, most),
            keep_days=each.keep_days,
        )
    )


def wire_of(each: Metrics, settings: Settings) -> Wire:
    certificate, key = each.certificate or (None, None)
    return Wire(
        Access(
            url=each.url or "",
            auth=auth.of(
                token=_asked(each.token),
                username=each.username,
                password=_asked(each.password),
                identity=each.identity,
                region=each.region,
                headers={name: _always(place.source) for name, place in each.headers_from.items()},
            ),
            certificate=certificate,
            key=key,
            ca_bundle=each.ca_bundle or settings.network.ca_bundle,
            proxy=settings.network.proxy or "",
            headers=each.headers,
            parameters=each.parameters,
            concurrent=each.concurrency,
        )
    )


def _asked(place: TokenSource | None) -> Callable[[], Secret] | None:
    return _always(place) if place is not None else None


def _always(place: TokenSource) -> Callable[[], Secret]:
    """Read anew each time: a mounted token is replaced while we run."""
    return lambda: place.read(os.environ)


def _clusters(each: Metrics, settings: Settings) -> dict[str, Mapping[str, str]]:
    """The clusters that this server knows, with the labels that tell each."""
    first = settings.metrics[0].name
    return {
        cluster.name: cluster.metrics_labels
        for cluster in settings.clusters
        if (cluster.metrics or first) == each.name
    }


def labels_of(each: Metrics) -> Labels:
    """The preset's names, where the entry doesn't say others: for one kind of series before all."""
    said, preset = each.labels, PRESETS[each.labels.preset]
    return Labels(
        cadvisor=_names(said.cadvisor, said, preset.cadvisor),
        state=_names(said.state, said, preset.state),
        cluster=said.cluster or preset.cluster,
    )


def _names(own: LabelNames, common: LabelNames, preset: Names) -> Names:
    return Names(
        *(getattr(own, name) or getattr(common, name) or getattr(preset, name) for name in Names._fields)
    )


def _caches(each: Metrics, shelf: Shelf) -> Callable[[Scope], DayCache]:
    """One for each way in which a server can be asked: other tenants' days are other days."""

    def cache(scope: Scope) -> DayCache:
        asked = {**_address(each), "matchers": [list(pair) for pair in scope.matchers], "query": dict(QUERY)}
        if each.scrape_interval is not None:
            asked["interval"] = each.scrape_interval  # rates over other times: one set wrongly must not last
        if scope.telling:
            asked["others"] = [list(scope.telling), [list(map(list, other)) for other in scope.others]]
        return DayCache(shelf, digest(asked)[:32])

    return cache


def _address(each: Metrics) -> dict[str, object]:
    """What decides on the answers. The secrets themselves don't enter, but where they lie does."""
    places = {name: str(place.source) for name, place in each.headers_from.items()}
    names = labels_of(each)
    labels = [list(names.cadvisor), list(names.state), names.cluster]
    return {
        "url": (each.url or "").rstrip("/"),
        "who": [each.username, each.identity, str(each.token) if each.token else None],
        "headers": {**each.headers, **places},
        "parameters": dict(each.parameters),
        "labels": labels,
    }


def _read(path: Path) -> dict[str, int]:
    """What was too much for the server lately; nothing where nobody wrote it down.

    It is forgotten in the end, or each bad hour that a server ever had would make our questions smaller.
    """
    try:
        with path.open("rb") as file:
            if time.time() - os.fstat(file.fileno()).st_mtime > _NOTE_LASTS:
                return {}
            found = json.loads(file.read(_LONGEST_NOTE))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(kind): most for kind, most in found.items() if type(most) is int and most > 0}


def _write(path: Path, most: Mapping[str, int]) -> None:
    """A convenience: where it can't be written, the server is asked too much once more."""
    waiting = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        waiting.write_text(json.dumps(dict(most)))
        waiting.replace(path)
    except OSError:
        waiting.unlink(missing_ok=True)
