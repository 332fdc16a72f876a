"""When Argo CD syncs an Application by itself, as the AppProjects in the repositories say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from reconciler.source import globs
from reconciler.source.applications import GROUP
from reconciler.source.cron import cron, seconds
from reconciler.source.typed import Thing, items, table, text, texts
from reconciler.source.units import Deployed


class Window(NamedTuple):
    """One of `spec.syncWindows`."""

    kind: str  # allow | deny
    schedule: str
    duration: str
    time_zone: str
    applications: tuple[str, ...]
    namespaces: tuple[str, ...]
    clusters: tuple[str, ...]
    all_of: bool  # applications, clusters and namespaces must match together

    def is_about(self, app: Deployed) -> bool:
        name, server, namespace = app.destination
        said = [
            (self.applications, (app.name,)),
            (self.clusters, tuple(filter(None, (name, server)))),
            (self.namespaces, (namespace,)),
        ]
        found = [
            any(globs.crossing(pattern, braces=True)(value) for pattern in patterns for value in values)
            for patterns, values in said
            if patterns
        ]
        return bool(found) and (all(found) if self.all_of else any(found))

    def is_on(self, now: int) -> bool | None:
        """None where it can't be read, which Argo CD takes for a reason to sync nothing."""
        when, span = cron(self.schedule), seconds(self.duration)
        if when is None or span is None:
            return None
        moment = datetime.fromtimestamp(now, UTC)
        # the offset of now holds for the whole schedule, as in Argo CD itself
        local = moment + (moment.astimezone(_zone(self.time_zone)).utcoffset() or timedelta())
        return when.fires_within(local.replace(tzinfo=None), span)

    def __str__(self) -> str:
        zone = f" {self.time_zone}" if self.time_zone else ""
        return f"`{self.schedule}` for {self.duration}{zone}"[:200]


class Project(NamedTuple):
    name: str
    windows: tuple[Window, ...]


def projects(found: Iterable[Thing]) -> tuple[Project, ...]:
    """The AppProjects among these objects that have windows."""
    made = (
        Project(each.name, tuple(map(_window, items(table(each.body.get("spec")).get("syncWindows")))))
        for each in found
        if each.group == GROUP and each.kind == "AppProject"
    )
    return tuple(dict.fromkeys(each for each in made if each.windows))


def _window(said: object) -> Window:
    body = table(said)
    applications, namespaces, clusters = (
        texts(body.get(key)) for key in ("applications", "namespaces", "clusters")
    )
    return Window(
        text(body.get("kind")),
        text(body.get("schedule")),
        text(body.get("duration")),
        text(body.get("timeZone")),
        applications,
        namespaces,
        clusters,
        body.get("andOperator") is True,
    )


def shut(known: Sequence[Project], app: Deployed, now: int) -> str:
    """Why Argo CD would not sync the Application by itself; "" when it would.

    Several AppProjects of one name are those of several Argo CDs; any of them may be its own.
    """
    for project in known:
        if project.name == app.project:
            windows = [window for window in project.windows if window.is_about(app)]
            why = _shut(windows, app, now)
            if why:
                return why
    return ""


def _shut(windows: Sequence[Window], app: Deployed, now: int) -> str:
    on = [(window, window.is_on(now)) for window in windows]
    broken = next((window for window, state in on if state is None), None)
    if broken is not None:
        return f"a sync window of the Application {app.name} can't be read ({broken}), so nothing is synced"
    deny = next((window for window, state in on if state and window.kind == "deny"), None)
    if deny is not None:
        return f"the sync window {deny} denies syncs of the Application {app.name}"
    allows = [(window, state) for window, state in on if window.kind == "allow"]
    if allows and not any(state for _, state in allows):
        return f"the Application {app.name} is synced within {allows[0][0]} alone"
    return ""


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):  # Argo CD takes UTC, too
        return ZoneInfo("UTC")
