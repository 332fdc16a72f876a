"""What lies in no repository of the settings: charts of chart repositories, and other Git repositories."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from reconciler.config import Settings
from reconciler.errors import Problem
from reconciler.git.pinned import pinned
from reconciler.git.urls import parse_url
from reconciler.model import Reason, Refused, Whose
from reconciler.rendering.fetch import ChartFetcher, ChartSource
from reconciler.rendering.web import Web, allows
from reconciler.source.render import Files
from reconciler.source.snapshot import Snapshot
from reconciler.wiring.forges import access_of

_MOST_BYTES: Final = 8 << 20
_OK: Final = 200
_SECONDS: Final = 120  # for one repository, of which only one commit is fetched
_PATIENCE: Final = 3


class FetchedCharts:
    """Charts of chart repositories and registries, by the files that they hold."""

    def __init__(self, fetcher: ChartFetcher) -> None:
        self._fetcher = fetcher

    def chart(self, repository: str, name: str, version: str) -> Files | Refused:
        found = self._fetcher.fetch(ChartSource(repository, name, version))
        return found if isinstance(found, Refused) else found.files


class GitRemotes:
    """Other Git repositories and single files, on the hosts that the settings allow."""

    def __init__(self, settings: Settings, web: Web, folder: Path) -> None:
        self._settings = settings
        self._hosts = tuple(host.lower() for host in settings.rendering.hosts)
        self._web = web
        self._folder = folder
        self._silent: Counter[str] = Counter()  # by origin

    def tree(self, url: str, revision: str) -> Snapshot | Refused:
        try:
            remote = parse_url(url)
            host = remote.origin.partition("://")[2]
            if remote.scheme == "file" or not allows(self._hosts, urlsplit(f"{remote.scheme}://{host}")):
                words = f"{remote.host or url} is not among the hosts that bases may be fetched from"
                return Refused(Reason.UNKNOWN_SOURCE, words)
            return self._pinned(url, revision, remote.origin)
        except Problem as problem:
            return Refused(Reason.UNKNOWN_SOURCE, problem.failure.error.rstrip("."))

    def _pinned(self, url: str, revision: str, origin: str) -> Snapshot:
        """A host that doesn't answer is waited for a few times, not for every base that lies there."""
        access = access_of(self._settings, url)._replace(timeout=_SECONDS)
        try:
            found = pinned(url, revision, self._folder, access, ask=self._silent[origin] < _PATIENCE)
        except Problem as problem:
            self._silent[origin] += problem.failure.whose is Whose.THEIRS
            raise
        return found

    def file(self, url: str) -> bytes | Refused:
        page = self._web.get(url, _MOST_BYTES)
        if isinstance(page, Refused):
            return page
        if page.status != _OK:
            return Refused(Reason.UNKNOWN_SOURCE, f"{url[:200]} answers with {page.status}")
        return page.body
