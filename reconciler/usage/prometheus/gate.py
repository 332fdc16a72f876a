"""How many questions a server is asked at the same time: fewer when it is slow, more when it is well."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

HARD_CAP: Final = 8
_GOOD_ONES: Final = 8  # answers in a row before one more is asked at the same time


class Gate:
    """Lets so many through; the rest wait their turn."""

    def __init__(self, most: int) -> None:
        self._most = max(1, min(most, HARD_CAP))
        self._limit = self._most
        self._within = 0
        self._good = 0
        self._turn = threading.Condition()

    @property
    def limit(self) -> int:
        return self._limit

    @contextmanager
    def place(self) -> Iterator[None]:
        with self._turn:
            self._turn.wait_for(lambda: self._within < self._limit)
            self._within += 1
        try:
            yield
        finally:
            with self._turn:
                self._within -= 1
                self._turn.notify()

    def answered(self) -> None:
        with self._turn:
            self._good += 1
            if self._good >= _GOOD_ONES and self._limit < self._most:
                self._limit += 1
                self._good = 0
                self._turn.notify()

    def struggles(self) -> None:
        """One at a time from now on."""
        with self._turn:
            self._limit = 1
            self._good = 0
