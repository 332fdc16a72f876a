"""Time that passes only when somebody says so: the server and its client share it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

START = 1_762_300_800  # 2025-11-05 00:00 UTC


class Clock:
    """Hand `clock`, `clock.sleep` and `clock.monotonic` to whatever waits; nothing really does."""

    def __init__(self, now: float = START) -> None:
        self._now = float(now)
        self._began = float(now)
        self._turn = threading.Lock()
        self.slept: list[float] = []

    def __call__(self) -> int:
        return int(self._now)

    def monotonic(self) -> float:
        return self._now - self._began

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        with self._turn:
            self._now += max(0.0, seconds)


class Wall(Clock):
    """The time that it is, for an emulator that is started by hand."""

    def __init__(self) -> None:
        super().__init__(time.time())

    def __call__(self) -> int:
        return int(time.time())


def iso(at: int, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    return datetime.fromtimestamp(at, UTC).strftime(form)
