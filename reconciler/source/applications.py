"""Argo CD Applications as records: what one says, and where each part of that can be edited."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.model import Key, Place, Reason, Refused
from reconciler.source.gotemplates import is_template
from reconciler.source.trees import Tree
from reconciler.source.typed import Table, Thing, Value, items, merge_patch, read_values, table, text, texts
from reconciler.source.units import Deployed, Ignored

GROUP: Final = "argoproj.io"
IMAGE_UPDATER: Final = "argocd-image-updater.argoproj.io"  # its annotations begin with it
_GENERATE_PATHS: Final = "argocd.argoproj.io/manifest-generate-paths"
_WHICH: Final = ("group", "kind", "name", "namespace")
_WHAT: Final = ("jsonPointers", "jqPathExpressions", "managedFieldsManagers")
_OVERRIDES: Final = ".argocd-source"
_VALUES: Final = "valuesObject"  # handed to helm as it stands, where nothing is something
_KEPT: Final = ("chart", "path", "repoURL", "targetRevision")


class Origin(NamedTuple):
    """Where an Application is defined. `keys` lead to what holds its `spec`."""

    repository: str
    path: str
    line: int
    document: int = 0
    keys: tuple[Key, ...] = ()
    refused: Refused | None = None  # why what it says inline can't be edited there


class Application(NamedTuple):
    name: str
    namespace: str
    spec: Table
    origin: Origin
    annotations: Table
    template: Table = {}  # noqa: RUF012 (never written to): the `spec` as an ApplicationSet writes it
    read: tuple[tuple[str, str], ...] = ()  # files that a generator made it of, as repository and path
    labels: Table = {}  # noqa: RUF012 (never written to)


Spot = tuple[str, str, int, tuple[Key, ...]]  # of what defines an Application
Homes = dict[tuple[str, str], Spot]  # by name and namespace


def from_thing(thing: Thing) -> Application:
    origin = Origin(thing.repository, thing.path, thing.line, thing.document, thing.keys)
    return _application(thing.body, origin)


def is_application(thing: Thing) -> bool:
    return thing.group == GROUP and thing.kind == "Application"


def rendered(
    bodies: Sequence[Table], found: Sequence[Application], fallback: Origin, homes: Homes | None = None
) -> Iterator[Application]:
    """Applications as they come out of a render or an export, each at the place where it is written.

    One that is in no file, or says something else there, has nothing inline that can be edited. `homes`
    remembers those that said the same: once a file is edited, what it says is what will be deployed.
    """
    homes = {} if homes is None else homes
    named: dict[str, list[Application]] = {}
    for each in found:
        named.setdefault(each.name, []).append(each)
    for body in bodies:
        new = _application(body, fallback)
        same = [each for each in named.get(new.name, ()) if _may_be_one(each.namespace, new.namespace)]
        equal = next((each for each in same if _meant(each.spec) == _meant(new.spec)), None)
        home = homes.get((new.name, new.namespace))
        edited = next((each for each in same if _spot(each.origin) == home), None)
        if equal is not None:
            homes.setdefault((new.name, new.namespace), _spot(equal.origin))
            yield new._replace(origin=equal.origin, template=equal.template, read=equal.read)
        elif edited is not None:
            yield edited._replace(namespace=new.namespace, spec=_meant(edited.spec))
        elif same:
            words = "what is deployed differs from this Application as it is written here"
            yield new._replace(origin=same[0].origin._replace(refused=Refused(Reason.RENDERED, words)))
        elif (other := _renamed(new, found)) is not None:
            yield new._replace(origin=other.origin, template=other.template, read=other.read)
        else:
            yield new


def _renamed(new: Application, found: Sequence[Application]) -> Application | None:
    """The one that says the same under a name that `namePrefix` or `nameSuffix` only made longer."""
    return next(
        (each for each in found if each.name in new.name and _meant(each.spec) == _meant(new.spec)), None
    )


def _spot(origin: Origin) -> Spot:
    return origin.repository, origin.path, origin.document, origin.keys


def _meant(spec: Table) -> Table:
    """What says the same is equal: Argo CD fills in the project, and leaves out what is empty."""
    return {"project": "default", **table(_filled(spec))}


def _filled(value: Value) -> Value:
    if isinstance(value, list):
        return [_filled(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {key: below if key == _VALUES else _filled(below) for key, below in value.items()}
    return {key: below for key, below in kept.items() if below or key == _VALUES}


def _may_be_one(left: str, right: str) -> bool:
    return left == right or not left or not right


def exported(data: bytes) -> list[Table] | Refused:
    """The list that `argocd app list -o json` prints, or one Application of `argocd app get -o json`."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        return Refused(Reason.NOT_DEPLOYABLE, f"the list of Applications is no JSON: {error}")
    if isinstance(found, dict):
        found = found["items"] if isinstance(found.get("items"), list) else [found]
    if not isinstance(found, list) or not all(isinstance(each, dict) and "spec" in each for each in found):
        words = "it is no list of Applications; write it with `argocd app list -o json`"
        return Refused(Reason.NOT_DEPLOYABLE, words)
    return found


