"""The plan carried out, in an order that can be cut off after any single write.

    0. where people asked for it: what they wrote is put aside; and requests are opened again, which
       forges refuse once their branch was moved
    1. one push: new and moved branches, with their evidence in the ledger
    2. the forge, one merge request after the other
    3. one push: branches no longer needed, and what happened, in the ledger

Whatever is missing after a crash, the next run sees missing, and does. Where the forge wants no more,
what was done stays, and the next run goes on with the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.errors import Problem
from reconciler.forges.port import TooMany
from reconciler.model import Action, Do, Failure, LedgerEntry, MergeRequest, RefUpdate, Whose
from reconciler.planning import Planned, superseded
from reconciler.ports import Past, Progress, Repository, Writer
from reconciler.proposals.group import change_id
from reconciler.proposals.history import events_of, facts_of
from reconciler.proposals.pushed import remembering
from reconciler.pushing import HEADS, Moved, push_branches, put_aside
from reconciler.telling import Told, close, merge, opened, remarked, reopened, updated


def intended(repository: str, planned: Iterable[Planned]) -> list[Action]:
    """The plan as a dry run shows it."""
    return [_action(repository, one, one.seen.request or one.seen.strayed) for one in planned]


def carry_out(
    repository: Repository,
    writer: Writer,
    past: Past,
    planned: Sequence[Planned],
    now: int,
    progress: Progress,
    remembered: Sequence[LedgerEntry] = (),
    forgotten: Sequence[LedgerEntry] = (),
) -> tuple[list[Action], list[Failure]]:
    """`remembered` is what the ledger is to know besides what becomes of the plan; `forgotten` is every
    "no" that was taken back: the ledger knows that before anything is opened because of it."""
    aside = put_aside(writer, planned)
    going = _Going(repository.name, writer, past, now, aside)
    ready = [going.begun(one) for one in planned]
    moving = [one for one in ready if one.branch not in going.waits]
    moved = push_branches(writer, moving, now, forgotten)
    going.follow(moved)
    advance = progress.step("Writing merge requests", len(ready))
    for one in ready:
        going.tell(one)
        advance(1)
    new = events_of(going.requests.values(), past.ledger)
    events = (*new, *superseded(new, planned), *going.remarks, *remembered)
    if going.gone or events:
        answer = writer.push(going.gone, events)
        going.failed += [_failure(repository.name, ref, why) for ref, why in answer.refused.items()]
    return going.actions, going.ended()


class _Going:
    """A plan while it is carried out."""

    def __init__(self, name: str, writer: Writer, past: Past, now: int, aside: dict[str, str]) -> None:
        self._name = name
        self._forge = writer.forge
        self._now = now
        self._tips: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._there: dict[str, MergeRequest] = {}  # by key: what is open now
        self._limit: TooMany | None = None
        self._did = False  # anything that others can see
        self.waits = dict(aside)  # by branch: why this run leaves it for the next
        self.requests = {request.number: request for request in past.requests}
        self.actions: list[Action] = []
        self.failed: list[Failure] = []
        self.remarks: list[LedgerEntry] = []
        self.gone: list[RefUpdate] = []

    def begun(self, one: Planned) -> Planned:
        """Its request is open again, where that comes first; a new one where the forge refuses."""
        if one.step.do is not Do.REOPEN or one.seen.ended is None:
            return one
        try:
            if self._limit is not None:
                raise self._limit
            request = reopened(self._forge, one.seen.ended)
        except TooMany as limit:
            self._limit = limit
            self.waits[one.branch] = limit.failure.error
            return one
        except Problem as problem:
            why = f"new; !{one.seen.ended.number} could not be opened again ({problem})"
            return one._replace(step=one.step._replace(do=Do.OPEN, why=why, reopened=None))
        self._did = True
        return one._replace(seen=one.seen._replace(request=request))

    def follow(self, moved: Moved) -> None:
        self._tips = moved.tips
        self._refused = moved.refused
        self.waits |= moved.waits
        self._did = self._did or bool(moved.tips.keys() - moved.waits.keys() - moved.refused.keys())
        self.failed += [_failure(self._name, branch, why) for branch, why in moved.refused.items()]

    def tell(self, one: Planned) -> None:
        """What the forge is told of one key, and what the report is."""
        if one.failure is not None:
            self.failed.append(one.failure)
        why = self.waits.get(one.branch) or self._refused.get(one.branch) or self._too_early(one)
        if why:
            self._wait(one, why)
            return
        try:
            told = self._told(one)
        except TooMany as limit:
            self._limit = limit
            self._wait(one, limit.failure.error)
        except Problem as problem:
            self.failed.append(problem.failure)
        else:
            self._took(one, told)

    def _too_early(self, one: Planned) -> str:
        """Why a step that writes has to wait for the next run."""
        if not one.step.writes:
            return ""
        if self._limit is not None:
            return self._limit.failure.error
        if one.step.instead and one.step.do is Do.CLOSE and not self._heirs(one):
            return "its values belong into another merge request, which is not open yet"
        return ""

    def _heirs(self, one: Planned) -> list[MergeRequest]:
        return [self._there[key] for key in one.step.instead if key in self._there]

    def _told(self, one: Planned) -> Told:
        forge, step, proposal, request = self._forge, one.step, one.proposal, one.seen.request
        if step.do is Do.OPEN and proposal is not None:
            told = Told(opened(forge, proposal))
        elif step.do in (Do.UPDATE, Do.REOPEN) and proposal is not None and request is not None:
            told = Told(updated(forge, request, proposal, step))
        elif step.do is Do.CLOSE and request is not None:
            told = close(forge, request, self._heirs(one))
        elif step.remark is not None and (there := request or one.seen.strayed) is not None:
            told = Told(remarked(forge, there, step))
        else:
            told = Told(request or one.seen.strayed)
        if step.merge and told.request is not None:
            tip = self._tips.get(one.branch, step.expected)
            told = merge(forge, told.request, tip)
            self._limit = told.limit or self._limit
        return told

    def _took(self, one: Planned, told: Told) -> None:
        self._did = self._did or one.step.writes
        request = told.request
        self.actions.append(_action(self._name, one, request, told.more))
        if request is not None:
            if one.seen.strayed is None:
                known = remembering(request, one.proposal) if one.proposal else request
                self.requests[request.number] = known
            if request.state == "open":
                self._there[one.key] = request
            self.remarks += [
                LedgerEntry(self._now, each.event, one.key, {**facts_of(request), "mark": each.mark})
                for each in one.step.remarks
                if each.event != "rebased"  # that was told with its push
            ]
        if one.step.drop:
            self.gone.append(RefUpdate(HEADS + one.branch, "", one.step.expected))

    def _wait(self, one: Planned, why: str) -> None:
        action = _action(self._name, one, one.seen.request or one.seen.ended)
        self.actions.append(action._replace(do=Do.WAIT, why=why))

    def ended(self) -> list[Failure]:
        """What failed; the forge's limits are no failure, unless they let nothing be done at all."""
        nothing = self._limit is not None and not self._did
        return [*self.failed, *([self._limit.failure] if nothing and self._limit else [])]


def _failure(repository: str, ref: str, why: str) -> Failure:
    return Failure(ref.removeprefix(HEADS), Whose.THEIRS, f"{why}.", repository)


def _action(repository: str, one: Planned, request: MergeRequest | None, more: str = "") -> Action:
    changes = one.proposal.changes if one.proposal else ()
    return Action(
        do=one.step.do,
        repository=repository,
        key=one.key,
        branch=one.branch,
        url=request.url if request else "",
        changes=tuple(change_id(change) for change in changes),
        why=one.step.why + more,
    )
