"""Event arrays for hftbacktest: an `npz` a day, with an array `data` of its `event_dtype`.

The rules are those of its documentation ("Data" at hftbacktest.readthedocs.io). Each row is an
event for the exchange, at `exch_ts`, for the strategy, at `local_ts`, or for both; those of either
must be in the order of its time. Most rows are both. Where messages came in another order than
they happened, rows are given twice, once for each. No event may be received before it happened:
where one was, by the two clocks, all receipts are later by the same amount.

A trade stands before the changes of the book of the same time, because the changes hold what it
took. `exch_ts` is the engine's time where the venue tells it. That the times of the book, and those
of trades, do not go back is seen to; a time further than a minute from its receipt is not believed.
"""

import zipfile
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from recorder.export.check import Levels, Misread
from recorder.export.course import Changes, Checkpoint, Day, Deal, Item, Lost, Whole
from recorder.export.digests import Sum
from recorder.export.writing import Columns, file_part

EVENT = np.dtype(
    [
        ("ev", "u8"),
        ("exch_ts", "i8"),
        ("local_ts", "i8"),
        ("px", "f8"),
        ("qty", "f8"),
        ("order_id", "u8"),
        ("ival", "i8"),
        ("fval", "f8"),
    ],
    align=True,
)
DEPTH, TRADE, CLEAR, SNAPSHOT = 1, 2, 3, 4
EXCH, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
_KIND = 0xFF
_SIDE = {True: BUY, False: SELL, None: 0}
_BELIEVED_NS = 60_000_000_000
_NEVER = 2**62
_ROWS_HELD = 65_536
_LEVEL_OF_ZIP = 1
_MEMBER = "data.npy"

Rows = npt.NDArray[np.void]
Ints = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]


