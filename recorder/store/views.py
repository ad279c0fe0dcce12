"""`recorder.sql`: a data directory as views and macros for DuckDB.

    duckdb -init data/recorder.sql

Views hold everything; macros open only what they are asked for, by paths that are computed. What
the file says stays true in a session that has read it, whatever is sealed meanwhile:

- Hours that were sealed when it was written are named in it, as ranges of hours by product.
- Later ones are looked for by their names, from those that were open then up to the present.
- Which side of the readers' switch a row is read from, a sealed file or a live part, is decided
  while a query runs, by `current.json`. That tells which switch was in force when the query began:
  files that were listed before a switch are not judged by what was true only after it.

Columns and types are declared in it, so that no file is opened to learn them, and a file of an
older version has nulls in what it did not know. Its first line has the digest of all others: a
number that is damaged in it would leave hours out, in silence.
"""

import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import msgspec

from recorder.core.frames import hour_base
from recorder.core.tables import COVERAGE, LEVEL2, TABLES, Kind, Table
from recorder.errors import DataError
from recorder.store.orphans import recorded_hours, refuse_unswitched
from recorder.store.parts import write_empty_parts
from recorder.store.paths import SCHEMA_MARK, Root, hour_from_iso
from recorder.store.publish import make_folder, publish
from recorder.store.seal import sealed_before

NAME = "recorder.sql"
MEANINGS = {name: table.meaning for name, table in TABLES.items()}  # of every view
EMPTY = f"live/{LEVEL2.name}/{SCHEMA_MARK}"  # a file without rows: one must always be there
_MODE = 0o644
_SHA256 = "-- SHA-256 of the lines below: "
_OLDER = b"-- This data directory for DuckDB"  # the first line, of before there was a digest
# What `in_gap` may be asked of: channels as they are subscribed, and the tables of two of them.
CHANNELS = (
    *("level2", "trades", "market_trades", "ticker", "ticker_batch", "candles", "heartbeats"),
    *("status", "user", "user_orders"),
)
_TYPES = {
    Kind.INT: "BIGINT",
    Kind.FLOAT: "DOUBLE",
    Kind.WORD: "VARCHAR",
    Kind.TEXT: "VARCHAR",
    Kind.TIME: "TIMESTAMP WITH TIME ZONE",
}
_NOTHING = ""  # the product of tables with one file an hour

_LOWEST = -(2**62)  # before every number
_LAST = 2_500_000  # an hour after every one that can be: 2255

Spans = list[tuple[int, int]]


class _File(msgspec.Struct):
    table: str
    product_id: str | None


class _Record(msgspec.Struct):
    files: list[_File]


class _Hour(msgspec.Struct):
    hour: str


class _Day(msgspec.Struct):
    hours: list[_Hour]
    files: list[_File]


_decode = msgspec.json.Decoder(_Record).decode
_decode_day = msgspec.json.Decoder(_Day).decode


def publish_views(root: Root, staging: Path | None = None) -> bool:
    """Write `recorder.sql` for what is there now, if it says anything new.

    ``staging`` is for who does not hold the writer's lock: a start empties the other one. Where a
    record cannot be read, which `recorder verify` tells, the one that is there stays: False.
    """
    staging = staging or root.staging
    write_empty_parts(root, staging)
    try:
        final, text = root.path / NAME, views(root)
    except DataError:
        return False
    if final.exists() and final.read_bytes() == text.encode():
        return True
    make_folder(staging)
    staged = staging / f"{NAME}.{os.getpid()}"
    staged.write_text(text, encoding="utf-8")
    publish(staged, final, mode=_MODE)
    return True


