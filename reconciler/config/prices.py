"""The section `prices`: what an hour of requested CPU and memory costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from reconciler.config.fields import Currency, Glob, HourlyPrice, Line, Written


class PriceRule(Written):
    """What an hour costs in some clusters, or for pods that choose some nodes. The first that fits holds."""

    clusters: tuple[Glob, ...] = Field(default=(), description="Names of clusters. Without: all.")
    cluster_labels: Mapping[Line, Glob] = Field(
        default={}, description="Labels of clusters. All of them must be there; values are patterns."
    )
    node_selector: Mapping[Line, Glob] = Field(
        default={}, description="Labels that the pods' own nodeSelector asks for: {pool: spot}."
    )
    source: Literal["opencost"] | None = Field(
        default=None, alias="from", description="Take OpenCost's prices, from the cluster's own metrics."
    )
    currency: Currency = Field(
        default="USD", description="Three letters. OpenCost's own isn't in its series."
    )
    cpu_hour: HourlyPrice | None = Field(default=None, description="Price of a core for an hour.")
    gib_hour: HourlyPrice | None = Field(default=None, description="Price of a GiB of memory for an hour.")

    @model_validator(mode="after")
    def _one_price(self) -> PriceRule:
        said = [self.cpu_hour is not None, self.gib_hour is not None]
        if self.source is not None and any(said):
            raise ValueError("from and cpuHour or gibHour both say a price: remove one")
        if self.source is None and not all(said):
            missing = (
                "gibHour" if said[0] else "cpuHour" if said[1] else "cpuHour and gibHour, or from: opencost"
            )
            raise ValueError(f"a price needs {missing}")
        return self


def _listed(value: object) -> object:
    """`opencost`, and a single rule, are lists of one."""
    if isinstance(value, str):
        if value != "opencost":
            raise ValueError("expected opencost, or a list like [{cpuHour: 0.0316, gibHour: 0.0042}]")
        return [{"from": value}]
    return [value] if isinstance(value, dict) else value


PriceRules = Annotated[
    tuple[PriceRule, ...],
    BeforeValidator(_listed, json_schema_input_type=Literal["opencost"] | PriceRule | tuple[PriceRule, ...]),
]
