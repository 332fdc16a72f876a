"""Kustomizations whose remote bases lie among their files, as kustomize is given them.

What is rewritten is seen by kustomize alone: everyone else reads and edits the bytes of the repository.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from reconciler.model import Refused
from reconciler.source.layout import KUSTOMIZATIONS
from reconciler.source.render import KustomizeRequest
from reconciler.source.typed import Table, as_json, items, read_values

LISTS = ("resources", "bases", "components")


def applied(request: KustomizeRequest) -> KustomizeRequest | Refused:
    """The request with every name of something mounted replaced by the path to it."""
    if not request.mounted:
        return request
    files = dict(request.files)
    for path, data in request.files.items():
        if posixpath.basename(path) not in KUSTOMIZATIONS:
            continue
        body = read_values(data)
        if isinstance(body, Refused):
            return body._replace(detail=f"{path}: {body.detail}")
        if isinstance(body, dict) and (names := set(_named(body)) & request.mounted.keys()):
            files[path] = as_json(
                _pointed(path, body, {name: request.mounted[name] for name in names}, files)
            )
    return request._replace(files=files, mounted={})


def _named(body: Table) -> Iterator[str]:
    for key in LISTS:
        yield from (each for each in items(body.get(key)) if isinstance(each, str))


def _pointed(path: str, body: Table, mounted: Mapping[str, str], files: dict[str, bytes]) -> Table:
    folder = posixpath.dirname(path)
    names: dict[str, str] = {}
    for name, target in mounted.items():
        if target in files:  # a single file must lie beside the kustomization that names it
            beside = posixpath.join(folder, target.replace("/", "-"))
            files[beside] = files[target]
            target = beside
        names[name] = posixpath.relpath(target, folder or ".")
    found = dict(body)
    for key in LISTS:
        if isinstance(found.get(key), list):
            found[key] = [
                names.get(each, each) if isinstance(each, str) else each for each in items(found[key])
            ]
    return found
