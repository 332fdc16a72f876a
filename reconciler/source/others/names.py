"""Names of images, in one form for all the ways to write them."""

from __future__ import annotations

from typing import Final

from reconciler.source.tracing.images import parts

_HUB: Final = "docker.io"
_ALSO_HUB: Final = ("index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")


def name_of(reference: str) -> str:
    """`docker.io/library/nginx` for `nginx:1.25`."""
    name = parts(reference.strip())[0]
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = _HUB, name
    first = first.lower()
    if first in _ALSO_HUB:
        first = _HUB
    if first == _HUB and "/" not in rest:
        rest = f"library/{rest}"
    return f"{first}/{rest}" if rest else ""


def forms_of(reference: str) -> tuple[str, ...]:
    """Every way in which people write the name, as it is written first."""
    written, whole = parts(reference.strip())[0], name_of(reference)
    short = whole.removeprefix(f"{_HUB}/")
    return tuple(dict.fromkeys((written, whole, short, short.removeprefix("library/"))))


def shown(text: str) -> str:
    """What somebody else wrote, in a sentence of ours."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:80])
