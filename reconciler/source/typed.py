"""Values with their types, as Kubernetes and Helm read them from YAML, and as JSON that both read alike."""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from reconciler.model import Key, Reason, Refused
from reconciler.source.view import TooMuchError, View, is_null
from reconciler.source.yamledit import (
    Document,
    Mapping,
    Node,
    Scalar,
    Sequence,
    decode,
    parse,
    parse_some,
    split,
)

Value = object  # None, bool, int, float, str, list[Value] or dict[str, Value]
Table = dict[str, Value]

_TRUE: Final = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
_FALSE: Final = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
_TEXT_TAGS: Final = ("!", "tag:yaml.org,2002:str")
_INTEGER: Final = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9][0-9]*|0)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")
_LONGEST: Final = 40
_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_CRD: Final = re.compile(r"^kind:[ \t]*[\"']?CustomResourceDefinition\b", re.MULTILINE)
_MOST_VALUES: Final = 200_000


class Thing(NamedTuple):
    """One object in a file: what it says, and where it stands."""

    repository: str
    path: str
    document: int
    keys: tuple[Key, ...]  # to the object; not empty for an item of a list
    line: int
    body: Table

    @property
    def kind(self) -> str:
        return text(self.body.get("kind"))

    @property
    def group(self) -> str:
        return text(self.body.get("apiVersion")).rpartition("/")[0]

    @property
    def name(self) -> str:
        return text(table(self.body.get("metadata")).get("name"))

    @property
    def namespace(self) -> str:
        return text(table(self.body.get("metadata")).get("namespace"))


def table(value: Value) -> Table:
    return value if isinstance(value, dict) else {}


def items(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


def text(value: Value) -> str:
    """A string, or what stands where one should; "" for nothing and for what has parts."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


def texts(value: Value) -> tuple[str, ...]:
    return tuple(text(each) for each in items(value))


def table_of(value: Value, *keys: str) -> Table:
    for key in keys:
        value = table(value).get(key)
    return table(value)


def read_values(data: bytes) -> Value | Refused:
    """What a file of one document holds; None when it is empty."""
    found = decode(data)
    if isinstance(found, Refused):
        return found
    return values_in(found)


def values_in(source: str) -> Value | Refused:
    for document in parse(source):
        if document.error:
            words = f"line {document.error_line} can't be read as YAML: {document.error}"
            return Refused(Reason.NOT_DEPLOYABLE, words)
        try:
            return typed(View(document), document.root)
        except TooMuchError as error:
            return Refused(Reason.UNSUPPORTED, f"its YAML means too much: {error}")
    return None


class Broken(NamedTuple):
    """A document that can't be read: where, and why."""

    line: int
    words: str
    text: str


def things(
    repository: str, path: str, source: str, wanted: re.Pattern[str]
) -> tuple[list[Thing], list[Broken]]:
    """Every object of the documents that hold a pattern, and those of them that hide what they hold.

    The rest is not even read: most of what is applied beside a definition is a hundred times as long.
    """
    asked = {
        at
        for at, (start, end) in enumerate(split(source))
        if wanted.search(source, start, end) and not _CRD.search(source, start, end)
    }
    found: list[Thing] = []
    broken: list[Broken] = []
    for document in parse_some(source, asked):
        if document.line == 0:
            continue  # not asked for
        inside = source[document.start : document.end]
        if document.error:
            broken.append(Broken(document.error_line, document.error, inside))
        elif document.root is not None:
            try:
                body = typed(View(document), document.root)
            except TooMuchError as error:
                broken.append(Broken(document.line, str(error), inside))
            else:
                found += _objects(repository, path, document, document.root, body)
    return found, broken


def _objects(repository: str, path: str, document: Document, root: Node, body: Value) -> list[Thing]:
    if not isinstance(body, dict):
        return []
    if not text(body.get("kind")).endswith("List") or not isinstance(body.get("items"), list):
        return [Thing(repository, path, document.index, (), root.line, body)]
    node = View(document).get(root, "items")
    lines = [item.line for item in node.items] if isinstance(node, Sequence) else []
    return [
        Thing(
            repository, path, document.index, ("items", at), lines[at] if at < len(lines) else root.line, item
        )
        for at, item in enumerate(items(body.get("items")))
        if isinstance(item, dict)
    ]


def typed(view: View, node: Node | None) -> Value:
    """Everything below a node, aliases followed and merge keys merged in."""
    return _Reader(view).read(node)


class _Reader:
    def __init__(self, view: View) -> None:
        self._view = view
        self._left = _MOST_VALUES

    def read(self, node: Node | None) -> Value:
        self._left -= 1
        if self._left < 0:
            raise TooMuchError(f"it means more than {_MOST_VALUES} values")
        node = self._view.followed(node)
        if isinstance(node, Scalar):
            return scalar(node)
        if isinstance(node, Sequence):
            return [self.read(item) for item in node.items]
        if isinstance(node, Mapping):
            return {key: self.read(value) for key, value in self._view.entries(node).items()}
        return None


def scalar(node: Scalar) -> Value:
    if node.style or node.tag in _TEXT_TAGS:
        return node.value
    if is_null(node):
        return None
    return plain(node.value)


def plain(word: str) -> Value:
    """What a word without quotes means."""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    bare = word.replace("_", "")
    if len(bare) > _LONGEST or not bare or bare[0] not in "+-.0123456789":
        return word
    if _INTEGER.fullmatch(bare):
        return _integer(bare)
    return _float(bare) if _FLOAT.fullmatch(bare) else word


def _float(word: str) -> Value:
    """A number that is whole is written without a point: `1e3` is 1000."""
    found = float(word)
    if found != found or found in (float("inf"), float("-inf")):
        return word
    return int(found) if found.is_integer() and abs(found) < 1e15 else found


def _integer(word: str) -> int:
    sign = -1 if word.startswith("-") else 1
    digits = word.lstrip("+-").lower()
    if digits.startswith("0x"):
        return sign * int(digits, 16)
    if digits.startswith("0b"):
        return sign * int(digits, 2)
    if len(digits) > 1 and digits.startswith("0"):
        return sign * int(digits.removeprefix("0o"), 8)
    return sign * int(digits)


def as_json(value: Value) -> bytes:
    """JSON that is YAML with the same meaning, too."""
    found = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    return _ESCAPED.sub(lambda at: f"\\u{ord(at[0]):04x}", found).encode("utf-8", "replace")


def merge_patch(base: Value, patch: Value) -> Value:
    """RFC 7386: what JSON's merge patch makes of a value."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(table(base))
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def has_null(value: Value) -> bool:
    if isinstance(value, dict):
        return any(has_null(each) for each in value.values())
    return value is None
