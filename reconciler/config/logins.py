"""How sections of the settings say where a token lies."""

from __future__ import annotations

from pydantic import Field

from reconciler.config.fields import File, Variable, Written
from reconciler.config.tokens import TokenSource


class WithToken(Written):
    token_file: File | None = Field(
        default=None, description="File that holds the token, e.g. a mounted Secret."
    )
    token_env: Variable | None = Field(default=None, description="Environment variable that holds the token.")

    @property
    def token(self) -> TokenSource | None:
        if self.token_file is None and self.token_env is None:
            return None
        return TokenSource(self.token_file, self.token_env)
