"""Planned peaks: days for which a load is expected that the last weeks don't show."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from reconciler.config import units
from reconciler.config.fields import UNSET, Cpu, Duration, Flag, Line, Memory, Written
from reconciler.model import PlannedPeak

_DAY = 86_400
_A_WEEK = 7 * _DAY


def _moment(text: str) -> str:
    units.moment(text)
    return text


def _lead(value: int) -> int:
    if value > 90 * _DAY:
        raise ValueError("expected at most 90d")
    return value


class PeakEntry(Written):
    """A time for which more is needed than the last weeks show, such as a sale."""

    start: Annotated[Line, AfterValidator(_moment)] = Field(
        alias="from", description="First day or moment: 2026-11-23, 2026-11-23T18:00+01:00. UTC without zone."
    )
    end: Annotated[Line, AfterValidator(_moment)] = Field(
        alias="to", description="Last day, which counts in full, or moment."
    )
    why: Line = Field(description="The reason, for reports and merge requests.")
    cpu: Cpu = Field(default=UNSET, description="The CPU request that is had by then, at least.")
    memory: Memory = Field(default=UNSET, description="The memory request that is had by then, at least.")
    as_last_year: Flag = Field(
        default=False, description="What was needed in the same days a year before is had by then, at least."
    )
    every: Literal["year"] = Field(default=UNSET, description="It comes again every year, on these dates.")
    lead: Annotated[Duration, AfterValidator(_lead)] = Field(
        default=_A_WEEK, description="How long before its first day it is prepared for."
    )

    @model_validator(mode="after")
    def _sound(self) -> PeakEntry:
        peak = self.peak
        if peak.end <= peak.start:
            raise ValueError("the peak ends before it begins")
        if peak.end - peak.start > 180 * _DAY:
            raise ValueError("a peak lasts for at most 180 days: for longer, say a floor")
        if not (peak.cpu or peak.memory or peak.as_last_year):
            raise ValueError("say what is needed then: cpu, memory, or asLastYear: true")
        return self

    @property
    def peak(self) -> PlannedPeak:
        return PlannedPeak(
            start=units.moment(self.start),
            end=units.moment(self.end, end=True),
            why=self.why,
            cpu=self.cpu or 0,
            memory=self.memory or 0,
            as_last_year=self.as_last_year,
            yearly=self.every is not None,
            lead=self.lead,
        )
