"""How a run looks at images: the registries and keys of the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from reconciler.config import Settings
from reconciler.config.registries import ImageIdentity
from reconciler.errors import Misconfigured
from reconciler.images.facts import Age, Asked, Sighting, Snapshot
from reconciler.images.keyless import Identity, Wanted, identity
from reconciler.images.signatures import Key, read_key
from reconciler.images.snapshot import Surroundings, snapshot
from reconciler.imaging import Looked
from reconciler.ports import Progress
from reconciler.wiring.registries import registries_of


def looked_at(settings: Settings) -> Looked:
    """With registries in the settings every image is looked at; else those that a policy speaks of."""

    @cache
    def keys() -> Mapping[str, Key | Identity]:
        own = {name: read_key(path)._replace(name=name) for name, path in settings.image_keys.items()}
        twice = sorted(own.keys() & settings.image_identities.keys())
        if twice:
            words = f"imageKeys and imageIdentities both say who {twice[0]} is: rename one."
            raise Misconfigured("settings", words)
        return {**own, **{name: _identity(name, one) for name, one in settings.image_identities.items()}}

    def look(
        asked: Sequence[Asked], first_seen: Mapping[Sighting, Age], now: int, progress: Progress
    ) -> Snapshot:
        registries = registries_of(settings)
        try:
            advance = progress.step("Asking registries", len({*asked}))
            return snapshot(asked, registries, Surroundings(now, keys(), first_seen), advance)
        finally:
            registries.close()

    return Looked(look, everywhere=bool(settings.registries))


def _identity(name: str, said: ImageIdentity) -> Identity:
    wanted = Wanted(name, said.issuer, said.identity or "", said.identity_pattern or "")
    return identity(wanted, said.trusted_root)
