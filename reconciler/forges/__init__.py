"""Where merge requests live. A forge is one file here and one line in this dict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reconciler.forges.local import open_local
from reconciler.forges.port import Forge, Site

FORGES: Final[dict[str, Callable[[Site], Forge]]] = {
    "local": open_local,
}
