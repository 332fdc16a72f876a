"""From a HelmRelease or a Flux Kustomization to what is rendered."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from reconciler.model import Key, Place, Reason, Refused
from reconciler.source import fluxfolders
from reconciler.source.adding import Adding, add
from reconciler.source.context import Context, Landing
from reconciler.source.flux import Flux, Release, is_release
from reconciler.source.objects import KINDS
from reconciler.source.overlays import Overlay, kustomization_in
from reconciler.source.render import Files, HelmRequest, KustomizeRequest
from reconciler.source.settings import Destination, destination
from reconciler.source.trees import Tree, inside
from reconciler.source.typed import (
    Table,
    Thing,
    Value,
    as_json,
    has_null,
    items,
    merge_patch,
    table,
    table_of,
    text,
)
from reconciler.source.units import Layer, Unit

_TOP_KIND: Final = re.compile(rb"(?m)^kind:[ \t]*[\"']?([A-Za-z]+)")
_SAYING: Final = (".yaml", ".yml", ".json", ".env", ".properties", "")
_BUILDING: Final = (b"Kustomization", b"Component", b"List")
_VARIABLE: Final = re.compile(rb"\$\{[A-Za-z_][A-Za-z0-9_]*[^}\n]*\}")


def unit_of(release: Release, flux: Flux, context: Context) -> Unit:
    """The unit of one object, with all that had a say in it."""
    maker = (_Release if is_release(release.thing) else _Kustomization)(release, flux, context)
    return maker.unit()._replace(read=maker.read(), parent=release.rendered_by)


class _Base:
    def __init__(self, release: Release, flux: Flux, context: Context) -> None:
        thing = release.thing
        self._thing = thing
        self._written = release.written
        self._rendered = release.rendered_by is not None
        self._sources: list[Thing] = []
        self._flux = flux
        self._context = context
        self._spec = table(thing.body.get("spec"))
        self._beside = context.repositories.named(thing.repository)
        remote = self._spec.get("kubeConfig") is not None
        local = _home(release, context)
        words = "it is deployed to another cluster by kubeConfig, whose name is in a Secret"
        refused = Refused(Reason.AMBIGUOUS_CLUSTER, words)
        self._to = local._replace(name="", refused=refused) if remote else local

    def _unit(self, tree: Tree | None, namespace: str) -> Unit:
        thing = self._thing
        return Unit(
            thing.name,
            thing.repository,
            thing.path,
            thing.line,
            self._to.name,
            namespace,
            None,
            commit=tree.commit if tree else "",
            refused=self._to.refused,
            source=tree.name if tree else "",
        )

    def read(self) -> tuple[tuple[str, str], ...]:
        """The pieces that it is put together of, and the sources that it names."""
        return tuple(dict.fromkeys((each.repository, each.path) for each in (*self._written, *self._sources)))

    def _source(self, reference: Table) -> Thing | None:
        found = self._flux.source(reference, self._thing.namespace)
        if found is not None:
            self._sources.append(found)
        return found

    def _is_as_written(self) -> bool:
        """Whether the object stands in a file; a rendered one only says where it was rendered from."""
        return not self._rendered

    def _place(self, *keys: Key) -> Place:
        return _place_in(self._written[0] if self._written else self._thing, *keys)


def _home(release: Release, context: Context) -> Destination:
    """The cluster that Flux runs in: of several the one whose name is a folder on the way to the file."""
    name = release.rendered_by.cluster if release.rendered_by is not None else ""
    if not name and len(context.settings.clusters) > 1:
        folders = release.thing.path.split("/")[:-1]
        name = next((each.name for each in context.settings.clusters if each.name in folders), "")
    return destination(context.settings, name, "")


def _place_in(thing: Thing, *keys: Key) -> Place:
    return Place(thing.repository, thing.path, thing.document, (*thing.keys, *keys))


class _Chart(NamedTuple):
    files: Files
    at: Landing


class _Release(_Base):
    def unit(self) -> Unit:
        chart = self._chart()
        target = text(self._spec.get("targetNamespace"))
        namespace = target or self._thing.namespace
        if isinstance(chart, Refused):
            return self._unit(None, namespace)._replace(refused=chart)
        layers = self._layers(chart)
        unit = self._unit(chart.at.tree, namespace)
        if isinstance(layers, Refused):
            return unit._replace(refused=layers)
        name = text(self._spec.get("releaseName")) or (f"{target}-" if target else "") + self._thing.name
        request = HelmRequest(
            chart.files,
            tuple(layer.content for layer in layers[1:]),
            (),
            name,
            namespace,
            self._to.kube_version,
            self._to.api_versions,
        )
        secret = next((layer.refused for layer in layers if _is_secret(layer)), None)
        refused = unit.refused or secret or self._post_rendered()
        at = chart.at
        mounts = self._context.charts.mounts(at.tree, at.folder) if at.tree is not None else ()
        return unit._replace(
            request=request, layers=tuple(layers), chart=at.folder, refused=refused, mounts=mounts
        )

    def _post_rendered(self) -> Refused | None:
        if items(self._spec.get("postRenderers")):
            return Refused(Reason.UNSUPPORTED, "its postRenderers change what the chart renders")
        return None

    def _chart(self) -> _Chart | Refused:
        spec = table_of(self._spec, "chart", "spec")
        if not spec:
            return self._referenced_chart()
        name = text(spec.get("chart"))
        found = self._source(table(spec.get("sourceRef")))
        if found is not None and found.kind in ("HelmRepository",):
            url = text(table(found.body.get("spec")).get("url"))
            files = self._context.charts.fetched(url, name, text(spec.get("version")))
            return files if isinstance(files, Refused) else _Chart(files, Landing(None, ""))
        tree = self._flux.tree(found, table(spec.get("sourceRef")), self._beside)
        if isinstance(tree, Refused):
            return tree
        folder = inside("", name.strip("/") or ".")
        if folder is None:
            return Refused(Reason.NOT_DEPLOYABLE, f"its chart {name} leads out of the repository")
        files = self._context.charts.folder(tree, folder)
        return files if isinstance(files, Refused) else _Chart(files, Landing(tree, folder))

    def _referenced_chart(self) -> _Chart | Refused:
        """`chartRef`: an OCIRepository, which is a chart by itself, or a HelmChart."""
        reference = table(self._spec.get("chartRef"))
        found = self._source(reference)
        if found is None:
            return Refused(Reason.UNKNOWN_SOURCE, "its chart is not defined in a known repository")
        spec = table(found.body.get("spec"))
        if found.kind == "OCIRepository":
            ref = table(spec.get("ref"))
            version = text(ref.get("digest") or ref.get("tag") or ref.get("semver"))
            head, _, name = text(spec.get("url")).rstrip("/").rpartition("/")
            files = self._context.charts.fetched(head, name, version)
            return files if isinstance(files, Refused) else _Chart(files, Landing(None, ""))
        return Refused(Reason.UNSUPPORTED, f"its chart is a {found.kind}, which is not followed")

    def _layers(self, chart: _Chart) -> list[Layer] | Refused:
        layers = [self._context.chart_layer(chart.files, chart.at)]
        for name in self._value_files():
            layer = self._value_file(name, chart)
            if isinstance(layer, Refused):
                return layer
            layers.append(layer)
        for each in items(self._spec.get("valuesFrom")):
            found = self._from(table(each))
            if isinstance(found, Refused):
                return found
            layers += [found] if found is not None else []
        return layers + self._inline()

    def _inline(self) -> list[Layer]:
        """`values`: as they stand in the file, or as a base and the patches of a kustomization make them."""
        values = table(self._spec.get("values"))
        if not values:
            return []
        if self._is_as_written():
            return [Layer(self._place("spec", "values"), False, as_json(values))]
        parts = [(each, table_of(each.body, "spec", "values")) for each in self._written]
        whole: Value = {}
        for _, part in parts:
            whole = merge_patch(whole, part)
        if whole == values and not any(has_null(part) for _, part in parts):
            return [
                Layer(_place_in(each, "spec", "values"), False, as_json(part)) for each, part in parts if part
            ]
        refused = Refused(Reason.RENDERED, "a kustomization makes these values of several pieces")
        return [Layer(self._place("spec", "values"), False, as_json(values), refused=refused)]

    def _value_files(self) -> list[str]:
        """Files beside the chart, relative to the root of its source; they stand in for its `values.yaml`."""
        return [text(each) for each in items(table_of(self._spec, "chart", "spec").get("valuesFiles"))]

    def _value_file(self, name: str, chart: _Chart) -> Layer | Refused:
        tree = chart.at.tree
        path = inside("", name.lstrip("/"))
        data = tree.read(path) if tree is not None and path else chart.files.get(name)
        if data is None or path is None:
            return Refused(Reason.NOT_DEPLOYABLE, f"its value file {name} is missing")
        place = Place(tree.name if tree else "", path, 0, ())
        fetched = Refused(Reason.UNKNOWN_SOURCE, "the value file lies in a fetched chart")
        refused = tree.refused if tree else fetched
        return Layer(place, False, data, refused=refused)

    def _from(self, each: Table) -> Layer | Refused | None:
        """One entry of `valuesFrom`."""
        kind, name = text(each.get("kind")), text(each.get("name"))
        key = text(each.get("valuesKey")) or "values.yaml"
        if kind == "Secret":
            return Refused(Reason.ENCRYPTED, f"values come from the Secret {name}")
        found = self._flux.config_map(name, self._thing.namespace)
        if found is None or key not in table(found.body.get("data")):
            if each.get("optional") is True:
                return None
            return Refused(
                Reason.UNKNOWN_SOURCE,
                f"values come from the ConfigMap {name}, which is not in a known repository",
            )
        if each.get("targetPath"):
            words = f"a single value comes from the ConfigMap {name} by targetPath, which is not followed"
            return Refused(Reason.UNSUPPORTED, words)
        place = Place(found.repository, found.path, found.document, (*found.keys, "data", key))
        return Layer(place, True, text(table(found.body["data"])[key]).encode())


def _is_secret(layer: Layer) -> bool:
    return layer.refused is not None and layer.refused.reason in (Reason.ENCRYPTED, Reason.PLUGIN)


class _Kustomization(_Base):
    def unit(self) -> Unit:
        namespace = text(self._spec.get("targetNamespace"))
        reference = table(self._spec.get("sourceRef"))
        found = self._source(reference)
        tree: Tree | Refused
        if found is None and self._beside is not None and text(reference.get("name")) == "flux-system":
            tree = self._beside  # what `flux bootstrap` calls the repository that it writes to
        else:
            tree = self._flux.tree(found, reference, self._beside)
        if isinstance(tree, Refused):
            return self._unit(None, namespace)._replace(refused=tree)
        folder = inside("", text(self._spec.get("path")).strip("/") or ".")
        unit = self._unit(tree, namespace)
        if folder is None or not tree.has_folder(folder):
            words = f"its path {text(self._spec.get('path'))} is not in {tree.called}"
            return unit._replace(refused=Refused(Reason.NOT_DEPLOYABLE, words))
        return self._built(unit, tree, folder)

    def _built(self, unit: Unit, tree: Tree, folder: str) -> Unit:
        overlays = self._context.overlays
        path = kustomization_in(tree, folder)
        overlay: Overlay | Refused
        body: Table | Refused
        if path is None:
            found = fluxfolders.generated(tree, folder)
            if not found.kustomizations and not self._options():
                return self._plain(unit, tree, found.manifests)
            overlay, body = fluxfolders.overlay_of(found, tree, folder, overlays)
        else:
            overlay, body = overlays.overlay(tree, folder), overlays.body(tree, path)
        for each in (overlay, body):
            if isinstance(each, Refused):
                return unit._replace(refused=each)
        assert isinstance(overlay, Overlay)
        assert isinstance(body, dict)
        components = [text(each) for each in items(self._spec.get("components"))]
        folders = [inside(folder, each) or "" for each in components]
        whole = overlays.with_components(tree, overlay, folders)
        adding = Adding(self._options(), str, self._option_place, entries=True)
        built = whole if isinstance(whole, Refused) else add(whole, body, adding)
        if isinstance(built, Refused):
            return unit._replace(refused=built)
        refused = unit.refused or self._substituted(built.files)
        request = KustomizeRequest(
            built.files,
            folder,
            self._context.settings.build_options,
            self._to.kube_version,
            self._to.api_versions,
            mounted=built.mounted,
        )
        return unit._replace(request=request, written=built.written, refused=refused, mounts=built.mounts)

    def _plain(self, unit: Unit, tree: Tree, paths: Sequence[str]) -> Unit:
        """Manifests that nothing changes are applied as they stand."""
        if tree.refused is not None:
            return unit._replace(refused=tree.refused)
        files = {path: tree.read(path) or b"" for path in paths} if self._substitutes() else {}
        return unit._replace(manifests=tuple(paths), refused=unit.refused or self._substituted(files))

    def _options(self) -> Table:
        """What it adds to the kustomization, in the words of an Application's `kustomize`."""
        spec = self._spec
        found: dict[str, Value] = {"namespace": spec.get("targetNamespace")}
        found |= {key: spec.get(key) for key in ("namePrefix", "nameSuffix", "patches", "components")}
        found["images"] = [_image(table(each)) for each in items(spec.get("images"))]
        return {key: value for key, value in found.items() if value}

    def _option_place(self, *keys: Key) -> Place:
        return self._place("spec", *("targetNamespace" if key == "namespace" else key for key in keys))

    def _substitutes(self) -> bool:
        build = table(self._spec.get("postBuild"))
        return bool(build.get("substitute") or build.get("substituteFrom"))

    def _substituted(self, files: Mapping[str, bytes]) -> Refused | None:
        if not self._substitutes():
            return None
        used = sorted(path for path, data in files.items() if _VARIABLE.search(data) and _matters(path, data))
        if not used:
            return None
        words = f"its postBuild fills in variables of {posixpath.basename(used[0])}"
        return Refused(Reason.UNSUPPORTED, words)


def _matters(path: str, data: bytes) -> bool:
    """Whether a file may have a say in pods; a claim for a volume, a release, or a script has none."""
    if posixpath.splitext(path)[1] not in _SAYING:
        return False
    kinds = _TOP_KIND.findall(data)
    return not kinds or any(kind in _BUILDING or kind.decode() in KINDS for kind in kinds)


def _image(entry: Table) -> str:
    name, new = text(entry.get("name")), text(entry.get("newName"))
    tag, digest = text(entry.get("newTag")), text(entry.get("digest"))
    head = f"{name}={new}" if new else name
    return head + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
