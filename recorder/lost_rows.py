"""Rows of damaged live parts that no capture can give again are written off, and that is told.

A fault `capture_damaged` says which rows; a gap of their channels, when. A book whose changes are
lost is not trusted until its next snapshot. One record of a cut takes the place of those before: it
counts what is left.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core import state as states
from recorder.core.frames import HOUR_NS, hour_base
from recorder.core.rows import Origin, fault_rows
from recorder.core.tables import COVERAGE, FAULTS, LEVEL2, TABLES, TRADES
from recorder.core.trades import TradeIds
from recorder.losses import DAMAGED
from recorder.store.aside import set_aside
from recorder.store.parts import SCHEMAS, Cut, read_cut, read_parts, to_arrow, write_cut, write_part
from recorder.store.paths import CUTS, Part, Root
from recorder.store.sound import Unsound

CHANNELS = {
    "level2": ("level2",),
    "trades": ("market_trades",),
    "ticker": ("ticker", "ticker_batch"),
    "candles": ("candles",),
    "heartbeats": ("heartbeats",),
    "status": ("status",),
    "user_orders": ("user",),
}
_HOUR_US = HOUR_NS // 1000

Track = tuple[str, str | None]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Gap:
    """Of a track, from one microsecond to before another; ``noted_seq`` is where it is told."""

    track: Track
    start: int
    end: int
    noted_seq: int
    detail: str


def write_off(root: Root, hour: int, found: Sequence[Unsound], done: int) -> None:
    """Write down that the rows of parts are lost, which are set aside already.

    ``done``: the hour is sealed up to this offset. Cut off in the middle, whoever checks the parts
    next finds them without a record, and comes here again.
    """
    cuts = [cut for cut in root.parts(CUTS, hour) if cut.first >= done]
    records = {cut: read_cut(cut.path) for cut in cuts}
    set_aside(root, [cut.path for cut in cuts])
    _Loss(root, hour, found, records, done).run()


class _Loss:
    """One hour of which rows are lost."""

    def __init__(
        self,
        root: Root,
        hour: int,
        found: Sequence[Unsound],
        records: dict[Part, Cut],
        done: int,
    ) -> None:
        self._root, self._hour, self._base = root, hour, hour_base(hour)
        self._found = found
        self._records = records
        self._done = done
        ranges = [(each.first, each.end) for each in found]
        ranges += [(cut.first, cut.end) for cut in records]
        self._first = min(first for first, _ in ranges)
        self._end = max(end for _, end in ranges)
        self._coverage = [row for part in self._parts(COVERAGE.name) for row in _rows(part)]
        self._begin_us, self._last_us = self._bounds()

    def run(self) -> None:
        """Faults first, then gaps, then the record that says that all of it is there."""
        gaps: list[_Gap] = []
        for (first, end), tables in sorted(self._stretches().items()):
            gaps += self._gaps(first, end, tables)
            self._fault(first, end, tables)
        self._tell(gaps)
        self._record()

    def _stretches(self) -> dict[tuple[int, int], list[str]]:
        """What is lost: tables by range; of a record alone, nobody knows what."""
        stretches: dict[tuple[int, int], list[str]] = {}
        for each in self._found:
            tables = stretches.setdefault((each.first, each.end), [])
            if each.table != CUTS and each.table not in tables:
                tables.append(each.table)
        return stretches

    def _parts(self, table: str) -> list[Part]:
        return [p for p in self._root.parts(table, self._hour) if self._done <= p.first < self._end]

    def _read(self, table: str) -> pa.Table:
        return read_parts(TABLES[table], [part.path for part in self._parts(table)])

    # --- times ----------------------------------------------------------------------------------

    def _bounds(self) -> tuple[int, int]:
        """From when to when anything of the hour was recorded, in microseconds."""
        times = [record.last_ns // 1000 for record in self._records.values()]
        for name in ("level2", "trades", "ticker", "heartbeats"):
            held = pc.min_max(self._read(name).column("recv_ns")).as_py()
            times += [each // 1000 for each in held.values() if each is not None]
        hour_us = self._hour * _HOUR_US
        for row in self._coverage:
            times += [row["end_time"], max(row["start_time"], hour_us)]
        times = times or [hour_us, hour_us + _HOUR_US]
        goes_on = any(part.first == 0 for part in self._root.parts(LEVEL2.name, self._hour + 1))
        begin = hour_us if self._first == 0 else min(times)
        return begin, hour_us + _HOUR_US if goes_on else max(times)

    def _times(self, first: int, end: int) -> tuple[int, int]:
        """When the frames at offsets [first, end) came, at the widest."""
        ends = {cut.end: record.last_ns // 1000 for cut, record in self._records.items()}
        before = [us for offset, us in ends.items() if offset <= first]
        after = [us + 1 for offset, us in ends.items() if offset >= end]
        last = self._last_us if end >= self._end or not after else min(after)
        return max(before, default=self._begin_us), last

    # --- what is lost ---------------------------------------------------------------------------

    def _gaps(self, first: int, end: int, tables: Sequence[str]) -> Iterator[_Gap]:
        begin, last = self._times(first, end)
        noted = self._base + end - 1
        for name in tables:
            detail = f"rows of {name} are lost"
            for track in self._tracks(name):
                stop = self._trusted_again(track[1], end) if name == LEVEL2.name else last
                yield _Gap(track, begin, max(stop, last), noted, detail)
        if LEVEL2.name in tables:
            self._distrust(end)
        if COVERAGE.name in tables:
            for track in self._tracks(*CHANNELS):
                told = [(r["start_time"], r["end_time"]) for r in self._coverage if _of(r) == track]
                for start, stop in _without(self._begin_us, last, told):
                    yield _Gap(track, start, stop, noted, "its intervals are lost")

    def _tracks(self, *tables: str) -> list[Track]:
        """The channels and products that tables were recorded of."""
        channels = {channel for name in tables for channel in CHANNELS.get(name, ())}
        tracks = {_of(row) for row in self._coverage if row["channel"] in channels}
        for name in tables:
            if name in CHANNELS and not any(channel in CHANNELS[name] for channel, _ in tracks):
                products = self._products() if TABLES[name].per_product else [None]
                tracks |= {(CHANNELS[name][0], product_id) for product_id in products}
        return sorted(tracks, key=lambda track: (track[0], track[1] or ""))

    def _products(self) -> list[str | None]:
        found: set[str] = set()
        for name, table in TABLES.items():
            if table.per_product:
                found.update(self._read(name).column("product_id").to_pylist())
        return [*sorted(found)]

    def _trusted_again(self, product_id: str | None, end: int) -> int:
        """When a book began anew behind an offset; the end of the hour where it did not."""
        rows = self._read(LEVEL2.name)
        mine = pc.equal(rows.column("product_id").cast(pa.string()), product_id)
        new = pc.greater_equal(rows.column("book_epoch"), self._base + end)
        times = rows.filter(pc.and_(mine, pc.fill_null(new, False))).column("recv_ns")
        first = pc.min(times).as_py()
        return self._last_us if first is None else int(first) // 1000

    def _distrust(self, end: int) -> None:
        """Rows that build on a book of which changes are lost do not claim to be one."""
        for part in self._parts(LEVEL2.name):
            rows = read_parts(LEVEL2, [part.path])
            epochs = rows.column("book_epoch")
            behind = pc.greater_equal(rows.column("ingest_seq"), self._base + end)
            old = pc.and_(behind, pc.fill_null(pc.less(epochs, self._base + end), False))
            if pc.any(old).as_py():
                place = rows.schema.get_field_index("book_epoch")
                left = pc.if_else(old, pa.scalar(None, pa.int64()), epochs)
                rows = rows.set_column(place, rows.schema.field(place), left)
                write_part(self._root, LEVEL2, rows, self._hour, part.first, part.end)

    # --- what is told ---------------------------------------------------------------------------

    def _fault(self, first: int, end: int, tables: Sequence[str]) -> None:
        what = f"rows of {', '.join(tables)}" if tables else "the record of a cut, and perhaps rows"
        detail = f"offsets {first} … {end - 1} of the hour: {what} are lost; no capture holds them"
        taken = {
            number
            for name, table in TABLES.items()
            if table.order == "ingest_seq"
            for part in self._parts(name)
            if part.first < end <= part.end
            for number in read_parts(table, [part.path]).column("ingest_seq").to_pylist()
        }
        # A frame has fewer rows than its line has bytes: the last byte's number is nobody's.
        number = self._base + end - 1
        while number in taken:
            number -= 1
        origin = Origin(self._times(first, end)[1] * 1000, None, None, None)
        self._add(FAULTS.name, to_arrow(FAULTS, [fault_rows(DAMAGED, detail, origin, number)]))

    def _tell(self, gaps: Sequence[_Gap]) -> None:
        """Take the gaps out of what is told as recorded, and tell them."""
        for part in self._parts(COVERAGE.name):
            rows = _rows(part)
            left = [piece for row in rows for piece in _outside(row, gaps)]
            if left != rows:
                write_part(self._root, COVERAGE, _table(left), self._hour, part.first, part.end)
        told: dict[Track, list[tuple[int, int]]] = {}
        for row in self._coverage:
            if row["state"] == "gap":
                told.setdefault(_of(row), []).append((row["start_time"], row["end_time"]))
        rows = []
        for gap in sorted(gaps, key=lambda each: each.start):
            known = told.setdefault(gap.track, [])
            rows += [_gap_row(gap, *each) for each in _without(gap.start, gap.end, known)]
            known.append((gap.start, gap.end))
        for noted_seq in sorted({row["noted_seq"] for row in rows}):
            mine = [row for row in rows if row["noted_seq"] == noted_seq]
            self._add(COVERAGE.name, _table(mine))

    def _add(self, name: str, rows: pa.Table) -> None:
        """Add rows of one number to the part that their offset belongs to, or as a new one."""
        table = TABLES[name]
        at = rows.column(table.order)[0].as_py() - self._base
        parts = self._parts(name)
        part = next((each for each in parts if each.first <= at < each.end), None)
        if part is not None:
            held = read_parts(table, [part.path])
            rows = pa.concat_tables([held, rows], promote_options="permissive")
            write_part(self._root, table, rows, self._hour, part.first, part.end)
        else:
            first = max([self._first, *(each.end for each in parts if each.end <= at)])
            write_part(self._root, table, rows, self._hour, first, at + 1)

    def _record(self) -> None:
        """One record for all that is there."""
        rows = {name: count for name in TABLES if (count := self._read(name).num_rows)}
        paths = [part.path for name in TABLES for part in self._parts(name)]
        newest = max(self._records, key=lambda cut: cut.end, default=None)
        record = Cut(0, {}, {}, {}) if newest is None else self._records[newest]
        told_to = 0 if newest is None else newest.end
        known = msgspec.convert(record.trades, dict[str, states.TradeState])
        trades = states.trades_from_state(known)
        held = self._read(TRADES.name)
        behind = pc.greater_equal(held.column("ingest_seq"), self._base + told_to)
        for row in held.filter(behind).select(["product_id", "trade_id"]).to_pylist():
            trades.setdefault(row["product_id"], TradeIds()).take(row["trade_id"])
        last_ns = record.last_ns
        if told_to < self._end:
            last_ns = max(last_ns, self._last_us * 1000)
        text = states.encode(states.trades_to_state(trades))
        write_cut(self._root, self._hour, self._first, self._end, rows, text, last_ns, paths)


# --- rows of coverage ---------------------------------------------------------------------------


def _rows(part: Part) -> list[Row]:
    """The intervals of a part, times in microseconds."""
    rows = read_parts(COVERAGE, [part.path])
    for name in ("start_time", "end_time"):
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, name, rows.column(name).cast(pa.int64()))
    found: list[Row] = rows.to_pylist()
    return found


def _table(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SCHEMAS[COVERAGE.name])


def _of(row: Row) -> Track:
    return row["channel"], row["product_id"]


def _outside(row: Row, gaps: Iterable[_Gap]) -> list[Row]:
    """What is left of an interval that tells of something recorded."""
    mine = [(gap.start, gap.end) for gap in gaps if gap.track == _of(row)]
    start, end = row["start_time"], row["end_time"]
    if row["state"] in ("gap", "backfilled") or not any(s < end and start < e for s, e in mine):
        return [row]
    left = []
    for begin, stop in _without(start, end, mine):
        piece = {**row, "start_time": begin, "end_time": stop}
        if begin > start:
            piece["ingest_seq_first"] = None
        if stop < end:
            piece["ingest_seq_last"] = None
        left.append(piece)
    return left


def _gap_row(gap: _Gap, start: int, end: int) -> Row:
    row: Row = dict.fromkeys(SCHEMAS[COVERAGE.name].names)
    row |= {"channel": gap.track[0], "product_id": gap.track[1], "noted_seq": gap.noted_seq}
    row |= {"start_time": start, "end_time": end, "detail": gap.detail}
    return {**row, "state": "gap", "reason": DAMAGED}


def _without(start: int, end: int, others: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is left of [start, end) without other ranges."""
    left = []
    for begin, stop in sorted(others):
        if begin > start:
            left.append((start, min(begin, end)))
        start = max(start, stop)
        if start >= end:
            return left
    return [*left, (start, end)] if start < end else left
