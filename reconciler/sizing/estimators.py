"""How much a container uses: one number out of what was measured, by the rule that the policy names.

Each rule is a small function in whole numbers. More use never gives less, but for `replayed`, which
chooses between rules. A rule may have a second answer for lowering (`LASTING`), which is never less
than the first: raising goes by what is seen lately, lowering by the longest memory there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from reconciler.model import DayPeaks, LevelPolicy, Sketch, Usage
from reconciler.sizing import replayed as replaying
from reconciler.sizing.words import count

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WHOLE: Final = 1 << 32  # what the newest day weighs


class Estimate(NamedTuple):
    """Millicores or bytes, and in words what they are: `p95 over 14 days`."""

    value: int
    words: str


Estimator = Callable[[Usage, LevelPolicy, str], Estimate]


def percentile(usage: Usage, level: LevelPolicy, resource: str) -> Estimate:
    """That share of all samples is at or below it, whichever pod they are of."""
    return Estimate(_sketch(usage, resource).quantile(level.percentile_permille), _over(share(level), usage))


def worst_pod(usage: Usage, level: LevelPolicy, resource: str) -> Estimate:
    """Of each pod by itself, and the highest of them: a busy pod isn't outvoted by idle ones."""
    worst = usage.memory_worst_pod if resource == "memory" else usage.cpu_worst_pod
    if not any(worst.counts):  # the source tells no pod from another
        return percentile(usage, level, resource)
    # What the source calls the worst pod can be one with few samples: it is never less than all together.
    pooled = _sketch(usage, resource).quantile(level.percentile_permille)
    found = max(worst.quantile(level.percentile_permille), pooled)
    return Estimate(found, _over(f"{share(level)} of the busiest pod", usage))


def hour_of_week(usage: Usage, level: LevelPolicy, resource: str) -> Estimate:
    """The busiest hour of any week counts on each day: a peak on Monday mornings on Wednesday, too."""
    pooled = percentile(usage, level, resource)
    if resource == "memory":
        return peak(usage, level, resource)  # one hour that is short of memory is too many
    if not usage.busy_hours:
        return pooled._replace(words=f"{pooled.words} (hours of the week are unknown)")
    top = max(usage.busy_hours, key=lambda hour: (hour.cpu, -hour.hour))
    if top.cpu < pooled.value:
        return pooled
    when = f"{_DAYS[top.hour // 24]} {top.hour % 24:02}:00 UTC"
    return Estimate(top.cpu, _over(f"p95 of the busiest hour of the week, {when},", usage))


def decayed(usage: Usage, level: LevelPolicy, resource: str) -> Estimate:
    """What is older counts less: half as much after each half-life. Of memory it is the days' peaks."""
    fading = f"{share(level)} with a half-life of {count(level.half_life_days, 'day')}"
    if not level.half_life_days:
        return percentile(usage, level, resource)
    if resource == "cpu":
        if not any(usage.cpu_decayed.counts):  # the source can't weigh days
            return percentile(usage, level, resource)
        return Estimate(usage.cpu_decayed.quantile(level.percentile_permille), _over(fading, usage))
    days = _known(usage.days)
    if not days:
        return percentile(usage, level, resource)
    found = _weighted(days, level)
    return Estimate(found, _over(f"{fading} of the peaks of days", usage))


def peak(usage: Usage, level: LevelPolicy, resource: str) -> Estimate:
    """The highest sample."""
    return Estimate(largest(_sketch(usage, resource)), _over("peak", usage))


def recent_peak(usage: Usage, level: LevelPolicy, resource: str) -> Estimate:
    """The highest sample of the last days: what is long over is no reason to ask for more."""
    days = _known(usage.days)
    last = max((day.day for day in days), default=0)
    recent = [day for day in days if day.day > last - level.recent_days]
    if not level.recent_days or len(recent) == len(days):
        return peak(usage, level, resource)
    return Estimate(max(_top(day, resource) for day in recent), f"peak of the last {len(recent)} days")


