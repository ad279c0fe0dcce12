"""Holes in the trades are filled from the venue's REST service, exactly once."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from recorder import backfill
from recorder.backfill import Backfill
from recorder.core.frames import Fetched
from recorder.core.trades import TradeIds
from recorder.errors import VenueRefusedError, VenueUnavailableError

PAGE = 10


class Service:
    """Every trade from 1 to 10,000, but for some; fails as often as told."""

    def __init__(self) -> None:
        self.lacks: set[int] = set()
        self.failures: list[Exception] = []
        self.asked: list[tuple[str, int, int]] = []

    async def trades_between(
        self, product_id: str, below: int, above: int = 0
    ) -> AsyncIterator[Any]:
        self.asked.append((product_id, below, above))
        ids = [each for each in range(below - 1, above, -1) if each not in self.lacks]
        for begin in range(0, max(len(ids), 1), PAGE):
            if self.failures:
                raise self.failures.pop(0)
            await asyncio.sleep(0)
            yield SimpleNamespace(
                trades=[
                    SimpleNamespace(
                        trade_id=each, price="1", size="2", time="2026-09-08T09:59:00Z", side="buy"
                    )
                    for each in ids[begin : begin + PAGE]
                ]
            )


class Bench:
    """A backfill on trades that are known as a set of ids."""

    def __init__(self) -> None:
        self.service = Service()
        self.trades: dict[str, TradeIds] = {}
        self.fetched: list[Fetched] = []
        self.notes: list[tuple[str, str]] = []
        self.backfill = Backfill(
            lambda: self.trades,
            self.service,
            self,
            lambda kind, detail: self.notes.append((kind, detail)),
        )

    def now_ns(self) -> int:
        return 1

    async def wait_room(self) -> None:
        await asyncio.sleep(0)

    def deliver(self, arrival: Any) -> None:
        self.fetched.append(arrival)
        for row in msgspec.json.decode(arrival.trades):
            self.trades[arrival.product_id].take(row["trade_id"])

    def ids(self) -> list[int]:
        return [
            row["trade_id"] for each in self.fetched for row in msgspec.json.decode(each.trades)
        ]


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_every_hole_is_filled_page_by_page(bench: Bench) -> None:
    """Each page vouches for the ids down to its oldest; nothing is asked for twice."""
    bench.trades["BTC-USD"] = TradeIds(1, 200, [(50, 74), (100, 100)])
    bench.trades["ETH-USD"] = TradeIds(1, 9, [])
    assert await bench.backfill.fill_now() == 2
    assert sorted(bench.ids()) == [*range(50, 75), 100]
    spans = [(each.first, each.last) for each in bench.fetched]
    assert spans == [(65, 74), (55, 64), (50, 54), (100, 100)]
    assert bench.trades["BTC-USD"].holes == []
    assert await bench.backfill.fill_now() == 0


async def test_a_young_hole_is_left_to_the_snapshot(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is still missing after a while is asked for."""
    bench.trades["BTC-USD"] = TradeIds(1, 20, [(5, 6)])
    assert await bench.backfill.fill_due() == 0
    bench.trades["BTC-USD"].take(5)
    bench.trades["BTC-USD"].take(6)
    monkeypatch.setattr(backfill, "SETTLE_S", 0.0)
    assert await bench.backfill.fill_due() == 0
    bench.trades["BTC-USD"].take(30)
    assert await bench.backfill.fill_due() == 1
    assert bench.ids() == [29, 28, 27, 26, 25, 24, 23, 22, 21]


async def test_what_the_venue_lacks_is_asked_for_once(bench: Bench) -> None:
    """It is told, by what is fetched, which ids are not there."""
    bench.trades["BTC-USD"] = TradeIds(1, 100, [(40, 60)])
    bench.service.lacks = {40, 41, 45, 60}
    assert await bench.backfill.fill_now() == 1
    assert bench.trades["BTC-USD"].holes == [(40, 41), (45, 45), (60, 60)]
    assert (bench.fetched[-1].first, bench.fetched[-1].last) == (40, 41)
    assert await bench.backfill.fill_now() == 0


async def test_a_venue_that_does_not_answer_is_asked_again(bench: Bench) -> None:
    """What came before it failed is kept, and the rest is asked for."""
    bench.trades["BTC-USD"] = TradeIds(1, 100, [(40, 60)])
    bench.service.failures = [VenueUnavailableError("no answer")]
    with pytest.raises(VenueUnavailableError):
        await bench.backfill.fill_now()
    assert await bench.backfill.fill_now() == 1
    assert bench.trades["BTC-USD"].holes == []


async def test_a_venue_that_refuses_is_not_asked_again(bench: Bench) -> None:
    """The hole stays, and the reason is written down."""
    bench.trades["BIT-24APR26-CDE"] = TradeIds(1, 100, [(40, 60)])
    bench.service.failures = [VenueRefusedError("NotFound")]
    assert await bench.backfill.fill_now() == 1
    ((kind, detail),) = bench.notes
    assert kind == "backfill_refused"
    assert "trades 40 … 60 of BIT-24APR26-CDE: NotFound" in detail
    assert await bench.backfill.fill_now() == 0


async def test_the_service_goes_on_after_failures(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens, later holes are filled, too."""
    monkeypatch.setattr(backfill, "SETTLE_S", 0.0)
    monkeypatch.setattr(backfill, "LOOK_S", 0.001)
    monkeypatch.setattr(backfill, "BACKOFF_S_FIRST", 0.001)
    bench.trades["BTC-USD"] = TradeIds(1, 100, [(40, 60)])
    bench.service.failures = [VenueUnavailableError("x"), VenueUnavailableError("y")]
    running = asyncio.create_task(bench.backfill.run())
    while bench.trades["BTC-USD"].holes:  # noqa: ASYNC110  what ends it is a plain value
        await asyncio.sleep(0.001)
    bench.trades["BTC-USD"].take(110)
    while bench.trades["BTC-USD"].holes:  # noqa: ASYNC110  what ends it is a plain value
        await asyncio.sleep(0.001)
    running.cancel()
    assert sorted(bench.ids()) == [*range(40, 61), *range(101, 110)]
