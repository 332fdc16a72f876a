"""Checks plain data against a model, and says every mistake in the user's words."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.config.document import Document, Loc
from reconciler.config.mistakes import Mistake, clipped, nearest, shown
from reconciler.errors import Misconfigured

M = TypeVar("M", bound=BaseModel)

# What may stand here is nobody's business, not even in an error message.
_UNSHOWN = frozenset(
    {
        "tokenEnv", "tokenFile", "token", "passwordEnv", "passwordFile", "password", "username", "secret",
        "proxy", "url", "key", "repository", "host", "headers", "headersFrom", "parameters",
    }
)  # fmt: skip
_SECRETS = frozenset({"token", "password", "secret", "apiKey"})
# Every object of Kubernetes has these, so they don't tell what a file is meant to be.
_OF_ANY_OBJECT = frozenset({"apiVersion", "kind", "metadata"})

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list, like [a, b]",
    "list_type": "a list, like [a, b]",
    "dict_type": "a mapping of keys and values",
    "mapping_type": "a mapping of keys and values",
    "model_type": "a mapping of keys and values",
    "model_attributes_type": "a mapping of keys and values",
}


class Wrong(NamedTuple):
    """All that is wrong with a document, and which of its keys that is about."""

    mistakes: list[Mistake]
    places: tuple[Loc, ...] = ()
    recognised: bool = True


def check(model: type[M], document: Document, path: str, base: Path | None = None) -> M | Wrong:
    """The model made of the document, or all that is wrong with it. Paths are relative to `base`."""
    if not _recognised(model, document.data):
        # It may be any file at all, so nothing of it is repeated.
        return Wrong([mistake(document, path, (), _not_at_all(model))], recognised=False)
    try:
        found = model.model_validate(document.data, context={"base": base})
    except ValidationError as error:
        errors = error.errors(include_url=False)
        told = [_mistake(model, one, document, path) for one in errors]
        return Wrong([*document.twice, *told], tuple(tuple(one["loc"]) for one in errors))
    return Wrong(list(document.twice)) if document.twice else found


def made(model: type[M], data: object, what: str) -> M:
    """The model made of what the command line or a clone says: the first thing wrong is the sentence."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        told = _message(model, first).removeprefix(f"{_name(first['loc'])}: ")
        raise Misconfigured(what, f"{what}: {told}") from None


def _recognised(model: type[BaseModel], data: object) -> bool:
    """Whether somebody meant to write this kind of file: it says so, or has keys of its own kind."""
    if not isinstance(data, dict):
        return False
    own = {field.alias or name for name, field in model.model_fields.items()} - _OF_ANY_OBJECT
    return str(data.get("apiVersion")).startswith("reconciler/") or bool(own & data.keys())


def _not_at_all(model: type[BaseModel]) -> str:
    if "kind" in model.model_fields:
        return "this is no policy: one begins with apiVersion: reconciler/v1 and kind: Policy"
    return "these are no settings: they are a mapping that begins with apiVersion: reconciler/v1"


def mistake(
    document: Document, path: str, loc: Sequence[object], message: str, *, key: bool = False
) -> Mistake:
    spot = document.spot(loc, key=key)
    return Mistake(path, spot.line, spot.column, message)


def _mistake(model: type[BaseModel], error: ErrorDetails, document: Document, path: str) -> Mistake:
    loc = error["loc"]
    on_key = error["type"] == "extra_forbidden"
    return mistake(document, path, loc, _message(model, error), key=on_key)


def _message(model: type[BaseModel], error: ErrorDetails) -> str:
    loc, kind = error["loc"], error["type"]
    name = _name(loc)
    found = "" if _UNSHOWN & set(map(str, loc)) else f", found {shown(error['input'])}"
    if kind == "extra_forbidden":
        return _unknown(str(loc[-1]), _known_keys(model, loc[:-1]))
    if kind == "missing":
        return f"{name} is missing"
    if kind in ("literal_error", "enum"):
        words = _words(model, loc)
        hint = nearest(error["input"], words) if isinstance(error["input"], str) else ""
        near = hint if hint.startswith("; did") else ""
        return f"{name}: expected {_one_of(words)}{found}{near}"
    if kind == "value_error":
        said = str(error["ctx"]["error"])
        return f"{name}: {said}{found if said.startswith('expected') else ''}"
    if kind in _EXPECTED:
        quote = ": put it in quotes" if kind == "string_type" and isinstance(error["input"], int) else ""
        return f"{name}: expected {_EXPECTED[kind]}{found}{quote}"
    said = error["msg"].removeprefix("Value error, ").removeprefix("Input ").replace("should be", "must be")
    return f"{name}: {said}{found}"


def _unknown(key: str, known: Sequence[str]) -> str:
    for kind in ("password", "token") if key == "password" else ("token", "password"):
        if key in _SECRETS and f"{kind}File" in known:
            where = f"{kind}File or {kind}Env"
            return f'"{key}" would put a secret into this file: name where it lies with {where}'
    return f"unknown key {shown(key)}{nearest(key, known)}"


def _name(loc: Sequence[object]) -> str:
    """`forges[0].url`; what is wrong with a key of a mapping is said of the key."""
    loc = loc[:-1] if loc and loc[-1] == "[key]" else loc
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{clipped(str(part))}" for part in loc)
    return text.removeprefix(".") or "the file"


def _one_of(words: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


# ---------------------------------------------------------------------------------------------
# What a model has at a place
# ---------------------------------------------------------------------------------------------


def _known_keys(model: type[BaseModel], loc: Sequence[object]) -> list[str]:
    found = _type_at(model, loc)
    return [field.alias or name for name, field in found.model_fields.items()] if _is_model(found) else []


def _words(model: type[BaseModel], loc: Sequence[object]) -> list[str]:
    found = _type_at(model, loc)
    if isinstance(found, type) and hasattr(found, "__members__"):
        return [str(member.value) for member in found.__members__.values()]
    return [str(word) for word in typing.get_args(found)]


def _type_at(model: Any, loc: Sequence[object]) -> Any:
    """The annotation that stands behind those keys; None when they lead nowhere."""
    for part in loc:
        model = _bare(model)
        if _is_model(model):
            fields = {field.alias or name: field for name, field in model.model_fields.items()}
            model = fields[str(part)].annotation if part in fields else None
        elif typing.get_origin(model) in (tuple, list):
            model = typing.get_args(model)[0]
        elif isinstance(typing.get_origin(model), type) and issubclass(typing.get_origin(model), Mapping):
            model = typing.get_args(model)[1]
    return _bare(model)


def _bare(annotation: Any) -> Any:
    """Without `| None` and metadata."""
    if hasattr(annotation, "__metadata__"):
        return _bare(annotation.__origin__)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return _bare(next(one for one in typing.get_args(annotation) if one is not type(None)))
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
