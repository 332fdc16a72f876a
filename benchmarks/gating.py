"""Ten thousand proposals before the gates: which may be opened, and the place in the queue of all others.

Compared with making the merge requests' plans alone, which a run has done before it comes to the gates.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from reconciler.model import (
    Amount,
    Change,
    ChangeClass,
    Consumer,
    ContainerRef,
    Evidence,
    Field,
    Gates,
    Hours,
    Mode,
    NewValue,
    Place,
    Policy,
    Proposal,
    Risk,
    Sketch,
    Slot,
    Usage,
    Worth,
)
from reconciler.proposals.gates import Bid, Tally, admit, kept
from reconciler.proposals.group import plan_of
from reconciler.proposals.owners import parse

PROPOSALS = 10_000
RULES = 2_000
MOST_SECONDS = 10.0
NOW = 1_772_445_600
NONE = Sketch((), ())
USED = Usage("m", "q", 0, 1, 1, 1, 1, 1, 1, NONE, NONE, NONE, NONE, 0, (), (), None, 0)
POLICIES = (
    Gates(),
    Gates(hours=(Hours((0, 1, 2, 3, 4), 540, 1020),), time_zone="Europe/Berlin", per_owner=2),
    Gates(approval="required"),
)


def proposal(number: int) -> Proposal:
    klass = ChangeClass.SAFETY if number % 50 == 0 else ChangeClass.SAVINGS
    ref = ContainerRef("", f"team-{number % 300}", "Deployment", f"app-{number}", "app")
    place = Place("deploy", f"teams/team-{number % 300}/app-{number}/values.yaml", 0, ("resources", "cpu"))
    slot = Slot(place, 7, Field.CPU_REQUEST, "500m", (ref,))
    policy = Policy(("p",), Mode.PROPOSE, Mode.PROPOSE, None, "workload", (), (), gates=POLICIES[number % 3])  # type: ignore[arg-type]
    consumer = Consumer(ref, USED, 2, False, False, ())
    evidence = Evidence(NOW, "deploy", "c", "b", (slot,), (consumer,), policy, ())
    worth = Worth(Amount(-(number * 7919 % 10_007), "USD"), "prices", Risk.LOW, "")
    change = Change((NewValue(slot, "200m"),), klass, "because", evidence, (), worth=worth)
    key = f"{klass.value}/app-{number}"
    return Proposal(
        key, klass, f"app-{number}", "deploy", "main", "c", f"reconcile/{key}", Mode.PROPOSE,
        "plan", "", "", "", (), (), (), (change,),
    )  # fmt: skip


def timed(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def main() -> int:
    proposals = [proposal(number) for number in range(PROPOSALS)]
    rules = "".join(f"/teams/team-{n % 400}/**/app-{n}* @org/team-{n}\n" for n in range(RULES))
    owners = parse(rules.encode())
    tally = Tally(4, {"org/team-1": 1}, (NOW - 60,) * 4)

    def owned() -> list[Bid]:
        return [Bid(one, owners=owners.of(one.changes[0].values[0].slot.place.path)) for one in proposals]

    bids = owned()
    plans = timed(lambda: [plan_of(one.changes) for one in proposals])
    naming = timed(owned)
    found = admit(bids, {"deploy": tally}, NOW)
    gates = timed(lambda: kept(admit(bids, {"deploy": tally}, NOW).held))
    print(f"{PROPOSALS:,} plans: {plans:.2f} s")
    print(f"their owners, of {RULES:,} rules: {naming:.2f} s")
    print(f"gates and queue: {gates:.2f} s, {gates / plans:.1f} times the plans")
    print(f"{len(found.admitted)} admitted, {len(found.held):,} wait")
    fair = len(found.admitted) == 6 and len(found.held) == PROPOSALS - 6
    return 0 if fair and gates < MOST_SECONDS and naming < MOST_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
