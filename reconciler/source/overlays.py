"""Kustomizations as the files that they lead to, and as an Application changes them before they are built."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from reconciler.model import Key, Place, Reason, Refused
from reconciler.source.layout import KUSTOMIZATIONS
from reconciler.source.trees import Tree, inside
from reconciler.source.typed import Table, Value, as_json, items, read_values, table, text
from reconciler.source.units import Written

_MOST_FILES: Final = 20_000
_MOST_BYTES: Final = 64_000_000
_LONGEST_NAME: Final = 500
_LOOSE: Final = ("namePrefix", "nameSuffix", "namespace")
Substitute = Callable[[str], str]


class Overlay(NamedTuple):
    """A kustomization, ready to be built."""

    files: dict[str, bytes]
    path: str  # of its kustomization.yaml
    written: tuple[Written, ...] = ()


def kustomization_in(tree: Tree, folder: str) -> str | None:
    """The kustomization file of a folder."""
    for name in KUSTOMIZATIONS:
        path = f"{folder}/{name}" if folder else name
        if tree.has_file(path):
            return path
    return None


class Overlays:
    """Reads every kustomization once."""

    def __init__(self) -> None:
        self._bodies: dict[tuple[str, str], Table | Refused] = {}
        self._overlays: dict[tuple[str, str], Overlay | Refused] = {}

    def overlay(self, tree: Tree, folder: str) -> Overlay | Refused:
        """The kustomization of a folder with all that it leads to within the repository."""
        key = (tree.name, folder)
        if key not in self._overlays:
            self._overlays[key] = self._overlay(tree, folder)
        return self._overlays[key]

    def _overlay(self, tree: Tree, folder: str) -> Overlay | Refused:
        path = kustomization_in(tree, folder)
        if path is None:
            return Refused(Reason.NOT_DEPLOYABLE, f"there is no kustomization in {folder or 'the root'}")
        files: dict[str, bytes] = {}
        refused = self._follow(tree, [path], files)
        return refused or Overlay(files, path)

    def with_components(self, tree: Tree, overlay: Overlay, folders: list[str]) -> Overlay | Refused:
        """The overlay with what further components lead to."""
        found = [path for folder in folders if (path := kustomization_in(tree, folder))]
        files = dict(overlay.files)
        return self._follow(tree, found, files) or overlay._replace(files=files)

    def body(self, tree: Tree, path: str) -> Table | Refused:
        """What a kustomization says."""
        key = (tree.name, path)
        if key not in self._bodies:
            read = read_values(tree.read(path) or b"")
            if isinstance(read, Refused):
                self._bodies[key] = read._replace(detail=f"{path}: {read.detail}")
            elif isinstance(read, dict):
                self._bodies[key] = read
            else:
                self._bodies[key] = Refused(Reason.NOT_DEPLOYABLE, f"{path} is no kustomization")
        return self._bodies[key]

    def _follow(self, tree: Tree, waiting: list[str], files: dict[str, bytes]) -> Refused | None:
        size = sum(map(len, files.values()))
        while waiting:
            path = waiting.pop()
            if path in files:
                continue
            data = tree.read(path)
            if data is None:
                return Refused(Reason.UNSUPPORTED, f"{path} is too large to be read")
            files[path] = data
            size += len(data)
            if len(files) > _MOST_FILES or size > _MOST_BYTES:
                return Refused(Reason.UNSUPPORTED, "its kustomization leads to too many files")
            if posixpath.basename(path) in KUSTOMIZATIONS:
                body = self.body(tree, path)
                if isinstance(body, Refused):
                    return body
                waiting += self._named(tree, posixpath.dirname(path), body)
        return None

    def _named(self, tree: Tree, folder: str, body: Table) -> Iterator[str]:
        """Every file that a kustomization may read: whatever text in it is a path."""
        yield from _charts(tree, folder, body)
        for name in _strings(body):
            for each in {name, name.partition("=")[2]}:
                path = (
                    inside(folder, each) if each and len(each) <= _LONGEST_NAME and "\n" not in each else None
                )
                if path is None:
                    continue
                if tree.has_file(path):
                    yield path
                elif (below := kustomization_in(tree, path)) is not None and path != folder:
                    yield below


def _strings(value: Value) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, str):
            yield each


def _charts(tree: Tree, folder: str, body: Table) -> Iterator[str]:
    """The charts that lie beside a kustomization and are inflated by it."""
    home = text(table(body.get("helmGlobals")).get("chartHome")) or "charts"
    for chart in items(body.get("helmCharts")):
        at = inside(folder, posixpath.join(home, text(table(chart).get("name"))))
        if at is not None and tree.has_folder(at):
            yield from tree.below(at)


# -- what an Application adds ---------------------------------------------------------------------

_IMAGE: Final = re.compile(r"(?P<name>[^@]*?)(?::(?P<tag>[^/@:]*))?(?:@(?P<digest>.*))?")


class Adding(NamedTuple):
    """What is at hand when an Application's `kustomize` is written into a kustomization."""

    options: Table
    substitute: Substitute
    place: Callable[..., Place]  # of a part of the options


