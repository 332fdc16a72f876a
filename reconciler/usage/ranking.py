"""Which of several readings of a day counts, namespace by namespace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reconciler.usage.readings import Head, Known
from reconciler.usage.shelf import Shelf


class Reading(NamedTuple):
    """A file that is sound and ours, and where it lies."""

    shelf: Shelf
    name: str
    path: Path
    head: Head

    def rank(self, namespace: str) -> tuple[int, int, int, str]:
        known = self.head.namespaces[namespace]
        return known.created, known.count, self.head.merged, self.name


def winners_of(files: Iterable[Reading]) -> dict[str, Reading]:
    """For each namespace the file whose reading counts."""
    found: dict[str, Reading] = {}
    for file in files:
        for name in file.head.namespaces:
            if name not in found or file.rank(name) > found[name].rank(name):
                found[name] = file
    return found


def known_of(files: Iterable[Reading]) -> dict[str, Known]:
    return {name: file.head.namespaces[name] for name, file in sorted(winners_of(files).items())}


def won_by(file: Reading, winners: Mapping[str, Reading]) -> set[str]:
    return {name for name in file.head.namespaces if winners[name] is file}


def is_mixed(file: Reading, winners: Mapping[str, Reading]) -> bool:
    return len(won_by(file, winners)) < len(file.head.namespaces)


def live_of(files: Sequence[Reading]) -> list[Reading]:
    winners = winners_of(files)
    return [file for file in files if won_by(file, winners)]


def pure_of(files: Sequence[Reading]) -> list[Reading]:
    """Without those that still hold something else, because they could not be put in order."""
    winners = winners_of(files)
    return [file for file in live_of(files) if not is_mixed(file, winners)]
