"""What the messages of our commits tell, where no ledger does: it was lost, or was not fetched."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from reconciler.audit.requests import Wanted
from reconciler.audit.story import US, Row, What
from reconciler.git.annals import Passed
from reconciler.model import ContainerRef, Field
from reconciler.proposals.markdown import plain

_FIELDS: Final = "|".join(re.escape(field.value) for field in Field)
_VALUE: Final = re.compile(
    rf"(?P<field>{_FIELDS})(?: of (?P<container>[^ ,]+))? (?P<old>[^ ,]+) -> (?P<new>[^ ,]+)"
)
_LINE: Final = re.compile(r"(?P<whom>[^ ]+(?:/[^ ]+)+): (?P<values>.+ -> .+)")


def rows(passed: Iterable[Passed], known: Collection[tuple[str, str]], wanted: Wanted) -> Iterator[Row]:
    """A row a value, of those commits whose key and plan the ledger doesn't know."""
    for one in passed:
        if one.ours is None:
            continue
        marks = one.ours.marks
        key, plan = marks.get("Reconcile-Key", ""), marks.get("Reconcile-Plan", "")
        if key and (key, plan) not in known:
            yield from _rows(one, key, wanted)


def _rows(one: Passed, key: str, wanted: Wanted) -> Iterator[Row]:
    assert one.ours is not None
    merged_by = one.told.author if one.ours.commit != one.told.commit else one.told.committer
    lines = plain(one.ours.message).split("\n")
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        found = _LINE.fullmatch(line.strip())
        ref = _ref(found["whom"]) if found else None
        if found is None or ref is None:
            continue
        for value in _VALUE.finditer(found["values"]):
            whose = ref._replace(container=value["container"] or ref.container)
            if wanted(whose):
                yield Row(
                    at=one.told.at,
                    ref=whose,
                    shared=0,
                    field=value["field"],
                    old=None if value["old"] == "unset" else value["old"],
                    new=value["new"],
                    by=US,
                    what=What.MERGED,
                    ended_by=merged_by,
                    why=following.strip() if following.startswith("  ") else one.ours.subject,
                    klass=key.partition("/")[0],
                    key=key,
                    commit=one.told.commit,
                    proposed_at=one.ours.at,
                )


def _ref(text: str) -> ContainerRef | None:
    """`cluster:namespace/kind/workload/container`, the first two of which may be missing."""
    cluster, colon, rest = text.partition(":")
    parts = (rest if colon else text).split("/")
    if not 3 <= len(parts) <= 4:
        return None
    namespace, kind, workload, container = parts if len(parts) == 4 else ("", *parts)
    return ContainerRef(cluster if colon else "", namespace, kind, workload, container)
