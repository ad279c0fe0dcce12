"""Coinbase Advanced Trade: many frames at once, their numbers and times converted together.

What can be taken so are changes of one book, single tickers and new trades of one product, as
nearly all frames are, whose numbers floats hold and whose times are usual ones. Of these the same
comes as of `advanced.decode`, in columns; all others are left to that.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recorder.core.numbers import count, exact_amounts, inexact, numbers
from recorder.core.times import rfc3339_many_ns
from recorder.core.wire import advanced_shapes as shapes
from recorder.core.wire.advanced import SEQUENCE_MAX, decode_shape
from recorder.core.wire.fields import TAKER_SIDES, is_product
from recorder.core.wire.unreadable import UNREADABLE

OTHER, CHANGES, TICKER, TRADES, ASIDE = range(5)
"""What a frame is: to be decoded alone; changes of a book; a ticker; trades; alone, of no book."""

_ticker_texts = attrgetter(*shapes.TICKER_COLUMNS)

Told = tuple[tuple[float, ...], dict[str, str] | None]  # numbers, and texts floats do not hold


class Traded(NamedTuple):
    """The trades of one frame, oldest first, their ids without a hole from ``first`` on."""

    first: int
    sides: list[str]
    prices: list[float]
    sizes: list[float]
    trade_us: list[int]


class Many(NamedTuple):
    """Some frames. ``kinds``, ``sequences``, ``products`` and ``exchange_ns`` have one of each.

    ``shapes`` are the frames as they were read, `UNREAD` where one cannot be. ``products`` has the
    product of a frame of a book, of one ticker or of trades, else an empty text; a number that
    cannot be one is -1. ``counts`` are the changes of each frame of kind `CHANGES`, 0 of others,
    and ``event_us`` their time; ``sides`` (as sent), ``prices`` and ``sizes`` are those of all
    changes, frame after frame. ``told`` has the numbers of each frame of kind `TICKER`, as
    ``TICKER_COLUMNS`` has them, and ``traded`` what each of kind `TRADES` has.
    """

    shapes: list[Any]
    kinds: list[int]
    sequences: list[int]
    products: list[str]
    exchange_ns: NDArray[np.int64]
    event_us: NDArray[np.int64]
    counts: list[int]
    sides: list[str]
    prices: list[float]
    sizes: list[float]
    told: list[Told]
    traded: list[Traded]


def decode_many(raws: Sequence[bytes]) -> Many:
    """Decode what can be decoded together."""
    frames = _shapes(raws)
    found = [_FINDERS.get(type(frame), _other)(frame) for frame in frames]
    kinds = [kind for kind, _ in found]
    sequences = [_sequence(frame) for frame in frames]
    updates = {at: frames[at].events[0].updates for at in _places(kinds, CHANGES)}
    trades = {at: frames[at].events[0].trades for at in _places(kinds, TRADES)}
    times = [frame.timestamp for frame in frames]
    times += [each[0].event_time for each in updates.values()]
    times += [trade.time for each in trades.values() for trade in each]
    times_ns, good = rfc3339_many_ns(times)
    count, behind = len(frames), len(frames) + len(updates)
    goods = good.tolist()
    for at in range(count):
        if (sequences[at] < 0 or not goods[at]) and kinds[at] != ASIDE:
            kinds[at] = ASIDE if kinds[at] == TRADES else OTHER
    for at, is_good in zip(updates, goods[count:behind], strict=True):
        if not is_good:
            kinds[at] = OTHER
    event_us = np.zeros(count, np.int64)
    event_us[list(updates)] = times_ns[count:behind] // 1000
    trades_us = iter((times_ns[behind:] // 1000).tolist())
    told = _tickers(frames, kinds)
    traded = _trades_of(trades, kinds, trades_us, iter(goods[behind:]))
    return Many(
        frames, kinds, sequences, [product_id for _, product_id in found], times_ns[:count],
        event_us, *_changes_of(updates, kinds), told, traded,
    )  # fmt: skip


UNREAD = shapes.Subscriptions("", -1, [])
"""In the place of a frame that cannot be read."""


def _shapes(raws: Sequence[bytes]) -> list[Any]:
    frames: list[Any] = []
    rest = iter(raws)
    while len(frames) < len(raws):
        try:
            for raw in rest:
                frames.append(decode_shape(raw))  # noqa: PERF401  what was read before stays
        except UNREADABLE:
            frames.append(UNREAD)
    return frames


def _sequence(frame: shapes.Envelope) -> int:
    """The number of a frame; -1, which is never due, where it cannot be one."""
    return frame.sequence_num if 0 <= frame.sequence_num <= SEQUENCE_MAX else -1


def _places(kinds: Sequence[int], wanted: int) -> list[int]:
    return [at for at, kind in enumerate(kinds) if kind == wanted]


# --- what a frame is ------------------------------------------------------------------------------


def _other(_: Any) -> tuple[int, str]:
    return OTHER, ""


def _aside(_: Any) -> tuple[int, str]:
    return ASIDE, ""


def _changes(frame: shapes.L2Data) -> tuple[int, str]:
    if len(frame.events) != 1:
        return OTHER, ""
    event = frame.events[0]
    product_id, changes = event.product_id, event.updates
    if event.type != "update" or not changes or not is_product(product_id):
        return OTHER, product_id
    if len(changes) > 1:
        times = [change.event_time for change in changes]
        if times.count(times[0]) != len(times):
            return OTHER, product_id
    return CHANGES, product_id


def _ticker(frame: shapes.TickerFrame) -> tuple[int, str]:
    if len(frame.events) != 1 or len(frame.events[0].tickers) != 1:
        return OTHER, ""
    event = frame.events[0]
    product_id = event.tickers[0].product_id
    return TICKER if event.type == "update" and is_product(product_id) else OTHER, product_id


def _trades(frame: shapes.MarketTrades) -> tuple[int, str]:
    """Trades in an update, which the wire has newest first; all others stand aside."""
    if len(frame.events) != 1 or not frame.events[0].trades or frame.events[0].type != "update":
        return ASIDE, ""
    trades = frame.events[0].trades
    product_id = trades[0].product_id
    if not is_product(product_id):
        return ASIDE, ""
    for trade in trades:
        if trade.product_id != product_id or trade.side not in TAKER_SIDES:
            return ASIDE, ""
    return TRADES, product_id


_FINDERS: dict[type, Callable[[Any], tuple[int, str]]] = {
    shapes.L2Data: _changes,
    shapes.TickerFrame: _ticker,
    shapes.MarketTrades: _trades,
    shapes.Heartbeats: _aside,
}


# --- their numbers --------------------------------------------------------------------------------

_Columns = tuple[list[int], list[str], list[float], list[float]]


def _changes_of(updates: Mapping[int, Sequence[shapes.Change]], kinds: list[int]) -> _Columns:
    """Counts by frame, and the changes; of a frame whose numbers are others there are none."""
    counts = [0] * len(kinds)
    mine = {at: each for at, each in updates.items() if kinds[at] == CHANGES}
    found = _convert(list(mine.values()))
    if found is None:
        for at in [at for at, each in mine.items() if _convert([each]) is None]:
            kinds[at] = OTHER
            del mine[at]
        found = _convert(list(mine.values()))
        assert found is not None
    for at, each in mine.items():
        counts[at] = len(each)
    return counts, *found


def _convert(
    of_frames: Sequence[Sequence[shapes.Change]],
) -> tuple[list[str], list[float], list[float]] | None:
    """Everything at once; None where a number of one of them cannot be."""
    every = list(chain.from_iterable(of_frames))
    texts = [change.price_level for change in every]
    texts += [change.new_quantity for change in every]
    found = exact_amounts(texts)
    if found is None:
        return None
    prices, sizes = found[: len(every)], found[len(every) :]
    if 0.0 in prices:
        return None
    return [change.side for change in every], prices, sizes


def _tickers(frames: Sequence[Any], kinds: list[int]) -> list[Told]:
    """The numbers of tickers; one that lacks some, or has impossible ones, is decoded alone."""
    places = _places(kinds, TICKER)
    texts = [_ticker_texts(frames[place].events[0].tickers[0]) for place in places]
    every = None if any(None in each for each in texts) else numbers([*chain(*texts)])
    if every is not None:
        width = len(shapes.TICKER_COLUMNS)
        cuts = range(0, len(every), width)
        return [
            (tuple(every[cut : cut + width]), _inexact(each))
            for cut, each in zip(cuts, texts, strict=True)
        ]
    values = []
    for place, each in zip(places, texts, strict=True):
        alone = None if None in each else numbers(each)
        if alone is None:
            kinds[place] = OTHER
        else:
            values.append((tuple(alone), _inexact(each)))
    return values


def _inexact(texts: Sequence[str]) -> dict[str, str] | None:
    found = inexact(texts)
    if found is None:
        return None
    columns = shapes.TICKER_COLUMNS.values()
    return {name: text for name, text in zip(columns, found, strict=True) if text is not None}


def _trades_of(
    trades: Mapping[int, Sequence[shapes.Trade]],
    kinds: list[int],
    times_us: Iterator[int],
    goods: Iterator[bool],
) -> list[Traded]:
    """The trades of each frame of that kind; others than usual ones stand aside."""
    found = []
    for at, each in trades.items():
        mine_us, are_good = list(islice(times_us, len(each))), all(list(islice(goods, len(each))))
        traded = _traded(each, mine_us) if are_good and kinds[at] == TRADES else None
        if traded is None:
            kinds[at] = ASIDE
        else:
            found.append(traded)
    return found


def _traded(trades: Sequence[shapes.Trade], times_us: list[int]) -> Traded | None:
    """None where the ids are not one after the other, or a number is not as usual."""
    texts = [trade.price for trade in trades] + [trade.size for trade in trades]
    values = exact_amounts(texts)
    try:
        ids = [count(trade.trade_id) for trade in trades]
    except ValueError:
        return None
    oldest = ids[-1]
    if values is None or ids != list(range(oldest + len(ids) - 1, oldest - 1, -1)):
        return None
    half = len(trades)
    sides = [trade.side for trade in reversed(trades)]
    return Traded(oldest, sides, values[half - 1 :: -1], values[: half - 1 : -1], times_us[::-1])
