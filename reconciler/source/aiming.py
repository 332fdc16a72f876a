"""What rendered autoscalers aim for: where each target comes from, and what a new one is meant to change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from reconciler.model import Field, Key, NewValue, Place, Reason, Refused, Slot
from reconciler.source import scalers
from reconciler.source.aims import TARGETS, Targets, target
from reconciler.source.scalers import FoundAim, FoundScaler
from reconciler.source.tracing.edits import NewNumber
from reconciler.source.tracing.helm import Extra
from reconciler.source.tracing.owners import shown
from reconciler.source.tracing.proof import Intent, Spot
from reconciler.source.tracing.rendered import Identity, Object, Path, Render, labelled, objects_of
from reconciler.source.units import Unit
from reconciler.source.yamledit.values import read_part

_KINDS: Final = re.compile(rf"\bkind\b[\"']?\s*:\s*[\"']?(?:{'|'.join(scalers.KINDS)}|\w*List)\b")
_Spot = tuple[Identity, Path]


def read(found: Object, line: int) -> FoundScaler | None:
    """The scaler that an object is; None for any other."""
    identity = found.identity
    if scalers.KINDS.get(identity.kind) != identity.version.rpartition("/")[0]:
        return None
    return scalers.read(identity.kind, identity.name, identity.namespace, line, found.value)


def rendered(unit: Unit, found: Object, scaler: FoundScaler, extras: Iterable[Extra]) -> Targets:
    """Where each of its aims can be edited."""
    traced = {(one.identity, one.path): one for one in extras}
    found_at = (traced.get((found.identity, _path(found.value, aim.keys))) for aim in scaler.aims)
    pairs = zip(scaler.aims, found_at, strict=True)
    return tuple(None if aim.percent is None else _slot(unit, aim, extra) for aim, extra in pairs)


def _slot(unit: Unit, aim: FoundAim, extra: Extra | None) -> Slot:
    if extra is None or extra.place is None:
        refused = (extra and extra.refused) or Refused(Reason.NOT_TRACED, "nothing is known to set it")
        return target(aim, Place(unit.repository, unit.path, 0, ()), unit.line, "rendered", refused)
    how = f"helm: {shown(extra.keys)}" if extra.keys else "kustomize"
    return target(aim, extra.place, extra.line, how, extra.refused)


def split(
    text: str, extras: Sequence[Extra], values: Sequence[NewValue]
) -> tuple[list[NewValue], list[NewNumber]]:
    """Values of containers, and new targets as the numbers that a unit renders of them."""
    own = [value for value in values if not value.slot.field.is_target]
    wanted = [value for value in values if value.slot.field.is_target]
    numbers = [NewNumber(extra, value.new) for value in wanted for extra in _fed(text, extras, value)]
    return own, numbers


def intents(text: str, extras: Sequence[Extra], values: Iterable[NewValue]) -> Iterator[Intent]:
    """What new targets are meant to make of a unit's autoscalers."""
    for value in values:
        for extra in _fed(text, extras, value) if value.slot.field.is_target else ():
            spot = Spot(extra.identity, extra.path)
            yield Intent(value.slot.consumers[0], value.slot.field, spot, extra.value, value.new)


def feeds(extras: Iterable[Extra], value: NewValue) -> bool:
    """Whether a unit takes a new target from its place."""
    return value.slot.field.is_target and any(one.place == value.slot.place for one in extras)


def _fed(text: str, extras: Sequence[Extra], value: NewValue) -> list[Extra]:
    """Every target of that resource that is set at the place; whatever else is set there isn't meant."""
    mine = [one for one in extras if one.place == value.slot.place]
    aims = _aims(text) if mine else {}
    return [one for one in mine if aims.get((one.identity, one.path)) is value.slot.field]


def _aims(text: str) -> dict[_Spot, Field]:
    found: dict[_Spot, Field] = {}
    for part in Render(text).parts:
        for each in objects_of(read_part(part)) if _KINDS.search(part) else ():
            scaler = read(each, 0)
            for aim in scaler.aims if scaler is not None else ():
                if aim.percent is not None:
                    found[each.identity, _path(each.value, aim.keys)] = TARGETS[aim.resource]
    return found


def _path(value: Any, keys: Sequence[Key]) -> Path:
    """Keys as the differences of renders name them: items of lists by name, or else by position."""
    path: list[str] = []
    for key in keys:
        if isinstance(value, list) and isinstance(key, int):
            label, value = labelled(value)[key]
            path.append(label)
        else:
            path.append(str(key))
            value = value.get(key) if isinstance(value, dict) else None
    return tuple(path)
