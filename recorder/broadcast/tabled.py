"""What the tables tell of a stretch of time: their rows as frames again, in the order received.

Rows of one frame make one frame. What came by REST (trades that were missing, the list of products)
was no frame and is not told. Zeros at the end of numbers and the order of keys are not kept; every
value is.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby

from recorder.broadcast import wire
from recorder.broadcast.told import Hole, Item, Told, Whole
from recorder.core import messages
from recorder.core.messages import Level2, Message
from recorder.dataset import (
    Candle,
    Dataset,
    Event,
    Gap,
    Heartbeat,
    LevelChanges,
    Status,
    Ticker,
    Trade,
)
from recorder.venue.wire import heartbeat

CHANNELS = ("level2", "trades", "ticker", "candles", "heartbeats", "status")
SECOND_NS = 1_000_000_000
_WHOLE = "checkpoint"
_FRAMED = ("update", "snapshot")
_RULES = (
    *("product_type", "base_currency", "quote_currency", "base_increment", "quote_increment"),
    *("display_name", "status", "status_message", "min_market_funds"),
)


class Tabled:
    """The tables of a data directory; ``left_out`` counts rows that were no frame's."""

    def __init__(self, db: Dataset, product_ids: Iterable[str]) -> None:
        self.left_out = 0
        self._db = db
        self._product_ids = tuple(product_ids)

    def books(self, at_ns: int) -> Iterator[Whole]:
        """The books as they stood at a time, of the products that had one to be trusted."""
        for event in self._db.replay(
            self._product_ids, at_ns, at_ns + 1, ("level2",), allow_gaps=True
        ):
            if isinstance(event, LevelChanges) and event.kind == _WHOLE:
                yield Whole(event.recv_ns, event.connection_id, _changes(event))

    def stretch(
        self, start_ns: int, end_ns: int | None, channels: Iterable[str] = CHANNELS
    ) -> Iterator[Item]:
        """What was received in [start, end), with the books as they stood at its start.

        Without an end it goes on to the newest row.
        """
        events = self._db.replay(self._product_ids, start_ns, end_ns, channels, allow_gaps=True)
        for _, grouped in groupby(events, key=_frame_of):
            together = list(grouped)
            if isinstance(together[0], Gap):
                yield _hole([each for each in together if isinstance(each, Gap)])
            elif isinstance(together[0], LevelChanges):
                for each in together:
                    if isinstance(each, LevelChanges):
                        yield _level_item(each)
            else:
                yield from self._told(together)

    def _told(self, events: list[Event]) -> Iterator[Told]:
        first = events[0]
        kind = getattr(first, "kind", "update")
        if kind not in _FRAMED or (isinstance(first, Heartbeat) and first.product_id is not None):
            self.left_out += len(events)
            return
        assert not isinstance(first, Gap)
        at_ns = first.recv_ns if first.exchange_ns is None else first.exchange_ns
        said: list[Message]
        match first:
            case Trade():
                said = _trades(events, snapshot=kind == "snapshot")
                channel = messages.TRADES
                every = [trade for each in said if isinstance(each, messages.Trades)
                         for trade in each.trades]  # fmt: skip
                event = wire.trades(kind, every)
            case Ticker():
                tickers = [_ticker(each) for each in events if isinstance(each, Ticker)]
                channel = messages.TICKER if first.best_bid is not None else messages.TICKER_BATCH
                said, event = [*tickers], wire.tickers(kind, tickers)
            case Candle():
                candles = [_candle(each) for each in events if isinstance(each, Candle)]
                channel, said, event = "candles", [*candles], wire.candles(kind, candles)
            case Status():
                rules = [_rules(each) for each in events if isinstance(each, Status)]
                channel, said, event = messages.STATUS, [*rules], wire.status(kind, rules)
            case Heartbeat():
                counter = first.heartbeat_counter or 0
                channel, said = messages.HEARTBEATS, [messages.Heartbeat(counter)]
                event = heartbeat(at_ns, counter * SECOND_NS)
            case _:
                raise AssertionError(first)
        product_ids = tuple(
            dict.fromkeys(each.product_id for each in events if each.product_id is not None)
        )
        # Of trades the tables have each once, on whatever line it came first.
        line = "" if channel == messages.TRADES else first.connection_id
        yield Told(
            first.recv_ns, line, channel, product_ids, kind == "snapshot",
            wire.head(channel, at_ns), wire.tail(event), tuple(said),
        )  # fmt: skip


def _frame_of(event: Event) -> tuple[object, ...]:
    """What events of one frame have in common."""
    match event:
        case Gap():
            return Gap, event.start_ns
        case LevelChanges():
            return LevelChanges, event.ingest_seq
        case Heartbeat():
            return Heartbeat, event.ingest_seq
    key = type(event), event.connection_id, event.recv_ns, event.sequence, event.kind
    return (*key, event.product_id) if event.sequence is None else key


def _hole(gaps: list[Gap]) -> Hole:
    """Gaps that begin together are one hole."""
    tracks = {(gap.channel, gap.product_id or "") for gap in gaps}
    missing = max(gap.messages_missing or 1 for gap in gaps)
    return Hole(gaps[0].start_ns, None, frozenset(tracks), missing)


def _level_item(event: LevelChanges) -> Item:
    changes = _changes(event)
    if event.kind == _WHOLE:
        return Whole(event.recv_ns, event.connection_id, changes)
    at_ns = event.recv_ns if event.exchange_ns is None else event.exchange_ns
    return Told(
        event.recv_ns, event.connection_id, messages.LEVEL2, (event.product_id,), changes.snapshot,
        wire.head(messages.LEVEL2, at_ns), wire.tail(wire.level2(changes)), (changes,),
    )  # fmt: skip


def _changes(event: LevelChanges) -> Level2:
    return Level2(
        event.product_id, event.kind != "update", event.sides, event.prices, event.sizes,
        event.event_us, event.price_texts, event.size_texts,
    )  # fmt: skip


def _trades(events: list[Event], *, snapshot: bool) -> list[Message]:
    by_product: dict[str, list[messages.Trade]] = {}
    for each in events:
        assert isinstance(each, Trade)
        by_product.setdefault(each.product_id, []).append(
            messages.Trade(
                each.product_id, each.trade_id, each.side, each.taker_side, each.price, each.size,
                each.trade_us, each.price_text, each.size_text,
            )
        )  # fmt: skip
    return [messages.Trades(name, snapshot, trades) for name, trades in by_product.items()]


def _ticker(event: Ticker) -> messages.Ticker:
    values = {name: getattr(event, name) for name in wire.TICKER_COLUMNS}
    inexact = json.loads(event.inexact_text) if event.inexact_text else None
    return messages.Ticker(event.product_id, event.kind == "snapshot", values, inexact=inexact)


def _candle(event: Candle) -> messages.Candle:
    names = ("open", "high", "low", "close", "volume")
    values = {name: getattr(event, name) for name in names}
    return messages.Candle(event.product_id, event.kind == "snapshot", event.start_us, values)


def _rules(event: Status) -> messages.ProductStatus:
    rules = {name: getattr(event, name) for name in _RULES}
    return messages.ProductStatus(event.product_id, event.kind == "snapshot", rules)
