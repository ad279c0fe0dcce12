"""What is on disk after a run, read once for all judges.

Numbers of frames are read here with a decoder of our own, not with the recorder's wire module, so
that the two cannot share a mistake.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from recorder.core.frames import HOUR_NS, Closed, Frame, Opened, Sent, hour_of_seq
from recorder.store.capture import read_arrivals
from tests.sim.world import Run

ERROR = b'{"type":"error"'
ENVELOPE = re.compile(rb'\{[^\[{]*"sequence_num":(\d+)[,}]')  # of a text that is torn further on
# By a clock that is not replaced, and what is reckoned from it.
# What tells the time of day at which it was written, or holds the digest of such a text.
WHEN = re.compile(
    rb'"(sealed_at|checksum)": *"[^"]*"|"until_us": *\d+|SHA-256 of the lines below: \w+'
)
PASSED_OVER = re.compile(r"staging|\.lock|\.ballast|open\.json")


class _Numbered(msgspec.Struct):
    sequence_num: int | None = None


_decode = msgspec.json.Decoder(_Numbered).decode


@dataclass(slots=True)
class Heard:
    """One frame of the capture. ``number`` is None where it has none that can be read."""

    ingest_seq: int
    recv_ns: int
    raw: bytes
    number: int | None

    @property
    def recv_us(self) -> int:
        """When it was received, as coverage tells times."""
        return self.recv_ns // 1000

    @property
    def end_seq(self) -> int:
        """Before which ``ingest_seq`` its rows are."""
        return self.ingest_seq + len(self.raw)


@dataclass(slots=True)
class Break:
    """A place in a session's numbering where frames are missing between two in order.

    ``unreadable`` are frames that came between and have no number that can be read.
    """

    before: Heard | None
    after: Heard
    unreadable: list[Heard]

    @property
    def missing(self) -> int:
        """How many frames did not come."""
        before = -1 if self.before is None else self.before.number
        return max(0, self.after.number - before - 1 - len(self.unreadable))

    @property
    def since_us(self) -> int:
        """Up to when everything came."""
        assert self.before is not None
        if self.missing or not self.unreadable:
            return self.before.recv_us
        return self.unreadable[0].recv_us


@dataclass(slots=True)
class Line:
    """One session as the capture holds it."""

    connection_id: str
    opened_ns: int
    frames: list[Heard] = field(default_factory=list)
    asked: list[bytes] = field(default_factory=list)
    closed: Closed | None = None
    ordered: list[Heard] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)

    def find_order(self, *, numbered: bool) -> None:
        """Tell frames in order from late ones, and where some are missing."""
        if not numbered:
            self.ordered = self.frames
            return
        expected = 0
        unreadable: list[Heard] = []
        for frame in self.frames:
            if frame.number is None:
                if not frame.raw.startswith(ERROR):
                    unreadable.append(frame)
            elif frame.number >= expected:
                if frame.number > expected:
                    before = self.ordered[-1] if self.ordered else None
                    self.breaks.append(Break(before, frame, unreadable))
                expected, unreadable = frame.number + 1, []
                self.ordered.append(frame)


@dataclass(slots=True)
class Evidence:
    """A run and what it left. ``coverage`` rows have ``start_us`` and ``end_us``."""

    run: Run
    arrivals: list[tuple[int, Any]]
    lines: dict[str, Line]
    coverage: list[dict[str, Any]]
    faults: list[dict[str, Any]]
    trades: list[dict[str, Any]]

    def faults_of(self, kind: str) -> Iterator[dict[str, Any]]:
        """The rows of one kind of fault."""
        return (row for row in self.faults if row["kind"] == kind)


def read(run: Run) -> Evidence:
    """Read what a run left."""
    arrivals = list(read_arrivals([run.root / "capture"]))
    lines: dict[str, Line] = {}
    for ingest_seq, arrival in arrivals:
        match arrival:
            case Opened(recv_ns, connection_id):
                lines[connection_id] = Line(connection_id, recv_ns)
            case Frame(recv_ns, connection_id, raw):
                heard = Heard(ingest_seq, recv_ns, raw, _number(raw))
                lines[connection_id].frames.append(heard)
            case Sent(connection_id=connection_id, raw=raw):
                lines[connection_id].asked.append(raw)
            case Closed(connection_id=connection_id):
                lines[connection_id].closed = arrival
    for line in lines.values():
        line.find_order(numbered=run.witness.numbered)
    return Evidence(
        run,
        arrivals,
        lines,
        _ledger(read_rows(run, "coverage").to_pylist()),
        read_rows(run, "faults", ("kind", "connection_id", "ingest_seq", "detail")).to_pylist(),
        read_rows(run, "trades", ("product_id", "trade_id")).to_pylist(),
    )


def _number(raw: bytes) -> int | None:
    try:
        return _decode(raw).sequence_num
    except (msgspec.MsgspecError, UnicodeDecodeError):
        matched = ENVELOPE.match(raw)
        return int(matched[1]) if matched else None


def read_rows(run: Run, table: str, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of a table as they were written, in the order of the parts."""
    parts = run.witness.tables.get(table, {})
    pieces = [parts[name] for name in sorted(parts)]
    if columns is not None:
        pieces = [piece.select(list(columns)) for piece in pieces]
    if not pieces:
        return pa.table({name: [] for name in columns or ()})
    return pa.concat_tables([_undictionaried(piece) for piece in pieces])


