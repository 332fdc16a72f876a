"""The way from samples to a number, told: as stages for `explain`, and as one sentence."""

from __future__ import annotations

from reconciler.model import Reason, Stage
from reconciler.sizing import bounds, devices, limits, runtimes, trend
from reconciler.sizing import worth as money
from reconciler.sizing.band import band_of, kept_between
from reconciler.sizing.case import Case
from reconciler.sizing.estimate import Need
from reconciler.sizing.guards import kills_in_words, replicas
from reconciler.sizing.target import Step, Way
from reconciler.sizing.words import count, figure, permille, span

# ---------------------------------------------------------------------------------------------
# Stages
# ---------------------------------------------------------------------------------------------


def of(way: Way, step: Step | None) -> tuple[Stage, ...]:
    told = [*_need_stages(way), *_target_stages(way), *_pod_stages(way)]
    told += [*_gate_stages(way), *_time_stages(way)]
    if step is not None:
        told.append(_step_stage(way, step))
    return tuple(told)


def _need_stages(way: Way) -> list[Stage]:
    case, need = way.case, way.top
    told = [Stage("measured", need.level, _measured(way))]
    told.append(Stage("headroom", need.roomy, _headroom_stage(case, need)))
    if need.kills:
        words = f"{killed_in_words(need)}: 20 % above that, at least 100Mi"
        told.append(Stage("oom", need.wanted, words))
    rising = trend.in_words(case, need)
    if rising:
        told.append(Stage("trend", None, rising))
    if case.planned:
        known = "; ".join(filter(None, (case.planned.words, case.planned.unknown)))
        told.append(Stage("planned peak", case.planned.value or None, known))
    return told


def _headroom_stage(case: Case, need: Need) -> str:
    words = f"{_headroom(case, need)} over the measured level"
    return f"{words}, as it has outgrown its request" if need.extra else words


def _headroom(case: Case, need: Need) -> str:
    """That of a raise has extra room, but for what the next decision would take back."""
    whole = case.level.headroom_percent + need.extra
    cut = need.extra and need.roomy * 100 < need.level * (100 + whole)
    return f"up to {whole} %" if cut else f"{whole} %"


def _target_stages(way: Way) -> list[Stage]:
    case, target, level = way.case, way.target, way.case.level
    ceiling = "no ceiling" if level.ceiling is None else f"ceiling {figure(case.resource, level.ceiling)}"
    bounds = f"floor {figure(case.resource, level.floor)}, {ceiling}"
    told = _runtime_stages(way)
    told += [
        Stage("bounds", target.bounded, bounds),
        Stage(
            "rounding",
            target.rounded,
            f"up, to a multiple of {figure(case.resource, level.round_to)} or coarser",
        ),
    ]
    added = limits.moved(case, way.needs, target.value) if case.limit is None else None
    if added is not None:
        words = f"a limit of {figure(case.resource, added)} is added (limit: {limits.said(case)})"
        told.append(Stage("limit", target.value, words))
    if case.limit is not None:
        words = limits.stage_in_words(case, way.needs, target.value, stuck=target.held is Reason.LIMIT_BELOW)
        told.append(Stage("limit", target.value, words))
    return told


def _runtime_stages(way: Way) -> list[Stage]:
    words = runtimes.stage_in_words(way.case)
    floor = runtimes.floor(way.case, way.top.wanted)
    return [Stage("runtime", floor or None, words)] if words else []


def _pod_stages(way: Way) -> list[Stage]:
    """What the pod, its namespace and its nodes have to say; nothing where they say nothing."""
    case = way.case
    told = [Stage("namespace", None, words) for words in bounds.in_words(case)]
    if case.guaranteed:
        told.append(Stage("class", None, f"Guaranteed, and stays so: {limits.pair_in_words(case)}"))
    if limits.bends(case, way.needs, way.target.value):
        words = "Burstable, and stays so: request and limit are kept apart (qosClass: keep)"
        told.append(Stage("class", None, words))
    found = devices.accelerators(case)
    if found:
        only = case.evidence.policy.sizing.accelerators == "raise"
        words = "what it requests beside that is only raised" if only else "the rest is sized as any other's"
        told.append(Stage("devices", None, f"{' and '.join(found)}; {words}"))
    return told


