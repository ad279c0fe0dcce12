"""What one would write first: json, a dict a side, rows in lists, Parquet as pyarrow writes it.

No check of a number or of the order; the book is sorted when somebody asks: with the argument
`asked` after every message, as ours looks whether it is crossed, otherwise never. The capture is
a plain text file, synced every second.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from turns import serve

SYNC_NS, PART_NS = 1_000_000_000, 10_000_000_000
ASKED = "asked" in sys.argv


class Naive:
    """A recorder of an afternoon."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="naive-", dir=Path(sys.argv[1]).parent))
        self.capture = (self.folder / "capture.ndjson").open("wb")
        self.books = {}
        self.rows = {}
        self.parts = 0

    def take(self, raw):
        """Keep a frame, understand it."""
        now_ns = time.time_ns()
        self.capture.write(b"%d %b\n" % (now_ns, raw))
        frame = json.loads(raw)
        channel, number = frame["channel"], frame["sequence_num"]
        at = datetime.fromisoformat(frame["timestamp"])
        for event in frame["events"]:
            if channel == "l2_data":
                self._levels(event, number, at, now_ns)
            elif channel == "market_trades":
                for each in event["trades"]:
                    self._row(channel, now_ns, each["product_id"], int(each["trade_id"]),
                              each["side"], float(each["price"]), float(each["size"]),
                              datetime.fromisoformat(each["time"]), at, number)  # fmt: skip
            elif channel == "ticker":
                for each in event["tickers"]:
                    numbers = (float(value) for key, value in each.items()
                               if key not in ("type", "product_id"))  # fmt: skip
                    self._row(channel, now_ns, each["product_id"], at, number, *numbers)
        return now_ns

    def _levels(self, event, number, at, now_ns):
        name, kind = event["product_id"], event["type"]
        if kind == "snapshot":
            self.books[name] = ({}, {})
        bids, asks = self.books[name]
        for each in event["updates"]:
            price, size = float(each["price_level"]), float(each["new_quantity"])
            side = bids if each["side"] == "bid" else asks
            if size:
                side[price] = size
            else:
                side.pop(price, None)
            self._row("level2", now_ns, name, kind, each["side"], price, size,
                      datetime.fromisoformat(each["event_time"]), at, number)  # fmt: skip
        if ASKED and bids and asks:
            max(bids), min(asks)

    def _row(self, table, *values):
        columns = self.rows.setdefault(table, [[] for _ in values])
        for column, value in zip(columns, values, strict=True):
            column.append(value)

    def sync(self):
        """What came is on disk."""
        self.capture.flush()
        os.fsync(self.capture.fileno())

    def publish(self):
        """One file a table."""
        for name, columns in self.rows.items():
            arrow = pa.table(columns, names=[f"c{number}" for number in range(len(columns))])
            path = self.folder / f"{name}-{self.parts}.parquet"
            pq.write_table(arrow, path)
            with path.open("rb") as file:
                os.fsync(file.fileno())
        self.parts += 1
        self.rows = {}


def prepare(snapshots):
    """A recorder with its books."""
    naive = Naive()
    for raw in snapshots:
        naive.take(raw)
    naive.publish()
    return naive


def run(naive, updates):
    """Take them as they come; at the end everything is on disk."""
    sync_ns = part_ns = time.time_ns()
    for raw in updates:
        now_ns = naive.take(raw)
        if now_ns > sync_ns + SYNC_NS:
            sync_ns = now_ns
            naive.sync()
        if now_ns > part_ns + PART_NS:
            part_ns = now_ns
            naive.publish()
    naive.sync()
    naive.publish()
    naive.capture.close()
    shutil.rmtree(naive.folder)


def tops(naive):
    """The best prices."""
    return {name: [max(bids), min(asks)] for name, (bids, asks) in naive.books.items()}


if __name__ == "__main__":
    serve(prepare, run, tops)