class Writer:
    """One file a day, of one product; see `recorder.export.writing.Writer`."""

    trade_columns: tuple[str, ...] = ("side", "price", "size")

    def __init__(self, folder: Path, product_id: str) -> None:
        self.rows = 0
        self.notes: dict[str, Any] = {}
        self._folder = folder
        self._product_id = product_id
        self._days: list[tuple[Path, int]] = []
        self._raw: IO[bytes] | None = None
        self._coming: list[tuple[int, int, int, float, float]] = []
        self._waiting: Rows = np.empty(0, EVENT)
        self._floors = [0, 0]  # the newest time at the venue: of the book, of trades
        self._latency_min = _NEVER
        self._not_believed = 0

    def take(self, item: Item) -> None:
        """Write one item of the course."""
        rows = self._coming
        match item:
            case Changes(local_ns, exch_ns, levels):
                for bid, price, size, _ in levels:
                    rows.append((DEPTH | _SIDE[bid], exch_ns, local_ns, price, size))
                self.rows += len(levels)
            case Deal():
                ev = TRADE | _SIDE[item.buy]
                rows.append((ev, item.exch_ns, item.local_ns, item.price, item.size))
            case Whole(local_ns, exch_ns, levels):
                rows.append((CLEAR, exch_ns, local_ns, 0.0, 0.0))
                for bid, price, size, _ in levels:
                    rows.append((SNAPSHOT | _SIDE[bid], exch_ns, local_ns, price, size))
                self.rows += len(levels) + 1
            case Lost():
                rows.append((CLEAR, item.exch_ns, item.local_ns, 0.0, 0.0))
                self.rows += 1
            case Day():
                self._turn(item)
            case Checkpoint():
                return
        if len(rows) >= _ROWS_HELD:
            self._settle()

    def finish(self) -> list[Path]:
        """Complete the files: receipts are shifted where one came before it was sent."""
        self._settle(last=True)
        if self._raw is not None:
            self._raw.close()
            self._raw = None
        shift = max(0, -self._latency_min) if self._days else 0
        for path, rows in self._days:
            raw = path.with_suffix(".raw")
            _pack(raw, path, rows, shift)
            raw.unlink()
        self.notes = {
            "local_shift_ns": shift,
            "times_not_believed": self._not_believed,
            "rows": sum(rows for _, rows in self._days),
        }
        return [path for path, _ in self._days]

    # --- order -----------------------------------------------------------------------------------

    def _turn(self, day: Day) -> None:
        self._settle(last=True)
        if self._raw is not None:
            self._raw.close()
        # What comes now is not before what is in the file of the day before.
        self._floors = [max(self._floors)] * 2
        path = self._folder / f"{file_part(self._product_id)}_{day.day:%Y%m%d}.npz"
        self._days.append((path, 0))
        self._raw = path.with_suffix(".raw").open("xb")

    def _settle(self, *, last: bool = False) -> None:
        """Write the rows that nothing to come can stand before.

        Rows to come are received later than all that are here, and are not believed to be older
        than a minute then.
        """
        rows = np.concatenate([self._waiting, self._timed()])
        if not len(rows):
            return
        is_book = (rows["ev"] & _KIND) != TRADE
        key = rows["exch_ts"] * 2 + is_book
        newest = _NEVER * 2 - 1 if last else int(rows["local_ts"][-1] - _BELIEVED_NS) * 2
        # No row behind a cut happened before one in front of it.
        lowest = np.minimum.accumulate(np.append(key, newest)[::-1])[::-1][1:]
        cuts = np.flatnonzero(np.maximum.accumulate(key) <= lowest)
        count = int(cuts[-1]) + 1 if len(cuts) else 0
        self._waiting = rows[count:].copy()
        if not count:
            return
        assert self._raw is not None, "a day begins with its date"
        ordered = _for_both(rows[:count], key[:count], cuts)
        self._latency_min = min(
            self._latency_min, int((rows["local_ts"] - rows["exch_ts"])[:count].min())
        )
        self._raw.write(ordered.tobytes())
        path, before = self._days[-1]
        self._days[-1] = path, before + len(ordered)

    def _timed(self) -> Rows:
        """The rows that came, with times that do not go back, of the book and of trades."""
        rows = np.zeros(len(self._coming), EVENT)
        if not len(rows):
            return rows
        columns = zip(*self._coming, strict=True)
        for name, column in zip(("ev", "exch_ts", "local_ts", "px", "qty"), columns, strict=True):
            rows[name] = column
        self._coming.clear()
        doubted = np.abs(rows["exch_ts"] - rows["local_ts"]) > _BELIEVED_NS
        self._not_believed += int(doubted.sum())
        rows["exch_ts"] = np.where(doubted, rows["local_ts"], rows["exch_ts"])
        is_trade = (rows["ev"] & _KIND) == TRADE
        for which, mine in enumerate((~is_trade, is_trade)):
            times = rows["exch_ts"][mine]
            if len(times):
                times[0] = max(int(times[0]), self._floors[which])
                times = np.maximum.accumulate(times)
                self._floors[which] = int(times[-1])
                rows["exch_ts"][mine] = times
        return rows

    # --- read back -------------------------------------------------------------------------------

    def levels(self) -> Iterator[Levels]:
        """The rows of the book as the strategy gets them.

        Raises Misread where the order of either side is broken, or the exchange has other events.
        """
        exchange, strategy = _Side(EXCH, "exch_ts"), _Side(LOCAL, "local_ts")
        for path, _ in self._days:
            for rows in read(path):
                if (rows["local_ts"] < rows["exch_ts"]).any():
                    raise Misread(f"{path.name}: an event is received before it happened")
                exchange.book_rows(rows, path.name)
                ev, prices, sizes = strategy.book_rows(rows, path.name)
                yield Levels((ev & _KIND) == CLEAR, (ev & BUY) != 0, prices, sizes)
        if exchange.book.digest() != strategy.book.digest():
            raise Misread("the exchange has another book than the strategy")
        if exchange.trades != strategy.trades:
            raise Misread("the exchange has other trades than the strategy")

    def trades(self) -> Iterator[Columns]:
        """The trades as the strategy gets them: side, price, size."""
        for path, _ in self._days:
            for rows in read(path):
                mine = rows[((rows["ev"] & LOCAL) != 0) & ((rows["ev"] & _KIND) == TRADE)]
                bought, sold = (mine["ev"] & BUY) != 0, (mine["ev"] & SELL) != 0
                yield bought.astype(np.int64) - sold.astype(np.int64), mine["px"], mine["qty"]


