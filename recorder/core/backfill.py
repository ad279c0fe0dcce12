"""Trades that were missing and have been fetched from the venue's REST service.

Trade ids are contiguous per product and the same on both venues (`coinbase.md` §1.6.4, §2.7.3), so
what is missing is known by its ids. What is recorded already is not recorded again, however often
it is fetched. The gap in `coverage` stays, because nobody heard the trades when they happened; an
interval of the state ``backfilled`` lies over it.
"""

from typing import Any

import msgspec

from recorder.core.coverage import BACKFILLED, Interval
from recorder.core.frames import Fetched
from recorder.core.knowledge import Knowledge, Step
from recorder.core.messages import TRADES, Fact, Trade
from recorder.core.numbers import amounts
from recorder.core.rows import Origin, fault_rows, trades_rows
from recorder.core.times import rfc3339_ns
from recorder.core.trades import TradeIds
from recorder.core.wire import fields

REST = "rest"  # in the place of a connection's name


class _Trade(msgspec.Struct):
    trade_id: int
    price: str
    size: str
    time: str
    side: str


_read = msgspec.json.Decoder(list[_Trade]).decode


def fetched(known: Knowledge, mark: Fetched, ingest_seq: int, step: Step) -> None:
    """Take the trades that are missing; say what of them the venue does not have."""
    ids = known.trades.setdefault(mark.product_id, TradeIds())
    new, problems = _new_trades(mark, ids)
    origin = Origin(mark.recv_ns, REST, None, None)
    if new:
        step.rows.append(trades_rows(mark.product_id, "backfill", new, origin, ingest_seq))
        known.note([_interval(mark, new, ingest_seq)], ingest_seq, step)
    lacking = [
        (max(first, mark.first), min(last, mark.last))
        for first, last in ids.holes
        if first <= mark.last and last >= mark.first
    ]
    fields_of: dict[str, Any] = {"product_id": mark.product_id, "trades": len(new)}
    step.facts.append(Fact("trades_backfilled", fields_of))
    if lacking or problems:
        spans = ", ".join(f"{first} … {last}" for first, last in lacking[:20])
        told = [f"the venue does not have trade ids {spans}"] if lacking else []
        detail = "; ".join(told + problems[:5])
        known.faults += 1
        number = ingest_seq + len(new)
        step.rows.append(
            fault_rows(
                "backfill_incomplete",
                detail,
                origin,
                number,
                channel=TRADES,
                product_id=mark.product_id,
            )
        )


def _new_trades(mark: Fetched, ids: TradeIds) -> tuple[list[Trade], list[str]]:
    """The trades that fill a hole, oldest first, and what is wrong with others."""
    new: list[Trade] = []
    problems: list[str] = []
    for each in sorted(_read(mark.trades), key=lambda each: each.trade_id):
        if not ids.lacks(each.trade_id):
            continue
        texts = (each.price, each.size)
        try:
            time_ns = rfc3339_ns(each.time)
            trade = fields.trade(
                mark.product_id,
                each.trade_id,
                each.side.upper(),
                amounts(texts),
                texts,
                fields.microseconds(time_ns),
            )
        except ValueError as error:
            problems.append(f"trade {each.trade_id}: {error}")
            continue
        ids.take(each.trade_id)
        new.append(trade)
    return new, problems


def _interval(mark: Fetched, new: list[Trade], ingest_seq: int) -> Interval:
    times = [trade.trade_us for trade in new if trade.trade_us is not None]
    start_us = min(times, default=mark.recv_ns // 1000)
    end_us = max(times, default=start_us) + 1  # exclusive
    return Interval(
        TRADES,
        mark.product_id,
        start_us * 1000,
        end_us * 1000,
        BACKFILLED,
        ingest_seq_first=ingest_seq,
        ingest_seq_last=ingest_seq + len(new) - 1,
        connection_id=REST,
        detail=f"trade ids {new[0].trade_id} … {new[-1].trade_id}, {len(new)} trades",
    )
