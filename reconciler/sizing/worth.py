"""What a change moves a month in money, and what could go wrong with it.

The prices are evidence as much as the usage is: nothing is looked up here. Money counts what is
requested. Nodes cost the same until fewer of them are needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from reconciler import money
from reconciler.model import Amount, Consumer, Price, Reason, Refused, Risk, Usage, Worth
from reconciler.sizing.case import Case
from reconciler.sizing.estimate import Need
from reconciler.sizing.target import Way
from reconciler.sizing.words import DAY, count, figure, permille

_IN_TURNS: Final = ("Job", "CronJob")  # their pods end by themselves, and no rollout restarts them
_RANK: Final = {Risk.LOW: 0, Risk.MEDIUM: 1, Risk.HIGH: 2}

# From where on something is a risk that a reviewer should hear of.
_NARROW_PERCENT: Final = 10  # memory above the peak
_TIGHT_PERCENT: Final = 20  # a lowered memory limit above the peak: there the container is killed
_BIG_STEP_PERCENT: Final = 25
_HUGE_STEP_PERCENT: Final = 50
_FEW_DAYS: Final = 14
_GAPS_PERMILLE: Final = 900
_MANY_CONSUMERS: Final = 10


def worth_of(way: Way, value: int, limit: int | None) -> Worth | None:
    """Of a request that becomes `value`, and a limit that goes along with it."""
    price = way.case.evidence.price
    if price is None:
        return None
    found = sorted(_dangers(way, value, limit), key=lambda one: -_RANK[one.risk])
    risk = found[0].risk if found else Risk.LOW
    why = "; ".join(one.words for one in found if one.risk is risk) or _calm(way, value)
    amount = Amount(_moved(way.case, price, value), price.currency)
    return Worth(amount, price.source, risk, why)


def in_words(way: Way) -> str:
    """`, $12.40 a month`, of the whole way to the target; nothing without a price."""
    price = way.case.evidence.price
    if price is None:
        return ""
    moved = Amount(abs(_moved(way.case, price, way.target.value)), price.currency)
    return f", {money.words(moved)} a month"


def floor_in_words(way: Way) -> str:
    """` or $5.00 a month`, as far as the policy's floor is one in the currency of the price."""
    least = _floor(way.case)
    return f" or {money.a_month([least])}" if least is not None else ""


def too_little(way: Way) -> Refused | None:
    """Savings below the policy's floor of money are not worth a review."""
    case, price = way.case, way.case.evidence.price
    least = _floor(case)
    if least is None or price is None:
        return None
    saved = -_moved(case, price, way.target.value)
    if saved >= least.millionths:
        return None
    return Refused(
        Reason.TOO_SMALL,
        f"{figure(case.resource, way.target.value)} instead of {figure(case.resource, case.in_force or 0)} "
        f"would save {money.a_month([Amount(saved, price.currency)])} ({price.source}), "
        f"less than the {money.words(least)} that is worth a merge request",
    )


def _floor(case: Case) -> Amount | None:
    """None where there is none, or in another currency: nothing is converted."""
    least, price = case.evidence.policy.sizing.smallest_savings, case.evidence.price
    if least is None or price is None or least.currency not in ("", price.currency):
        return None
    return least._replace(currency=price.currency) if least.millionths else None


# ---------------------------------------------------------------------------------------------
# Money
# ---------------------------------------------------------------------------------------------


def _moved(case: Case, price: Price, value: int) -> int:
    """Over everyone that the line feeds, each at the price of its own cluster."""
    difference = value - (case.in_force or 0)
    return sum(_moved_by(case, one, _price_of(one, price), difference) for one in case.consumers)


def _moved_by(case: Case, one: Consumer, price: Price, difference: int) -> int:
    each = (difference, 0) if case.resource == "cpu" else (0, difference)
    pods, out_of = _pods(one)
    whole = money.monthly(price, *each) * pods
    shared = (2 * abs(whole) + out_of) // (2 * out_of)
    return shared if whole >= 0 else -shared


def _price_of(one: Consumer, price: Price) -> Price:
    """Money of another currency can't be added: then its own container's price stands for it."""
    own = one.price
    return own if own is not None and own.currency == price.currency else price


def _pods(one: Consumer) -> tuple[int, int]:
    """How many there are on average, as a fraction.

    What runs in turns counts for the time that it ran. An init container requests nothing beside the
    others of its pod: only the larger of the two counts, and that is hardly ever its own.
    """
    if one.init and not one.sidecar:
        return 0, 1
    usage = one.usage
    if one.ref.kind in _IN_TURNS and isinstance(usage, Usage) and usage.expected:
        return usage.expected * usage.step, max(usage.end - usage.start, DAY)
    return replicas_of(one), 1


