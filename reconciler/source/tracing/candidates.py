"""Which value paths may control a field: by what they hold, what they are called, and who reads them.

A candidate is a guess that costs nothing when it is wrong: its sentinel comes out nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from reconciler.model import FIELDS, Field
from reconciler.source.tracing import images
from reconciler.source.tracing.charts import Chart, Keys, value_at
from reconciler.source.tracing.reads import holders, read_paths, reads_any, relative_paths

CPU, MEMORY, TAG, IMAGE, DIGEST, COUNT = "cpu", "memory", "tag", "image", "digest", "count"

_MOST: Final = 4_000
_DEEPEST: Final = 40
_LEAVES: Final = tuple(tuple(field.value.split(".")) for field in FIELDS if field is not Field.IMAGE)

_RESOURCES: Final = re.compile(r"(?i)(?:^|.*_|.*-|.*[a-z])?resources?$")
_CPU: Final = re.compile(r"(?:^|.*[a-z_-])?(?:cpus?|CPUs?|Cpus?)(?:$|[A-Z_-].*)|.*(?:Cpu|CPU).*|.*[Cc]ores?$")
_MEMORY: Final = re.compile(
    r"(?:mem|ram|memory)(?:$|[A-Z_-].*)|.*(?:Memory|Mem|RAM|_mem|-mem|_memory|-memory)(?:$|[A-Z_-].*)"
)
_TAG: Final = re.compile(r"(?i).*tag$|^imageversion$")
_VERSION: Final = re.compile(r"(?i).*version$")
_IMAGE: Final = re.compile(r"(?i).*image$")
_COUNT: Final = re.compile(r"(?i).*replicas?(count)?$|.*(count|instances|size|nodes)$")
_SCALING: Final = re.compile(r"(?i).*(autoscal|hpa|scaling).*")
_AIMING: Final = re.compile(
    r"(?i).*(autoscal|hpa|scaling|scaled|keda|utili[sz]ation|trigger|threshold|target(?!.*port)).*"
)
_QUANTITY: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:m|k|K|M|G|T|Ki|Mi|Gi|Ti)?")
_NO_AMOUNT: Final = re.compile(
    r"(?i).*(port|count|replicas?|seconds|timeout|period|threshold|user|group|id)s?$"
)
# What goes into a cluster as it stands: a key too many would only break it.
_NOT_HOLDERS: Final = re.compile(
    r"(?i).*(labels|annotations|selector|affinity|tolerations|context|env|envs|data|args|ports?|"
    r"resources|requests|limits|probe|strategy|configmap|secrets?|rules|config|image|auth|persistence|"
    r"service|services|ingress|networkpolicy|pdb|rbac|serviceaccount|tls|autoscaling|diagnosticmode)$"
)


class Candidate(NamedTuple):
    """A value path, what kind of thing belongs there, and what stands there now (None: nothing)."""

    keys: Keys
    kind: str
    limit: bool  # of a pair, the larger one
    current: Any
    filled: bool  # it, or the mapping that it belongs to, holds something
    like: str = ""  # what the new thing should look like where nothing stands


class Wanted(NamedTuple):
    """What the plain render showed: only values that look like it are worth a sentinel."""

    images: frozenset[str]
    tags: frozenset[str]
    amounts: frozenset[str]
    numbers: frozenset[str]  # of the amounts that have a unit
    counts: frozenset[str]


class _Finder:
    def __init__(self, values: dict[str, Any], wanted: Wanted) -> None:
        self.values = values
        self.wanted = wanted
        self.found: dict[tuple[Keys, str], Candidate] = {}

    def add(self, one: Candidate) -> None:
        if len(self.found) < _MOST:
            self.found.setdefault((one.keys, one.kind), one)

    # -- what is set ----------------------------------------------------------------------------

    def walk(self, keys: Keys, value: Any, depth: int = 0) -> None:
        if depth > _DEEPEST:
            return
        if isinstance(value, dict):
            if keys and is_resources(str(keys[-1]), value):
                self.resources(keys, value)
            if keys and str(keys[-1]) in (CPU, MEMORY):
                self.turned(keys, value)
            for key, below in value.items():
                self.walk((*keys, key), below, depth + 1)
        elif isinstance(value, list):
            for at, below in enumerate(value):
                self.walk((*keys, at), below, depth + 1)
        elif keys and not isinstance(value, bool):
            if value is None and _RESOURCES.fullmatch(str(keys[-1])):
                self.resources(keys, {})
            self.scalar(keys, str(keys[-1]), value)

    def resources(self, keys: Keys, value: dict[str, Any]) -> None:
        """The four amounts of a `resources`, set or not."""
        for part, name in _LEAVES:
            below = value.get(part)
            if below is None or isinstance(below, dict):
                current = (below or {}).get(name)
                if not isinstance(current, dict | list):
                    self.add(Candidate((*keys, part, name), name, part == "limits", current, bool(value)))

    def turned(self, keys: Keys, value: dict[str, Any]) -> None:
        """`cpu: {request: 100m, limit: }`: the other way round."""
        for name in ("request", "requests", "limit", "limits"):
            if name in value and not isinstance(value[name], dict | list):
                limit = name.startswith("limit")
                self.add(Candidate((*keys, name), str(keys[-1]), limit, value[name] or None, bool(value)))

    def scalar(self, keys: Keys, key: str, value: Any) -> None:
        text = _text(value)
        if isinstance(value, int | str) and text.isascii() and text.isdigit() and self._is_target(keys, text):
            self.add(Candidate(keys, COUNT, False, value, True))
        elif self._is_amount(keys, key, value, text):
            kind = MEMORY if _MEMORY.fullmatch(key) or text[-1:] in "iMGKkT" else CPU
            self.add(Candidate(keys, kind, "limit" in _shown(keys).lower(), value, value is not None))
        elif isinstance(value, int) and self._is_count(keys, key, text):
            self.add(Candidate(keys, COUNT, False, value, True))
        else:
            self._image(keys, key, value, text)

    def _is_amount(self, keys: Keys, key: str, value: Any, text: str) -> bool:
        if not text or _QUANTITY.fullmatch(text) is None or any(_SCALING.match(str(one)) for one in keys):
            return False
        if keys[-2:-1] and str(keys[-2]) in ("requests", "limits") and key in ("cpu", "memory"):
            return True
        if _CPU.fullmatch(key) or _MEMORY.fullmatch(key):
            return True
        if isinstance(value, int):  # the chart may add the unit itself
            return value >= 10 and text in self.wanted.numbers and _NO_AMOUNT.fullmatch(key) is None
        return text in self.wanted.amounts and not text.isdigit()

    def _is_target(self, keys: Keys, text: str) -> bool:
        """What an autoscaler aims for may be written as a text, as KEDA has it."""
        return text in self.wanted.counts and any(_AIMING.match(str(one)) for one in keys)

    def _is_count(self, keys: Keys, key: str, text: str) -> bool:
        return text in self.wanted.counts and _COUNT.fullmatch(key) is not None

    def _image(self, keys: Keys, key: str, value: Any, text: str) -> None:
        tags, references = self.wanted.tags, self.wanted.images
        if text and any(_holds(reference, text) for reference in references):
            self.add(Candidate(keys, IMAGE, False, value, True))
        elif text.startswith("sha256:") and any(text in reference for reference in references):
            self.add(Candidate(keys, DIGEST, False, value, True))
        elif _TAG.fullmatch(key):
            self.add(Candidate(keys, TAG, False, value, bool(text), self._like(keys)))
        elif text and (_VERSION.fullmatch(key) or (len(text) > 2 and not text.isdigit())):
            close = text in tags or (_VERSION.fullmatch(key) is not None and any(text in tag for tag in tags))
            if close:
                self.add(Candidate(keys, TAG, False, value, True))

    def _like(self, keys: Keys) -> str:
        """The tag in force of the image that these keys stand beside, or any."""
        beside = value_at(self.values, keys[:-1])
        names = [_text(one) for one in beside.values()] if isinstance(beside, dict) else []
        for reference in sorted(self.wanted.images):
            name, tag, _ = images.parts(reference)
            if tag and any(one and name.endswith(one) for one in names):
                return tag
        return min(self.wanted.tags, default="1.0.0")

    # -- what is only read ----------------------------------------------------------------------

    def lacking(self, keys: Keys, value: Any, depth: int = 0) -> None:
        """Whatever has an image may be a container, to be given resources that nothing mentions yet."""
        if depth > _DEEPEST or not isinstance(value, dict | list):
            return
        if keys and isinstance(value, dict) and value.get("image") and "resources" not in value:
            self.resources((*keys, "resources"), {})
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            self.lacking((*keys, key), below, depth + 1)

    def read(self, keys: Keys) -> None:
        """A path that a template names, by what it is called."""
        value, key = value_at(self.values, keys), str(keys[-1])
        if value is not None and not isinstance(value, dict) and value != "":
            return
        if keys[-2:-1] and str(keys[-2]) in ("requests", "limits") and key in ("cpu", "memory"):
            self.add(Candidate(keys, key, keys[-2] == "limits", None, False))
        elif _RESOURCES.fullmatch(key) and not _has_text(value):
            self.resources(keys, value or {})
        elif isinstance(value, dict):
            return
        elif _TAG.fullmatch(key) or (_VERSION.fullmatch(key) and len(keys) > 1):
            self.add(Candidate(keys, TAG, False, None, False, self._like(keys)))
        elif _IMAGE.fullmatch(key):
            self.add(Candidate(keys, IMAGE, False, None, False, min(self.wanted.images, default="app:1")))
        elif _CPU.fullmatch(key) or _MEMORY.fullmatch(key):
            kind = MEMORY if _MEMORY.fullmatch(key) else CPU
            self.add(Candidate(keys, kind, "limit" in _shown(keys).lower(), None, False))
        elif re.fullmatch(r"(?i).*replicas?(count)?", key):
            self.add(Candidate(keys, COUNT, False, None, False))


def set_candidates(values: dict[str, Any], wanted: Wanted) -> tuple[Candidate, ...]:
    """What the user's files and the charts' defaults set, and the empty places that they show."""
    finder = _Finder(values, wanted)
    finder.walk((), values)
    return tuple(finder.found.values())


def read_candidates(tree: tuple[Chart, ...], values: dict[str, Any], wanted: Wanted) -> tuple[Candidate, ...]:
    """What templates read by name, or as part of a container; no value mentions it."""
    finder = _Finder(values, wanted)
    for keys in read_paths(tree):
        finder.read(keys)
    finder.lacking((), values)
    return tuple(finder.found.values())


def relative_candidates(
    tree: tuple[Chart, ...], values: dict[str, Any], wanted: Wanted
) -> tuple[Candidate, ...]:
    """What the templates of a chart may read within a mapping that they were handed."""
    finder = _Finder(values, wanted)
    for chart in tree:
        chains = _telling(relative_paths((chart,)))
        paths = (*read_paths((chart,)), *((chart.prefix,) if reads_any(chart) else ()))
        for keys in holders(paths, values) if chains else ():
            if keys and keys[0] != "global" and not any(_NOT_HOLDERS.fullmatch(str(key)) for key in keys):
                for chain in chains:
                    finder.read((*keys, *chain))
    return tuple(finder.found.values())


def _telling(chains: Iterable[Keys]) -> tuple[Keys, ...]:
    """The chains, and their tails, that end as a field of ours would."""
    found: dict[Keys, None] = {}
    for chain in chains:
        for start in () if "Values" in chain else range(len(chain)):
            tail = chain[start:]
            key = str(tail[-1])
            if any(one.fullmatch(key) for one in (_RESOURCES, _TAG, _IMAGE, _CPU, _MEMORY)):
                found[tail] = None
    return tuple(chain for chain in found if chain[-2:-1] not in (("requests",), ("limits",)))[:60]


def is_resources(key: str, value: dict[str, Any]) -> bool:
    if value.keys() & {"requests", "limits"}:
        below = [value.get("requests"), value.get("limits")]
        return all(one is None or isinstance(one, dict) for one in below)
    return not value and _RESOURCES.fullmatch(key) is not None


def _holds(reference: str, text: str) -> bool:
    """Whether a value is the whole of an image's reference, or all behind its registry."""
    if text == reference:
        return True
    return reference.endswith("/" + text) and (":" in text or "@" in text)


def _has_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, bool | dict | list) else str(value)


def _shown(keys: Keys) -> str:
    return ".".join(map(str, keys))


def kinds(fields: Iterable[Field]) -> Iterator[str]:
    """The kinds of candidates that can control these fields."""
    for field in fields:
        if field is Field.IMAGE:
            yield from (TAG, IMAGE, DIGEST)
        else:
            yield field.resource
