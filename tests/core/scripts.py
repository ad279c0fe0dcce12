"""Scripted sessions: frames in the venue's words, and a player that places them in a capture."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from recorder.core.book import BookState
from recorder.core.frames import (
    FIRST_OFFSET,
    HOUR_NS,
    Arrival,
    Carried,
    Closed,
    Ended,
    Frame,
    Opened,
    Sent,
    hour_base,
    hour_of,
)
from recorder.core.messages import Level2
from recorder.core.pipeline import Pipeline, Step
from recorder.core.rows import Rows, levels_from
from recorder.core.state import State, encode
from recorder.core.tables import TABLES
from recorder.core.wire.venues import wire_of

# 2026-09-08T10:00:00Z, a full hour.
HOUR_10_NS = 1_788_861_600_000_000_000
STAMP = "2026-09-08T10:00:00.123456789Z"
GO_TIME = "2026-09-08 10:00:01.25788961 +0000 UTC m=+52431.507312884"

Change = tuple[str, str, str]  # bid or offer, price, size


def frame(channel: str, number: int | None, *events: dict[str, Any]) -> bytes:
    """A numbered frame; without a number, one that lacks it."""
    body: dict[str, Any] = {"channel": channel, "timestamp": STAMP}
    if number is not None:
        body["sequence_num"] = number
    # As the venue writes it: other spelling goes another way through decoding.
    return json.dumps({**body, "events": list(events)}, separators=(",", ":")).encode()


def level2(number: int, kind: str, changes: Iterable[Change], product: str = "BTC-USD") -> bytes:
    """A book or changes of one."""
    return frame("l2_data", number, level2_event(kind, changes, product))


def level2_event(kind: str, changes: Iterable[Change], product: str = "BTC-USD") -> dict[str, Any]:
    """One event of an l2_data frame."""
    updates = [
        {"side": side, "event_time": STAMP, "price_level": price, "new_quantity": size}
        for side, price, size in changes
    ]
    return {"type": kind, "product_id": product, "updates": updates}


def trades(number: int, kind: str, ids: Iterable[int], product: str = "BTC-USD") -> bytes:
    """Trades, newest first as on the wire."""
    wire = [
        {
            "product_id": product,
            "trade_id": str(each),
            "price": "100.5",
            "size": "0.1",
            "time": STAMP,
            "side": "BUY",
        }
        for each in sorted(ids, reverse=True)
    ]
    return frame("market_trades", number, {"type": kind, "trades": wire})


def ticker(number: int, product: str = "BTC-USD", price: str = "100.5") -> bytes:
    """One ticker."""
    return frame(
        "ticker", number, {"type": "update", "tickers": [{"product_id": product, "price": price}]}
    )


def heartbeat(number: int, counter: int = 52431) -> bytes:
    """One beat."""
    return frame("heartbeats", number, {"current_time": GO_TIME, "heartbeat_counter": counter})


def status(number: int, product: str, state: str) -> bytes:
    """One product's rules."""
    return frame(
        "status", number, {"type": "update", "products": [{"id": product, "status": state}]}
    )


def answer(number: int, **channels: Sequence[str]) -> bytes:
    """The answer to a request: all subscriptions of the connection."""
    return frame("subscriptions", number, {"subscriptions": channels})


BOOK: tuple[Change, ...] = (("bid", "99", "1"), ("bid", "98", "2"), ("offer", "101", "3"))


BTC = ("ws1", "BTC-USD")
UPDATE: tuple[Change, ...] = (("bid", "99", "5"),)


