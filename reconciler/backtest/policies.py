"""A policy in the replay: what `decide` says each day, on the evidence that there was by then."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reconciler.backtest.advice import Adviser, Requests
from reconciler.backtest.past import Past
from reconciler.backtest.windows import Windows
from reconciler.model import (
    Change,
    Consumer,
    Decision,
    Evidence,
    Field,
    LastChange,
    Mode,
    OomKill,
    Place,
    Policy,
    Price,
    Slot,
)
from reconciler.quantity import format_cpu, format_memory, read
from reconciler.sizing import decide
from reconciler.usage.days import DAY

_LIKE_CPU, _LIKE_MEMORY = "100m", "128Mi"


def following(policy: Policy, price: Callable[[str], Price] | None = None) -> Adviser:
    """Whatever it is to do with changes, here each one is merged at once; one without a request gets one."""
    sizing = policy.sizing
    sizing = sizing._replace(
        cpu=sizing.cpu._replace(missing="add"), memory=sizing.memory._replace(missing="add")
    )
    active = policy._replace(sizing=sizing, resources_mode=Mode.PROPOSE)
    return lambda past: _Following(active, past, price(past.ref.cluster) if price else None)


class _Following:
    def __init__(self, policy: Policy, past: Past, price: Price | None) -> None:
        self._policy, self._ref, self._windows, self._price = policy, past.ref, Windows(past), price
        self._changes: dict[Field, LastChange] = {}

    def advise(self, day: int, in_force: Requests, kills: Sequence[OomKill]) -> Requests:
        sizing = self._policy.sizing
        usage = self._windows.usage(day, sizing.window_days, kills, sizing.cpu.half_life_days)
        if usage is None:
            return in_force
        evidence = Evidence(
            now=day * DAY,
            repository="",
            commit="",
            blob="",
            slots=(
                self._slot(Field.CPU_REQUEST, in_force.cpu),
                self._slot(Field.MEMORY_REQUEST, in_force.memory),
            ),
            consumers=(Consumer(self._ref, usage, max(1, usage.replicas), False, False, ()),),
            policy=self._policy,
            last_changes=tuple(self._changes.values()),
            price=self._price,
        )
        for row in decide(evidence):
            in_force = self._after(row, day, in_force)
        return in_force

    def _after(self, row: Decision, day: int, in_force: Requests) -> Requests:
        if not isinstance(row, Change):
            return in_force
        slot, text = row.values[0]
        new = read(slot.field, text)
        is_cpu = slot.field is Field.CPU_REQUEST
        old = in_force.cpu if is_cpu else in_force.memory
        self._changes[slot.field] = LastChange(day * DAY, slot.field, old or 0, new)
        return in_force._replace(cpu=new) if is_cpu else in_force._replace(memory=new)

    def _slot(self, field: Field, value: int | None) -> Slot:
        write, like = (format_cpu, _LIKE_CPU) if field is Field.CPU_REQUEST else (format_memory, _LIKE_MEMORY)
        text = None if value is None else write(value, like)
        return Slot(Place("", "", 0, ()), 0, field, text, (self._ref,))
