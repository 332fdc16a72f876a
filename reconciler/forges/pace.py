"""How fast a forge is asked, and what follows when it doesn't answer.

Writes keep to the limits that a forge publishes, so that its own limits are met rarely. Where it
wants to be asked later, that is waited for, as long as the run's patience lasts; then `TooMany`
ends what is left for the next run. Reads are tried again. A write whose answer was lost may have
been done or not: it is looked for before it is tried again.

The adapters say which of the two has happened, as `LaterError` and `LostError`; no library is known here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, TypeVar

from reconciler.errors import Problem
from reconciler.forges.port import Site, Spent, TooMany
from reconciler.model import Whose

T = TypeVar("T")


class Rates(NamedTuple):
    """Writes that a forge takes from one user."""

    gap: float  # seconds from one to the next
    minute: int
    hour: int


GITHUB: Final = Rates(gap=1.0, minute=80, hour=500)
GITLAB: Final = Rates(gap=0.2, minute=200, hour=3_000)
GITEA: Final = Rates(gap=0.0, minute=300, hour=6_000)

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_READS: Final = (0.5, 2.0, 5.0)  # seconds before a read is tried again
_LOOKS: Final = (1.0, 3.0)  # seconds before a lost write is looked for
_UNTOLD: Final = 60.0  # seconds to wait where a forge wants to be asked later, and doesn't say when
_LIMITED: Final = re.compile(r"rate limit|abuse detection|too quickly|too many requests", re.IGNORECASE)


class LaterError(Exception):
    """Nothing was done: the forge wants to be asked again after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds:.0f} s")
        self.seconds = seconds


class LostError(Exception):
    """No answer, or one that doesn't tell what was done (5xx). Its text is for the user."""


def later(status: int, headers: Mapping[str, str], text: str, now: int) -> float | None:
    """How many seconds a refusal wants us to wait; None where it is none because of limits.

    Ends of limits are moments of the forge's clock, so its own `Date` is what they are counted from.
    """
    if status not in (403, 429, 503):
        return None
    told = {name.lower(): value.strip() for name, value in headers.items()}
    here = _moment(told.get("date", "")) or now
    after = _after(told.get("retry-after", ""), here)
    if after is not None:
        return after
    if status == 503:
        return None
    used_up = told.get("x-ratelimit-remaining", told.get("ratelimit-remaining")) == "0"
    if not (status == 429 or used_up or _LIMITED.search(text[:2_000])):
        return None
    reset = told.get("x-ratelimit-reset", told.get("ratelimit-reset", "")) if used_up else ""
    if re.fullmatch(r"[0-9]{1,12}", reset):
        return float(max(1, int(reset) - here + 1))
    return _UNTOLD


def _after(text: str, here: int) -> float | None:
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(max(1, int(text)))
    moment = _moment(text)
    return float(max(1, moment - here)) if moment else None


def _moment(text: str) -> int:
    """Seconds since 1970 of an HTTP date; 0 for anything else."""
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0


class Pace:
    """Reads and writes of one forge. All repositories of a server share what was `spent`."""

    def __init__(self, site: Site, what: str, rates: Rates) -> None:
        self._site = site
        self._what = what  # the server, as messages call it
        self._rates = rates
        self._spent = site.spent or Spent()

    def read(self, ask: Callable[[], T]) -> T:
        """What `ask` answers, which may be asked as often as we like."""
        pauses = list(_READS)
        while True:
            try:
                return ask()
            except LaterError as wait:
                self.wait(wait.seconds)
            except LostError as lost:
                if not pauses:
                    raise self._unanswered(lost) from None
                self.wait(pauses.pop(0))

    def write(self, ask: Callable[[], T], find: Callable[[], T | None]) -> T:
        """What `ask` answers; or, where the answer was lost, what `find` says has become of it.

        `find` is None while nothing has. Only then, and only once, is it asked for again: a write
        that is in `find` is never done twice. `find` does its own `read`.
        """
        for last in (False, True):
            try:
                return self._written(ask)
            except LostError as lost:
                for pause in _LOOKS:
                    self.wait(pause)
                    found = find()
                    if found is not None:
                        return found
                if last:
                    raise self._unanswered(lost) from None
        raise AssertionError("a write was tried more than twice")

    def _written(self, ask: Callable[[], T]) -> T:
        while True:
            self._take_turn()
            try:
                return ask()
            except LaterError as wait:
                self.wait(wait.seconds)

    def wait(self, seconds: float) -> None:
        """Sleeps as long as asked; TooMany where the run's patience doesn't reach that far."""
        if self._spent.waited + seconds > self._site.patience:
            raise TooMany(self._what, math.ceil(seconds), repository=self._site.repository)
        self._spent.waited += seconds
        self._site.sleep(seconds)

    def _take_turn(self) -> None:
        """Waits until the limits allow another write, and counts it."""
        now = self._site.monotonic()
        free = max(
            self._free(1, self._rates.gap, now),
            self._free(self._rates.minute, _MINUTE, now),
            self._free(self._rates.hour, _HOUR, now),
        )
        if free > now:
            self.wait(free - now)
        writes = self._spent.writes
        writes.append(max(free, now))
        del writes[: -self._rates.hour]

    def _free(self, most: int, seconds: float, now: float) -> float:
        """When another write leaves no more than `most` of them in so many seconds."""
        writes = self._spent.writes
        return writes[-most] + seconds if len(writes) >= most else now

    def _unanswered(self, lost: LostError) -> Problem:
        text = f"{self._what} doesn't answer as it should: {lost}. The next run tries again."
        return Problem(self._what, text, whose=Whose.THEIRS, repository=self._site.repository)
