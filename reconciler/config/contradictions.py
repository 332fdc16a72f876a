"""What is right by itself and wrong beside the rest of the settings.

Looked for also where some entries are wrong by themselves, so that all is told at once: such an
entry is None, and nothing is said that it could make untrue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from reconciler.config.metrics import Metrics
from reconciler.config.metrics import contradictions as beside_each_other
from reconciler.config.mistakes import nearest
from reconciler.config.registries import ImageRegistry
from reconciler.config.registries import contradictions as twice_named
from reconciler.config.rendering import Registry
from reconciler.config.settings import ArgoCD, Cluster, Forge, Repository, Settings, Unit

Loc = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


class Entries(NamedTuple):
    """The lists of the settings. None stands for an entry, or for entries, that can't be read."""

    repositories: Sequence[Repository | None]
    forges: Sequence[Forge | None]
    metrics: Sequence[Metrics | None]
    clusters: Sequence[Cluster | None]
    argocd: Sequence[ArgoCD | None]
    units: Sequence[Unit | None]
    registries: Sequence[Registry | None]
    images: Sequence[ImageRegistry | None]


def entries_of(settings: Settings) -> Entries:
    return Entries(
        settings.repositories,
        settings.forges,
        settings.metrics,
        settings.clusters,
        settings.argocd,
        settings.units,
        settings.rendering.registries,
        settings.registries,
    )


def sound_entries(data: object, base: Path) -> Entries:
    """What can be read of settings that have mistakes in them."""
    found = data if isinstance(data, dict) else {}
    rendering = found.get("rendering")
    return Entries(
        _sound(Repository, found.get("repositories"), base) or [None],
        _sound(Forge, found.get("forges"), base),
        _sound(Metrics, found.get("metrics"), base),
        _sound(Cluster, found.get("clusters"), base),
        _sound(ArgoCD, found.get("argocd"), base),
        _sound(Unit, found.get("units"), base),
        _sound(Registry, rendering.get("registries") if isinstance(rendering, dict) else None, base),
        _sound(ImageRegistry, found.get("registries"), base),
    )


def _sound(model: type[M], entries: object, base: Path) -> list[M | None]:
    if entries is None:
        return []
    return [_read(model, one, base) for one in entries] if isinstance(entries, list) else [None]


def _read(model: type[M], entry: object, base: Path) -> M | None:
    """The entry without its unknown keys; None when it is wrong beyond them."""
    known = {field.alias or name for name, field in model.model_fields.items()}
    data = {key: value for key, value in entry.items() if key in known} if isinstance(entry, dict) else entry
    try:
        return model.model_validate(data, context={"base": base})
    except ValidationError:
        return None


def contradictions(found: Entries) -> Iterator[tuple[Loc, str]]:
    """Everything that is right by itself and wrong beside the rest, with its place."""
    if not found.repositories:
        yield ("repositories",), "repositories: expected at least one entry, like {url: https://HOST/PATH}"
    yield from _tokens(found)
    yield from _metrics(found.metrics)
    yield from _twice("metrics", [one.name if one else None for one in found.metrics])
    yield from _twice("clusters", [one.name if one else None for one in found.clusters])
    yield from _twice("repositories", [one.name if one else None for one in found.repositories])
    yield from _same_address(found.repositories)
    yield from _forges(found.forges)
    yield from _references(found)
    yield from _registries(found.registries)
    yield from twice_named(found.images)


def _tokens(found: Entries) -> Iterator[tuple[Loc, str]]:
    groups = {"forges": found.forges, "metrics": found.metrics, "argocd": found.argocd}
    for name, entries in groups.items():
        for index, entry in enumerate(entries):
            if entry is not None and entry.token_file is not None and entry.token_env is not None:
                yield (
                    (name, index, "tokenEnv"),
                    "tokenFile and tokenEnv both name a token: remove one",
                )


def _metrics(metrics: Sequence[Metrics | None]) -> Iterator[tuple[Loc, str]]:
    for index, entry in enumerate(metrics):
        if entry is not None:
            for place, message in beside_each_other(entry):
                yield ("metrics", index, *place), message


def _twice(where: str, names: Sequence[str | None]) -> Iterator[tuple[Loc, str]]:
    for index, name in enumerate(names):
        if name is not None and name in names[:index]:
            yield (
                (where, index, "name"),
                f'the name "{name}" is taken by {where}[{names.index(name)}]',
            )


def _same_address(repositories: Sequence[Repository | None]) -> Iterator[tuple[Loc, str]]:
    seen: dict[tuple[str, str | None], int] = {}
    for index, one in enumerate(repositories):
        if one is None:
            continue
        first = seen.setdefault((same_place(one.url), one.branch), index)
        if first != index:
            yield (
                ("repositories", index, "url"),
                f"it is already repositories[{first}]",
            )


