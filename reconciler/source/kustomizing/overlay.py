"""New values in the outermost kustomization: an entry of `images`, or a patch in the file's style."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from reconciler.model import IN_OVERLAY, Field, Key, NewValue, Reason, Refused
from reconciler.source import yamledit
from reconciler.source.kustomizing import references
from reconciler.source.kustomizing.appending import Item, appended, list_indent
from reconciler.source.kustomizing.candidates import Candidate, missing_places, set_places
from reconciler.source.kustomizing.patches import UNMERGED, Setting, Shape, operations, strategic, target
from reconciler.source.kustomizing.sources import PATCH, RESOURCE, Sources, Texts, follow
from reconciler.source.kustomizing.traced import Traced
from reconciler.source.render import Files, KustomizeRequest
from reconciler.source.tracing.rendered import WAYS, Identity, Render
from reconciler.source.units import Unit
from reconciler.source.yamledit import Assignment, decode
from reconciler.source.yamledit.scalars import written

OVERLAY: Final = IN_OVERLAY


class _Form(NamedTuple):
    """One way to write a patch; which of them finds its object is for the render to say."""

    as_json: bool = False
    selected: bool = False  # by a `target`, which a name before any prefix and any namespace is enough for
    with_namespace: bool = False


_FORMS: Final = (
    _Form(),
    _Form(with_namespace=True),
    _Form(selected=True),
    _Form(as_json=True, selected=True),
    _Form(as_json=True, selected=True, with_namespace=True),
)
_UNSAFE: Final = re.compile(r"[^a-z0-9-]+")


def variants(
    unit: Unit, traced: Traced, values: Sequence[NewValue], files: Files
) -> Iterator[Files | Refused]:
    """The files with the values, in each way that may be right; what renders as meant is the one."""
    request = unit.request
    assert isinstance(request, KustomizeRequest)
    writer = _Writer(unit, traced, request._replace(files=files), values)
    if not writer.sources.top:
        yield Refused(Reason.UNSUPPORTED, "it has no kustomization that could hold a patch")
        return
    if (refused := unit.located(writer.sources.top).refused) is not None:
        yield refused
        return
    if any(one.path == writer.sources.top for one in unit.written):
        yield Refused(
            Reason.UNSUPPORTED, "an Application adds to its kustomization, so none of ours is tried"
        )
        return
    images = [one for one in writer.settings if one.field is Field.IMAGE]
    amounts = [one for one in writer.settings if one.field is not Field.IMAGE]
    if amounts and not images:
        yield writer.in_existing_patches()
    for form in _FORMS:
        if images:
            yield writer.new(amounts, images, form)
        yield writer.new(writer.settings, (), form)


def own_paths(request: KustomizeRequest) -> frozenset[str]:
    """The outermost kustomization and its own patches: what is no other overlay's."""
    found = follow(Texts(request.files, request.mounted), request.folder)
    return frozenset(source.path for source in _own(request.files, found).all)


def _own(files: Files, sources: Sources) -> Sources:
    roles = {source.path: source.role for source in sources.all}
    near = {path: data for path, data in files.items() if path == sources.top or roles.get(path) == PATCH}
    found = follow(Texts(near), posixpath.dirname(sources.top))
    return found._replace(all=tuple(one for one in found.all if one.role != RESOURCE))


class _Way(NamedTuple):
    """How this kustomization writes its patches."""

    key: str  # of the list that a strategic patch goes to
    in_files: bool
    header: str
    folder: str


