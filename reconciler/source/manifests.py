"""Plain Kubernetes manifests: every object with a pod template, and what its containers set.

A file is looked at as bytes first: only one that names a kind of ours is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from reconciler.model import Field, Key, Reason, Refused
from reconciler.source import scalers
from reconciler.source.facts import (
    NOTHING,
    FileFacts,
    FoundContainer,
    FoundSlot,
    FoundWorkload,
    Stand,
    Trouble,
)
from reconciler.source.kustomize import read as read_kustomization
from reconciler.source.scalers import FoundScaler
from reconciler.source.view import TooMuchError, View, is_null, is_text
from reconciler.source.yamledit import decode, parse, where
from reconciler.source.yamledit.tree import Document, Mapping, Node, Scalar, Sequence

_TEMPLATE: Final = ("spec", "template", "spec")

_KNATIVE: Final = "serving.knative.dev"  # most files with a `kind: Service` don't mean this one

# kind -> the API groups that mean it, and where its pods' spec stands.
KINDS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "Deployment": (("apps", "extensions"), _TEMPLATE),
    "StatefulSet": (("apps",), _TEMPLATE),
    "DaemonSet": (("apps", "extensions"), _TEMPLATE),
    "ReplicaSet": (("apps", "extensions"), _TEMPLATE),
    "ReplicationController": (("",), _TEMPLATE),
    "Job": (("batch",), _TEMPLATE),
    "CronJob": (("batch",), ("spec", "jobTemplate", *_TEMPLATE)),
    "Pod": (("",), ("spec",)),
    "Rollout": (("argoproj.io",), _TEMPLATE),
    "Service": ((_KNATIVE,), _TEMPLATE),
    "DeploymentConfig": (("apps.openshift.io", ""), _TEMPLATE),
}
_KNATIVE_CONTAINER: Final = "user-container"  # the name that Knative gives to one without
_DEEPEST_LIST: Final = 4
_LISTS: Final = (("initContainers", True), ("containers", False))

_KIND: Final = rb"\bkind\b[\"']?\s*:\s*(?:[!&][^\s,]*\s+)*"
_WANTED: Final = re.compile(
    _KIND
    + rb"(?:\*|[\"']?(?:"
    + "|".join((*(KINDS.keys() - {"Service"}), *scalers.KINDS)).encode()
    + rb"|[A-Za-z]*List)\b)"
)
_WANTED_SERVICE: Final = re.compile(_KIND + rb"[\"']?Service\b")
PATHS: Final[tuple[tuple[Key, ...], ...]] = tuple(
    ("image",) if field is Field.IMAGE else ("resources", *field.value.split(".")) for field in Field
)


def read(data: bytes) -> FileFacts:
    """What a file of manifests holds. Never raises: what can't be read is told as trouble."""
    if not _may_hold(data):
        return NOTHING
    text = decode(data)
    if isinstance(text, Refused):
        return FileFacts(troubles=(Trouble(True, "encoding", 0, text.detail),))
    finder = _Finder(text)
    for document in parse(text):
        finder.look_at(document)
    return finder.facts()


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
            return FileFacts(troubles=(Trouble(True, "kustomization", document.line, str(error)),))
    return NOTHING


