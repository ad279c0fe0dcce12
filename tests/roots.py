"""Looking into a data directory: all rows of it, all bytes of it, and whether they make sense."""

import hashlib
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from recorder.core.tables import TABLES
from recorder.store.parts import read_parts, sort
from recorder.store.paths import Root
from recorder.store.seal import read_commit

Rows = dict[str, list[dict[str, Any]]]


def live_rows(path: Path) -> Rows:
    """The rows of all live parts, by table."""
    root = Root(path)
    return {
        name: sort(table, read_parts(table, [part.path for part in root.parts(name)])).to_pylist()
        for name, table in TABLES.items()
    }


def sealed_rows(path: Path) -> Rows:
    """The rows of all files that commit records name, by table."""
    root = Root(path)
    rows: Rows = {}
    for name, table in TABLES.items():
        commits = [read_commit(root, hour) for hour in root.committed_hours()]
        files = [path / each.path for commit in commits for each in commit.files]
        mine = [file for file in files if file.relative_to(path).parts[0] == name]
        rows[name] = sort(table, read_parts(table, mine)).to_pylist()
    return rows


def sealed_bytes(path: Path) -> dict[str, str]:
    """The digest of every sealed file, by its path in the data directory."""
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for name in TABLES
        for file in sorted((path / name).rglob("*.parquet"))
    }


def commits(path: Path) -> dict[str, Any]:
    """The commit records without the time at which they were written, and its checksum."""
    found = {}
    for file in sorted((path / "commits").glob("*.json")):
        found[file.name] = json.loads(file.read_text())
        del found[file.name]["sealed_at"]
        found[file.name].pop("checksum", None)
    return found


def check_order(rows: Rows) -> None:
    """Every ``ingest_seq`` is unique, and every trade is there once."""
    seen = Counter(
        row["ingest_seq"]
        for table, found in rows.items()
        if TABLES[table].order == "ingest_seq"
        for row in found
    )
    assert [seq for seq, count in seen.items() if count > 1] == []
    trades = Counter((row["product_id"], row["trade_id"]) for row in rows["trades"])
    assert [trade for trade, count in trades.items() if count > 1] == []


def taken_back(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of one track of coverage, without what a later hour says was not recorded after all.

    Times are datetimes, or microseconds.
    """
    hours = [row["noted_seq"] >> 35 for row in rows]
    back = [
        (hour, row)
        for hour, row in zip(hours, rows, strict=True)
        if row["detail"] == "told as recorded before the hour turned"
    ]
    kept = []
    for hour, row in zip(hours, rows, strict=True):
        end = row["end_time"]
        for later, gap in back:
            if row["state"] != "gap" and hour < later and gap["start_time"] < end:
                end = max(gap["start_time"], row["start_time"])
        if end == row["end_time"] or end > row["start_time"]:
            kept.append({**row, "end_time": end})
    return kept


def check_coverage(rows: Rows) -> dict[tuple[str, str | None], list[dict[str, Any]]]:
    """The intervals of every channel and product leave no hole.

    Gaps overlap with nothing, and what one connection recorded not with itself.
    """
    tracks = defaultdict(list)
    for row in rows["coverage"]:
        if row["state"] != "backfilled":
            tracks[row["channel"], row["product_id"]].append(row)
    for key, told in tracks.items():
        intervals = tracks[key] = taken_back(told)
        intervals.sort(key=lambda row: (row["start_time"], row["end_time"]))
        reached = intervals[0]["start_time"]
        ends: dict[str, Any] = {}
        for each in intervals:
            who, begin, end = each["connection_id"], each["start_time"], each["end_time"]
            assert begin <= end, (key, each)
            assert begin <= reached, (key, "a hole before", each)
            if each["state"] == "gap":
                assert begin == reached, (key, "a gap over something", each)
            else:
                assert begin >= ends.get(who, begin), (key, "recorded twice", each)
                ends[who] = end
            reached = max(reached, end)
        gaps = [each for each in intervals if each["state"] == "gap"]
        recorded = [each for each in intervals if each["state"] == "recorded"]
        for gap in gaps:
            for each in recorded:
                apart = (
                    each["end_time"] <= gap["start_time"] or gap["end_time"] <= each["start_time"]
                )
                assert apart, (key, gap, each)
    return dict(tracks)


def gaps_of(rows: Rows, channel: str, product_id: str | None) -> list[tuple[Any, Any, str]]:
    """The gaps of a channel and product as (start, end, reason), in order of time."""
    found = [
        (row["start_time"], row["end_time"], row["reason"])
        for row in rows["coverage"]
        if (row["channel"], row["product_id"], row["state"]) == (channel, product_id, "gap")
    ]
    return sorted(found)


def footer(file: Path) -> dict[str, str]:
    """What a file says of itself."""
    metadata = pq.read_schema(file).metadata or {}
    return {key.decode(): value.decode() for key, value in metadata.items()}
