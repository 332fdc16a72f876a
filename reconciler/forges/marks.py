"""Hidden marks that tell which of a forge's texts are ours, and what each is about."""

from __future__ import annotations

import re
from typing import Final

_MARK: Final = re.compile(r"\A<!-- reconcile:(comment|page) ([A-Za-z0-9._/-]{1,200}) -->\r?\n")


def marked(kind: str, topic: str, text: str) -> str:
    """The text as it is written to a forge. `kind` is `comment` or `page`."""
    mark = f"<!-- reconcile:{kind} {topic} -->\n"
    if not _MARK.match(mark):
        raise ValueError(f"no topic can be called {topic!r}")
    return mark + text


def unmarked(kind: str, written: str) -> tuple[str, str] | None:
    """Topic and text of what `marked` wrote; None for anybody else's. Forges may end lines their way."""
    found = _MARK.match(written)
    if found is None or found[1] != kind:
        return None
    return found[2], written[found.end() :].replace("\r\n", "\n")
