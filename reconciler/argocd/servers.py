"""All Argo CD servers of the settings as one."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from reconciler.argocd.client import ArgoCD, listed
from reconciler.errors import Problem
from reconciler.model import Note, Reason, Refused


class Servers:
    """Lists what all of them deploy, and asks each for what is its own."""

    def __init__(self, servers: Sequence[ArgoCD]) -> None:
        self._servers = tuple(servers)
        self._lists: tuple[tuple[dict[str, object], ...], ...] | None = None
        self._homes: dict[object, list[tuple[object, ArgoCD]]] = {}
        self._turn = threading.Lock()

    def applications(self) -> bytes:
        """What `argocd app list -o json` prints, of all servers. Raises Problem for any that can't say."""
        return listed([each for one in self._all() for each in one])

    def manifests(
        self, name: str, namespace: str, project: str, revisions: Sequence[tuple[int, str]] = ()
    ) -> tuple[str, ...] | Refused:
        """What the server that has this Application renders of it; see `ArgoCD.manifests`."""
        home = self._home(name, namespace)
        return home if isinstance(home, Refused) else home.manifests(name, namespace, project, revisions)

    def shut(self, name: str, namespace: str, project: str) -> str | Refused | None:
        """Why the server that has this Application would not sync it now; see `ArgoCD.shut`."""
        home = self._home(name, namespace)
        if isinstance(home, Refused):
            return Refused(Reason.SYNC_WINDOW, home.detail)
        return home.shut(name, namespace, project)

    def cautions(self) -> tuple[Note, ...]:
        return tuple(note for server in self._servers for note in server.cautions())

    def _all(self) -> tuple[tuple[dict[str, object], ...], ...]:
        with self._turn:
            if self._lists is None:
                self._lists = tuple(server.applications() for server in self._servers)
                self._homes = _homes(self._servers, self._lists)
            return self._lists

    def _home(self, name: str, namespace: str) -> ArgoCD | Refused:
        if len(self._servers) == 1:
            return self._servers[0]
        try:
            self._all()
        except Problem as problem:
            return Refused(Reason.NOT_COMPARED, str(problem))
        homes = [server for where, server in self._homes.get(name, ()) if namespace in ("", where)]
        if len(homes) == 1:
            return homes[0]
        words = "several Argo CD servers have one of this name" if homes else "no Argo CD server has it"
        return Refused(Reason.NOT_COMPARED, f"Argo CD can't be asked what it renders: {words}")


def _homes(
    servers: Sequence[ArgoCD], lists: Sequence[Sequence[dict[str, object]]]
) -> dict[object, list[tuple[object, ArgoCD]]]:
    """By name of an Application: its namespace, and whose it is."""
    found: dict[object, list[tuple[object, ArgoCD]]] = {}
    for server, items in zip(servers, lists, strict=True):
        for each in items:
            metadata = each["metadata"]
            assert isinstance(metadata, dict)
            found.setdefault(metadata["name"], []).append((metadata.get("namespace", ""), server))
    return found