def replicas_of(one: Consumer) -> int:
    """The last seen, else what the manifest says; one at least."""
    seen = one.usage.replicas if isinstance(one.usage, Usage) else 0
    return max(1, seen or one.replicas)


# ---------------------------------------------------------------------------------------------
# Risk
# ---------------------------------------------------------------------------------------------


class _Danger(NamedTuple):
    risk: Risk
    words: str


def _dangers(way: Way, value: int, limit: int | None) -> Iterator[_Danger]:
    case = way.case
    current = case.in_force
    if all(need.twin for need in way.needs):
        yield _Danger(Risk.MEDIUM, "nothing is known of its own use")
    if current is not None and value < current:
        yield from _of_use(way, value)
        yield from _of_limit(way, limit)
        yield from _of_evidence(way)
        yield from _of_step(current, value)
    elif current and value > 2 * current:
        yield _Danger(Risk.MEDIUM, "it more than doubles, and fits on fewer nodes")
    yield from _of_rollout(case)


def _of_use(way: Way, value: int) -> Iterator[_Danger]:
    peak = max(need.peak for need in way.needs)
    if way.case.resource == "memory":
        if value < peak:
            yield _Danger(Risk.HIGH, f"below the peak of {figure('memory', peak)}")
        elif value * 100 < peak * (100 + _NARROW_PERCENT):
            yield _Danger(Risk.MEDIUM, f"{_above(value, peak)} % above the peak of {figure('memory', peak)}")
        return
    if value >= peak:
        return  # and so it is above all others, which take longer to be counted out
    half, most = (max(need.usage.cpu.quantile(share) for need in way.needs) for share in (500, 950))
    if value < half:
        yield _Danger(Risk.HIGH, f"half of all samples pass it (p50 is {figure('cpu', half)})")
    elif value < most:
        yield _Danger(Risk.MEDIUM, f"below the p95 of {figure('cpu', most)}")


def _above(value: int, peak: int) -> int:
    return value * 100 // peak - 100 if peak else 100


def _of_limit(way: Way, limit: int | None) -> Iterator[_Danger]:
    case = way.case
    if limit is None or case.limit is None or limit >= case.limit:
        return
    peak = max(need.peak for need in way.needs)
    room = _TIGHT_PERCENT if case.resource == "memory" else 0
    if limit * 100 < peak * (100 + room):
        yield _Danger(Risk.HIGH, f"its limit falls to {figure(case.resource, limit)}, near the peak")


def _of_evidence(way: Way) -> Iterator[_Danger]:
    worst = min(way.needs, key=lambda need: need.usage.coverage_permille)
    if worst.usage.coverage_permille < _GAPS_PERMILLE:
        share = permille(1000 - worst.usage.coverage_permille)
        yield _Danger(Risk.MEDIUM, f"{share} of the samples are missing")
    days = min(need.days for need in way.needs)
    if days < _FEW_DAYS:
        yield _Danger(Risk.MEDIUM, f"known on {count(days, 'day')} only")
    restarts = max(_restarts(need) for need in way.needs)
    if restarts:
        yield _Danger(Risk.MEDIUM, f"restarted {count(restarts, 'time')} within the window")


def _restarts(need: Need) -> int:
    return 0 if need.consumer.ref.kind in _IN_TURNS else need.usage.restarts


def _of_step(current: int, value: int) -> Iterator[_Danger]:
    percent = (current - value) * 100 // current
    if percent > _BIG_STEP_PERCENT:
        risk = Risk.HIGH if percent > _HUGE_STEP_PERCENT else Risk.MEDIUM
        yield _Danger(risk, f"{percent} % less at once")


def _of_rollout(case: Case) -> Iterator[_Danger]:
    """The pods are made anew with the new values."""
    kinds = {one.ref.kind for one in case.consumers} - {*_IN_TURNS, "Deployment", "ReplicaSet", "Rollout"}
    for kind in sorted(kinds):
        yield _Danger(Risk.MEDIUM, f"the pods of a {kind} are made anew")
    alone = [one for one in case.consumers if one.ref.kind not in (*_IN_TURNS, "DaemonSet")]
    if any(replicas_of(one) == 1 for one in alone):
        yield _Danger(Risk.MEDIUM, "its only pod is made anew")
    if len(case.consumers) > _MANY_CONSUMERS:
        yield _Danger(Risk.MEDIUM, f"{len(case.consumers)} containers get it from one line")


def _calm(way: Way, value: int) -> str:
    """Why nothing speaks against it."""
    if way.case.in_force is None or value > way.case.in_force:
        return "it only adds"
    days = count(min(need.days for need in way.needs), "day")
    peak = max(need.peak for need in way.needs)
    if value >= peak:
        return f"{_above(value, peak)} % above the peak of {days}"
    return f"95 of 100 samples of {days} stay below it"
