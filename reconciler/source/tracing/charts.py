"""A chart as its files say: its defaults, its subcharts under their aliases, and its templates."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from reconciler.model import Key
from reconciler.source.render import Parameter
from reconciler.source.yamledit.values import UnreadableError, read_values

Keys = tuple[Key, ...]

_DEEPEST: Final = 6
_MOST_CHARTS: Final = 200
_LARGEST_ARCHIVE: Final = 20_000_000  # unpacked


class Chart(NamedTuple):
    """One chart of the tree. `prefix` leads to its values within those of the whole."""

    name: str
    prefix: Keys
    version: str  # appVersion: what an image without a tag often becomes
    values: dict[str, Any]
    templates: tuple[str, ...]
    library: bool = False


def charts(files: Mapping[str, bytes]) -> tuple[Chart, ...]:
    """The chart and all below it, the root first. What can't be read has no values."""
    found: list[Chart] = []
    _gather(found, dict(files), (), "", 0)
    return tuple(found)


def _gather(found: list[Chart], files: dict[str, bytes], prefix: Keys, alias: str, depth: int) -> None:
    if depth > _DEEPEST or len(found) >= _MOST_CHARTS:
        return
    about = mapping(files.get("Chart.yaml", b""))
    templates = tuple(
        data.decode("utf-8", "replace")
        for path, data in sorted(files.items())
        if path.startswith("templates/") and not path.endswith("NOTES.txt")
    )
    name = alias or str(about.get("name") or "")
    version = str(about.get("appVersion") or "")
    library = about.get("type") == "library"
    found.append(Chart(name, prefix, version, mapping(files.get("values.yaml", b"")), templates, library))
    below = _below(files)
    old = mapping(files.get("requirements.yaml", b""))  # where charts of helm 2 list them
    listed = [*_list(about.get("dependencies")), *_list(old.get("dependencies"))]
    wanted = [one for one in listed if isinstance(one, dict)]
    keys = {str(one.get("alias") or one.get("name")): str(one.get("name")) for one in wanted}
    # helm also takes what lies there and isn't listed, or not in a version that fits
    for key, lies in [*keys.items(), *((name, name) for name in below if name not in keys)]:
        if lies in below:
            _gather(found, below[lies], (*prefix, key), key, depth + 1)


def _below(files: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    """The charts that lie below `charts/`, by their names, unpacked where they are archives."""
    folders: dict[str, dict[str, bytes]] = {}
    for path, data in files.items():
        if not path.startswith("charts/"):
            continue
        folder, slash, rest = path.removeprefix("charts/").partition("/")
        if slash:
            folders.setdefault(folder, {})[rest] = data
        elif folder.endswith((".tgz", ".tar.gz")):
            for name, content in _unpacked(data).items():
                top, _, inner = name.partition("/")
                folders.setdefault(top, {}).setdefault(inner, content)
    return {
        str(mapping(inner["Chart.yaml"]).get("name") or folder): inner
        for folder, inner in folders.items()
        if "Chart.yaml" in inner
    }


def _unpacked(data: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    left = _LARGEST_ARCHIVE
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for member in archive:
                left -= member.size
                if left < 0:
                    break
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None:
                    found[member.name.removeprefix("./")] = content.read()
    except (tarfile.TarError, zlib.error, OSError, EOFError, ValueError):
        return {}
    return found


def mapping(data: bytes) -> dict[str, Any]:
    """A file of values; {} for what holds none."""
    try:
        found = read_values(data.decode("utf-8", "replace"))
    except UnreadableError:
        return {}
    return found if isinstance(found, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# -- values of several layers as one --------------------------------------------------------------


def defaults(tree: tuple[Chart, ...]) -> dict[str, Any]:
    """What the charts themselves set; a chart overrules those below it."""
    found: dict[str, Any] = {}
    for chart in tree:  # the root first, so that what is there already wins
        values = dict(chart.values)
        shared = values.pop("global", None)
        found = _under(found, _at(chart.prefix, values))
        if isinstance(shared, dict):
            found = _under(found, {"global": shared})
    return found


def merged(base: dict[str, Any], over: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """Values with others over them: mappings key by key, all else as a whole; null takes away."""
    found = dict(base)
    for key, value in over.items():
        below = found.get(key)
        if value is None:
            found.pop(key, None)
        elif isinstance(value, dict) and isinstance(below, dict) and depth < 100:
            found[key] = merged(below, value, depth + 1)
        else:
            found[key] = value
    return found


def _under(over: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """As `merged`, the other way round, and a null stays: it is told by a chart, not by its user."""
    found = dict(over)
    for key, value in base.items():
        if key not in found:
            found[key] = value
        elif isinstance(value, dict) and isinstance(found[key], dict):
            found[key] = _under(found[key], value)
    return found


def _at(keys: Keys, value: Any) -> dict[str, Any]:
    for key in reversed(keys):
        value = {key: value}
    return dict(value)


def value_at(values: Any, keys: Keys) -> Any:
    """What stands at the end of a path; None where it doesn't lead there."""
    for key in keys:
        if isinstance(values, dict):
            values = values.get(key)
        elif isinstance(values, list) and isinstance(key, int) and key < len(values):
            values = values[key]
        else:
            return None
    return values


def sets(values: Any, keys: Keys) -> bool:
    """Whether these values set something at the path, be it an empty text."""
    return value_at(values, keys) is not None


def parameter_keys(name: str) -> Keys:
    """`a.b\\.c[0].d` as a path: helm's own grammar of `--set`."""
    keys: list[Key] = []
    word = ""
    letters = iter(name)
    for letter in letters:
        if letter == "\\":
            word += next(letters, "")
        elif letter in ".[":
            keys += [word] if word else []
            word = ""
        elif letter == "]":
            keys.append(int(word) if word.isascii() and word.isdigit() and len(word) < 6 else word)
            word = ""
        else:
            word += letter
    return tuple([*keys, word] if word else keys)


def with_parameters(values: dict[str, Any], parameters: Iterable[Parameter]) -> dict[str, Any]:
    for parameter in parameters:
        keys = parameter_keys(parameter.name)
        if keys and all(isinstance(key, str) for key in keys):
            values = merged(values, _at(keys, parameter.value))
    return values