def _application(body: Table, origin: Origin) -> Application:
    metadata = table(body.get("metadata"))
    return Application(
        text(metadata.get("name")),
        text(metadata.get("namespace")),
        table(body.get("spec")),
        origin,
        table(metadata.get("annotations")),
        labels=table(metadata.get("labels")),
    )


def ignored(app: Application) -> tuple[Ignored, ...]:
    """What an edit would not bring into the cluster."""
    found = []
    for each in map(table, items(app.spec.get("ignoreDifferences"))):
        group, kind, name, namespace = (text(each.get(key)) for key in _WHICH)
        pointers, queries, managers = (texts(each.get(key)) for key in _WHAT)
        found.append(Ignored(group, kind, name, namespace, pointers, queries, managers))
    return tuple(found)


def generate_paths(app: Application) -> str | None:
    """The paths that Argo CD looks at before it renders anew; None where it looks at all."""
    found = app.annotations.get(_GENERATE_PATHS)
    return None if found is None else text(found)


def deployed(app: Application, found: Sequence[Source], source: Source, commits: Sequence[str]) -> Deployed:
    """An Application as Argo CD knows it, seen from one of its sources; `commits` are all sources'."""
    several = bool(items(app.spec.get("sources")))
    known = ((at if several else 0, commit) for at, commit in enumerate(commits, 1) if commit)
    options = texts(table(app.spec.get("syncPolicy")).get("syncOptions"))
    target = table(app.spec.get("destination"))
    return Deployed(
        app.name,
        app.namespace,
        text(app.spec.get("project")) or "default",
        source.text("path").strip("/"),
        tuple(known),
        sum(is_rendered(each.body) for each in found) == 1,
        "RespectIgnoreDifferences=true" in options,
        _pairs(app.labels, ""),
        _pairs(app.annotations, f"{IMAGE_UPDATER}/"),
        (text(target.get("name")), text(target.get("server")), text(target.get("namespace"))),
    )


def _pairs(said: Table, head: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, text(value)) for key, value in said.items() if key.startswith(head)))


# -- sources --------------------------------------------------------------------------------------


class _Said(NamedTuple):
    """One text that says something of a source: the Application, or a file that overrides it."""

    body: Table
    origin: Origin


class Source(NamedTuple):
    """One source of an Application, with the overrides that lie beside its files."""

    body: Table
    label: str  # what tells it from the others of its Application; "" when there is one
    said: tuple[_Said, ...]  # the last wins
    template: Table = {}  # noqa: RUF012 (never written to): as an ApplicationSet writes it

    def of(self, *keys: str) -> Value:
        found: Value = self.body
        for key in keys:
            found = table(found).get(key)
        return found

    def texts(self, *keys: str) -> tuple[str, ...]:
        return tuple(text(each) for each in items(self.of(*keys)))

    def text(self, *keys: str) -> str:
        return text(self.of(*keys))

    def flag(self, *keys: str) -> bool:
        return self.of(*keys) is True

    def place(self, *keys: Key) -> Place:
        """Where a part is set."""
        origin = self._origin(*keys)
        return Place(origin.repository, origin.path, origin.document, (*origin.keys, *keys))

    def refused(self, *keys: Key) -> Refused | None:
        """Why a part can't be edited where it is set."""
        origin = self._origin(*keys)
        if origin is not self.said[0].origin:
            return origin.refused
        return self.templated(*keys) or origin.refused

    def templated(self, *keys: Key) -> Refused | None:
        """Why a part of an ApplicationSet's template is not what stands there."""
        if _is_templated(self.template, keys):
            return Refused(Reason.TEMPLATE, "the ApplicationSet's template fills it in")
        return None

    def saying(self, *keys: str) -> list[Origin]:
        """Every text that says something of a part, the weakest first."""
        return [each.origin for each in self.said if _says(each.body, keys)]

    def _origin(self, *keys: Key) -> Origin:
        found = self.saying(*(str(key) for key in keys[:2]))
        return found[-1] if found else self.said[0].origin


