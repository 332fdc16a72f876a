"""Where a token lies. Only the place is kept with the settings, never the token."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from reconciler.errors import Misconfigured
from reconciler.model import Secret

_LONGEST = 16_384


class TokenSource(NamedTuple):
    """A file or an environment variable that holds a token."""

    file: Path | None = None
    env: str | None = None
    what: str = "token"  # what it is called in messages
    lines: bool = False  # whether it has several, as a key in PEM format does

    def read(self, environ: Mapping[str, str]) -> Secret:
        """The token, without the line end a file usually has; Misconfigured says what is amiss."""
        text = self._from_file(self.file) if self.file is not None else self._from_env(environ)
        token = text.removesuffix("\n").removesuffix("\r")
        if not token.strip():
            raise self._bad(f"is empty: put the {self.what} into it")
        if self.lines:
            return Secret(token.replace("\\n", "\n") if self.env else token)
        if not token.isprintable() or " " in token or not token.isascii():
            raise self._bad(f"holds a space, a line break or another character that no {self.what} has")
        return Secret(token)

    def __str__(self) -> str:
        return f"the {self.what} file {self.file}" if self.file is not None else f"the variable {self.env}"

    def _from_file(self, file: Path) -> str:
        try:
            with file.open("rb") as opened:
                raw = opened.read(_LONGEST + 1)
        except OSError as error:
            why = error.strerror or "unknown error"
            raise self._bad(
                f"can't be read ({why}): put the {self.what} there, or correct the settings"
            ) from None
        if len(raw) > _LONGEST:
            raise self._bad(f"is too long for a {self.what}")
        return raw.decode("utf-8", "replace")

    def _from_env(self, environ: Mapping[str, str]) -> str:
        text = environ.get(self.env or "")
        if text is None:
            raise self._bad(f"is not set: put the {self.what} into it, or correct the settings")
        return text

    def _bad(self, what: str) -> Misconfigured:
        return Misconfigured("settings", f"{self} {what}.")
