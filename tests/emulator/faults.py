"""What goes wrong between a client and a forge, by rule: which request, how often, and how."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .serving import Asked

WRITES = ("POST", "PUT", "PATCH", "DELETE")


@dataclass
class Fault:
    """One rule. It passes over the first `after` requests that it fits, then holds for `times`."""

    kind: str  # lose | before | after | act-before | act-after
    method: str = ""  # "": any; "write": any that changes something
    path: str = ""  # a pattern that is searched for in the path
    times: int = 1
    after: int = 0
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    act: Callable[[Asked], None] | None = None
    met: int = 0  # how often it held


class Faults:
    """`faults.lose("POST", "/pulls$")`, and the like. All are in virtual time and can be counted."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []
        self.page_size = 0  # at most so many entries a page, whatever is asked for; 0: as asked
        self._turn = threading.Lock()

    def lose(self, method: str = "", path: str = "", **more: int) -> Fault:
        """The forge does it, and the answer is lost: the connection breaks off."""
        return self._add(Fault("lose", method, path, **more))

    def fail_before(self, method: str = "", path: str = "", status: int = 502, **more: object) -> Fault:
        """An error instead of what was asked for."""
        return self._add(Fault("before", method, path, status=status, **more))

    def fail_after(self, method: str = "", path: str = "", status: int = 502, **more: object) -> Fault:
        """The forge does it, and says that it failed."""
        return self._add(Fault("after", method, path, status=status, **more))

    def limit(
        self, method: str = "", path: str = "", status: int = 429, seconds: int = 30, **more: object
    ) -> Fault:
        """Too many requests: 429, or GitHub's 403 for the secondary limit."""
        text = {"message": "You have exceeded a secondary rate limit."}
        headers = {"Retry-After": str(seconds)}
        return self._add(Fault("before", method, path, status=status, headers=headers, body=text, **more))

    def human(
        self,
        act: Callable[[Asked], None],
        method: str = "",
        path: str = "",
        *,
        late: bool = False,
        **more: int,
    ) -> Fault:
        """Somebody does something right before such a request is answered (or right after)."""
        return self._add(Fault("act-after" if late else "act-before", method, path, act=act, **more))

    def _add(self, fault: Fault) -> Fault:
        self.rules.append(fault)
        return fault

    def met(self, asked: Asked) -> list[Fault]:
        """The rules that hold for this request. Each asking counts."""
        with self._turn:
            return [rule for rule in self.rules if self._holds(rule, asked)]

    def _holds(self, rule: Fault, asked: Asked) -> bool:
        fits = rule.method in ("", asked.method) or (rule.method == "write" and asked.method in WRITES)
        if not fits or not re.search(rule.path, asked.path) or rule.times <= 0:
            return False
        if rule.after > 0:
            rule.after -= 1
            return False
        rule.times -= 1
        rule.met += 1
        return True


@dataclass
class Limits:
    """What a forge lets one token do, by its own rules; 0 is no limit."""

    requests_an_hour: int = 0
    writes_a_minute: int = 0
    writes_an_hour: int = 0
    refused: int = 0  # how often one was reached

    def wait(self, times: list[int], writes: list[int], now: int, *, write: bool) -> int:
        """Seconds until one more request may be made; 0 now."""
        found = [_until(times, self.requests_an_hour, 3600, now)]
        if write:
            found.append(_until(writes, self.writes_a_minute, 60, now))
            found.append(_until(writes, self.writes_an_hour, 3600, now))
        self.refused += bool(max(found))
        return max(found)


def _until(times: list[int], most: int, window: int, now: int) -> int:
    """Seconds until the request that is `most` ago leaves the window. The times are in order."""
    return max(0, times[-most] + window - now) if most and len(times) >= most else 0
