"""What a policy can say of limits."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from reconciler.config import units
from reconciler.config.fields import UNSET, Flag, Written

_WORDS: Final = ("keep", "raise", "equal", "ratio", "none")
ADDS_NONE: Final = ("keep", "raise", "ratio", "none")  # of these, none says how high a new limit is
_LARGEST: Final = 100_000
_SHARE: Final = r"^[0-9]{3,6}%$"
_EXPECTED: Final = f"expected {', '.join(_WORDS)}, or a share of the request from 100% to {_LARGEST}%"


def _rule(value: object) -> object:
    if isinstance(value, str) and value in _WORDS:
        return value
    if not isinstance(value, str) or not re.fullmatch(_SHARE, value):
        raise ValueError(_EXPECTED)
    if not 100 <= units.percent(value) <= _LARGEST:
        raise ValueError(_EXPECTED)
    return value


LimitRule = Annotated[
    str,
    BeforeValidator(_rule),
    WithJsonSchema({"anyOf": [{"enum": [*_WORDS]}, {"type": "string", "pattern": _SHARE}]}),
]

_LIMIT: Final = (
    "What happens to a limit when its request changes. keep: nothing, and the request stays at or below it. "
    "raise: it goes up with a request that passes it. equal: as raise, and a pair that is equal stays equal. "
    "ratio: it keeps its share of the request. 150%: it is that share of the request. none: as raise, and "
    "a limit that is there is told, to be removed by hand."
)


class Limits(Written):
    """What happens to the limit of one resource."""

    limit: LimitRule = Field(default=UNSET, description=_LIMIT)
    missing_limit: Literal["add", "keep"] = Field(
        default=UNSET,
        description="A container without a limit: add one with the next change of its request, as far as "
        "`limit` says which (equal, or a share), or keep it so.",
    )
    lower_limit: Flag = Field(
        default=UNSET, description="Whether a limit may be lowered, where `limit` asks for it."
    )


def split(rule: str) -> tuple[str, int]:
    """The rule in a word, and the share of the request in per cent where it is one."""
    return ("multiple", int(rule[:-1])) if rule.endswith("%") else (rule, 0)