def _gate_stages(way: Way) -> list[Stage]:
    case = way.case
    current = case.in_force
    if current is None:
        return [Stage("in force", None, "no request and no limit is set")]
    source = _source(case)
    low, high = kept_between(case)
    band = f"kept between {figure(case.resource, low)} and {figure(case.resource, high)}"
    worth = abs(way.target.value - current) * replicas(way)
    least = figure(case.resource, case.level.smallest_change)
    pods = count(replicas(way), "pod")
    return [
        Stage("in force", current, source),
        Stage("dead band", way.target.value, band),
        Stage(
            "worth",
            worth,
            f"the difference for {pods}{money.in_words(way)}; "
            f"savings of less than {least}{money.floor_in_words(way)} are kept",
        ),
    ]


def _source(case: Case) -> str:
    if case.stated is not None:
        return "the request in the file"
    if case.limit is None or case.limit_is_default:
        return "the default of the namespace, as no request is set"
    return "the limit, as no request is set"


def _time_stages(way: Way) -> list[Stage]:
    sizing, usage, last = way.case.evidence.policy.sizing, way.top.usage, way.case.last_change
    share, least = permille(usage.coverage_permille), permille(sizing.min_coverage_permille)
    known = (
        f"{count(usage.samples, 'sample')} on {count(way.top.days, 'day')} (at least {sizing.min_days}), "
        f"{share} of those expected (at least {least})"
    )
    told = [Stage("evidence", None, known)]
    if last is not None:
        ago = span(max(0, way.case.evidence.now - last.at))
        told.append(
            Stage("cool-down", None, f"last changed {ago} ago; {span(sizing.cool_down)} between changes")
        )
    return told


def _step_stage(way: Way, step: Step) -> Stage:
    if step.percent is None:
        return Stage("step", step.value, "all the way at once")
    side = "up" if step.value > (way.case.in_force or 0) else "down"
    return Stage("step", step.value, f"{side} at most {step.percent} % a step")


# ---------------------------------------------------------------------------------------------
# Sentences
# ---------------------------------------------------------------------------------------------


def because(way: Way, step: Step, alarms: tuple[str, ...], new: str, limit: int | None) -> str:
    """`p95 over 14 days is 182m with 3 pods; 15 % headroom gives 210m; …, so 400m`"""
    parts = [*alarms, *_unset(way.case), _measured(way), _gives(way)]
    bound = _bound(way)
    if bound:
        parts.append(bound)
    rising = trend.in_words(way.case, way.top)
    if rising:
        parts.append(rising)
    if step.percent is not None:
        parts.append(f"{_step_stage(way, step).words}, so {new}")
    if limit is not None:
        parts.append(f"the limit goes along to {figure(way.case.resource, limit)}")
    parts += runtimes.consequences(way.case, step.value, limit)
    return "; ".join(parts)


def _unset(case: Case) -> list[str]:
    if case.stated is not None:
        return []
    if case.limit is None or case.limit_is_default:
        return ["no request is set"]
    return [f"no request is set, so the limit of {figure(case.resource, case.limit)} counts as one"]


def _measured(way: Way) -> str:
    case, need = way.case, way.top
    level = figure(case.resource, need.level)
    pods = count(need.usage.replicas or need.usage.pods, "pod")
    words = f"{_name(need)} is {level} with {pods}"
    if need.twin:
        return f"{words}, of {need.whose}: there is too little history of its own"
    whose = _whose_need_counts(case)
    return f"{words}, of {need.whose}, the largest need of {whose}" if whose else words


def _whose_need_counts(case: Case) -> str:
    """`""` for the one container alone."""
    fed, peers = len(case.consumers), len(case.peers)
    if not peers:
        return f"{fed} containers on this line" if fed > 1 else ""
    own = f"the {fed} containers on this line and their" if fed > 1 else "the container and its"
    return f"{own} {count(peers, 'peer')}"


