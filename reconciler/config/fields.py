"""The kinds of values that settings and policies are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, get_origin
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from reconciler import money
from reconciler.config import units
from reconciler.config.paths import tidied
from reconciler.model import Amount
from reconciler.quantity import BadQuantity, flaw, parse_cpu, parse_memory

API_VERSION: Final = "reconciler/v1"
UNSET: Final[Any] = None  # the default of keys that needn't be said; null itself is no value of theirs

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SCP: Final = re.compile(r"(?:[^@/:\s]+@)?(?:\[[0-9A-Fa-f:.]+\]|[^@/:\s\[]+):(?!:)(?P<path>.+)")


class Written(BaseModel):
    """A mapping in a file: camelCase keys, no unknown ones, never changed once read."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_sections(cls, data: object) -> object:
        """A section with all its lines commented out says nothing, and is no mistake."""
        if not isinstance(data, dict):
            return data
        sections = {field.alias or name for name, field in cls.model_fields.items() if _is_section(field)}
        return {key: value for key, value in data.items() if value is not None or key not in sections}


def _is_section(field: FieldInfo) -> bool:
    kind = get_origin(field.annotation) or field.annotation
    return isinstance(kind, type) and issubclass(kind, tuple | Mapping | BaseModel)


def _before(read: Callable[[str], int], **schema: object) -> tuple[BeforeValidator, WithJsonSchema]:
    """A text (or a plain number) that stands for an integer."""

    def convert(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ValueError(f"expected text like {schema['examples'][0]}")  # type: ignore[index]
        return read(str(value))

    return BeforeValidator(convert), WithJsonSchema({"type": "string", **schema})


def _cpu(text: str) -> int:
    return _quantity(parse_cpu, "cpu", text)


def _memory(text: str) -> int:
    return _quantity(parse_memory, "memory", text)


def _quantity(parse: Callable[[str], int], resource: str, text: str) -> int:
    try:
        value, why = parse(text), flaw(resource, text)
    except BadQuantity as error:
        raise ValueError(str(error)) from None
    if why:
        raise ValueError(why)
    if value < 0:
        raise ValueError("it can't be below zero")
    return value


def _amount(value: object) -> object:
    """Money, exactly: a document is read without floats, so `0.0316` comes as the text it is."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("expected an amount of money like 5, $5 or 5 EUR")
    return money.amount(str(value))


def _price(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("expected the price of an hour like 0.0316")
    return money.millionths(str(value))


def single_line(text: str) -> str:
    if not text.strip() or _CONTROL.search(text) or len(text) > 1024:
        raise ValueError("expected one line of text, not empty and without control characters")
    return text


def _named(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("expected a name of letters, digits, '.', '_' and '-', at most 63 of them")
    return text


def _variable(text: str) -> str:
    if not _VARIABLE.fullmatch(text):
        raise ValueError("expected the name of an environment variable, like FORGE_TOKEN")
    return text


def glob(text: str) -> str:
    single_line(text)
    if len(text) > 256:
        raise ValueError("a pattern has at most 256 characters")
    return text


def resolved(path: str, info: ValidationInfo) -> Path:
    """Relative to the file that says it."""
    base = (info.context or {}).get("base")
    found = Path(path).expanduser() if path.startswith("~/") else Path(path)
    return tidied(base / found) if base is not None else found


def _path(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str):
        raise ValueError("expected a path")
    return resolved(single_line(value), info)


def _web(text: str) -> str:
    """The address of a server, without what must not stand in a settings file."""
    single_line(text)
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("the address can't be read; expected one like https://HOST/PATH") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in text:
        raise ValueError("expected an address like https://HOST or https://HOST:PORT/PATH")
    _no_credentials(text)
    if parts.query or parts.fragment:
        raise ValueError("'?' and '#' have no place in this address")
    return text.rstrip("/")


def _no_credentials(text: str) -> None:
    authority = urlsplit(text).netloc
    user, at, _ = authority.rpartition("@")
    if at and (":" in user or text.startswith("http")):
        raise ValueError("a name or password in an address ends up in logs: the settings name a file for it")


def _repository(text: str, info: ValidationInfo) -> str:
    """A repository's address, or a folder, which is made absolute."""
    single_line(text)
    if text.startswith("-") or re.match(r"[A-Za-z0-9+.-]*::", text):
        raise ValueError("this address is not accepted: write https://HOST/PATH, USER@HOST:PATH or a folder")
    if "://" in text:
        scheme = text.partition("://")[0]
        if scheme not in ("https", "http", "ssh", "git+ssh", "ssh+git", "file"):
            raise ValueError("expected https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH or a folder")
        _no_credentials(text)
        return text
    if _SCP.fullmatch(text) and "/" not in text.partition(":")[0]:
        return text
    return str(resolved(text, info))


def _repository_ref(text: str, info: ValidationInfo) -> str:
    """A repository's name as it is, or else its address."""
    return text if _NAME.fullmatch(text) else _repository(text, info)


def _inner_path(text: str) -> str:
    """A path inside a repository: with '/', relative, and staying inside."""
    single_line(text)
    parts = text.strip("/").split("/")
    if text.startswith("/") or "\\" in text or ".." in parts:
        raise ValueError("expected a path inside the repository, like apps/web, without '..'")
    return "/".join(part for part in parts if part not in ("", ".")) or "."


Flag = StrictBool
Line = Annotated[str, AfterValidator(single_line)]
Name = Annotated[
    str, AfterValidator(_named), WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$"})
]
Variable = Annotated[
    str, AfterValidator(_variable), WithJsonSchema({"type": "string", "pattern": f"^{_VARIABLE.pattern}$"})
]
Glob = Annotated[
    str, AfterValidator(glob), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 256})
]
File = Annotated[Path, BeforeValidator(_path), WithJsonSchema({"type": "string", "minLength": 1})]
Web = Annotated[str, AfterValidator(_web), WithJsonSchema({"type": "string", "pattern": "^https?://"})]
RepositoryUrl = Annotated[
    str, AfterValidator(_repository), WithJsonSchema({"type": "string", "minLength": 1})
]
RepositoryRef = Annotated[
    str, AfterValidator(_repository_ref), WithJsonSchema({"type": "string", "minLength": 1})
]
InnerPath = Annotated[str, AfterValidator(_inner_path), WithJsonSchema({"type": "string", "minLength": 1})]
Priority = Annotated[StrictInt, Field(ge=-1_000_000, le=1_000_000)]

