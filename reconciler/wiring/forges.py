"""Which forge serves a repository, and as whom it is asked."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from reconciler.config import Settings
from reconciler.config import settings as written
from reconciler.deployments import BOT, NoForge
from reconciler.errors import Problem
from reconciler.forges import APP_TOKENS, FORGES
from reconciler.forges.port import App, Forge, Site, Spent
from reconciler.git.access import Access
from reconciler.git.urls import Remote, parse_url
from reconciler.model import Secret


def access_of(settings: Settings, url: str) -> Access:
    """What opens a repository: the token of the forge on its host."""
    remote = parse_url(url)
    forge = forge_settings(settings, url)
    use_token = forge is not None and remote.scheme in ("https", "http")
    network = settings.network
    return Access(
        token=_token(settings, forge, remote) if use_token and forge else None,
        ca_bundle=network.ca_bundle,
        ssh_key=network.ssh_key,
        known_hosts=network.known_hosts,
        proxy=network.proxy or "",
    )


def _token(settings: Settings, forge: written.Forge, remote: Remote) -> Secret | None:
    """Of an app that is not installed there: none, for the repository may be open to everybody."""
    if forge.app is not None:
        return APP_TOKENS[forge.kind](_site(settings, forge, remote, None))
    return forge.token.read(os.environ) if forge.token else None


def forge_of(
    settings: Settings, url: str, now: int, spent: dict[str, Spent] | None = None
) -> Callable[[], Forge] | NoForge:
    """How to open the forge of a repository; it is opened once. `spent` is what a run has asked of
    each server by now."""
    forge = forge_settings(settings, url)
    remote = parse_url(url)
    kind = forge.kind if forge else "local" if remote.scheme == "file" else ""
    if not kind:
        return NoForge(
            f"no forge is configured for {remote.host}, so no merge request can be opened there: add it "
            "under `forges` in the settings, or use --dry-run"
        )
    if kind == "local" or forge is None:
        address = remote.path if remote.scheme == "file" else url
        return functools.cache(lambda: FORGES["local"](Site(address, None, BOT, lambda: now)))
    shared = Spent() if spent is None else spent.setdefault(forge.url or "", Spent())
    return functools.cache(lambda: FORGES[kind](_opened(settings, forge, remote, shared)))


def _opened(settings: Settings, forge: written.Forge, remote: Remote, spent: Spent) -> Site:
    site = _site(settings, forge, remote, spent)
    if site.app is None:
        return site._replace(token=forge.token.read(os.environ) if forge.token else None)
    token = APP_TOKENS[forge.kind](site)
    if token is None:
        words = f"app {site.app.id} is not installed for {site.repository}: install it there."
        raise Problem(site.repository, words, repository=site.repository)
    return site._replace(token=token)


def _site(settings: Settings, forge: written.Forge, remote: Remote, spent: Spent | None) -> Site:
    """A repository by its address on the web, however Git reaches it; its time is the server's."""
    server = (forge.url or remote.origin).rstrip("/")
    app = forge.app
    return Site(
        repository=web_address(server, remote),
        token=None,
        user=BOT,
        clock=lambda: int(time.time()),
        server=server,
        app=App(app.id, app.installation or "", lambda: app.key.read(os.environ)) if app else None,
        ca_bundle=settings.network.ca_bundle,
        proxy=settings.network.proxy or "",
        patience=forge.patience,
        spent=spent,
    )


def web_address(server: str, remote: Remote) -> str:
    """A repository's own page, however Git reaches it."""
    server = server.rstrip("/")
    inside = remote.path.removesuffix("/").removesuffix(".git").strip("/")
    if remote.scheme != "ssh":
        inside = inside.removeprefix(urlsplit(server).path.strip("/")).strip("/")
    return f"{server}/{inside}"


def makes_commits(settings: Settings, url: str) -> bool:
    """Whether the repository's forge is to make the commits."""
    forge = forge_settings(settings, url)
    return forge is not None and forge.commits == "forge"


def forge_settings(settings: Settings, url: str) -> written.Forge | None:
    """The forge by the URL's host, and by the path that it lies under; a folder belongs to the local one."""
    remote = parse_url(url)
    found = []
    for forge in settings.forges:
        if forge.kind == "local":
            if remote.scheme == "file":
                return forge
        elif forge.url and _serves(forge.url, remote):
            found.append(forge)
    return max(found, key=lambda forge: len(urlsplit(forge.url or "").path), default=None)


def _serves(server: str, remote: Remote) -> bool:
    """Whether the forge's server is the repository's. Over HTTP its port must be the same one too:
    another port of a host may be anybody's, and would be shown the token."""
    forge = parse_url(f"{server.rstrip('/')}/x")
    if remote.scheme == "ssh":
        return remote.host in (forge.host, f"ssh.{forge.host}", f"altssh.{forge.host}")
    below = forge.path.removesuffix("x")
    return forge.origin == remote.origin and f"/{remote.path.lstrip('/')}".startswith(below)
