"""The section `registries`: which registries of images may be asked, where, and as whom."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StrictBool, WithJsonSchema, model_validator

from reconciler.config.fields import File, Line, Variable, Web, Written
from reconciler.config.rendering import Host
from reconciler.config.tokens import TokenSource

_PATH: Final = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")
_HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")
_KNOWN_BY: Final = ("credentials_file", "credentials_env", "docker_config", "helper", "identity")
_HELPER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def _prefix(text: str) -> str:
    host, slash, path = text.partition("/")
    if not _HOST.fullmatch(host) or (slash and not _PATH.fullmatch(path)):
        raise ValueError("expected a host, or host/path: registry.example.com, ghcr.io/team")
    return f"{host.lower()}{slash}{path}"


def _helper(text: str) -> str:
    if not _HELPER.fullmatch(text):
        raise ValueError("expected what stands behind docker-credential-, such as ecr-login")
    return text


Prefix = Annotated[str, AfterValidator(_prefix), WithJsonSchema({"type": "string", "minLength": 1})]
Helper = Annotated[
    str, AfterValidator(_helper), WithJsonSchema({"type": "string", "pattern": f"^{_HELPER.pattern}$"})
]


class ImageRegistry(Written):
    """One registry, or a part of it: what holds for all images whose names begin so."""

    prefix: Prefix = Field(description="Host, or host/path. Of several that fit an image the longest holds.")
    api: Web | None = Field(default=None, description="Where it answers, when that is not the host itself.")
    mirror: Prefix | None = Field(
        default=None, description="Host/path under which another registry has the same images; it is asked."
    )
    credentials_file: File | None = Field(default=None, description="File that holds user:password.")
    credentials_env: Variable | None = Field(
        default=None, description="Environment variable that holds user:password."
    )
    docker_config: File | None = Field(
        default=None, description="A config.json of docker, or the .dockerconfigjson of a pull secret."
    )
    helper: Helper | None = Field(
        default=None, description="A credential helper of docker: ecr-login is docker-credential-ecr-login."
    )
    identity: Literal["aws", "google", "azure"] | None = Field(
        default=None, description="Ask as whom the cloud takes this program for: ECR, Artifact Registry, ACR."
    )
    region: Line | None = Field(default=None, description="Of identity aws: the region of the registry.")
    push_times: Literal["hub", "harbor", "quay", "azure", "github", "none"] | None = Field(
        default=None,
        description="Whose API tells when it got a tag; without a word, what its name or identity shows.",
    )
    push_api: Web | None = Field(
        default=None, description="Where that API answers, when that is not where it does for everybody."
    )
    token_hosts: tuple[Host, ...] = Field(
        default=(), description="Hosts that give out its tokens, besides its own and those of its domain."
    )
    blob_hosts: tuple[Host, ...] = Field(
        default=(), description="Hosts that it may send us to for what an image says of itself."
    )
    plain_http: StrictBool = Field(default=False, description="Whether it speaks http without TLS.")
    ca_bundle: File | None = Field(
        default=None, description="PEM file of authorities to trust here, instead of network.caBundle."
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> ImageRegistry:
        said = [name for name in _KNOWN_BY if getattr(self, name) is not None]
        if len(said) > 1:
            keys = [type(self).model_fields[name].alias or name for name in said]
            raise ValueError(f"{keys[0]} and {keys[1]} both say who asks: remove one")
        if (self.region is not None) != (self.identity == "aws"):
            raise ValueError("region goes with identity: aws, and identity: aws needs it")
        if self.push_api is not None and self.push_times in (None, "none"):
            raise ValueError("pushApi goes with pushTimes: say whose API it is")
        return self

    @property
    def credentials(self) -> TokenSource | None:
        if self.credentials_file is None and self.credentials_env is None:
            return None
        return TokenSource(self.credentials_file, self.credentials_env, "login")


class ImageIdentity(Written):
    """Somebody whose signatures without a key count."""

    issuer: Line = Field(description="Who says who they are: https://token.actions.githubusercontent.com.")
    identity: Line | None = Field(default=None, description="Who they are, exactly.")
    identity_pattern: Line | None = Field(
        default=None, description="Instead: an expression (RE2) that all of it has to match."
    )
    trusted_root: File | None = Field(
        default=None, description="trusted_root.json of one's own sigstore. Without: the public one."
    )

    @model_validator(mode="after")
    def _somebody(self) -> ImageIdentity:
        if (self.identity is None) == (self.identity_pattern is None):
            raise ValueError("say identity or identityPattern, one of both")
        return self


def contradictions(registries: Sequence[ImageRegistry | None]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    seen: dict[str, int] = {}
    for index, one in enumerate(registries):
        if one is None:
            continue
        first = seen.setdefault(one.prefix, index)
        if first != index:
            yield ("registries", index, "prefix"), f"this prefix is already registries[{first}]"
