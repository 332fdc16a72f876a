"""From an Application to what is rendered: every decision that Argo CD takes on the way, taken alike."""

from __future__ import annotations

import re
from typing import Final

from reconciler.model import Key, Place, Reason, Refused
from reconciler.source import globs, valuefiles
from reconciler.source.adding import Adding, add
from reconciler.source.applications import (
    Application,
    Source,
    deployed,
    generate_paths,
    ignored,
    is_rendered,
    overridden,
    sources,
)
from reconciler.source.context import Context, Landing
from reconciler.source.kinds import kind_of
from reconciler.source.render import FileParameter, Files, HelmRequest, KustomizeRequest, Parameter
from reconciler.source.settings import Destination, destination
from reconciler.source.trees import Tree, inside
from reconciler.source.typed import as_json, has_null, items, table, text
from reconciler.source.units import Layer, SetParameter, Unit
from reconciler.source.valuefiles import Home, Ref

_MANIFEST: Final = re.compile(r".*\.(?:yaml|yml|json|jsonnet)", re.DOTALL)
_SKIPPED: Final = b"+argocd:skip-file-rendering"


def units_of(app: Application, context: Context) -> list[Unit]:
    """One unit for each source that is rendered."""
    found = sources(app)
    beside = context.repositories.named(app.origin.repository)
    refs = _refs(found, context, beside)
    commits = [_commit(source, context, beside) for source in found]
    made = [
        _made(app, source, refs, context)._replace(application=deployed(app, found, source, commits))
        for source in found
        if is_rendered(source.body)
    ]
    return made or [_Maker(app, found[0], refs, context).refused(_bad("it has no source"))]


def _refs(found: list[Source], context: Context, beside: Tree | None) -> dict[str, Ref]:
    """What `$name/...` means in a value file's name."""
    refs: dict[str, Ref] = {}
    for source in found:
        name = source.text("ref")
        if not name:
            continue
        tree = context.repositories.meant(source.text("repoURL"), source.text("path"), beside)
        refused = None
        if tree is None:
            fetched = context.remotes.tree(source.text("repoURL"), source.text("targetRevision"))
            tree, refused = (None, fetched) if isinstance(fetched, Refused) else (fetched, None)
        elif not context.repositories.follows(tree, source.text("targetRevision")):
            tree, refused = None, _elsewhere(source)
        refs[f"${name}"] = Ref(tree, refused)
    return refs


def _commit(source: Source, context: Context, beside: Tree | None) -> str:
    """What is read of a source; "" where that is no commit."""
    if source.text("chart"):
        return ""
    tree = context.repositories.meant(source.text("repoURL"), source.text("path"), beside)
    followed = tree is not None and context.repositories.follows(tree, source.text("targetRevision"))
    return tree.commit if tree is not None and followed else ""


def _made(app: Application, source: Source, refs: dict[str, Ref], context: Context) -> Unit:
    maker = _Maker(app, source, refs, context)
    return maker.unit()._replace(read=maker.read())