class _Side:
    """What the exchange, or the strategy, gets: its order, its book, its trades."""

    def __init__(self, flag: int, time: str) -> None:
        self.book = blake2b(digest_size=16)
        self.trades = Sum()
        self._flag = flag
        self._time = time
        self._last = 0

    def book_rows(self, rows: Rows, name: str) -> tuple[Ints, Floats, Floats]:
        """Follow rows; give those of the book as kind and side, price, size."""
        mine = rows[(rows["ev"] & self._flag) != 0]
        times = mine[self._time]
        if len(times):
            if times[0] < self._last or (np.diff(times) < 0).any():
                raise Misread(f"{name}: {self._time} goes back")
            self._last = int(times[-1])
        ev = mine["ev"] & ~np.uint64(EXCH | LOCAL)
        columns = ev, mine["px"].copy(), mine["qty"].copy()
        is_trade = (ev & _KIND) == TRADE
        self.trades.add(*(column[is_trade] for column in columns))
        of_book = ev[~is_trade], columns[1][~is_trade], columns[2][~is_trade]
        self.book.update(np.column_stack([column.view(np.uint64) for column in of_book]).tobytes())
        return of_book


def _for_both(rows: Rows, key: npt.NDArray[np.int64], cuts: npt.NDArray[np.intp]) -> Rows:
    """Rows in an order that is right for the exchange and for the strategy.

    Between two cuts is what came in another order than it happened: first all of it as it
    happened, then as it came. A row that is alone between two is for both.
    """
    begins = np.zeros(len(rows), np.int64)
    begins[cuts[:-1] + 1] = 1
    group = np.cumsum(begins)
    alone = np.bincount(group)[group] == 1
    both, others = rows[alone], rows[~alone]
    both["ev"] |= EXCH | LOCAL
    happened, came = others.copy(), others.copy()
    happened["ev"] |= EXCH
    came["ev"] |= LOCAL
    mine, theirs = group[alone], group[~alone]
    every = np.concatenate([both, happened, came])
    order = np.lexsort(
        (
            np.concatenate([key[alone], key[~alone], np.zeros(len(came), np.int64)]),
            np.repeat([0, 0, 1], [len(both), len(happened), len(came)]),
            np.concatenate([mine, theirs, theirs]),
        )
    )
    ordered: Rows = every[order]
    return ordered


def _pack(raw: Path, path: Path, rows: int, shift: int) -> None:
    """Put rows into an `npz`, piece by piece; the same rows give the same bytes."""
    with (
        raw.open("rb") as source,
        zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL_OF_ZIP) as packed,
        packed.open(_MEMBER, "w", force_zip64=True) as member,
    ):
        described = np.lib.format.dtype_to_descr(EVENT)
        header = {"descr": described, "fortran_order": False, "shape": (rows,)}
        np.lib.format.write_array_header_1_0(member, header)
        while content := source.read(_ROWS_HELD * EVENT.itemsize):
            piece = np.frombuffer(bytearray(content), EVENT)
            piece["local_ts"] += shift
            member.write(piece.tobytes())


def read(path: Path) -> Iterator[Rows]:
    """The rows of a file, piece by piece."""
    with zipfile.ZipFile(path) as packed, packed.open(_MEMBER) as member:
        assert np.lib.format.read_magic(member) == (1, 0)
        (count,), _, dtype = np.lib.format.read_array_header_1_0(member)
        assert dtype == EVENT, f"{path}: {dtype}"
        done = 0
        while content := member.read(_ROWS_HELD * EVENT.itemsize):
            rows = np.frombuffer(content, EVENT)
            done += len(rows)
            yield rows
        assert done == count, f"{path}: {done} rows of {count}"
