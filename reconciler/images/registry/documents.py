"""What registries answer with, read with care: lists of tags, manifests, indexes, configurations."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from reconciler.images.reference import is_digest, is_tag

INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_IMAGE_CONFIGS: Final = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "",  # nobody says so
)
ACCEPT: Final = ", ".join((*INDEXES, *MANIFESTS))
# <address>; other="words"; rel="next": as many words as there may be, in any order
_NEXT: Final = re.compile(r'<([^<>]*)>((?:\s*;\s*[^\s;,="<>]+\s*=\s*(?:"[^"]*"|[^\s;,"<>]*))*)')
_IS_NEXT: Final = re.compile(
    r';\s*rel\s*=\s*(?:"\s*(?:[^"]*\s)?next(?:\s[^"]*)?"|next(?![^\s;,]))', re.IGNORECASE
)
_MOST_CHILDREN: Final = 200
_MOST_LABELS: Final = 100
_LONGEST: Final = 1000
_LONGEST_NOTE: Final = 1 << 16  # a signature's bundle is one
_BELIEVED_FROM: Final = 631_152_000  # 1990: reproducible builds say 1970 or the year 1
_FAR: Final = 7_258_118_400


class Platform(NamedTuple):
    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in self if part)

    def serves(self, wanted: Platform) -> bool:
        """A platform wanted without a variant is served by any."""
        same = (self.os, self.architecture) == (wanted.os, wanted.architecture)
        return same and (not wanted.variant or self.variant == wanted.variant)


class Child(NamedTuple):
    """One image of an index."""

    digest: str
    platform: Platform


class Manifest(NamedTuple):
    digest: str
    children: tuple[Child, ...]  # of an index; () for an image
    config: str  # digest of the configuration; "" for an index
    layers: tuple[tuple[str, str, Mapping[str, str]], ...]  # media type, digest and annotations
    artifact: str  # what it is, when it is no image
    annotations: Mapping[str, str]
    config_type: str = ""

    @property
    def is_index(self) -> bool:
        return not self.config

    @property
    def is_image(self) -> bool:
        """Or several of them: charts, signatures and whatever else is kept in registries have a tag, too."""
        return self.is_index or self.config_type in _IMAGE_CONFIGS


class Attached(NamedTuple):
    """Something that was attached to an image: a signature, a list of what is in it."""

    digest: str
    kind: str


class Config(NamedTuple):
    """What an image says of itself. Nobody checks it."""

    created: int | None
    platform: Platform
    labels: Mapping[str, str]


def digest_of(data: bytes, like: str = "sha256:") -> str:
    name = "sha512" if like.startswith("sha512:") else "sha256"
    return f"{name}:{hashlib.new(name, data).hexdigest()}"


def tags(body: bytes) -> list[str] | None:
    """Those that can be tags; None for an answer that is no list of them."""
    said = mapping(read_json(body))
    found = said.get("tags")
    if found is None and "tags" in said:  # what some have to say of an empty repository
        return []
    if not isinstance(found, list):
        return None
    return [each for each in found if isinstance(each, str) and is_tag(each)]


def next_page(header: str, url: str) -> str | None:
    """The address of the next page, in full; None at the last one."""
    link = next((found[1] for found in _NEXT.finditer(header) if _IS_NEXT.search(found[2])), None)
    if link is None:
        return None
    try:
        address: str = urljoin(url, link.strip())
        urlsplit(address)
    except ValueError:
        return ""
    return address


def manifest(body: bytes, digest: str) -> Manifest | None:
    """None for what is neither an index nor an image."""
    said = mapping(read_json(body))
    listed = said.get("manifests")
    if isinstance(listed, list):
        children = tuple(child for each in listed[:_MOST_CHILDREN] if (child := _child(mapping(each))))
        return Manifest(
            digest, children, "", (), _text(said.get("artifactType")), _texts(said.get("annotations"))
        )
    config = mapping(said.get("config"))
    layers = said.get("layers")
    if not is_digest(_text(config.get("digest"))) or not isinstance(layers, list):
        return None
    parts = [mapping(each) for each in layers[:_MOST_CHILDREN]]
    return Manifest(
        digest=digest,
        children=(),
        config=_text(config.get("digest")),
        layers=tuple(
            (_text(each.get("mediaType")), _text(each.get("digest")), _texts(each.get("annotations")))
            for each in parts
            if is_digest(_text(each.get("digest")))
        ),
        artifact=_text(said.get("artifactType")) or _text(config.get("mediaType")),
        annotations=_texts(said.get("annotations")),
        config_type=_text(config.get("mediaType")),
    )


def _child(said: Mapping[str, Any]) -> Child | None:
    """Attestations stand among the images of an index, for no platform there is."""
    platform = mapping(said.get("platform"))
    found = _platform(platform)
    digest = _text(said.get("digest"))
    if not is_digest(digest) or found.os in ("", "unknown"):
        return None
    return Child(digest, found)


def attached(body: bytes) -> tuple[Attached, ...]:
    """What an index of referrers lists."""
    parts = [mapping(each) for each in sequence(mapping(read_json(body)).get("manifests"))[:_MOST_CHILDREN]]
    return tuple(
        Attached(_text(each.get("digest")), _text(each.get("artifactType")) or _text(each.get("mediaType")))
        for each in parts
        if is_digest(_text(each.get("digest")))
    )


def config(body: bytes) -> Config | None:
    said = mapping(read_json(body))
    if not said:
        return None
    labels = _texts(mapping(said.get("config")).get("Labels"))
    return Config(moment(_text(said.get("created"))), _platform(said), labels)


def _platform(said: Mapping[str, Any]) -> Platform:
    variant, architecture = _text(said.get("variant")), _text(said.get("architecture"))
    if architecture == "arm64" and variant == "v8":
        variant = ""  # there is no other
    return Platform(_text(said.get("os")), architecture, variant)


def http_time(header: str) -> int | None:
    try:
        found = int(parsedate_to_datetime(header).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None
    return found if _BELIEVED_FROM < found < _FAR else None


def moment(text: str) -> int | None:
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(found[1] + found[2].replace("Z", "+00:00")).astimezone(UTC)
        seconds = int(moment.timestamp())
    except (ValueError, OverflowError):
        return None
    return seconds if _BELIEVED_FROM < seconds < _FAR else None


# -- hostile JSON --------------------------------------------------------------------------------


def read_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _text(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= _LONGEST else ""


def _texts(value: Any) -> Mapping[str, str]:
    some = list(mapping(value).items())[:_MOST_LABELS]
    return {
        _text(name): each
        for name, each in some
        if isinstance(each, str) and _text(name) and len(each) <= 1 << 16
    }
