"""Which registries may be asked, where each of them answers, and as whom we come.

The image of a manifest is somebody's text: it names a host, and no request goes to a host that
neither the settings name nor everybody knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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


Pushed = Callable[[str, str, str], int | None]  # of repository, tag and digest: when the registry got it
# Registries of that name whose own API everybody may ask when they got a tag.
_TELLING: Final = {DOCKER_HUB: "hub", "quay.io": "quay"}


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
    push_times: str = ""  # whose API tells when it got a tag; "" is what the name shows, "none" is nobody's
    push_api: str = ""  # where that answers, when it is not where it does for everybody
    pushed: Pushed | None = None  # a cloud's own way to ask


class Source(NamedTuple):
    """Where one image is asked for."""

    api: str
    repository: str
    endpoint: Endpoint
    push_times: str = ""  # whose API tells when it got a tag; "" is nobody's


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
            return _source(found, image.registry, image.repository)
        host, _, path = found.mirror.partition("/")
        repository = f"{path}/{image.repository}" if path else image.repository
        behind = self._of(f"{host}/{repository}") or Endpoint(host)
        return _source(behind._replace(mirror=""), host, repository)

    def _of(self, name: str) -> Endpoint | None:
        """The longest prefix wins; it ends where a part of the name does."""
        return next((one for one in self._told if f"{name}/".startswith(f"{one.prefix}/")), None)


def _source(endpoint: Endpoint, registry: str, repository: str) -> Source:
    return Source(_api(endpoint, registry), repository, endpoint, _push_times(endpoint, registry))


def _push_times(endpoint: Endpoint, registry: str) -> str:
    """By its name alone where that is plain; a registry that answers elsewhere is somebody's own."""
    if endpoint.push_times:
        return "" if endpoint.push_times == "none" else endpoint.push_times
    if endpoint.api:
        return ""
    return "azure" if registry.endswith(".azurecr.io") else _TELLING.get(registry, "")


def _api(endpoint: Endpoint, registry: str) -> str:
    if endpoint.api:
        return endpoint.api.rstrip("/")
    if registry == DOCKER_HUB:
        return _HUB_API
    return f"{'http' if endpoint.plain else 'https'}://{registry}"
