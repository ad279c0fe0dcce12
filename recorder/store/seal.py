"""Sealing: an hour's parts become one immutable file a table and product, and a commit record.

Sealing is a pure function of its input, so doing it again is harmless: the rows of an earlier seal
of the same hour (recording went on after it) and the parts beyond it make the same files as all
the parts at once. Order of publishing: every file, then the commit record. The readers' switch
comes later and separately (`switch`).
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.frames import FIRST_OFFSET, HOUR_NS, hour_base
from recorder.core.tables import TABLES, Table
from recorder.errors import DataError
from recorder.store.capture import end_of, read_blocks
from recorder.store.commits import (
    COMMIT_VERSION,
    Commit,
    SealedFile,
    publish_commit,
    read_commit,
)
from recorder.store.days import files_of
from recorder.store.orphans import refuse_shorter
from recorder.store.parts import (
    Cut,
    mode_of,
    read_cut,
    read_parts,
    read_rows,
    reserve,
    sort,
    unify,
    write_file,
)
from recorder.store.paths import CUTS, File, Root, Segment, hour_from_iso, hour_text, iso
from recorder.store.publish import make_folder, publish, publish_json

BUCKET_ROWS = 700_000  # sorted in memory at once; 6.2 M rows of 302 products: 584 MB at most
EARLIER_US = 60_000_000  # a reader opens what it has listed within this
EARLIER_MAX = 100

__all__ = [
    "Commit",
    "SealedFile",
    "read_commit",
    "seal_hour",
    "sealed_before",
    "switch",
    "taken_to",
]


def taken_to(root: Root, hour: int) -> int:
    """The offset of an hour that nothing reaches beyond: no capture, no part, no commit record.

    Parts reach beyond the capture where its end was damaged after they were published.
    """
    commit = read_commit(root, hour)
    ends = [part.end for table in (*TABLES, CUTS) for part in root.parts(table, hour)]
    return max(end_of(root.segments(hour)).offset, commit.capture_end if commit else 0, *ends, 0)


def seal_hour(
    root: Root,
    hour: int,
    capture: Root | None = None,
    progress: Callable[[str], None] = lambda _table: None,
) -> Commit:
    """Write the sealed files of an hour and its commit record; the parts must be complete.

    ``capture`` is the data directory whose capture the parts were made from, where it is another.
    Raises DataError where files lie there that hold more, and no record names them.
    """
    earlier = read_commit(root, hour)
    segments = (capture or root).segments(hour)
    last = end_of(segments)
    if earlier is None:
        refuse_shorter(root, hour, taken_to(root, hour))
    cut = _newest_cut(root, hour)
    digest, ended_ns = _digest(segments), _later(last.ended_ns, cut.last_ns if cut else None)
    if not segments and earlier is not None:
        digest, ended_ns = earlier.capture_sha256, earlier.ended_ns
    inputs = _Inputs(root, hour, earlier)
    coverage = inputs.read(TABLES["coverage"])
    files: list[SealedFile] = []
    for table in TABLES.values():
        progress(table.name)
        for product_id, arrow in _products(inputs, table):
            footer = _footer(table, hour, product_id, arrow, coverage, digest)
            files.append(_write(root, table, hour, product_id, arrow, footer))
    commit = Commit(
        hour,
        max(last.offset, taken_to(root, hour)),
        digest,
        ended_ns,
        cut.trades if cut else earlier.trades if earlier else {},
        tuple(files),
        datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    publish_commit(root, commit)
    return commit


def _newest_cut(root: Root, hour: int) -> Cut | None:
    cuts = root.parts(CUTS, hour)
    return read_cut(max(cuts, key=lambda cut: cut.end).path) if cuts else None


def _later(one: int | None, other: int | None) -> int | None:
    return max((each for each in (one, other) if each is not None), default=None)


class _Inputs:
    """The rows of an hour: those of an earlier seal, and those of the parts beyond it."""

    def __init__(self, root: Root, hour: int, earlier: Commit | None) -> None:
        self._root = root
        self._hour = hour
        self._earlier = earlier
        self._done = earlier.capture_end if earlier else 0

    def _sealed(self, table: Table) -> list[File]:
        files = self._earlier.files if self._earlier else ()
        return files_of(self._root, self._hour, files, table.name)

    def paths(self, table: Table) -> list[File]:
        """Every file that holds rows of a table."""
        parts = self._root.parts(table.name, self._hour)
        return self._sealed(table) + [part.path for part in parts if part.first >= self._done]

    def read(self, table: Table, products: Sequence[str] | None = None) -> pa.Table:
        """The rows of a table, sorted, of some products or of all."""
        sealed = read_parts(table, self._sealed(table), products)
        # A seal that was cut off may have replaced a file already: what is beyond comes from parts.
        before = hour_base(self._hour) + self._done
        sealed = sealed.filter(pc.less(sealed.column(table.order), before))
        parts = self._root.parts(table.name, self._hour)
        beyond = [part.path for part in parts if part.first >= self._done]
        both = [sealed, read_parts(table, beyond, products)]
        return unify(table, sort(table, pa.concat_tables(both, promote_options="permissive")))


def _products(inputs: _Inputs, table: Table) -> Iterator[tuple[str | None, pa.Table]]:
    """The hour's rows of a table, product by product, in order; empty ones are left out."""
    if not table.per_product:
        arrow = inputs.read(table)
        if arrow.num_rows:
            yield None, arrow
        return
    for bucket in _buckets(_rows_by_product(inputs.paths(table))):
        arrow = inputs.read(table, bucket)
        begin = 0
        for entry in pc.value_counts(arrow.column("product_id").combine_chunks()).to_pylist():
            yield entry["values"], unify(table, arrow.slice(begin, entry["counts"]))
            begin += entry["counts"]


