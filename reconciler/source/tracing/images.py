"""An image's reference and its parts."""

from __future__ import annotations


def parts(reference: str) -> tuple[str, str, str]:
    """Name with registry, tag and digest, "" for what is missing; a port's colon is the name's."""
    rest, _, digest = reference.partition("@")
    head, slash, last = rest.rpartition("/")
    name, _, tag = last.partition(":")
    return head + slash + name, tag, digest
