"""Answers of a metrics server as rows of a recording.

A grid has the samples of one day of many pods: a line a pod's container, a column a step. All
containers of a batch become rows together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reconciler.model import ContainerRef
from reconciler.usage.checks import Flags
from reconciler.usage.days import DAY, HOURS, Resources, Trouble
from reconciler.usage.parquet import Columns
from reconciler.usage.rows import fields_of, texts_of
from reconciler.usage.samples import PodDays, begins_of, measured
from reconciler.usage.sketch import Ints


class Pods(NamedTuple):
    """One entry a pod's container: a line of the grid."""

    owner: Ints  # the number of the container that it belongs to
    first: Ints  # the first step at which it lived that day, whether a sample came or not
    last: Ints  # the last one; before the first where it lived at none
    started: Flags  # it did not live at midnight yet
    rss: Ints  # the day's highest, NO_SAMPLE where none


class Grid(NamedTuple):
    """One day of a batch."""

    day: int
    step: int
    owners: tuple[ContainerRef, ...]
    guessed: Flags  # of each owner: it was guessed from the pods' names
    pods: Pods
    cpu: Ints  # lines x steps, millicores; NO_SAMPLE where none
    memory: Ints  # the same, bytes
    trouble: tuple[Trouble, ...]  # of each owner
    resources: tuple[Resources, ...]  # of each owner, in force at the end of the day


class _Lived(NamedTuple):
    """For each line the steps at which its pod lived, and at which it was measured."""

    first: Ints
    last: Ints
    measured: Flags  # lines x steps

    def take(self, lines: Ints) -> _Lived:
        return _Lived(self.first[lines], self.last[lines], self.measured[lines])


def rows_of(grid: Grid) -> Columns:
    """A row for each container of which a pod lived that day, even one without a sample.

    The columns mean what `series.days_of_series` makes of the same samples. A pod that has
    samples at a step lived at it.
    """
    if 3600 % grid.step or grid.cpu.shape[1:] != (DAY // grid.step,):
        raise ValueError("a grid has the steps of one day, and an hour has whole ones")
    lived = _lived(grid)
    alive = np.flatnonzero(lived.first <= lived.last)
    lines = alive[np.argsort(grid.pods.owner[alive], kind="stable")]
    owners, row = np.unique(grid.pods.owner[lines], return_inverse=True)
    each = (len(lines), HOURS, 3600 // grid.step)
    cpu, memory = (_lines(column, lines).reshape(each) for column in (grid.cpu, grid.memory))
    found = measured(PodDays(row, cpu, memory, grid.pods.rss[lines]))
    chosen = owners.tolist()
    return Columns(
        texts_of([grid.owners[owner] for owner in chosen]),
        {
            **found.ints,
            **_told(grid, lived.take(lines), row, lines),
            "owner_guessed": grid.guessed[owners].astype(np.int64),
            **fields_of(Trouble._fields, [grid.trouble[owner] for owner in chosen]),
            **fields_of(Resources._fields, [grid.resources[owner] for owner in chosen]),
        },
        found.lists,
    )


def _lines(column: Ints, lines: Ints) -> Ints:
    """Not copied when they are all there, in order already."""
    return column if np.array_equal(lines, np.arange(len(column))) else column[lines]


def _lived(grid: Grid) -> _Lived:
    measured = (grid.cpu >= 0) | (grid.memory >= 0)
    steps = measured.shape[1]
    seen = measured.any(axis=1)
    gone = grid.pods.first > grid.pods.last
    first = np.where(gone, steps, grid.pods.first)
    last = np.where(gone, -1, grid.pods.last)
    first = np.where(seen, np.minimum(first, measured.argmax(axis=1)), first)
    last = np.where(seen, np.maximum(last, steps - 1 - measured[:, ::-1].argmax(axis=1)), last)
    return _Lived(first, last, measured)


def _told(grid: Grid, lived: _Lived, row: Ints, lines: Ints) -> dict[str, Ints]:
    """What follows from when pods lived and were measured."""
    begins = begins_of(row)
    rows, steps = len(begins), lived.measured.shape[1]
    measured = np.logical_or.reduceat(lived.measured, begins)
    seen = measured.any(axis=1)
    first = np.where(seen, measured.argmax(axis=1), 0)
    last = np.where(seen, steps - 1 - measured[:, ::-1].argmax(axis=1), 0)
    at_last = lived.measured[np.arange(len(row)), last[row]]
    midnight = grid.day * DAY
    return {
        "day": np.full(rows, grid.day, np.int64),
        "step_seconds": np.full(rows, grid.step, np.int64),
        "expected_samples": np.add.reduceat(lived.last - lived.first + 1, begins),
        "pods": np.diff(begins, append=len(row)),
        "pods_started": np.add.reduceat(grid.pods.started[lines].astype(np.int64), begins),
        "replicas_last": np.add.reduceat(at_last.astype(np.int64), begins),
        "first_sample": midnight + first * grid.step,
        "last_sample": midnight + last * grid.step,
    }
