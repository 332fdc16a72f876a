"""Recorded utilization as a source: a folder of Parquet files, read offline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from reconciler.errors import Misconfigured
from reconciler.model import ContainerRef, Failure, NoUsage, Reason, Usage
from reconciler.usage.decay import Decay
from reconciler.usage.gather import gather
from reconciler.usage.index import Index, Window, build_index, holes, rows_that_count
from reconciler.usage.merge import merge_days
from reconciler.usage.parquet import WHAT
from reconciler.usage.port import Namespaces, Reading, Recorded, Telling, every, silent

# A container as a recording without cluster names knows it.
_Local = tuple[str, str, str, str]
_Workload = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class RecordingSource:
    """Answers from the files that `open_recording` found usable."""

    name: str
    folder: Path
    index: Index
    failures: tuple[Failure, ...] = ()

    def last_sample(self) -> int | None:
        return self.index.last_sample()

    def read(
        self,
        wanted: Sequence[ContainerRef],
        start: int,
        end: int,
        *,
        half_life: int = 0,
        told: Telling = silent,
    ) -> Reading:
        """Days count whole, as many as fit between the two times, and none that ends after `end`."""
        window = Window.between(start, end)
        found = _identify(wanted, self.index.refs)
        merged = self._merged(sorted({number for number, _ in found.known.values()}), window, half_life)
        answers: dict[ContainerRef, Usage | NoUsage] = dict(found.refused)
        for ref, (number, guessed) in found.known.items():
            usage = merged.usages.get(number)
            answers[ref] = _none_in_window(window) if usage is None else _as_asked(usage, guessed)
        return Reading({ref: answers[ref] for ref in wanted}, merged.failures)

    def everything(
        self, start: int, end: int, namespaces: Namespaces = every, *, told: Telling = silent
    ) -> Reading:
        window = Window.between(start, end)
        refs = self.index.refs
        merged = self._merged(
            [number for number, ref in enumerate(refs) if namespaces(ref.namespace)], window
        )
        lived = sorted((refs[number], number) for number in merged.lived)
        none = NoUsage(Reason.NO_METRICS, "the recording has pods of it in the window, but no samples")
        return Reading({ref: merged.usages.get(number, none) for ref, number in lived}, merged.failures)

    def recorded(
        self, start: int, end: int, namespaces: Namespaces = every, *, told: Telling = silent
    ) -> Recorded:
        """All files that speak for one of the days: one without rows says that nobody lived."""
        window = Window.between(start, end)
        paths = [
            footer.path
            for footer in self.index.footers
            if footer.first_day <= window.last and footer.last_day >= window.first
        ]
        return Recorded(paths, self.failures)

    def _merged(self, known: Sequence[int], window: Window, half_life: int = 0) -> _Merged:
        index, failures = self.index, self.failures
        decay = Decay.over(window.first, window.last, half_life) if half_life else None
        while True:
            gathered, broken = gather(index, rows_that_count(index, known, window), decay)
            if not broken:
                break
            # Their rows may stand in another file too, so choose again without them.
            index, failures = index.without(broken), failures + tuple(broken.values())
        usages = merge_days(self.name, index, gathered, holes(index, window))
        if failures:  # whose part it was that could not be read, nobody knows
            why = f"{failures[0].path or failures[0].what} could not be read"
            usages = {number: usage._replace(incomplete=why) for number, usage in usages.items()}
        return _Merged(usages, frozenset(gathered.rows.ref.tolist()), failures)


class _Merged(NamedTuple):
    """By their number in the index what containers used, and which of them had a row at all."""

    usages: Mapping[int, Usage]
    lived: frozenset[int]
    failures: tuple[Failure, ...]


def open_recording(folder: Path, name: str) -> RecordingSource:
    """Look at all files of a folder, or at one file. Broken ones are failures of the source."""
    if folder.is_file():
        paths = [folder]
    elif folder.is_dir():
        paths = sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))
    else:
        error = "there is no such folder; check the path (a server's address begins with http:// or https://)"
        raise Misconfigured(WHAT, error, path=str(folder))
    if not paths:
        error = "the folder has no *.parquet file; put a recording there, or check the path"
        raise Misconfigured(WHAT, error, path=str(folder))
    index, failures = build_index(paths)
    return RecordingSource(name, folder, index, failures)


# ---------------------------------------------------------------------------------------------
# Who is meant
# ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Identified:
    """For each container its number in the index and whether that took a guess, or why not."""

    known: dict[ContainerRef, tuple[int, bool]]
    refused: dict[ContainerRef, NoUsage]


def _identify(wanted: Sequence[ContainerRef], recorded: Sequence[ContainerRef]) -> _Identified:
    exact = {ref: number for number, ref in enumerate(recorded)}
    by_local: dict[_Local, list[int]] = defaultdict(list)
    by_workload: dict[_Workload, list[int]] = defaultdict(list)
    for number, ref in enumerate(recorded):
        by_local[ref[1:]].append(number)
        by_workload[ref[2:]].append(number)
    asked_in: dict[_Local, set[str]] = defaultdict(set)
    for ref in wanted:
        asked_in[ref[1:]].add(ref.cluster)
    result = _Identified({}, {})
    for ref in wanted:
        if ref.namespace:
            numbers = _in_namespace(ref, exact, by_local)
        else:
            same = by_workload[ref[2:]]
            numbers = [number for number in same if ref.cluster in ("", recorded[number].cluster)]
        one = numbers[0] if len(numbers) == 1 else None
        if one is None:
            result.refused[ref] = _unknown(ref, [recorded[number] for number in numbers])
        elif ref.cluster and not recorded[one].cluster and len(asked_in[ref[1:]]) > 1:
            result.refused[ref] = _ambiguous(f"the recording has {recorded[one]} without saying whose it is")
        else:
            result.known[ref] = (one, not ref.namespace)
    return result


def _in_namespace(
    ref: ContainerRef, exact: Mapping[ContainerRef, int], by_local: Mapping[_Local, list[int]]
) -> list[int]:
    """A recording without cluster names is of any cluster; an unknown cluster is any that has it."""
    if not ref.cluster:
        return by_local.get(ref[1:], [])
    found = exact.get(ref, exact.get(ref._replace(cluster="")))
    return [] if found is None else [found]


def _unknown(ref: ContainerRef, candidates: list[ContainerRef]) -> NoUsage:
    clusters = sorted({found.cluster for found in candidates})
    if len(clusters) > 1:
        return _ambiguous(
            f"recorded in the clusters {_listed(clusters)}, and the repository does not say which"
        )
    if candidates:
        spaces = _listed(sorted({found.namespace for found in candidates}))
        detail = f"recorded in the namespaces {spaces}, and the repository does not say which"
        return NoUsage(Reason.NO_METRICS, detail)
    return NoUsage(Reason.NO_METRICS, f"nothing was measured of {ref}")


def _ambiguous(detail: str) -> NoUsage:
    return NoUsage(Reason.AMBIGUOUS_CLUSTER, detail)


def _listed(names: list[str]) -> str:
    shown = ", ".join(name or '""' for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def _none_in_window(window: Window) -> NoUsage:
    days = window.last - window.first + 1
    return NoUsage(Reason.NO_METRICS, f"nothing was measured of it in the {days} days of the window")


def _as_asked(usage: Usage, guessed: bool) -> Usage:
    """A container whose namespace the repository leaves open was found by its name only."""
    return usage._replace(owner_guessed=True) if guessed else usage
