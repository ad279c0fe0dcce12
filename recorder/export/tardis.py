"""CSV files as Tardis gives them to download: `incremental_book_L2` and `trades`, a day a file.

Columns, names of files and the meaning of `is_snapshot` are those of its documentation ("CSV
Datasets" at docs.tardis.dev): prices and amounts plain, times in microseconds since 1970, files
split by the day (UTC) of `local_timestamp`, each beginning with the book as it was. A reader drops
what it holds where `is_snapshot` turns from false to true. Rows of one message have one
`local_timestamp`; those of a snapshot come best first, as its converters need them.
"""

import gzip
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from recorder.export.check import Levels
from recorder.export.course import Changes, Checkpoint, Day, Deal, Item, Level, Lost, Texts, Whole
from recorder.export.writing import TRADE_COLUMNS, Columns, file_part, written

EXCHANGE = "coinbase"
BOOK, TRADES = "incremental_book_L2", "trades"
HEADERS = {
    BOOK: "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount",
    TRADES: "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
}
_TAKER = {True: "buy", False: "sell", None: "unknown"}
_LINES_HELD = 8_192
_LEVEL_OF_GZIP = 4  # twice as fast as 6 for 4 % more bytes


class _Csv:
    """One file, compressed the same way every time."""

    def __init__(self, path: Path, header: str) -> None:
        self.path = path
        self._raw: BinaryIO = path.open("xb")
        self._file = gzip.GzipFile("", "wb", _LEVEL_OF_GZIP, self._raw, mtime=0)
        self._lines = [header]

    def write(self, line: str) -> None:
        self._lines.append(line)
        if len(self._lines) >= _LINES_HELD:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()
        self._raw.close()

    def _flush(self) -> None:
        self._lines.append("")
        self._file.write("\n".join(self._lines).encode())
        self._lines.clear()


class Writer:
    """Two files a day, of one product; see `recorder.export.writing.Writer`."""

    trade_columns = TRADE_COLUMNS

    def __init__(self, folder: Path, product_id: str) -> None:
        self.rows = 0
        self.notes: dict[str, Any] = {}
        self._folder = folder
        self._product_id = product_id
        self._of = f"{EXCHANGE},{product_id},"
        self._files: dict[str, list[Path]] = {BOOK: [], TRADES: []}
        self._book: _Csv | None = None
        self._trades: _Csv | None = None
        self._last_was_snapshot = False
        self._left: list[Level] = []

    def take(self, item: Item) -> None:
        """Write one item of the course."""
        match item:
            case Changes():
                self._levels(item, item.levels, item.texts, "false")
            case Deal():
                self._deal(item)
            case Whole():
                if self._last_was_snapshot:  # no reader would see where the new one begins
                    self._levels(item, [*self._left, *item.gone], None, "false")
                elif not item.levels:
                    self._levels(item, item.gone, None, "false")
                self._left = []
                self._levels(item, item.levels, item.texts, "true")
            case Lost():
                if self._last_was_snapshot:
                    self._left = item.gone
            case Day():
                self._turn(item.day)
            case Checkpoint():
                pass

    def finish(self) -> list[Path]:
        """Complete the files, and give them in the order of time."""
        for each in (self._book, self._trades):
            if each is not None:
                each.close()
        self._book = self._trades = None
        return self._files[BOOK] + self._files[TRADES]

    def _turn(self, day: date) -> None:
        self.finish()
        self._book, self._trades = self._open(BOOK, day), self._open(TRADES, day)
        self._last_was_snapshot, self._left = False, []

    def _open(self, kind: str, day: date) -> _Csv:
        symbol = file_part(self._product_id)
        path = self._folder / f"{EXCHANGE}_{kind}_{day:%Y-%m-%d}_{symbol}.csv.gz"
        self._files[kind].append(path)
        return _Csv(path, HEADERS[kind])

    def _levels(
        self, item: Whole | Changes, levels: list[Level], texts: Texts | None, is_snapshot: str
    ) -> None:
        assert self._book is not None, "a day begins with its date"
        if not levels:
            return
        write = self._book.write
        head = f"{self._of}{item.exch_ns // 1000},{item.local_ns // 1000},{is_snapshot},"
        for bid, price, size, _ in levels:
            price_text, size_text = (None, None) if texts is None else texts[bid, price]
            side = "bid" if bid else "ask"
            write(f"{head}{side},{written(price, price_text)},{written(size, size_text)}")
        self.rows += len(levels)
        self._last_was_snapshot = is_snapshot == "true"

    def _deal(self, deal: Deal) -> None:
        assert self._trades is not None, "a day begins with its date"
        self._trades.write(
            f"{self._of}{deal.exch_ns // 1000},{deal.local_ns // 1000},{deal.trade_id},"
            f"{_TAKER[deal.buy]},{written(deal.price, deal.price_text)},"
            f"{written(deal.size, deal.size_text)}"
        )

    # --- read back -------------------------------------------------------------------------------

    def levels(self) -> Iterator[Levels]:
        """The rows of the book, a snapshot clearing what was there before it."""
        for path in self._files[BOOK]:
            last: bool | None = None
            for rows in _read(path, {"is_snapshot": pa.bool_(), "amount": pa.float64()}):
                snapshot = rows.column("is_snapshot").to_numpy(zero_copy_only=False)
                before = np.append(np.array([bool(last)]), snapshot[:-1])
                clears = snapshot & ~before
                if last is None:
                    clears[0] = True  # a file is read by itself
                last = bool(snapshot[-1])
                yield Levels(
                    clears,
                    pc.equal(rows.column("side"), "bid").to_numpy(zero_copy_only=False),
                    rows.column("price").to_numpy(),
                    rows.column("amount").to_numpy(),
                )

    def trades(self) -> Iterator[Columns]:
        """The trades: id, time, side, price, size."""
        for path in self._files[TRADES]:
            for rows in _read(path, {"id": pa.int64(), "amount": pa.float64()}):
                side = rows.column("side")
                bought = pc.equal(side, "buy").to_numpy(zero_copy_only=False)
                sold = pc.equal(side, "sell").to_numpy(zero_copy_only=False)
                yield (
                    rows.column("id").to_numpy(),
                    rows.column("timestamp").to_numpy(),
                    bought.astype(np.int64) - sold.astype(np.int64),
                    rows.column("price").to_numpy(),
                    rows.column("amount").to_numpy(),
                )


def _read(path: Path, types: dict[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
    times = {"timestamp": pa.int64(), "local_timestamp": pa.int64(), "price": pa.float64()}
    options = csv.ConvertOptions(column_types={**times, **types, "side": pa.string()})
    with pa.input_stream(path, compression="gzip") as stream:
        for batch in csv.open_csv(stream, convert_options=options):
            if batch.num_rows:
                yield batch