_DURATION: Final = r"^[0-9]{1,9}[smhdw]$"
_PERCENT: Final = r"^[0-9]{1,6}%$"
_PERMILLE: Final = r"^[0-9]{1,6}(\.[0-9])?%$"
_NUMBER: Final = ["string", "number"]

Duration = Annotated[int, *_before(units.duration, pattern=_DURATION, examples=["7d"])]
Days = Annotated[int, *_before(units.days, pattern=_DURATION, examples=["14d"])]
Percent = Annotated[int, *_before(units.percent, pattern=_PERCENT, examples=["15%"])]
Permille = Annotated[int, *_before(units.permille, pattern=_PERMILLE, examples=["60%", "2.5%"])]
Percentile = Annotated[int, *_before(units.percentile, type=_NUMBER, examples=["95", "99.5"])]
Cpu = Annotated[int, *_before(_cpu, type=_NUMBER, examples=["250m", "0.5", "2"])]
Memory = Annotated[int, *_before(_memory, type=_NUMBER, examples=["512Mi", "1.5Gi"])]
Money = Annotated[
    Amount, BeforeValidator(_amount), WithJsonSchema({"type": _NUMBER, "examples": ["5", "$5", "5 EUR"]})
]
HourlyPrice = Annotated[
    int, BeforeValidator(_price), WithJsonSchema({"type": _NUMBER, "examples": ["0.0316"]})
]
Currency = Annotated[
    str,
    AfterValidator(money.currency),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["USD", "EUR"]}),
]