def _forges(forges: Sequence[Forge | None]) -> Iterator[tuple[Loc, str]]:
    hosts: dict[str, int] = {}
    for index, forge in enumerate(forges):
        if forge is None:
            continue
        if forge.url is None and forge.kind != "local":
            yield ("forges", index), f"a forge of kind {forge.kind} needs url, like https://git.example.com"
            continue
        host = (
            urlsplit(forge.url).netloc.lower() + urlsplit(forge.url).path
            if forge.url and forge.kind != "local"
            else f"local {forge.url}"
        )
        first = hosts.setdefault(host, index)
        if first != index:
            yield ("forges", index), f"this server is already forges[{first}]"
        for key, message in _of_app(forge):
            yield ("forges", index, *key), message


def _of_app(forge: Forge) -> Iterator[tuple[Loc, str]]:
    app = forge.app
    if app is not None and forge.kind != "github":
        yield ("app",), f"a forge of kind {forge.kind} has no apps: give it a token"
    elif app is not None:
        if (app.key_file is None) == (app.key_env is None):
            yield ("app",), "name where the app's key lies, with keyFile or with keyEnv"
        if forge.token is not None:
            yield ("app",), "a forge is asked with a token or by an app, not both: remove one"
    if forge.commits == "forge" and forge.kind != "github":
        yield ("commits",), f"a forge of kind {forge.kind} makes no commits of its own: write git"


def _registries(registries: Sequence[Registry | None]) -> Iterator[tuple[Loc, str]]:
    hosts: dict[str, int] = {}
    for index, one in enumerate(registries):
        if one is None:
            continue
        here: Loc = ("rendering", "registries", index)
        if one.password_file is None and one.password_env is None:
            yield here, "a login needs passwordFile or passwordEnv"
        if one.password_file is not None and one.password_env is not None:
            yield (*here, "passwordEnv"), "passwordFile and passwordEnv both name a password: remove one"
        first = hosts.setdefault(one.host, index)
        if first != index:
            yield (*here, "host"), f"this host is already rendering.registries[{first}]"


def _references(found: Entries) -> Iterator[tuple[Loc, str]]:
    sources = _all_names(found.metrics)
    for index, cluster in enumerate(found.clusters):
        if cluster is None or cluster.metrics is None or sources is None:
            continue
        if cluster.metrics not in sources:
            said = f'no metrics are called "{cluster.metrics}"{nearest(cluster.metrics, sources)}'
            yield ("clusters", index, "metrics"), said
    clusters = _all_names(found.clusters)
    for index, unit in enumerate(found.units):
        if unit is None:
            continue
        if unit.cluster is not None and clusters and unit.cluster not in clusters:
            said = f'no cluster is called "{unit.cluster}"{nearest(unit.cluster, clusters)}'
            yield ("units", index, "cluster"), said
        if unit.repository is None and len(found.repositories) > 1:
            yield ("units", index), "repository is missing: there are several, so say which one has this path"
        if unit.repository is None or None in found.repositories:
            continue
        if _named(found.repositories, unit.repository) is None:
            yield ("units", index, "repository"), "it is none of repositories, by address, name or alias"


def _all_names(entries: Sequence[Metrics | Cluster | None]) -> list[str] | None:
    """None where one can't be read: it may be just the one that is meant."""
    names = [one.name for one in entries if one is not None]
    return names if len(names) == len(entries) else None


def repository_of(settings: Settings, unit: Unit) -> Repository | None:
    """The repository that the unit lies in."""
    if unit.repository is None:
        return next(iter(settings.repositories), None)
    return _named(settings.repositories, unit.repository)


def _named(repositories: Iterable[Repository | None], wanted: str) -> Repository | None:
    """By address, alias or name."""
    place = same_place(wanted)
    for one in repositories:
        if one is None:
            continue
        if wanted == one.name or place in {same_place(address) for address in (one.url, *one.aliases)}:
            return one
    return None


def same_place(url: str) -> str:
    """Equal for the usual ways to write one address: https, ssh and scp, with and without .git."""
    path = url
    if "://" in url:
        parts = urlsplit(url)
        path = f"{(parts.hostname or '').lower()}/{parts.path.strip('/')}" if parts.hostname else parts.path
    elif not url.startswith("/") and ":" in url:
        host, _, rest = url.rpartition("@")[2].partition(":")
        path = f"{host.lower()}/{rest.strip('/')}"
    return path.rstrip("/").removesuffix(".git").rstrip("/")
