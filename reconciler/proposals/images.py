"""The body of a merge request about images: what is new, and what is known of it.

Tags, labels and names come from registries: nothing of theirs is written as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from reconciler.model import Change, ChangeClass, TagSeen
from reconciler.proposals.body_fit import Section
from reconciler.proposals.group import fingerprint, first_consumer, others_on, whom
from reconciler.proposals.markdown import code, prose
from reconciler.proposals.surface import Surface

MOST_ROWS: Final = 60
_HEAD: Final = "| container | now | proposed | known since | platforms |\n| --- | --- | --- | --- | --- |"
_MORE: Final = "| … and {n} more, in the diff | | | | |"
_KNOWN_BY: Final = {
    "pushed": ", when it was pushed",
    "last-modified": ", when the registry got it",
    "first-seen": ", when it was first seen here",
}
RESOURCES: Final = "resources"
IMAGES: Final = "images"
_SOURCE: Final = "org.opencontainers.image.source"
_REVISION: Final = "org.opencontainers.image.revision"
_WEB: Final = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9._~/-]{1,300}")
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")


# What a "no" to a request means for its images, after what it means for numbers.
BESIDE: Final = "; the tags in it and older ones stay away until something newer is there"


def apart(changes: Sequence[Change]) -> tuple[list[Change], list[Change]]:
    """Those of requests, and those of images, which a policy may let share a merge request."""
    new = [change for change in changes if change.klass is ChangeClass.IMAGE]
    return [change for change in changes if change.klass is not ChangeClass.IMAGE], new


def scope(changes: Sequence[Change]) -> str:
    """What a merge request is about, as its title has it."""
    resized, new = apart(changes)
    return ",".join(word for word, some in ((RESOURCES, resized), (IMAGES, new)) if some)


def table(changes: Sequence[Change], weight: int) -> Section:
    name = "rows of the images' table"
    if not changes:
        return Section(name, weight, "")
    rows = [row for change in changes[:MOST_ROWS] for row in _rows(change)][:MOST_ROWS]
    missing = sum(len(change.values) for change in changes) - len(rows)
    return Section(name, weight, _HEAD, tuple(rows), "", _MORE, missing)


def _rows(change: Change) -> list[str]:
    seen = _seen(change)
    rows = []
    for slot, new in change.values:
        ref, others = whom(change, slot), others_on(slot)
        shared = f" and {others} more" if others else ""
        rows.append(
            f"| {code(f'{ref.namespace}/{ref.workload}/{ref.container}')}{shared} "
            f"| {code(slot.value or 'unset')} | {code(new)} | {_since(seen)} | {_platforms(seen)} |"
        )
    return rows


def _seen(change: Change) -> TagSeen | None:
    """Of the finalists the one that is written."""
    facts, new = change.evidence.image, change.values[0].new
    found = facts.finalists if facts is not None else ()
    return next((one for one in found if f":{one.tag}" in new or one.digest in new), None)


def _since(seen: TagSeen | None) -> str:
    if seen is None or seen.since is None:
        return "–"
    day = datetime.fromtimestamp(seen.since, UTC).strftime("%Y-%m-%d")
    return f"{day}{_KNOWN_BY.get(seen.known_by, '')}"


def _platforms(seen: TagSeen | None) -> str:
    names = [name for name, _ in seen.platforms if name] if seen is not None else []
    return code(", ".join(names[:8])) if names else "–"


def why(changes: Sequence[Change], weight: int) -> Section:
    lines = []
    for change in changes[:MOST_ROWS]:
        links = _links(change)
        more = f" ({links})" if links else ""
        lines.append(f"- {code(str(first_consumer(change)))}: {prose(change.because)}{more}")
    missing = len(changes) - len(lines)
    return Section("the reasons of images", weight, "", tuple(lines), "", "- … and {n} more", missing)


def _links(change: Change) -> str:
    """Where its makers say it comes from: they are not asked, and nobody has checked it."""
    facts, seen = change.evidence.image, _seen(change)
    labels = dict(seen.labels) if seen is not None else {}
    before = dict(facts.current.labels) if facts is not None and facts.current is not None else {}
    source = labels.get(_SOURCE, "").removesuffix(".git").rstrip("/")
    if not _WEB.fullmatch(source):
        return ""
    old, new = before.get(_REVISION, ""), labels.get(_REVISION, "")
    if _COMMIT.fullmatch(old) and _COMMIT.fullmatch(new) and before.get(_SOURCE) == labels.get(_SOURCE):
        return f"[what changed]({source}/compare/{old}...{new}), as its makers say"
    return f"[source]({source}), as its makers say"


def evidence(changes: Sequence[Change], surface: Surface, weight: int) -> Section:
    name = "evidence of images"
    if not changes:
        return Section(name, weight, "")
    told = []
    for change in changes[:MOST_ROWS]:
        facts, seen = change.evidence.image, _seen(change)
        policies = ", ".join(code(name) for name in change.evidence.policy.names)
        digest = code(seen.digest) if seen is not None else "–"
        lines = [
            f"- {code(str(first_consumer(change)))}: {digest}, of {facts.tags if facts else 0} tags;",
            f"  evidence {code(fingerprint(change.evidence)[:16])}, policies {policies}",
        ]
        lost = facts.lost[:3] if facts is not None else ()
        lines += [f"  - not {code(tag)}: {prose(why)}" for tag, why in lost]
        told.append("\n".join(lines))
    words = "Evidence of images"
    head = f"<details><summary>{words}</summary>\n" if surface.details else f"**{words}**\n"
    tail = "\n</details>" if surface.details else ""
    missing = len(changes) - len(told)
    return Section(name, weight, head, tuple(told), tail, "- … and {n} more, in the ledger", missing)
