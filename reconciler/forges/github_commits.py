"""Commits that GitHub makes for an app, and shows as verified.

No author is named: GitHub then writes the app's own name, and signs. The commit lies on no branch;
who asked for it pushes it under a lease of their own.
"""

from __future__ import annotations

import base64
from typing import Any

from reconciler.forges.github_seen import StrangeError, commit
from reconciler.forges.github_wire import Hub
from reconciler.model import Commit

_PLAIN, _EXECUTABLE = "100644", "100755"


def made_commit(hub: Hub, what: Commit) -> str | None:
    """Its id; None where GitHub made one, but doesn't vouch for it."""
    path = f"{hub.path}/git"
    parent = hub.get(f"{path}/commits/{what.parent}")
    entries = [_entry(hub, each, content, what) for each, content in sorted(what.files.items())]
    base = parent.get("tree")
    tree = _posted(hub, f"{path}/trees", {"base_tree": _sha(hub, base), "tree": entries})
    written = {"message": what.message, "tree": _sha(hub, tree), "parents": [what.parent]}
    made = _posted(hub, f"{path}/commits", written)
    verification = made.get("verification")
    is_verified = isinstance(verification, dict) and verification.get("verified") is True
    return _sha(hub, made) if is_verified else None


def _entry(hub: Hub, path: str, content: bytes, what: Commit) -> dict[str, Any]:
    mode = _EXECUTABLE if path in what.executable else _PLAIN
    entry: dict[str, Any] = {"path": path, "mode": mode, "type": "blob"}
    try:
        return {**entry, "content": content.decode("utf-8")}
    except UnicodeDecodeError:
        packed = base64.b64encode(content).decode("ascii")
        blob = _posted(hub, f"{hub.path}/git/blobs", {"content": packed, "encoding": "base64"})
        return {**entry, "sha": _sha(hub, blob)}


def _posted(hub: Hub, path: str, written: dict[str, Any]) -> dict[str, Any]:
    """Objects without a name: one that was made twice hurts nobody."""

    def post() -> Any:
        return hub.wire.requestJsonAndCheck("POST", path, input=written)[1]

    found = hub.write(path, post, lambda: None)
    return found if isinstance(found, dict) else {}


def _sha(hub: Hub, found: object) -> str:
    try:
        return commit(found.get("sha") if isinstance(found, dict) else None)
    except StrangeError:
        raise hub.problem("a commit", "answers without the id of what it made") from None
