"""Frames by hand, where a test wants to know every number."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from recorder.core.frames import Closed, Fetched, Frame, Opened, Sent
from recorder.core.wire.advanced import request
from recorder.recording import Recording
from recorder.recovery import seal_and_switch
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root
from tests.frames_made import HOUR, HOUR_START_NS, SECOND_NS

__all__ = ["HOUR", "HOUR_START_NS", "SECOND_NS", "Scripted", "at"]
CHANNELS = ("level2", "market_trades", "ticker")


def at(seconds: float) -> int:
    """So many seconds behind the begin of the hour."""
    return HOUR_START_NS + round(seconds * 1000) * 1_000_000


def stamp(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds // SECOND_NS, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds % SECOND_NS:09d}Z"


class Scripted:
    """A data directory of one product, frame by frame; times are seconds of the hour."""

    def __init__(self, path: Path, product: str = "BTC-USD") -> None:
        self.path, self.root, self.product = path, Root(path), product
        write_empty_parts(self.root)
        self.recording = Recording(self.root, at(0))
        self.line = ""
        self.number = 0

    def connect(self, seconds: float, line: str) -> None:
        self.line, self.number = line, 0
        self.recording.take(Opened(at(seconds), line, "ws://made"))
        for channel in CHANNELS:
            self.recording.take(
                Sent(at(seconds), line, request("subscribe", channel, [self.product]))
            )
        served = {channel: [self.product] for channel in CHANNELS}
        self.frame(seconds, "subscriptions", [{"subscriptions": served}])

    def close(self, seconds: float) -> None:
        self.recording.take(Closed(at(seconds), self.line, 1006, "made"))

    def frame(self, seconds: float, channel: str, events: list[dict[str, object]]) -> None:
        body = {
            "channel": channel,
            "timestamp": stamp(at(seconds)),
            "sequence_num": self.number,
            "events": events,
        }
        self.number += 1
        self.recording.take(Frame(at(seconds), self.line, json.dumps(body).encode()))

    def book(self, seconds: float, kind: str, changes: Sequence[tuple[str, str, str]]) -> None:
        """Changes are (bid or offer, price, size)."""
        updates = [
            {
                "side": side,
                "event_time": stamp(at(seconds)),
                "price_level": price,
                "new_quantity": size,
            }
            for side, price, size in changes
        ]
        event = {"type": kind, "product_id": self.product, "updates": updates}
        self.frame(seconds, "l2_data", [event])

    def trades(
        self, seconds: float, kind: str, trades: Sequence[tuple[int, float, str, str]]
    ) -> None:
        """Trades are (id, seconds of the hour, price, size), oldest first."""
        wire = [
            {
                "product_id": self.product,
                "trade_id": str(trade_id),
                "price": price,
                "size": size,
                "time": stamp(at(when)),
                "side": "BUY",
            }
            for trade_id, when, price, size in reversed(trades)
        ]
        self.frame(seconds, "market_trades", [{"type": kind, "trades": wire}])

    def fetched(self, seconds: float, trades: Sequence[tuple[int, float, str, str]]) -> None:
        """What the venue's REST service gave, later."""
        wire = [
            {
                "trade_id": trade_id,
                "price": price,
                "size": size,
                "time": stamp(at(when)),
                "side": "buy",
            }
            for trade_id, when, price, size in trades
        ]
        ids = [trade[0] for trade in trades]
        raw = json.dumps(wire).encode()
        self.recording.take(Fetched(at(seconds), self.product, min(ids), max(ids), raw))

    def publish(self) -> None:
        self.recording.flush()

    def seal(self, *hours: int) -> None:
        self.publish()
        seal_and_switch(self.root, [HOUR + hour for hour in hours])