def _may_hold(data: bytes) -> bool:
    """Whether a kind of ours is named anywhere. Wrong only in saying yes."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
        data = data.replace(b"\0", b"")  # UTF-16 and UTF-32, near enough to find a word in
    return _names_a_kind(data)


def _names_a_kind(data: bytes) -> bool:
    if _WANTED.search(data) is not None:
        return True
    return _KNATIVE.encode() in data and _WANTED_SERVICE.search(data) is not None


def _broken(document: Document, what: str) -> Trouble:
    return Trouble(True, what, document.error_line, f"is not valid YAML: {document.error}")


class _Finder:
    """Gathers what the documents of one file hold."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._templated = "{{" in text
        self._workloads: list[FoundWorkload] = []
        self._scalers: list[FoundScaler] = []
        self._stands: list[Stand] = []
        self._troubles: list[Trouble] = []

    def facts(self) -> FileFacts:
        return FileFacts(
            tuple(self._workloads), tuple(self._scalers), tuple(self._stands), tuple(self._troubles)
        )

    def look_at(self, document: Document) -> None:
        if document.error:
            self._look_at_broken(document)
            return
        view = View(document)
        try:
            self._look_at_object(_Object(document, self._text, view, document.root, ()), 0)
        except TooMuchError as error:
            words = f"is no manifest that can be read: {error}"
            self._troubles.append(Trouble(True, "too-much", document.line, words))

    def _look_at_broken(self, document: Document) -> None:
        text = self._text[document.start : document.end]
        if not _names_a_kind(text.encode("utf-8", "surrogatepass")):
            return
        if "{{" in text:
            words = "is a template: render it first, or leave it to the chart that it belongs to"
            self._troubles.append(Trouble(False, "template", document.error_line, words))
        else:
            self._troubles.append(_broken(document, "broken"))

    def _look_at_object(self, found: _Object, depth: int) -> None:
        if found.kind.endswith("List") and depth < _DEEPEST_LIST:
            for item in found.items():
                self._look_at_object(item, depth + 1)
        elif found.group in KINDS.get(found.kind, ((),))[0]:
            self._look_at_workload(found)
        elif scalers.KINDS.get(found.kind) == found.group:
            self._look_at_scaler(found)

    def _look_at_workload(self, found: _Object) -> None:
        if self._is_stand(found) or not found.has_pods():
            return
        try:
            self._workloads.append(found.workload())
        except _UnreadableError as error:
            if self._templated and "{{" in self._text[found.document.start : found.document.end]:
                words = "is a template: render it first, or leave it to the chart that it belongs to"
                self._troubles.append(Trouble(False, "template", error.line, words))
            else:
                self._troubles.append(Trouble(True, "malformed", error.line, str(error)))

    def _is_stand(self, found: _Object) -> bool:
        """A Rollout can run the pods of a Deployment, which then holds the values."""
        reference = found.view.plain(found.view.get(found.node, "spec", "workloadRef"))
        if found.kind != "Rollout" or not isinstance(reference, dict):
            return False
        other = (str(reference.get("kind")), str(reference.get("name")))
        self._stands.append(Stand(found.loose("namespace"), found.kind, found.loose("name"), *other))
        return True

    def _look_at_scaler(self, found: _Object) -> None:
        name, namespace = found.loose("name"), found.loose("namespace")
        body = found.view.plain(found.node)
        scaler = scalers.read(found.kind, name, namespace, found.line, body)
        if scaler is not None:
            self._scalers.append(scaler)


class _UnreadableError(Exception):
    """An object of a workload's kind that isn't shaped like one."""

    def __init__(self, words: str, line: int) -> None:
        super().__init__(words)
        self.line = line


class _Object:
    """One Kubernetes object in a document, maybe an item of a list."""

    def __init__(
        self,
        document: Document,
        text: str,
        view: View,
        node: Node | None,
        keys: tuple[Key, ...],
        defaults: tuple[str, str] = ("", ""),
    ) -> None:
        self.document = document
        self.text = text
        self.view = view
        self.node = node
        self.keys = keys
        self.line = node.line if node is not None else document.line
        entries = view.entries(node)
        self.kind = _word(view.followed(entries.get("kind"))) or defaults[0]
        self.version = _word(view.followed(entries.get("apiVersion"))) or defaults[1]
        self.group = self.version.rpartition("/")[0] if self.version else "?"
        self.metadata = view.entries(entries.get("metadata"))

    def items(self) -> Iterator[_Object]:
        """The objects of a `List`; those of a `DeploymentList` may leave out what they are."""
        found = self.view.get(self.node, "items")
        kind = self.kind.removesuffix("List")
        defaults = (kind, self.version) if kind else ("", "")
        for at, item in enumerate(found.items if isinstance(found, Sequence) else ()):
            yield _Object(self.document, self.text, self.view, item, (*self.keys, "items", at), defaults)

    def loose(self, key: str) -> str:
        """A piece of the metadata, "" when it isn't text."""
        return _word(self.view.followed(self.metadata.get(key)))

    def has_pods(self) -> bool:
        """Whether there is a pod template with containers; a patch may lack them."""
        pods = self.view.entries(self.view.get(self.node, *KINDS[self.kind][1]))
        return any(not is_null(self.view.followed(pods[key])) for key, _ in _LISTS if key in pods)

    def workload(self) -> FoundWorkload:
        spec = self.view.entries(self.view.entries(self.node).get("spec"))
        return FoundWorkload(
            self.document.index,
            self.line,
            self.kind,
            self._text("name", self._text("generateName", ""))
            or self._fail("has no metadata.name", self.line),
            self._text("namespace", ""),
            _number(self.view.followed(spec.get("replicas"))),
            self._words("labels"),
            self._words("annotations"),
            tuple(self._containers()),
        )

    def _text(self, key: str, default: str) -> str:
        node = self.view.followed(self.metadata.get(key))
        if node is None or is_null(node):
            return default
        if isinstance(node, Scalar) and is_text(node):
            return node.value
        return self._fail(f"has a metadata.{key} that isn't text: put it in quotes", node.line)

    def _fail(self, words: str, line: int) -> str:
        raise _UnreadableError(f"{self.kind} {words}", line)

    def _words(self, key: str) -> dict[str, str]:
        pairs = self.view.entries(self.metadata.get(key)).items()
        return {name: _word(self.view.followed(value)) for name, value in pairs}

    def _containers(self) -> Iterator[FoundContainer]:
        path = KINDS[self.kind][1]
        pods = self.view.entries(self.view.get(self.node, *path))
        for key, init in _LISTS:
            found = self.view.followed(pods.get(key))
            if found is None or is_null(found):
                continue
            if not isinstance(found, Sequence):
                self._fail(f"has {key} that are no list", found.line)
                continue
            for at, item in enumerate(found.items):
                yield self._container(item, init, (*self.keys, *path, key, at))

    def _container(self, node: Node, init: bool, keys: tuple[Key, ...]) -> FoundContainer:
        if not isinstance(self.view.followed(node), Mapping):
            self._fail(f"has a container that is no mapping ({keys[-2]}[{keys[-1]}])", node.line)
        entries = self.view.entries(node)
        name = self.view.followed(entries.get("name"))
        if name is None and self.kind == "Service":
            text = _KNATIVE_CONTAINER
        elif isinstance(name, Scalar) and name.value and is_text(name):
            text = name.value
        else:
            text = self._fail(
                f"has a container whose name is missing or no text ({keys[-2]}[{keys[-1]}])", node.line
            )
        sidecar = init and _word(self.view.followed(entries.get("restartPolicy"))) == "Always"
        return FoundContainer(text, init, sidecar, keys, tuple(self._slots(keys)))

    def _slots(self, keys: tuple[Key, ...]) -> Iterator[FoundSlot]:
        for path in PATHS:
            found = where(self.document, self.text, keys + path)
            refused = found.refused and (found.refused.reason.value, found.refused.detail)
            if not refused and found.value is not None and "{{" in found.value:
                refused = (Reason.TEMPLATE.value, "the value is a template")
            yield FoundSlot(found.line, found.value, refused)


def _word(node: Node | None) -> str:
    return node.value if isinstance(node, Scalar) and not is_null(node) else ""


def _number(node: Node | None) -> int | None:
    text = _word(node)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
