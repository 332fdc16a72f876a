"""Where a repository lies on its forge."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from reconciler.errors import Problem
from reconciler.forges.port import Site


class Where(NamedTuple):
    server: str  # https://git.example.com, or https://example.com/gitlab; no slash at its end
    path: str  # owner/name; group/group/name on GitLab

    @property
    def host(self) -> str:
        return (urlsplit(self.server).hostname or "").lower()


def where(site: Site) -> Where:
    """Server and path of a site's repository."""
    parts = urlsplit(site.repository)
    server = site.server.rstrip("/") or f"{parts.scheme}://{parts.netloc}"
    inside = site.repository.removeprefix(server) if site.repository.startswith(f"{server}/") else parts.path
    path = unquote(inside).strip("/").removesuffix(".git").rstrip("/")
    if path.count("/") < 1 or any(part in ("", ".", "..") for part in path.split("/")):
        words = f"{site.repository} names no repository: expected {server}/OWNER/NAME."
        raise Problem(site.repository, words, repository=site.repository)
    return Where(server, path)
