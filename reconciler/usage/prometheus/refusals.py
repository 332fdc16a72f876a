"""What a metrics server's error means. Each of them words its limits in its own way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from reconciler.model import Whose
from reconciler.usage.prometheus.unanswered import MOST_WORDS, Kind, UnansweredError, printable

_LONG: Final = 5.0  # seconds after which a gateway lost patience with the server, not the way to it

# Prometheus, Thanos, Mimir and Cortex, VictoriaMetrics, Google's and Amazon's.
_TOO_MUCH: Final = re.compile(
    r"""too\ many\ (samples|chunks|series|time\ ?series|points|data\ ?points|bytes)
    | time\ range\ .{0,40}\bexceed
    | exceeded\ maximum\ resolution | too\ many\ points
    | (query|context|evaluation)\W.{0,40}timeout | timed\ out | timeout\ exceeded | deadline\ ?exceeded
    | exceed\w*\ .{0,80}\blimit | limit\ .{0,40}\b(violated|exceeded) | hit\ the\ .{0,60}\blimit
    | the\ (max|maximum)\ (number|query\ length|allowed) | query\ exceeded
    | err-mimir-(max|query)- | -search\.max(?!ConcurrentRequests|QueueDuration)
    | more\ than\ \S+\ (samples|time\ ?series|points|data\ ?points)
    | not\ enough\ memory | out\ of\ memory | resource_?exhausted
    | (response|result|request|message|query|body)\ (is\ |entity\ )?(too\ (large|big|long)|larger\ than)""",
    re.IGNORECASE | re.VERBOSE,
)
_BUSY: Final = re.compile(
    r"""couldn't\ start\ executing | too\ many\ (outstanding|concurrent)?\ ?requests
    | concurrent\ .{0,20}requests
    | rate\ limit | throttl | code\ =\ unavailable | connection\ (refused|reset)""",
    re.IGNORECASE | re.VERBOSE,
)


class Refusal(NamedTuple):
    """An answer that is none."""

    status: int
    kind: Kind
    told: str  # what the server says
    advice: str  # what to do
    whose: Whose
    after: float | None = None  # seconds after which it wants to be asked again

    def error(self, where: str) -> UnansweredError:
        told = f": {self.told}" if self.told else ""
        advice = f"; {self.advice}" if self.advice else ""
        return UnansweredError(self.kind, f"{where} answers {self.status}{told}{advice}", self.whose)


class RefusedError(Exception):
    """On the way from the answer to whoever decides whether to ask again."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__()
        self.refusal = refusal


def refusal(
    status: int, body: bytes, after: str | None, seconds: float, now: float, clean: Callable[[str], str]
) -> Refusal:
    """`after`: the header Retry-After; `seconds`: how long it took; `clean` takes out what is secret."""
    kind_of_error, raw = _message(body)
    said = clean(raw)
    told = printable(said[: 4 * MOST_WORDS])[:MOST_WORDS]
    # Some repeat the question, which may hold any name.
    unquoted = re.sub(r'"(?:[^"\\]|\\.)*"', '""', said[:4096])
    kind, advice, whose = _meaning(status, f"{kind_of_error} {unquoted}", seconds)
    wait = _wait(after, now) if kind is Kind.BUSY else None
    return Refusal(status, kind, told, advice, whose, wait)


def _meaning(status: int, told: str, seconds: float) -> tuple[Kind, str, Whose]:
    if status in (401, 403, 407):
        return Kind.DENIED, _ADVICE[status], Whose.YOURS
    if status in (404, 405, 410, 501):
        words = (
            "no Prometheus API is there: the address ends right before /api/v1, and may lack its path, "
            "like /prometheus"
        )
        return Kind.BROKEN, words, Whose.YOURS
    if status in (413, 414):
        return Kind.TOO_MUCH, "", Whose.THEIRS
    if status == 429:
        return Kind.BUSY, "", Whose.THEIRS
    if status in (408, 504):
        return (Kind.TOO_MUCH if seconds >= _LONG else Kind.BUSY), "", Whose.THEIRS
    if _BUSY.search(told) and status != 400:
        return Kind.BUSY, "", Whose.THEIRS
    if _TOO_MUCH.search(told):
        return Kind.TOO_MUCH, "", Whose.THEIRS
    if status in (400, 422):
        return Kind.WRONG, "", Whose.OURS
    if status >= 500:
        return Kind.BUSY, "", Whose.THEIRS
    return Kind.BROKEN, "", Whose.YOURS


_ADVICE: Final = {
    401: "name a valid token, or a user, for these metrics in the settings",
    403: "the token, or the tenant, may not read these metrics",
    407: "the proxy wants a login",
}


def _message(body: bytes) -> tuple[str, str]:
    """The kind of the error and its words: as Prometheus, Google and Amazon write them, or as plain text."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace").strip()
        return "", "" if text.startswith("<") else text
    if not isinstance(found, dict):
        return "", ""
    error = found.get("error")
    if isinstance(error, dict):
        return str(error.get("status", "")), str(error.get("message", ""))
    for key in ("error", "message", "Message"):
        if isinstance(found.get(key), str):
            return str(found.get("errorType", "")), found[key]
    return "", ""


def _wait(after: str | None, now: float) -> float | None:
    """Seconds, or a date; None where it says neither."""
    text = (after or "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return float(text)
    try:
        when = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    return max(0.0, when - now)
