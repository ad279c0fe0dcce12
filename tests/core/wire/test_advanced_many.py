"""Many frames at once: what is decoded so is what each of them says alone."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from recorder.core.messages import ASK, BID, Level2, Ticker, Trades
from recorder.core.wire import advanced, advanced_shapes
from recorder.core.wire.advanced_many import ASIDE, CHANGES, OTHER, TICKER, TRADES, decode_many
from tests.captures import ADVANCED, needs_captures
from tests.core.scripts import Player
from tests.core.sessions import RandomSessions, mutated

VECTORS = sorted((Path(__file__).parents[2] / "vectors" / "advanced").glob("*.json"))


def check(raws: list[bytes]) -> list[int]:
    """Hold every frame that was decoded with others against itself alone; returns the kinds."""
    found = decode_many(raws)
    at, told, traded = 0, iter(found.told), iter(found.traded)
    for place, (raw, kind) in enumerate(zip(raws, found.kinds, strict=True)):
        alone, count = advanced.decode(raw), int(found.counts[place])
        if kind in (CHANGES, TICKER, TRADES):
            assert not alone.problems
            assert alone.sequence == found.sequences[place]
            assert alone.exchange_ns == found.exchange_ns[place]
            (message,) = alone.messages
            assert message.product_id == found.products[place]
        if kind == CHANGES:
            assert isinstance(message, Level2)
            mine = slice(at, at + count)
            sides = [BID if side == "bid" else ASK for side in found.sides[mine]]
            columns = (sides, found.prices[mine], found.sizes[mine])
            assert (message.sides, message.prices, message.sizes) == columns
            assert message.event_us == found.event_us[place]
            assert (message.price_texts, message.size_texts) == (None, None)
        elif kind == TICKER:
            assert isinstance(message, Ticker)
            numbers, texts = next(told)
            named = dict(zip(advanced_shapes.TICKER_COLUMNS.values(), numbers, strict=True))
            assert list(map(repr, message.values.values())) == list(map(repr, named.values()))
            assert (message.values, message.inexact) == (named, texts)
        elif kind == TRADES:
            assert isinstance(message, Trades)
            assert not message.snapshot
            each = next(traded)
            assert [trade.trade_id for trade in message.trades] == [
                *range(each.first, each.first + len(each.sides))
            ]
            assert [trade.side for trade in message.trades] == each.sides
            assert [trade.price for trade in message.trades] == each.prices
            assert [trade.size for trade in message.trades] == each.sizes
            assert [trade.trade_us for trade in message.trades] == each.trade_us
            assert {(trade.price_text, trade.size_text) for trade in message.trades} == {
                (None, None)
            }
        else:
            assert count == 0
            assert kind == OTHER or alone.channel in ("heartbeats", "market_trades")
        at += count
    assert at == len(found.prices)
    return found.kinds


def test_every_vector() -> None:
    """One of each kind of frame, together."""
    raws = [json.dumps(_frame_of(path)).encode() for path in VECTORS]
    assert {OTHER, TICKER, ASIDE} <= set(check(raws))


def _frame_of(path: Path) -> Any:
    content = json.loads(path.read_text(encoding="utf-8"))
    return content.get("frame", content)


@given(st.integers(0, 2**32))
def test_spoilt_frames(seed: int) -> None:
    """One that is spoilt hurts none of the others."""
    sessions = RandomSessions(seed, Player())
    raws = [sessions.raw(number) for number in range(30)]
    raws += [mutated(sessions.random, raw) for raw in raws]
    check(raws)


def test_nothing() -> None:
    """No frames, and frames that are none."""
    assert check([]) == []
    assert check([b"", b"{}", b"\xff"]) == [OTHER] * 3


@needs_captures
def test_the_recording() -> None:
    """Nearly all of it is decoded together."""
    from recorder.store.ndjson import read_lines  # noqa: PLC0415  where there is one

    kinds = check([line.raw for line in read_lines(ADVANCED) if not line.outgoing])
    assert kinds.count(OTHER) < len(kinds) / 10
