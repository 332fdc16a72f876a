"""Between proposals and their merge requests: what there is already is counted, and the gates decide
which new ones are opened now. What waits is kept, with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from reconciler import gather
from reconciler.errors import Problem
from reconciler.job import Job, Site
from reconciler.model import Change, ChangeClass, ContainerRef, Decision, NoUsage, Proposal, Usage, Workload
from reconciler.ports import Past
from reconciler.proposals.gates import Bid, Brake, Tally, admit, braked, kept
from reconciler.proposals.group import change_id
from reconciler.proposals.memo import find
from reconciler.proposals.owners import CodeOwners, code_owners, reviewers
from reconciler.proposals.situation import newest_open
from reconciler.proposing import Settled
from reconciler.windows import Windows


def brake_on(
    job: Job,
    sites: Sequence[Site],
    decided: Sequence[Sequence[tuple[Workload, Decision]]],
    usage: Mapping[gather.Asked, Usage | NoUsage],
) -> Brake:
    """The sources of metrics whose workloads want more in such numbers that nobody should believe them."""

    def source_of(cluster: str) -> str:
        source = job.sources.of(cluster)
        return source.name if source is not None else ""

    changes = {
        change_id(decision): decision
        for some in decided
        for _, decision in some
        if isinstance(decision, Change) and decision.klass is ChangeClass.SAFETY
    }
    requests = [request for site in sites for request in site.past.requests]
    measured = [ref for (ref, _), used in usage.items() if isinstance(used, Usage)]
    # what `only` leaves out is measured in other runs
    unseen = [ref for site in sites for ref in _left_out(site)] if job.partial else []
    return braked(changes.values(), [*measured, *unseen], source_of, requests, job.alarms)


def _left_out(site: Site) -> Iterable[ContainerRef]:
    looked_at = {one.container.ref for one in site.subjects}
    for workload in site.estate.discoveries[site.repository.name].workloads:
        yield from (one.ref for one in workload.containers if one.ref not in looked_at)


def gated(job: Job, settled: Sequence[Settled]) -> list[Settled]:
    """The same with what goes on or may be opened now; the rest waits, and is kept with its reason."""
    owners = [_owners(one) for one in settled]
    both = list(zip(settled, owners, strict=True))
    windows = {id(one.site.estate): Windows(job, one.site.estate) for one in settled}
    bids = [
        _bid(proposal, one.site.past, mine)._replace(
            window=partial(windows[id(one.site.estate)].shut, proposal)
        )
        for one, mine in both
        for proposal in one.proposals
    ]
    admission = admit(bids, _tallies(settled, bids, owners), job.now)
    admitted = {(one.repository, one.key): one for one in admission.admitted}
    held = {(one.proposal.repository, one.proposal.key): one for one in admission.held}
    found = []
    for one, mine in both:
        keys = [(proposal.repository, proposal.key) for proposal in one.proposals]
        going = tuple(_with_reviewers(admitted[key], one.site.past, mine) for key in keys if key in admitted)
        waiting = tuple(held[key] for key in keys if key in held)
        changed = [change for proposal in going for change in proposal.changes]
        rows = (*one.kept, *kept(waiting))
        found.append(one._replace(decisions=(*changed, *rows), proposals=going, kept=rows, held=waiting))
    return found


def _bid(proposal: Proposal, past: Past, owners: CodeOwners) -> Bid:
    gates = [change.evidence.policy.gates for change in proposal.changes]
    said = tuple(dict.fromkeys(each.owner for each in gates if each.owner))
    counted = any(each.per_owner is not None for each in gates)
    return Bid(
        proposal,
        is_open=newest_open(past.requests, proposal.branch) is not None,
        owners=said or (_owned(owners, [change.path for change in proposal.files]) if counted else ()),
        wishes=frozenset(wish for wish, key in past.wishes if key == proposal.key),
    )


# -- owners ----------------------------------------------------------------------------------------


def _owners(one: Settled) -> CodeOwners:
    """Read where anybody wants to know: a policy that asks them, or counts by them."""
    gates = [change.evidence.policy.gates for proposal in one.proposals for change in proposal.changes]
    if not any(each.per_owner is not None or each.reviewers_from == "codeowners" for each in gates):
        return CodeOwners()
    files = one.site.files

    def read(path: str) -> bytes | None:
        try:
            return files.read(path)
        except Problem:  # it isn't there
            return None

    return code_owners(read)


def _owned(owners: CodeOwners, paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for path in paths for name in owners.of(path)))


def _with_reviewers(proposal: Proposal, past: Past, owners: CodeOwners) -> Proposal:
    gates = list(dict.fromkeys(change.evidence.policy.gates for change in proposal.changes))
    names = [name for each in gates for name in each.reviewers]
    if any(each.reviewers_from == "codeowners" for each in gates) and not past.asks_owners:
        names += _owned(owners, [change.path for change in proposal.files])
    return proposal._replace(reviewers=reviewers(names, past.me))


# -- what there is already -------------------------------------------------------------------------


def _tallies(
    settled: Sequence[Settled], bids: Sequence[Bid], owners: Sequence[CodeOwners]
) -> dict[str, Tally]:
    """Two branches of one repository count together."""
    said = {(bid.where, bid.proposal.key): bid.owners for bid in bids}
    found: dict[str, list[tuple[Past, CodeOwners]]] = {}
    for one, mine in zip(settled, owners, strict=True):
        found.setdefault(one.site.repository.name, []).append((one.site.past, mine))
    return {where: _tally(where, pasts, said) for where, pasts in found.items()}


def _tally(
    where: str,
    pasts: Sequence[tuple[Past, CodeOwners]],
    said: Mapping[tuple[str, str], tuple[str, ...]],
) -> Tally:
    memos = [
        (memo, owners)
        for past, owners in pasts
        for request in past.requests
        if request.state == "open" and (memo := find(request.body)) is not None
    ]
    by_owner: Counter[str] = Counter()
    for memo, owners in memos:
        paths = [value.path for value in memo.values]
        by_owner.update(said.get((where, memo.key)) or _owned(owners, paths))
    opened = _opened(past for past, _ in pasts)
    safety = tuple(at for at, key in opened if key.startswith(f"{ChangeClass.SAFETY.value}/"))
    return Tally(len(memos), by_owner, tuple(at for at, _ in opened), safety)


def _opened(pasts: Iterable[Past]) -> list[tuple[int, str]]:
    """When which key was opened, by the forge or by the ledger: either alone is enough."""
    found: dict[object, tuple[int, str]] = {}
    for past in pasts:
        for entry in past.ledger:
            if entry.event == "opened":
                found[entry.facts.get("number")] = (entry.at, entry.key)
        for request in past.requests:
            memo = find(request.body)
            if memo is not None:
                found[request.number] = (request.opened_at, memo.key)
    return list(found.values())
