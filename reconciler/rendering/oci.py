"""Charts in a registry: the few calls of the OCI distribution API that a pull takes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

from reconciler.model import Reason, Refused
from reconciler.rendering.plain import entries, mapping
from reconciler.rendering.web import Page, Web, is_loopback, join, shown

_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_LAYERS: Final = ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip")
_MOST_JSON: Final = 4 << 20
_MOST_PAGES: Final = 50
_NAME: Final = re.compile(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_FIELD: Final = re.compile(r'(\w+)="([^"]*)"')
_NEXT: Final = re.compile(r'<([^>]*)>;\s*rel="?next"?')


class Layer(NamedTuple):
    digest: str
    data: bytes


class Registry:
    """One repository of a registry, read with a token of its own when it asks for one."""

    def __init__(self, web: Web, host: str, name: str) -> None:
        self._web = web
        scheme = "http" if is_loopback(urlsplit(f"//{host}").hostname or "") else "https"
        self._root = f"{scheme}://{host}/v2/{name}"
        self._name = name
        self._authorization = ""

    def tags(self) -> list[str] | Refused:
        found: list[str] = []
        url = f"{self._root}/tags/list?n=1000"
        for _ in range(_MOST_PAGES):
            page = self._get(url, "application/json", _MOST_JSON)
            if isinstance(page, Refused):
                return page
            found.extend(str(tag) for tag in entries(mapping(_json(page.body)).get("tags")))
            more = _NEXT.search(page.headers.get("link", ""))
            if not more:
                return found
            url = join(url, more[1])
        return _refuse(f"{shown(self._root)} has more than {_MOST_PAGES} pages of tags")

    def chart(self, reference: str, most: int) -> Layer | Refused:
        """The packed chart of a tag or a digest, checked against every digest on the way."""
        page = self._get(f"{self._root}/manifests/{reference}", _MANIFEST, _MOST_JSON)
        if isinstance(page, Refused):
            return page
        wanted = reference if is_digest(reference) else page.headers.get("docker-content-digest", "")
        if is_digest(wanted) and wanted != digest(page.body):
            return _refuse(f"the manifest of {shown(self._root)} is not the one that was announced")
        layers = [mapping(layer) for layer in entries(mapping(_json(page.body)).get("layers"))]
        layer = next((one for one in layers if one.get("mediaType") in _LAYERS), None)
        blob = str(layer.get("digest")) if layer else ""
        if not is_digest(blob):
            return _refuse(f"{shown(self._root)}:{reference[:80]} is no chart")
        packed = self._get(f"{self._root}/blobs/{blob}", "*/*", most)
        if isinstance(packed, Refused):
            return packed
        if digest(packed.body) != blob:
            return _refuse(f"the chart at {shown(self._root)} is not what its manifest says")
        return Layer(blob, packed.body)

    def _get(self, url: str, accept: str, most: int) -> Page | Refused:
        headers = {"Accept": accept}
        page = self._web.get(url, most, headers, self._authorization)
        if isinstance(page, Page) and page.status == 401 and not self._authorization:
            token = self._token(url, page)
            if isinstance(token, Refused):
                return token
            self._authorization = token
            page = self._web.get(url, most, headers, token)
        if isinstance(page, Page) and page.status != 200:
            return _refuse(f"{shown(url)} answers with {page.status}")
        return page

    def _token(self, url: str, page: Page) -> str | Refused:
        """What the registry asks for. The login goes along only where it was given for."""
        scheme, _, rest = page.headers.get("www-authenticate", "").partition(" ")
        asked = dict(_FIELD.findall(rest))
        if scheme.lower() != "bearer" or not asked.get("realm"):
            return _refuse(f"{shown(url)} wants a login; give the settings a token for that host")
        scope = asked.get("scope") or f"repository:{self._name}:pull"
        query = urlencode({"service": asked.get("service", ""), "scope": scope})
        realm = asked["realm"]
        answer = self._web.get(f"{realm}{'&' if '?' in realm else '?'}{query}", _MOST_JSON)
        if isinstance(answer, Refused):
            return answer
        said = mapping(_json(answer.body))
        token = said.get("token") or said.get("access_token")
        if answer.status != 200 or not isinstance(token, str) or not token.isprintable():
            return _refuse(f"{shown(realm)} gives no token (it answers with {answer.status})")
        return f"Bearer {token}"


def is_name(name: str) -> bool:
    return len(name) <= 255 and _NAME.fullmatch(name) is not None


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def versions(tags: list[str]) -> Iterator[tuple[str, str]]:
    """Every tag as a version: a tag can't have a '+', and helm writes '_' for it."""
    return ((tag.replace("_", "+"), tag) for tag in tags)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _refuse(why: str) -> Refused:
    return Refused(Reason.CHART_UNAVAILABLE, why)
