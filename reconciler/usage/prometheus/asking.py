"""One question: put, put again in another way or later, and given up where there is no sense in it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeVar

from reconciler.errors import Problem
from reconciler.model import Whose
from reconciler.usage.prometheus.auth import Auth
from reconciler.usage.prometheus.refusals import Refusal, RefusedError
from reconciler.usage.prometheus.unanswered import Kind, UnansweredError

T = TypeVar("T")

_LONGEST_WAIT: Final = 60.0  # seconds
_MOST_WAITING: Final = 120.0  # seconds, for one question
_RECONNECTS: Final = (0.1, 0.5)  # seconds
_NOT_BY_GET: Final = frozenset({404, 405, 410, 414, 501})

# For Thanos and VictoriaMetrics: no partial answers, no duplicates, no downsampled data. The others
# take no notice; one that minds is not told again.
_PARAMETERS: Final = {
    "dedup": "true",
    "partial_response": "false",
    "max_source_resolution": "0s",
    "deny_partial_response": "1",
    "stats": "true",
}


class Manners:
    """How a server wants to be asked, as far as it is known by now."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self.post = True
        self._own = {**parameters}
        self._usual = dict(_PARAMETERS)

    @property
    def parameters(self) -> dict[str, str]:
        return {**self._usual, **self._own}

    def minds(self, found: Refusal) -> bool:
        """Whether it complains of a parameter that we can do without."""
        minded = {name for name in self._usual if re.search(rf"\b{name}\b", found.told)}
        if found.status != 400 or not minded:
            return False
        self._usual = {name: value for name, value in self._usual.items() if name not in minded}
        return True

    def refuses_post(self, found: Refusal) -> bool:
        by_rule = found.status == 403 and "method" in found.told.lower()
        return self.post and (found.status in (404, 405, 501) or by_rule)


class Asking(Generic[T]):
    """Until it is answered or given up. `ask` is told how many seconds it may take."""

    def __init__(
        self,
        ask: Callable[[float], T],
        seconds: float,
        where: str,
        manners: Manners,
        auth: Auth,
        sleep: Callable[[float], None],
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._began: float | None = None
        self._where = where
        self._manners = manners
        self._auth = auth
        self._sleep = sleep
        self._waited = 0.0
        self._backoff = 1.0
        self._reconnects = list(_RECONNECTS)
        self._renewed = False
        self._before_get: Refusal | None = None
        self.or_by_get = False  # whether it is asked as the manners have it

    @property
    def spent(self) -> float:
        """Seconds since it was first put, without the waits that the server asked for."""
        return 0.0 if self._began is None else time.monotonic() - self._began - self._waited

    def answer(self) -> T:
        self._began = time.monotonic()
        while True:
            try:
                return self._once()
            except UnansweredError as error:
                late = self.spent >= self._seconds or not self._reconnects
                if error.kind is not Kind.GONE or error.whose is Whose.YOURS or late:
                    raise
                self._sleep(self._reconnects.pop(0))
            except RefusedError as refused:
                self._again(refused.refusal)

    def _once(self) -> T:
        try:
            return self._ask(max(min(1.0, self._seconds), self._seconds - self.spent))
        except Problem as problem:  # a token that can't be read
            words = f"{self._where} can't be asked: {problem}"
            raise UnansweredError(Kind.DENIED, words, problem.failure.whose) from None
        except (ValueError, KeyError, TypeError, RecursionError):
            words = f"{self._where}: what it answers is not what was asked for"
            raise UnansweredError(Kind.BROKEN, words) from None

    def _again(self, found: Refusal) -> None:
        """Makes ready for another try; raises where there is no sense in one."""
        if self._before_get is not None and found.status in _NOT_BY_GET:
            self._manners.post = True
            raise self._before_get.error(self._where)
        if self.or_by_get and self._before_get is None and self._manners.refuses_post(found):
            self._before_get = found
            self._manners.post = False
        elif found.status == 401 and not self._renewed:
            self._renewed = True
            self._auth.renew()
        elif found.kind is Kind.BUSY:
            self._wait(found)
        elif not self._manners.minds(found):
            raise found.error(self._where)

    def _wait(self, found: Refusal) -> None:
        wait = max(found.after, 1.0) if found.after is not None else self._backoff
        self._backoff *= 2
        if wait > _LONGEST_WAIT or self._waited + wait > _MOST_WAITING:
            advice = f"still so after {self._waited:.0f} seconds: look at it, or at what stands before it"
            if found.after is not None:
                advice = f"it wants to be asked again in {wait:.0f} seconds"
            found = found._replace(advice=advice)
            raise found.error(self._where)
        self._waited += wait
        self._sleep(wait)
