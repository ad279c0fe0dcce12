"""(4) Trades are recorded once each, and a missing one is told."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import msgspec

from recorder.core.frames import Fetched
from tests.sim.evidence import Evidence

SHOWN = 5
UNREAD = ("malformed_frame", "impossible_number", "impossible_time")
MISSING = re.compile(r"trade ids (\d+) … (\d+) are missing")


Key = tuple[str, int]  # product, trade id


class _Trade(msgspec.Struct):
    product_id: str
    trade_id: str


class _Event(msgspec.Struct):
    trades: list[_Trade]


class _Advanced(msgspec.Struct):
    events: list[_Event]


class _Exchange(msgspec.Struct):
    product_id: str
    trade_id: int


class _Archived(msgspec.Struct):
    trade_id: int


_fetched = msgspec.json.Decoder(list[_Archived]).decode
_advanced = msgspec.json.Decoder(_Advanced).decode
_exchange = msgspec.json.Decoder(_Exchange).decode


def check_trades(evidence: Evidence) -> Iterator[str]:
    """Every delivered trade is a row, once; ids that are missing in between are told."""
    held = Counter((row["product_id"], row["trade_id"]) for row in evidence.trades)
    twice = sorted(key for key, count in held.items() if count > 1)
    if twice:
        yield f"{len(twice)} trades are there more than once: {twice[:SHOWN]}"
    delivered, doubtful = _delivered(evidence)
    if missing := sorted(delivered - held.keys()):
        yield f"{len(missing)} delivered trades are no rows: {missing[:SHOWN]}"
    if invented := sorted(held.keys() - delivered - doubtful):
        yield f"{len(invented)} rows of trades were never delivered: {invented[:SHOWN]}"
    told = _told(evidence)
    for product_id in evidence.run.plan.products:
        ids = [trade_id for product, trade_id in held if product == product_id]
        if not ids:
            continue
        made = evidence.run.trades_made.get(product_id, ())
        wanted = {each for each in made if min(ids) <= each <= max(ids)}
        untold = sorted(wanted - set(ids) - told)
        if untold:
            yield f"{product_id}: {len(untold)} trades are missing and not told: {untold[:SHOWN]}"


def check_holes(evidence: Evidence) -> Iterator[str]:
    """A trade that nobody heard lies in a gap of its product's trades, even if it was fetched."""
    heard: dict[str, dict[int, int]] = {}
    for line in evidence.lines.values():
        for frame in line.ordered:
            for product_id, trade_id in _read(frame.raw):
                times_us = heard.setdefault(product_id, {})
                times_us[trade_id] = min(frame.recv_us, times_us.get(trade_id, frame.recv_us))
    gaps: dict[str, list[tuple[int, int]]] = {}
    for row in evidence.coverage:
        if (row["channel"], row["state"]) == ("market_trades", "gap"):
            gaps.setdefault(row["product_id"], []).append((row["start_us"], row["end_us"]))
    for product_id, times_us in sorted(heard.items()):
        ids = sorted(times_us)
        made = set(evidence.run.trades_made.get(product_id, ()))
        for before, after in pairwise(ids):
            if made.isdisjoint(range(before + 1, after)):
                continue
            since_us, until_us = sorted((times_us[before], times_us[after]))
            if not any(
                start_us <= until_us and end_us >= since_us
                for start_us, end_us in gaps.get(product_id, ())
            ):
                yield (
                    f"{product_id}: trades {before + 1} … {after - 1} were not heard between "
                    f"{since_us} and {until_us}, and no gap says so"
                )


def _read(raw: bytes) -> list[Key]:
    """The trades of a frame; none where it cannot be read."""
    try:
        return list(_trades_of(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return []


def _delivered(evidence: Evidence) -> tuple[set[Key], set[Key]]:
    """The trades that came in order, or were fetched, and those of which a fault says are bad."""
    delivered: set[Key] = set()
    doubtful: set[Key] = set()
    bad = {row["ingest_seq"] for row in evidence.faults if row["kind"] in UNREAD}
    for line in evidence.lines.values():
        for frame in line.ordered:
            found = _read(frame.raw)
            (doubtful if frame.ingest_seq in bad else delivered).update(found)
    for _, arrival in evidence.arrivals:
        if isinstance(arrival, Fetched):
            ids = [each.trade_id for each in _fetched(arrival.trades)]
            delivered.update((arrival.product_id, each) for each in ids)
    return delivered, doubtful


def _trades_of(raw: bytes) -> Iterator[Key]:
    if raw.startswith(b'{"channel":"market_trades"'):
        for event in _advanced(raw).events:
            for trade in event.trades:
                yield trade.product_id, int(trade.trade_id)
    elif raw.startswith((b'{"type":"match"', b'{"type":"last_match"')):
        match = _exchange(raw)
        yield match.product_id, match.trade_id


def _told(evidence: Evidence) -> set[int]:
    """Ids that a fault says are missing."""
    found: set[int] = set()
    for row in evidence.faults_of("trade_id_gap"):
        if matched := MISSING.search(row["detail"]):
            found.update(range(int(matched[1]), int(matched[2]) + 1))
    return found
