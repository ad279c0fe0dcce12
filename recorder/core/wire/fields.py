"""What both of Coinbase's venues write alike: product ids, levels, sides, numbers of tickers."""

import re
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, cast

from recorder.core.messages import ASK, BID, Problem, Trade
from recorder.core.numbers import (
    DIGITS_EXACT,
    amounts,
    exact_amounts,
    exact_numbers,
    inexact,
    is_exact,
    number,
    numbers,
)
from recorder.core.times import rfc3339_ns

INT64_MAX = 2**63 - 1  # what a column of whole numbers holds

# The wire's side of a trade is the maker's (`coinbase.md` §1.6.4, §2.4.6); the taker's is its
# inverse.
TAKER_SIDES = {"BUY": "SELL", "SELL": "BUY"}

_product = re.compile(r"[A-Z0-9]{1,20}(?:-[A-Z0-9]{1,20}){1,3}").fullmatch


_products: set[str] = set()  # that were found to be some; short, and few
_PRODUCTS_MAX = 10_000


def is_product(product_id: str) -> bool:
    """Whether a text is a product id as Coinbase writes them, and safe as a folder's name."""
    if product_id in _products:
        return True  # nearly always
    if _product(product_id) is None:
        return False
    if len(_products) >= _PRODUCTS_MAX:
        _products.clear()
    _products.add(product_id)
    return True


def product_problem(product_id: str, channel: str) -> Problem:
    """What is said of a product id that cannot be one."""
    return Problem("impossible_product", f"product id {product_id[:100]!r}", channel)


def subscription_problems(strange: Sequence[str]) -> list[Problem]:
    """What is said, once, of channels and products of an answer that cannot be ours."""
    if not strange:
        return []
    named = ", ".join(f"{each[:40]!r}" for each in strange[:10])
    detail = f"an answer lists {len(strange)} channels or products that cannot be: {named}"
    return [Problem("impossible_subscription", detail)]


class Numbers(NamedTuple):
    """Prices and sizes of levels, and the texts of those that a float does not give back."""

    prices: list[float]
    sizes: list[float]
    price_texts: list[str | None] | None
    size_texts: list[str | None] | None


def changes(
    wire: Sequence[Any],
) -> tuple[list[str], list[float], list[float], list[str]] | None:
    """The sides, prices, sizes and times of changes whose numbers floats give back.

    ``wire``: with ``side`` (``bid``, or it is an ask), ``price_level``, ``new_quantity`` and
    ``event_time``. None where a number has more digits than a float, breaks the grammar, or is a
    price of 0.
    """
    sides: list[str] = []
    texts: list[str] = []
    times: list[str] = []
    for each in wire:  # one loop takes a third of four
        sides.append(BID if each.side == BID else ASK)
        texts.append(each.price_level)
        texts.append(each.new_quantity)
        times.append(each.event_time)
    numbers = exact_amounts(texts)
    if numbers is None:
        return None
    prices = numbers[::2]
    return None if 0.0 in prices else (sides, prices, numbers[1::2], times)


def levels(price_texts: list[str], size_texts: list[str]) -> Numbers:
    """Convert the prices and sizes of a book's levels.

    Raises ValueError where one breaks the grammar, or a price is 0.
    """
    texts = price_texts + size_texts  # at once: most updates have one level
    numbers = exact_amounts(texts)
    short = numbers is not None
    if numbers is None:
        numbers = amounts(texts)
    count = len(price_texts)
    prices, sizes = numbers[:count], numbers[count:]
    if 0.0 in prices:
        raise ValueError("a price of 0")
    if short:
        return Numbers(prices, sizes, None, None)
    return Numbers(prices, sizes, inexact(price_texts), inexact(size_texts))


def trade(
    product_id: str,
    trade_id: int,
    side: str,
    numbers: Sequence[float],
    texts: Sequence[str],
    trade_us: int | None,
) -> Trade:
    """Make a trade of the maker's side, and of price and size as numbers and as sent."""
    price, size = numbers
    price_text, size_text = (None if is_exact(each) else each for each in texts)
    return Trade(
        product_id,
        trade_id,
        side,
        TAKER_SIDES.get(side),
        price,
        size,
        trade_us,
        price_text,
        size_text,
    )


def microseconds(nanoseconds: int | None) -> int | None:
    """Round a time down to what the tables' times hold; None stays None."""
    return None if nanoseconds is None else nanoseconds // 1000


def event_times(texts: list[str]) -> list[int | None] | int | None:
    """Convert the times of the changes to microseconds; one where all are the same, as usual."""
    if not texts:
        return None
    first = texts[0]
    if texts.count(first) == len(texts):
        at_ns = rfc3339_ns(first)
        return None if at_ns is None else at_ns // 1000
    return [microseconds(rfc3339_ns(text)) for text in texts]


class NumberColumns:
    """The numbers of a ticker: wire key → column of the table `ticker`."""

    __slots__ = ("columns", "names", "texts_of")

    def __init__(self, columns: Mapping[str, str]) -> None:
        self.columns = columns
        self.names = tuple(columns.values())
        self.texts_of = attrgetter(*columns)


def ticker_numbers(
    wire: Any, numbered: NumberColumns, channel: str, problems: list[Problem]
) -> tuple[dict[str, float | None], dict[str, str] | None]:
    """Convert the numbers of a ticker, each on its own: one that cannot be hurts no other.

    Args:
        wire: the ticker, with a text or None for each key of ``numbered``, and a ``product_id``.
        numbered: what its numbers are called.
        channel: the channel that a problem names.
        problems: takes one for each number that breaks the grammar.

    Returns:
        ``values`` and ``inexact`` of `Ticker`.
    """
    texts: tuple[str | None, ...] = numbered.texts_of(wire)
    if all(texts):  # nearly always
        exact = exact_numbers(cast("tuple[str, ...]", texts))
        if exact is not None:
            return dict(zip(numbered.names, exact, strict=True)), None
    columns = numbered.columns
    present = [text for text in texts if text]
    found = numbers(present)
    if found is None:
        return _ticker_numbers_one_by_one(wire, columns, channel, problems)
    each = iter(found)
    filled = [next(each) if text else None for text in texts]
    values: dict[str, float | None] = dict(zip(columns.values(), filled, strict=True))
    inexact_texts = {
        column: text
        for column, text in zip(columns.values(), texts, strict=True)
        if text and len(text) > DIGITS_EXACT and not is_exact(text)
    }
    return values, inexact_texts or None


def _ticker_numbers_one_by_one(
    wire: Any, columns: Mapping[str, str], channel: str, problems: list[Problem]
) -> tuple[dict[str, float | None], dict[str, str] | None]:
    """The same where one of them breaks the grammar."""
    values: dict[str, float | None] = {}
    inexact_texts: dict[str, str] = {}
    for key, column in columns.items():
        text = getattr(wire, key)
        values[column] = None
        if text is None or text == "":
            continue
        try:
            values[column] = number(text)
        except ValueError as error:
            problems.append(
                Problem("impossible_number", f"{key}: {error}", channel, wire.product_id)
            )
            continue
        if not is_exact(text):
            inexact_texts[column] = text
    return values, inexact_texts or None
