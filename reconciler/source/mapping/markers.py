"""Comments at the end of a line that say whose value stands there.

Ours, `# reconcile: shop/Deployment/web/app requests.cpu in millicores`, for what nothing else can
trace; and Flux's, `# {"$imagepolicy": "flux-system:web:tag"}`, which name an ImagePolicy.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final, NamedTuple

from reconciler.model import FIELDS, Field, Key
from reconciler.source.mapping.forms import CPU_UNITS, UNITS
from reconciler.source.yamledit import Document, Mapping, Node, Scalar, Sequence, literal, parse

OURS: Final = "reconcile:"
FLUX: Final = '"$imagepolicy"'
_COMMENT: Final = re.compile(
    r"(?<=[ \t])#[ \t]*(?:(?P<ours>reconcile:[^\r\n]*)|(?P<flux>\{[^\r\n]*\}))[ \t]*\r?$", re.M
)
_PART: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?"
_TARGET: Final = re.compile(
    rf"(?:(?P<cluster>{_PART}):)?(?:(?P<namespace>{_PART})/)?"
    rf"(?P<kind>[A-Z][A-Za-z0-9]{{0,62}})/(?P<workload>{_PART})/(?P<container>{_PART})"
    r"[ \t]+(?P<field>[a-z.]+)(?:[ \t]+in[ \t]+(?P<unit>[A-Za-z]+))?"
)
_POLICY: Final = re.compile(rf"(?P<namespace>{_PART}):(?P<name>{_PART})(?::(?P<part>tag|name|digest))?")
_FIELDS: Final = {field.value: (field, "") for field in FIELDS} | {
    "image.tag": (Field.IMAGE, "tag"),
    "image.digest": (Field.IMAGE, "digest"),
}
_MOST: Final = 100  # targets of one comment


class Aim(NamedTuple):
    """What a comment says of the value before it. "" is not said."""

    cluster: str
    namespace: str
    kind: str
    workload: str
    container: str
    field: Field
    form: str  # a unit, tag or digest; `name` marks what stands before Flux's tag


class Marked(NamedTuple):
    """A value with a comment behind it."""

    document: Document
    keys: tuple[Key, ...]
    inner: tuple[Key, ...]
    node: Node
    line: int
    flux: bool
    aims: tuple[Aim, ...]


class Misplaced(NamedTuple):
    line: int
    words: str


def may_hold(data: bytes) -> bool:
    return b"reconcile:" in data or b"$imagepolicy" in data


def read(text: str, documents: tuple[Document, ...]) -> Iterator[Marked | Misplaced]:
    """Every marker of a file with its value, and every one that is none."""
    found = list(_COMMENT.finditer(text))
    for document in documents:
        if document.root is None or document.template:
            continue
        inside = [each for each in found if document.start <= each.start() < document.end]
        if inside:
            yield from _in_document(text, document, inside)


def _in_document(
    text: str, document: Document, comments: list[re.Match[str]]
) -> Iterator[Marked | Misplaced]:
    assert document.root is not None
    values = _Values(text)
    for keys, key, node in _leaves(document.root, (), None):
        values.add(keys, key, node)
        if isinstance(node, Scalar) and node.style == "|" and (OURS in node.value or FLUX in node.value):
            yield from _in_block(text, document, keys, node)
    line, counted = 1, 0
    for comment in comments:
        at = comment.start()
        line, counted = line + text.count("\n", counted, at), at
        aims = None if values.hold(at) else _aims(comment)
        if aims is None:
            continue
        hit = None if isinstance(aims, str) else values.before(at)
        if isinstance(aims, str):
            yield Misplaced(line, aims)
        elif hit is None:
            yield Misplaced(line, "the comment stands behind no single value, so it marks nothing")
        else:
            yield Marked(document, hit[0], (), hit[1], line, bool(comment["flux"]), aims)


class _Values:
    """The single values of a document, by where they stand."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._by_end: dict[int, tuple[tuple[Key, ...], Node]] = {}

    def add(self, keys: tuple[Key, ...], key: Node | None, node: Node) -> None:
        """In the order of the text."""
        end = node.end
        if node.start == node.end and key is not None:
            end = self._text.find(":", key.end) + 1  # nothing stands there: it counts as behind the colon
        else:
            self._starts.append(node.start)
            self._ends.append(node.end)
        if not (isinstance(node, Scalar) and node.style in ("|", ">")):
            self._by_end[end] = (keys, node)

    def hold(self, at: int) -> bool:
        """Whether a value has this character within its text: then it begins no comment."""
        index = bisect_right(self._starts, at) - 1
        return index >= 0 and at < self._ends[index]

    def before(self, at: int) -> tuple[tuple[Key, ...], Node] | None:
        """The value that a comment follows in its line, with nothing but a comma between."""
        line = self._text[self._text.rfind("\n", 0, at) + 1 : at]
        start = at - len(line)
        stem = line.rstrip(" \t")
        found = self._by_end.get(start + len(stem)) if stem else None
        return found or self._by_end.get(start + len(stem.removesuffix(",").rstrip(" \t")))