def _rows_by_product(files: Sequence[File]) -> dict[str, int]:
    rows: dict[str, int] = {}
    for file in files:
        counts = pc.value_counts(read_rows(file, ["product_id"]).column(0).cast(pa.string()))
        for entry in counts.to_pylist():
            rows[entry["values"]] = rows.get(entry["values"], 0) + entry["counts"]
    return rows


def _buckets(rows: dict[str, int]) -> Iterator[list[str]]:
    """Products in alphabetical order, as many at a time as fit in memory together."""
    bucket: list[str] = []
    held = 0
    for product_id in sorted(rows):
        if bucket and held + rows[product_id] > BUCKET_ROWS:
            yield bucket
            bucket, held = [], 0
        bucket.append(product_id)
        held += rows[product_id]
    if bucket:
        yield bucket


def _footer(
    table: Table,
    hour: int,
    product_id: str | None,
    arrow: pa.Table,
    coverage: pa.Table,
    digest: str | None,
) -> dict[str, str]:
    """What a file says of itself: nothing that depends on when or how often it was sealed."""
    footer = {"hour": iso(hour)}
    if digest is not None:
        footer["capture_sha256"] = digest
    if product_id is not None:
        footer["product"] = product_id
        footer.update(_coverage_footer(table, hour, product_id, coverage))
    for column in ("sequence", table.order):
        if column in arrow.column_names:
            bounds = pc.min_max(arrow.column(column)).as_py()
            if bounds["min"] is not None:
                footer[f"{column}_first"] = str(bounds["min"])
                footer[f"{column}_last"] = str(bounds["max"])
    texts = [
        name for name in ("price_text", "size_text", "inexact_text") if name in arrow.column_names
    ]
    if texts:
        inexact = sum(len(arrow) - arrow.column(name).null_count for name in texts)
        footer["inexact_values"] = str(inexact)
    return footer


def _coverage_footer(
    table: Table, hour: int, product_id: str, coverage: pa.Table
) -> dict[str, str]:
    channel = "market_trades" if table.name == "trades" else table.name
    mine = coverage.filter(
        pc.and_(
            pc.equal(coverage.column("channel").cast(pa.string()), channel),
            pc.fill_null(
                pc.equal(coverage.column("product_id").cast(pa.string()), product_id), False
            ),
        )
    )
    states = mine.column("state").cast(pa.string())
    footer = {"gaps": str(int(pc.sum(pc.equal(states, "gap")).as_py() or 0))}
    if table.name == "level2":
        hour_end_us = (hour + 1) * HOUR_NS // 1000
        ends = mine.filter(pc.not_equal(states, "gap")).column("end_time").cast(pa.int64())
        valid = bool(np.any(ends.to_numpy() == hour_end_us)) if len(ends) else False
        footer["book_valid_at_end"] = "true" if valid else "false"
    return footer


def _write(
    root: Root,
    table: Table,
    hour: int,
    product_id: str | None,
    arrow: pa.Table,
    footer: dict[str, str],
) -> SealedFile:
    final = root.sealed(table, hour, product_id)
    make_folder(root.staging)
    staged = root.staging / f"{os.getpid()}-{final.name}"
    reserve(staged, table)
    write_file(staged, table, arrow, footer)
    size = staged.stat().st_size
    with staged.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    publish(staged, final, mode=mode_of(table))
    bounds: dict[str, Any] = pc.min_max(arrow.column(table.order)).as_py()
    return SealedFile(
        str(final.relative_to(root.path)),
        table.name,
        product_id,
        arrow.num_rows,
        size,
        sha256,
        bounds["min"],
        bounds["max"],
    )


def _digest(segments: Sequence[Segment]) -> str | None:
    """The digest of an hour's lines; None where the capture is not kept."""
    if not segments or segments[0].first != FIRST_OFFSET:
        return None
    digest = hashlib.sha256()
    end = FIRST_OFFSET
    for segment in segments:
        for block in read_blocks(segment.path):
            # Blocks that were written again, because a sync was refused, count once.
            digest.update(block.payload[max(0, end - block.first) :])
            end = max(end, block.end)
    return digest.hexdigest()


# --- the readers' switch ------------------------------------------------------------------------


def sealed_before(root: Root) -> int | None:
    """The hour that `current.json` names: sealed files before it, live parts from it on."""
    try:
        content = json.loads(root.current.read_text(encoding="utf-8"))
        return hour_from_iso(content["sealed_before"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{root.current}: not readable ({error}). Move it away; the next start of the recorder "
            "writes it again."
        ) from error


def switch(root: Root, hour: int) -> None:
    """Let readers take sealed files for the hours before this one.

    Who has listed files already keeps to the switch before: the newest of them are told as well.
    """
    content = {
        "version": COMMIT_VERSION,
        "sealed_before": iso(hour),
        "hour": hour_text(hour),
        "earlier": _earlier(root, time.time_ns() // 1000),
    }
    publish_json(root.staging, root.current, content)


def _earlier(root: Root, now_us: int) -> list[dict[str, Any]]:
    """The switches that were in force within the last minute, with their ends; oldest first."""
    try:
        content = json.loads(root.current.read_text(encoding="utf-8"))
        told = content.get("earlier", [])
        kept = [each for each in told if now_us - EARLIER_US < each["until_us"] <= now_us]
        return [*kept, {"hour": content["hour"], "until_us": now_us}][-EARLIER_MAX:]
    except FileNotFoundError:
        return [{"hour": None, "until_us": now_us}]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []  # nobody can have read it
