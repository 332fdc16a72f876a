"""The decision over one container's requests.

Evidence in, one row a request out: a `Change`, or a `Keep` with its reason. What is asked, in
this order: is it ours to change; what does it need; is that worth a merge request; does the
evidence bear it; is it time; how far does one step go.
"""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import (
    Change,
    ChangeClass,
    Decision,
    Evidence,
    Field,
    Keep,
    Mode,
    NewValue,
    Reason,
    Refused,
    Slot,
    Stage,
)
from reconciler.quantity import format_cpu, format_memory
from reconciler.sizing import bounds, guards, hindsight, hpa, limits, replicas, runtimes, stages, trend, worth
from reconciler.sizing.aim import aimed
from reconciler.sizing.band import beyond_band
from reconciler.sizing.case import Case, open_case, slot_of
from reconciler.sizing.estimate import Need, needs_of
from reconciler.sizing.moments import by_peaks, is_spared, runs_for_moments
from reconciler.sizing.planned import with_planned
from reconciler.sizing.target import Step, Way, step_of, target_of
from reconciler.sizing.twins import needs_of_twins
from reconciler.sizing.words import figure

REQUESTS = (Field.CPU_REQUEST, Field.MEMORY_REQUEST)
_LIKE = {"cpu": "100m", "memory": "128Mi"}  # the style of a value that nothing in the file suggests


class Move(NamedTuple):
    """What is to be done, before it is put into the words of the file."""

    step: Step
    klass: ChangeClass
    alarms: tuple[str, ...]  # what makes it one of safety
    limit: int | None  # that has to move along


def decide(evidence: Evidence) -> tuple[Decision, ...]:
    """One row for requests.cpu and one for requests.memory.

    A limit that has to move does so in the row of its request; it has one of its own only when
    it had to move and couldn't.
    """
    slots = [slot_of(evidence, field) for field in REQUESTS]
    return tuple(row for slot in slots if slot for row in _rows(evidence, slot))


def _rows(evidence: Evidence, slot: Slot) -> tuple[Decision, ...]:
    outright = guards.outright(evidence, slot)
    case = open_case(evidence, slot)
    if isinstance(case, Refused):
        return (_keep(slot, outright or case),)
    refused = outright or guards.standing(case)
    case = with_planned(by_peaks(case))
    needs = needs_of(case)
    twins = needs_of_twins(case, needs)
    if not needs and not twins:
        return (_keep(slot, refused or guards.without_usage(case)),)
    way = aimed(case, needs, twins)
    verdict = refused or _weigh(way)
    if not needs and isinstance(verdict, Refused):
        verdict = refused or guards.without_usage(case)
    told = (*stages.of(way, verdict.step if isinstance(verdict, Move) else None), *replicas.stages(way))
    if needs and not refused and isinstance(verdict, Refused):
        told += _held_back(way, verdict)
    if isinstance(verdict, Move):
        row: Decision = _write(way, verdict, told)
    else:
        row = _keep(slot, verdict, told if refused else (*told, *hpa.stages(case, None)))
    return (_observed(row), *(_stuck_limit(way, row) or _unwanted_limit(case, refused)))


def _held_back(way: Way, verdict: Refused) -> tuple[Stage, ...]:
    """What it would be, were it not for a guard."""
    side, step = beyond_band(way.case, way.target.value), step_of(way)
    if (
        not side
        or (way.lowering and side > 0)
        or step.value == way.case.in_force
        or verdict.reason in (Reason.AT_CEILING, Reason.LIMIT_BELOW)
    ):
        return ()
    return (Stage("held back", step.value, f"what it would be, were it not kept: {verdict.reason}"),)


def _keep(slot: Slot, refused: Refused, told: tuple[Stage, ...] = ()) -> Keep:
    return Keep(slot, refused.reason, refused.detail, told)


# ---------------------------------------------------------------------------------------------
# Up, down, or not at all
# ---------------------------------------------------------------------------------------------


def _weigh(way: Way) -> Move | Refused:
    side = beyond_band(way.case, way.target.value)
    if side > 0 and not way.lowering:
        return _raise(way)
    # A cap is no reason to go below what is needed: only a lower need lowers a request.
    if side < 0 and not way.target.capped:
        return _lower(way)
    return _settled(way)


def _raise(way: Way) -> Move | Refused:
    case = way.case
    pressing = [need for need in way.needs if beyond_band(case, target_of(case, need.settled).value) > 0]
    alarmed = tuple(need for need in pressing if _alarms(case, need))
    words = tuple(word for need in alarmed for word in _alarms(case, need))
    if case.peak_ahead and beyond_band(case, target_of(case, 0).value) > 0:
        return _move(way, ChangeClass.SAFETY, (*words, case.peak_ahead.words))  # its dates don't wait
    leaking = trend.chased(case, pressing)
    if leaking:
        return leaking
    if alarmed:
        return guards.unmeasured_yet(case, alarmed) or _move(way, ChangeClass.SAFETY, words)
    doubts = [guards.unsound(case, need) for need in pressing]
    if all(doubts):
        return next(doubt for doubt in doubts if doubt)
    # A first request is worth having whatever its size: the scheduler goes by it.
    small = guards.too_small(way) if case.in_force is not None else None
    return small or guards.cool_down(case) or _move(way, ChangeClass.SAVINGS, ())


