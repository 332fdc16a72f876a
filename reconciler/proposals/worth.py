"""What changes are worth, in the words of a report or a merge request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler import money
from reconciler.model import Amount, Change, Worth

WHEN_IT_IS_SAVED = (
    "This is what the requests cost, not yet the bill: money is saved once nodes are made smaller or "
    "fewer, and until then what they have idle grows by as much."
)
WHEN_IT_IS_PAID = "This is what the requests cost: the bill only grows where it takes more or larger nodes."


def monthly(changes: Iterable[Change]) -> tuple[Amount, ...]:
    """What all of them move a month, one amount a currency; below zero they save."""
    return money.sums(change.worth.monthly for change in changes if change.worth is not None)


def clause(amounts: Sequence[Amount]) -> str:
    """`saves $12.40 a month`, `costs 3.00 EUR a month`; of several currencies both. `""` without any."""
    told = []
    for verb, sign in (("saves", -1), ("costs", 1)):
        some = [Amount(abs(one.millionths), one.currency) for one in amounts if sign * one.millionths > 0]
        told += [f"{verb} {money.a_month(some)}"] if some else []
    return " and ".join(told)


def sentence(worth: Worth) -> str:
    """`Saves $12.40 a month. Risk: low (31 % above the peak of 14 days).`"""
    moved = clause([worth.monthly])
    head = f"{moved[:1].upper()}{moved[1:]}. " if moved else ""
    return f"{head}Risk: {worth.risk} ({worth.why})."


def priced(changes: Iterable[Change]) -> tuple[str, ...]:
    """At whose prices, and when the money is there; nothing where nothing has a price."""
    known = [change.worth for change in changes if change.worth is not None]
    if not known:
        return ()
    sources = " and ".join(dict.fromkeys(worth.source for worth in known))
    saves = any(worth.monthly.millionths < 0 for worth in known)
    return f"Prices: {sources}.", WHEN_IT_IS_SAVED if saves else WHEN_IT_IS_PAID
