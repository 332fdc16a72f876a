"""From samples to what a row says of them: all rows at once, without a loop over samples or hours.

The one place that knows what the measured columns mean. Some hundred pods are taken together, so
that what is made on the way stays small and near the processor.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from reconciler.usage import sketch
from reconciler.usage.checks import Flags
from reconciler.usage.days import HOURS, SKETCHES
from reconciler.usage.parquet import NONE, Columns, Lists
from reconciler.usage.rows import join_lists
from reconciler.usage.sketch import Ints

NO_SAMPLE = -1
WORST_PERMILLE = 950
_MOST_MILLICORES = (1 << 31) - 1  # what the format holds
_TOGETHER = 256  # pods


class PodDays(NamedTuple):
    """Samples, one entry a pod and day. NO_SAMPLE is where there was none."""

    row: Ints  # what row it is part of; ascending, and every row has at least one
    cpu: Ints  # entries x HOURS x samples of an hour, millicores
    memory: Ints  # the same, bytes
    rss: Ints  # the highest of the day


def measured(pods: PodDays) -> Columns:
    """The columns that tell of samples: counts, sketches, peaks and hours."""
    blocks = [_block(block) for block in _blocks(pods)] or [_block(pods)]
    return Columns(
        {},
        {name: np.concatenate([block.ints[name] for block in blocks]) for name in blocks[0].ints},
        {name: join_lists([block.lists[name] for block in blocks]) for name in blocks[0].lists},
    )


def begins_of(ascending: Ints) -> Ints:
    """Where each number of them begins."""
    changes: Ints = np.flatnonzero(np.diff(ascending, prepend=NONE))
    return changes


def _blocks(pods: PodDays) -> Iterator[PodDays]:
    """Whole rows."""
    begins = begins_of(pods.row)
    places = np.unique(np.searchsorted(begins, np.arange(0, len(pods.row), _TOGETHER)))
    for begin, end in pairwise([*begins[places[places < len(begins)]].tolist(), len(pods.row)]):
        yield PodDays(*(column[begin:end] for column in pods))


def _block(pods: PodDays) -> Columns:
    begins = begins_of(pods.row)
    row = pods.row - pods.row[:1]
    pods = _possible(pods)
    cpu_counts, memory_counts = ((column >= 0).sum(axis=2) for column in (pods.cpu, pods.memory))
    cpu_peaks, memory_peaks = (column.max(axis=2).astype(np.int64) for column in (pods.cpu, pods.memory))
    hour_cpu, hour_memory = (np.add.reduceat(counts, begins) for counts in (cpu_counts, memory_counts))
    hours = {
        "hour_samples": np.minimum(hour_cpu, hour_memory),
        "hour_cpu_p95": _hour_p95(pods.cpu, begins, hour_cpu),
        "hour_cpu_max": np.maximum.reduceat(cpu_peaks, begins),
        "hour_memory_max": np.maximum.reduceat(memory_peaks, begins),
    }
    cpu = _Resource(row, pods.cpu, cpu_peaks.max(axis=1), cpu_counts.sum(axis=1))
    memory = _Resource(row, pods.memory, memory_peaks.max(axis=1), memory_counts.sum(axis=1))
    many = {
        **_sketches("cpu", cpu, hours["hour_cpu_max"], _worst_percentile(cpu)),
        **_sketches("memory", memory, hours["hour_memory_max"], _worst_peak(memory)),
    }
    ints = {
        "samples": np.minimum(hour_cpu.sum(axis=1), hour_memory.sum(axis=1)),
        "cpu_max": _top(hours["hour_cpu_max"]),
        "memory_max": _top(hours["hour_memory_max"]),
        "rss_max": np.maximum.reduceat(pods.rss, begins),
    }
    each = np.arange(len(begins) + 1) * HOURS
    return Columns({}, ints, many | {name: Lists(each, column.ravel()) for name, column in hours.items()})


def _possible(pods: PodDays) -> PodDays:
    """What no container can use is cut to what a row can hold: it stays a peak, and lowers nothing."""
    return pods._replace(
        cpu=np.clip(pods.cpu, NO_SAMPLE, _MOST_MILLICORES).astype(np.int32),  # half as wide sorts faster
        memory=np.clip(pods.memory, NO_SAMPLE, sketch.LARGEST),
        rss=np.clip(pods.rss, NO_SAMPLE, sketch.LARGEST),
    )


class _Resource(NamedTuple):
    """CPU or memory of some pods; one entry a pod."""

    row: Ints
    samples: Ints
    peak: Ints
    number: Ints  # of samples

    def flat(self) -> Ints:
        lines: Ints = self.samples.reshape(len(self.row), HOURS * self.samples.shape[2])
        return lines


def _top(hours: Ints) -> Ints:
    most: Ints = np.maximum(hours.max(axis=1), 0)
    return most


def _sketches(name: str, found: _Resource, hours: Ints, worst: Ints) -> dict[str, Lists]:
    """Of all pods, and of the worst one of each row."""
    buckets = sketch.buckets_of(found.flat())
    every = sketch.build_many(found.row, buckets, _top(hours))
    alone = sketch.build_many(np.arange(len(worst)), buckets[worst], np.maximum(found.peak[worst], 0))
    lists = {}
    for which, many in ((name, every), (f"worst_{name}", alone)):
        values, counts = SKETCHES[which]
        lists[values], lists[counts] = Lists(many.offsets, many.values), Lists(many.offsets, many.counts)
    return lists


def _worst_percentile(found: _Resource) -> Ints:
    """For each row the pod with the highest percentile.

    Pods with less than half the samples of the longest-lived are left out: the first minutes of
    a pod say little about its day.
    """
    most = np.maximum.reduceat(found.number, begins_of(found.row))[found.row]
    percentile = _nearest_rank(np.sort(found.flat(), axis=1), found.number)
    return _best(found.row, found.number * 2 >= most, percentile, found.peak, found.number)


def _worst_peak(found: _Resource) -> Ints:
    """For each row the pod with the highest sample, whoever had it for however short a time."""
    return _best(found.row, found.peak, found.number)


def _best(row: Ints, *ranked: Ints | Flags) -> Ints:
    """For each row the entry that ranks highest; of equals the first."""
    last = np.arange(len(row))[::-1]
    order = np.lexsort((last, *reversed(ranked), row))
    best: Ints = order[np.append(begins_of(row)[1:], len(row))[: len(row)] - 1]
    return best


def _hour_p95(cpu: Ints, begins: Ints, counts: Ints) -> Ints:
    """Over all pods of a row. Rows with equally many pods are sorted together."""
    found = np.empty((len(begins), HOURS), np.int64)
    sizes = np.diff(begins, append=len(cpu))
    for size in np.unique(sizes).tolist():
        which = np.flatnonzero(sizes == size)
        pods = cpu[begins[which][:, None] + np.arange(size)]
        cells = pods.transpose(0, 2, 1, 3).reshape(len(which), HOURS, -1)
        found[which] = _nearest_rank(np.sort(cells, axis=2), counts[which])
    return found


def _nearest_rank(ascending: Ints, counts: Ints) -> Ints:
    """What `sketch.nearest_rank` answers, along the last axis; what is no sample stands first."""
    width = ascending.shape[-1]
    place = width - counts + np.maximum(-(-counts * WORST_PERMILLE // 1000), 1) - 1
    found = np.take_along_axis(ascending, np.minimum(place, width - 1)[..., None], axis=-1)
    return found[..., 0].astype(np.int64)
