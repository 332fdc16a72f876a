"""A connection to a metrics server: bounded, patient for a while, and never insistent.

prometheus-api-client has the connection, over a session whose every request is bounded. The
questions that fetch numbers are put by ourselves: it would put them into the address, which ends at
a few kilobytes, and read the answers ten times as slowly.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusConnect

from reconciler.model import Note, Whose
from reconciler.usage.prometheus import answers
from reconciler.usage.prometheus.answers import Matrix, Said, Vector
from reconciler.usage.prometheus.asking import Asking, Manners
from reconciler.usage.prometheus.auth import Auth
from reconciler.usage.prometheus.gate import HARD_CAP, Gate
from reconciler.usage.prometheus.refusals import RefusedError, refusal
from reconciler.usage.prometheus.transport import Bounded, Bounds, trusted
from reconciler.usage.prometheus.unanswered import Kind, UnansweredError, shown

__all__ = ["Access", "Kind", "Load", "UnansweredError", "Wire"]

T = TypeVar("T")

_MIB: Final = 1 << 20
_LONG: Final = 5.0  # seconds after which a server that gives up is short of time, not of patience
_SUSPICION: Final = 3  # questions in a row that nobody answers, until no more are put
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Access(NamedTuple):
    """What opens a server. Without a proxy here, the environment's hold; NO_PROXY holds for either."""

    url: str  # with its path, if it has one: https://host/select/0/prometheus
    auth: Auth | None = None
    certificate: Path | None = None
    key: Path | None = None
    ca_bundle: Path | None = None
    proxy: str = ""
    headers: Mapping[str, str] = {}  # such as X-Scope-OrgID
    parameters: Mapping[str, str] = {}  # added to each question
    seconds: float = 150.0  # for one question as a whole, without the waits that the server asks for
    most: int = 256 * _MIB  # bytes of one answer
    concurrent: int = 2  # questions at the same time


class Load(NamedTuple):
    """What we asked of the server."""

    queries: int = 0
    bytes: int = 0
    seconds: float = 0.0  # that it took to answer, all questions added
    samples: int = 0  # that it looked at, as far as it says so


