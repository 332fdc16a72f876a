"""What the place can show where a merge request's text is read, and the addresses of files there."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

# Where each kind of forge shows a file at a commit, and a line of it.
_FORMS: Final = {
    "github": "{web}/blob/{commit}/{path}#L{line}",
    "gitlab": "{web}/-/blob/{commit}/{path}#L{line}",
    "gitea": "{web}/src/commit/{commit}/{path}#L{line}",
}
_WEB: Final = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(?:/[A-Za-z0-9._~%-]+)+")
_SAFE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")


class Surface(NamedTuple):
    """What a forge makes of a text. The defaults are what any of them can do."""

    body_limit: int = 60_000  # characters
    diagrams: bool = False  # draws Mermaid
    details: bool = False  # folds <details>
    boxes: bool = False  # a reader may tick boxes
    style: str = ""  # of addresses: github | gitlab | gitea; "" where none are known
    web: str = ""  # the repository's own page


def file_link(surface: Surface, commit: str, path: str, line: int) -> str:
    """The address of a line as it was at a commit; "" where nobody can tell, or somebody plays tricks."""
    form = _FORMS.get(surface.style, "")
    plain = path.split("/")
    known = form and _WEB.fullmatch(surface.web) and _COMMIT.fullmatch(commit)
    if not known or {"", ".", ".."} & {*plain}:
        return ""
    escaped = "/".join(map(_quoted, plain))
    shown = form.format(web=surface.web, commit=commit, path=escaped, line=line)
    return shown if line > 0 else shown.partition("#")[0]


def _quoted(part: str) -> str:
    """Without anything that means something in an address, in Markdown or to a reader's eye."""
    return "".join(
        mark if mark in _SAFE else "".join(f"%{byte:02X}" for byte in mark.encode("utf-8", "surrogatepass"))
        for mark in part
    )


def size(text: str) -> int:
    """As the strictest of the forges counts: in halves of what lies beyond 16 bits."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
