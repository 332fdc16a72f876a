"""What Argo CD says of the sync windows of one Application."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.connection import printable


class Window(NamedTuple):
    kind: str
    schedule: str
    duration: str

    def __str__(self) -> str:
        return printable(f"`{self.schedule}` for {self.duration}")[:200]


class Windows(NamedTuple):
    active: tuple[Window, ...]
    assigned: tuple[Window, ...]
    can_sync: bool  # by hand, at least


def read(answer: object) -> Windows | None:
    """None for what is no answer of Argo CD's. Go leaves empty lists out, or writes them as null."""
    if not isinstance(answer, dict):
        return None
    active, assigned = _list(answer.get("activeWindows")), _list(answer.get("assignedWindows"))
    can = answer.get("canSync")
    if active is None or assigned is None or not isinstance(can, bool):
        return None
    return Windows(active, assigned, can)


def _list(said: object) -> tuple[Window, ...] | None:
    if said is None:
        return ()
    if not isinstance(said, list) or not all(isinstance(each, dict) for each in said):
        return None
    rows = [[each.get(key, "") for key in Window._fields] for each in said]
    if not all(isinstance(text, str) for row in rows for text in row):
        return None
    return tuple(Window(*row) for row in rows)


def shut(found: Windows, app: str) -> str:
    """Why nothing is synced by itself; "" when it is. `canSync` is about syncs by hand, for which a
    window may make an exception: what is merged has to arrive without anybody's hand."""
    deny = next((window for window in found.active if window.kind == "deny"), None)
    if deny is not None:
        return f"the sync window {deny} denies syncs of the Application {app}"
    allows = [window for window in found.assigned if window.kind == "allow"]
    if allows and not any(window.kind == "allow" for window in found.active):
        return f"the Application {app} is synced within {allows[0]} alone"
    return "" if found.can_sync else f"Argo CD says that the Application {app} can't be synced now"
