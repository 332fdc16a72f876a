"""Charts that lie elsewhere: in an HTTP chart repository, or in an OCI registry.

Fetched once: a chart of an exact version or a digest that is in the cache is never asked for again.
A range has to be looked up, once for every address in the life of a fetcher.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from reconciler.model import Reason, Refused
from reconciler.rendering import oci, plain
from reconciler.rendering.archive import unpack
from reconciler.rendering.store import Store
from reconciler.rendering.versions import highest, is_exact
from reconciler.rendering.web import Web, host_of, join, shown, split
from reconciler.source.render import Files

_MOST_INDEX: Final = 64 << 20
_MOST_PACKED: Final = 20 << 20
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,249}")


class ChartSource(NamedTuple):
    """Where a chart lies. `version` is exact, a range, or a digest in a registry; "" is the newest."""

    url: str  # https://charts.example.com/stable or oci://registry.example.com/charts
    name: str  # of the chart, below the address
    version: str

    def __str__(self) -> str:
        return f"{shown(self.url)}/{self.name} {self.version or '(newest)'}"


class Chart(NamedTuple):
    files: Files
    version: str
    digest: str  # of the packed chart


class _Packed(NamedTuple):
    version: str
    data: bytes


class ChartFetcher:
    """Fetches from the hosts that `web` allows, and keeps what it fetched in a folder, below a bound."""

    def __init__(self, web: Web, folder: Path, most_bytes: int = 256 << 20) -> None:
        self._web = web
        self._store = Store(folder, most_bytes)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)  # by address
        self._known: dict[ChartSource, Chart | Refused] = {}
        self._indexes: dict[str, object | Refused] = {}

    def fetch(self, source: ChartSource) -> Chart | Refused:
        """The chart's files. Several threads may ask; each chart is fetched once."""
        wrong = _source_error(source)
        if wrong:
            return Refused(Reason.CHART_UNAVAILABLE, wrong)
        with self._locks[source.url]:
            if source not in self._known:
                self._known[source] = self._fetched(source)
            return self._known[source]

    def _fetched(self, source: ChartSource) -> Chart | Refused:
        kept = self._kept(source)
        packed = kept or (self._pull if _is_oci(source) else self._download)(source)
        if isinstance(packed, Refused):
            return packed
        files = unpack(packed.data)
        if isinstance(files, Refused):
            return Refused(files.reason, f"{source}: {files.detail}")
        if not kept:
            self._keep(source._replace(version=packed.version), packed.data)
        return Chart(files, packed.version, oci.digest(packed.data))

    # ------------------------------------------------------------------------------ chart repositories

    def _download(self, source: ChartSource) -> _Packed | Refused:
        index = self._index(source.url)
        if isinstance(index, Refused):
            return index
        found = plain.entries(plain.mapping(plain.mapping(index).get("entries")).get(source.name))
        known = {str(entry["version"]): entry for entry in map(plain.mapping, found) if "version" in entry}
        version = source.version if source.version in known else highest(known, source.version)
        if version is None:
            return _refuse(source, _no_version(source, known))
        kept = self._kept(source._replace(version=version))
        if kept:
            return kept
        return self._packed(source, version, known[version])

    def _index(self, url: str) -> object | Refused:
        if url not in self._indexes:
            self._indexes[url] = self._read_index(f"{url.rstrip('/')}/index.yaml")
        return self._indexes[url]

    def _read_index(self, url: str) -> object | Refused:
        page = self._web.get(url, _MOST_INDEX)
        if isinstance(page, Refused):
            return page
        if page.status != 200:
            return Refused(Reason.CHART_UNAVAILABLE, f"{shown(url)} answers with {page.status}")
        try:
            return next(iter(plain.documents(page.body)), None)
        except plain.UnreadableError as error:
            return Refused(Reason.CHART_UNAVAILABLE, f"{shown(url)} is no index of charts: {error}")

    def _packed(self, source: ChartSource, version: str, entry: dict[str, object]) -> _Packed | Refused:
        address = next((url for url in plain.entries(entry.get("urls")) if isinstance(url, str)), None)
        if address is None:
            return _refuse(source, "the index names no address for it")
        url = join(f"{source.url.rstrip('/')}/", address)
        page = self._web.get(url, _MOST_PACKED)
        if isinstance(page, Refused):
            return page
        if page.status != 200:
            return _refuse(source, f"{shown(url)} answers with {page.status}")
        announced = str(entry.get("digest") or "").removeprefix("sha256:")
        if announced and announced != hashlib.sha256(page.body).hexdigest():
            return _refuse(source, f"what {shown(url)} gives is not what the index announces")
        return _Packed(version, page.body)

    # ------------------------------------------------------------------------------ registries

    def _pull(self, source: ChartSource) -> _Packed | Refused:
        parts = urlsplit(source.url)
        name = "/".join(part for part in (parts.path.strip("/"), source.name) if part)
        if not oci.is_name(name):
            return _refuse(source, f"{name[:100]!r} is no name that a registry can have")
        registry = oci.Registry(self._web, host_of(parts), name)
        version, reference = source.version, source.version.replace("+", "_")
        if not oci.is_digest(reference) and not is_exact(version):
            chosen = self._chosen(registry, source)
            if isinstance(chosen, Refused):
                return chosen
            version, reference = chosen
            kept = self._kept(source._replace(version=version))
            if kept:
                return kept
        layer = registry.chart(reference, _MOST_PACKED)
        return layer if isinstance(layer, Refused) else _Packed(version, layer.data)

    def _chosen(self, registry: oci.Registry, source: ChartSource) -> tuple[str, str] | Refused:
        tags = registry.tags()
        if isinstance(tags, Refused):
            return tags
        known = dict(oci.versions(tags))
        version = source.version if source.version in known else highest(known, source.version)
        return _refuse(source, _no_version(source, known)) if version is None else (version, known[version])

    # ------------------------------------------------------------------------------ what is kept

    def _kept(self, source: ChartSource) -> _Packed | None:
        """A packed chart of the cache, if it still is what was written."""
        if not is_exact(source.version) and not oci.is_digest(source.version):
            return None
        data = self._store.read(_name(source))
        announced, _, packed = (data or b"").partition(b"\n")
        whole = announced.decode("ascii", "replace") == oci.digest(packed)
        return _Packed(source.version, packed) if whole else None

    def _keep(self, source: ChartSource, data: bytes) -> None:
        self._store.write(_name(source), f"{oci.digest(data)}\n".encode() + data)


def _name(source: ChartSource) -> str:
    words = "\0".join((source.url.rstrip("/"), source.name, source.version))
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()


def _is_oci(source: ChartSource) -> bool:
    return source.url.startswith("oci://")


def _source_error(source: ChartSource) -> str:
    if not source.url.startswith(("https://", "http://", "oci://")) or not split(source.url):
        return f"{source.url[:100]!r} is no address of charts: it begins with https:// or oci://"
    if not all(_NAME.fullmatch(part) for part in source.name.split("/")):
        return f"{source.name[:100]!r} is no name of a chart"
    return ""


def _no_version(source: ChartSource, known: Mapping[str, object]) -> str:
    newest = highest(known, ">=0.0.0-0")
    there = f"the newest is {newest}" if newest else "there is no version of it at all"
    return f"no version fits; {there}" if source.version else there


def _refuse(source: ChartSource, why: str) -> Refused:
    return Refused(Reason.CHART_UNAVAILABLE, f"{source}: {why}")
