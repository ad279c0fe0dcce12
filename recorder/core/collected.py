"""Rows of many frames as whole columns: changes, tickers and trades that are taken together."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recorder.core.frames import Frame
from recorder.core.knowledge import Step
from recorder.core.messages import ASK, BID
from recorder.core.rows import Columns, Rows, Words, columns, inexact_text
from recorder.core.tables import LEVEL2, TICKER, TRADES
from recorder.core.wire.advanced_many import Many, Told, Traded
from recorder.core.wire.advanced_shapes import TICKER_COLUMNS
from recorder.core.wire.fields import TAKER_SIDES

COLLECTED = frozenset({LEVEL2.name, TICKER.name, TRADES.name})
"""Tables whose rows wait here, and must be given before others of the same table."""

_NAMES = list(TICKER_COLUMNS.values())
_Places = NDArray[np.intp]


class Collected:
    """Frames whose rows are not given yet, by their places.

    ``epochs``, ``told`` and ``traded`` go beside ``changes``, ``tickers`` and ``trades``.
    """

    def __init__(self, frames: Sequence[tuple[int, Frame]], many: Many) -> None:
        self.changes: list[int] = []
        self.epochs: list[int | None] = []
        self.tickers: list[int] = []
        self.told: list[Told] = []
        self.trades: list[int] = []
        self.traded: list[Traded] = []
        self._frames = frames
        self._many = many
        self._counts = np.array(many.counts, np.int64)
        self.begins = np.cumsum(self._counts) - self._counts
        self._ingest_seqs = np.array([ingest_seq for ingest_seq, _ in frames], np.int64)
        self._recv_ns = np.array([frame.recv_ns for _, frame in frames], np.int64)
        self._connections = [frame.connection_id for _, frame in frames]
        self._sequences = np.array(many.sequences, np.int64)
        self._prices = np.array(many.prices, np.float64)
        self._sizes = np.array(many.sizes, np.float64)
        self._are_bids = np.array([side == BID for side in many.sides], np.bool_)

    def give(self, step: Step) -> None:
        """Add the rows so far to a step."""
        if self.changes:
            step.rows.append(self._of_changes())
            self.changes, self.epochs = [], []
        if self.tickers:
            step.rows.append(self._of_tickers())
            self.tickers, self.told = [], []
        if self.trades:
            step.rows.append(self._of_trades())
            self.trades, self.traded = [], []

    def _of_changes(self) -> Columns:
        places = np.array(self.changes, np.intp)
        counts = self._counts[places]
        of_frame, within = _spread(counts)
        mine = self.begins[places][of_frame] + within
        values = {
            **self._of_frames(places, of_frame),
            "kind": _update(of_frame),
            "side": _sides(self._are_bids[mine]),
            "price": self._prices[mine],
            "size": self._sizes[mine],
            "event_time": self._many.event_us[places][of_frame],
            "book_epoch": np.array(self.epochs, np.int64)[of_frame],
            "ingest_seq": self._ingest_seqs[places][of_frame] + within,
        }
        return columns(LEVEL2, len(of_frame), values)

    def _of_tickers(self) -> Columns:
        places = np.array(self.tickers, np.intp)
        of_frame = np.arange(len(places))
        values = self._of_frames(places, of_frame)
        values["kind"] = _update(of_frame)
        values["ingest_seq"] = self._ingest_seqs[places]
        numbers = np.array([each for each, _ in self.told], np.float64)
        values |= zip(_NAMES, numbers.T, strict=True)
        values["inexact_text"] = [inexact_text(texts) for _, texts in self.told]
        return columns(TICKER, len(places), values)

    def _of_trades(self) -> Columns:
        places = np.array(self.trades, np.intp)
        counts = np.array([len(each.sides) for each in self.traded], np.int64)
        of_frame, within = _spread(counts)
        sides = list(chain.from_iterable(each.sides for each in self.traded))
        every = np.arange(len(sides))
        values = {
            **self._of_frames(places, of_frame),
            "kind": _update(of_frame),
            "trade_id": np.array([each.first for each in self.traded], np.int64)[of_frame] + within,
            "side": _words(sides, every),
            "taker_side": _words([TAKER_SIDES[side] for side in sides], every),
            "price": _floats(each.prices for each in self.traded),
            "size": _floats(each.sizes for each in self.traded),
            "trade_time": np.array(
                list(chain.from_iterable(each.trade_us for each in self.traded)), np.int64
            ),
            "ingest_seq": self._ingest_seqs[places][of_frame] + within,
        }
        return columns(TRADES, len(of_frame), values)

    def _of_frames(self, places: _Places, of_frame: _Places) -> dict[str, Any]:
        """The columns that all rows of a frame share."""
        at = places.tolist()
        return {
            "product_id": _words(map(self._many.products.__getitem__, at), of_frame),
            "sequence": self._sequences[places][of_frame],
            "connection_id": _words(map(self._connections.__getitem__, at), of_frame),
            "recv_ns": self._recv_ns[places][of_frame],
            "exchange_ns": self._many.exchange_ns[places][of_frame],
        }


# What all rows of a frame share: in a block of one frame each is a value, not a list.
_SHARED = frozenset({"product_id", "kind", "sequence", "connection_id", "recv_ns", "exchange_ns"})


def trades_apart(block: Columns) -> list[Rows]:
    """The blocks of trades that `Pipeline.step` gives of the same frames, one for each."""
    assert block.table == TRADES.name
    names = TRADES.stored()
    sequence = block.values[names.index("sequence")]
    ends = np.append(np.flatnonzero(sequence[1:] != sequence[:-1]) + 1, block.count).tolist()
    columns_of = [
        (name in _SHARED, [None] * block.count if column is None else _listed(column))
        for name, column in zip(names, block.values, strict=True)
    ]
    found: list[Rows] = []
    begin = 0
    for end in ends:
        values = tuple(
            column[begin] if shared else column[begin:end] for shared, column in columns_of
        )
        found.append(Rows(block.table, end - begin, values))
        begin = end
    return found


def _listed(column: Any) -> list[Any]:
    """A column as values of Python."""
    if isinstance(column, Words):
        return [column.words[place] for place in column.places.tolist()]
    return list(column.tolist() if isinstance(column, np.ndarray) else column)


def _spread(counts: NDArray[np.int64]) -> tuple[_Places, _Places]:
    """For each row: which of the frames it is of, and which of that one's rows it is."""
    of_frame = np.repeat(np.arange(len(counts)), counts)
    return of_frame, np.arange(len(of_frame)) - (np.cumsum(counts) - counts)[of_frame]


def _floats(some: Iterable[list[float]]) -> NDArray[np.float64]:
    return np.array(list(chain.from_iterable(some)), np.float64)


def _update(of_frame: _Places) -> Words:
    return Words(np.zeros(len(of_frame), np.int32), ["update"])


def _words(texts: Iterable[str], of_frame: _Places) -> Words:
    words: dict[str, int] = {}
    numbers = [words.setdefault(text, len(words)) for text in texts]
    return Words(np.array(numbers, np.int32)[of_frame], list(words))


def _sides(are_bids: NDArray[np.bool_]) -> Words:
    words = [BID, ASK] if are_bids[0] else [ASK, BID]
    numbers = (are_bids != are_bids[0]).astype(np.int32)
    return Words(numbers, words[: int(numbers.max()) + 1])
