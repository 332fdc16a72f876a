"""A day of some namespaces: asked for, joined, and made into rows of a recording."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np

from reconciler.model import ContainerRef
from reconciler.usage.parquet import Columns
from reconciler.usage.prometheus import owners as owning
from reconciler.usage.prometheus.beside import ends_of, resources_of, rss_of, trouble_of
from reconciler.usage.prometheus.day_ends import SLOW, joined, within
from reconciler.usage.prometheus.events import Key
from reconciler.usage.prometheus.grid import Grid, Pods, rows_of
from reconciler.usage.prometheus.limits import Span
from reconciler.usage.prometheus.owners import Owner, Owning, Pod
from reconciler.usage.prometheus.probe import Part
from reconciler.usage.prometheus.promql import STEP, Questions
from reconciler.usage.prometheus.tables import lifetimes, tables, with_killed, with_unseen
from reconciler.usage.prometheus.unseen import unseen
from reconciler.usage.prometheus.ways import Context, Ways
from reconciler.usage.sketch import Ints

_NAMELESS: Final = "(without a name)"


def chain(ways: Ways, span: Span) -> dict[str, Owning]:
    """What stands between pods and workloads, of a whole time: it never changes."""
    found = {}
    for step in owning.STEPS:
        query = partial(ways.questions.owners_of, step.metric, step.label, step.every, ways.batch.namespaces)
        found[step.kind] = joined(ways.asker.within(query, span, ways.batch.series, SLOW))
    return owning.between(ways.questions, found)


def read_part(ways: Ways, part: Part, context: Context) -> Columns:
    """All rows of a batch on a day."""
    ends = ends_of(ways, part, context)
    rows = with_killed(tables(ways, part, context), ends.kills, part, ways.batch.namespaces)
    by_pod = _owners(ways, part, context, rows.keys)
    seen = len(rows.keys)
    rows = with_unseen(rows, unseen(ways, part, context, rows.keys, by_pod))
    by_pod |= _owners(ways, part, context, rows.keys[seen:])
    refs, owner_of_row = _refs(ways.questions, rows.keys, by_pod)
    first, last = lifetimes(rows, context.silent, part)
    guessed = np.zeros(len(refs), bool)
    guessed[owner_of_row[np.array([by_pod[_pod(key)].guessed for key in rows.keys], bool)]] = True
    return rows_of(
        Grid(
            day=part.day,
            step=STEP,
            owners=refs,
            guessed=guessed,
            pods=Pods(owner_of_row, first, last, first > 1, rss_of(ways, part, context, rows.keys)),
            cpu=rows.cpu,
            memory=rows.memory,
            trouble=trouble_of(ways, part, context, rows.keys, owner_of_row, ends),
            resources=resources_of(ways, part, context.end, rows.keys, owner_of_row, last),
        )
    )


def _pod(key: Key) -> Pod:
    return Pod(key.cluster, key.namespace, key.pod)


def _owners(ways: Ways, part: Part, context: Context, keys: Iterable[Key]) -> dict[Pod, Owner]:
    """Of the pods that live at the end it is known; of the others it is asked where there are any."""
    pods: dict[Pod, set[str]] = defaultdict(set)
    for key in keys:
        pods[_pod(key)].add(key.container)
    owners = context.end.owners
    spaces = sorted({pod.namespace for pod in pods if pod not in owners})
    if spaces:
        asked = partial(ways.questions.pod_owners, spaces)
        before = within(ways, part, asked, part.span.seconds)
        owners = {**owning.owners_of_pods(ways.questions, before.labels), **owners}
    known = owning.Told(owners, context.chain)
    return owning.owners(pods, known, ways.wanted)


def _refs(
    questions: Questions, keys: Sequence[Key], by_pod: Mapping[Pod, Owner]
) -> tuple[tuple[ContainerRef, ...], Ints]:
    """The containers as manifests name them, and which of them each row is of."""
    plain = [
        ContainerRef(questions.scope.cluster, key.namespace, owner.kind, owner.name, key.container)
        for key in keys
        for owner in (by_pod[_pod(key)],)
    ]
    told: dict[ContainerRef, set[str]] = defaultdict(set)
    for ref, key in zip(plain, keys, strict=True):
        told[ref].add(key.cluster)
    numbers: dict[ContainerRef, int] = {}
    rows = []
    for ref, key in zip(plain, keys, strict=True):
        # Whose is what several clusters have, and nothing in the settings tells apart? Each its own.
        own = ref if len(told[ref]) == 1 else ref._replace(cluster=key.cluster or _NAMELESS)
        rows.append(numbers.setdefault(own, len(numbers)))
    return tuple(numbers), np.array(rows, np.int64)
