"""Reading what was recorded: sealed files and the hour that is still open, as one.

    db = recorder.open("data")
    db.level2("BTC-USD", start="2026-11-21T19:00", end="2026-11-21T20:00").to_pandas()
    db.book("BTC-USD", depth=10)

A reader takes `current.json` first and lists then: sealed files of the hours before the switch,
live parts from it on. Nothing is locked, and one call sees one consistent state.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recorder.core.numbers import plain
from recorder.core.tables import TABLES, Table
from recorder.errors import DataError, NoInputError, UsageError
from recorder.store.parts import SCHEMAS, unify
from recorder.store.paths import Root, hour_from_iso, hour_from_text

if TYPE_CHECKING:
    import duckdb
    import pandas
    import polars

HOUR_NS = 3_600_000_000_000
_RETRIES = 5
_EPOCH_UNITS = ((10**17, 1), (10**14, 1_000), (10**11, 1_000_000), (0, 1_000_000_000))

Time = str | int | datetime


def to_ns(moment: Time) -> int:
    """A time as nanoseconds since 1970 UTC.

    Text is ISO 8601, UTC where it names no zone; an int counts seconds, milli-, micro- or
    nanoseconds since 1970, told apart by its size.

    Raises UsageError for what is no time.
    """
    if isinstance(moment, int):
        unit = next(factor for least, factor in _EPOCH_UNITS if abs(moment) >= least)
        return moment * unit
    if isinstance(moment, str):
        if moment.isascii() and moment.isdigit():
            return to_ns(int(moment))
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError as error:
            raise UsageError(
                f"{moment!r} is no time. Write it as 2026-11-21T19:30:00 (UTC), or as seconds "
                "since 1970."
            ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


@dataclass(frozen=True, slots=True)
class BookView:
    """A book at a moment; levels are (price, size) in plain notation, best first.

    ``valid`` is False where the recorder did not trust the book then; ``reason`` says why.
    ``as_of`` is the time of the last row that it is built from.
    """

    product_id: str
    valid: bool
    as_of: datetime
    reason: str | None
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ProductSummary:
    """What is recorded of one product: time range, rows by table, hours, bytes on disk (sealed)."""

    product_id: str
    first: datetime
    last: datetime
    rows: dict[str, int]
    hours: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of one table, not read yet. Every ``to_…`` reads them, in the order of ``ingest_seq``."""

    _dataset: "Dataset"
    _table: Table
    _product_id: str | None
    _start_ns: int | None
    _end_ns: int | None

    def files(self) -> list[Path]:
        """The files that may hold the rows, sealed ones first, in the order of time."""
        return self._dataset.files(self._table.name, self._product_id, self._start_ns, self._end_ns)

    def to_arrow(self) -> pa.Table:
        """As an Arrow table."""
        return self._dataset.read(self.files, self._table, self._rows_wanted())

    def to_pandas(self) -> "pandas.DataFrame":
        """As a pandas frame (needs the extra ``pandas``)."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> "polars.DataFrame":
        """As a polars frame (needs the extra ``polars``)."""
        import polars  # noqa: PLC0415  an extra

        frame = polars.from_arrow(self.to_arrow())
        assert isinstance(frame, polars.DataFrame)
        return frame

    def to_duckdb(self) -> "duckdb.DuckDBPyRelation":
        """As a DuckDB relation."""
        import duckdb  # noqa: PLC0415  slow to import

        return duckdb.from_arrow(self.to_arrow())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """As Arrow batches, file by file."""
        for path in self.files():
            yield from self._dataset.read(
                lambda path=path: [path], self._table, self._rows_wanted()
            ).to_batches()

    def _rows_wanted(self) -> pc.Expression | None:
        wanted = []
        if self._product_id is not None:
            wanted.append(pc.field("product_id") == self._product_id)
        if "recv_ns" in SCHEMAS[self._table.name].names:
            if self._start_ns is not None:
                wanted.append(pc.field("recv_ns") >= self._start_ns)
            if self._end_ns is not None:
                wanted.append(pc.field("recv_ns") < self._end_ns)
        both = None
        for each in wanted:
            both = each if both is None else both & each
        return both


class Dataset:
    """A data directory, for reading. Cheap to make; holds nothing open."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise NoInputError(
                f"{self.path}: no such directory. Name one that `recorder run`, `import` or `demo` "
                "has written."
            )
        self._root = Root(self.path)

    # --- tables -----------------------------------------------------------------------------------

    def level2(
        self, product_id: str, start: Time | None = None, end: Time | None = None
    ) -> Selection:
        """Book changes of a product received in [start, end)."""
        return self.select("level2", product_id, start, end)

    def trades(
        self, product_id: str, start: Time | None = None, end: Time | None = None
    ) -> Selection:
        """Trades of a product received in [start, end)."""
        return self.select("trades", product_id, start, end)

    def ticker(
        self, product_id: str, start: Time | None = None, end: Time | None = None
    ) -> Selection:
        """Tickers of a product received in [start, end)."""
        return self.select("ticker", product_id, start, end)

    def select(
        self,
        table: str,
        product_id: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
    ) -> Selection:
        """Rows of any table, by name, received in [start, end)."""
        if table not in TABLES:
            raise UsageError(f"{table!r} is no table. The tables are {', '.join(TABLES)}.")
        start_ns = None if start is None else to_ns(start)
        end_ns = None if end is None else to_ns(end)
        return Selection(self, TABLES[table], product_id, start_ns, end_ns)

    def coverage(self, product_id: str | None = None, channel: str | None = None) -> pa.Table:
        """What was recorded and what was not, by channel, product and time."""
        table = TABLES["coverage"]
        wanted = None
        if product_id is not None:
            wanted = pc.field("product_id") == product_id
        if channel is not None:
            same = pc.field("channel") == channel
            wanted = same if wanted is None else wanted & same
        rows = self.read(lambda: self.files("coverage"), table, wanted)
        keys = [("channel", "ascending"), ("product_id", "ascending"), ("start_time", "ascending")]
        plain_keys = pa.table(
            {
                "channel": rows.column("channel").cast(pa.string()),
                "product_id": rows.column("product_id").cast(pa.string()),
                "start_time": rows.column("start_time"),
            }
        )
        return rows.take(pc.sort_indices(plain_keys, sort_keys=keys))

    # --- files --------------------------------------------------------------------------------------

    def files(
        self,
        table: str,
        product_id: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[Path]:
        """The files that may hold rows of a table, in the order of time, by exact path."""
        switched = self._sealed_before()
        first = None if start_ns is None else start_ns // HOUR_NS
        last = None if end_ns is None else (end_ns - 1) // HOUR_NS

        def inside(hour: int) -> bool:
            return (first is None or hour >= first) and (last is None or hour <= last)

        sealed = [
            path
            for hour in self._root.committed_hours()
            if hour < switched and inside(hour)
            for path in self._sealed(table, hour, product_id)
        ]
        live = [
            part.path
            for part in self._root.parts(table)
            if part.hour >= switched and inside(part.hour)
        ]
        return sealed + live

    def _sealed(self, table: str, hour: int, product_id: str | None) -> list[Path]:
        if TABLES[table].per_product and product_id is not None:
            path = self._root.sealed(TABLES[table], hour, product_id)
            return [path] if path.exists() else []
        content = json.loads(self._root.commit(hour).read_text(encoding="utf-8"))
        return [self.path / file["path"] for file in content["files"] if file["table"] == table]

    def _sealed_before(self) -> int:
        try:
            content = json.loads(self._root.current.read_text(encoding="utf-8"))
            return hour_from_iso(content["sealed_before"])
        except FileNotFoundError:
            return 0
        except (ValueError, KeyError) as error:
            raise DataError(
                f"{self._root.current}: not readable ({error}). Move it away; the next start of the "
                "recorder writes it again."
            ) from error

    def read(
        self,
        list_files: Callable[[], Sequence[Path]],
        table: Table,
        wanted: pc.Expression | None = None,
    ) -> pa.Table:
        """Read rows in the table's order; lists again if a switch took files away meanwhile."""
        for attempt in range(_RETRIES):
            paths = list_files()
            try:
                pieces = [_read_file(path, table, wanted) for path in paths]
            except FileNotFoundError:
                if attempt == _RETRIES - 1:
                    raise
                continue
            if not pieces:
                return SCHEMAS[table.name].empty_table()
            rows = unify(table, pa.concat_tables(pieces, promote_options="permissive"))
            return rows.take(pc.sort_indices(rows, sort_keys=[(table.order, "ascending")]))
        raise AssertionError("unreachable")

    # --- views ------------------------------------------------------------------------------------------

    def product_ids(self) -> list[str]:
        """The products that anything is recorded of, in alphabetical order."""
        found: set[str] = set()
        for hour in self._root.committed_hours():
            content = json.loads(self._root.commit(hour).read_text(encoding="utf-8"))
            found |= {file["product_id"] for file in content["files"] if file["product_id"]}
        switched = self._sealed_before()
        for name, table in TABLES.items():
            if table.per_product:
                for part in self._root.parts(name):
                    if part.hour >= switched:
                        found |= set(_distinct(part.path, "product_id"))
        return sorted(found)

    def products(self) -> list[ProductSummary]:
        """What is recorded of each product."""
        return [self._summary(product_id) for product_id in self.product_ids()]

    def _summary(self, product_id: str) -> ProductSummary:
        rows: dict[str, int] = {}
        hours: set[int] = set()
        first_ns, last_ns, size = 2**63 - 1, 0, 0
        for name, table in TABLES.items():
            if not table.per_product:
                continue
            for path in self.files(name, product_id):
                count, bounds = _count(path, product_id)
                if count == 0:
                    continue
                rows[name] = rows.get(name, 0) + count
                first_ns, last_ns = min(first_ns, bounds[0]), max(last_ns, bounds[1])
                hours.add(bounds[0] // HOUR_NS)
                if "product=" in str(path):
                    size += path.stat().st_size
        return ProductSummary(
            product_id, _datetime(first_ns), _datetime(last_ns), rows, len(hours), size
        )

    def book(self, product_id: str, at: Time | None = None, depth: int | None = None) -> BookView:
        """A product's book as it was after everything received up to ``at`` (None: the newest).

        Raises NoInputError where nothing of it is recorded up to then.
        """
        at_ns = 2**63 - 1 if at is None else to_ns(at)
        rows = self._book_rows(product_id, at_ns)
        if rows is None:
            known = ", ".join(self.product_ids()) or "nothing"
            raise NoInputError(
                f"No book of {product_id} is recorded"
                f"{'' if at is None else ' up to ' + str(at)}. Recorded: {known}."
            )
        return _build_book(product_id, rows, depth, self._doubt(product_id, rows, at_ns))

    def _book_rows(self, product_id: str, at_ns: int) -> pa.Table | None:
        """The rows of the newest hour that begins with, or holds, a whole book; None if none does."""
        end_ns = min(at_ns + 1, 2**63 - 1)
        by_hour: dict[int, list[Path]] = {}
        limit = None if end_ns == 2**63 - 1 else end_ns
        for path in self.files("level2", product_id, None, limit):
            by_hour.setdefault(_hour_of_file(path), []).append(path)
        wanted = pc.field("product_id") == product_id
        if limit is not None:
            wanted &= pc.field("recv_ns") < limit
        later: list[pa.Table] = []
        for hour in sorted(by_hour, reverse=True):
            paths = by_hour[hour]
            rows = self.read(lambda paths=paths: paths, TABLES["level2"], wanted)
            later.insert(0, rows)
            kinds = rows.column("kind").cast(pa.string())
            if pc.any(pc.not_equal(kinds, "update")).as_py():
                return unify(TABLES["level2"], pa.concat_tables(later))
        return None

    def _doubt(self, product_id: str, rows: pa.Table, at_ns: int) -> str | None:
        """Why a book built from these rows is not to be trusted, or None."""
        if rows.column("book_epoch")[-1].as_py() is None:
            return "changes came while the book was not valid"
        last_seq = rows.column("ingest_seq")[-1].as_py()
        gaps = self.coverage(product_id, "level2").filter(pc.field("state") == "gap")
        for gap in gaps.select(["start_time", "end_time", "reason", "noted_seq"]).to_pylist():
            start_ns, end_ns = to_ns(gap["start_time"]), to_ns(gap["end_time"])
            if (start_ns <= at_ns < end_ns) or (
                gap["noted_seq"] > last_seq and start_ns <= at_ns and at_ns == 2**63 - 1
            ):
                return f"not recorded from {gap['start_time']:%H:%M:%S} on: {gap['reason']}"
        return None


def open_dataset(path: str | Path) -> Dataset:
    """Open a data directory for reading; the public name is ``recorder.open``."""
    return Dataset(path)


# --- reading one file -------------------------------------------------------------------------------


def _read_file(path: Path, table: Table, wanted: pc.Expression | None) -> pa.Table:
    try:
        with path.open("rb") as file:
            rows = pq.read_table(file, filters=wanted)
    except pa.ArrowException as error:
        raise DataError(
            f"{path}: cannot be read ({error}). Stop the recorder and run `recorder seal` to write "
            "its hour again from the parts and the capture."
        ) from error
    return rows.select(SCHEMAS[table.name].names)


def _distinct(path: Path, column: str) -> list[str]:
    with path.open("rb") as file:
        values = pq.read_table(file, columns=[column]).column(0).cast(pa.string())
    return [value for value in values.unique().to_pylist() if value is not None]


def _count(path: Path, product_id: str) -> tuple[int, tuple[int, int]]:
    """Rows of a product in a file, and the range of their ``recv_ns``."""
    with path.open("rb") as file:
        times = pq.read_table(
            file, columns=["recv_ns"], filters=pc.field("product_id") == product_id
        ).column(0)
    if len(times) == 0:
        return 0, (0, 0)
    bounds = pc.min_max(times).as_py()
    return len(times), (bounds["min"], bounds["max"])


def _hour_of_file(path: Path) -> int:
    """The hour of a sealed file or a live part."""
    if path.name[:10].isdigit():
        return hour_from_text(path.name[:10])
    stamp = path.stem.rsplit("-", 1)[1]
    return hour_from_text(stamp.replace("T", ""))


def _datetime(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).replace(
        microsecond=nanoseconds // 1000 % 1_000_000
    )


# --- books ----------------------------------------------------------------------------------------------

Level = tuple[float, str | None, str | None]


def _build_book(
    product_id: str, rows: pa.Table, depth: int | None, reason: str | None
) -> BookView:
    """Apply the rows from the last snapshot or checkpoint on."""
    kinds = rows.column("kind").cast(pa.string()).to_pylist()
    start = _last_whole(rows, kinds)
    sides: dict[str, dict[float, Level]] = {"bid": {}, "ask": {}}
    columns = ("side", "price", "size", "price_text", "size_text", "book_epoch")
    tail = rows.slice(start)
    values = (tail.column(name).to_pylist() for name in columns)
    for side, price, size, price_text, size_text, epoch in zip(*values, strict=True):
        if epoch is None:
            continue  # came while the recorder did not trust the book; it did not apply it either
        if size:
            sides[side][price] = (size, price_text, size_text)
        else:
            sides[side].pop(price, None)
    as_of = _datetime(rows.column("recv_ns")[-1].as_py())
    return BookView(
        product_id,
        reason is None,
        as_of,
        reason,
        _levels(sides["bid"], depth, best_high=True),
        _levels(sides["ask"], depth, best_high=False),
    )


def _last_whole(rows: pa.Table, kinds: Sequence[str]) -> int:
    """The index of the first row of the last snapshot or checkpoint."""
    last = max(index for index, kind in enumerate(kinds) if kind != "update")
    epoch = rows.column("book_epoch")[last]
    epochs = rows.column("book_epoch")
    return int(pc.index(epochs, epoch).as_py())


def _levels(
    levels: dict[float, Level], depth: int | None, *, best_high: bool
) -> list[tuple[str, str]]:
    prices = sorted(levels, reverse=best_high)[:depth]
    return [
        (plain(price, levels[price][1]), plain(levels[price][0], levels[price][2]))
        for price in prices
    ]
