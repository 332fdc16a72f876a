"""The registries of images that the settings know, as whom they say."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from reconciler.config import Settings
from reconciler.config.registries import ImageRegistry
from reconciler.config.tokens import TokenSource
from reconciler.errors import Misconfigured
from reconciler.images.registry.clouds import (
    GOOGLE_READS,
    amazon,
    amazon_pushed,
    azure,
    google,
    google_pushed,
    kept,
)
from reconciler.images.registry.docker import from_config, from_helper
from reconciler.images.registry.endpoints import Endpoint, Endpoints, Pushed, nobody
from reconciler.images.registry.logins import Login, LoginOf, login_of
from reconciler.images.registry.memory import Folder
from reconciler.images.registry.registries import Registries
from reconciler.images.registry.wire import Wire, origin
from reconciler.wiring.places import cache_folder

_SECONDS: Final = 30.0


def registries_of(settings: Settings) -> Registries:
    """Nothing is asked, and no login read, before an image needs it."""
    proxy = settings.network.proxy
    trusted = _trust(settings)
    wire = Wire(trusted, _SECONDS, {"http": proxy, "https": proxy} if proxy else None)
    told = [_endpoint(one, wire) for one in settings.registries]
    endpoints = Endpoints(told, public=settings.public_registries)
    return Registries(wire, endpoints, Folder(cache_folder(settings) / "images"))


def _endpoint(said: ImageRegistry, wire: Wire) -> Endpoint:
    return Endpoint(
        prefix=said.prefix,
        api=said.api or "",
        login=_login(said, wire),
        token_hosts=said.token_hosts,
        blob_hosts=said.blob_hosts,
        mirror=said.mirror or "",
        plain=said.plain_http,
        push_times=said.push_times or "",
        push_api=said.push_api or "",
        pushed=_pushed(said, wire) if said.push_times is None else None,
    )


def _pushed(said: ImageRegistry, wire: Wire) -> Pushed | None:
    """Of a cloud that knows who we are."""
    host = said.prefix.partition("/")[0]
    if said.identity == "aws":
        return amazon_pushed(said.region or "", host)
    if said.identity == "google":
        return google_pushed(wire, host, kept(partial(google, GOOGLE_READS)))
    return None


def _login(said: ImageRegistry, wire: Wire) -> LoginOf:
    host = said.prefix.partition("/")[0]
    if said.credentials is not None:
        return partial(_read, said.credentials)
    if said.docker_config is not None:
        return kept(partial(from_config, said.docker_config, said.prefix))
    if said.helper is not None:
        return kept(partial(from_helper, said.helper, host))
    if said.identity == "aws":
        return kept(partial(amazon, said.region or ""))
    if said.identity == "google":
        return kept(google)
    if said.identity == "azure":
        return kept(partial(azure, wire, said.api or f"https://{host}"))
    return nobody


def _read(source: TokenSource) -> Login:
    """Anew each time: a login that rotates is another one then."""
    secret = source.read(os.environ)
    try:
        return login_of(secret.reveal())
    except ValueError as bad:
        raise Misconfigured(str(source), f"{source} holds no login: {bad}.") from None


def _trust(settings: Settings) -> Callable[[str], ssl.SSLContext]:
    """By host; read once, when the first connection is made."""
    own: dict[str, Path] = {}
    for one in settings.registries:
        if one.ca_bundle is not None:
            own = {**dict.fromkeys(_hosts(one), one.ca_bundle), **own}
    made: dict[Path | None, ssl.SSLContext] = {}

    def trusted(host: str) -> ssl.SSLContext:
        bundle = own.get(host, settings.network.ca_bundle)
        if bundle not in made:
            made[bundle] = _context(bundle)
        return made[bundle]

    return trusted


def _hosts(one: ImageRegistry) -> tuple[str, ...]:
    """Those that one registry answers from: where it is asked, its servers of tokens, those of its blobs."""
    asked = one.api or f"https://{one.prefix.partition('/')[0]}"
    return (origin(asked).host, *(host.lower() for host in (*one.token_hosts, *one.blob_hosts)))


def _context(bundle: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(bundle) if bundle else None)
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or "it holds no certificate in PEM format"
        raise Misconfigured("settings", f"the CA bundle can't be read: {why}.", path=str(bundle)) from None
