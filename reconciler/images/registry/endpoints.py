"""Which registries may be asked, where each of them answers, and as whom we come.

The image of a manifest is somebody's text: it names a host, and no request goes to a host that
neither the settings name nor everybody knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from reconciler.images.reference import DOCKER_HUB, Image
from reconciler.images.registry.logins import LoginOf

# Public ones, whose names nobody but their owners has.
PUBLIC: Final = (
    DOCKER_HUB,
    *("ghcr.io", "quay.io", "registry.k8s.io", "gcr.io", "public.ecr.aws", "mcr.microsoft.com"),
    *("registry.gitlab.com", "cgr.dev", "docker.elastic.co", "nvcr.io", "lscr.io"),
)
_HUB_API: Final = "https://registry-1.docker.io"


def nobody() -> None:
    """The login of those who have none."""


class Endpoint(NamedTuple):
    """What the settings say of all images whose names begin so."""

    prefix: str  # host, or host/path
    api: str = ""  # https://host[:port]; "" is the host of the prefix
    login: LoginOf = nobody
    token_hosts: tuple[str, ...] = ()
    blob_hosts: tuple[str, ...] = ()  # to which a registry may send us for what an image says of itself
    mirror: str = ""  # host/path under which another registry has the same images
    plain: bool = False  # plain http, which only this machine may speak without being told so


class Source(NamedTuple):
    """Where one image is asked for."""

    api: str
    repository: str
    endpoint: Endpoint


class Endpoints:
    def __init__(self, told: Iterable[Endpoint] = (), *, public: bool = True) -> None:
        self._told = sorted(told, key=lambda one: (-len(one.prefix), one.prefix))
        self._public = public

    def source(self, image: Image) -> Source | None:
        """None where nobody allows its registry."""
        found = self._of(image.name)
        if found is None and self._public and image.registry in PUBLIC:
            found = Endpoint(image.registry)
        if found is None:
            return None
        if not found.mirror:
            return Source(_api(found, image.registry), image.repository, found)
        host, _, path = found.mirror.partition("/")
        repository = f"{path}/{image.repository}" if path else image.repository
        behind = self._of(f"{host}/{repository}") or Endpoint(host)
        return Source(_api(behind._replace(mirror=""), host), repository, behind)

    def _of(self, name: str) -> Endpoint | None:
        """The longest prefix wins; it ends where a part of the name does."""
        return next((one for one in self._told if f"{name}/".startswith(f"{one.prefix}/")), None)


def _api(endpoint: Endpoint, registry: str) -> str:
    if endpoint.api:
        return endpoint.api.rstrip("/")
    if registry == DOCKER_HUB:
        return _HUB_API
    return f"{'http' if endpoint.plain else 'https'}://{registry}"
