"""A policy as it is written: every key optional, so that it is known which ones were said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt

from reconciler.config.fields import (
    UNSET,
    Cpu,
    Days,
    Duration,
    Flag,
    Glob,
    Line,
    Memory,
    Money,
    Name,
    Percent,
    Percentile,
    Permille,
    Priority,
    Written,
)
from reconciler.config.globs import full_kind
from reconciler.config.images import Images
from reconciler.config.limits import Limits
from reconciler.config.mappings import MappingEntry
from reconciler.config.peers import Peers, Twins
from reconciler.config.planned import PeakEntry
from reconciler.config.requests import Requests
from reconciler.model import Mode


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("an empty list matches nothing: leave the key out to match everything")
    return value


def _path_glob(text: str) -> str:
    if text.startswith("!") or not text.strip("/"):
        raise ValueError("expected a path like teams/payments/**; '!' is not known here")
    return text


def _kind(text: str) -> str:
    return full_kind(text)


def _bounded(low: int, high: int, words: str) -> AfterValidator:
    def bounded(value: int) -> int:
        if not low <= value <= high:
            raise ValueError(f"expected {words}")
        return value

    return AfterValidator(bounded)


Globs = Annotated[tuple[Glob, ...], AfterValidator(_some)]
PathGlobs = Annotated[tuple[Annotated[Glob, AfterValidator(_path_glob)], ...], AfterValidator(_some)]
Estimator = Literal[
    "auto", "percentile", "long-percentile", "worst-pod", "hour-of-week", "decayed",
    "peak", "long-peak", "trend", "replayed",
]  # fmt: skip
Missing = Literal["add", "keep"]
Headroom = Annotated[Percent, _bounded(0, 1000, "a headroom from 0% to 1000%")]

_ESTIMATOR = (
    "auto: long-percentile for CPU, long-peak for memory. percentile: what a share of all samples stays "
    "under. long-percentile: the same, and never lowered beneath the busiest day's p95. worst-pod: the "
    "percentile of the busiest pod. hour-of-week: the p95 of the busiest hour of any week. decayed: the "
    "percentile, older days counting less. peak: the highest sample. long-peak: raised to the recent peak, "
    "lowered to the window's. trend: the peak, and a leak isn't chased. replayed: what would have cost least "
    "on the container's own days."
)
_PERCENTILE = "Which percentile, for the estimators that take one: 95, or 99.5."
_HALF_LIFE = "After how long what was used counts half as much, for estimator decayed."
_RECENT = "Days to whose peak estimator long-peak raises; it lowers to that of the whole window."
_HEADROOM = "Added to the estimate."
_RAISE_EXTRA = "On top of the headroom when a request is raised, so that it isn't raised again soon."
_FLOOR = "The request is never set lower than this."
_CEILING = "The request is never set higher than this; null for no bound."
_ROUND = "Requests are rounded up to a multiple of this; large ones to a coarser one."
_SMALLEST = "Savings worth less than this, over all replicas together, are left alone."
_MISSING = "A container without a request: add one, or keep it so."
_FIXED_HEAP = (
    "A heap or cache of a fixed size, such as -Xmx. floor: the request is never less than it and its room. "
    "hold: it isn't lowered below that, and not raised for it. ignore: only usage counts."
)
_PERCENTAGE_HEAP = (
    "A heap that takes a share of the memory, such as MaxRAMPercentage. keep: usage never lowers the memory. "
    "lower: it may."
)


class CpuLevel(Limits):
    """How the CPU request is worked out."""

    estimator: Estimator = Field(default=UNSET, description=_ESTIMATOR)
    percentile: Percentile = Field(default=UNSET, description=_PERCENTILE)
    half_life: Annotated[Days, _bounded(1, 366, "from 1d to 366d")] = Field(
        default=UNSET, description=_HALF_LIFE
    )
    recent: Annotated[Days, _bounded(1, 366, "from 1d to 366d")] = Field(default=UNSET, description=_RECENT)
    headroom: Headroom = Field(default=UNSET, description=_HEADROOM)
    raise_extra: Headroom = Field(default=UNSET, description=_RAISE_EXTRA)
    floor: Annotated[Cpu, _bounded(1, 1 << 62, "at least 1m")] = Field(default=UNSET, description=_FLOOR)
    ceiling: Cpu | None = Field(default=None, description=_CEILING)
    round: Annotated[Cpu, _bounded(1, 1 << 62, "at least 1m")] = Field(default=UNSET, description=_ROUND)
    smallest_change: Cpu = Field(default=UNSET, description=_SMALLEST)
    missing: Missing = Field(default=UNSET, description=_MISSING)
    whole: Flag = Field(
        default=UNSET,
        description="Containers that have whole CPUs to themselves keep whole ones: those of Guaranteed pods "
        "that ask for a whole number of them.",
    )


class MemoryLevel(Limits):
    """How the memory request is worked out."""

    estimator: Estimator = Field(default=UNSET, description=_ESTIMATOR)
    percentile: Percentile = Field(default=UNSET, description=_PERCENTILE)
    half_life: Annotated[Days, _bounded(1, 366, "from 1d to 366d")] = Field(
        default=UNSET, description=_HALF_LIFE
    )
    recent: Annotated[Days, _bounded(1, 366, "from 1d to 366d")] = Field(default=UNSET, description=_RECENT)
    headroom: Headroom = Field(default=UNSET, description=_HEADROOM)
    raise_extra: Headroom = Field(default=UNSET, description=_RAISE_EXTRA)
    floor: Annotated[Memory, _bounded(1, 1 << 62, "at least 1 byte")] = Field(
        default=UNSET, description=_FLOOR
    )
    ceiling: Memory | None = Field(default=None, description=_CEILING)
    round: Annotated[Memory, _bounded(1, 1 << 62, "at least 1 byte")] = Field(
        default=UNSET, description=_ROUND
    )
    smallest_change: Memory = Field(default=UNSET, description=_SMALLEST)
    missing: Missing = Field(default=UNSET, description=_MISSING)
    fixed_heap: Literal["floor", "hold", "ignore"] = Field(default=UNSET, description=_FIXED_HEAP)
    percentage_heap: Literal["keep", "lower"] = Field(default=UNSET, description=_PERCENTAGE_HEAP)


class Sufficiency(Written):
    """How much must be known for a change that can as well wait: savings, and raises without need."""

    days: Annotated[StrictInt, Field(ge=1, le=366)] = Field(
        default=UNSET, description="Days within the window that must have samples."
    )
    known: Annotated[Days, _bounded(1, 366, "from 1d to 366d")] = Field(
        default=UNSET,
        description="For lowering, where the server has forgotten the begin of the window: how many days "
        "until now must be known.",
    )
    coverage: Annotated[Permille, _bounded(0, 1000, "from 0% to 100%")] = Field(
        default=UNSET, description="Share of the expected samples that must be there."
    )
    weekend: Flag = Field(
        default=UNSET,
        description="Nothing is lowered before a weekday and a day of a weekend have been lived through.",
    )
    age: Annotated[Duration, _bounded(3600, 366 * 86_400, "from 1h to 366d")] = Field(
        default=UNSET, description="How old the newest sample may be for anything to be lowered."
    )


class Band(Written):
    """Within it, a request is near enough to what is needed."""

    up: Annotated[Percent, _bounded(0, 1000, "from 0% to 1000%")] = Field(
        default=UNSET, description="Nothing is raised by this much or less."
    )
    down: Annotated[Percent, _bounded(0, 99, "from 0% to 99%")] = Field(
        default=UNSET, description="Nothing is lowered by this much or less."
    )
    adapt: Literal["small", "all", "none"] = Field(
        default=UNSET,
        description="Whose band follows their size. small: that of small requests is wider downwards. "
        "all: that of large ones is narrower, too. none: one band for all.",
    )


class Step(Written):
    """How far one merge request goes."""

    up: Annotated[Percent, _bounded(1, 100_000, "at least 1%")] = Field(
        default=UNSET, description="At most this much up at once."
    )
    down: Annotated[Percent, _bounded(1, 99, "from 1% to 99%")] = Field(
        default=UNSET, description="At most this much down at once; the rest waits for the cool-down."
    )


class Resources(Written):
    """How requests are worked out."""

    window: Annotated[Days, _bounded(1, 366, "from 1d to 366d")] = Field(
        default=UNSET, description="How far back utilization is looked at."
    )
    evidence: Sufficiency = Field(
        default=UNSET, description="How much must be known for a change that can as well wait."
    )
    cpu: CpuLevel = Field(default=UNSET, description="The CPU request.")
    memory: MemoryLevel = Field(default=UNSET, description="The memory request.")
    band: Band = Field(default=UNSET, description="How near to the need is near enough.")
    step: Step = Field(default=UNSET, description="How far one merge request goes.")
    cool_down: Annotated[Duration, _bounded(0, 366 * 86_400, "at most 366d")] = Field(
        default=UNSET, description="How long after a change the next one waits, unless it can't wait."
    )
    throttled: Annotated[Permille, _bounded(0, 1000, "from 0% to 100%")] = Field(
        default=UNSET,
        description="A container throttled in more of its CPU periods is raised, never lowered.",
    )
    killed: Annotated[Days, _bounded(1, 366, "from 1d to 366d")] = Field(
        default=UNSET,
        description="How long an OOM kill keeps memory from being lowered where the limit has risen since.",
    )
    restarts: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = Field(
        default=UNSET,
        description="So many since the last change, and more often than before it: nothing is lowered.",
    )
    raise_only_kinds: tuple[Annotated[Glob, AfterValidator(_kind)], ...] = Field(
        default=UNSET, description="Kinds whose requests are never lowered."
    )
    qos_class: Literal["keep", "change"] = Field(
        default=UNSET,
        description="A pod's class of service, Guaranteed or Burstable: keep it, or let changes change it.",
    )
    accelerators: Literal["raise", "manage"] = Field(
        default=UNSET,
        description="Containers with a GPU or the like: only raise their requests, or treat them as others.",
    )
    replicas: Literal["keep", "advise"] = Field(
        default=UNSET, description="What autoscalers may do to pods: say nothing of it, or advise."
    )
    init_containers: Literal["keep", "manage"] = Field(
        default=UNSET, description="Init containers run for moments, so their use is hardly measured."
    )
    smallest_savings: Money = Field(
        default=UNSET, description="Savings of less money a month are left alone: 5, $5 or 5 EUR; 0 for none."
    )
    peers: Peers = Field(default=UNSET, description="Whose needs count for each other.")
    twins: Twins = Field(
        default=UNSET, description="From whom a container without history gets its first request."
    )
    peaks: tuple[PeakEntry, ...] = Field(
        default=UNSET, description="Times for which more is needed than the last weeks show."
    )


class Modes(Written):
    """How far Reconciler goes by itself."""

    resources: Mode = Field(default=UNSET, description="For requests and limits.")
    images: Mode = Field(default=UNSET, description="For images.")


def _one_word(value: object) -> object:
    if not isinstance(value, str):
        return value
    words = [mode.value for mode in Mode]
    if value not in words:
        raise ValueError(f"expected {', '.join(words)}, or {{resources: ..., images: ...}}")
    return {"resources": value, "images": value}


def _one_or_many(value: object) -> object:
    if isinstance(value, dict):
        return {key: [one] if isinstance(one, str) else one for key, one in value.items()}
    return value


_GLOB_OR_GLOBS = BeforeValidator(_one_or_many, json_schema_input_type=Mapping[Line, Glob | Globs])


class Match(Written):
    """What a policy is about. All keys must hold; of a list any entry."""

    clusters: Globs = Field(default=UNSET, description="Names of clusters.")
    namespaces: Globs = Field(default=UNSET, description="Namespaces.")
    kinds: Globs = Field(default=UNSET, description="Kinds, in any case; kubectl's short names do.")
    names: Globs = Field(default=UNSET, description="Names of workloads.")
    containers: Globs = Field(default=UNSET, description="Names of containers, such as istio-proxy.")
    labels: Annotated[Mapping[Line, Globs], _GLOB_OR_GLOBS] = Field(
        default=UNSET, description="Labels of workloads. All of them must be there; values are patterns."
    )
    paths: PathGlobs = Field(
        default=UNSET, description="Files in the repository, as in a .gitignore: teams/payments/**."
    )


class Metadata(Written):
    name: Name = Field(description="Name of the policy, for extends and for reports.")


class PolicyFile(Written):
    """A policy: which containers it is about, and what holds for them."""

    api_version: Literal["reconciler/v1"] = Field(description="Version of this file's format.")
    kind: Literal["Policy"] = Field(description="Always Policy.")
    metadata: Metadata = Field(description="What the policy is called.")
    extends: tuple[Name, ...] = Field(
        default=(), description="Policies to start from; a later one wins over an earlier one."
    )
    priority: Priority = Field(
        default=0,
        description="Of two policies the higher one wins. Negative for broad ones, so that narrow ones win.",
    )
    match: Match = Field(default=UNSET, description="What the policy is about. Without it: everything.")
    mode: Annotated[Modes, BeforeValidator(_one_word, json_schema_input_type=Mode | Modes)] = Field(
        default=UNSET,
        description="observe (report only), propose (merge requests) or merge; one word sets both.",
    )
    resources: Resources = Field(default=UNSET, description="How requests are worked out.")
    images: Images = Field(default=UNSET, description="How images are updated.")
    proposals: Requests = Field(default=UNSET, description="How merge requests are cut and marked.")
    fields: tuple[MappingEntry, ...] = Field(
        default=UNSET, description="Values outside of manifests, and which container's they are."
    )


def said(model: Written, where: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every value that is written in it, by its keys."""
    found: dict[tuple[str, ...], Any] = {}
    for name in sorted(model.model_fields_set):
        value, alias = getattr(model, name), type(model).model_fields[name].alias or name
        if isinstance(value, Written):
            found |= said(value, (*where, alias))
        else:
            found[(*where, alias)] = value
    return found
