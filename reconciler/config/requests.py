"""What a policy says of merge requests: how they are cut and marked, and what a new one has to pass."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, model_validator

from reconciler.config import units
from reconciler.config.fields import UNSET, Duration, Glob, Line, Written
from reconciler.config.settings import Grouping
from reconciler.model import Freeze, Gates, Hours

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,40}(?:/[A-Za-z0-9_+-]{1,40}){0,2}")
_REVIEWER: Final = re.compile(r"@?[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(?:/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){0,9}")
_DAY_MINUTES: Final = 24 * 60
_HOURS: Final = "expected days, times, or both, like mon-fri 09:00-17:00, sat or 22:00-06:00"


def hours(text: str) -> Hours:
    """`mon-fri 09:00-17:00`; without days on all of them, without times all day; `22:00-06:00` goes on
    into the next day."""
    words = text.lower().split()
    if not 1 <= len(words) <= 2:
        raise ValueError(_HOURS)
    days = tuple(range(7)) if _CLOCK.fullmatch(words[0]) else _days(words.pop(0))
    start, end = _clock(words[0]) if words else (0, _DAY_MINUTES)
    return Hours(days, start, end)


def _days(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in _DAYS or (dash and last not in _DAYS):
            raise ValueError(_HOURS)
        begin, end = _DAYS.index(first), _DAYS.index(last if dash else first)
        found |= {(begin + more) % 7 for more in range((end - begin) % 7 + 1)}
    return tuple(sorted(found))


def _clock(text: str) -> tuple[int, int]:
    found = _CLOCK.fullmatch(text)
    if not found:
        raise ValueError(_HOURS)
    start, end = (int(found[at]) * 60 + int(found[at + 1]) for at in (1, 3))
    if start >= _DAY_MINUTES or end > _DAY_MINUTES or start == end:
        raise ValueError("expected a time from 00:00 to 24:00, and another one at which it ends")
    return start, end if end > start else end + _DAY_MINUTES


def _schedule(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _is_hours(text: str) -> str:
    hours(text)
    return text


def _zone(text: str) -> str:
    try:
        if not _ZONE.fullmatch(text):
            raise ZoneInfoNotFoundError
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("expected the name of a time zone, like Europe/Berlin or UTC") from None
    return text


def _reviewer(text: str) -> str:
    if not _REVIEWER.fullmatch(text):
        raise ValueError("expected the name of a user, or of a team as organisation/team")
    return text.removeprefix("@")


def _asked(value: object) -> object:
    if isinstance(value, str) and value not in ("codeowners", "none"):
        raise ValueError("expected codeowners, none, or a list of names")
    return value


Number = Annotated[StrictInt, Field(ge=0, le=1_000_000)]
Reviewers = Annotated[
    Literal["codeowners", "none"] | tuple[Annotated[Line, AfterValidator(_reviewer)], ...],
    BeforeValidator(_asked),
]


class Volume(Written):
    """How many merge requests there may be; null for any number. What is over waits in a queue."""

    open: Number | None = Field(default=None, description="Open at the same time, of a repository.")
    per_hour: Number | None = Field(default=None, description="New ones of a repository within an hour.")
    per_run: Number | None = Field(default=None, description="New ones of one run, of all repositories.")
    per_week: Number | None = Field(default=None, description="New ones of a repository within seven days.")
    per_owner: Number | None = Field(
        default=None, description="Open at the same time, of one owner in a repository."
    )


def _moment(text: str) -> str:
    units.moment(text)
    return text


def _some_time(seconds: int) -> int:
    if not 0 < seconds <= 3660 * 86_400:
        raise ValueError("expected at most 3660d; null for no end")
    return seconds


class FreezeEntry(Written):
    """A time in which nothing is proposed or merged."""

    start: Annotated[Line, AfterValidator(_moment)] = Field(
        alias="from", description="First day or moment: 2026-12-20, 2026-12-20T18:00+01:00. UTC without zone."
    )
    end: Annotated[Line, AfterValidator(_moment)] = Field(
        alias="to", description="Last day, which counts in full, or moment."
    )
    why: Line = Field(description="The reason, for reports.")

    @model_validator(mode="after")
    def _in_order(self) -> FreezeEntry:
        if self.freeze.end <= self.freeze.start:
            raise ValueError("the freeze ends before it begins")
        return self

    @property
    def freeze(self) -> Freeze:
        return Freeze(units.moment(self.start), units.moment(self.end, end=True), self.why)


def _label(text: str) -> str:
    if "," in text or len(text) > 50:
        raise ValueError("expected a label of at most 50 characters, without ','")
    return text


class Requests(Written):
    """How merge requests are cut and marked, and when there are none."""

    group: Grouping = Field(default=UNSET, description="What shares a merge request.")
    images: Literal["separate", "together"] = Field(
        default=UNSET,
        description="Whether images have merge requests of their own or share those of savings.",
    )
    freeze: tuple[FreezeEntry, ...] = Field(
        default=UNSET, description="Times in which nothing is proposed or merged, safety included."
    )
    labels: tuple[Annotated[Line, AfterValidator(_label)], ...] = Field(
        default=UNSET, description="Labels of its merge requests."
    )
    schedule: Annotated[
        tuple[Annotated[Line, AfterValidator(_is_hours)], ...],
        BeforeValidator(_schedule, json_schema_input_type=Line | tuple[Line, ...]),
    ] = Field(
        default=UNSET, description="When new ones are opened: mon-fri 09:00-17:00, or a list. [] for always."
    )
    timezone: Annotated[Line, AfterValidator(_zone)] = Field(
        default=UNSET, description="Time zone of the schedule, by its IANA name: Europe/Berlin."
    )
    approval: Literal["none", "required"] = Field(
        default=UNSET, description="Whether somebody has to ask for a new one on the dashboard first."
    )
    limits: Volume = Field(default=UNSET, description="How many there may be; the rest waits in a queue.")
    owner: Annotated[Line, AfterValidator(_reviewer)] | None = Field(
        default=None, description="Whose they are, for limits.perOwner; null for whom CODEOWNERS names."
    )
    reviewers: Reviewers = Field(
        default=UNSET, description="Who is asked to review: codeowners, none, or names of users and teams."
    )
    rejected_for: Annotated[Duration, AfterValidator(_some_time)] | None = Field(
        default=None,
        description="How long a request that somebody closed stays closed; null: until the numbers move.",
    )
    place: Literal["source", "overlay"] = Field(
        default=UNSET, description="Where a value is written: where it is set today, or over it."
    )
    derived: Literal["refuse", "allow"] = Field(
        default=UNSET, description="Fields of the same workload that a chart works out from a changed one."
    )
    team_labels: tuple[Glob, ...] = Field(
        default=UNSET,
        description="Labels that teams' own policies may add: patterns. Only the operator says it.",
    )


def gates(value: Any) -> Gates:
    """What holds, by `value` of each key below `proposals`."""
    said = value("reviewers")
    names = () if isinstance(said, str) else tuple(dict.fromkeys(said))
    return Gates(
        hours=tuple(map(hours, value("schedule"))),
        time_zone=value("timezone"),
        approval=value("approval"),
        most_open=value("limits", "open"),
        per_hour=value("limits", "perHour"),
        per_run=value("limits", "perRun"),
        per_week=value("limits", "perWeek"),
        per_owner=value("limits", "perOwner"),
        owner=value("owner") or "",
        reviewers_from=said if isinstance(said, str) else "names",
        reviewers=names,
        rejected_for=value("rejectedFor"),
    )
