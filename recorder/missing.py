"""Which trades are missing: ids between recorded ones of which no file has a row.

Trade ids are contiguous for each product (`coinbase.md` §1.6.4), so what is missing shows in the
ids alone, in whatever hour a trade was received: one that was fetched later counts like any other.
Of each file only ids and times are read, and only where its runs of ids begin and end is kept.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.tables import TRADES
from recorder.errors import DataError
from recorder.store.days import files_of
from recorder.store.parts import read_rows
from recorder.store.paths import File, Root, path_of
from recorder.store.seal import read_commit

_COLUMNS = ("product_id", "trade_id", "trade_time", "recv_time")
_RETRIES = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MissingTrades:
    """Trades ``first`` … ``last`` of a product are missing, ``count`` in all.

    ``start`` is the time of the trade before them, ``end`` of the one behind.
    """

    product_id: str
    first: int
    last: int
    count: int
    start: datetime
    end: datetime


class _Run(NamedTuple):
    """Ids that are all there, with the times of the first and the last, in microseconds."""

    first: int
    last: int
    first_us: int
    last_us: int


def missing_trades(
    root: Root,
    product_ids: Collection[str] | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> dict[str, list[MissingTrades]]:
    """The holes of each product that has trades, oldest first, by name; of these products, or all.

    Those that lie at least in part in [start, end), by the times of the trades around them. Raises
    DataError where a file cannot be read.
    """
    runs = _all_runs(root, product_ids)
    start_us = None if start_ns is None else start_ns // 1000
    end_us = None if end_ns is None else -(-end_ns // 1000)
    return {
        product_id: [
            hole
            for hole, from_us, to_us in _holes(product_id, runs[product_id])
            if (end_us is None or from_us < end_us) and (start_us is None or to_us > start_us)
        ]
        for product_id in sorted(runs)
    }


def _all_runs(root: Root, product_ids: Collection[str] | None) -> dict[str, list[_Run]]:
    for attempt in range(_RETRIES):
        runs: dict[str, list[_Run]] = {}
        try:
            for file in _files(root, product_ids):
                for product_id, run in _runs(file, product_ids):
                    runs.setdefault(product_id, []).append(run)
        except FileNotFoundError:  # somebody records, and has retired it since it was listed
            if attempt == _RETRIES - 1:
                raise
            continue
        return runs
    raise AssertionError("the last attempt returns or raises")


def _files(root: Root, product_ids: Collection[str] | None) -> Iterator[File]:
    """Sealed files and live parts; what is in both counts once, by its ids."""
    for hour in root.committed_hours():
        commit = read_commit(root, hour)
        files = commit.files if commit is not None else ()
        mine = [file for file in files if product_ids is None or file.product_id in product_ids]
        yield from files_of(root, hour, mine, TRADES.name)
    for part in root.parts(TRADES.name):
        yield part.path


def _runs(file: File, product_ids: Collection[str] | None) -> Iterator[tuple[str, _Run]]:
    """The ids of one file as runs, each product's in order."""
    rows = _read(file, product_ids)
    times = pc.coalesce(rows.column("trade_time"), rows.column("recv_time")).cast(pa.int64())
    names = rows.column("product_id").cast(pa.string())
    for product_id in sorted(names.unique().to_pylist()):
        mine = pc.equal(names, product_id)
        ids = rows.column("trade_id").filter(mine).to_numpy()
        times_us = times.filter(mine).to_numpy()
        order = np.argsort(ids, kind="stable")
        ids, times_us = ids[order], times_us[order]
        breaks = np.flatnonzero(np.diff(ids) > 1)
        begins, ends = np.append(0, breaks + 1), np.append(breaks, len(ids) - 1)
        columns = (ids[begins], ids[ends], times_us[begins], times_us[ends])
        for run in zip(*(column.tolist() for column in columns), strict=True):
            yield product_id, _Run(*run)


def _read(file: File, product_ids: Collection[str] | None) -> pa.Table:
    wanted = None if product_ids is None else pc.field("product_id").isin(sorted(product_ids))
    try:
        return read_rows(file, _COLUMNS, wanted)
    except pa.ArrowException as error:
        raise DataError(
            f"{path_of(file)}: cannot be read ({error}). `recorder verify` tells what is whole."
        ) from error


def _holes(product_id: str, runs: Sequence[_Run]) -> Iterator[tuple[MissingTrades, int, int]]:
    """What is between runs, with the times of the trades around it in microseconds."""
    before: _Run | None = None
    for run in sorted(runs):
        if before is not None and run.first > before.last + 1:
            first, last = before.last + 1, run.first - 1
            times = (_datetime(before.last_us), _datetime(run.first_us))
            hole = MissingTrades(product_id, first, last, last - first + 1, *times)
            yield hole, before.last_us, run.first_us
        if before is None or run.last > before.last:
            before = run


def _datetime(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)
