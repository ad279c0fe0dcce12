"""Coinbase Advanced Trade: many frames at once, their numbers and times converted together.

What can be taken so are changes of one book and single tickers, as nearly all frames are, whose
numbers floats hold and whose times are usual ones. Of these the same comes as of `advanced.decode`,
in columns; all others are left to that.
"""

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recorder.core.messages import ASK, BID
from recorder.core.numbers import exact_amounts, inexact, numbers
from recorder.core.times import rfc3339_many_ns
from recorder.core.wire import advanced_shapes as shapes
from recorder.core.wire.advanced import SEQUENCE_MAX, TICKER_COLUMNS, decode_shape
from recorder.core.wire.fields import is_product
from recorder.core.wire.unreadable import UNREADABLE

OTHER, CHANGES, TICKER, ASIDE = range(4)
"""What a frame is: to be decoded alone; changes of a book; a ticker; alone, and of no book."""

_ticker_texts = attrgetter(*TICKER_COLUMNS)


Told = tuple[tuple[float, ...], dict[str, str] | None]  # numbers, and texts floats do not hold


class Many(NamedTuple):
    """Some frames. ``kinds``, ``sequences``, ``products`` and ``exchange_ns`` have one of each.

    ``products`` has the product of a frame of a book or of one ticker, else an empty text; a number
    that cannot be one is -1. ``counts`` are the changes of each frame of kind `CHANGES`, 0 of
    others, and ``event_us`` their time; ``sides``, ``prices`` and ``sizes`` are those of all
    changes, frame after frame. ``told`` has the numbers of each frame of kind `TICKER`, as
    ``TICKER_COLUMNS`` has them.
    """

    kinds: list[int]
    sequences: list[int]
    products: list[str]
    exchange_ns: NDArray[np.int64]
    counts: NDArray[np.int64]
    event_us: NDArray[np.int64]
    sides: list[str]
    prices: list[float]
    sizes: list[float]
    told: list[Told]


def decode_many(raws: Sequence[bytes]) -> Many:
    """Decode what can be decoded together."""
    frames = list(map(_shape, raws))
    kinds = [_KINDS.get(type(frame), _other)(frame) for frame in frames]
    products = list(map(_product, frames))
    sequences = list(map(_sequence, frames))
    exchange_ns, good = rfc3339_many_ns(["" if each is None else each.timestamp for each in frames])
    for place in np.flatnonzero(~good | (np.array(sequences, np.int64) < 0)).tolist():
        if kinds[place] != ASIDE:
            kinds[place] = OTHER
    event_ns = np.zeros(len(raws), np.int64)
    places = [place for place, kind in enumerate(kinds) if kind == CHANGES]
    event_ns[places], good = rfc3339_many_ns([_first(frames[place]).event_time for place in places])
    for place in np.array(places, np.intp)[~good].tolist():
        kinds[place] = OTHER
    changes = _Changes.of(frames, kinds)
    return Many(
        kinds, sequences, products, exchange_ns, changes.counts, event_ns // 1000,
        changes.sides, changes.prices, changes.sizes, _tickers(frames, kinds),
    )  # fmt: skip


def _shape(raw: bytes) -> Any:
    try:
        return decode_shape(raw)
    except UNREADABLE:
        return None


def _sequence(frame: Any) -> int:
    """The number of a frame; -1, which is never due, where it cannot be one."""
    if frame is None or not 0 <= frame.sequence_num <= SEQUENCE_MAX:
        return -1
    return int(frame.sequence_num)


# --- what a frame is ------------------------------------------------------------------------------


def _other(_: Any) -> int:
    return OTHER


def _aside(_: Any) -> int:
    return ASIDE


def _changes(frame: shapes.L2Data) -> int:
    if len(frame.events) != 1:
        return OTHER
    event = frame.events[0]
    if event.type != "update" or not event.updates or not is_product(event.product_id):
        return OTHER
    first = event.updates[0].event_time
    for change in event.updates:
        if change.event_time != first:
            return OTHER
    return CHANGES


def _ticker(frame: shapes.TickerFrame) -> int:
    if len(frame.events) != 1 or len(frame.events[0].tickers) != 1:
        return OTHER
    event = frame.events[0]
    return TICKER if event.type == "update" and is_product(event.tickers[0].product_id) else OTHER


_KINDS: dict[type, Any] = {
    shapes.L2Data: _changes,
    shapes.TickerFrame: _ticker,
    shapes.MarketTrades: _aside,
    shapes.Heartbeats: _aside,
}


def _product(frame: Any) -> str:
    """The product of a frame of a book or a ticker; empty where it is of several, or of none."""
    kind = type(frame)
    named: Sequence[Any] = ()
    if kind is shapes.L2Data:
        named = frame.events
    elif kind is shapes.TickerFrame and len(frame.events) == 1:
        named = frame.events[0].tickers
    return str(named[0].product_id) if len(named) == 1 else ""


def _first(frame: shapes.L2Data) -> shapes.Change:
    return frame.events[0].updates[0]


# --- their numbers --------------------------------------------------------------------------------


class _Changes(NamedTuple):
    counts: NDArray[np.int64]
    sides: list[str]
    prices: list[float]
    sizes: list[float]

    @staticmethod
    def of(frames: Sequence[Any], kinds: list[int]) -> "_Changes":
        """The changes of frames of that kind; whose numbers are others is one no more."""
        found = _convert(frames, kinds)
        if found is None:
            for place, kind in enumerate(kinds):
                if kind == CHANGES and not _are_plain(frames[place].events[0].updates):
                    kinds[place] = OTHER
            found = _convert(frames, kinds)
            assert found is not None
        return found


def _convert(frames: Sequence[Any], kinds: Sequence[int]) -> _Changes | None:
    """Everything at once; None where a number of one of them cannot be."""
    of_frames = [
        frame.events[0].updates if kind == CHANGES else ()
        for frame, kind in zip(frames, kinds, strict=True)
    ]
    counts = np.fromiter(map(len, of_frames), np.int64, len(of_frames))
    every = list(chain.from_iterable(of_frames))
    prices = exact_amounts([change.price_level for change in every])
    sizes = exact_amounts([change.new_quantity for change in every])
    if prices is None or sizes is None or 0.0 in prices:
        return None
    sides = [BID if change.side == "bid" else ASK for change in every]
    return _Changes(counts, sides, prices, sizes)


def _are_plain(changes: Sequence[shapes.Change]) -> bool:
    prices = exact_amounts([change.price_level for change in changes])
    return (
        prices is not None
        and 0.0 not in prices
        and exact_amounts([change.new_quantity for change in changes]) is not None
    )


def _tickers(frames: Sequence[Any], kinds: list[int]) -> list[Told]:
    """The numbers of tickers; one that lacks some, or has impossible ones, is decoded alone."""
    places = [place for place, kind in enumerate(kinds) if kind == TICKER]
    texts = [_ticker_texts(frames[place].events[0].tickers[0]) for place in places]
    every = None if any(None in each for each in texts) else numbers([*chain(*texts)])
    if every is not None:
        width = len(TICKER_COLUMNS)
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
    columns = TICKER_COLUMNS.values()
    return {name: text for name, text in zip(columns, found, strict=True) if text is not None}
