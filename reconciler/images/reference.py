"""References to images, as manifests have them: `registry/repository:tag@digest`."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

DOCKER_HUB: Final = "docker.io"
_ALSO_HUB: Final = ("index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")
_LONGEST_NAME: Final = 255
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_HOST = re.compile(
    r"(?:(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
    r"|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_FLOAT = re.compile(r"[0-9.]+e\+[0-9]+")  # what Helm makes of a large number
_NO_TEXT = ": where it is set it needs quotes to be text and no number"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class BadReferenceError(ValueError):
    """No reference to an image; the words say why."""


class Image(NamedTuple):
    """An image as a registry knows it. Without tag and digest `latest` is meant."""

    registry: str  # host, with a port where one is written; docker.io for Docker Hub
    repository: str  # library/nginx
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def is_tag(text: str) -> bool:
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def image(text: str) -> Image:
    """What container runtimes take the text for."""
    rest, _, digest = text.partition("@")
    if "@" in text and not is_digest(digest):
        raise BadReferenceError(f"{digest[:80]!r} is no digest such as sha256:…")
    name, tag = rest, ""
    if ":" in rest.rpartition("/")[2]:
        name, _, tag = rest.rpartition(":")
        if not is_tag(tag):
            raise BadReferenceError(f"{tag[:140]!r} is no tag{_NO_TEXT if _FLOAT.fullmatch(tag) else ''}")
    registry, repository = _apart(name)
    if not _NAME.fullmatch(repository) or len(name) > _LONGEST_NAME:
        raise BadReferenceError(f"{name[:140]!r} is no name of an image")
    return Image(registry, repository, tag, digest)


def _apart(name: str) -> tuple[str, str]:
    """The first part is a host when it looks like one: `team/app` is on Docker Hub, `team.io/app` isn't."""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        if not _HOST.fullmatch(first):
            raise BadReferenceError(f"{first[:140]!r} is no host of a registry")
        host = first.lower()
        registry, repository = DOCKER_HUB if host in _ALSO_HUB else host, rest
    else:
        registry, repository = DOCKER_HUB, name
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return registry, repository


def rewritten(text: str, tag: str, digest: str) -> str:
    """The same text with another tag and digest, its name as it is written; "" leaves that part out."""
    name = text.partition("@")[0]
    if ":" in name.rpartition("/")[2]:
        name = name.rpartition(":")[0]
    return name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