def _name(need: Need) -> str:
    if need.level > need.estimated:
        return f"resident memory over {count(need.days, 'day')}"
    return need.words


def _gives(way: Way) -> str:
    case, need = way.case, way.top
    if need.wanted > need.roomy:
        base = "the limit it was killed at" if need.killed_at else "its peak"
        return f"20 % above {base}, at least 100Mi, gives {figure(case.resource, way.target.free)}"
    return f"{_headroom(case, need)} headroom gives {figure(case.resource, way.target.free)}"


def _bound(way: Way) -> str:
    held, heap = _held_at(way), runtimes.floor(way.case, way.top.wanted)
    if held and way.target.held is not Reason.HEAP_FLOOR and heap > max(way.top.wanted, way.target.value):
        return f"{runtimes.floor_in_words(way.case)}; {held}"  # else nobody knew why it goes that far
    return held


def _held_at(way: Way) -> str:
    case, target = way.case, way.target
    if target.held is Reason.HEAP_FLOOR:
        return runtimes.floor_in_words(case)
    if target.held is Reason.AT_FLOOR:
        return f"the floor is {figure(case.resource, case.level.floor)}"
    if target.held is Reason.AT_CEILING:
        return f"the ceiling is {figure(case.resource, target.bounded)}"
    if target.held in (Reason.LIMIT_RANGE, Reason.NODE_SIZE, Reason.QOS_CLASS, Reason.AT_LIMIT):
        return target.bound
    if target.held is Reason.LIMIT_BELOW and case.limit is not None:
        limit = figure(case.resource, case.limit)
        return f"no higher than its limit of {limit}, which somebody would have to raise"
    return ""


def killed_in_words(need: Need) -> str:
    return _of_a_peer(need) + kills_in_words(need)


def throttled_in_words(need: Need) -> str:
    share = permille(need.usage.throttled_permille or 0)
    return f"{_of_a_peer(need)}throttled in {share} of its periods"


def _of_a_peer(need: Need) -> str:
    return f"{need.whose} was " if need.is_peer else ""


def over_in_words(case: Case, need: Need) -> str:
    what = "peak" if case.resource == "memory" else _name(need)
    whose = f"the {what} of {need.whose}" if need.is_peer else f"its {what}"
    return f"{whose} is above the request of {figure(case.resource, case.in_force or 0)}"


def in_band_in_words(way: Way) -> str:
    case = way.case
    current = figure(case.resource, case.in_force or 0)
    band = band_of(case)
    words = f"{permille(band.down)} below and {permille(band.up)} above"
    return f"{_measured(way)}; {_gives(way)}, near enough to the {current} in force ({words} are kept)"


def remembered_in_words(way: Way) -> str:
    """Lately less was needed, but not for long enough."""
    return f"{_measured(way)}; {_gives(way)}: less is needed only since lately, and {_in_force(way.case)}"


def spared_in_words(way: Way) -> str:
    top = figure(way.case.resource, max(need.peak for need in way.needs))
    return (
        f"{_measured(way)}; an init container runs for moments, of which few are seen: "
        f"nothing lowers it beneath twice its peak of {top}, and {_in_force(way.case)}"
    )


def bound_in_words(way: Way) -> str:
    return f"{_measured(way)}; {_gives(way)}; {_bound(way)}, and {_in_force(way.case)}"


def limit_in_words(way: Way) -> str:
    """A capped request whose limit this program doesn't move: only a person can."""
    case = way.case
    limit = figure(case.resource, case.limit or 0)
    need = figure(case.resource, way.target.rounded)
    return (
        f"it needs {need}, but its limit is {limit}, and a request can't pass a limit that stays: "
        "somebody has to raise it"
    )


def _in_force(case: Case) -> str:
    return f"{figure(case.resource, case.in_force or 0)} is in force"
