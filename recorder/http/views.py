"""What is told of books, products and the recorder itself, as values for JSON."""

import platform
import time
from collections import Counter
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from recorder.core.book import Book
from recorder.core.frames import HOUR_NS
from recorder.core.messages import ASK, BID, LEVEL2
from recorder.core.numbers import plain
from recorder.core.rows import Rows
from recorder.core.tables import TABLES
from recorder.core.tallies import DAY_NS
from recorder.feed.connection import Connection
from recorder.feed.plan import CANONICAL
from recorder.http.answers import moment, seconds
from recorder.http.look import Sight, missing_of, sight, sights
from recorder.http.watch import Watch
from recorder.inside import Inside
from recorder.store.paths import iso

DEPTH_MAX = 500
_TOLD_MAX = 20  # names of what is unusual
_TRADE_COLUMNS = TABLES["trades"].stored()


def versions() -> dict[str, str]:
    """The versions that matter to whoever reads the data."""
    python = platform.python_version()
    return {"version": version("recorder"), "python": python, "arrow": pa.__version__}


def known_products(inside: Inside) -> dict[str, None]:
    """What is recorded, and what there still is a book of, in that order."""
    return dict.fromkeys((*inside.lineup.products, *(name for _, name in _books(inside))))


def _books(inside: Inside) -> dict[tuple[str, str], Book]:
    return inside.recording.pipeline.books


# --- books ----------------------------------------------------------------------------------------


def book_view(watch: Watch, product_id: str, depth: int) -> dict[str, Any]:
    """A product's book; one that is not to be trusted is marked, with the reason."""
    inside, now_ns = watch.recorder.inside(), watch.recorder.now_ns()
    found = sight(inside.recording.pipeline, product_id)
    view: dict[str, Any] = {"product_id": product_id, "valid": found.valid, "state": found.state}
    if not found.valid:
        view["reason"] = found.reason
    return view | {
        "epoch": found.book.epoch if found.book else None,
        "as_of": moment(found.heard_ns),
        "age_s": _age(found, now_ns),
        "connection_id": found.connection_id,
        "bids": found.levels(BID, depth),
        "asks": found.levels(ASK, depth),
    }


def _age(found: Sight, now_ns: int) -> float | None:
    return None if found.heard_ns is None else seconds(now_ns - found.heard_ns)


# --- products -------------------------------------------------------------------------------------


