"""What changes are worth, in the words of a report or a merge request."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler import money
from reconciler.model import Amount, Change, Risk

WHEN_IT_IS_SAVED = (
    "This is what the requests cost, not yet the bill: money is saved once nodes are made smaller or "
    "fewer, and until then what they have idle grows by as much."
)
WHEN_IT_IS_PAID = "This is what the requests cost: the bill only grows where it takes more or larger nodes."


def monthly(changes: Iterable[Change]) -> tuple[Amount, ...]:
    """What all of them move a month, one amount a currency; below zero they save."""
    return money.sums(change.worth.monthly for change in changes if change.worth is not None)


def risked(changes: Iterable[Change]) -> str:
    """`; risk: medium`, the highest of them."""
    found = [change.worth.risk for change in changes if change.worth is not None]
    return f"; risk: {max(found, key=[*Risk].index)}" if found else ""


def priced(changes: Iterable[Change]) -> tuple[str, ...]:
    """At whose prices, and when the money is there; nothing where nothing has a price."""
    known = [change.worth for change in changes if change.worth is not None]
    if not known:
        return ()
    sources = " and ".join(dict.fromkeys(worth.source for worth in known))
    saves = any(worth.monthly.millionths < 0 for worth in known)
    return f"Prices: {sources}.", WHEN_IT_IS_SAVED if saves else WHEN_IT_IS_PAID
