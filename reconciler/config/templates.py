"""Templates of branches, titles, messages and trailers: `{name}` out of closed lists."""

from __future__ import annotations

import re
from typing import Final

from reconciler.config.mistakes import nearest

BRANCH_NAMES: Final = ("class", "group")
TITLE_NAMES: Final = ("class", "group", "type", "scope", "subject", "count")
MESSAGE_NAMES: Final = (*TITLE_NAMES, "title", "body")

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# What git refuses in the name of a branch, wherever it stands.
_NO_REF: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|^[-/.]|[/.]$|^@$")


def branch(text: str) -> str:
    _checked(text, BRANCH_NAMES)
    missing = [name for name in BRANCH_NAMES if f"{{{name}}}" not in text]
    if missing:
        raise ValueError(f"a branch needs {{{missing[0]}}} in it, or two merge requests would share it")
    if _NO_REF.search(_PLACEHOLDER.sub("x", text)) or len(text) > 120:
        raise ValueError("git takes no branch of that name; expected one like reconcile/{class}/{group}")
    return text


def title(text: str) -> str:
    if "\n" in text or not text.strip():
        raise ValueError("a title is one line, and not empty")
    return _checked(text, TITLE_NAMES)


def message(text: str) -> str:
    if not text.strip():
        raise ValueError("a commit message can't be empty")
    return _checked(text, MESSAGE_NAMES)


def trailer(text: str) -> str:
    if "\n" in text or not text.strip():
        raise ValueError("a trailer is one line, and not empty")
    return _checked(text, TITLE_NAMES)


def _checked(text: str, known: tuple[str, ...]) -> str:
    if _CONTROL.search(text) or len(text) > 4096:
        raise ValueError("it is too long, or has control characters in it")
    for name in _PLACEHOLDER.findall(text):
        if name not in known:
            raise ValueError(f"the placeholder {{{name[:40]}}} is not known{nearest(name, known)}")
    if re.search(r"[{}]", _PLACEHOLDER.sub("", text)):
        raise ValueError("a brace stands alone: placeholders are written {name}")
    return text