def products_view(watch: Watch) -> dict[str, Any]:
    """The state of every product."""
    inside, now_ns = watch.recorder.inside(), watch.recorder.now_ns()
    found = sights(inside.recording.pipeline, known_products(inside))
    channels = _channels(inside)
    gaps = _gaps_today(inside, now_ns)
    products = [
        _product(watch, inside, each, channels, now_ns) | {"gaps_today": gaps[each.product_id]}
        for each in found.values()
    ]
    return {
        "at": moment(now_ns),
        "gaps_since": moment(max(now_ns // DAY_NS * DAY_NS, int(watch.started_s * 1e9))),
        "products": products,
    }


def _channels(inside: Inside) -> list[str]:
    asked = (CANONICAL.get(each, each) for each in inside.lineup.config.feed.channels)
    return list(dict.fromkeys(asked))


def _product(
    watch: Watch, inside: Inside, found: Sight, channels: list[str], now_ns: int
) -> dict[str, Any]:
    product_id = found.product_id
    view: dict[str, Any] = {"product_id": product_id, "book": found.state}
    if not found.valid:
        view["reason"] = found.reason
    bid, ask = found.top() if found.valid else (None, None)
    view |= {
        "bid": bid,
        "ask": ask,
        **_spread(bid, ask),
        "last_update": moment(found.heard_ns),
        "age_s": _age(found, now_ns),
        "last_trade": _last_trade(watch.meter.trades.get(product_id)),
        "levels": len(found.book.bids) + len(found.book.asks) if found.book else 0,
        "status": inside.recording.pipeline.statuses.get(product_id),
    }
    tracks = inside.recording.pipeline.coverage.tracks
    view["channels"] = {
        channel: _track(watch, inside, channel, product_id)
        for channel in channels
        if (channel, product_id) in tracks
    }
    return view


def _last_trade(block: Rows | None) -> dict[str, Any] | None:
    """The last of some rows of trades."""
    if block is None:
        return None
    row = {
        name: value[-1] if isinstance(value, list) else value
        for name, value in zip(_TRADE_COLUMNS, block.values, strict=True)
    }
    traded_us = row["trade_time"]
    return {
        "price": plain(row["price"], row["price_text"]),
        "size": plain(row["size"], row["size_text"]),
        "taker_side": row["taker_side"],
        "trade_id": row["trade_id"],
        "trade_time": None if traded_us is None else moment(traded_us * 1000),
        "recv_time": moment(row["recv_ns"]),
    }


def _track(watch: Watch, inside: Inside, channel: str, product_id: str) -> dict[str, Any]:
    pipeline = inside.recording.pipeline
    missing = missing_of(pipeline, channel, product_id)
    table = {"rate": watch.rate((channel, product_id))}
    if missing is None:
        return {"recorded": True, **table}
    why = {"reason": missing.reason, "since": moment(missing.start_ns)}
    return {"recorded": False, **why, **table}


def _spread(bid: tuple[str, str] | None, ask: tuple[str, str] | None) -> dict[str, float | None]:
    if bid is None or ask is None:
        return {"spread": None, "spread_bps": None}
    low, high = Decimal(bid[0]), Decimal(ask[0])
    middle = float(low + high) / 2
    # Of the texts: floats leave a remainder that nobody quoted.
    spread = float(high - low)
    return {"spread": spread, "spread_bps": round(spread / middle * 10_000, 4) if middle else None}


def _gaps_today(inside: Inside, now_ns: int) -> Counter[str | None]:
    """Gaps of today by product, those that go on too, as far as this process knows."""
    pipeline = inside.recording.pipeline
    found: Counter[str | None] = Counter()
    if pipeline.tallies.day == now_ns // DAY_NS:
        found.update(pipeline.tallies.gaps_on)
    found.update(product_id for (_, product_id), _ in pipeline.coverage.open_gaps())
    return found


# --- the recorder ---------------------------------------------------------------------------------


def status_view(watch: Watch) -> dict[str, Any]:
    """The recorder at this moment."""
    recorder, inside = watch.recorder, watch.recorder.inside()
    now_ns, pipeline = recorder.now_ns(), inside.recording.pipeline
    reasons = watch.not_ready()
    selection = inside.lineup.selection
    odd = {
        name: list(getattr(selection, name))[:_TOLD_MAX]
        for name in ("unknown", "delisted", "offline", "unmatched")
        if getattr(selection, name)
    }
    return {
        **versions(),
        "at": moment(now_ns),
        "started_at": moment(int(watch.started_s * 1e9)),
        "uptime_s": round(watch.uptime_s, 3),
        "ready": not reasons,
        "reasons": reasons,
        "data": str(inside.recording.root.path.absolute()),
        "venue": inside.lineup.config.feed.venue,
        "hour": iso(inside.recording.hour),
        "products": len(inside.lineup.products),
        **({"oddities": odd} if odd else {}),
        "books_live": sum(book.epoch is not None for book in pipeline.books.values()),
        "frames": inside.frames,
        "gaps": pipeline.gaps_told(),
        "sequence_gaps": pipeline.sequence_gaps,
        "faults": pipeline.faults,
        "connections": [_connection(each, inside, now_ns) for each in inside.feeds.connections],
        "disk": _disk(watch, inside),
        "sealing": {
            "recovered": inside.hours.recovered,
            "waiting": inside.hours.waiting,
            "failing": inside.hours.failing,
            "sealed": inside.hours.sealed[-24:],
            "next_s": round((HOUR_NS - now_ns % HOUR_NS) / 1e9, 3),
        },
        "lag": {
            "loop_p50_s": watch.recorder.latency.lag.quantile(0.5),
            "loop_p99_s": watch.recorder.latency.lag.quantile(0.99),
            "applied_p50_s": watch.recorder.latency.applied.quantile(0.5),
            "applied_p99_s": watch.recorder.latency.applied.quantile(0.99),
            "travel_p50_s": watch.meter.travel[LEVEL2].quantile(0.5),
            "travel_p99_s": watch.meter.travel[LEVEL2].quantile(0.99),
            "clock_ahead_s": inside.clock.ahead_s,
        },
    }


def _connection(each: Connection, inside: Inside, now_ns: int) -> dict[str, Any]:
    session = inside.recording.pipeline.sessions.get(each.connection_id or "")
    return {
        "line": each.line.label,
        "connection_id": each.connection_id,
        "up": each.connection_id is not None,
        "retiring": each.retiring,
        "products": len(each.line.products),
        "channels": list(each.line.channels),
        "frames": each.tally.frames,
        "bytes": each.tally.bytes,
        "opened_at": moment(session.opened_ns) if session else None,
        "silent_s": seconds(now_ns - session.last_ns) if session else None,
        "sessions": each.tally.connects["opened"],
        "failed_dials": each.tally.connects["failed"],
    }


def _disk(watch: Watch, inside: Inside) -> dict[str, Any]:
    disk, capture = inside.disk, inside.recording.capture
    to_full_s = watch.seconds_to_full()
    return {
        "free_bytes": disk.free,
        "free_bytes_min": disk.floor,
        "seconds_to_full": None if to_full_s is None else round(to_full_s),
        "refused": disk.refused,
        "stopped": disk.stopped or None,
        "capture_bytes": capture.bytes_written,
        "buffered_bytes": capture.buffered,
        "unsynced_s": round(unsynced_s(inside), 3),
        "pending_rows": inside.recording.pending_rows,
    }


def unsynced_s(inside: Inside) -> float:
    """Since when something waits to be made durable, at most; 0 where nothing does."""
    capture = inside.recording.capture
    if capture.synced >= capture.reached:
        return 0.0
    return max(0.0, time.monotonic() - inside.disk.synced_s)