class Wire:
    """One server. Several threads may ask at the same time; the server's health says how many do."""

    def __init__(self, access: Access, sleep: Callable[[float], None] = time.sleep) -> None:
        self.url = access.url.rstrip("/")
        self.gate = Gate(access.concurrent)
        self._access = access
        self._sleep = sleep
        self._auth = access.auth or Auth()
        pool = min(max(access.concurrent, 1), HARD_CAP)
        bounds = Bounds(access.seconds, access.most, access.proxy)
        self._adapter = Bounded(bounds, trusted(access.ca_bundle, access.certificate, access.key), pool)
        self._session = self._opened()
        self._connection = self._connected()
        self._manners = Manners(access.parameters)
        self._turn = threading.Lock()
        self._load = Load()
        self._silent: list[UnansweredError] = []  # in a row

    def instant(self, query: str, at: int) -> Vector:
        """What a query says of one moment."""
        body = self._asked("query", {"query": query, "time": str(at)})
        return self._whole(body, answers.vector)

    def range(self, query: str, start: int, end: int, step: int) -> Matrix:
        """What a query says of a range of time, at each step, both ends included."""
        form = {"query": query, "start": str(start), "end": str(end), "step": str(step)}
        return self._whole(self._asked("query_range", form), answers.matrix)

    def server_time(self) -> int | None:
        """The server's clock; None where it doesn't say."""
        body = self._asked("query", {"query": "time()"})
        found = self._named(lambda: answers.scalar(body))
        return int(found) if 0 < found < 1e12 else None

    def retention(self) -> int | None:
        """Seconds for which the server keeps samples; None where it doesn't say, or goes by their size."""
        url = f"{self.url}/api/v1/status/runtimeinfo"
        try:
            body = self._patiently(lambda left: self._session.get(url, timeout=left).content)
        except UnansweredError:
            return None  # others than Prometheus have no such page
        return answers.retention(body)

    def labels(self, name: str, match: Sequence[str] = (), start: int = 0, end: int = 0) -> tuple[str, ...]:
        """The values of a label, in order. A server may take no notice of the times."""
        asked: dict[str, Any] = {**self._manners.parameters, "match[]": list(match)}
        asked |= {"start": str(start), "end": str(end)} if end else {}
        found = self._patiently(lambda _: self._connection.get_label_values(name, asked))
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise self._broken("what it answers is no list of the values of a label")
        return tuple(sorted(found))

    def load(self) -> Load:
        return self._load._replace(bytes=self._adapter.received)

    def cautions(self) -> tuple[Note, ...]:
        """What the operator should know about this address although it works."""
        host = urlsplit(self.url).hostname
        if self.url.startswith("http:") and self._access.auth is not None and host not in _LOOPBACK:
            words = "travels unencrypted over http; use https where the server offers it"
            return (Note("plain-http", f"the login for {shown(self.url)} {words}"),)
        return ()

    def close(self) -> None:
        self._session.close()

    # -- the connection ----------------------------------------------------------------------------

    def _opened(self) -> requests.Session:
        session = requests.Session()
        # ~/.netrc would take the place of our token; the adapter obeys the environment's proxies.
        session.trust_env = False
        session.auth = self._auth
        session.headers.clear()
        session.headers.update({"User-Agent": "reconciler", "Accept": "application/json"})
        session.headers.update(self._access.headers)
        session.hooks["response"].append(self._judged)
        return session

    def _connected(self) -> Any:
        made = PrometheusConnect(
            self.url, session=self._session, auth=self._auth, timeout=self._access.seconds, method="POST"
        )
        for prefix in (self.url, "https://", "http://"):  # in the place of the one that it mounts
            self._session.mount(prefix, self._adapter)
        return made

    def _judged(self, answer: requests.Response, *_: Any, **__: Any) -> None:
        """Each answer of the session, the library's own included."""
        seconds = answer.elapsed.total_seconds()
        with self._turn:
            before = self._load
            self._load = before._replace(queries=before.queries + 1, seconds=before.seconds + seconds)
        if answer.status_code != 200:
            after = answer.headers.get("Retry-After")
            clean = self._auth.clean
            found = refusal(answer.status_code, answer.content, after, seconds, time.time(), clean)
            raise RefusedError(found)
        kind = answer.headers.get("Content-Type", "application/json").lower()
        if "json" not in kind:
            instead = "a web page: the address lacks its path, or a login page stands before it"
            what = instead if "html" in kind else "what is not said to be JSON"
            raise self._broken(f"it answers with {what}", Whose.YOURS)

    # -- asking ------------------------------------------------------------------------------------

    def _asked(self, question: str, form: Mapping[str, str]) -> bytes:
        url = f"{self.url}/api/v1/{question}"

        def ask(seconds: float) -> bytes:
            sent = {**self._manners.parameters, **form}
            if self._manners.post:
                return self._session.post(url, data=sent, timeout=seconds).content
            return self._session.get(url, params=sent, timeout=seconds).content

        return self._patiently(ask, or_by_get=True)

    def _patiently(self, ask: Callable[[float], T], *, or_by_get: bool = False) -> T:
        """An answer; waits where the server wants it, and gives up where it must."""
        silent = self._silent
        if len(silent) >= _SUSPICION:
            raise UnansweredError(silent[-1].kind, silent[-1].words, silent[-1].whose)
        where = shown(self.url)
        asking = Asking(ask, self._access.seconds, where, self._manners, self._auth, self._sleep)
        asking.or_by_get = or_by_get
        try:
            with self.gate.place():
                found = asking.answer()
        except UnansweredError as error:
            if error.kind is Kind.BUSY or (error.kind is Kind.TOO_MUCH and asking.spent > _LONG):
                self.gate.struggles()
            self._note(error)
            raise
        self._note(None)
        self.gate.answered()
        return found

    def _note(self, error: UnansweredError | None) -> None:
        with self._turn:
            if error is not None and error.kind in (Kind.GONE, Kind.BUSY):
                self._silent = [*self._silent, error][-_SUSPICION:]
            else:
                self._silent = []

    # -- what comes of it --------------------------------------------------------------------------

    def _whole(self, body: bytes, read: Callable[[bytes], tuple[T, Said]]) -> T:
        found, said = self._named(lambda: read(body))
        if said.partial:
            raise self._broken(f"its answer is not whole: {self._auth.clean(said.partial)}")
        if said.samples:
            with self._turn:
                self._load = self._load._replace(samples=self._load.samples + said.samples)
        return found

    def _named(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except UnansweredError as error:
            raise UnansweredError(error.kind, f"{shown(self.url)}: {error.words}", error.whose) from None

    def _broken(self, words: str, whose: Whose = Whose.THEIRS) -> UnansweredError:
        return UnansweredError(Kind.BROKEN, f"{shown(self.url)}: {words}", whose)
