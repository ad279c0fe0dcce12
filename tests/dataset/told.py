"""Many hours of coverage without recording them: the files that readers open, and nothing else."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from recorder.core.frames import HOUR_NS, hour_base
from recorder.core.tables import TABLES
from recorder.store.parts import SCHEMAS, write_empty_parts, write_file
from recorder.store.paths import Root
from recorder.store.seal import switch
from tests.frames_made import HOUR

CHANNELS = ("level2", "market_trades", "ticker")
MIDNIGHT = HOUR // 24 * 24
EVERY_S = 10  # trades

Stretch = tuple[float, float, str, str | None]
"""Seconds of the hour from and to, state, reason."""


def recorded(_hour: int, _product: str, _channel: str) -> list[Stretch]:
    """What is told of an hour of which nothing is missing."""
    return [(0, 3600, "recorded", None)]


class Told:
    """A data directory of sealed hours, told as a test says; hours count from midnight.

    Trades come every 10 s with ids without a hole, but for the hours in which they are told as
    missing, where they are missing.
    """

    def __init__(self, path: Path, products: Sequence[str] = ("BTC-USD",)) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path, self.root, self.products = path, Root(path), products
        write_empty_parts(self.root)
        self.root.commits.mkdir(exist_ok=True)

    @staticmethod
    def at(hour: int, second: float = 0) -> int:
        """A time, in nanoseconds."""
        return (MIDNIGHT + hour) * HOUR_NS + round(second * 1e9)

    def seal(
        self,
        hours: Sequence[int],
        tell: Callable[[int, str, str], list[Stretch]] = recorded,
        *,
        trades: bool = False,
    ) -> None:
        """Write these hours, and switch to what lies before the hour behind the last."""
        for hour in hours:
            rows = [
                self._interval(hour, product, channel, *stretch)
                for product in self.products
                for channel in CHANNELS
                for stretch in tell(hour, product, channel)
            ]
            self._write("coverage", hour, None, rows)
            for product in self.products if trades else ():
                self._write("trades", hour, product, self._trades(hour, product, tell))
            content = {"files": [], "hour": hour}
            self.root.commit(MIDNIGHT + hour).write_text(json.dumps(content))
        switch(self.root, MIDNIGHT + max(hours) + 1)

    def _interval(
        self,
        hour: int,
        product: str,
        channel: str,
        start_s: float,
        end_s: float,
        state: str,
        reason: str | None,
    ) -> dict[str, Any]:
        return {
            "channel": channel,
            "product_id": product,
            "start_time": self.at(hour, start_s) // 1000,
            "end_time": self.at(hour, end_s) // 1000,
            "state": state,
            "reason": reason,
            "connection_id": None if state == "gap" else "c0",
            "noted_seq": hour_base(MIDNIGHT + hour) + 2**24 + int(end_s),
        }

    def _trades(
        self, hour: int, product: str, tell: Callable[[int, str, str], list[Stretch]]
    ) -> list[dict[str, Any]]:
        stretches = tell(hour, product, "market_trades")
        there = [each for each in stretches if each[2] not in ("gap", "backfilled")]
        late = [each for each in stretches if each[2] == "backfilled"]
        rows = []
        for second in range(0, 3600, EVERY_S):
            live = any(begin <= second < end for begin, end, *_ in there)
            if not live and not any(begin <= second < end for begin, end, *_ in late):
                continue
            recv_ns = self.at(hour, second if live else 3599)
            rows.append(
                {
                    "product_id": product,
                    "recv_time": recv_ns // 1000,
                    "recv_ns": recv_ns,
                    "kind": "update" if live else "backfill",
                    "trade_id": (hour * 3600 + second) // EVERY_S,
                    "trade_time": self.at(hour, second) // 1000,
                    "side": "BUY",
                    "price": 100.0,
                    "size": 1.0,
                    "connection_id": "c0",
                    "ingest_seq": hour_base(MIDNIGHT + hour) + 2**24 + second * 1000,
                }
            )
        return rows

    def _write(self, name: str, hour: int, product: str | None, rows: list[dict[str, Any]]) -> None:
        path = self.root.sealed(TABLES[name], MIDNIGHT + hour, product)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        schema = SCHEMAS[name]
        plain = pa.schema(
            [
                (field.name, pa.int64() if pa.types.is_timestamp(field.type) else field.type)
                for field in schema
            ]
        )
        whole = [{field.name: row.get(field.name) for field in schema} for row in rows]
        write_file(path, TABLES[name], pa.Table.from_pylist(whole, schema=plain).cast(schema), {})
