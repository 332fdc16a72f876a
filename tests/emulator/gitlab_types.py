"""GitLab's answers, as the types of `@gitbeaker/core` have them: an independent client's knowledge.

Reads its declarations (TypeScript) as far as interfaces of plain data go, and makes JSON Schema of
them. `HOLES` are the places where those declarations are known to be narrower than GitLab.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import jsonschema

TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[A-Za-z_$][\w$]*|\d+|=>|[^\s\w]", re.DOTALL
)
PLAIN = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "undefined": {"type": "null"},
    "unknown": {},
    "any": {},
    "never": {},
    "object": {"type": "object"},
    "true": {"const": True},
    "false": {"const": False},
}
NULLABLE = {"anyOf": [{"type": "string"}, {"type": "null"}]}
ANY_USER = {"anyOf": [{"type": "object"}, {"type": "null"}]}
# The interface, the member, and what GitLab really gives there.
HOLES: dict[tuple[str, str], dict[str, Any]] = {
    ("MergeRequestSchema", "detailed_merge_status"): {"type": "string"},  # values were added since
    ("ExpandedPipelineSchema", "committed_at"): NULLABLE,
    ("IssueSchema", "closed_by"): ANY_USER,
    ("IssueSchema", "due_date"): NULLABLE,
    ("IssueSchema", "discussion_locked"): {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
    ("MergeTrainSchema", "merged_at"): NULLABLE,
    ("MergeTrainSchema", "duration"): {"anyOf": [{"type": "number"}, {"type": "null"}]},
    ("MergeTrainSchema", "pipeline"): ANY_USER,
    ("RepositoryCompareSchema", "commit"): ANY_USER,
}


class Types:
    """The interfaces of one file of declarations."""

    def __init__(self, text: str) -> None:
        found = (match[0] for match in TOKEN.finditer(text))
        self._tokens = [each for each in found if not each.startswith(("//", "/*"))]
        starts = (place for place, each in enumerate(self._tokens) if each == "interface")
        self._starts = {self._tokens[place + 1]: place + 2 for place in starts}
        self._made: dict[str, dict[str, Any]] = {}
        self._at = 0

    def schema(self, name: str) -> dict[str, Any]:
        """Of an interface, with those that it extends."""
        if name not in self._made:
            kept, self._at = self._at, self._starts[name]
            self._made[name] = {}  # one that holds itself
            bases = self._bases()
            own = self._members(name)
            self._at = kept
            for base in bases:
                own["properties"] = {**base.get("properties", {}), **own["properties"]}
                narrowed = set(own["properties"]) - set(own["optional"])
                own["required"] = sorted({*base.get("required", []), *own["required"]} & narrowed)
            own.pop("optional")
            self._made[name].update(own)
        return self._made[name]

    def _bases(self) -> list[dict[str, Any]]:
        found = []
        if self._peek() == "extends":
            self._take()
            found.append(self._type())
            while self._peek() == ",":
                self._take()
                found.append(self._type())
        return found

    def _members(self, owner: str) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "object", "properties": {}, "required": [], "optional": []}
        self._take("{")
        while self._peek() != "}":
            name = self._take().strip("'\"")
            if name == "[":  # any other name
                while self._take() != ":":
                    pass
                self._take()  # the rest of `string]: `
                while self._peek() != ";":
                    self._take()
                self._take(";")
                continue
            is_optional = self._peek() == "?"
            if is_optional:
                self._take()
            made["optional" if is_optional else "required"].append(name)
            self._take(":")
            made["properties"][name] = self._type()
            made["properties"][name] = HOLES.get((owner, name), made["properties"][name])
            if self._peek() in (";", ","):
                self._take()
        self._take("}")
        return made

    def _type(self) -> dict[str, Any]:
        if self._peek() == "|":
            self._take()
        kinds = [self._together()]
        while self._peek() == "|":
            self._take()
            kinds.append(self._together())
        return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}

    def _together(self) -> dict[str, Any]:
        kinds = [self._array()]
        while self._peek() == "&":
            self._take()
            kinds.append(self._array())
        return kinds[0] if len(kinds) == 1 else {"allOf": kinds}

    def _array(self) -> dict[str, Any]:
        kind = self._one()
        while self._peek() == "[" and self._tokens[self._at + 1] == "]":
            self._at += 2
            kind = {"type": "array", "items": kind}
        return kind

    def _one(self) -> dict[str, Any]:
        token = self._peek()
        if token == "{":
            made = self._members("")
            made.pop("optional")
            return made
        self._take()
        if token == "(":
            kind = self._type()
            self._take(")")
            return kind
        if token[0] in "'\"":
            return {"const": token[1:-1]}
        if token in PLAIN:
            return dict(PLAIN[token])
        words = self._arguments() if self._peek() == "<" else []
        if token in ("MappedOmit", "Omit", "Pick") and len(words) == 2:
            return _part(words[0], _names(words[1]), keep=token == "Pick")
        if token == "Array":
            return {"type": "array", "items": words[0]}
        return self.schema(token) if token in self._starts and not words else {}

    def _arguments(self) -> list[dict[str, Any]]:
        self._take("<")
        found = [self._type()]
        while self._peek() == ",":
            self._take()
            found.append(self._type())
        self._take(">")
        return found

    def _peek(self) -> str:
        return self._tokens[self._at]

    def _take(self, wanted: str = "") -> str:
        token = self._tokens[self._at]
        if wanted and token != wanted:
            raise ValueError(f"{wanted} was expected, not {token}")
        self._at += 1
        return token


def _names(kind: dict[str, Any]) -> set[str]:
    return {each["const"] for each in kind.get("anyOf", [kind]) if "const" in each}


def _part(kind: dict[str, Any], names: set[str], *, keep: bool) -> dict[str, Any]:
    held = [name for name in kind.get("properties", {}) if (name in names) == keep]
    properties = {name: kind["properties"][name] for name in held}
    return {"type": "object", "properties": properties, "required": [*set(held) & set(kind["required"])]}


# Which interface answers what. The first pattern that fits counts; a list's is of its entries.
ANSWERS = (
    (r"/user$", "SimpleUserSchema", ("avatar_url",)),
    (r"/users$", "SimpleUserSchema", ("created_at",)),
    (r"/merge_requests$ POST", "ExpandedMergeRequestSchema", ()),
    (r"/merge_requests$", "MergeRequestSchema", ()),
    (r"/merge_trains/merge_requests/\d+$", "MergeTrainSchema", ()),
    (r"/merge_requests/\d+(/merge)?$", "ExpandedMergeRequestSchema", ()),
    (r"/merge_requests/\d+/notes(/\d+)?$", "MergeRequestNoteSchema", ()),
    (r"/merge_requests/\d+/approvals$", "MergeRequestLevelMergeRequestApprovalSchema", ()),
    (r"/merge_requests/\d+/reviewers$", "MergeRequestReviewerSchema", ()),
    (r"/merge_requests/\d+/versions$", "MergeRequestDiffVersionsSchema", ()),
    (r"/merge_requests/\d+/commits$", "CommitSchema", ()),
    (r"/merge_requests/\d+/pipelines$", "PipelineSchema", ()),
    (r"/repository/compare$", "RepositoryCompareSchema", ()),
    (r"/issues(/\d+)?$", "IssueSchema", ()),
)


@functools.cache
def _types(declarations: Path) -> Types:
    return Types(declarations.read_text())


@functools.cache
def _validator(declarations: Path, name: str, without: tuple[str, ...]) -> jsonschema.Draft202012Validator:
    schema = _types(declarations).schema(name)
    required = [each for each in schema["required"] if each not in without]
    return jsonschema.Draft202012Validator({**schema, "required": required})


class Published:
    """Every answer of the emulator that isn't a refusal, held to what is published."""

    def __init__(self, declarations: Path) -> None:
        self._declarations = declarations
        self.held: set[str] = set()  # the interfaces that were met

    def check(self, asked: Any, answer: Any) -> None:
        if not 200 <= answer.status < 300 or asked.method == "HEAD":
            return
        for pattern, name, without in ANSWERS:
            if re.search(pattern, asked.path) or re.search(pattern, f"{asked.path} {asked.method}"):
                things = answer.body if isinstance(answer.body, list) else [answer.body]
                for each in things:
                    self.validator(name, without).validate(each)
                    self.held.add(name)
                return

    def validator(self, name: str, without: tuple[str, ...] = ()) -> jsonschema.Draft202012Validator:
        return _validator(self._declarations, name, without)