class Player:
    """A pipeline that is given arrivals at the places they would have in a capture."""

    def __init__(self, pipeline: Pipeline | None = None, at_ns: int = HOUR_10_NS) -> None:
        self.pipeline = pipeline or Pipeline()
        self.now_ns = at_ns
        self.seq = hour_base(hour_of(at_ns)) + FIRST_OFFSET
        self.blocks: list[Rows] = []
        self.steps: list[tuple[int, Arrival, Step]] = []

    def take(self, arrival: Arrival) -> Step:
        """One arrival; the next place is as far away as its line is long."""
        step = self.pipeline.step(arrival, self.seq)
        self.steps.append((self.seq, arrival, step))
        self.blocks += step.rows
        self.seq += len(line_of(arrival))
        return step

    def open(self, connection: str = "ws1", first: int | None = 0, venue: str = "advanced") -> Step:
        """A connection opens."""
        return self.take(Opened(self.now_ns, connection, "wss://example", first, venue))

    def ask(
        self, channel: str, *products: str, kind: Any = "subscribe", connection: str = "ws1"
    ) -> Step:
        """We ask for a channel, or no longer."""
        session = self.pipeline.sessions.get(connection)
        wire = wire_of(session.venue if session else "advanced")
        return self.send(wire.request(kind, channel, products), connection)

    def send(self, raw: bytes, connection: str = "ws1") -> Step:
        """We send something."""
        return self.take(Sent(self.now_ns, connection, raw))

    def say(self, raw: bytes, connection: str = "ws1", after_ms: int = 50) -> Step:
        """The venue sends a frame a moment later."""
        self.now_ns += after_ms * 1_000_000
        return self.take(Frame(self.now_ns, connection, raw))

    def close(self, connection: str = "ws1", code: int = 1006, *, orderly: bool = False) -> Step:
        """A connection ends a moment later."""
        self.now_ns += 1_000_000
        return self.take(Closed(self.now_ns, connection, code, "", orderly))

    def start(self, state: State | None = None) -> Step:
        """A process begins to record."""
        return self.take(Carried(self.now_ns, "start", encode(state or State())))

    def end(self, cause: str = "stop") -> Step:
        """The recording ends."""
        self.now_ns += 1_000_000
        return self.take(Ended(self.now_ns, cause))

    def turn(self) -> Carried:
        """The hour turns; returns the mark that a fresh pipeline would begin with."""
        boundary_ns = (hour_of(self.now_ns) + 1) * HOUR_NS
        self.take(Ended(boundary_ns - 1, "hour"))
        carried = Carried(boundary_ns, "hour", self.pipeline.state())
        self.now_ns = boundary_ns
        self.seq = hour_base(hour_of(boundary_ns)) + FIRST_OFFSET
        self.take(carried)
        return carried

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table so far."""
        return rows_of(self.blocks, table)

    def faults(self) -> list[str]:
        """The kinds of all faults so far."""
        return [row["kind"] for row in self.rows("faults")]


def live(*products: str) -> Player:
    """A session with a LIVE book of each product, frames 0 … n-1."""
    player = Player()
    player.open()
    names = products or ("BTC-USD",)
    player.ask("level2", *names)
    for number, product in enumerate(names):
        player.say(level2(number, "snapshot", BOOK, product))
    return player


def state_of(player: Player, product: str = "BTC-USD") -> BookState:
    """The state of a book on ws1."""
    return player.pipeline.books["ws1", product].state


def epochs(player: Player) -> list[int | None]:
    """The epoch of every level2 row so far."""
    return [row["book_epoch"] for row in player.rows("level2")]


def line_of(arrival: Arrival) -> bytes:
    """An arrival's line in the capture, as far as its length matters."""
    match arrival:
        case Frame() | Sent():
            return f"{arrival.recv_ns} {arrival.connection_id} ".encode() + arrival.raw + b"\n"
        case Carried():
            return f"{arrival.recv_ns} * carried {arrival.cause} ".encode() + arrival.state + b"\n"
        case _:
            return repr(arrival).encode()


def rows_of(blocks: Iterable[Rows], table: str) -> list[dict[str, Any]]:
    """The rows of a table as dicts."""
    names = TABLES[table].stored()
    found = []
    for block in blocks:
        if block.table != table:
            continue
        assert len(block.values) == len(names), "a block has an entry for each column"
        columns = [
            list(value) if isinstance(value, list | range) else [value] * block.count
            for value in block.values
        ]
        assert all(len(column) == block.count for column in columns), "columns of one length"
        found += [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return found


def checkpoint_of(blocks: Iterable[Rows]) -> dict[tuple[str, str], Level2]:
    """The books of checkpoint rows, as recovery reads them back."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows_of(blocks, "level2"):
        if row["kind"] == "checkpoint":
            found.setdefault((row["connection_id"], row["product_id"]), []).append(row)
    return {key: levels_from(rows, key[1]) for key, rows in found.items()}
