"""One registry, asked about its images: as few questions as possible, and none that isn't needed.

HEAD comes before GET, which the public registries count. What a digest names never changes, so it
is asked for once. Whoever says "later" is asked again when they say, for a while.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from reconciler.connection import shown
from reconciler.images.reference import is_digest
from reconciler.images.registry.documents import (
    ACCEPT,
    Attached,
    Config,
    Manifest,
    attached,
    config,
    digest_of,
    http_time,
    manifest,
    next_page,
    tags,
)
from reconciler.images.registry.endpoints import Source
from reconciler.images.registry.logins import Keys
from reconciler.images.registry.pushed import PushTimes, Tagged
from reconciler.images.registry.wire import (
    Answer,
    MissingError,
    NotAnImageError,
    UnreachableError,
    Wire,
    origin,
)
from reconciler.model import Whose

_PAGE: Final = 1000  # the most that every registry takes
_MOST_PAGES: Final = 500
_MOST_TAGS: Final = 200_000
_MOST_LIST: Final = 32 << 20
_MOST_MANIFEST: Final = 4 << 20
_MOST_REDIRECTS: Final = 3
_PATIENCE: Final = 30.0  # seconds that a run waits for one registry in all
_SLOW: Final = 5.0  # seconds from which on an answer costs patience, a tenth of what it took longer
_FLOOR: Final = 5  # of what a registry still allows: the rest is left to those who pull


class Head(NamedTuple):
    digest: str
    modified: int | None  # when the registry got it, where it says so


class Memory(Protocol):
    """What was read of digests before."""

    def get(self, digest: str) -> bytes | None: ...

    def put(self, digest: str, body: bytes) -> None: ...


class Repository:
    """One repository of a registry. Whatever can't be had is an UnreachableError with its words."""

    def __init__(
        self,
        wire: Wire,
        source: Source,
        keys: Keys,
        patience: Patience,
        memory: Memory,
        times: PushTimes | None = None,
    ) -> None:
        self._wire, self._source, self._keys = wire, source, keys
        self._patience, self._memory, self._times = patience, memory, times
        self._root = f"{source.api}/v2/{source.repository}"
        self._name = f"{source.api.partition('//')[2]}/{source.repository}"
        self._scope = f"repository:{source.repository}:pull"

    def tags(self) -> tuple[str, ...]:
        """All of them, in no order that means something."""
        found: list[str] = []
        url: str | None = f"{self._root}/tags/list?n={_PAGE}"
        seen = set[str]()
        while url is not None:
            if url in seen or len(seen) >= _MOST_PAGES:
                raise UnreachableError(f"{shown(self._root)} has no end of tags")
            seen.add(url)
            answer = self._get(url, "application/json", _MOST_LIST)
            if answer.status in (400, 405) and len(seen) == 1:  # some know no pages
                answer = self._get(f"{self._root}/tags/list", "application/json", _MOST_LIST)
            if answer.status == 404:
                raise MissingError(f"{self._name} has no tags, doesn't exist, or is not for us", Whose.YOURS)
            page = tags(self._whole(url, answer).body)
            if page is None:
                raise UnreachableError(f"what {shown(url)} answers is no list of tags")
            found += page
            if len(found) > _MOST_TAGS:
                raise UnreachableError(f"{shown(self._root)} has more than {_MOST_TAGS} tags")
            url = self._next(answer, url)
        return tuple(dict.fromkeys(found))

    def _next(self, answer: Answer, url: str) -> str | None:
        """A link to another server would take our login there."""
        following = next_page(answer.headers.get("link", ""), url)
        if following is None:
            return None
        if not following.startswith(f"{self._root}/tags/list"):
            raise UnreachableError(
                f"{shown(self._root)} says that its tags go on elsewhere, at {shown(following)}"
            )
        return following

    def head(self, reference: str) -> Head | None:
        """What a tag points to; None when there is no such tag."""
        url = f"{self._root}/manifests/{reference}"
        answer = self._ask("HEAD", url, ACCEPT, 0)
        if answer.status == 404:
            return None
        modified = http_time(answer.headers.get("last-modified", ""))
        said = answer.headers.get("docker-content-digest", "")
        if answer.status == 200 and is_digest(said):
            return Head(said, modified)
        body = self._whole(url, self._get(url, ACCEPT, _MOST_MANIFEST)).body
        return Head(digest_of(body), modified)

    def pushed(self, tag: str, digest: str) -> int | None:
        """When the registry got a tag, with that digest, by its own API; None where nobody says."""
        return self._times.of(Tagged(self._source.repository, tag, digest)) if self._times else None

    def manifest(self, digest: str) -> Manifest:
        """Of a digest, which is checked."""
        found = manifest(self._content(f"{self._root}/manifests/{digest}", digest), digest)
        if found is None:
            raise NotAnImageError(f"{shown(self._root)}@{digest[:19]}… is no image")
        return found

    def config(self, digest: str) -> Config:
        found = config(self._content(f"{self._root}/blobs/{digest}", digest))
        if found is None:
            raise UnreachableError(f"the configuration {digest[:19]}… of {shown(self._root)} can't be read")
        return found

    def blob(self, digest: str) -> bytes:
        """Something small that a digest names, such as a signature's words."""
        return self._content(f"{self._root}/blobs/{digest}", digest)

    def attached(self, digest: str) -> tuple[Attached, ...]:
        """What refers to a digest: as the registry has it, else by a tag that is named after it."""
        for path in (f"referrers/{digest}", f"manifests/{digest.replace(':', '-')}"):
            answer = self._get(f"{self._root}/{path}", ACCEPT, _MOST_MANIFEST)
            if answer.status == 200:
                return attached(answer.body)
            if answer.status not in (400, 404, 405):
                self._whole(f"{self._root}/{path}", answer)
        return ()

    # -- one question -----------------------------------------------------------------------------

    def _content(self, url: str, digest: str) -> bytes:
        known = self._memory.get(digest)
        if known is not None and digest_of(known, digest) == digest:
            return known
        body = self._whole(url, self._get(url, ACCEPT, _MOST_MANIFEST)).body
        if digest_of(body, digest) != digest:
            raise UnreachableError(f"{shown(url)} is not what its digest says")
        self._memory.put(digest, body)
        return body

    def _get(self, url: str, accept: str, most: int) -> Answer:
        return self._ask("GET", url, accept, most)

    def _whole(self, url: str, answer: Answer) -> Answer:
        if answer.status == 200:
            return answer
        if answer.status == 404:
            raise MissingError(f"{shown(url)} doesn't exist, or not for us", Whose.YOURS)
        if answer.status in (401, 403):
            raise UnreachableError(f"{self._name} is not for us: the login is refused", Whose.YOURS)
        raise UnreachableError(f"{shown(url)} answers with {answer.status}")

    def _ask(self, method: str, url: str, accept: str, most: int) -> Answer:
        answer = self._patience.asked(lambda: self._sent(method, url, accept, most), url)
        refused = 0
        while answer.status == 401 and refused < 2:
            if refused:
                self._keys.forget(self._scope)
            key = self._keys.answer(answer, self._scope)
            again = self._patience.asked(lambda: self._sent(method, url, accept, most, key), url)  # noqa: B023
            answer, refused = again, refused + 1
        return answer

    def _sent(self, method: str, url: str, accept: str, most: int, key: str = "") -> Answer:
        """Redirects are followed to hosts that the settings name for it, and without the login."""
        headers = {"Accept": accept}
        opened = key or self._keys.header(self._scope)
        answer = self._wire.ask(
            method, url, {**headers, **({"Authorization": opened} if opened else {})}, most
        )
        for _ in range(_MOST_REDIRECTS):
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            url = self._elsewhere(url, answer.headers.get("location", ""))
            answer = self._wire.ask(method, url, headers, most)
        return answer

    def _elsewhere(self, url: str, location: str) -> str:
        following = next_page(f'<{location}>; rel="next"', url) or ""
        where, home = origin(following), origin(self._source.api)
        if where != home and (where.scheme != "https" or where.host not in self._source.endpoint.blob_hosts):
            raise UnreachableError(
                f"{shown(url)} sends us on to {where.host}; name that host in the settings "
                "(registries[].blobHosts) if it may be asked",
                Whose.YOURS,
            )
        return following


