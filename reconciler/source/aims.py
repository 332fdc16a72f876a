"""What horizontal autoscalers aim for, as slots of the containers whose requests they count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from reconciler.model import AS_IT_STANDS, Container, Field, Place, Reason, Refused, Slot
from reconciler.source.scalers import ALL, FoundAim, FoundScaler

TARGETS: Final = {"cpu": Field.CPU_TARGET, "memory": Field.MEMORY_TARGET}

# One for each aim of a scaler, with nobody yet whom it feeds; None for an amount.
Targets = tuple[Slot | None, ...]


def standing(scaler: FoundScaler, repository: str, path: str, refused: Refused | None) -> Targets:
    """Those of a manifest that is applied as it stands."""
    return tuple(_standing(aim, scaler.document, repository, path, refused) for aim in scaler.aims)


def _standing(
    aim: FoundAim, document: int, repository: str, path: str, refused: Refused | None
) -> Slot | None:
    if aim.percent is None:
        return None
    place = Place(repository, path, document, aim.keys)
    return target(aim, place, aim.line, AS_IT_STANDS, refused)


def target(aim: FoundAim, place: Place, line: int, how: str, refused: Refused | None) -> Slot:
    own = Refused(Reason(aim.refused[0]), aim.refused[1]) if aim.refused is not None else None
    return Slot(place, line, TARGETS[aim.resource], aim.percent, (), how, own or refused)


def with_targets(
    containers: Sequence[Container], targets: Iterable[tuple[FoundAim, Slot | None]]
) -> Iterator[Container]:
    """The containers, those with targets that count their requests."""
    found: dict[str, list[Slot]] = {}
    for aim, slot in targets:
        counted = [one for one in containers if _counts(aim, one)]
        if slot is None:
            continue
        whole = slot._replace(consumers=tuple(sorted(one.ref for one in counted)))
        for one in counted:
            mine = found.setdefault(one.ref.container, [])
            mine += [whole] if whole not in mine else []
    for one in containers:
        more = found.get(one.ref.container, ())
        yield one._replace(slots=(*one.slots, *sorted(more, key=_order))) if more else one


def _counts(aim: FoundAim, container: Container) -> bool:
    """Kubernetes counts what runs as long as the pod does: no init containers but sidecars."""
    named = aim.container in (ALL, container.ref.container)
    return named and (container.sidecar or not container.init)


def _order(slot: Slot) -> tuple[str, Place]:
    return slot.field.value, slot.place
