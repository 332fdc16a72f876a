"""What is right by itself and wrong beside the rest of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from reconciler.config.mistakes import nearest
from reconciler.config.settings import Repository, Settings, Unit

Loc = tuple[str | int, ...]


def contradictions(settings: Settings) -> Iterator[tuple[Loc, str]]:
    """Everything that is right by itself and wrong beside the rest, with its place."""
    if not settings.repositories:
        yield ("repositories",), "repositories: expected at least one entry, like {url: https://HOST/PATH}"
    yield from _tokens(settings)
    yield from _metrics(settings)
    yield from _twice("metrics", [one.name for one in settings.metrics])
    yield from _twice("clusters", [one.name for one in settings.clusters])
    yield from _twice("repositories", [one.name for one in settings.repositories])
    yield from _same_address(settings)
    yield from _forges(settings)
    yield from _references(settings)


def _tokens(settings: Settings) -> Iterator[tuple[Loc, str]]:
    groups = {
        "forges": settings.forges, "metrics": settings.metrics, "argocd": settings.argocd,
    }  # fmt: skip
    for name, entries in groups.items():
        for index, entry in enumerate(entries):
            if entry.token_file is not None and entry.token_env is not None:
                yield (
                    (name, index, "tokenEnv"),
                    "tokenFile and tokenEnv both name a token: remove one",
                )


def _metrics(settings: Settings) -> Iterator[tuple[Loc, str]]:
    wanted = {"prometheus": ("url", "path"), "recording": ("path", "url")}
    for index, entry in enumerate(settings.metrics):
        needed, other = wanted[entry.kind]
        if getattr(entry, needed) is None:
            yield ("metrics", index), f"metrics of kind {entry.kind} need {needed}"
        if getattr(entry, other) is not None:
            yield ("metrics", index, other), f"metrics of kind {entry.kind} have {needed}, not {other}"


def _twice(where: str, names: Sequence[str | None]) -> Iterator[tuple[Loc, str]]:
    for index, name in enumerate(names):
        if name is not None and name in names[:index]:
            yield (
                (where, index, "name"),
                f'the name "{name}" is taken by {where}[{names.index(name)}]',
            )


def _same_address(settings: Settings) -> Iterator[tuple[Loc, str]]:
    seen: dict[tuple[str, str | None], int] = {}
    for index, one in enumerate(settings.repositories):
        first = seen.setdefault((same_place(one.url), one.branch), index)
        if first != index:
            yield (
                ("repositories", index, "url"),
                f"it is already repositories[{first}]",
            )


def _forges(settings: Settings) -> Iterator[tuple[Loc, str]]:
    hosts: dict[str, int] = {}
    for index, forge in enumerate(settings.forges):
        if forge.url is None and forge.kind != "local":
            yield ("forges", index), f"a forge of kind {forge.kind} needs url, like https://git.example.com"
            continue
        host = (
            urlsplit(forge.url).netloc.lower()
            if forge.url and forge.kind != "local"
            else f"local {forge.url}"
        )
        first = hosts.setdefault(host, index)
        if first != index:
            yield ("forges", index), f"this server is already forges[{first}]"


def _references(settings: Settings) -> Iterator[tuple[Loc, str]]:
    sources = [one.name for one in settings.metrics]
    for index, cluster in enumerate(settings.clusters):
        if cluster.metrics is not None and cluster.metrics not in sources:
            said = f'no metrics are called "{cluster.metrics}"{nearest(cluster.metrics, sources)}'
            yield ("clusters", index, "metrics"), said
    clusters = [one.name for one in settings.clusters]
    for index, unit in enumerate(settings.units):
        if unit.cluster is not None and clusters and unit.cluster not in clusters:
            said = f'no cluster is called "{unit.cluster}"{nearest(unit.cluster, clusters)}'
            yield ("units", index, "cluster"), said
        if unit.repository is None and len(settings.repositories) > 1:
            yield ("units", index), "repository is missing: there are several, so say which one has this path"
        if unit.repository is not None and repository_of(settings, unit) is None:
            yield (
                ("units", index, "repository"),
                "it is none of repositories, by address, name or alias",
            )


def repository_of(settings: Settings, unit: Unit) -> Repository | None:
    """The repository that the unit lies in."""
    if unit.repository is None:
        return next(iter(settings.repositories), None)
    wanted = same_place(unit.repository)
    for one in settings.repositories:
        if (
            wanted in {same_place(address) for address in (one.url, *one.aliases)}
            or unit.repository == one.name
        ):
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