class Patience:
    """With one registry: what it allows, and how long it is waited for."""

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        patience: float = _PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep, self._left, self._clock = sleep, patience, clock
        self._turn = threading.Lock()
        self._stopped = ""
        self.requests = 0

    def asked(self, ask: Callable[[], Answer], url: str) -> Answer:
        while True:
            if self._stopped:
                raise UnreachableError(self._stopped)
            begun = self._clock()
            try:
                answer = ask()
            except UnreachableError as gone:
                self._spend(self._clock() - begun, gone.words)
                raise
            self._spend((self._clock() - begun - _SLOW) / 10, f"{shown(url)} is too slow to be asked on")
            with self._turn:
                self.requests += 1
            self._heed(answer, url)
            if answer.status not in (429, 502, 503, 504):
                return answer
            if not self._wait(answer, url):
                return answer

    def _spend(self, seconds: float, words: str) -> None:
        """Whoever lets a run wait for nothing is not asked a thousand times."""
        with self._turn:
            self._left -= max(0.0, seconds)
            if self._left < 0 and not self._stopped:
                self._stopped = words

    def _heed(self, answer: Answer, url: str) -> None:
        """`RateLimit-Remaining: 3;w=21600` is how Docker Hub says it."""
        left = answer.headers.get("ratelimit-remaining", "").partition(";")[0].strip()
        if left.isdigit() and len(left) < 10 and int(left) <= _FLOOR:
            self._stopped = f"{shown(url)} allows {int(left)} more requests, which are left to those who pull"

    def _wait(self, answer: Answer, url: str) -> bool:
        said = answer.headers.get("retry-after", "").strip()
        seconds = float(said) if said.isdigit() and len(said) < 7 else 1.0
        with self._turn:
            if seconds > self._left:
                words = f"{shown(url)} says to come back in {seconds:.0f} seconds"
                self._stopped = (
                    words if answer.status == 429 else f"{shown(url)} answers with {answer.status}"
                )
                return False
            self._left -= max(seconds, 0.2)
        self._sleep(seconds)
        return True
