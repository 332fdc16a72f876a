"""The section `rendering`: with which programs charts and overlays are rendered, and what they may fetch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from reconciler.config.fields import Duration, File, Line, Memory, Variable, Written, single_line
from reconciler.config.tokens import TokenSource

_MIB: Final = 1 << 20
_LONGEST: Final = 3600
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62})"
_NAME: Final = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?"
_HOST: Final = re.compile(_NAME)
_HOSTS: Final = re.compile(rf"(?:\*\.)?{_NAME}")

# Of kustomize's options: those that are passed on, those that change nothing where they are safe
# (they are taken so that Argo CD's own line can be copied), and what the others would do.
_SWITCHES: Final = frozenset({"enable-helm", "enable-alpha-plugins", "enable-exec", "helm-debug", "network"})
_WITH_VALUE: Final = frozenset({"load-restrictor", "helm-kube-version", "helm-api-versions", "helm-command"})
_RESTRICTORS: Final = ("LoadRestrictionsNone", "LoadRestrictionsRootOnly", "none", "rootOnly")


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("expected a host like charts.example.com or charts.example.com:8443")
    return text.lower()


def _hosts(text: str) -> str:
    if not _HOSTS.fullmatch(text):
        raise ValueError("expected a host like charts.example.com, charts.example.com:8443 or *.example.com")
    return text.lower()


def _options(value: object) -> object:
    """`kustomize.buildOptions` of Argo CD: words in one line, each of them checked."""
    if not isinstance(value, str):
        raise ValueError("expected text, as kustomize.buildOptions of Argo CD has it")
    words = single_line(value).split()
    rest = iter(words)
    for word in rest:
        name, equals, said = word.removeprefix("--").partition("=")
        name = name.replace("_", "-")
        if word.startswith("--") and name in _WITH_VALUE:
            _value(name, said if equals else next(rest, ""))
        elif not word.startswith("--") or name not in _SWITCHES:
            raise ValueError(f"the option {word[:40]} is none that rendering allows: {_allowed()}")
        elif name == "enable-helm" and equals and said not in ("true", "false"):
            raise ValueError("--enable-helm is true or false")
    return tuple(words)


def _value(name: str, said: str) -> None:
    if not said and name != "helm-command":  # always the helm that was found
        raise ValueError(f"--{name} needs a value")
    if name == "load-restrictor" and said not in _RESTRICTORS:
        raise ValueError(f"--load-restrictor is {_RESTRICTORS[0]} or {_RESTRICTORS[1]}")


def _allowed() -> str:
    return "it knows --enable-helm, --load-restrictor, --helm-kube-version and --helm-api-versions"


def _bounded(seconds: int) -> int:
    if not 0 < seconds <= _LONGEST:
        raise ValueError("expected between 1s and 1h")
    return seconds


Host = Annotated[str, AfterValidator(_host), WithJsonSchema({"type": "string", "minLength": 1})]
Hosts = Annotated[
    str, AfterValidator(_hosts), WithJsonSchema({"type": "string", "pattern": r"^(\*\.)?[^*/@\s]+$"})
]
Options = Annotated[
    tuple[str, ...],
    BeforeValidator(_options),
    WithJsonSchema({"type": "string", "examples": ["--enable-helm"]}),
]


class Registry(Written):
    """The login of a chart repository or an OCI registry."""

    host: Host = Field(description="Host that it opens, with the port where that is not the usual one.")
    username: Line | None = Field(
        default=None, description="Name of the user. Without it the password is sent as a bearer token."
    )
    password_file: File | None = Field(default=None, description="File that holds the password or token.")
    password_env: Variable | None = Field(
        default=None, description="Environment variable that holds the password or token."
    )

    @property
    def password(self) -> TokenSource:
        return TokenSource(self.password_file, self.password_env, "password")


class Rendering(Written):
    """How charts and overlays are rendered."""

    helm: File | None = Field(default=None, description="Path of helm. Without it: the one on PATH.")
    kubectl: File | None = Field(
        default=None, description="Path of kubectl, whose kustomize is used. Without it: the one on PATH."
    )
    kustomize: File | None = Field(
        default=None, description="Path of kustomize. Without it: the one on PATH, else kubectl's."
    )
    hosts: tuple[Hosts, ...] = Field(
        default=(), description="Hosts that charts and bases may be fetched from. Without any: none."
    )
    registries: tuple[Registry, ...] = Field(
        default=(), description="Logins of chart repositories and OCI registries."
    )
    build_options: Options = Field(
        default=(), description="Options of `kustomize build`, as Argo CD's kustomize.buildOptions."
    )
    timeout: Annotated[Duration, AfterValidator(_bounded)] = Field(
        default=30, description="The longest that one render may take."
    )
    cache_size: Memory = Field(
        default=256 * _MIB,
        description="The most that rendered answers may take in the cache, and fetched charts as much again.",
    )

    @property
    def programs(self) -> Mapping[str, Path]:
        """The paths that are named, by program."""
        named = {"helm": self.helm, "kubectl": self.kubectl, "kustomize": self.kustomize}
        return {name: path for name, path in named.items() if path is not None}
