"""What is on disk after a trial, read once for all checks.

Frames are decoded here with `json`, not with the recorder's own wire module, so that the two cannot
share a mistake.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recorder.core.frames import Carried, Closed, Ended, Frame, Opened, Sent
from recorder.core.tables import TABLES
from recorder.store.capture import read_arrivals

SECOND_NS = 1_000_000_000
TABLE_NAMES = tuple(TABLES)


@dataclass(slots=True)
class Line:
    """One connection as the capture holds it: (recv_ns, raw) of each frame."""

    connection_id: str
    opened_ns: int
    frames: list[tuple[int, bytes]] = field(default_factory=list)
    closed: Closed | None = None

    def raws(self) -> list[bytes]:
        """The frames alone."""
        return [raw for _, raw in self.frames]


@dataclass(slots=True)
class Captured:
    """The capture: its connections, every arrival in order, and the starts of stretches."""

    lines: dict[str, Line]
    arrivals: list[tuple[int, Any]]
    starts_ns: list[int]

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return sum(len(line.frames) for line in self.lines.values())


def read_capture(root: Path) -> Captured:
    """Read the capture of a data directory."""
    folders = [each for each in (root / "capture",) if each.exists()]
    captured = Captured({}, list(read_arrivals(folders)), [])
    for _, arrival in captured.arrivals:
        match arrival:
            case Opened(recv_ns, connection_id):
                captured.lines[connection_id] = Line(connection_id, recv_ns)
            case Frame(recv_ns, connection_id, raw):
                captured.lines[connection_id].frames.append((recv_ns, raw))
            case Closed(connection_id=connection_id):
                captured.lines[connection_id].closed = arrival
            case Carried(recv_ns, "start"):
                captured.starts_ns.append(recv_ns)
            case Carried() | Ended() | Sent():
                pass
    return captured


def sealed_files(root: Path) -> dict[str, Path]:
    """Every sealed file by its path below the root."""
    found = sorted(path for name in TABLE_NAMES for path in (root / name).rglob("*.parquet"))
    return {str(path.relative_to(root)): path for path in found}


def read_table(root: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """All sealed rows of a table, in the order of their files."""
    pieces = []
    for path in sorted((root / name).rglob("*.parquet")):
        with path.open("rb") as file:
            piece = pq.read_table(file, columns=columns)
        for index, column in enumerate(piece.schema):
            if pa.types.is_dictionary(column.type):
                plain = piece.column(index).cast(pa.string())
                piece = piece.set_column(index, column.name, plain)
        pieces.append(piece.replace_schema_metadata(None))
    return pa.concat_tables(pieces, promote_options="permissive") if pieces else pa.table({})


def read_coverage(root: Path) -> list[dict[str, Any]]:
    """The intervals, with ``start_us`` and ``end_us`` as microseconds since 1970."""
    table = read_table(root, "coverage")
    if not table.num_rows:
        return []
    for name in ("start", "end"):
        microseconds = table.column(f"{name}_time").cast(pa.int64())
        table = table.append_column(f"{name}_us", microseconds)
    return table.to_pylist()


def read_sequence_gaps(root: Path) -> list[dict[str, Any]]:
    """The faults that tell of numbers that did not come."""
    table = read_table(root, "faults", ["kind", "connection_id", "detail"])
    rows = table.to_pylist() if table.num_rows else []
    return [row for row in rows if row["kind"] == "sequence_gap"]


def sequence_of(raw: bytes) -> int | None:
    """A frame's number; None for an error frame."""
    return json.loads(raw).get("sequence_num")


def sent_ns(raw: bytes) -> int | None:
    """When the venue made a frame, from its own timestamp; None for an error frame."""
    text = json.loads(raw).get("timestamp")
    if text is None:
        return None
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * SECOND_NS + int((fraction + "000000000")[:9])
