"""The way from samples to a number, in words and figures, for one container."""

from __future__ import annotations

from typing import NamedTuple

from reconciler import money
from reconciler.model import Change, Decision, Evidence, Field, Keep, Slot, Stage
from reconciler.sizing import hindsight
from reconciler.sizing.decide import decide
from reconciler.sizing.words import figure


class Explanation(NamedTuple):
    """One row of a decision, with the stages that led to it."""

    slot: Slot
    stages: tuple[Stage, ...]
    decision: Decision


def explain(evidence: Evidence) -> tuple[Explanation, ...]:
    """One for each row that `decide` gives, in its order."""
    return tuple(_explained(row) for row in decide(evidence))


def _explained(row: Decision) -> Explanation:
    slot = row.slot if isinstance(row, Keep) else row.values[0].slot
    return Explanation(slot, row.stages, row)


def tell(explanation: Explanation) -> tuple[str, ...]:
    """The lines that a person reads: one a stage, then the outcome."""
    slot, resource = explanation.slot, explanation.slot.field.resource
    shown = [
        figure(resource, stage.value) if stage.value is not None else "-" for stage in explanation.stages
    ]
    width = max((len(text) for text in shown), default=0)
    names = max((len(stage.name) for stage in explanation.stages), default=0)
    lines = [
        f"  {stage.name:<{names}} {text:>{width}}  {stage.words}"
        for stage, text in zip(explanation.stages, shown, strict=True)
    ]
    return (f"{slot.field}: {slot.value or 'not set'}", *lines, *_outcome(explanation.decision))


def _outcome(row: Decision) -> tuple[str, ...]:
    if isinstance(row, Keep):
        return (f"  kept: {row.reason}", f"    {row.detail}")
    told = [f"    {money.sentence(row.worth)}"] if row.worth is not None else []
    told += [f"    {hindsight.words(row.hindsight)}"] if row.hindsight is not None else []
    return (*(_changed(row, index) for index in range(len(row.values))), f"    {row.because}", *told)


def _changed(row: Change, index: int) -> str:
    slot, new = row.values[index]
    named = "" if slot.field in (Field.CPU_REQUEST, Field.MEMORY_REQUEST) else f"{slot.field} "
    if any(slot == value.slot for one in row.evidence.beside for value in one.values):
        named = f"{slot.field} of {min(slot.consumers).container} "
    return f"  change ({row.klass}): {named}{slot.value or 'not set'} → {new}"