def check_written(run: Run) -> Iterator[str]:
    """What was written is what stands on the disk."""
    for table, parts in run.witness.tables.items():
        pieces = list(parts.values())
        paths = sorted((run.root / "live" / table).glob("2*.parquet"))
        rows = 0
        for path in paths:
            with path.open("rb") as file:
                rows += pq.read_table(file).num_rows
        if (len(paths), rows) != (len(pieces), sum(piece.num_rows for piece in pieces)):
            yield f"{table}: {rows} rows in {len(paths)} parts are not what was written"


def _undictionaried(table: pa.Table) -> pa.Table:
    for index, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):
            table = table.set_column(index, column.name, table.column(index).cast(pa.string()))
        elif pa.types.is_timestamp(column.type):
            table = table.set_column(index, column.name, table.column(index).cast(pa.int64()))
    return table


def _ledger(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Coverage as a reader has it: what a later hour takes back is not recorded.

    The end of an hour is told when nobody knows yet that nothing came any more; then the next hour
    has a gap that begins before it.
    """
    # What was fetched later lies over the gap in which it was lost, and does not end it.
    rows = [row for row in rows if row["state"] != "backfilled"]
    for row in rows:
        row["start_us"], row["end_us"] = row.pop("start_time"), row.pop("end_time")
        row["hour"] = hour_of_seq(row["noted_seq"])
    for gap in [row for row in rows if row["state"] == "gap"]:
        if gap["start_us"] * 1000 < gap["hour"] * HOUR_NS:
            for row in rows:
                same = (row["channel"], row["product_id"]) == (gap["channel"], gap["product_id"])
                over = row["start_us"] < gap["end_us"] and gap["start_us"] < row["end_us"]
                if same and over and row["state"] != "gap" and row["hour"] < gap["hour"]:
                    row["end_us"] = max(gap["start_us"], row["start_us"])
    return rows


def digest(run: Run) -> str:
    """One number for everything that a run came to: files, log events, what was done to it."""
    whole, here = hashlib.sha256(), str(run.root).encode()
    for path in sorted(run.root.rglob("*")):
        name = str(path.relative_to(run.root))
        if path.is_file() and not PASSED_OVER.search(name):
            content = WHEN.sub(b"", path.read_bytes()).replace(here, b"")
            whole.update(name.encode() + b"\0" + content)
    assert run.logged is not None
    whole.update(repr(run.logged.events).replace(str(run.root), "").encode())
    whole.update(repr((run.witness.notes, run.again_s, run.ended_s, run.turns)).encode())
    return whole.hexdigest()
