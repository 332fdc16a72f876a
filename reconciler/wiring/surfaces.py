"""What the forge of a repository makes of a text, known without asking it: a dry run writes the same."""

from __future__ import annotations

from typing import Final

from reconciler.config import Settings
from reconciler.git.urls import parse_url
from reconciler.proposals.surface import Surface
from reconciler.wiring.forges import forge_settings, web_address

SURFACES: Final = {
    "local": Surface(body_limit=1_000_000, details=True),
    "github": Surface(body_limit=60_000, diagrams=True, details=True, boxes=True, style="github"),
    "gitlab": Surface(body_limit=1_000_000, diagrams=True, details=True, boxes=True, style="gitlab"),
    "gitea": Surface(body_limit=65_535, diagrams=True, details=True, boxes=True, style="gitea"),
}
_WELL_KNOWN: Final = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "codeberg.org": "gitea",
    "gitea.com": "gitea",
}


def surface_of(settings: Settings, url: str) -> Surface:
    """That of the forge in the settings; of none, that of a host that everybody knows, or the plainest."""
    remote = parse_url(url)
    forge = forge_settings(settings, url)
    kind = forge.kind if forge else "local" if remote.scheme == "file" else _WELL_KNOWN.get(remote.host, "")
    found = SURFACES.get(kind, Surface())
    if not found.style:
        return found
    return found._replace(
        web=web_address(forge.url if forge and forge.url else f"https://{remote.host}", remote)
    )