class _Writer:
    def __init__(
        self, unit: Unit, traced: Traced, request: KustomizeRequest, values: Sequence[NewValue]
    ) -> None:
        self._files = request.files
        self._texts = Texts(request.files, request.mounted)
        self.sources: Sources = follow(self._texts, request.folder)
        self._body = self._texts.body(self.sources.top) if self.sources.top else {}
        self._render = Render(traced.text, unit.cluster, unit.namespace)
        containers = {one.ref: one for one in self._render.containers()}
        self.settings = [
            Setting(containers[ref], value.slot.field, value.new)
            for value in values
            for ref in value.slot.consumers
            if ref in containers
        ]

    # -- a patch that is there ----------------------------------------------------------------------

    def in_existing_patches(self) -> Files | Refused:
        """Beside what the outermost kustomization's own patches set for the same containers."""
        own = _own(self._files, self.sources)
        wanted: dict[str, list[Assignment]] = {}
        for setting in self.settings:
            found = self._patched(own, setting)
            if found is None:
                return Refused(Reason.UNSUPPORTED, "no patch of the kustomization is for this container")
            assignment = Assignment(found.document, found.keys, setting.new, inner=found.inner)
            wanted.setdefault(found.path, []).append(assignment)
        after = dict(self._files)
        for path, assignments in wanted.items():
            data = yamledit.rewrite(self._files[path], list(dict.fromkeys(assignments)))
            if isinstance(data, Refused):
                return data
            after[path] = data
        return after

    def _patched(self, own: Sources, setting: Setting) -> Candidate | None:
        ref = setting.container.ref
        way = WAYS[setting.field]
        found = [*set_places(self._texts, own), *missing_places(self._texts, own, (PATCH,), (ref.container,))]
        for one in found:
            keys = one.inner or one.keys
            if one.role == PATCH and keys[-len(way) :] == way and self._is_for(one, setting):
                return one
        return None

    def _is_for(self, one: Candidate, setting: Setting) -> bool:
        """Whether the patch names this workload and this container. Rendering has the last word."""
        text = one.host.value if one.host is not None else self._texts.text(one.path)
        if isinstance(text, Refused):
            return False
        body = Texts({"patch": text.encode("utf-8")}).body("patch") if one.host is not None else None
        body = self._document(one.path, one.document) if body is None else body
        keys, way = one.inner or one.keys, WAYS[setting.field]
        metadata = body.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        container = _at(body, keys[: -len(way)])
        ref = setting.container.ref
        named = isinstance(container, dict) and container.get("name") == ref.container
        return (
            named and body.get("kind") == ref.kind and name in (ref.workload, self._plain_name(ref.workload))
        )

    def _document(self, path: str, index: int) -> dict[str, Any]:
        documents = self._texts.documents(path)
        text = self._texts.text(path)
        assert isinstance(text, str)
        piece = text[documents[index].start : documents[index].end]
        return Texts({"patch": piece.encode("utf-8")}).body("patch")

    # -- a new one ----------------------------------------------------------------------------------

    def new(self, patched: Sequence[Setting], images: Sequence[Setting], form: _Form) -> Files | Refused:
        text = decode(self._files[self.sources.top])
        if isinstance(text, Refused):
            return text
        after = dict(self._files)
        items = list(dict.fromkeys(self._image_item(one, text) for one in images))
        by_object: dict[Identity, list[Setting]] = {}
        for setting in patched:
            by_object.setdefault(setting.container.identity, []).append(setting)
        for identity, settings in by_object.items():
            if not form.as_json and identity.kind in UNMERGED:
                return Refused(Reason.UNSUPPORTED, f"kustomize replaces the lists of a {identity.kind}")
            namespace = identity.namespace if form.with_namespace else ""
            shape = Shape(self._plain_name(identity.name), namespace, max(list_indent(text), 0))
            items.append(self._patch_item(identity, settings, shape, after, form))
        result = appended(text, items)
        if isinstance(result, Refused):
            return result
        after[self.sources.top] = result.encode("utf-8")
        return after

    def _image_item(self, setting: Setting, text: str) -> Item:
        """`name` is what the image is called before this kustomization."""
        was, new = (
            references.split(setting.container.values[Field.IMAGE] or ""),
            references.split(setting.new),
        )
        lines = [f"- name: {written(was.name, text=True, json=False)}"]
        for key, value, old in (
            ("newName", new.name, was.name),
            ("newTag", new.tag, ""),
            ("digest", new.digest, ""),
        ):
            if value and value != old:
                lines.append(f"  {key}: {written(value, text=True, json=False)}")
        return Item("images", tuple(lines))

    def _patch_item(
        self,
        identity: Identity,
        settings: list[Setting],
        shape: Shape,
        after: dict[str, bytes],
        form: _Form,
    ) -> Item:
        """The entry of the list; with a file of its own where that is the style."""
        way = self._way()
        found = next(one for one in self._render.workloads() if one.identity == identity)
        lines = strategic(found, settings, shape)
        if form.as_json:
            lines = operations(found.value, settings, shape)
        selector = ["target:", *("  " + line for line in target(identity, shape))] if form.selected else []
        if way.in_files:
            path = self._free_path(way.folder, identity, settings, after)
            newline = "\r\n" if b"\r\n" in self._files[self.sources.top] else "\n"
            after[path] = "".join(line + newline for line in lines).encode("utf-8")
            name = posixpath.relpath(path, posixpath.dirname(self.sources.top) or ".")
            entry = [f"path: {name}"]
        else:
            entry = [f"patch: {way.header}", *("  " + line for line in lines)]
        if way.key == "patchesStrategicMerge" and not form.selected:
            only = [f"- {name}"] if way.in_files else [f"- {way.header}", *("  " + line for line in lines)]
            return Item(way.key, tuple(only))
        first, *rest = [*entry, *selector]
        return Item("patches", (f"- {first}", *("  " + line for line in rest)))

    def _way(self) -> _Way:
        """As the last patch that it has; without any, inline."""
        folder = posixpath.dirname(self.sources.top)
        for key in ("patches", "patchesStrategicMerge"):
            entries = self._body.get(key)
            last = entries[-1] if isinstance(entries, list) and entries else None
            path = last.get("path") if isinstance(last, dict) else last
            if isinstance(path, str) and "\n" not in path:
                where = posixpath.normpath(posixpath.join(folder, posixpath.dirname(path)))
                return _Way(key, True, "|-", "" if where == "." else where)
            if last is not None:
                return _Way(key, False, "|-", folder)
        return _Way("patches", False, "|-", folder)

    def _free_path(
        self, folder: str, identity: Identity, settings: list[Setting], after: dict[str, bytes]
    ) -> str:
        what = "image" if all(one.field is Field.IMAGE for one in settings) else "resources"
        name = _UNSAFE.sub("-", self._plain_name(identity.name).lower()).strip("-") or "workload"
        turn = 0
        while True:
            path = posixpath.join(folder, f"{name}-{what}{f'-{turn}' if turn else ''}.yaml")
            if path not in after:
                return path
            turn += 1

    def _plain_name(self, name: str) -> str:
        """What the workload is called before this kustomization adds its prefix and suffix."""
        prefix, suffix = self._body.get("namePrefix"), self._body.get("nameSuffix")
        if isinstance(prefix, str) and name.startswith(prefix):
            name = name.removeprefix(prefix)
        return name.removesuffix(suffix) if isinstance(suffix, str) else name


def _at(value: Any, keys: Iterable[Key]) -> Any:
    for key in keys:
        value = value[key]
    return value
