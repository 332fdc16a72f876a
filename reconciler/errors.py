"""The one exception that carries a failure to whoever can report it."""

from __future__ import annotations

from reconciler.model import Failure, Whose


class Problem(Exception):  # noqa: N818 - named in the user's words
    """Something a user can read: what, whose fault, where, and what to do next.

    `failure` is the row of the report; raised where a whole target can't be handled, and
    caught where the next target begins.
    """

    def __init__(
        self,
        what: str,
        error: str,
        *,
        whose: Whose = Whose.YOURS,
        repository: str = "",
        path: str = "",
        line: int = 0,
    ) -> None:
        super().__init__(error)
        self.failure = Failure(what, whose, error, repository, path, line)

    def __str__(self) -> str:
        found = self.failure
        where = f"{found.path}:{found.line}: " if found.line else f"{found.path}: " if found.path else ""
        return f"{where}{found.error}"


class Misconfigured(Problem):
    """Settings, policies or usage that can't be understood: nothing was tried (exit code 2)."""
