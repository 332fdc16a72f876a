"""The images of a run: what is asked about them, the evidence that comes of it, and the decisions.

A line that feeds several containers is changed for all of them or for none, and so is a set of images that
move together; whoever shares one has a say, also when a run wasn't asked about them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from reconciler.gather import Subject
from reconciler.images.agreeing import Row, agreed, tag_of, together
from reconciler.images.choose import newer
from reconciler.images.decide import decide_image, rule_of
from reconciler.images.facts import Age, Asked, Sighting, Snapshot
from reconciler.images.reference import BadReferenceError, image
from reconciler.images.rules import BadRuleError
from reconciler.model import (
    Consumer,
    ContainerRef,
    Decision,
    Discovery,
    Evidence,
    Field,
    Hold,
    ImageFacts,
    ImagePolicy,
    Keep,
    LedgerEntry,
    Mode,
    NoUsage,
    Place,
    Reason,
    Slot,
    Workload,
)
from reconciler.ports import Past, Progress
from reconciler.proposals.history import ends, events_of, outcomes, taken_back, told_values, until
from reconciler.source.discover import OF_IMAGE, said_of_image

Look = Callable[[Sequence[Asked], Mapping[Sighting, Age], int, Progress], Snapshot]
SEEN: Final = "seen"  # the ledger's word for a tag that was there
_UNASKED: Final = NoUsage(Reason.NO_METRICS, "the use of a container says nothing of its image")
_UNLOOKED: Final = ImageFacts(None, (), 0)


class Looked(NamedTuple):
    """How a run looks at images; `everywhere`: also where policies say nothing of them."""

    look: Look
    everywhere: bool


class Where(NamedTuple):
    """One repository, as far as images need it."""

    discovery: Discovery
    past: Past
    subjects: Sequence[Subject]
    owners: Mapping[Place, str]
    beyond: Sequence[Subject] = ()  # those that nobody asked about


class Pictured(NamedTuple):
    """One image of one container that is to be decided."""

    subject: Subject
    slot: Slot
    asked: Asked
    wrong: str = ""  # what of the words beside it can't be read
    left_out: bool = False  # it only has a say where it shares a line, or moves together, with others


def decided(
    sites: Sequence[Where], looked: Looked | None, now: int, progress: Progress
) -> tuple[list[list[tuple[Workload, Decision]]], list[tuple[LedgerEntry, ...]]]:
    """Of each repository the decisions on its images, and what its ledger is to remember of tags."""
    if looked is None:
        return [[] for _ in sites], [() for _ in sites]
    pasts = _pasts(sites, now)
    wanted = _pictured(sites, looked.everywhere, pasts)
    _with_others(sites, wanted, pasts)
    found = _snapshot(sites, wanted, looked, now, progress)
    rows = _rows(sites, wanted, found, now)
    new = [_remembered(mine, found.seen, now) for mine in wanted]
    return rows, new


_Pasts = Sequence[Mapping[str, "_Past"]]  # for each site, by the repository that holds a value


def _pasts(sites: Sequence[Where], now: int) -> _Pasts:
    """What became of a value stands in the ledger of the repository that it is written to."""
    every = [(site.discovery.repository, _Past(site.past, now)) for site in sites]
    return [{**dict(every), name: own} for name, own in every]


def _pictured(sites: Sequence[Where], everywhere: bool, pasts: _Pasts) -> list[list[Pictured]]:
    return [
        [
            one
            for subject in site.subjects
            if everywhere or subject.policy.images_said or subject.policy.images_mode is not Mode.OBSERVE
            for one in _images_of(subject, mine)
        ]
        for site, mine in zip(sites, pasts, strict=True)
    ]


def _images_of(subject: Subject, pasts: Mapping[str, _Past]) -> Iterator[Pictured]:
    for slot in subject.container.slots:
        if slot.field is Field.IMAGE and slot.value is not None:
            images, wrong = beside(subject)
            past, end = pasts.get(slot.place.repository), subject.policy.gates.rejected_for
            holds = past.holds(subject.container.ref, slot.value, images, end) if past is not None else ()
            yield Pictured(subject, slot, Asked(slot.value, images, holds), wrong)


def _with_others(sites: Sequence[Where], wanted: Sequence[list[Pictured]], pasts: _Pasts) -> None:
    """Who has a say without being asked about: others on a line, wherever they are, and the rest of a set."""
    known = {one.subject.container.ref for mine in wanted for one in mine}
    rest: list[tuple[int, Pictured]] = []
    for at, site in enumerate(sites):
        for subject in (*site.subjects, *site.beyond):
            if subject.container.ref not in known:
                rest += [(at, one._replace(left_out=True)) for one in _images_of(subject, pasts[at])]
    more = rest
    while rest and more:
        lines = {one.slot.place for mine in wanted for one in mine}
        sets = {
            (at, name)
            for at, mine in enumerate(wanted)
            for one in mine
            if (name := one.asked.policy.together)
        }
        more = []
        left: list[tuple[int, Pictured]] = []
        for at, one in rest:
            shares = one.slot.place in lines or (at, one.asked.policy.together) in sets
            (more if shares else left).append((at, one))
        for at, one in more:
            wanted[at].append(one)
        rest = left


def beside(subject: Subject) -> tuple[ImagePolicy, str]:
    """The policy, with what annotations of the workload say of the image; and what of these can't be read."""
    policy = subject.policy.images
    pin, ignore, until = (
        said_of_image(subject.workload, subject.container, what) for what in ("pin", "ignore", "hold-until")
    )
    if pin:
        policy = policy._replace(pin=pin)
    if ignore:
        words = tuple(word.strip() for word in ignore.split(",") if word.strip())
        policy = policy._replace(ignore=(*policy.ignore, *words))
    if not until:
        return policy, ""
    try:
        moment = datetime.fromisoformat(until)
    except ValueError:
        return policy, f"the annotation {OF_IMAGE}hold-until holds no date: {until[:40]}"
    at = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    return policy._replace(hold_until=max(policy.hold_until, at)), ""


