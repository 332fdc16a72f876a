"""Plain Kubernetes manifests: every object with a pod template, and what its containers set.

A file is looked at as bytes first: only one that names a kind of ours is parsed.
"""

from __future__ import annotations

import re
from typing import Final

from reconciler.model import Refused
from reconciler.source import configs, namespaces, scalers
from reconciler.source.facts import NOTHING, FileFacts, FoundConfig, FoundWorkload, Stand, Trouble
from reconciler.source.kustomize import read as read_kustomization
from reconciler.source.namespaces import FoundRule
from reconciler.source.objects import KINDS, KNATIVE, ManifestObject, UnreadableError, word
from reconciler.source.scalers import FoundAim, FoundScaler
from reconciler.source.view import TooMuchError, View
from reconciler.source.yamledit import Document, Mapping, decode, parse, where

_WHAT_IT_IS: Final = ("apiVersion", "kind", "metadata", "items")
_DEEPEST_LIST: Final = 4
_MOST_TROUBLES: Final = 20
_KIND: Final = rb"\bkind\b[\"']?\s*:\s*(?:[!&][^\s,]*\s+)*"
_WANTED: Final = re.compile(
    _KIND
    + rb"(?:\*|[\"']?(?:"
    + "|".join((*(KINDS.keys() - {"Service"}), *scalers.KINDS, *namespaces.KINDS)).encode()
    + rb"|[A-Za-z]*List)\b)"
)
# Kinds that say what else is rendered: of Argo CD, Flux and the App Platform.
_DEPLOYS: Final = re.compile(
    _KIND + rb"[\"']?(?:Application(?:Set)?|HelmRelease|Kustomization|AplTeamWorkload)\b"
)
_WANTED_SERVICE: Final = re.compile(_KIND + rb"[\"']?Service\b")


def read(data: bytes) -> FileFacts:
    """What a file of manifests holds. Never raises: what can't be read is told as trouble."""
    deploys = _DEPLOYS.search(_narrowed(data)) is not None
    wanted, configures = _names_a_kind(_narrowed(data)), configs.may_matter(data)
    if not (wanted or configures):
        return FileFacts(deploys=True) if deploys else NOTHING
    text = decode(data)
    if isinstance(text, Refused) and not wanted:
        return FileFacts(deploys=True) if deploys else NOTHING
    if isinstance(text, Refused):
        return FileFacts(troubles=(Trouble(True, "encoding", 0, text.detail),))
    finder = _Finder(text, configures)
    for document in parse(text):
        finder.look_at(document)
    return finder.facts()._replace(deploys=deploys)


def read_kustomization_file(data: bytes) -> FileFacts:
    """What a kustomization.yaml holds, in the first of its documents."""
    text = decode(data)
    if isinstance(text, Refused):
        return FileFacts(troubles=(Trouble(True, "kustomization", 0, text.detail),))
    for document in parse(text):
        if document.error:
            return FileFacts(troubles=(_broken(document, "kustomization"),))
        try:
            return FileFacts(kustomization=read_kustomization(View(document).plain(document.root)))
        except TooMuchError as error:
            return FileFacts(
                troubles=(Trouble(True, "kustomization", document.line, f"this can't be read: {error}"),)
            )
    return NOTHING


def _narrowed(data: bytes) -> bytes:
    """UTF-16 and UTF-32, near enough to find a word in."""
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]
    return data.replace(b"\0", b"") if wide else data


def _names_a_kind(data: bytes) -> bool:
    """Whether a kind of ours is named anywhere. Wrong only in saying yes."""
    if _WANTED.search(data) is not None:
        return True
    return KNATIVE.encode() in data and _WANTED_SERVICE.search(data) is not None


def _broken(document: Document, what: str) -> Trouble:
    words = f"this document can't be read as YAML ({document.error}): mend it, nothing in it is managed"
    return Trouble(True, what, document.error_line, words)


def _capped(troubles: list[Trouble]) -> list[Trouble]:
    """A file with very many broken documents is one problem, not thousands."""
    more = len(troubles) - _MOST_TROUBLES
    if more <= 0:
        return troubles
    last = troubles[_MOST_TROUBLES]
    words = f"{more} more documents of this file can't be read"
    return [*troubles[:_MOST_TROUBLES], Trouble(True, last.what, last.line, words)]


