"""ConfigMaps of the repository, as far as a program may be started with what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from reconciler.source import runtimes
from reconciler.source.compose import Where
from reconciler.source.facts import FileFacts, FoundConfig
from reconciler.source.objects import ManifestObject
from reconciler.source.options import RELEVANT, STEMS
from reconciler.source.started import Configs
from reconciler.source.view import TooMuchError
from reconciler.source.yamledit import Scalar

_KIND: Final = re.compile(rb"\bkind\b[\"']?\s*:\s*[\"']?ConfigMap\b")
_STEMS: Final = tuple(stem.encode() for stem in STEMS)
_LARGEST: Final = 200_000  # bytes: beyond it, it holds files and no settings
_LONGEST: Final = 4_000
_SHORT: Final = 200  # a value of that length may be the size itself, under whatever key
_MOST: Final = 500


def may_matter(data: bytes) -> bool:
    """Whether a file may hold a ConfigMap that says a size. Wrong only in saying yes."""
    return (
        b"ConfigMap" in data
        and len(data) <= _LARGEST
        and any(stem in data for stem in _STEMS)
        and _KIND.search(data) is not None
    )


def read(found: ManifestObject) -> FoundConfig | None:
    """What a ConfigMap holds that may be a setting; None where that is nothing."""
    try:
        pairs = [*found.view.entries(found.view.entries(found.node).get("data")).items()][:_MOST]
    except TooMuchError:
        return None
    data = {}
    for key, node in pairs:
        value = found.view.followed(node)
        if isinstance(value, Scalar) and _is_setting(key, value.value):
            data[key] = value.value
    name = found.loose("name")
    return FoundConfig(found.loose("namespace"), name, data) if name and data else None


def _is_setting(key: str, value: str) -> bool:
    if len(value) <= _SHORT:
        return True
    return len(value) <= _LONGEST and (RELEVANT.search(key) or RELEVANT.search(value)) is not None


class ConfigMaps:
    """All that are known, by where they are applied."""

    def __init__(self, found: Iterable[tuple[Where, FileFacts]]) -> None:
        self._data: dict[tuple[str, ...], Mapping[str, str] | None] = {}
        for where, facts in found:
            for own, name, data in facts.configs:
                key = _key(where, own or where.namespace, name)
                # Of two that differ nobody knows which is applied last.
                known = self._data.setdefault(key, data)
                self._data[key] = data if known == data else None

    def of(self, where: Where, namespace: str) -> Configs:
        """Those that a workload of that namespace can name."""
        if not self._data:
            return runtimes.no_configs
        return lambda name: self._data.get(_key(where, namespace, name))


def _key(where: Where, namespace: str, name: str) -> tuple[str, ...]:
    """Without a namespace only what is one unit is applied together."""
    return (where.repository, where.cluster, namespace, "" if namespace else where.unit, name)
