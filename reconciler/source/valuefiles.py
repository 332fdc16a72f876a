"""The value files that an Application names, found as Argo CD finds them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from reconciler.model import Reason, Refused
from reconciler.source import globs, secretvalues
from reconciler.source.render import Files
from reconciler.source.trees import Tree, inside

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_VARIABLE: Final = re.compile(r"\$(?:\{([^{}]*)\}|([A-Za-z_][A-Za-z0-9_]*|[*#$@!?0-9-]))")


class Ref(NamedTuple):
    """What `$name/...` means: the root of another source."""

    tree: Tree | None
    refused: Refused | None


class Home(NamedTuple):
    """Where names of value files start from."""

    tree: Tree | None  # None: a fetched chart
    folder: str
    chart: Files  # the files of a fetched chart
    refs: Mapping[str, Ref]  # by `$name`
    variables: Mapping[str, str]


class ValueFile(NamedTuple):
    name: str  # as written
    tree: Tree | None
    path: str
    content: bytes


def substitute(words: str, variables: Mapping[str, str]) -> str:
    """`$NAME` and `${NAME}` as Argo CD's build environment fills them in; `$$` is a dollar."""

    def value(found: re.Match[str]) -> str:
        name = found[1] if found[1] is not None else found[2]
        return "$" if name == "$" else variables.get(name, "")

    return _VARIABLE.sub(value, words) if "$" in words else words


def value_files(names: tuple[str, ...], home: Home, *, ignore_missing: bool) -> list[ValueFile] | Refused:
    """In order, each once; a wildcard gives way to a name that is written out."""
    spelled = {_key(spot) for spot in (_located(name, home) for name in names) if isinstance(spot, _Spot)}
    found: dict[tuple[str, str], ValueFile] = {}
    for name in names:
        spot = _located(name, home)
        if isinstance(spot, Refused):
            return spot
        if not globs.is_glob(spot.path):
            read = _read(spot, name)
            if read is not None:
                found.setdefault(_key(spot), read)
            elif not ignore_missing:
                return Refused(Reason.NOT_DEPLOYABLE, f"the value file {name} is missing")
            continue
        matched = _matching(spot)
        if not matched and not ignore_missing:
            return Refused(Reason.NOT_DEPLOYABLE, f"no value file matches {name}")
        for path in matched:
            each = spot._replace(path=path)
            if _key(each) not in spelled and (read := _read(each, name)) is not None:
                found.setdefault(_key(each), read)
    return list(found.values())


def one_file(name: str, home: Home) -> ValueFile | Refused:
    """The file of a `fileParameters` entry."""
    spot = _located(name, home)
    if isinstance(spot, Refused):
        return spot
    return _read(spot, name) or Refused(Reason.NOT_DEPLOYABLE, f"the file {name} is missing")


class _Spot(NamedTuple):
    tree: Tree | None
    path: str
    chart: Files


def _key(spot: _Spot) -> tuple[str, str]:
    return (spot.tree.name if spot.tree else "", spot.path)


def _located(name: str, home: Home) -> _Spot | Refused:
    if secretvalues.needs_plugin(name):
        return Refused(Reason.PLUGIN, f"the value file {name} needs the plugin helm-secrets")
    ref = home.refs.get(name.split("/")[0]) if name.startswith("$") else None
    if ref is not None:
        rest = substitute("/" + name.partition("/")[2], home.variables)
        if ref.tree is None:
            return ref.refused or Refused(Reason.UNKNOWN_SOURCE, f"{name} is in no known repository")
        return _placed(ref.tree, "", rest.lstrip("/"), name, {})
    filled = substitute(name, home.variables)
    if _URL.match(filled):
        return Refused(Reason.UNKNOWN_SOURCE, f"the value file {name} is on another server")
    folder = "" if filled.startswith("/") else home.folder
    return _placed(home.tree, folder, filled.lstrip("/"), name, home.chart)


def _placed(tree: Tree | None, folder: str, rest: str, name: str, chart: Files) -> _Spot | Refused:
    path = inside(folder, rest)
    if not path:
        return Refused(Reason.NOT_DEPLOYABLE, f"the value file {name} leads out of its repository")
    return _Spot(tree, path, chart)


def _read(spot: _Spot, name: str) -> ValueFile | None:
    if spot.tree is None:
        data = spot.chart.get(spot.path)
        return None if data is None else ValueFile(name, None, spot.path, data)
    data = spot.tree.read(spot.path)
    return None if data is None else ValueFile(name, spot.tree, spot.tree.resolved(spot.path) or "", data)


def _matching(spot: _Spot) -> list[str]:
    matches = globs.doublestar(spot.path)
    if spot.tree is None:
        return sorted(path for path in spot.chart if matches(path))
    head = re.split(r"[*?\[]", spot.path, maxsplit=1)[0].rpartition("/")[0]
    return [path for path in spot.tree.below(head) if matches(path)]
