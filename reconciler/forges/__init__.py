"""Where merge requests live. A forge is one file here and one line in this dict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reconciler.forges.local import open_local
from reconciler.forges.port import Forge, Site
from reconciler.model import Secret

# Their libraries are read only where they are used: a dry run starts without.


def _github(site: Site) -> Forge:
    from reconciler.forges.github import open_github

    return open_github(site)


def _gitlab(site: Site) -> Forge:
    from reconciler.forges.gitlab import open_gitlab

    return open_gitlab(site)


def _gitea(site: Site) -> Forge:
    from reconciler.forges.gitea import open_gitea

    return open_gitea(site)


FORGES: Final[dict[str, Callable[[Site], Forge]]] = {
    "local": open_local,
    "github": _github,
    "gitlab": _gitlab,
    "gitea": _gitea,
}


def _github_app(site: Site) -> Secret | None:
    from reconciler.forges.github_app import app_token

    return app_token(site)


# Tokens that a forge gives to an app, for one repository; None where it is not installed.
APP_TOKENS: Final[dict[str, Callable[[Site], Secret | None]]] = {
    "github": _github_app,
}