def _lower(way: Way) -> Move | Refused:
    small = guards.too_small(way) or worth.too_little(way)
    refused = guards.lowering(way) or small or guards.cool_down(way.case)
    return refused or _move(way, ChangeClass.SAVINGS, ())


def _move(way: Way, klass: ChangeClass, alarms: tuple[str, ...]) -> Move | Refused:
    step = step_of(way)
    limit = limits.moved(way.case, way.needs, step.value)
    heap = runtimes.limit_refused(way.case, limit)
    if heap and klass is ChangeClass.SAFETY:  # what hurts doesn't wait for a limit
        limit, heap = None, None
    refused = heap or bounds.broken(way.case, step.value, limit)
    return guards.standstill(way, step) or refused or Move(step, klass, alarms, limit)


def _alarms(case: Case, need: Need) -> tuple[str, ...]:
    """What makes a raise one of safety: it hurts already, or is about to."""
    if need.twin:
        return ()
    if need.kills:
        return (stages.killed_in_words(need),)
    if need.usage.samples < guards.MIN_SAFETY_SAMPLES and not runs_for_moments(need.consumer):
        return ()
    found = []
    throttled = guards.throttled(case, need)
    if throttled:
        found.append(stages.throttled_in_words(need))
    if case.in_force is not None and need.reached > case.in_force:
        found.append(stages.over_in_words(case, need))
    return tuple(found)


def _settled(way: Way) -> Refused:
    """The request stays; the reason is a bound only where the need alone would have moved it."""
    case, held = way.case, way.target.held
    if way.lowering and beyond_band(case, way.target.value) > 0:
        return Refused(Reason.IN_BAND, stages.remembered_in_words(way))
    if held is None or beyond_band(case, way.target.free) == 0:
        return Refused(Reason.IN_BAND, stages.in_band_in_words(way))
    if held is Reason.AT_FLOOR and case.peak_ahead:
        return Refused(Reason.PLANNED_PEAK, f"{case.peak_ahead.words}; {stages.bound_in_words(way)}")
    if held is Reason.AT_FLOOR and is_spared(case, way.needs):
        return Refused(Reason.INIT_CONTAINER, stages.spared_in_words(way))
    if held is not Reason.LIMIT_BELOW:
        return Refused(held, stages.bound_in_words(way))
    causes = (guards.throttled, guards.killed, guards.at_limit)
    answers = (cause(case, need) for cause in causes for need in way.needs)
    cause = next((answer for answer in answers if answer), None)
    words = stages.limit_in_words(way)
    return Refused(cause.reason, f"{cause.detail}; {words}") if cause else Refused(held, words)


# ---------------------------------------------------------------------------------------------
# In the words of the file
# ---------------------------------------------------------------------------------------------


def _write(way: Way, move: Move, told: tuple[Stage, ...]) -> Change | Keep:
    case = way.case
    limit = move.limit
    joint = hpa.joint(case, move.step.value, limit)
    if isinstance(joint, Refused):
        return _keep(case.slot, joint, told)
    request = _text(case, case.slot, move.step.value)
    values = [NewValue(case.slot, request)]
    if limit is not None and case.limit_slot is not None:
        values.append(NewValue(case.limit_slot, _text(case, case.limit_slot, limit)))
    values += joint.values
    because = "; ".join(
        filter(None, (stages.because(way, move.step, move.alarms, request, limit), joint.words))
    )
    what_for = worth.worth_of(way, move.step.value, limit)
    told = (*told, *hpa.stages(case, joint))
    lived = hindsight.of(case, move.step.value)
    change = Change(tuple(values), move.klass, because, case.evidence, told, worth=what_for, hindsight=lived)
    return hpa.together(case, change)


def _text(case: Case, slot: Slot, value: int) -> str:
    like = slot.value or case.slot.value or (case.limit_slot.value if case.limit_slot else None)
    write = format_cpu if case.resource == "cpu" else format_memory
    return write(value, like or _LIKE[case.resource])


def _observed(row: Decision) -> Decision:
    """In mode observe the number is told and nothing is done."""
    if isinstance(row, Keep) or row.evidence.policy.resources_mode is not Mode.OBSERVE:
        return row
    to = " and ".join(
        f"{value.slot.field} {value.slot.value or 'unset'} → {value.new}" for value in row.values
    )
    detail = f"the policy only observes; it would have been {to}: {row.because}"
    return Keep(row.values[0].slot, Reason.OBSERVED, detail, row.stages)


def _stuck_limit(way: Way, row: Decision) -> tuple[Keep, ...]:
    """A row for a limit that the policy would have raised, had its line let it."""
    case, slot = way.case, way.case.limit_slot
    if slot is None or slot.refused is None or limits.rule(case) == "keep" or not case.limit:
        return ()
    if way.target.held is not Reason.LIMIT_BELOW:
        return ()
    stuck = (Reason.LIMIT_BELOW, Reason.THROTTLED, Reason.OOM_KILLED, Reason.AT_LIMIT, Reason.OBSERVED)
    if isinstance(row, Keep) and row.reason not in stuck:
        return ()
    need = figure(case.resource, way.target.rounded)
    return (Keep(slot, slot.refused.reason, f"had to rise to {need}, but {slot.refused.detail}"),)


def _unwanted_limit(case: Case, refused: Refused | None) -> tuple[Keep, ...]:
    """A row for a limit that the policy wants none of."""
    why = limits.unwanted(case) if refused is None else None
    return () if why is None or case.limit_slot is None else (_keep(case.limit_slot, why),)
