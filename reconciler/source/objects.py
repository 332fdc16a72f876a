"""One Kubernetes object with a pod template: its name, and what its containers set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NoReturn

from reconciler.model import FIELDS, Field, Key, Reason
from reconciler.source import runtimes
from reconciler.source.facts import FoundContainer, FoundSlot, FoundWorkload, packed
from reconciler.source.started import Given
from reconciler.source.view import TooMuchError, View, is_null, is_text
from reconciler.source.yamledit import Document, Mapping, Node, Scalar, Sequence, where
from reconciler.source.yamledit.paths import Spot, is_templated, spot

_TEMPLATE: Final = ("spec", "template", "spec")

KNATIVE: Final = "serving.knative.dev"  # most files with a `kind: Service` don't mean this one

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
    "Service": ((KNATIVE,), _TEMPLATE),
    "DeploymentConfig": (("apps.openshift.io", ""), _TEMPLATE),
}
_KNATIVE_CONTAINER: Final = "user-container"  # the name that Knative gives to one without
_LONGEST_NAME: Final = 253
# Plain numbers that Kubernetes' YAML reads as another number than they look like: `010` is eight.
_MISREAD: Final = re.compile(r"[-+]?(?:0[0-9_]+|0[xob][0-9a-fA-F_]+|[0-9]+_[0-9_]*)(?:\.[0-9_]*)?")
_AS_NUMBER: Final = "a plain number written like this means another one in YAML; write it without 0 and _"
_STARTED: Final = ("command", "args", "env", "envFrom")
_LISTS: Final = (("initContainers", True), ("containers", False))
AMOUNTS: Final = ("requests", "limits")
SIZED: Final = ("cpu", "memory")
PATHS: Final[tuple[tuple[str, ...], ...]] = tuple(
    ("image",) if field is Field.IMAGE else ("resources", *field.value.split(".")) for field in FIELDS
)


class UnreadableError(Exception):
    """An object of a workload's kind that isn't shaped like one."""

    def __init__(self, words: str, line: int) -> None:
        super().__init__(words)
        self.line = line


class ManifestObject:
    """An object in a document, maybe an item of a list."""

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
        self.kind = word(view.followed(entries.get("kind"))) or defaults[0]
        self.version = word(view.followed(entries.get("apiVersion"))) or defaults[1]
        self.group = self.version.rpartition("/")[0] if self.version else "?"
        self.metadata = view.entries(entries.get("metadata"))

    def items(self) -> Iterator[ManifestObject]:
        """The objects of a `List`; those of a `DeploymentList` may leave out what they are."""
        found = self.view.get(self.node, "items")
        kind = self.kind.removesuffix("List")
        defaults = (kind, self.version) if kind else ("", "")
        self.view.simple &= not (found and found.tag)
        for at, item in enumerate(found.items if isinstance(found, Sequence) else ()):
            yield ManifestObject(
                self.document, self.text, self.view, item, (*self.keys, "items", at), defaults
            )

    def loose(self, key: str) -> str:
        """A piece of the metadata, "" when it isn't text."""
        return word(self.view.followed(self.metadata.get(key)))

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
            self._pod_level(),
            self._node_selector(),
        )

    def _text(self, key: str, default: str) -> str:
        node = self.view.followed(self.metadata.get(key))
        if node is None or is_null(node):
            return default
        if isinstance(node, Scalar) and is_text(node):
            if len(node.value) <= _LONGEST_NAME:
                return node.value
            self._fail(f"has a metadata.{key} of more than {_LONGEST_NAME} characters", node.line)
        return self._fail(f"has a metadata.{key} that isn't text: put it in quotes", node.line)

    def _fail(self, words: str, line: int) -> NoReturn:
        raise UnreadableError(f"{self.kind} {words}", line)

    def _words(self, key: str) -> dict[str, str]:
        pairs = self.view.entries(self.metadata.get(key)).items()
        return {name: word(self.view.followed(value)) for name, value in pairs}

    def _containers(self) -> Iterator[FoundContainer]:
        path = KINDS[self.kind][1]
        pods = self.view.entries(self.view.get(self.node, *path))
        for key, init in _LISTS:
            found = self.view.followed(pods.get(key))
            if found is None or is_null(found):
                continue
            if not isinstance(found, Sequence):
                self._fail(f"has {key} that are no list", found.line)
            self.view.simple &= not found.tag
            for at, item in enumerate(found.items):
                yield self._container(item, init, (*self.keys, *path, key, at))

    def _container(self, node: Node, init: bool, keys: tuple[Key, ...]) -> FoundContainer:
        if not isinstance(self.view.followed(node), Mapping):
            self._fail(f"has a container that is no mapping ({keys[-2]}[{keys[-1]}])", node.line)
        entries = self.view.entries(node)
        name = self.view.followed(entries.get("name"))
        if name is None and self.kind == "Service":
            text = _KNATIVE_CONTAINER
        elif isinstance(name, Scalar) and 0 < len(name.value) <= _LONGEST_NAME and is_text(name):
            text = name.value
        else:
            self._fail(f"has a container without a name that can be one ({keys[-2]}[{keys[-1]}])", node.line)
        sidecar = init and word(self.view.followed(entries.get("restartPolicy"))) == "Always"
        slots = self._slots(node, keys)
        extras, given = self._named(node, SIZED, False), self._given(node, entries)
        return FoundContainer(text, init, sidecar, packed(keys), slots, extras, given)

    def _given(self, node: Node, entries: dict[str, Node]) -> Given | None:
        """What may say the size of a heap; most containers are told from their text to have nothing of it."""
        if not any(key in entries for key in _STARTED):
            return None
        if self.view.simple and not runtimes.may_matter(self.text[node.start : node.end]):
            return None
        simple, keys = self.view.simple, (*_STARTED, "image")
        try:
            return runtimes.given({key: self.view.plain(entries[key]) for key in keys if key in entries})
        except TooMuchError:
            return None
        finally:
            self.view.simple = simple  # whatever is odd there, no value that is edited stands in it

    def _pod_level(self) -> tuple[str, ...]:
        pods = self.view.get(self.node, *KINDS[self.kind][1])
        return self._named(pods, SIZED, True) if "resources" in self.view.entries(pods) else ()

    def _node_selector(self) -> tuple[tuple[str, str], ...]:
        pods = self.view.entries(self.view.get(self.node, *KINDS[self.kind][1]))
        chosen = self.view.entries(pods["nodeSelector"]) if "nodeSelector" in pods else {}
        return tuple(sorted((name, word(self.view.followed(node))) for name, node in chosen.items()))

    def _named(self, node: Node | None, names: tuple[str, ...], wanted: bool) -> tuple[str, ...]:
        """What `resources` has an amount of, among these names or beside them."""
        parts = [self.view.entries(self.view.get(node, "resources", part)) for part in AMOUNTS]
        found = {name for part in parts for name in part if (name in names) is wanted}
        return tuple(sorted(found)) if found else ()

    def _slots(self, node: Node, keys: tuple[Key, ...]) -> tuple[FoundSlot, ...]:
        """Where each field is set, or would be. The way to the container is walked only once."""
        values = [self.view.get(node, *path) for path in PATHS]
        simple = self.view.simple and "?" not in self.text  # `? key` is another way to write a key
        document, found = self.document, None if simple else spot(self.document, self.text, keys)
        if simple or (isinstance(found, Spot) and not found.rest and isinstance(found.node, Mapping)):
            document, keys = document._replace(root=self.view.followed(node)), ()
        return tuple(
            [
                FoundSlot(value.line, value.value)
                if simple and isinstance(value, Scalar) and _is_simple(value)
                else self._slot(document, keys + path, value, node.line)
                for path, value in zip(PATHS, values, strict=True)
            ]
        )

    def _slot(self, document: Document, keys: tuple[Key, ...], value: Node | None, line: int) -> FoundSlot:
        if isinstance(value, Scalar) and not value.style and _MISREAD.fullmatch(value.value):
            return FoundSlot(value.line, value.value, (Reason.BAD_QUANTITY.value, _AS_NUMBER))
        found = where(document, self.text, keys)
        if found.refused is None:
            return FoundSlot(found.line, found.value)
        refused = (found.refused.reason.value, found.refused.detail)
        if isinstance(value, Scalar) and not is_null(value):  # in force, though it can't be edited
            return FoundSlot(value.line, value.value, refused)
        return FoundSlot(max(found.line, line), found.value, refused)


def _is_simple(value: Scalar) -> bool:
    """Whether a value is nothing but its text: `where` would find the same, and no reason against it."""
    return value.style not in ("|", ">") and not (
        value.tag
        or is_templated(value.value)
        or (not value.style and (is_null(value) or _MISREAD.fullmatch(value.value)))
    )


def word(node: Node | None) -> str:
    """The text of a scalar, "" for anything else."""
    return node.value if isinstance(node, Scalar) and not is_null(node) else ""


def _number(node: Node | None) -> int | None:
    text = word(node)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