def _says(body: Table, keys: Sequence[str]) -> bool:
    found: Value = body
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            return False
        found = found[key]
    return True


def _is_templated(body: Value, keys: Sequence[Key]) -> bool:
    """Whether a text, or a key on the way to what is below, holds a template."""
    for key in keys:
        if isinstance(body, dict) and isinstance(key, str):
            body = body.get(key)
        elif isinstance(body, list) and isinstance(key, int) and key < len(body):
            body = body[key]
        else:
            return False
    if isinstance(body, dict):
        return _has_templated_key(body)
    return isinstance(body, str) and is_template(body)


def _has_templated_key(body: Value) -> bool:
    if isinstance(body, dict):
        return any(is_template(key) or _has_templated_key(each) for key, each in body.items())
    return isinstance(body, list) and any(_has_templated_key(each) for each in body)


def sources(app: Application) -> list[Source]:
    """Everything that an Application is made of, references to value files included."""
    spec, origin = app.spec, app.origin
    if isinstance(spec.get("sourceHydrator"), dict):
        dry = table(table(spec["sourceHydrator"]).get("drySource"))
        raw = table(table(app.template.get("sourceHydrator")).get("drySource"))
        return [_source(dry, "", origin, ("spec", "sourceHydrator", "drySource"), raw)]
    several = items(spec.get("sources"))
    if not several:
        raw = table(app.template.get("source"))
        return [_source(table(spec.get("source")), "", origin, ("spec", "source"), raw)]
    raws = items(app.template.get("sources"))
    rendering = [at for at, each in enumerate(several) if is_rendered(table(each))]
    return [
        _source(
            table(each),
            "" if rendering == [at] else text(table(each).get("name")) or str(at + 1),
            origin,
            ("spec", "sources", at),
            table(raws[at]) if at < len(raws) else {},
        )
        for at, each in enumerate(several)
    ]


def is_rendered(body: Table) -> bool:
    """Whether a source is more than a name for value files."""
    return not body.get("ref") or bool(body.get("path") or body.get("chart"))


def _source(body: Table, label: str, origin: Origin, keys: tuple[Key, ...], template: Table) -> Source:
    at = origin._replace(keys=origin.keys + keys)
    return Source(body, label, (_Said(body, at),), template)


def overridden(source: Source, app: Application, tree: Tree, folder: str) -> Source | Refused:
    """The source as `.argocd-source.yaml` and `.argocd-source-APP.yaml` beside its files change it."""
    names = [f"{_OVERRIDES}.yaml", f"{_OVERRIDES}-{app.name}.yaml"]
    if app.namespace:
        names.append(f"{_OVERRIDES}-{app.namespace}_{app.name}.yaml")
    for name in names:
        path = f"{folder}/{name}" if folder else name
        if not tree.has_file(path):
            continue
        patch = read_values(tree.read(path) or b"")
        if isinstance(patch, Refused):
            return patch._replace(detail=f"{path}: {patch.detail}")
        if not isinstance(patch, dict):
            continue
        merged = table(merge_patch(source.body, patch)) | {
            key: source.body[key] for key in _KEPT if key in source.body
        }
        said = _Said(patch, Origin(tree.name, path, 1))
        source = source._replace(body=merged, said=(*source.said, said))
    return source
