"""A small data directory, and every kind of damage that can be planted in it.

Two hours are sealed and switched to, a third is open; the capture of all three is kept.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.frames import HOUR_NS
from recorder.core.tables import TABLES
from recorder.recording import Recording
from recorder.store.parts import read_parts, write_empty_parts, write_file
from recorder.store.paths import CUTS, Root
from recorder.store.retire import retire
from recorder.store.seal import seal_hour, switch
from recorder.verify import findings
from tests.frames_made import HOUR, HOUR_START_NS, SECOND_NS, WANTED, Made

SEALED, OPEN = HOUR + 1, HOUR + 2


def record_hours(path: Path) -> Root:
    """One connection over the turn of two hours, and another at the end of the third."""
    root = Root(path)
    write_empty_parts(root)
    made = Made(4, HOUR_START_NS + HOUR_NS - SECOND_NS, rate=4)
    recording = Recording(root, made.now_ns, WANTED)

    def take(arrivals):
        for number, arrival in enumerate(arrivals):
            recording.take(arrival)
            if number % 20 == 0:
                recording.capture.flush()
            if number % 80 == 79:
                recording.flush()

    take([*made.open("c1"), *made.run(1.6)])
    made.wait(3598)
    take(made.run(2.2))
    take([*made.close("c1"), *made.open("c2"), *made.run(0.6)])
    recording.stop(recording.last_ns)
    recording.flush()
    recording.capture.close()
    for hour in (HOUR, SEALED):
        seal_hour(root, hour)
    switch(root, OPEN)
    retire(root, 4e9, None)
    return root


def record_days(path: Path) -> Root:
    """An hour of each of three days, each with a recording of its own."""
    root, made = Root(path), Made(6, HOUR_START_NS)
    for number in range(3):
        recording = Recording(root, made.now_ns, WANTED)
        for arrival in [*made.open(f"c{number}"), *made.run(0.3)]:
            recording.take(arrival)
        recording.stop(recording.last_ns)
        recording.flush()
        recording.capture.close()
        made.cut_off()
        made.wait(86_400)
    return root


# --- files ----------------------------------------------------------------------------------------


def sealed(root: Root, table: str, hour: int = SEALED) -> Path:
    return root.sealed(TABLES[table], hour, "BTC-USD" if TABLES[table].per_product else None)


def part(root: Root, table: str, number: int = 1) -> Path:
    return root.parts(table, OPEN)[number].path


def segment(root: Root, hour: int = SEALED) -> Path:
    return root.segments(hour)[0].path


def overwrite(path: Path, content: bytes) -> Path:
    path.chmod(0o644)
    path.write_bytes(content)
    return path


def flip(path: Path, share: float = 0.5) -> Path:
    """One bit of one byte."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 0x10
    return overwrite(path, content)


