"""A catalog for NautilusTrader: `ParquetDataCatalog` with book deltas, trades and the instrument.

Its files are written as its own package writes them (read from NautilusTrader 1.221): numbers are
integers of 128 bits with 16 decimals, the least byte first, as the published wheels have them;
`ts_event` is the venue's time and `ts_init` that of the receipt, in nanoseconds since 1970; files
are named by the first and the last `ts_init` in them. A whole book is a clearing and its levels,
all flagged as a snapshot; the last delta of a message is flagged so, and only then is the book one
that there was. Changes of levels that are not there, which Coinbase sends, are left out.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recorder.errors import UsageError
from recorder.export.check import Levels, Misread
from recorder.export.course import Changes, Checkpoint, Day, Deal, Item, Level, Lost, Texts, Whole
from recorder.export.increments import Increments, decimals_of
from recorder.export.writing import TRADE_COLUMNS, Columns, file_part

VENUE = "COINBASE"
ADD, UPDATE, DELETE, CLEAR = 1, 2, 3, 4
SNAPSHOT, LAST = 32, 128
_SIDE = {True: 1, False: 2, None: 0}
_DECIMALS = 16
_EXACT = 2.0**53
_ROWS_HELD = 65_536
_ROWS_A_GROUP = 5_000
_NUMBER = pa.binary(16)
_NOTHING = bytes(16)
_WORD16, _WORD64 = (pa.dictionary(kind, pa.string()) for kind in (pa.int16(), pa.int64()))

_DELTA = [
    ("action", pa.uint8()),
    ("side", pa.uint8()),
    ("price", _NUMBER),
    ("size", _NUMBER),
    ("order_id", pa.uint64()),
    ("flags", pa.uint8()),
    ("sequence", pa.uint64()),
    ("ts_event", pa.uint64()),
    ("ts_init", pa.uint64()),
]
_TRADE = [
    ("price", _NUMBER),
    ("size", _NUMBER),
    ("aggressor_side", pa.uint8()),
    ("trade_id", pa.string()),
    ("ts_event", pa.uint64()),
    ("ts_init", pa.uint64()),
]
_LIMITS = (
    *("lot_size", "max_quantity", "min_quantity", "max_notional", "min_notional"),
    *("max_price", "min_price"),
)


class Numbers:
    """Numbers of one step, as the catalog has them."""

    def __init__(self, product_id: str, option: str, step: str) -> None:
        self.decimals = decimals_of(step)
        self._about = f"{product_id}: {{}} does not fit the steps of {step}. Give {option}."
        if self.decimals > _DECIMALS:
            raise UsageError(
                f"{product_id}: steps of {step} have more than {_DECIMALS} decimals, and this "
                "format holds no more. Take another format."
            )
        self._unit = 10.0**self.decimals
        self._factor: int = 10 ** (_DECIMALS - self.decimals)

    def packed(self, value: float, text: str | None = None) -> bytes:
        """One number. Raises UsageError where it has more decimals than the step."""
        if text is None:
            units = round(value * self._unit)
            if units < _EXACT and units / self._unit == value:
                return int.to_bytes(units * self._factor, 16, "little")
            text = repr(value)
        exact = Decimal(text).scaleb(self.decimals)
        if exact != int(exact):
            raise UsageError(self._about.format(text))
        return int.to_bytes(int(exact) * self._factor, 16, "little")


class _File:
    """One file, that gets its name when its last row is known."""

    def __init__(
        self, folder: Path, columns: Sequence[tuple[str, pa.DataType]], about: dict[str, str]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._schema = pa.schema([pa.field(*each, nullable=False) for each in columns], about)
        self._path = folder / "unfinished"
        self._writer: pq.ParquetWriter | None = None
        self._rows: list[tuple[Any, ...]] = []
        self._first: int | None = None
        self._last = 0

    def add(self, row: tuple[Any, ...]) -> None:
        """Take a row; its last value is `ts_init`."""
        self._rows.append(row)
        if len(self._rows) >= _ROWS_HELD:
            self._flush()

    def close(self) -> Path | None:
        """Complete the file; None where it has no rows, and so there is none."""
        self._flush()
        if self._writer is None:
            return None
        self._writer.close()
        assert self._first is not None
        path = self._folder / f"{_stamp(self._first)}_{_stamp(self._last)}.parquet"
        return self._path.rename(path)

    def _flush(self) -> None:
        if not self._rows:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, self._schema)
        columns = zip(*self._rows, strict=True)
        arrays = [
            pa.array(column, field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        if self._first is None:
            self._first = self._rows[0][-1]
        self._last = self._rows[-1][-1]
        table = pa.Table.from_arrays(arrays, schema=self._schema)
        self._writer.write_table(table, row_group_size=_ROWS_A_GROUP)
        self._rows.clear()


class Writer:
    """The files of one product, a day each; see `recorder.export.writing.Writer`."""

    trade_columns = TRADE_COLUMNS

    def __init__(self, folder: Path, product_id: str, steps: Increments) -> None:
        if steps.price is None or steps.size is None:
            raise UsageError(
                f"No rules of {product_id} are recorded (channel `status`), and a catalog needs "
                "its steps. Give --price-increment and --size-increment."
            )
        self.rows = 0
        self._steps = steps
        self._price = Numbers(product_id, "--price-increment", steps.price)
        self._size = Numbers(product_id, "--size-increment", steps.size)
        self._folder = folder / "data"
        self._product_id = product_id
        self._id = f"{product_id}.{VENUE}"
        self.notes: dict[str, Any] = {"instrument_id": self._id}
        self._deltas: _File | None = None
        self._trades: _File | None = None
        self._written: dict[str, list[Path]] = {"deltas": [], "trades": [], "instrument": []}

    def take(self, item: Item) -> None:
        """Write one item of the course."""
        match item:
            case Changes(local_ns, exch_ns, levels, texts, sequence):
                some = [level for level in levels if level[2] or level[3]]
                self._levels(some, texts, 0, sequence or 0, exch_ns, local_ns)
            case Deal():
                assert self._trades is not None, "a day begins with its date"
                self._trades.add(
                    (
                        self._price.packed(item.price, item.price_text),
                        self._size.packed(item.size, item.size_text),
                        _SIDE[item.buy],
                        str(item.trade_id),
                        item.exch_ns,
                        item.local_ns,
                    )
                )
            case Whole(local_ns, exch_ns, levels, _, texts):
                self._instrument(local_ns)
                self._clear(SNAPSHOT if levels else SNAPSHOT | LAST, exch_ns, local_ns)
                self._levels(levels, texts, SNAPSHOT, 0, exch_ns, local_ns)
            case Lost():
                self._clear(LAST, item.exch_ns, item.local_ns)
            case Day():
                self._turn()
            case Checkpoint():
                pass

    def finish(self) -> list[Path]:
        """Complete the files, and give them."""
        for name, file in (("deltas", self._deltas), ("trades", self._trades)):
            path = None if file is None else file.close()
            if path is not None:
                self._written[name].append(path)
        self._deltas = self._trades = None
        return [path for name in self._written for path in self._written[name]]

    def _turn(self) -> None:
        self.finish()
        about = {
            "instrument_id": self._id,
            "price_precision": str(self._price.decimals),
            "size_precision": str(self._size.decimals),
        }
        self._deltas = _File(self._place("order_book_delta"), _DELTA, about)
        self._trades = _File(self._place("trade_tick"), _TRADE, about)

    def _place(self, kind: str) -> Path:
        return self._folder / kind / f"{file_part(self._product_id)}.{VENUE}"

    def _clear(self, flags: int, exch_ns: int, local_ns: int) -> None:
        assert self._deltas is not None, "a day begins with its date"
        self._deltas.add((CLEAR, 0, _NOTHING, _NOTHING, 0, flags, 0, exch_ns, local_ns))
        self.rows += 1

    def _levels(
        self,
        levels: list[Level],
        texts: Texts | None,
        flags: int,
        sequence: int,
        exch_ns: int,
        local_ns: int,
    ) -> None:
        assert self._deltas is not None, "a day begins with its date"
        add, price_of, size_of = self._deltas.add, self._price.packed, self._size.packed
        last = len(levels) - 1
        for at, (bid, price, size, held) in enumerate(levels):
            price_text, size_text = (None, None) if texts is None else texts[bid, price]
            last_of_message = LAST if at == last else 0
            add(
                (
                    DELETE if not size else UPDATE if held else ADD,
                    _SIDE[bid],
                    price_of(price, price_text),
                    size_of(size, size_text),
                    0,
                    flags | last_of_message,
                    sequence,
                    exch_ns,
                    local_ns,
                )
            )
        self.rows += len(levels)

    def _instrument(self, at_ns: int) -> None:
        """Say what is traded, once, as of the first book."""
        if self._written["instrument"]:
            return
        base, _, quote = self._product_id.partition("-")
        values: dict[str, tuple[Any, pa.DataType]] = {
            "id": (self._id, _WORD64),
            "raw_symbol": (self._product_id, pa.string()),
            "base_currency": (base, _WORD16),
            "quote_currency": (re.split(r"\W", quote)[0] or base, _WORD16),
            "price_precision": (self._price.decimals, pa.uint8()),
            "size_precision": (self._size.decimals, pa.uint8()),
            "price_increment": (self._steps.price, _WORD16),
            "size_increment": (self._steps.size, _WORD16),
            "multiplier": ("1", _WORD16),
            **dict.fromkeys(_LIMITS, (None, _WORD16)),
            **{
                name: ("0", pa.string())
                for name in ("margin_init", "margin_maint", "maker_fee", "taker_fee")
            },
            "info": (b"null", pa.binary()),
            "ts_event": (at_ns, pa.uint64()),
            "ts_init": (at_ns, pa.uint64()),
        }
        schema = pa.schema(
            [(name, kind) for name, (_, kind) in values.items()], {"class": "CurrencyPair"}
        )
        arrays = [pa.array([value], kind) for value, kind in values.values()]
        folder = self._place("currency_pair")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{_stamp(at_ns)}_{_stamp(at_ns)}.parquet"
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path)
        self._written["instrument"].append(path)

    # --- read back -------------------------------------------------------------------------------

    def levels(self) -> Iterator[Levels]:
        """The deltas. Raises Misread where `ts_init` goes back."""
        last = 0
        for path in self._written["deltas"]:
            for rows in _read(path):
                times = rows.column("ts_init").cast(pa.int64()).to_numpy()
                if times[0] < last or (np.diff(times) < 0).any():
                    raise Misread(f"{path.name}: ts_init goes back")
                last = int(times[-1])
                action = rows.column("action").to_numpy()
                sizes = _floats(rows.column("size"))
                sizes[action == DELETE] = 0.0
                bids = rows.column("side").to_numpy() == _SIDE[True]
                yield Levels(action == CLEAR, bids, _floats(rows.column("price")), sizes)

    def trades(self) -> Iterator[Columns]:
        """The trades: id, time, side, price, size."""
        for path in self._written["trades"]:
            for rows in _read(path):
                taker = rows.column("aggressor_side").to_numpy()
                yield (
                    rows.column("trade_id").cast(pa.int64()).to_numpy(),
                    pc.divide(rows.column("ts_event"), 1000).cast(pa.int64()).to_numpy(),
                    np.select([taker == 1, taker == 2], [1, -1], 0).astype(np.int64),
                    _floats(rows.column("price")),
                    _floats(rows.column("size")),
                )


def _read(path: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(_ROWS_HELD)


def _floats(column: pa.Array) -> npt.NDArray[np.float64]:
    """The float64 nearest to each number."""
    numbers = [int.from_bytes(each, "little") for each in column.to_pylist()]
    return np.array([number / 10**_DECIMALS for number in numbers], np.float64)


def _stamp(at_ns: int) -> str:
    """A time as files of a catalog are named by."""
    moment = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H-%M-%S}-{at_ns % 1_000_000_000:09d}Z"