class _Finder:
    """Gathers what the documents of one file hold."""

    def __init__(self, text: str, configures: bool) -> None:
        self._text = text
        self._configures = configures
        self._configs: list[FoundConfig] = []
        self._workloads: list[FoundWorkload] = []
        self._scalers: list[FoundScaler] = []
        self._stands: list[Stand] = []
        self._troubles: list[Trouble] = []
        self._rules: list[FoundRule] = []

    def facts(self) -> FileFacts:
        found = FileFacts(self._workloads, self._scalers, self._stands, _capped(self._troubles))
        return found._replace(rules=self._rules, configs=self._configs)

    def look_at(self, document: Document) -> None:
        if document.error:
            self._look_at_broken(document)
            return
        view = View(document)
        try:
            self._look_at_object(ManifestObject(document, self._text, view, document.root, ()), 0)
        except TooMuchError as error:
            words = f"this document can't be read ({error}): write out what its aliases mean"
            self._troubles.append(Trouble(True, "too-much", document.line, words))

    def _look_at_broken(self, document: Document) -> None:
        text = self._text[document.start : document.end]
        if not _names_a_kind(text.encode("utf-8", "surrogatepass")):
            return
        if "{{" in text:
            self._is_template(document.error_line)
        else:
            self._troubles.append(_broken(document, "broken"))

    def _is_template(self, line: int) -> None:
        """Said once of a file, however many of its documents it is true of."""
        words = "a template, not a manifest: it belongs to a chart, or has to be rendered first"
        if not any(trouble.what == "template" for trouble in self._troubles):
            self._troubles.append(Trouble(False, "template", line, words))

    def _look_at_object(self, found: ManifestObject, depth: int) -> None:
        if found.kind.endswith("List") and depth < _DEEPEST_LIST:
            if self._says_twice(found):
                return
            for item in found.items():
                self._look_at_object(item, depth + 1)
        elif found.group in KINDS.get(found.kind, ((),))[0]:
            self._look_at_workload(found)
        elif scalers.KINDS.get(found.kind) == found.group:
            self._look_at_scaler(found)
        elif found.kind in namespaces.KINDS and not found.group:
            self._look_at_rule(found)
        elif self._configures and found.kind == "ConfigMap" and found.version == "v1":
            config = configs.read(found)
            self._configs += [config] if config is not None else []

    def _look_at_workload(self, found: ManifestObject) -> None:
        if self._is_stand(found) or not found.has_pods() or self._says_twice(found):
            return
        try:
            self._workloads.append(found.workload())
        except UnreadableError as error:
            if "{{" in self._text[found.document.start : found.document.end]:
                self._is_template(error.line)
            else:
                words = f"this {error}, so it is left alone"
                self._troubles.append(Trouble(True, "malformed", error.line, words))

    def _says_twice(self, found: ManifestObject) -> bool:
        """Whether what the object is stands there twice: readers differ in which of the two counts."""
        key = found.view.twice(found.node, _WHAT_IT_IS)
        if key:
            words = f"this document says `{key}` twice, and readers differ in which counts: keep one"
            self._troubles.append(Trouble(True, "malformed", found.line, words))
        return bool(key)

    def _is_stand(self, found: ManifestObject) -> bool:
        """A Rollout can run the pods of a Deployment, which then holds the values."""
        reference = found.view.get(found.node, "spec", "workloadRef") if found.kind == "Rollout" else None
        if not isinstance(reference, Mapping):
            return False
        other = (word(found.view.get(reference, "kind")), word(found.view.get(reference, "name")))
        self._stands.append(Stand(found.loose("namespace"), found.kind, found.loose("name"), *other))
        return True

    def _look_at_rule(self, found: ManifestObject) -> None:
        name, namespace = found.loose("name"), found.loose("namespace")
        rule = namespaces.read(found.kind, name, namespace, found.line, found.view.plain(found.node))
        if rule is not None:
            self._rules.append(rule)

    def _look_at_scaler(self, found: ManifestObject) -> None:
        name, namespace = found.loose("name"), found.loose("namespace")
        body = found.view.plain(found.node)
        scaler = scalers.read(found.kind, name, namespace, found.line, body)
        if scaler is not None:
            aims = tuple(self._standing(found, aim) for aim in scaler.aims)
            self._scalers.append(scaler._replace(aims=aims, document=found.document.index))

    def _standing(self, found: ManifestObject, aim: FoundAim) -> FoundAim:
        """Where a target is written; its keys lead there from the document on."""
        if aim.percent is None:
            return aim
        keys = (*found.keys, *aim.keys)
        at = where(found.document, self._text, keys)
        refused = aim.refused or (at.refused and (at.refused.reason.value, at.refused.detail))
        return aim._replace(keys=keys, line=at.line, refused=refused or None)