def _rows(
    sites: Sequence[Where], wanted: Sequence[Sequence[Pictured]], found: Snapshot, now: int
) -> list[list[tuple[Workload, Decision]]]:
    """A line may feed workloads of several repositories; of two branches of one, each has its own."""
    lines: dict[tuple[Place, int], list[tuple[int, Workload, Row]]] = defaultdict(list)
    names = [site.discovery.repository for site in sites]
    for at, (site, mine) in enumerate(zip(sites, wanted, strict=True)):
        for one in mine:
            own = names[at] == one.slot.place.repository and names.count(names[at]) > 1
            row = _decided(site, one, found.facts.get(one.asked, _UNLOOKED), now)
            lines[one.slot.place, at if own else -1].append((at, one.subject.workload, row))
    subjects = (one for site in sites for one in (*site.subjects, *site.beyond))
    known = {one.container.ref for one in subjects}
    told: list[list[tuple[Workload, Row]]] = [[] for _ in sites]
    for some in lines.values():
        for (at, workload, _), row in zip(some, agreed([row for *_, row in some], known), strict=True):
            told[at].append((workload, row))
    return [_written(mine) for mine in told]


def _decided(site: Where, one: Pictured, facts: ImageFacts, now: int) -> Row:
    decision = decide_image(_evidence(site, one, facts, now))
    ref, images = one.subject.container.ref, one.asked.policy
    return Row(ref, one.slot, decision, images.together, one.left_out)


def _written(rows: Sequence[tuple[Workload, Row]]) -> list[tuple[Workload, Decision]]:
    homes = {(row.ref, row.slot): workload for workload, row in rows}
    return [
        (homes[row.ref, row.slot], _told(row))
        for row in together([row for _, row in rows])
        if not row.left_out
    ]


def _told(row: Row) -> Decision:
    found = row.decision
    return found._replace(ref=row.ref) if isinstance(found, Keep) else found


def weighed(sites: Sequence[Where], looked: Looked | None, now: int, progress: Progress) -> list[Evidence]:
    """The evidence alone: what `explain` tells."""
    if looked is None:
        return []
    wanted = _pictured(sites, looked.everywhere, _pasts(sites, now))
    found = _snapshot(sites, wanted, looked, now, progress)
    return [
        _evidence(site, one, found.facts.get(one.asked, _UNLOOKED), now)
        for site, mine in zip(sites, wanted, strict=True)
        for one in mine
    ]


def _snapshot(
    sites: Sequence[Where], wanted: Sequence[Sequence[Pictured]], looked: Looked, now: int, progress: Progress
) -> Snapshot:
    asked = [
        one.asked
        for site, mine in zip(sites, wanted, strict=True)
        for one in mine
        if one.slot.refused is None and one.slot.place not in site.owners  # else nobody needs to know
    ]
    seen = first_seen(entry for site in sites for entry in site.past.ledger)
    return looked.look(asked, seen, now, progress) if asked else Snapshot({})


def _evidence(site: Where, one: Pictured, facts: ImageFacts, now: int) -> Evidence:
    subject, discovery = one.subject, site.discovery
    refs = dict.fromkeys((subject.container.ref, *one.slot.consumers))
    return Evidence(
        now=now,
        repository=discovery.repository,
        commit=discovery.commit,
        blob=next(filter(None, (discovery.blobs.get(path) for path in subject.workload.files)), ""),
        slots=(one.slot,),
        consumers=tuple(_consumer(ref, subject) for ref in refs),
        policy=subject.policy._replace(images=one.asked.policy),
        last_changes=(),
        opted_out=subject.opted_out,
        image=facts._replace(owner=site.owners.get(one.slot.place, ""), none=one.wrong or facts.none),
    )