def _in_block(
    text: str, document: Document, keys: tuple[Key, ...], node: Scalar
) -> Iterator[Marked | Misplaced]:
    """Values inside of `values: |`, which are YAML of their own."""
    block = literal.block(text, node)
    if not isinstance(block, literal.Block):
        return
    inner = parse(block.text)
    if len(inner) != 1:
        return
    for found in read(block.text, inner):
        if isinstance(found, Marked) and not found.inner:
            line = node.line + found.line
            yield found._replace(document=document, keys=keys, inner=found.keys, line=line)


def _leaves(
    node: Node, keys: tuple[Key, ...], key: Node | None
) -> Iterator[tuple[tuple[Key, ...], Node | None, Node]]:
    """Every single value with the keys that lead to it."""
    if isinstance(node, Mapping):
        for name, value in node.pairs:
            if isinstance(name, Scalar):
                yield from _leaves(value, (*keys, name.value), name)
    elif isinstance(node, Sequence):
        for position, item in enumerate(node.items):
            yield from _leaves(item, (*keys, position), None)
    else:
        yield keys, key, node


def _aims(comment: re.Match[str]) -> tuple[Aim, ...] | str | None:
    """What the comment says; a sentence where it can't be read; None where it isn't a marker."""
    if comment["flux"]:
        return _flux(comment["flux"])
    parts = [part.strip() for part in comment["ours"].removeprefix(OURS).split(",")]
    if len(parts) > _MOST:
        return f"the comment names more than {_MOST} values"
    found = [_ours(part) for part in parts]
    wrong = next((each for each in found if isinstance(each, str)), None)
    if wrong is not None:
        return wrong
    aims = tuple(each for each in found if isinstance(each, Aim))
    if len({(aim.field.resource, aim.form) for aim in aims}) > 1:
        return "the comment names values of several kinds: one line can't be cpu and memory"
    return aims


def _ours(text: str) -> Aim | str:
    found = _TARGET.fullmatch(text)
    if found is None or found["field"] not in _FIELDS:
        words = "NAMESPACE/KIND/NAME/CONTAINER FIELD [in UNIT], e.g. shop/Deployment/web/app requests.cpu"
        return f"the comment can't be read: write # reconcile: {words}"
    field, form = _FIELDS[found["field"]]
    unit = found["unit"] or ""
    units = _units(field)
    if unit and unit not in units:
        return f"{field.value} has no unit {unit[:20]}: it can be one of {', '.join(units) or 'none'}"
    cluster, namespace, kind, workload, container = found.group(1, 2, 3, 4, 5)
    return Aim(cluster or "", namespace or "", kind, workload, container, field, unit or form)


def _units(field: Field) -> list[str]:
    return [unit for unit in UNITS if field.resource and (unit in CPU_UNITS) == (field.resource == "cpu")]


def _flux(text: str) -> tuple[Aim, ...] | str | None:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    policy = said.get("$imagepolicy") if isinstance(said, dict) else None
    if policy is None:
        return None
    found = _POLICY.fullmatch(policy) if isinstance(policy, str) else None
    if found is None:
        return (
            "the comment names no ImagePolicy: Flux wants NAMESPACE:NAME, with :tag, :name or :digest behind"
        )
    who = ("", found["namespace"], "ImagePolicy", found["name"], "image")
    return (Aim(*who, Field.IMAGE, found["part"] or ""),)
