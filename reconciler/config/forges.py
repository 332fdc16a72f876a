"""Forges: how the settings name them, and who opens merge requests there."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from reconciler.config.fields import Duration, File, Line, RepositoryUrl, Variable, Written
from reconciler.config.logins import WithToken
from reconciler.config.tokens import TokenSource

_LONGEST = 6 * 3600


def _numbered(value: object) -> object:
    """An id is a name: what YAML takes for a number is one, too."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _bounded(seconds: int) -> int:
    if seconds > _LONGEST:
        raise ValueError("expected at most 6h")
    return seconds


Id = Annotated[
    Line, BeforeValidator(_numbered), WithJsonSchema({"type": ["string", "integer"], "minLength": 1})
]


class ForgeApp(Written):
    """An app of the forge, in whose name merge requests are opened."""

    id: Id = Field(description="The app's id, or its client id.")
    installation: Id | None = Field(
        default=None, description="Id of its installation. Without it: the one of the repository's owner."
    )
    key_file: File | None = Field(default=None, description="File that holds the app's private key (PEM).")
    key_env: Variable | None = Field(default=None, description="Environment variable that holds the key.")

    @property
    def key(self) -> TokenSource:
        return TokenSource(self.key_file, self.key_env, what="key", lines=True)


class Forge(WithToken):
    """The server where merge requests are opened; its token also authenticates Git to that host."""

    kind: Literal["local", "github", "gitlab", "gitea"] = Field(description="What the server runs.")
    url: RepositoryUrl | None = Field(
        default=None,
        description="Address of the server. A local forge needs none.",
    )
    app: ForgeApp | None = Field(default=None, description="A GitHub App that asks, instead of a token.")
    patience: Annotated[Duration, AfterValidator(_bounded)] = Field(
        default=600, description="How long a run may wait for the forge's limits, all in all."
    )
    commits: Literal["git", "forge"] = Field(
        default="git", description="Who makes commits: Git here, or the forge, which then vouches for them."
    )

    @field_validator("url")
    @classmethod
    def _address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("kind") == "local" or value is None:
            return value
        return _server(value)


def _server(text: str) -> str:
    parts = urlsplit(text) if "://" in text else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected the address of a server, like https://git.example.com")
    return text.rstrip("/")
