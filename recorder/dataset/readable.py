"""Ways out: what every answer with rows can become."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from recorder.dataset.files import Files, View
from recorder.errors import UsageError

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl

BATCH_ROWS = 65_536
_ROWS_MAX = 2**40  # more than there can be


class Readable(ABC):
    """Rows that are not read yet. Each ``to_…`` reads them anew; nothing is kept."""

    __slots__ = ()

    @abstractmethod
    def to_arrow(self) -> pa.Table:
        """As an Arrow table."""

    def to_pandas(self) -> "pd.DataFrame":
        """As a pandas frame (needs the extra ``pandas``); words are categories."""
        need("pandas")
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def to_polars(self) -> "pl.DataFrame":
        """As a polars frame (needs the extra ``polars``); words are categoricals."""
        frame: pl.DataFrame = need("polars").from_arrow(self.to_arrow())
        return frame

    def to_duckdb(
        self, connection: "duckdb.DuckDBPyConnection | None" = None
    ) -> "duckdb.DuckDBPyRelation":
        """As a DuckDB relation, of DuckDB's default connection or of one that is given.

        A relation of one connection cannot be used in a query of another.
        """
        library = need("duckdb")
        relation: duckdb.DuckDBPyRelation = (connection or library).from_arrow(self.to_arrow())
        return relation

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """As Arrow batches of at most ``rows`` rows, in order."""
        yield from self.to_arrow().to_batches(max_chunksize=at_once(rows))


class Answer(Readable):
    """Rows that are computed when they are asked for, from one consistent state."""

    __slots__ = ("_compute", "_files", "_live", "_shown")

    def __init__(
        self, shown: str, files: Files, compute: Callable[[View], pa.Table], *, live: bool
    ) -> None:
        self._shown = shown
        self._files = files
        self._compute = compute
        self._live = live

    def __repr__(self) -> str:
        return f"<{self._shown}>"

    def to_arrow(self) -> pa.Table:
        """As an Arrow table."""
        return self._files.consistently(self._compute, live=self._live)


def at_once(rows: object) -> int:
    """Rows of a batch. Raises UsageError where that is none."""
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
        raise UsageError(f"a batch has a number of rows, at least one, not {rows!r}")
    return min(rows, _ROWS_MAX)


def need(name: str) -> Any:
    """A library that is slow to import, or that not everybody has."""
    try:
        return import_module(name)
    except ImportError as error:
        raise UsageError(
            f"{name} is not installed here. Install it, or take `to_arrow()`."
        ) from error
