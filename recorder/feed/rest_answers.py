"""What REST answers of both venues hold, as records: books, trades, candles, times.

Prices and sizes stay texts as they were sent; whoever needs numbers checks them as those of a
frame. A row that cannot be read is left out of a record and named in its ``problems``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from recorder.core.numbers import count, number, plain

T = TypeVar("T")
_PROBLEMS_MAX = 20


class OddAnswerError(Exception):
    """An answer has not the shape that it should have; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The venue's time ``venue_s``, between ``sent_s`` and ``came_s`` of ours; all since 1970."""

    venue_s: float
    sent_s: float
    came_s: float

    @property
    def ahead_s(self) -> float:
        """By how much our clock is ahead of the venue's, at best knowledge."""
        return (self.sent_s + self.came_s) / 2 - self.venue_s

    @property
    def uncertain_s(self) -> float:
        """How far `ahead_s` may be off, in either direction: half of the way there and back."""
        return (self.came_s - self.sent_s) / 2


@dataclass(frozen=True, slots=True)
class RestTrade:
    """One trade as the venue gave it. ``side`` is the maker's, in the venue's own spelling."""

    product_id: str
    trade_id: int
    price: str
    size: str
    time: str
    side: str


@dataclass(frozen=True, slots=True)
class TradesPage:
    """Trades, newest first. ``after`` asks for the next older page; None where there is none.

    ``rows`` is how many the venue gave, those that cannot be read included; None: not known.
    """

    trades: list[RestTrade]
    after: int | None
    problems: list[str]
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class RestBook:
    """A book: (price, size) in the venue's text, best first. ``sequence`` is Exchange's only."""

    product_id: str
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    sequence: int | None
    time: str | None


@dataclass(frozen=True, slots=True)
class RestCandle:
    """One candle; ``start_s`` is seconds since 1970, amounts as texts. Empty ones do not exist."""

    start_s: int
    open: str
    high: str
    low: str
    close: str
    volume: str


def members(body: Any, name: str) -> list[Any]:
    """Give the list that an answer holds. Raises OddAnswerError where there is none."""
    found = body.get(name) if isinstance(body, dict) else None
    if not isinstance(found, list):
        raise OddAnswerError(f"an object with {name!r} was expected, not {_kind(body)}")
    return found


def rows(body: Any) -> list[Any]:
    """Give an answer that is a list. Raises OddAnswerError where it is none."""
    if not isinstance(body, list):
        raise OddAnswerError(f"a list was expected, not {_kind(body)}")
    return body


def venue_time(body: Any, sent_s: float, came_s: float) -> Clock:
    """Read the answer of ``/time``: ``epochMillis`` as text, or ``epoch`` as a number."""
    if isinstance(body, dict):
        millis, epoch = body.get("epochMillis"), body.get("epoch")
        if isinstance(millis, str) and millis.isascii() and millis.isdigit():
            return Clock(int(millis[:15]) / 1000, sent_s, came_s)
        if isinstance(epoch, int | float) and not isinstance(epoch, bool) and 0 < epoch < 1e11:
            return Clock(float(epoch), sent_s, came_s)
    raise OddAnswerError(f"a time was expected, not {_kind(body)}")


def volumes(body: Any) -> dict[str, float]:
    """Read Exchange's figures of all products: the volume of 24 hours of those that have one."""
    if not isinstance(body, dict):
        raise OddAnswerError(f"an object was expected, not {_kind(body)}")
    found = {}
    for product_id, stats in body.items():
        day = stats.get("stats_24hour") if isinstance(stats, dict) else None
        text = day.get("volume") if isinstance(day, dict) else None
        try:
            found[product_id] = number(text) if isinstance(text, str) else 0.0
        except ValueError:
            continue
    return {product_id: volume for product_id, volume in found.items() if volume > 0}


def trades(found: Iterable[Any], product_id: str) -> tuple[list[RestTrade], list[str]]:
    """Read the trades of either venue; returns them, and a sentence for each that is none."""

    def read(row: Mapping[str, Any]) -> RestTrade:
        # A number on Exchange, a text on Advanced Trade.
        trade_id = count(str(row["trade_id"]))
        price, size, side = (_text(row, name) for name in ("price", "size", "side"))
        if number(price) <= 0 or number(size) <= 0:
            raise ValueError(f"has a price or size that is not above 0: {price!r}, {size!r}")
        if side.upper() not in {"BUY", "SELL"}:
            raise ValueError(f"has a side that is none: {side[:20]!r}")
        return RestTrade(product_id, trade_id, price, size, _text(row, "time"), side)

    return _each(found, read, f"trade of {product_id}")


def book(body: Any, product_id: str) -> RestBook:
    """Read a book of either venue. Raises OddAnswerError: half a book is none."""
    inner = body.get("pricebook", body) if isinstance(body, dict) else body
    sides = {name: _levels(members(inner, name), product_id) for name in ("bids", "asks")}
    sequence, time = inner.get("sequence"), inner.get("time")
    return RestBook(
        product_id,
        sides["bids"],
        sides["asks"],
        sequence=sequence if isinstance(sequence, int) else None,
        time=time if isinstance(time, str) else None,
    )


def _levels(found: Iterable[Any], product_id: str) -> list[tuple[str, str]]:
    levels, problems = _each(found, _level, f"level of {product_id}")
    if problems:
        raise OddAnswerError(problems[0])
    return levels


def _level(row: Any) -> tuple[str, str]:
    """``{"price", "size"}`` on Advanced Trade, ``[price, size, …]`` on Exchange."""
    if isinstance(row, list):
        price, size = row[:2]
    else:
        price, size = row["price"], row["size"]
    for text in (price, size):
        if not isinstance(text, str) or number(text) < 0:
            raise ValueError(f"has an amount that is none: {str(text)[:40]!r}")
    return price, size


def candles(found: Iterable[Any]) -> tuple[list[RestCandle], list[str]]:
    """Read candles of either venue, oldest first; and a sentence for each that is none."""

    def read(row: Any) -> RestCandle:
        if isinstance(row, list):  # Exchange: [time, low, high, open, close, volume], numbers
            start, low, high, first, close, volume = row
        else:
            names = ("start", "low", "high", "open", "close", "volume")
            start, low, high, first, close, volume = (row[name] for name in names)
        amounts = (_amount(each) for each in (first, high, low, close, volume))
        return RestCandle(count(str(start)), *amounts)

    read_ones, problems = _each(found, read, "candle")
    return sorted(read_ones, key=lambda each: each.start_s), problems


def _each(found: Iterable[Any], read: Callable[[Any], T], what: str) -> tuple[list[T], list[str]]:
    good: list[T] = []
    problems: list[str] = []
    for row in found:
        try:
            good.append(read(row))
        except (ValueError, TypeError, KeyError, AttributeError) as wrong:
            if len(problems) < _PROBLEMS_MAX:
                why = f"it has no {wrong}" if isinstance(wrong, KeyError) else str(wrong)
                problems.append(f"{what} cannot be read: {str(row)[:200]}: {why[:200]}")
    return good, problems


def _amount(value: Any) -> str:
    """A number as text: Exchange's candles have JSON numbers, small ones with an exponent."""
    text = value if isinstance(value, str) else plain(float(value))
    if number(text) < 0:
        raise ValueError(f"has a number below 0: {text}")
    return text


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is {_kind(value)} and no text")
    return value


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number"}
    shown = f" ({', '.join(map(str, value))[:80]})" if isinstance(value, dict) else ""
    return kinds.get(type(value), "nothing that can be used") + shown