class _Maker:
    """Makes the unit of one source."""

    def __init__(self, app: Application, source: Source, refs: dict[str, Ref], context: Context) -> None:
        self._app = app
        self._source = source
        self._refs = refs
        self._context = context
        self._further: list[tuple[str, str]] = []
        target = table(app.spec.get("destination"))
        self._namespace = text(target.get("namespace"))
        self._to: Destination = destination(
            context.settings, text(target.get("name")), text(target.get("server"))
        )

    def unit(self) -> Unit:
        source, url = self._source, self._source.text("repoURL")
        if source.text("chart"):
            return self._of_fetched_chart(url)
        if not source.text("path"):
            return self.refused(_bad("it has no source: neither a path nor a chart"))
        folder = inside("", source.text("path").strip("/") or ".")
        if folder is None:
            return self.refused(_bad(f"its path {source.text('path')} leads out of the repository"))
        beside = self._context.repositories.named(self._app.origin.repository)
        tree = self._context.repositories.meant(url, folder, beside)
        if tree is None:
            fetched = self._context.remotes.tree(url, source.text("targetRevision"))
            if isinstance(fetched, Refused):
                return self.refused(fetched)
            tree = fetched
        elif not self._context.repositories.follows(tree, source.text("targetRevision")):
            return self.refused(_elsewhere(source))
        if not tree.has_folder(folder):
            return self.refused(_bad(f"its path {folder} is not in {tree.called}"))
        changed = overridden(source, self._app, tree, folder)
        if isinstance(changed, Refused):
            return self.refused(changed)
        self._source = changed
        return self._in_folder(tree, folder)

    def read(self) -> tuple[tuple[str, str], ...]:
        """What else has a say in the unit: files of generators, overrides, files of parameters and values."""
        overrides = [(said.origin.repository, said.origin.path) for said in self._source.said[1:]]
        return tuple(dict.fromkeys((*self._app.read, *overrides, *self._further)))

    def _in_folder(self, tree: Tree, folder: str) -> Unit:
        kind = kind_of(self._source, tree, folder)
        if kind.refused is not None:
            return self.refused(kind.refused, tree)
        if kind.name == "helm":
            chart = self._context.charts.folder(tree, folder)
            return self._helm(chart, Landing(tree, folder))
        if kind.name == "kustomize":
            return self._kustomize(tree, folder)
        if tree.refused is not None:
            return self.refused(tree.refused)  # plain manifests: there is nothing else to edit
        return self._directory(tree, folder)

    def refused(self, why: Refused, tree: Tree | None = None) -> Unit:
        """A unit that is known, and can't be rendered; Argo CD may well, from the same value files."""
        home = Home(None, "", {}, self._refs, self._variables(tree))
        for name in self._source.texts("helm", "valueFiles"):
            files = valuefiles.value_files((name,), home, ignore_missing=True)
            taken = files if not isinstance(files, Refused) else []
            self._further += [(each.tree.name, each.path) for each in taken if each.tree is not None]
        return self._base(tree)._replace(refused=why)

    def _base(self, tree: Tree | None) -> Unit:
        origin = self._app.origin
        label = f"#{self._source.label}" if self._source.label else ""
        return Unit(
            f"{self._app.name}{label}",
            origin.repository,
            origin.path,
            origin.line,
            self._to.name,
            self._namespace,
            None,
            commit=tree.commit if tree else "",
            refused=self._to.refused,
            source=tree.name if tree else "",
            ignored=ignored(self._app),
            generate_paths=generate_paths(self._app),
        )

    def _variables(self, tree: Tree | None) -> dict[str, str]:
        commit = tree.commit if tree else ""
        return {
            "ARGOCD_APP_NAME": self._app.name,
            "ARGOCD_APP_NAMESPACE": self._namespace,
            "ARGOCD_APP_PROJECT_NAME": text(self._app.spec.get("project")),
            "ARGOCD_APP_REVISION": commit,
            "ARGOCD_APP_REVISION_SHORT": commit[:7],
            "ARGOCD_APP_REVISION_SHORT_8": commit[:8],
            "ARGOCD_APP_SOURCE_REPO_URL": self._source.text("repoURL"),
            "ARGOCD_APP_SOURCE_PATH": self._source.text("path"),
            "ARGOCD_APP_SOURCE_TARGET_REVISION": self._source.text("targetRevision"),
        }

    # -- helm -------------------------------------------------------------------------------------

    def _of_fetched_chart(self, url: str) -> Unit:
        source = self._source
        if any(source.of(key) is not None for key in ("kustomize", "directory", "plugin")):
            return self.refused(_bad("a chart can't be rendered with kustomize, directory or plugin"))
        name, version = source.text("chart"), source.text("targetRevision")
        address = url if "://" in url or not url else f"oci://{url}"  # as Argo CD writes registries
        chart = self._context.charts.fetched(address, name, version)
        return self._helm(chart, Landing(None, ""))

    def _helm(self, chart: Files | Refused, at: Landing) -> Unit:
        if isinstance(chart, Refused):
            return self.refused(chart, at.tree)._replace(chart=at.folder)
        source, variables = self._source, self._variables(at.tree)
        home = Home(at.tree, at.folder, chart if at.tree is None else {}, self._refs, variables)
        files = valuefiles.value_files(
            source.texts("helm", "valueFiles"),
            home,
            ignore_missing=source.flag("helm", "ignoreMissingValueFiles"),
        )
        if isinstance(files, Refused):
            return self.refused(files, at.tree)._replace(chart=at.folder)
        file_parameters = self._file_parameters(home)
        if isinstance(file_parameters, Refused):
            return self.refused(file_parameters, at.tree)._replace(chart=at.folder)
        layers = [self._context.chart_layer(chart, at)]
        layers += [self._context.file_layer(each) for each in files]
        layers += self._inline()
        request = HelmRequest(
            chart,
            tuple(layer.content for layer in layers[1:]),
            self._parameters(variables),
            source.text("helm", "releaseName") or self._app.name,
            source.text("helm", "namespace") or self._namespace,
            _version(source.text("helm", "kubeVersion") or self._to.kube_version),
            source.texts("helm", "apiVersions") or self._to.api_versions,
            include_crds=not source.flag("helm", "skipCrds"),
            skip_tests=source.flag("helm", "skipTests"),
            skip_schema_validation=source.flag("helm", "skipSchemaValidation"),
            file_parameters=file_parameters,
        )
        unit = self._base(at.tree)._replace(
            request=request, layers=tuple(layers), parameters=self._set_parameters(), chart=at.folder
        )
        if at.tree is not None:
            unit = unit._replace(mounts=self._context.charts.mounts(at.tree, at.folder))
        return unit._replace(refused=unit.refused or _unreadable(layers))

    def _inline(self) -> list[Layer]:
        """`valuesObject`, or else `values`; an override beside the chart is a layer of its own."""
        source = self._source
        whole = source.of("helm", "valuesObject")
        if isinstance(whole, dict) and whole:
            return self._inline_objects()
        words = source.text("helm", "values")
        if not words:
            return []
        place, refused = source.place("helm", "values"), source.refused("helm", "values")
        return [Layer(place, True, words.encode(), refused=refused)]

    def _inline_objects(self) -> list[Layer]:
        keys = ("helm", "valuesObject")
        said = [each for each in self._source.said if table(table(each.body.get("helm")).get("valuesObject"))]
        parts = [table(each.body["helm"])["valuesObject"] for each in said]
        if len(said) > 1 and any(has_null(part) for part in parts[1:]):
            words = "several files set its `valuesObject`, and one of them removes a key"
            whole = as_json(self._source.of(*keys))
            refused = Refused(Reason.UNSUPPORTED, words)
            return [Layer(self._source.place(*keys), False, whole, refused=refused)]
        layers = []
        first = self._source.said[0].origin
        for each, part in zip(said, parts, strict=True):
            origin = each.origin
            place = Place(origin.repository, origin.path, origin.document, (*origin.keys, *keys))
            own = self._source.templated(*keys) if origin is first else None
            layers.append(Layer(place, False, as_json(part), refused=own or origin.refused))
        return layers

    def _parameters(self, variables: dict[str, str]) -> tuple[Parameter, ...]:
        """In one order, of each name the last: Argo CD keeps them in maps."""
        kept: dict[tuple[bool, str], Parameter] = {}
        for each in items(self._source.of("helm", "parameters")):
            name, value = text(table(each).get("name")), text(table(each).get("value"))
            as_text = table(each).get("forceString") is True
            kept[as_text, name] = Parameter(name, valuefiles.substitute(value, variables), as_text)
        return tuple(kept[key] for key in sorted(kept))

    def _file_parameters(self, home: Home) -> tuple[FileParameter, ...] | Refused:
        found: dict[str, FileParameter] = {}
        for each in items(self._source.of("helm", "fileParameters")):
            name, path = text(table(each).get("name")), text(table(each).get("path"))
            read = valuefiles.one_file(path, home)
            if isinstance(read, Refused):
                return read
            found[name] = FileParameter(name, read.content)
            if read.tree is not None and read.tree.refused is None:
                self._further.append((read.tree.name, read.path))
        return tuple(found[name] for name in sorted(found))

    def _set_parameters(self) -> tuple[SetParameter, ...]:
        found: dict[str, SetParameter] = {}
        for at, each in enumerate(items(self._source.of("helm", "parameters"))):
            name = text(table(each).get("name"))
            place = self._source.place("helm", "parameters", at, "value")
            refused = self._source.refused("helm", "parameters", at, "value")
            found[name] = SetParameter(name, place, refused)
        return tuple(found.values())

    # -- kustomize --------------------------------------------------------------------------------

    def _kustomize(self, tree: Tree, folder: str) -> Unit:
        overlays, source = self._context.overlays, self._source
        overlay = overlays.overlay(tree, folder)
        if isinstance(overlay, Refused):
            return self.refused(overlay, tree)
        body = overlays.body(tree, overlay.path)
        if isinstance(body, Refused):
            return self.refused(body, tree)
        options = dict(table(source.of("kustomize")))
        refused = self._components(options, tree, folder)
        if refused is not None:
            return self.refused(refused, tree)
        folders = [inside(folder, each) or "" for each in map(text, items(options.get("components")))]
        whole = overlays.with_components(tree, overlay, folders)
        if isinstance(whole, Refused):
            return self.refused(whole, tree)
        variables = self._variables(tree)
        adding = Adding(options, lambda words: valuefiles.substitute(words, variables), self._kustomize_place)
        built = add(whole, body, adding)
        if isinstance(built, Refused):
            return self.refused(built, tree)
        version = _version(source.text("kustomize", "kubeVersion") or self._to.kube_version)
        options_ = self._context.settings.build_options
        apis = source.texts("kustomize", "apiVersions") or self._to.api_versions
        request = KustomizeRequest(built.files, folder, options_, version, apis, mounted=built.mounted)
        return self._base(tree)._replace(request=request, written=built.written, mounts=built.mounts)

    def _kustomize_place(self, *keys: Key) -> Place:
        return self._source.place("kustomize", *keys)

    def _components(self, options: dict[str, object], tree: Tree, folder: str) -> Refused | None:
        """Leave out the components that are missing, where that is asked for."""
        kept = []
        for name in map(text, items(options.get("components"))):
            at = inside(folder, name)
            if at is not None and tree.has_folder(at):
                kept.append(name)
            elif options.get("ignoreMissingComponents") is not True:
                return _bad(f"its component {name} is missing")
        if "components" in options:
            options["components"] = kept
        return None

    # -- directory --------------------------------------------------------------------------------

    def _directory(self, tree: Tree, folder: str) -> Unit:
        source = self._source
        recurse = source.flag("directory", "recurse")
        include, exclude = source.text("directory", "include"), source.text("directory", "exclude")
        any_name = source.flag("directory", "disableExtensionFilter")
        head = f"{folder}/" if folder else ""
        found = []
        for path in tree.below(folder):
            inner = path.removeprefix(head)
            if ("/" in inner and not recurse) or not (any_name or _MANIFEST.fullmatch(inner)):
                continue
            if exclude and globs.crossing(exclude, braces=True)(inner):
                continue
            if include and not globs.crossing(include, braces=True)(inner):
                continue
            if inner.endswith(".jsonnet"):
                self._context.note(
                    "jsonnet", "Jsonnet is not evaluated: what it makes is not managed", tree, path
                )
                continue
            if _SKIPPED not in (tree.read(path) or b""):
                found.append(path)
        return self._base(tree)._replace(manifests=tuple(found))


def _unreadable(layers: list[Layer]) -> Refused | None:
    """Why a unit whose values need a secret is left alone."""
    found = (layer.refused for layer in layers if layer.refused)
    return next((each for each in found if each.reason in (Reason.ENCRYPTED, Reason.PLUGIN)), None)


def _version(version: str) -> str:
    """Without what clouds add to it: `v1.29.3-eks-abc` is 1.29.3."""
    found = re.match(r"v?([0-9]+(?:\.[0-9]+){0,2})", version)
    return found[1] if found else version


def _bad(words: str) -> Refused:
    return Refused(Reason.NOT_DEPLOYABLE, words)


def _elsewhere(source: Source) -> Refused:
    words = f"its source is at revision {source.text('targetRevision')}, which is not what is read here"
    return Refused(Reason.OTHER_REVISION, words)
