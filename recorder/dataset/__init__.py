"""Reading what was recorded: sealed files and the hour that is still open, as one.

    db = recorder.open("data")
    db.level2("BTC-USD", start="2026-11-21T19:00", end="2026-11-21T20:00").to_pandas()
    db.book("BTC-USD", depth=10)

A reader takes `current.json` first and lists then: sealed files of the hours before the switch,
live parts from it on. Nothing is locked, and one call sees one consistent state.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.tables import TABLES, Table
from recorder.dataset.books import NEWEST_NS, BookView, book_at
from recorder.dataset.coverage import coverage_rows
from recorder.dataset.files import HOUR_NS, Files, distinct, read_file
from recorder.dataset.times import Time, to_datetime, to_ns
from recorder.errors import NoInputError, UsageError
from recorder.store.parts import SCHEMAS

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl

__all__ = ["BookView", "Dataset", "ProductSummary", "Selection", "open_dataset", "to_ns"]


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
    """Rows of one table, not read yet; every ``to_…`` reads them, by ``ingest_seq``."""

    _files: Files
    _table: Table
    _product_id: str | None
    _start_ns: int | None
    _end_ns: int | None

    def files(self) -> list[Path]:
        """The files that may hold the rows, sealed ones first, in the order of time."""
        return self._files.of(self._table.name, self._product_id, self._start_ns, self._end_ns)

    def to_arrow(self) -> pa.Table:
        """As an Arrow table."""
        return self._files.read(self.files, self._table, self._rows_wanted())

    def to_pandas(self) -> "pd.DataFrame":
        """As a pandas frame (needs the extra ``pandas``)."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> "pl.DataFrame":
        """As a polars frame (needs the extra ``polars``)."""
        import polars as pl  # noqa: PLC0415  an extra

        frame = pl.from_arrow(self.to_arrow())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def to_duckdb(self) -> "duckdb.DuckDBPyRelation":
        """As a DuckDB relation."""
        import duckdb  # noqa: PLC0415  slow to import

        return duckdb.from_arrow(self.to_arrow())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """As Arrow batches, file by file."""
        for path in self.files():
            yield from read_file(path, self._table, self._rows_wanted()).to_batches()

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
        self._files = Files(self.path)

    # --- tables ----------------------------------------------------------------------------------

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
        return Selection(self._files, TABLES[table], product_id, start_ns, end_ns)

    def coverage(self, product_id: str | None = None, channel: str | None = None) -> pa.Table:
        """What was recorded and what was not, by channel, product and time.

        An interval that is still going on ends at the newest part; its ``detail`` says so.
        """
        return coverage_rows(self._files, product_id, channel)

    # --- views -----------------------------------------------------------------------------------

    def product_ids(self) -> list[str]:
        """The products that anything is recorded of, in alphabetical order."""
        found: set[str] = set()
        for hour in self._files.root.committed_hours():
            files = self._files.commit(hour)["files"]
            found |= {file["product_id"] for file in files if file["product_id"]}
        switched = self._files.sealed_before()
        for name, table in TABLES.items():
            if table.per_product:
                for part in self._files.root.parts(name):
                    if part.hour >= switched:
                        found |= set(distinct(part.path, "product_id"))
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
            for path in self._files.of(name, product_id):
                count, bounds = _count(path, table, product_id)
                if count == 0:
                    continue
                rows[name] = rows.get(name, 0) + count
                first_ns, last_ns = min(first_ns, bounds[0]), max(last_ns, bounds[1])
                hours.add(bounds[0] // HOUR_NS)
                if "product=" in str(path):
                    size += path.stat().st_size
        return ProductSummary(
            product_id, to_datetime(first_ns), to_datetime(last_ns), rows, len(hours), size
        )

    def book(self, product_id: str, at: Time | None = None, depth: int | None = None) -> BookView:
        """A product's book as it was after everything received up to ``at`` (None: the newest).

        Raises NoInputError where nothing of it is recorded up to then.
        """
        at_ns = NEWEST_NS if at is None else to_ns(at)
        view = book_at(self._files, product_id, at_ns, depth)
        if view is None:
            known = self.product_ids()
            meant = f" Did you mean {product_id.upper()}?" if product_id.upper() in known else ""
            some = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
            upto = "" if at is None else f" up to {to_datetime(at_ns):%Y-%m-%dT%H:%M:%SZ}"
            raise NoInputError(
                f"No book of {product_id} is recorded{upto}.{meant} Recorded: {some or 'nothing'}."
            )
        return view


def open_dataset(path: str | Path) -> Dataset:
    """Open a data directory for reading; `recorder.open` is the same.

    Raises NoInputError where there is none.
    """
    return Dataset(path)


def _count(path: Path, table: Table, product_id: str) -> tuple[int, tuple[int, int]]:
    """Rows of a product in a file, and the range of their ``recv_ns``."""
    wanted = pc.field("product_id") == product_id
    times = read_file(path, table, wanted, ["recv_ns"]).column(0)
    if len(times) == 0:
        return 0, (0, 0)
    bounds = pc.min_max(times).as_py()
    return len(times), (bounds["min"], bounds["max"])