def cut_off(path: Path) -> Path:
    content = path.read_bytes()
    return overwrite(path, content[: len(content) * 2 // 3])


def gone(path: Path) -> Path:
    path.unlink()
    return path


def rewrite(root: Root, path: Path, change: Callable[[pa.Table], pa.Table]) -> Path:
    """Other rows, in a file that is as good as any: its commit record is made to fit."""
    relative = str(path.relative_to(root.path))
    name = relative.split("/")[1 if relative.startswith("live") else 0]
    table = TABLES[name]
    rows = change(read_parts(table, [path]))
    footer = {}
    if not relative.startswith("live"):
        footer["hour"] = json.loads(root.commit(SEALED).read_text())["hour"]
    if "product=" in relative:
        footer |= {"product": "BTC-USD", "book_valid_at_end": "true"}
    path.chmod(0o644)
    write_file(path, table, rows, footer)
    record = root.commit(SEALED)
    content = json.loads(record.read_text())
    del content["checksum"]  # as a record of before there were any
    for file in content["files"]:
        if file["path"] == relative:
            content["rows"] += rows.num_rows - file["rows"]
            file["rows"], file["bytes"] = rows.num_rows, path.stat().st_size
            file["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    record.write_text(json.dumps(content))
    return path


def twice(rows: pa.Table) -> pa.Table:
    index = [*range(6), 5, *range(6, len(rows))]
    return rows.take(pa.array(index))


def less(rows: pa.Table) -> pa.Table:
    return rows.slice(1)


def changed(column: str, row: int, value: object) -> Callable[[pa.Table], pa.Table]:
    def change(rows: pa.Table) -> pa.Table:
        values = rows.column(column).to_pylist()
        values[row] = value
        field = rows.schema.field(column)
        return rows.set_column(
            rows.schema.get_field_index(column), field, pa.array(values, field.type)
        )

    return change


def an_interval_twice(rows: pa.Table) -> pa.Table:
    return rows.take(pa.array([0, *range(len(rows))]))


def an_interval_less(rows: pa.Table) -> pa.Table:
    return rows.filter(pc.not_equal(rows.column("channel").cast(pa.string()), "ticker"))


def swap_records(root: Root) -> Path:
    one, other = root.commit(HOUR), root.commit(SEALED)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    return one


def extra(root: Root) -> Path:
    path = sealed(root, "trades")
    return Path(shutil.copy(path, path.with_name("trades-BTC-USD-20261110T20-copy.parquet")))


class Damage(NamedTuple):
    """``plant`` gives the file that a finding of this kind must name."""

    name: str
    kind: str
    plant: Callable[[Root], Path]
    deep: bool = False


_BEGUN = changed("size", 0, 123.5)
MENDABLE = (
    Damage("a byte of a sealed file", findings.SEALED, lambda r: flip(sealed(r, "level2"))),
    Damage("a byte of a footer", findings.SEALED, lambda r: flip(sealed(r, "ticker"), 0.98)),
    Damage("a sealed file is gone", findings.SEALED, lambda r: gone(sealed(r, "trades"))),
    Damage("a sealed file is cut off", findings.SEALED, lambda r: cut_off(sealed(r, "heartbeats"))),
    Damage(
        "a sealed file of no bytes",
        findings.SEALED,
        lambda r: overwrite(sealed(r, "level2", HOUR), b""),
    ),
    Damage("a sealed row twice", findings.SEALED, lambda r: rewrite(r, sealed(r, "trades"), twice)),
    Damage("a file too many", findings.STRAY, extra),
    Damage("records swapped", findings.COMMIT, swap_records),
    Damage("a record of nothing", findings.COMMIT, lambda r: overwrite(r.commit(SEALED), b'{"fi')),
    Damage("a record of zeros", findings.COMMIT, lambda r: overwrite(r.commit(HOUR), bytes(100))),
    Damage(
        "an interval twice",
        findings.COVERAGE,
        lambda r: rewrite(r, sealed(r, "coverage"), an_interval_twice),
    ),
    Damage(
        "an interval less",
        findings.COVERAGE,
        lambda r: rewrite(r, sealed(r, "coverage"), an_interval_less),
    ),
    Damage(
        "another checkpoint", findings.CHECKPOINT, lambda r: rewrite(r, sealed(r, "level2"), _BEGUN)
    ),
    Damage(
        "another price",
        findings.REBUILT,
        lambda r: rewrite(r, sealed(r, "trades"), changed("price", 3, 1.5)),
        deep=True,
    ),
    Damage("a byte of a part", findings.PART, lambda r: flip(part(r, "level2"))),
    Damage("a byte of the first part", findings.PART, lambda r: flip(part(r, "level2", 0))),
    Damage("a part is gone", findings.PART, lambda r: gone(part(r, "ticker"))),
    Damage("a part is cut off", findings.PART, lambda r: cut_off(part(r, "trades"))),
    Damage("a row of a part twice", findings.PART, lambda r: rewrite(r, part(r, "level2"), twice)),
    Damage("a row of a part less", findings.PART, lambda r: rewrite(r, part(r, "level2"), less)),
    Damage(
        "a checkpoint in a part",
        findings.CHECKPOINT,
        lambda r: rewrite(r, part(r, "level2", 0), _BEGUN),
    ),
    Damage(
        "another price in a part",
        findings.REBUILT,
        lambda r: rewrite(r, part(r, "trades"), changed("price", 0, 1.5)),
        deep=True,
    ),
    Damage(
        "a cut's record of nothing",
        findings.CUT,
        lambda r: overwrite(r.parts(CUTS, OPEN)[1].path, b"["),
    ),
    Damage("a switch of nothing", findings.CURRENT, lambda r: overwrite(r.current, b"\0\0")),
    Damage("no switch", findings.CURRENT, lambda r: gone(r.current)),
)
LOST = (
    Damage("a byte of a block", findings.CAPTURE, lambda r: flip(segment(r, HOUR), 0.4)),
    Damage("a byte of a header", findings.CAPTURE, lambda r: flip(segment(r, HOUR), 0.0)),
    Damage("a segment is cut off", findings.CAPTURE, lambda r: cut_off(segment(r, SEALED))),
    Damage("a byte of the open capture", findings.CAPTURE, lambda r: flip(segment(r, OPEN), 0.5)),
    Damage("the open capture is cut off", findings.CAPTURE, lambda r: cut_off(segment(r, OPEN))),
)
