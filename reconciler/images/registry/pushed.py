"""When a registry got a tag: the protocol of registries has no word for it, but many have one of their own.

Each is asked at its own host, or at the one host that its maker documents for it; our login goes along
only where it belongs. Whatever it says counts for the digest that it names and for no other. One that
fails isn't asked again in a run: the tag's age is then told by something else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from reconciler.errors import Misconfigured
from reconciler.images.registry.documents import http_time, mapping, moment, read_json, sequence
from reconciler.images.registry.endpoints import Source
from reconciler.images.registry.logins import LOOPBACK, Keys, Login
from reconciler.images.registry.wire import UnreachableError, Wire, origin

_MOST: Final = 4 << 20
_HUB: Final = "https://hub.docker.com"
_GITHUB: Final = "https://api.github.com"


class Tagged(NamedTuple):
    """What is asked about."""

    repository: str
    tag: str
    digest: str


class _Way(NamedTuple):
    """How one kind of registry is asked: what follows its address, and what its answer means."""

    path: Callable[[Tagged], str]
    read: Callable[[Any, Tagged], int | None]
    home: str = ""  # the host that everybody's is asked at; "" is the registry's own
    login: str = ""  # basic | token | bearer: how our login goes along, if at all


# ---------------------------------------------------------------------------------------------
# One kind after the other
# ---------------------------------------------------------------------------------------------


def _of_hub(said: Any, asked: Tagged) -> int | None:
    found = mapping(said)
    return _moment(found.get("tag_last_pushed")) if found.get("digest") == asked.digest else None


def _of_harbor(said: Any, asked: Tagged) -> int | None:
    """A tag may have come to an artifact later than that was pushed."""
    found = mapping(said)
    tags = [mapping(each) for each in sequence(found.get("tags"))]
    times = [found, *(each for each in tags if each.get("name") == asked.tag)]
    known = [at for each in times if (at := _moment(each.get("push_time"))) is not None]
    return max(known, default=None) if found.get("digest") == asked.digest else None


def _of_quay(said: Any, asked: Tagged) -> int | None:
    for each in map(mapping, sequence(mapping(said).get("tags"))):
        if each.get("name") == asked.tag and each.get("manifest_digest") == asked.digest:
            start = each.get("start_ts")
            if isinstance(start, int) and not isinstance(start, bool):
                return start
            modified = each.get("last_modified")
            return http_time(modified) if isinstance(modified, str) else None
    return None


def _of_azure(said: Any, asked: Tagged) -> int | None:
    found = mapping(mapping(said).get("tag"))
    return _moment(found.get("lastUpdateTime")) if found.get("digest") == asked.digest else None


def _of_github(said: Any, asked: Tagged) -> int | None:
    """The newest hundred versions of a package, each named by its digest."""
    for each in map(mapping, sequence(said)):
        if each.get("name") == asked.digest:
            return _moment(each.get("created_at"))
    return None


def _harbor(asked: Tagged) -> str:
    """What follows the project is one name, whose slashes are encoded twice."""
    project, _, name = asked.repository.partition("/")
    again = quote(quote(name, safe=""), safe="")
    return f"/api/v2.0/projects/{project}/repositories/{again}/artifacts/{asked.tag}?with_tag=true"


def _quay(asked: Tagged) -> str:
    query = urlencode({"specificTag": asked.tag, "onlyActiveTags": "true"})
    return f"/api/v1/repository/{asked.repository}/tag/?{query}"


def _hub(asked: Tagged) -> str:
    space, _, name = asked.repository.rpartition("/")
    return f"/v2/namespaces/{space}/repositories/{name}/tags/{asked.tag}"


def _github(asked: Tagged) -> str:
    owner, _, name = asked.repository.partition("/")
    return f"/orgs/{owner}/packages/container/{quote(name, safe='')}/versions?per_page=100"


_WAYS: Final[Mapping[str, _Way]] = {
    "hub": _Way(_hub, _of_hub, _HUB),
    "harbor": _Way(_harbor, _of_harbor, login="basic"),
    "quay": _Way(_quay, _of_quay),
    "azure": _Way(
        lambda asked: f"/acr/v1/{quote(asked.repository, safe='')}/_tags/{asked.tag}",
        _of_azure,
        login="token",
    ),
    "github": _Way(_github, _of_github, _GITHUB, login="bearer"),
}


def _moment(text: Any) -> int | None:
    return moment(text) if isinstance(text, str) else None


# ---------------------------------------------------------------------------------------------
# Asking
# ---------------------------------------------------------------------------------------------


class PushTimes:
    """Of one registry. Several threads may ask at the same time."""

    def __init__(self, wire: Wire, source: Source, keys: Keys) -> None:
        self._wire, self._source, self._keys = wire, source, keys
        self._turn = threading.Lock()
        self._over = False

    def of(self, asked: Tagged) -> int | None:
        """None where nobody knows."""
        with self._turn:
            if self._over:
                return None
        try:
            own = self._source.endpoint.pushed
            return own(*asked) if own is not None else self._asked(asked)
        except (UnreachableError, Misconfigured):
            with self._turn:
                self._over = True
            return None

    def _asked(self, asked: Tagged) -> int | None:
        way = _WAYS.get(self._source.push_times)
        if way is None:
            return None
        api = self._source.endpoint.push_api or way.home or self._source.api
        url = api.rstrip("/") + way.path(asked)
        said = self._said(way, url, asked)
        if said is None and way.login == "bearer":  # the owner may be a person
            said = self._said(way, url.replace("/orgs/", "/users/", 1), asked)
        return way.read(said, asked)

    def _said(self, way: _Way, url: str, asked: Tagged) -> Any:
        """What it answers; None where it doesn't know the tag."""
        scope = f"repository:{asked.repository}:metadata_read"
        headers = {"Accept": "application/json", **self._login(way, url, scope)}
        answer = self._wire.ask("GET", url, headers, _MOST)
        if answer.status == 401 and way.login == "token":
            opened = {"Authorization": self._keys.answer(answer, scope)}
            answer = self._wire.ask("GET", url, {**headers, **opened}, _MOST)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise UnreachableError(f"the times of tags are answered with {answer.status}")
        found = read_json(answer.body)
        if found is None:
            raise UnreachableError("the times of tags are no JSON")
        return found

    def _login(self, way: _Way, url: str, scope: str) -> Mapping[str, str]:
        """A password is told over https alone, but on this machine."""
        if way.login == "token":
            opened = self._keys.header(scope)
            return {"Authorization": opened} if opened else {}
        where = origin(url)
        login = self._source.endpoint.login() if way.login else None
        if login is None or (where.scheme != "https" and where.host not in LOOPBACK):
            return {}
        return {"Authorization": _header(way, login)}


def _header(way: _Way, login: Login) -> str:
    return login.basic() if way.login == "basic" else f"Bearer {login.password.reveal()}"
