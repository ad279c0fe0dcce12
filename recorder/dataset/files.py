"""Which files hold what, and reading them.

Sealed files are read for the hours before the readers' switch, live parts from it on.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recorder.core.tables import TABLES, Table
from recorder.errors import DataError
from recorder.store.parts import SCHEMAS, complete
from recorder.store.paths import CUTS, Root, hour_from_iso, hour_from_text

HOUR_NS = 3_600_000_000_000
_RETRIES = 5


class Files:
    """The files of a data directory as they are now. Nothing is locked or held open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = Root(path)

    def sealed_before(self) -> int:
        """The hour of the readers' switch; 0 where nothing is sealed."""
        try:
            content = json.loads(self.root.current.read_text(encoding="utf-8"))
            return hour_from_iso(content["sealed_before"])
        except FileNotFoundError:
            return 0
        except (ValueError, KeyError) as error:
            raise DataError(
                f"{self.root.current}: not readable ({error}). Move it away; the next start of the "
                "recorder writes it again."
            ) from error

    def of(
        self,
        table: str,
        product_id: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[Path]:
        """The files that may hold rows of a table, in the order of time, by exact path."""
        switched = self.sealed_before()
        first = None if start_ns is None else start_ns // HOUR_NS
        last = None if end_ns is None else (end_ns - 1) // HOUR_NS

        def inside(hour: int) -> bool:
            return (first is None or hour >= first) and (last is None or hour <= last)

        sealed = [
            path
            for hour in self.root.committed_hours()
            if hour < switched and inside(hour)
            for path in self._sealed(table, hour, product_id)
        ]
        live = [
            part.path
            for part in self.root.parts(table)
            if part.hour >= switched and inside(part.hour)
        ]
        return sealed + live

    def open_tracks(self) -> tuple[int, list[dict[str, Any]]]:
        """What was being recorded at the newest cut: (time of its last arrival, intervals).

        Empty where that is not known: nobody recorded then, or the hour is sealed since.
        """
        try:
            content = json.loads(self.root.open.read_text(encoding="utf-8"))
            named = hour_from_text(content["hour"]), content["end"]
            cuts = [(cut.hour, cut.end) for cut in self.root.parts(CUTS)]
            if max(cuts, default=None) == named and named[0] >= self.sealed_before():
                return content["last_ns"], content["tracks"]
        except (FileNotFoundError, ValueError, KeyError):
            return 0, []
        return 0, []

    def _sealed(self, table: str, hour: int, product_id: str | None) -> list[Path]:
        if TABLES[table].per_product and product_id is not None:
            path = self.root.sealed(TABLES[table], hour, product_id)
            if path.exists():
                return [path]
            # No file of a product is usual, a file that is gone is not.
            named = {file["path"] for file in self.commit(hour)["files"]}
            if str(path.relative_to(self.path)) in named:
                raise DataError(
                    f"{path}: the commit record names it, and it is gone. Run `recorder repair`: "
                    "it is made again where the capture of its hour is kept."
                )
            return []
        files = self.commit(hour)["files"]
        return [self.path / file["path"] for file in files if file["table"] == table]

    def commit(self, hour: int) -> dict[str, Any]:
        """The commit record of an hour."""
        path = self.root.commit(hour)
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(
                f"{path}: not a commit record ({error}). Move it away; the next start of the "
                "recorder seals the hour again from what is kept."
            ) from error
        return content

    def read(
        self,
        list_files: Callable[[], Sequence[Path]],
        table: Table,
        wanted: pc.Expression | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Read rows in the table's order; lists again if a switch took files away meanwhile.

        ``columns`` must hold the table's order column.
        """
        for attempt in range(_RETRIES):
            try:
                paths = list_files()
                pieces = [read_file(path, table, wanted, columns) for path in paths]
            except FileNotFoundError:
                if attempt == _RETRIES - 1:
                    raise
                continue
            return _join(table, pieces, columns)
        raise AssertionError("the last attempt returns or raises")


def _join(table: Table, pieces: Sequence[pa.Table], columns: Sequence[str] | None) -> pa.Table:
    schema = SCHEMAS[table.name]
    names = list(columns) if columns is not None else schema.names
    if not pieces:
        return schema.empty_table().select(names)
    rows = pa.concat_tables(pieces, promote_options="permissive").unify_dictionaries()
    order = rows.column(table.order).cast(pa.int64())
    return rows.take(pc.sort_indices(order)).combine_chunks()


def read_file(
    path: Path, table: Table, wanted: pc.Expression | None, columns: Sequence[str] | None = None
) -> pa.Table:
    """The rows of one file that are wanted. Raises DataError where it is not whole."""
    names = list(columns) if columns is not None else SCHEMAS[table.name].names
    try:
        # By handle: the folders of a path must not become columns.
        with path.open("rb") as file:
            rows = pq.read_table(file, columns=names, filters=wanted)
    except pa.ArrowException as error:
        raise DataError(
            f"{path}: cannot be read ({error}). Stop the recorder and run `recorder seal` to write "
            "its hour again from the parts and the capture."
        ) from error
    return complete(table, rows, names)


def distinct(path: Path, column: str) -> list[str]:
    """The distinct words of a column of one file."""
    with path.open("rb") as file:
        values = pq.read_table(file, columns=[column]).column(0).cast(pa.string())
    return [value for value in values.unique().to_pylist() if value is not None]


def hour_of_file(path: Path) -> int:
    """The hour of a sealed file or a live part, by its name."""
    if path.name[:10].isdigit():
        return hour_from_text(path.name[:10])
    return hour_from_text(path.stem.rsplit("-", 1)[1].replace("T", ""))
