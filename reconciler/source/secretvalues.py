"""Values that need a secret before they mean anything: none of it is ever opened here."""

from __future__ import annotations

import re
from typing import Final

from reconciler.model import Reason, Refused

_SOPS: Final = re.compile(rb"(?m)^[\"']?sops[\"']?\s*:|\bENC\[AES256_GCM,")
_SOPS_MARK: Final = re.compile(rb"\b(?:mac|lastmodified)\b[\"']?\s*:|\bENC\[AES256_GCM,")
_PLACEHOLDER: Final = re.compile(
    rb"<path:[^>\n]{1,500}#[^>\n]{1,200}>|\bref\+[a-z]+://|\bavp\.kubernetes\.io/path\b"
)
_SCHEME: Final = re.compile(r"secrets(?:\+[a-z-]+)*://", re.IGNORECASE)


def refusal(data: bytes, name: str) -> Refused | None:
    """Why values can't be read as they stand; None when they can."""
    if _SOPS.search(data) and _SOPS_MARK.search(data):
        return Refused(Reason.ENCRYPTED, f"{name} is encrypted with SOPS")
    if _PLACEHOLDER.search(data):
        return Refused(Reason.PLUGIN, f"{name} has placeholders that a secrets plugin fills in")
    return None


def needs_plugin(name: str) -> bool:
    """Whether the name of a value file asks for helm-secrets."""
    return _SCHEME.match(name) is not None