def busiest_day(usage: Usage, level: LevelPolicy, resource: str) -> Estimate:
    """The percentile, or the p95 of the busiest day if that is more."""
    pooled = percentile(usage, level, resource)
    if resource == "memory":
        return peak(usage, level, resource)
    top = max((day.cpu_p95 for day in usage.days), default=0)
    if top <= pooled.value:
        return pooled
    return Estimate(top, f"p95 of the busiest of {count(days_of(usage), 'day')}")


def replayed(usage: Usage, level: LevelPolicy, resource: str) -> Estimate:
    """The rule that would have served this container best, of several that are tried on its own days."""
    choice = replaying.best(usage.days, resource)
    if choice is None:  # too few days to try anything on
        return percentile(usage, level, resource) if resource == "cpu" else peak(usage, level, resource)
    return Estimate(choice.value, choice.words)


ESTIMATORS: Final[dict[str, Estimator]] = {
    "percentile": percentile,
    "long-percentile": percentile,
    "worst-pod": worst_pod,
    "hour-of-week": hour_of_week,
    "decayed": decayed,
    "peak": peak,
    "long-peak": recent_peak,
    "trend": peak,
    "replayed": replayed,
}
# What a request isn't lowered beneath, where that is more than what it is raised to.
LASTING: Final[dict[str, Estimator]] = {"long-percentile": busiest_day, "long-peak": peak}
# One rule for each resource was measured to be as good as choosing among them: docs/backtest-results.md.
AUTO: Final = {"cpu": "long-percentile", "memory": "long-peak"}


def named(level: LevelPolicy, resource: str) -> str:
    return AUTO[resource] if level.estimator == "auto" else level.estimator


def estimate(usage: Usage, level: LevelPolicy, resource: str, *, lasting: bool = False) -> Estimate:
    """`lasting` asks for what the request isn't lowered beneath."""
    name = named(level, resource)
    found = ESTIMATORS[name](usage, level, resource)
    if not lasting or name not in LASTING:
        return found
    long = LASTING[name](usage, level, resource)
    return long if long.value >= found.value else found


def largest(sketch: Sketch) -> int:
    """The peak; from the end, because the values ascend and there are hundreds."""
    filled = zip(reversed(sketch.values), reversed(sketch.counts), strict=True)
    return next((value for value, count in filled if count), 0)


def share(level: LevelPolicy) -> str:
    """`p95`, `p99.5`."""
    whole, tenth = divmod(level.percentile_permille, 10)
    return f"p{whole}.{tenth}" if tenth else f"p{whole}"


def _sketch(usage: Usage, resource: str) -> Sketch:
    return usage.memory if resource == "memory" else usage.cpu


def _known(days: Iterable[DayPeaks]) -> list[DayPeaks]:
    return [day for day in days if day.samples > 0]


def _top(day: DayPeaks, resource: str) -> int:
    return day.memory_max if resource == "memory" else day.cpu_max


def days_of(usage: Usage) -> int:
    """Those with samples."""
    return sum([day.samples > 0 for day in usage.days])


def _over(what: str, usage: Usage) -> str:
    return f"{what} over {count(days_of(usage), 'day')}"


def _weighted(days: list[DayPeaks], level: LevelPolicy) -> int:
    """The smallest peak that days of this share of the whole weight don't pass."""
    last = max(day.day for day in days)
    weighed = sorted((day.memory_max, _weight(last - day.day, level.half_life_days)) for day in days)
    wanted, seen = sum(weight for _, weight in weighed) * level.percentile_permille, 0
    for value, weight in weighed:
        seen += weight * 1000
        if seen >= wanted:
            return value
    return weighed[-1][0]


def _weight(age: int, half_life: int) -> int:
    """Half after each half-life, and in a straight line between two of them."""
    halvings, rest = divmod(age, half_life)
    whole = _WHOLE >> min(halvings, 32)
    return max(1, whole - whole * rest // (2 * half_life))
