"""The section `metrics`: where utilization is read, and as whom."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, ValidationInfo, WithJsonSchema

from reconciler.config.fields import (
    Duration,
    File,
    Line,
    Name,
    Permille,
    Variable,
    Web,
    Written,
    resolved,
    single_line,
)
from reconciler.config.logins import WithToken
from reconciler.config.tokens import TokenSource

_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#][^\s?#]*")
_SECRET_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})
_OWN_HEADERS: Final = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "transfer-encoding"}
)
_OWN_PARAMETERS: Final = frozenset({"query", "time", "start", "end", "step", "match[]"})
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def _header(name: str) -> str:
    if not _HEADER.fullmatch(name):
        raise ValueError("this can't be the name of a header")
    if name.lower() in _OWN_HEADERS:
        raise ValueError(f"the header {name} is set by Reconciler itself")
    return name


def _plain_header(name: str) -> str:
    if name.lower() in _SECRET_HEADERS:
        raise ValueError(f"{name} would put a secret into this file: use tokenFile, username or headersFrom")
    return _header(name)


def _value(text: str) -> str:
    single_line(text)
    if not text.isascii() or text != text.strip():
        raise ValueError("expected plain ASCII without spaces around it")
    return text


def _parameter(name: str) -> str:
    if single_line(name) in _OWN_PARAMETERS:
        raise ValueError(f"the parameter {name} is set by Reconciler itself")
    return name


def _label(name: str) -> str:
    if not _LABEL.fullmatch(name):
        raise ValueError("expected the name of a label, like exported_namespace")
    return name


def _cache(value: object, info: ValidationInfo) -> object:
    """A folder, or the address of an object store as it is."""
    if not isinstance(value, str):
        raise ValueError("expected a folder, or an address like s3://BUCKET/PATH")
    if "://" not in single_line(value):
        return str(resolved(value, info))
    authority = value.partition("://")[2].partition("/")[0]
    if not _ADDRESS.fullmatch(value) or ":" in authority.rpartition("@")[0]:
        raise ValueError("expected a folder, or an address like s3://BUCKET/PATH without a login in it")
    return value


def _interval(seconds: int) -> int:
    if not 1 <= seconds <= 3600:
        raise ValueError("expected between 1s and 1h")
    return seconds


def _preset(value: object) -> object:
    return {"preset": value} if isinstance(value, str) else value


Header = Annotated[str, AfterValidator(_header)]
PlainHeader = Annotated[str, AfterValidator(_plain_header)]
Parameter = Annotated[str, AfterValidator(_parameter)]
Value = Annotated[str, AfterValidator(_value)]
Label = Annotated[
    str, AfterValidator(_label), WithJsonSchema({"type": "string", "pattern": f"^{_LABEL.pattern}$"})
]
Cache = Annotated[str, BeforeValidator(_cache), WithJsonSchema({"type": "string", "minLength": 1})]
Preset = Literal["kube-prometheus", "gmp", "azure", "exported", "legacy"]


class SecretPlace(Written):
    """Where the value of a header lies."""

    file: File | None = Field(default=None, description="File that holds it.")
    env: Variable | None = Field(default=None, description="Environment variable that holds it.")

    @property
    def source(self) -> TokenSource:
        return TokenSource(self.file, self.env, "header's value")


class LabelNames(Written):
    """How labels are called in some of the series."""

    namespace: Label | None = Field(default=None, description="Label with the namespace.")
    pod: Label | None = Field(default=None, description="Label with the name of the pod.")
    container: Label | None = Field(default=None, description="Label with the name of the container.")


class Labels(LabelNames):
    """How the labels of the series are called; what is not said is as the preset has it."""

    preset: Preset = Field(
        default="kube-prometheus", description="Where the rest of the names is taken from."
    )
    cluster: Label | None = Field(default=None, description="Label with the name of the cluster.")
    cadvisor: LabelNames = Field(default=LabelNames(), description="Those of the kubelet's series alone.")
    state: LabelNames = Field(default=LabelNames(), description="Those of kube-state-metrics' series alone.")


class Metrics(WithToken):
    """Where utilization is read."""

    name: Name = Field(default="main", description="Name by which clusters refer to it.")
    kind: Literal["prometheus", "recording"] = Field(description="A server that speaks PromQL, or a folder.")
    url: Web | None = Field(default=None, description="Address of the server (kind prometheus).")
    path: File | None = Field(default=None, description="Folder with a recording (kind recording).")
    username: Line | None = Field(default=None, description="User of a server that wants a password.")
    password_file: File | None = Field(default=None, description="File that holds the user's password.")
    password_env: Variable | None = Field(
        default=None, description="Environment variable that holds the user's password."
    )
    identity: Literal["google", "azure", "aws"] | None = Field(
        default=None, description="Cloud whose identity of this program opens the server."
    )
    region: Line | None = Field(default=None, description="Region of the server (identity aws).")
    client_certificate: File | None = Field(
        default=None, description="PEM file with a certificate that says who asks."
    )
    client_key: File | None = Field(
        default=None, description="PEM file with its key. Without: in the certificate's file."
    )
    ca_bundle: File | None = Field(
        default=None, description="PEM file of authorities to trust here, instead of network.caBundle."
    )
    headers: Mapping[PlainHeader, Value] = Field(
        default={}, description="Headers to send, e.g. X-Scope-OrgID."
    )
    headers_from: Mapping[Header, SecretPlace] = Field(
        default={}, description="Headers that hold a secret, each with its file or variable."
    )
    parameters: Mapping[Parameter, Line] = Field(
        default={}, description="Parameters to send with each question."
    )
    labels: Annotated[Labels, BeforeValidator(_preset, json_schema_input_type=Preset | Labels)] = Field(
        default=Labels(), description="How labels are called: a preset, or names."
    )
    concurrency: Annotated[StrictInt, Field(ge=1, le=8)] = Field(
        default=2, description="Questions that are asked at the same time, at most."
    )
    scrape_interval: Annotated[Duration, AfterValidator(_interval)] | None = Field(
        default=None, description="Time between two samples. Without: it is looked at."
    )
    cache: Cache | None = Field(
        default=None, description="Folder or object store that keeps the days read. Without: in `cache`."
    )
    keep_days: Annotated[StrictInt, Field(ge=1, le=3660)] = Field(
        default=100, description="Days that the cache keeps."
    )
    alarms: Permille = Field(
        default=50,
        description="Share of its workloads that may want more for safety at once; where more than five and "
        "more than this do, nothing that rests on it is proposed.",
    )

    @property
    def password(self) -> TokenSource | None:
        if self.password_file is None and self.password_env is None:
            return None
        return TokenSource(self.password_file, self.password_env, "password")

    @property
    def certificate(self) -> tuple[Path, Path | None] | None:
        return (self.client_certificate, self.client_key) if self.client_certificate is not None else None


# What only a server has, by key of the file.
_OF_SERVERS: Final = frozenset(Metrics.model_fields) - {
    "name",
    "kind",
    "path",
    "url",
    "token_file",
    "token_env",
    "alarms",
}

Found = tuple[tuple[str | int, ...], str]


def contradictions(entry: Metrics) -> Iterator[Found]:
    """What is right by itself and wrong beside the rest of its entry; places from there."""
    yield from _kind(entry)
    yield from _who_asks(entry)
    yield from _certificate(entry)
    yield from _headers(entry)


def _kind(entry: Metrics) -> Iterator[Found]:
    needed, other = ("url", "path") if entry.kind == "prometheus" else ("path", "url")
    if getattr(entry, needed) is None:
        yield (), f"metrics of kind {entry.kind} need {needed}"
    if getattr(entry, other) is not None:
        yield (other,), f"metrics of kind {entry.kind} have {needed}, not {other}"
    if entry.kind == "recording":
        for name in sorted(_OF_SERVERS & entry.model_fields_set):
            key = str(Metrics.model_fields[name].alias)
            yield (key,), f"metrics of kind recording have no {key}"


def _who_asks(entry: Metrics) -> Iterator[Found]:
    password = "passwordFile" if entry.password_file is not None else "passwordEnv"
    if entry.password_file is not None and entry.password_env is not None:
        yield ("passwordEnv",), "passwordFile and passwordEnv both name a password: remove one"
    if entry.username is not None and entry.password is None:
        yield ("username",), "a username needs passwordFile or passwordEnv"
    if entry.username is None and entry.password is not None:
        yield (password,), f"{password} needs a username"
    if entry.username is not None and ":" in entry.username:
        yield ("username",), "a username can't have ':' in it"
    token = "tokenFile" if entry.token_file is not None else "tokenEnv" if entry.token_env else None
    named = {token: True, "username": entry.username is not None, "identity": entry.identity is not None}
    ways = [name for name, there in named.items() if there and name]
    for way in ways[1:]:
        yield (way,), f"{ways[0]} and {way} both say who asks: remove one"
    if entry.identity == "aws" and entry.region is None:
        yield ("identity",), "identity aws needs region, like eu-central-1"
    if entry.identity != "aws" and entry.region is not None:
        yield ("region",), "region belongs to identity aws"
    if entry.identity is not None and _travels_plainly(entry):
        yield ("url",), "an identity is only shown over https"


def _certificate(entry: Metrics) -> Iterator[Found]:
    if entry.client_key is not None and entry.client_certificate is None:
        yield ("clientKey",), "clientKey needs clientCertificate"
    for key, file in (("clientCertificate", entry.client_certificate), ("caBundle", entry.ca_bundle)):
        if file is not None and entry.url is not None and entry.url.startswith("http://"):
            yield (key,), f"{key} needs an address with https"


def _headers(entry: Metrics) -> Iterator[Found]:
    plain = {name.lower() for name in entry.headers}
    for name, place in entry.headers_from.items():
        if (place.file is None) == (place.env is None):
            yield (
                ("headersFrom", name),
                "a header's value lies in a file or an environment variable: name one",
            )
        if name.lower() in plain:
            yield ("headersFrom", name), "this header stands in headers, too: remove one"
        if name.lower() == "authorization" and (entry.token or entry.username or entry.identity):
            yield ("headersFrom", name), "this header would take the place of the login: remove one"


def _travels_plainly(entry: Metrics) -> bool:
    parts = urlsplit(entry.url or "")
    return parts.scheme == "http" and parts.hostname not in _LOOPBACK
