"""Events of several files as one run: each of them a stream, merged by the numbers of its rows.

Only numbers and times are put in order; the events themselves are taken from their streams one
by one, in turns.
"""

import gc
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recorder.core.tables import LEVEL2, Table
from recorder.dataset.events import Made, level_changes, maker_of, message_ends


class Stream:
    """The events of some files that follow each other, with those that were made and not given."""

    def __init__(self, making: Iterator[Made], after: int, until: int) -> None:
        self._making = making  # wanted of it are the numbers between the two
        self._after, self._until = after, until
        self.made: Made | None = None

    def fill(self) -> bool:
        """Have events to give; False where there are none any more."""
        while self.made is None or not len(self.made[0]):
            # What is made now is no garbage: to look for some costs as much again.
            collects = gc.isenabled()
            gc.disable()
            try:
                made = next(self._making, None)
            finally:
                if collects:
                    gc.enable()
            if made is None:
                return False
            self.made = self._wanted(made)
        return True

    def _wanted(self, made: Made) -> Made:
        numbers, received, events = made
        if self._after < numbers[0] and numbers[-1] < self._until:
            return made
        first, end = np.searchsorted(numbers, [self._after + 1, self._until]).tolist()
        return numbers[first:end], received[first:end], islice(events, first, end)

    def last(self) -> int:
        """The number of the last event that is made."""
        assert self.made is not None
        return int(self.made[0][-1])

    def take(self, to: int) -> Made:
        """Give the events up to a number; they must be taken before any that follow them."""
        assert self.made is not None
        numbers, received, events = made = self.made
        if numbers[-1] <= to:
            self.made = None
            return made
        end = int(np.searchsorted(numbers, to, side="right"))
        self.made = numbers[end:], received[end:], events
        return numbers[:end], received[:end], islice(events, end)


def merged(streams: list[Stream]) -> Iterator[Made]:
    """The events of streams in the order of their numbers."""
    while streams := [stream for stream in streams if stream.fill()]:
        to = min(stream.last() for stream in streams)
        taken = [made for stream in streams if len((made := stream.take(to))[0])]
        if len(taken) == 1:
            yield taken[0]
            continue
        numbers = np.concatenate([made[0] for made in taken])
        received = np.concatenate([made[1] for made in taken])
        order = np.argsort(numbers, kind="stable")
        turns = np.repeat(np.arange(len(taken)), [len(made[0]) for made in taken])[order]
        events = [made[2] for made in taken]
        by_turns = map(next, map(events.__getitem__, turns.tolist()))
        yield numbers[order], received[order], by_turns


def making(table: Table, pieces: Iterable[pa.Table], at_once: int, *, cut: bool) -> Iterator[Made]:
    """The events of pieces of a table, so many at once; ``cut``: pieces may end within a message.

    Such rows are of one product, and in order.
    """
    if cut and table is LEVEL2:
        for rows, ends in _in_messages(pieces):
            yield from level_changes(rows, at_once, ends)
        return
    make = maker_of(table)
    for rows in pieces:
        yield from make(_in_order(rows), at_once)


def _in_messages(pieces: Iterable[pa.Table]) -> Iterator[tuple[pa.Table, npt.NDArray[np.intp]]]:
    """Rows of `level2` in whole messages, and where these end.

    The last message of a piece may go on in the next one; only it is copied.
    """
    rest: pa.Table | None = None
    for piece in pieces:
        ends = message_ends(piece)
        begin = 0
        if rest is not None:
            if len(message_ends(_joined(rest.slice(len(rest) - 1), piece.slice(0, 1)))) == 1:
                begin = int(ends[0])
                rest = _joined(rest, piece.slice(0, begin))
            if begin == len(piece):
                continue
            yield rest, np.array([len(rest)])
        last = int(ends[-2]) if len(ends) > 1 else 0
        if begin < last:
            yield piece.slice(begin, last - begin), ends[begin > 0 : -1] - begin
        rest = piece.slice(last)
    if rest is not None:
        yield rest, np.array([len(rest)])


def _joined(*pieces: pa.Table) -> pa.Table:
    rows = pa.concat_tables(pieces, promote_options="permissive")
    return rows.unify_dictionaries().combine_chunks()


def _in_order(rows: pa.Table) -> pa.Table:
    """Rows of several products, one behind the other, by their numbers."""
    numbers = rows.column("ingest_seq").to_numpy()
    in_order = (numbers[1:] >= numbers[:-1]).all()
    return rows if in_order else rows.take(pa.array(np.argsort(numbers, kind="stable")))