def add(overlay: Overlay, body: Table, adding: Adding) -> Overlay | Refused:
    """The overlay after the edits that Argo CD makes before it builds."""
    edited = dict(body)
    written: list[Written] = []
    for key in _LOOSE:
        if value := text(adding.options.get(key)):
            edited[key] = value
            written.append(Written(overlay.path, (key,), adding.place(key)))
    written += _images(overlay.path, edited, adding)
    written += _replicas(overlay.path, edited, adding)
    refused = _labels(edited, adding) or _annotations(edited, adding)
    if refused is not None:
        return refused
    patches = items(adding.options.get("patches"))
    if patches:
        before = items(edited.get("patches"))
        edited["patches"] = [*before, *patches]
        written += [
            Written(overlay.path, ("patches", len(before) + at), adding.place("patches", at))
            for at in range(len(patches))
        ]
    if components := [each for each in items(adding.options.get("components")) if isinstance(each, str)]:
        before = items(edited.get("components"))
        edited["components"] = [*before, *(each for each in components if each not in before)]
    if edited == body:
        return overlay
    files = overlay.files | {overlay.path: as_json(edited)}
    return Overlay(files, overlay.path, tuple(written))


def _images(path: str, body: Table, adding: Adding) -> list[Written]:
    """As `kustomize edit set image` does: an entry of the same name is replaced, but for what is `*`."""
    images = [dict(table(each)) for each in items(body.get("images"))]
    written = []
    for at, each in enumerate(items(adding.options.get("images"))):
        new = _image(adding.substitute(text(each)))
        if "name" not in new:
            continue
        found = next((index for index, old in enumerate(images) if old.get("name") == new["name"]), None)
        if found is None:
            images.append({key: value for key, value in new.items() if value != "*"})
            found = len(images) - 1
        else:
            kept = {key: images[found].get(key, "") if value == "*" else value for key, value in new.items()}
            images[found] = {key: value for key, value in kept.items() if value}
        keys: tuple[Key, ...] = ("images", found)
        written.append(Written(path, keys, adding.place("images", at), composite=True))
    if written:
        body["images"] = images
    return written


def _image(argument: str) -> Table:
    """`name=new:tag@digest` or `name:tag@digest` as an entry of `images`."""
    name, equals, new = argument.partition("=")
    found = _IMAGE.fullmatch(new if equals else argument)
    parts = found.groupdict() if found else {"name": new or argument, "tag": None, "digest": None}
    entry: Table = {"name": name if equals else parts["name"]}
    if equals:
        entry["newName"] = parts["name"]
    entry |= {"newTag": parts["tag"], "digest": parts["digest"]}
    return {key: value for key, value in entry.items() if value}


def _replicas(path: str, body: Table, adding: Adding) -> list[Written]:
    replicas = [dict(table(each)) for each in items(body.get("replicas"))]
    written = []
    for at, each in enumerate(items(adding.options.get("replicas"))):
        name, count = text(table(each).get("name")), text(table(each).get("count"))
        new: Table = {"name": name, "count": int(count) if count.isdigit() and len(count) < 10 else count}
        found = next((index for index, old in enumerate(replicas) if old.get("name") == name), None)
        if found is None:
            replicas.append(new)
            found = len(replicas) - 1
        else:
            replicas[found] = new
        written.append(Written(path, ("replicas", found), adding.place("replicas", at)))
    if written:
        body["replicas"] = replicas
    return written


def _labels(body: Table, adding: Adding) -> Refused | None:
    options = adding.options
    wanted = {key: adding.substitute(text(each)) for key, each in table(options.get("commonLabels")).items()}
    if not wanted:
        return None
    if options.get("labelWithoutSelector") is True:
        entry: Table = {"pairs": wanted}
        if options.get("labelIncludeTemplates") is True:
            entry["includeTemplates"] = True
        body["labels"] = [*items(body.get("labels")), entry]
        return None
    return _common(body, "commonLabels", wanted, forced=options.get("forceCommonLabels") is True)


def _annotations(body: Table, adding: Adding) -> Refused | None:
    options = adding.options
    wanted = {key: text(each) for key, each in table(options.get("commonAnnotations")).items()}
    if options.get("commonAnnotationsEnvsubst") is True:
        wanted = {key: adding.substitute(each) for key, each in wanted.items()}
    if not wanted:
        return None
    return _common(body, "commonAnnotations", wanted, forced=options.get("forceCommonAnnotations") is True)


def _common(body: Table, key: str, wanted: dict[str, str], *, forced: bool) -> Refused | None:
    before = table(body.get(key))
    twice = sorted(before.keys() & wanted.keys())
    if twice and not forced:
        return Refused(
            Reason.NOT_DEPLOYABLE, f"its `{key}` sets {twice[0]}, which the kustomization sets, too"
        )
    body[key] = {**before, **wanted}
    return None
