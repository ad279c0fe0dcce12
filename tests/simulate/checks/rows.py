"""(b) Rows are what was delivered, once each; (c) sealed files are a function of the capture."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recorder.core.frames import Frame
from recorder.core.tables import TABLES
from tests.simulate.evidence import TABLE_NAMES, Captured, read_table, sealed_files

SHOWN = 5
FAULTS_EXPECTED = {"sequence_gap", "trade_id_gap", "update_before_snapshot"}


def check_rows(root: Path) -> Iterator[str]:
    """`ingest_seq` is unique in every table."""
    for name in TABLE_NAMES:
        if TABLES[name].order != "ingest_seq":
            continue  # noted_seq names the arrival, which may end many intervals
        rows = read_table(root, name, ["ingest_seq"])
        if not rows.num_rows:
            continue
        values, counts = np.unique(rows.column(0).to_numpy(), return_counts=True)
        twice = values[counts > 1]
        if len(twice):
            yield f"(b) {name}: {len(twice)} ingest_seq more than once, the first {twice[0]}"


def check_trades(root: Path, captured: Captured) -> Iterator[str]:
    """Every trade that was delivered is there, once."""
    rows = read_table(root, "trades", ["product_id", "trade_id"]).to_pylist()
    held = Counter((row["product_id"], row["trade_id"]) for row in rows)
    twice = [key for key, count in held.items() if count > 1]
    if twice:
        yield f"(b) trades: {len(twice)} are there more than once: {sorted(twice)[:SHOWN]}"
    delivered = set()
    for message in _in_order(captured):
        if message["channel"] == "market_trades":
            for event in message["events"]:
                delivered |= {
                    (each["product_id"], int(each["trade_id"])) for each in event["trades"]
                }
    missing = delivered - held.keys()
    if missing:
        yield f"(b) trades: {len(missing)} delivered ones are no rows: {sorted(missing)[:SHOWN]}"
    invented = held.keys() - delivered
    if invented:
        yield f"(b) trades: {len(invented)} rows were never delivered: {sorted(invented)[:SHOWN]}"


def check_changes(root: Path, captured: Captured) -> Iterator[str]:
    """The rows of level2 are the delivered changes of each product, in their order."""
    columns = ["product_id", "kind", "side", "price", "size", "ingest_seq"]
    rows = read_table(root, "level2", columns)
    delivered: dict[str, list[tuple[str, float, float]]] = {}
    for message in _in_order(captured):
        if message["channel"] == "l2_data":
            for event in message["events"]:
                delivered.setdefault(event["product_id"], []).extend(
                    ("bid" if each["side"] == "bid" else "ask", float(each["price_level"]),
                     float(each["new_quantity"]))
                    for each in event["updates"]
                )  # fmt: skip
    held: dict[str, list[tuple[str, float, float]]] = {}
    for row in rows.sort_by("ingest_seq").to_pylist() if rows.num_rows else []:
        if row["kind"] != "checkpoint":
            change = (row["side"], row["price"], row["size"])
            held.setdefault(row["product_id"], []).append(change)
    for product in sorted(delivered.keys() | held.keys()):
        wanted, got = delivered.get(product, []), held.get(product, [])
        if wanted != got:
            pairs = enumerate(zip(wanted, got, strict=False))
            at = next((at for at, (a, b) in pairs if a != b), min(len(wanted), len(got)))
            yield (
                f"(b) level2 {product}: {len(got)} rows of {len(wanted)} delivered changes; "
                f"they differ from row {at} on"
            )


def _in_order(captured: Captured) -> Iterator[Mapping[str, Any]]:
    """Every numbered frame that came in order, decoded, in the order of the capture."""
    due: dict[str, int] = {}
    for _, arrival in captured.arrivals:
        if isinstance(arrival, Frame):
            message = json.loads(arrival.raw)
            sequence = message.get("sequence_num")
            if sequence is not None and sequence >= due.get(arrival.connection_id, 0):
                due[arrival.connection_id] = sequence + 1
                yield message


def check_faults(root: Path) -> Iterator[str]:
    """Nothing is doubted but what the venue did."""
    rows = read_table(root, "faults", ["kind", "detail"])
    for row in rows.to_pylist() if rows.num_rows else []:
        if row["kind"] not in FAULTS_EXPECTED:
            yield f"(b) faults: {row['kind']}: {row['detail'][:160]}"


def check_rebuilt(root: Path, again: Path) -> Iterator[str]:
    """The sealed files of two data directories are the same, byte for byte."""
    mine, theirs = sealed_files(root), sealed_files(again)
    for name in sorted(mine.keys() ^ theirs.keys()):
        yield f"(c) {name}: is in {'the recording' if name in mine else 'the rebuilt one'} only"
    for name in sorted(mine.keys() & theirs.keys()):
        if mine[name].read_bytes() != theirs[name].read_bytes():
            how = _how(mine, theirs, name)
            yield f"(c) {name}: differs from the file rebuilt from the capture{how}"


def _how(mine: Mapping[str, Path], theirs: Mapping[str, Path], name: str) -> str:
    """How two files differ, in a few words."""
    try:
        one, other = (pq.ParquetFile(each[name]) for each in (mine, theirs))
        with one, other:
            if one.metadata.num_rows != other.metadata.num_rows:
                return f": {one.metadata.num_rows} rows, rebuilt {other.metadata.num_rows}"
            rows = one.read().equals(other.read())
            return ": same rows, other bytes" if rows else ": same number of rows, other values"
    except (pa.ArrowException, OSError) as error:
        return f": {error}"
