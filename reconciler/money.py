"""What requested CPU and memory cost, and amounts of money as people read them. Pure, integers only.

Amounts are millionths of a currency, as prices of an hour are small. A month is 730 hours. Nothing
is converted: amounts of two currencies are never added or compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from reconciler.model import Amount, Price, Worth

__all__ = [
    "ASSUMED",
    "HOURS",
    "Amount",
    "BadAmount",
    "Price",
    "a_month",
    "amount",
    "clause",
    "currency",
    "hourly",
    "millionths",
    "monthly",
    "sentence",
    "sums",
    "words",
]

HOURS: Final = 730  # of a month: 365 days and nights, divided by 12
MILLION: Final = 1_000_000
_GIB: Final = 2**30
_MOST: Final = 10**6 * MILLION  # an hour of nothing costs a million, in any currency

# What a general-purpose machine costs on demand in the cheaper regions of the large public clouds,
# shared out between its cores and its memory: 0.031611 a core and hour, 0.004237 a GiB and hour.
ASSUMED: Final = Price("USD", 31_611, 4_237, "public-cloud list prices, assumed")

_NUMBER: Final = re.compile(r"(?P<whole>[0-9]{1,18})(?:\.(?P<part>[0-9]*))?|\.(?P<only>[0-9]+)")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_SIGNS: Final = {"$": "USD", "€": "EUR", "£": "GBP"}
# Currencies without a smaller coin.
_WHOLE: Final = frozenset({"CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF"})


class BadAmount(ValueError):  # noqa: N818 - named in the user's words
    """A text that is no amount of money. The message is a sentence for the user."""


# ---------------------------------------------------------------------------------------------
# Counting
# ---------------------------------------------------------------------------------------------


def monthly(price: Price, millicores: int, memory: int) -> int:
    """Millionths that so much CPU and memory (bytes) cost in a month; of a negative amount, negative.

    Rounded once, halves away from zero, so that giving back costs exactly what taking does.
    """
    whole = HOURS * (price.core_hour * millicores * _GIB + price.gib_hour * memory * 1000)
    half_up = (2 * abs(whole) + 1000 * _GIB) // (2 * 1000 * _GIB)
    return half_up if whole >= 0 else -half_up


def sums(amounts: Iterable[Amount]) -> tuple[Amount, ...]:
    """One a currency, ordered by the currency's name."""
    found: dict[str, int] = {}
    for one in amounts:
        found[one.currency] = found.get(one.currency, 0) + one.millionths
    return tuple(Amount(total, currency) for currency, total in sorted(found.items()))


# ---------------------------------------------------------------------------------------------
# Reading
# ---------------------------------------------------------------------------------------------


def millionths(text: str) -> int:
    """`0.031611` as 31611: exact, or refused."""
    found = _NUMBER.fullmatch(text.strip())
    if found is None or not text.isascii():
        raise BadAmount(f"{text!r} is no amount of money: write it as 0.0316 or 12.50")
    whole, part = found["whole"] or "0", (found["part"] or found["only"] or "").rstrip("0")
    if len(part) > 6:
        raise BadAmount(f"{text!r} is finer than a millionth: write at most six digits behind the point")
    value = int(whole) * MILLION + int(part.ljust(6, "0"))
    if value > _MOST:
        raise BadAmount(f"{text!r} is more than a million: no hour and no merge request costs that")
    return value


def amount(text: str) -> Amount:
    """`5`, `$5`, `5 EUR`, `EUR 5`; without a currency it is in that of whatever it is compared with."""
    bare = text.strip()
    if bare[:1] in _SIGNS:
        return Amount(millionths(bare[1:]), _SIGNS[bare[0]])
    if bare[-1:] in _SIGNS:
        return Amount(millionths(bare[:-1]), _SIGNS[bare[-1]])
    first, _, second = bare.partition(" ")
    for code, number in ((first, second), (second, first)):
        if second and _CURRENCY.fullmatch(code):
            return Amount(millionths(number), code)
    return Amount(millionths(bare), "")


def currency(text: str) -> str:
    """An ISO 4217 code, as it has to be written: nothing here knows which of them exist."""
    if _CURRENCY.fullmatch(text) is None:
        raise BadAmount(f"{text!r} is no currency: write its three letters, such as USD or EUR")
    return text


# ---------------------------------------------------------------------------------------------
# Telling
# ---------------------------------------------------------------------------------------------


def words(one: Amount) -> str:
    """`$12.40`, `-$3.00`, `12.40 EUR`, `1,240 JPY`; what rounds to nothing is said to be so."""
    sign = "-" if one.millionths < 0 else ""
    coin = MILLION if one.currency in _WHOLE else MILLION // 100
    coins = (2 * abs(one.millionths) + coin) // (2 * coin)
    if not coins and one.millionths:
        return f"less than {_figure(1, coin, one.currency)}"
    return f"{sign if coins else ''}{_figure(coins, coin, one.currency)}"


def _figure(coins: int, coin: int, name: str) -> str:
    whole, part = (coins, "") if coin == MILLION else (coins // 100, f".{coins % 100:02d}")
    return f"${whole:,}{part}" if name == "USD" else f"{whole:,}{part} {name}".rstrip()


def hourly(price: Price) -> str:
    """`0.031611 USD a core and 0.004237 USD a GiB an hour`: to the millionth, as settings have it."""
    core, gib = (_exact(each) for each in (price.core_hour, price.gib_hour))
    return f"{core} {price.currency} a core and {gib} {price.currency} a GiB an hour"


def _exact(value: int) -> str:
    whole, part = divmod(value, MILLION)
    return f"{whole}.{part:06d}".rstrip("0").rstrip(".")


def a_month(amounts: Iterable[Amount]) -> str:
    """`$12.40 a month`; of several currencies `3.00 EUR and $12.40 a month`."""
    return f"{' and '.join(words(one) for one in sums(amounts))} a month"


def clause(amounts: Sequence[Amount]) -> str:
    """`saves $12.40 a month`, `costs 3.00 EUR a month`; of several currencies both. `""` without any."""
    told = []
    for verb, sign in (("saves", -1), ("costs", 1)):
        some = [Amount(abs(one.millionths), one.currency) for one in amounts if sign * one.millionths > 0]
        told += [f"{verb} {a_month(some)}"] if some else []
    return " and ".join(told)


def sentence(worth: Worth) -> str:
    """`Saves $12.40 a month. Risk: low (31 % above the peak of 14 days).`"""
    moved = clause([worth.monthly])
    head = f"{moved[:1].upper()}{moved[1:]}. " if moved else ""
    return f"{head}Risk: {worth.risk} ({worth.why})."
