"""Trades that were missing and have been fetched from the venue's REST service.

Trade ids are contiguous per product and the same on both venues (`coinbase.md` §1.6.4, §2.7.3), so
what is missing is known by its ids. What is recorded already is not recorded again, however often
it is fetched. The gap in `coverage` stays, because nobody heard the trades when they happened; an
interval of the state ``backfilled`` lies over it.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from recorder.core.coverage import BACKFILLED, Interval
from recorder.core.frames import Fetched
from recorder.core.knowledge import Knowledge, Step
from recorder.core.messages import TRADES, Fact, Trade
from recorder.core.numbers import amounts
from recorder.core.rows import Origin, fault_rows, trades_rows
from recorder.core.times import rfc3339_ns
from recorder.core.trades import Hole, TradeIds, within, without
from recorder.core.wire import fields

REST = "rest"  # in the place of a connection's name
INCOMPLETE = "backfill_incomplete"
_SPANS_MAX = 20  # in one detail
_PROBLEMS_MAX = 5


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
    new, problems = missing_trades(mark, ids)
    origin = Origin(mark.recv_ns, REST, None, None)
    if new:
        step.rows.append(trades_rows(mark.product_id, "backfill", new, origin, ingest_seq))
        known.note([_interval(mark, new, ingest_seq)], ingest_seq, step)
    fields_of: dict[str, Any] = {"product_id": mark.product_id, "trades": len(new)}
    step.facts.append(Fact("trades_backfilled", fields_of))
    lacking = _lacking(mark, new, ids)
    if lacking or problems:
        _doubt(
            known, mark.product_id, _detail(lacking, problems), origin, step, ingest_seq + len(new)
        )


def missing_trades(mark: Fetched, ids: TradeIds) -> tuple[list[Trade], list[str]]:
    """Take the trades that are missing into the recorded ids.

    Returns them, oldest first, and what is wrong with others.
    """
    new: dict[int, Trade] = {}
    problems: list[str] = []
    # The newest first: the holes then become no more on the way.
    for each in sorted(_read(mark.trades), key=lambda each: each.trade_id, reverse=True):
        if each.trade_id in new or not mark.first <= each.trade_id <= mark.last:
            continue
        if not (mark.absent or ids.lacks(each.trade_id)):
            continue
        try:
            new[each.trade_id] = _trade(mark.product_id, each)
        except ValueError as error:
            problems.append(f"trade {each.trade_id}: {error}")
            continue
        ids.fill(each.trade_id)
    return list(new.values())[::-1], problems


def _trade(product_id: str, each: _Trade) -> Trade:
    """Read one trade. Raises ValueError where a number or a time is wrong."""
    texts = (each.price, each.size)
    return fields.trade(
        product_id,
        each.trade_id,
        each.side.upper(),
        amounts(texts),
        texts,
        fields.microseconds(rfc3339_ns(each.time)),
    )


def _lacking(mark: Fetched, new: Sequence[Trade], ids: TradeIds) -> list[Hole]:
    """What of the ids asked for is missing still."""
    asked = [(mark.first, mark.last)]
    if mark.absent:
        return without(asked, [(trade.trade_id, trade.trade_id) for trade in new])
    return within(asked, ids.holes)


def _detail(lacking: Sequence[Hole], problems: Sequence[str]) -> str:
    told = []
    if lacking:
        spans = ", ".join(f"{first} … {last}" for first, last in lacking[:_SPANS_MAX])
        more = len(lacking) - _SPANS_MAX
        told = [
            f"the venue does not have trade ids {spans}" + (f" and {more} more" if more > 0 else "")
        ]
    return "; ".join([*told, *problems[:_PROBLEMS_MAX]])


def _doubt(
    known: Knowledge, product_id: str, detail: str, origin: Origin, step: Step, number: int
) -> None:
    """Write down that trades stay missing."""
    known.count_fault(INCOMPLETE)
    step.rows.append(
        fault_rows(INCOMPLETE, detail, origin, number, channel=TRADES, product_id=product_id)
    )
    fields_of: dict[str, Any] = {"kind": INCOMPLETE, "detail": detail, "product_id": product_id}
    step.facts.append(Fact("fault_recorded", fields_of | {"ingest_seq": number}))


def _interval(mark: Fetched, new: Sequence[Trade], ingest_seq: int) -> Interval:
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