def _consumer(ref: ContainerRef, subject: Subject) -> Consumer:
    container = subject.container
    return Consumer(ref, _UNASKED, subject.workload.replicas or 1, container.init, container.sidecar, ())


# ---------------------------------------------------------------------------------------------
# What happened before
# ---------------------------------------------------------------------------------------------


def first_seen(ledger: Iterable[LedgerEntry]) -> dict[Sighting, Age]:
    """When each tag was seen first, with the digest that it had then: pushed anew, it is another one.

    What a registry once said of it is kept, so that an answer that is missing today makes nothing younger.
    """
    found: dict[Sighting, Age] = {}
    for entry in ledger:
        facts = [entry.facts.get(name) for name in ("image", "tag", "digest")]
        if entry.event != SEEN or not all(isinstance(fact, str) for fact in facts):
            continue
        name, tag, digest = map(str, facts)
        pushed = entry.facts.get("pushed")
        age = Age(pushed, "pushed") if isinstance(pushed, int) else Age(entry.at, "first-seen")
        known = found.get((name, tag, digest))
        if known is None or _is_surer(age, known):
            found[name, tag, digest] = age
    return found


def _is_surer(one: Age, other: Age) -> bool:
    if one.known_by != other.known_by:
        return one.known_by == "pushed"
    return one.since < other.since


def _remembered(
    wanted: Iterable[Pictured], seen: Mapping[Sighting, int | None], now: int
) -> tuple[LedgerEntry, ...]:
    mine = {name for one in wanted if (name := _name(one.asked.text))}
    told = []
    for (name, tag, digest), pushed in seen.items():
        if name in mine:
            facts: dict[str, object] = {"image": name, "tag": tag, "digest": digest}
            told.append(LedgerEntry(now, SEEN, name, facts | ({"pushed": pushed} if pushed else {})))
    return tuple(told)


def _name(text: str) -> str:
    try:
        return image(text).name
    except BadReferenceError:
        return ""


class _Past:
    """People's "no" to images, as the recorded values tell it; not who did what, which squashes hide."""

    def __init__(self, past: Past, now: int) -> None:
        self._now = now
        self._merged: dict[ContainerRef, tuple[int, str]] = {}
        self._closed: dict[ContainerRef, list[tuple[LedgerEntry, str]]] = defaultdict(list)
        entries = [*past.ledger, *events_of(past.requests, past.ledger)]
        entries += taken_back(entries, past.requests, past.wishes, now)
        for entry in outcomes(entries, past.requests):
            for ref, field, new in told_values(entry):
                if field == Field.IMAGE.value and entry.event == "merged":
                    self._merged[ref] = (entry.at, new)
                elif field == Field.IMAGE.value:
                    self._closed[ref].append((entry, new))

    def holds(
        self, ref: ContainerRef, current: str, policy: ImagePolicy, rejected_for: int | None
    ) -> tuple[Hold, ...]:
        found = []
        at, merged = self._merged.get(ref, (0, ""))
        if merged and _is_beyond(merged, current, policy):
            digest = _moved(merged, current)
            back = "another of its digests" if digest else tag_of(current)
            found.append(
                Hold(_followed(merged), at, f"it was merged, and somebody went back to {back}", digest)
            )
        for entry, refused in self._closed.get(ref, ()):
            end = ends(entry.at, until(entry), rejected_for)
            if (end is None or self._now < end) and _is_beyond(refused, current, policy):
                url = entry.facts.get("url", "")
                why = f"its merge request was closed unmerged ({url})"
                found.append(Hold(_followed(refused), entry.at, why, _moved(refused, current)))
        return tuple(found)


def _is_beyond(one: str, current: str, policy: ImagePolicy) -> bool:
    """Whether that tag is newer than the one in force, so that going on would bring it back."""
    if _name(one) != _name(current):
        return False
    tag, now = _followed(one), _followed(current)
    if tag == now:
        return bool(_moved(one, current))
    try:
        return bool(tag_of(one)) and newer(rule_of(policy), now, tag)
    except (BadRuleError, ValueError):
        return True  # nobody can tell: it is held


def _followed(text: str) -> str:
    """The tag, with or without being written."""
    return tag_of(text) or "latest"


def _moved(one: str, current: str) -> str:
    """The digest of that one, when it is what another digest of the same tag could become again."""
    try:
        before, now = image(one), image(current)
    except BadReferenceError:
        return ""
    return before.digest if _followed(one) == _followed(current) and before.digest != now.digest else ""
