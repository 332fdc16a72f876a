"""What a server can be asked at once, learned from what it refuses.

A question that was too much is asked again in two halves of its time, and from then on nothing as
large is asked. So nothing is refused twice, and a small server is not asked to death by a large one's
measure.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, Protocol, TypeVar

from reconciler.usage.prometheus.answers import Matrix, Vector
from reconciler.usage.prometheus.unanswered import Kind, UnansweredError

_POINTS_A_SERIES: Final = 11_000  # Prometheus refuses more
_AT_FIRST: Final[Mapping[str, int]] = {
    "points": 600_000,  # of an answer: about 15 MB
    "samples": 25_000_000,  # that a server reads for one number a series; half of what Prometheus allows
}
_LEAST: Final = 100
_Answer = TypeVar("_Answer", Matrix, Vector)


class Asked(Protocol):
    """A server that answers questions of PromQL."""

    def instant(self, query: str, at: int) -> Vector: ...

    def range(self, query: str, start: int, end: int, step: int) -> Matrix: ...


class Span(NamedTuple):
    start: int
    end: int

    @property
    def seconds(self) -> int:
        return self.end - self.start

    def halves(self, step: int) -> tuple[Span, Span]:
        middle = self.start + max(1, self.seconds // step // 2) * step
        return Span(self.start, middle), Span(middle, self.end)

    def pieces(self, step: int, most: int) -> Iterator[Span]:
        """In order, of at most so many seconds, cut at multiples of the step."""
        length = max(step, most // step * step)
        for start in range(self.start, self.end, length):
            yield Span(start, min(start + length, self.end))


class Limits:
    """The most that was not refused, of points in an answer and of samples behind it."""

    def __init__(self, learned: Mapping[str, int] | None = None) -> None:
        self._lock = threading.Lock()
        self._most = {kind: min(most, (learned or {}).get(kind, most)) for kind, most in _AT_FIRST.items()}
        self.refused = 0

    def most(self, kind: str) -> int:
        return self._most[kind]

    def learn(self, kind: str, cost: int) -> None:
        """So much was too much."""
        with self._lock:
            self.refused += 1
            self._most[kind] = max(_LEAST, min(self._most[kind], cost // 2))

    def learned(self) -> dict[str, int]:
        """What to remember for the next run; nothing where nothing was refused."""
        return {kind: most for kind, most in self._most.items() if most < _AT_FIRST[kind]}


class Asker(NamedTuple):
    """Asks what may be too much for one answer, in as many pieces as it takes."""

    server: Asked
    limits: Limits
    at_once: int = 2  # questions at the same time

    def over(self, query: str, span: Span, step: int, series: int) -> list[Matrix]:
        """A point a step: at start + step, and so on until end."""
        series = max(1, series)

        def ask(piece: Span) -> Matrix:
            return self.server.range(query, piece.start + step, piece.end, step)

        most = min(self.limits.most("points") // series, _POINTS_A_SERIES) * step
        return self._pieces(ask, span, step, most, "points", lambda piece: series * piece.seconds // step)

    def within(self, query: Callable[[int], str], span: Span, series: int, interval: int) -> list[Vector]:
        """A number for each series about a whole time; several answers when it takes several pieces."""
        series = max(1, series)

        def ask(piece: Span) -> Vector:
            return self.server.instant(query(piece.seconds), piece.end)

        most = self.limits.most("samples") // series * max(1, interval)
        return self._pieces(
            ask, span, _SHORTEST, most, "samples", lambda piece: series * piece.seconds // max(1, interval)
        )

    def _pieces(
        self,
        ask: Callable[[Span], _Answer],
        span: Span,
        step: int,
        most: int,
        kind: str,
        cost: Callable[[Span], int],
    ) -> list[_Answer]:
        answers: list[_Answer] = []
        refused: float = math.inf
        waiting = list(span.pieces(step, most))[::-1]
        while waiting:
            piece = waiting.pop()
            is_too_much = cost(piece) > self.limits.most(kind) or cost(piece) >= refused
            if is_too_much and piece.seconds > step:  # learned since it was cut
                waiting += piece.halves(step)[::-1]
                continue
            try:
                answers.append(ask(piece))
            except UnansweredError as error:
                if error.kind is not Kind.TOO_MUCH or piece.seconds <= step:
                    raise
                refused = cost(piece)
                self.limits.learn(kind, cost(piece))
                waiting += piece.halves(step)[::-1]
        return answers


_SHORTEST: Final = 300
