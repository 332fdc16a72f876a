"""Commit messages: a subject, a body, and trailers that nothing in the body can imitate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from reconciler.errors import Problem

_TRAILER: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*):[ \t]*(.*)")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def message(subject: str, body: str, trailers: Mapping[str, str]) -> str:
    """The whole message. Values may come from anywhere: none of them begins a line of its own."""
    head = _one_line(subject)
    if not head:
        raise Problem("commit message", "the subject of the commit message is empty: correct its template.")
    parts = [head]
    text = _paragraphs(body)
    if text:
        parts.append(text)
    lines = [f"{_checked(key)}: {_one_line(value)}" for key, value in trailers.items() if _one_line(value)]
    if lines:
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def trailers(text: str) -> dict[str, str]:
    """The trailers of a message: its last paragraph, when all of it reads `Key: value`."""
    paragraphs = re.split(r"\n[ \t]*\n", text.strip("\n"))
    if len(paragraphs) < 2:
        return {}
    found: dict[str, str] = {}
    key = ""
    for line in paragraphs[-1].strip("\n").split("\n"):
        read = _TRAILER.fullmatch(line)
        if read:
            key = read[1]
            found[key] = read[2].strip()
        elif key and line[:1] in (" ", "\t"):  # a folded value goes on
            found[key] = f"{found[key]} {line.strip()}"
        else:
            return {}
    return found


def _one_line(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())


def _paragraphs(body: str) -> str:
    """The body, with whatever looks like a trailer moved in by a space."""
    lines = _CONTROL.sub(" ", body.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    kept = [f" {line}" if _TRAILER.fullmatch(line) else line for line in (each.rstrip() for each in lines)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip("\n")


def _checked(key: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*", key):
        raise Problem(
            "commit message", f"{key!r} can't be a trailer: it may hold letters, digits and '-' only."
        )
    return key