def views(
    root: Root,
    empty: Path | None = None,
    *,
    place: str | None = None,
    now_s: float | None = None,
) -> str:
    """The text of `recorder.sql`; ``empty`` is a part without rows, if the directory has none.

    ``place`` is where readers find the directory, if not where it lies now; a relative one counts
    from where they run. ``now_s`` is the present, if not by the clock.

    Raises DataError where a commit record or `current.json` cannot be read.
    """
    held = _Held(sealed_before(root))
    packed = _packed(root)
    for hour in root.committed_hours():
        if held.switched is not None and hour < held.switched:
            if hour in packed:
                held.add_packed(hour, packed[hour])
            else:
                held.add(hour, _files(root, hour))
    held.open = [hour for hour in root.part_hours() if hour >= (held.switched or 0)]
    now_s = time.time() if now_s is None else now_s
    parts = [_prelude(place or str(root.path.absolute()), held, empty, int(now_s) // 3600)]
    for table in TABLES.values():
        parts += [_scan(table), _view(table, held)]
    parts += [
        _filled("range.sql", {"name": table.name, "meaning": table.meaning})
        for table in TABLES.values()
        if table.per_product
    ]
    told = {
        "coverage": "FROM " + _all(COVERAGE, "recorder_meant"),
        "all_missing": _all(COVERAGE, "recorder_missing_of"),
        "channels": ", ".join(map(quoted, CHANNELS)),
        "channel_names": ", ".join(CHANNELS),
    }
    parts.append(_filled("macros.sql", told))
    text = "\n".join(parts)
    return f"{_digest_line(text.encode())}{text}"


def refuse_unread(root: Root) -> None:
    """Raise DataError where sealed hours are there that no view would read: records are gone."""
    switched = sealed_before(root)
    if switched is None:
        refuse_unswitched(root)
    else:
        recorded_hours(root, switched)


def _digest_line(content: bytes) -> str:
    return f"{_SHA256}{hashlib.sha256(content).hexdigest()}\n"


def is_damaged(root: Root) -> bool:
    """Whether `recorder.sql` is not what was written. One that is gone leads nobody astray."""
    try:
        first, _, content = (root.path / NAME).read_bytes().partition(b"\n")
    except FileNotFoundError:
        return False
    return not first.startswith(_OLDER) and first + b"\n" != _digest_line(content).encode()


# --- what is there ------------------------------------------------------------------------------


@dataclass(slots=True)
class _Held:
    """Sealed hours before the switch, by table and product as spans [first, last]; open hours.

    Of packed hours the days are there, in ``days`` and ``packed``.
    """

    switched: int | None
    hours: Spans = field(default_factory=list)
    days: Spans = field(default_factory=list)
    tables: dict[str, dict[str, Spans]] = field(
        default_factory=lambda: {name: {} for name in TABLES}
    )
    packed: dict[str, dict[str, Spans]] = field(
        default_factory=lambda: {name: {} for name in TABLES}
    )
    open: list[int] = field(default_factory=list)

    def add(self, hour: int, files: Iterable[_File]) -> None:
        """Take the files of one hour; hours come in order."""
        _extend(self.hours, hour)
        for file in files:
            if file.table in self.tables:
                spans = self.tables[file.table].setdefault(file.product_id or _NOTHING, [])
                _extend(spans, hour)

    def add_packed(self, hour: int, files: Iterable[_File]) -> None:
        """Take an hour that is packed, in the order of the hours, by the files of its day."""
        _extend(self.hours, hour)
        _extend(self.days, hour // 24)
        for file in files:
            if file.table in self.packed:
                spans = self.packed[file.table].setdefault(file.product_id or _NOTHING, [])
                _extend(spans, hour // 24)


def _extend(spans: Spans, hour: int) -> None:
    if spans and spans[-1][1] == hour:
        return
    if spans and spans[-1][1] >= hour - 1:
        spans[-1] = (spans[-1][0], hour)
    else:
        spans.append((hour, hour))


def _files(root: Root, hour: int) -> list[_File]:
    try:
        return _decode(root.commit(hour).read_bytes()).files
    except FileNotFoundError:
        return []  # removed meanwhile
    except msgspec.DecodeError as error:
        raise DataError(
            f"{root.commit(hour)}: not a commit record ({error}). Run `recorder repair`, or move "
            "it away; the next start of the recorder seals the hour again from what is kept."
        ) from error


def _packed(root: Root) -> dict[int, list[_File]]:
    """The files of the days of hours that are packed."""
    hours: dict[int, list[_File]] = {}
    for day in root.packed_days():
        path = root.day_record(day)
        try:
            record = _decode_day(path.read_bytes())
            hours |= {hour_from_iso(each.hour): record.files for each in record.hours}
        except FileNotFoundError:
            continue  # removed meanwhile
        except ValueError as error:
            raise DataError(
                f"{path}: not the record of a day ({error}). Run `recorder repair`: it is made "
                "again from the day's files."
            ) from error
    return hours


# --- the text -----------------------------------------------------------------------------------


def quoted(text: str) -> str:
    """Text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _spans(spans: Spans) -> str:
    return "[" + ", ".join(f"[{first}, {last}]" for first, last in spans) + "]::BIGINT[][]"


def _held_by_product(products: dict[str, Spans]) -> str:
    """The hours of every product; those that were recorded in the same hours stand together."""
    groups: dict[str, list[str]] = {}
    for product, spans in sorted(products.items()):
        groups.setdefault(_spans(spans), []).append(quoted(product))
    lines = [
        f"    {{products: [{', '.join(names)}], hours: {spans}}}" for spans, names in groups.items()
    ]
    body = "[\n" + ",\n".join(lines) + "\n]" if lines else "[]"
    return f"{body}::STRUCT(products VARCHAR[], hours BIGINT[][])[]"


def _prelude(place: str, held: _Held, empty: Path | None, hour: int) -> str:
    switched = held.switched or 0
    values = {
        "root": quoted(place),
        "switched": str(switched),
        "old_before": str(switched - 1 if switched > hour else switched),
        "sealed_hours": _spans(held.hours),
        "packed_days": _spans(held.days),
        "hour_seqs": str(hour_base(1) - hour_base(0)),
        "hour_0": f"({hour_base(0)})",
        "empty": quoted(str(empty.absolute())) if empty else f"recorder_path({quoted(EMPTY)})",
        "views": ", ".join(TABLES),
        "open_hours": str(held.open),
        "since": str(max(held.open, default=switched)),
        "lowest": f"({_LOWEST})",
    }
    return _filled("prelude.sql", values)


def _filled(name: str, values: Mapping[str, str]) -> str:
    """A piece of the text, with what stands in braces in it."""
    text = _text(name)
    for placeholder, value in values.items():
        text = text.replace(f"{{{placeholder}}}", value)
    return text


def _text(name: str) -> str:
    return resources.files("recorder.store").joinpath(name).read_text("utf-8")


def _scan(table: Table) -> str:
    """The macro that reads a table's files: sealed for sure, sealed after a look, live."""
    names = [column.name for column in table.columns]
    declared = ", ".join(
        f"{quoted(column.name)}: {{name: {quoted(column.name)}, type: "
        f"{quoted(_TYPES[column.kind])}, default_value: NULL}}"
        for column in table.columns
    )
    sealed, packed = (
        ", ".join(
            f"{product_in}(filename) AS product_id"
            if table.per_product and name == "product_id"
            else name
            for name in names
        )
        for product_in in ("recorder_product_in", "recorder_packed_product")
    )
    named = f" AND recorder_is_named(filename, '{table.name}')" if table.per_product else ""
    values = {
        "name": table.name,
        "meaning": table.meaning,
        "order": table.order,
        "declared": declared,
        "sealed": sealed,
        "packed": packed,
        "live": ", ".join(names),
        "named": named,
    }
    return _filled("table.sql", values)


def _view(table: Table, held: _Held) -> str:
    """The view of a whole table; that of coverage is made of more than its rows."""
    spans = _held_by_product(held.tables[table.name])
    packed = _held_by_product(held.packed[table.name])
    view = f"CREATE OR REPLACE VIEW {table.name} AS\nFROM {_all(table, f'recorder_{table.name}')};"
    return f"""\
CREATE OR REPLACE MACRO recorder_held_{table.name}() AS {spans};
CREATE OR REPLACE MACRO recorder_packed_{table.name}() AS {packed};
{"" if table.name == COVERAGE.name else view}
"""


def _all(table: Table, reader: str) -> str:
    """A macro that reads a table, called with all its files."""
    name, product = table.name, "'*'" if table.per_product else "''"
    held = f"recorder_listed('{name}', recorder_held_{name}()"
    return f"""\
{reader}(
    recorder_days_listed('{name}', recorder_packed_{name}(), 0, {_LAST}), 0, {_LAST},
    {held}, 0, recorder_old_before() - 1),
    list_concat({held}, recorder_old_before(), {_LAST}),
                recorder_looked_for('{name}', {product}, 0, {_LAST})),
    recorder_begin_stamp(0), '9')"""
