"""What an ApplicationSet's generators make: sets of parameters."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from reconciler.model import Reason, Refused
from reconciler.source import globs, selectors
from reconciler.source.context import Context
from reconciler.source.gotemplates import Language
from reconciler.source.settings import IN_CLUSTER, IN_CLUSTER_SERVER
from reconciler.source.trees import Tree
from reconciler.source.typed import Table, Value, items, table, text, values_in

MOST: Final = 10_000  # sets of parameters of one ApplicationSet
_NOT_DNS: Final = re.compile(r"[^-a-z0-9.]")
_DEEPEST: Final = 3
_KNOWN: Final = ("list", "clusters", "git", "matrix", "merge")
_FOREIGN: Final = ("scmProvider", "clusterDecisionResource", "pullRequest", "plugin")
_LONGEST_FLAT: Final = 2_000

Made = list[Table] | Refused


def normalized(name: str) -> str:
    """A name that DNS takes, as Argo CD makes it."""
    return _NOT_DNS.sub("-", name.lower())[:253].strip("-.")


class Generators:
    """The generators of one ApplicationSet."""

    def __init__(self, language: Language, context: Context, beside: Tree | None) -> None:
        self._language = language
        self._context = context
        self._beside = beside
        self._files_read: dict[str, dict[str, None]] = {}  # by path, the repositories
        self._merges = False
        self._kinds: dict[str, Callable[[Table, int], Made]] = {
            "list": self._list,
            "clusters": self._clusters,
            "git": self._git,
            "matrix": self._matrix,
            "merge": self._merge,
        }

    def parameters(self, generator: Value, depth: int = 0, known: Table | None = None) -> Made:
        """Every set of parameters of a generator; `known` are those of the one before it in a matrix."""
        body = table(generator)
        foreign = next((kind for kind in _FOREIGN if kind in body), None)
        if foreign:
            words = f"its generator {foreign} asks other servers, so what it makes is not known here"
            return Refused(Reason.UNSUPPORTED, words)
        kind = next((kind for kind in _KNOWN if body.get(kind) is not None), None)
        if kind is None:
            return Refused(Reason.NOT_DEPLOYABLE, "a generator of it is of no kind that Argo CD has")
        if depth >= _DEEPEST:
            return Refused(Reason.NOT_DEPLOYABLE, "its generators are nested deeper than Argo CD allows")
        made = self._interpolated(body[kind], known)
        found = made if isinstance(made, Refused) else self._kinds[kind](table(made), depth)
        return found if isinstance(found, Refused) else self._selected(found, body.get("selector"))

    def files_of(self, parameters: Table) -> tuple[tuple[str, str], ...]:
        """The files that a set of parameters was read from, which it tells itself."""
        read = self._files_read
        chosen = (
            read if self._merges else dict.fromkeys(path for path in _files_in(parameters) if path in read)
        )
        return tuple((name, path) for path in chosen for name in read[path])

    def _interpolated(self, body: Value, known: Table | None) -> Value | Refused:
        """A generator that reads the parameters of the one before it."""
        if not known:
            return body
        inner = {key: each for key, each in table(body).items() if key not in ("template", "values")}
        found = self._language.fill(inner, [known], self._context.renderer)[0]
        if isinstance(found, Refused):
            return found
        kept = {key: each for key, each in table(body).items() if key in ("template", "values")}
        return {**table(found), **kept, "\0known": known}

    def _selected(self, found: list[Table], selector: Value) -> Made:
        if selector is None:
            return _capped(found)
        return _capped([each for each in found if selectors.matches(table(selector), flat(each))])

    def _with_values(self, found: list[Table], body: Table) -> Made:
        """`values` of a generator, which may read the other parameters."""
        values = {key: text(each) for key, each in table(body.get("values")).items()}
        if not values:
            return found
        known = table(body.get("\0known"))
        roots = [{**known, **each} for each in found] if known else found
        filled = self._language.fill(dict(values), roots, self._context.renderer)
        made: list[Table] = []
        for each, own in zip(found, filled, strict=True):
            if isinstance(own, Refused):
                return own
            named: Table = {f"values.{key}": value for key, value in table(own).items()}
            made.append({**each, **({"values": own} if self._language.go else named)})
        return made

    # -- the kinds --------------------------------------------------------------------------------

    def _list(self, body: Table, depth: int) -> Made:
        found = [table(each) for each in items(body.get("elements"))]
        if not self._language.go:
            found = [_flat_element(each) for each in found]
        further = text(body.get("elementsYaml"))
        if further:
            more = values_in(further)
            if isinstance(more, Refused):
                return more
            found += [table(each) for each in items(more)]
        return found

    def _clusters(self, body: Table, depth: int) -> Made:
        selector = table(body.get("selector"))
        chosen = bool(selector.get("matchLabels") or selector.get("matchExpressions"))
        clusters = self._context.settings.clusters
        found: list[Table] = []
        for each in clusters:
            labels = {"argocd.argoproj.io/secret-type": "cluster", **dict(each.labels)}
            if chosen and not selectors.matches(selector, labels):
                continue
            server = each.server or (IN_CLUSTER_SERVER if each.is_local else "")
            found.append(self._cluster(each.name, server, labels))
        if not chosen and not any(each.is_local for each in clusters):
            found.append(self._cluster(IN_CLUSTER, IN_CLUSTER_SERVER, {}))
        made = self._with_values(found, body)
        if body.get("flatList") is True and not isinstance(made, Refused):
            return [{"clusters": made}]
        return made

    def _cluster(self, name: str, server: str, labels: dict[str, str]) -> Table:
        found: Table = {"name": name, "nameNormalized": normalized(name), "server": server, "project": ""}
        if self._language.go:
            return {**found, "metadata": {"labels": dict(labels)}} if labels else found
        return found | {f"metadata.labels.{key}": value for key, value in labels.items()}

    def _git(self, body: Table, depth: int) -> Made:
        url = text(body.get("repoURL"))
        tree = self._context.repositories.meant(url, "", self._beside)
        revision = text(body.get("revision"))
        if tree is None:
            fetched = self._context.remotes.tree(url, revision)
            if isinstance(fetched, Refused):
                return fetched._replace(
                    detail=f"its git generator reads a repository that is not known: {fetched.detail}"
                )
            tree = fetched
        elif not self._context.repositories.follows(tree, revision):
            words = f"its git generator reads revision {revision}, which is not what is read here"
            return Refused(Reason.OTHER_REVISION, words)
        if items(body.get("directories")):
            made: Made = self._directories(tree, body)
        else:
            made = self._files(tree, body)
        return made if isinstance(made, Refused) else self._with_values(made, body)

    def _directories(self, tree: Tree, body: Table) -> list[Table]:
        rules = [table(each) for each in items(body.get("directories"))]
        wanted = [
            globs.by_segment(text(each.get("path"))) for each in rules if each.get("exclude") is not True
        ]
        unwanted = [globs.by_segment(text(each.get("path"))) for each in rules if each.get("exclude") is True]
        found = []
        for path in tree.folders:
            if any(part.startswith(".") for part in path.split("/")):
                continue
            if any(match(path) for match in wanted) and not any(match(path) for match in unwanted):
                found.append(self._path(path, "", text(body.get("pathParamPrefix"))))
        return found

    def _files(self, tree: Tree, body: Table) -> Made:
        rules = [table(each) for each in items(body.get("files"))]
        wanted = [_pathspec(text(each.get("path"))) for each in rules if each.get("exclude") is not True]
        unwanted = [_pathspec(text(each.get("path"))) for each in rules if each.get("exclude") is True]
        found: list[Table] = []
        for path in tree.paths:
            if not any(match(path) for match in wanted) or any(match(path) for match in unwanted):
                continue
            self._files_read.setdefault(path, {})[tree.name] = None
            read = self._context.memo.values_of(tree, path)
            if isinstance(read, Refused):
                return read._replace(detail=f"its git generator reads {path}: {read.detail}")
            at = self._path(posixpath.dirname(path) or ".", path, text(body.get("pathParamPrefix")))
            for each in [read] if isinstance(read, dict) or read is None else items(read):
                own = table(each) if self._language.go else flat(table(each))
                found.append({**own, **at})
            if len(found) > MOST:
                break
        return found

    def _path(self, folder: str, file: str, prefix: str) -> Table:
        base = posixpath.basename(folder)
        name = posixpath.basename(file)
        segments = folder.split("/")
        if not self._language.go:
            head = f"{prefix}.path" if prefix else "path"
            found: Table = {
                head: folder,
                f"{head}.basename": base,
                f"{head}.basenameNormalized": normalized(base),
            }
            if file:
                found |= {f"{head}.filename": name, f"{head}.filenameNormalized": normalized(name)}
            return found | {f"{head}[{at}]": part for at, part in enumerate(segments) if part}
        path: Table = {"path": folder, "basename": base, "basenameNormalized": normalized(base)}
        if file:
            path |= {"filename": name, "filenameNormalized": normalized(name)}
        path["segments"] = list(segments)
        return {prefix: {"path": path}} if prefix else {"path": path}

    def _matrix(self, body: Table, depth: int) -> Made:
        both = items(body.get("generators"))
        if len(both) != 2:
            return Refused(Reason.NOT_DEPLOYABLE, "its matrix has not exactly two generators")
        first = self.parameters(both[0], depth + 1)
        if isinstance(first, Refused):
            return first
        found: list[Table] = []
        for each in first:
            second = self.parameters(both[1], depth + 1, each)
            if isinstance(second, Refused):
                return second
            for other in second:
                joined = merged(other, each) if self._language.go else _combined(each, other)
                if isinstance(joined, Refused):
                    return joined
                found.append(joined)
            if len(found) > MOST:
                break
        return found

    def _merge(self, body: Table, depth: int) -> Made:
        keys = [text(each) for each in items(body.get("mergeKeys"))]
        several = items(body.get("generators"))
        if not keys or len(several) < 2:
            return Refused(Reason.NOT_DEPLOYABLE, "its merge needs mergeKeys and at least two generators")
        self._merges = True  # where one set replaces another, its file is no longer told
        base: dict[str, Table] = {}
        for at, generator in enumerate(several):
            made = self.parameters(generator, depth + 1)
            if isinstance(made, Refused):
                return made
            keyed = _keyed(made, keys)
            if isinstance(keyed, Refused):
                return keyed
            if at == 0:
                base = keyed
                continue
            for key in base.keys() & keyed.keys():
                base[key] = (
                    merged(base[key], keyed[key]) if self._language.go else {**base[key], **keyed[key]}
                )
        return list(base.values())


def _files_in(parameters: Table) -> Iterator[str]:
    """As the git generator tells them, with and without `goTemplate`, under any prefix."""
    for each in (parameters, *parameters.values()):
        path = table(table(each).get("path"))
        yield posixpath.normpath(posixpath.join(text(path.get("path")), text(path.get("filename"))))
    for key, name in parameters.items():
        if key.endswith(".filename"):
            folder = text(parameters.get(key.removesuffix(".filename")))
            yield posixpath.normpath(posixpath.join(folder, text(name)))


def _capped(found: list[Table]) -> Made:
    if len(found) > MOST:
        return Refused(Reason.UNSUPPORTED, f"its generators make more than {MOST} Applications")
    return found


def _flat_element(element: Table) -> Table:
    found: Table = {key: text(each) for key, each in element.items() if key != "values"}
    return found | {f"values.{key}": text(each) for key, each in table(element.get("values")).items()}


def _pathspec(pattern: str) -> Callable[[str], bool]:
    """As `git ls-files` takes it: a folder means all that is in it."""
    pattern = posixpath.normpath(pattern) if pattern else "."
    if pattern == ".":
        return lambda path: True
    match = globs.crossing(pattern)
    return lambda path: path == pattern or path.startswith(f"{pattern}/") or match(path)


def _keyed(found: list[Table], keys: Sequence[str]) -> dict[str, Table] | Refused:
    keyed: dict[str, Table] = {}
    for each in found:
        key = repr([each.get(name) for name in sorted(set(keys))])
        if key in keyed:
            return Refused(Reason.NOT_DEPLOYABLE, f"two sets of its merge have equal {', '.join(keys)}")
        keyed[key] = each
    return keyed


def _combined(first: Table, second: Table) -> Table | Refused:
    for key in first.keys() & second.keys():
        if text(first[key]) != text(second[key]):
            words = f"both generators of its matrix set {key}, and to different values"
            return Refused(Reason.NOT_DEPLOYABLE, words)
    return {key: text(each) for key, each in (first | second).items()}


def merged(base: Table, over: Table) -> Table:
    """Deeply; what is empty doesn't replace what is there."""
    found = dict(base)
    for key, value in over.items():
        there = found.get(key)
        if isinstance(there, dict) and isinstance(value, dict):
            found[key] = merged(there, value)
        elif key not in found or (value not in (None, "", 0, False) and value != [] and value != {}):
            found[key] = value
    return found


def flat(value: Table) -> dict[str, str]:
    """`a.b.0` for what is nested: what the old templates and selectors see."""
    found: dict[str, str] = {}
    waiting: list[tuple[str, Value]] = [("", value)]
    while waiting and len(found) < _LONGEST_FLAT:
        head, each = waiting.pop()
        inner: list[tuple[str, Value]] = []
        if isinstance(each, dict):
            inner = [(key, one) for key, one in each.items()]
        elif isinstance(each, list):
            inner = [(str(at), one) for at, one in enumerate(each)]
        if inner:
            waiting += [(f"{head}.{key}" if head else key, one) for key, one in inner]
        elif head:
            found[head] = "<nil>" if each is None else text(each)
    return found
