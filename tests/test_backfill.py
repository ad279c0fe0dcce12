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
    """Every trade there can be, but for some; fails as often as told."""

    def __init__(self) -> None:
        self.lacks: set[int] = set()
        self.problems: list[str] = []
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
            page = ids[begin : begin + PAGE]
            yield SimpleNamespace(
                after=page[-1] if page else None,
                trades=[
                    SimpleNamespace(
                        trade_id=each, price="1", size="2", time="2026-09-08T09:59:00Z", side="buy"
                    )
                    for each in page
                ],
                problems=self.problems,
            )


class Bench:
    """A backfill on trades that are known as a set of ids."""

    def __init__(self) -> None:
        self.service = Service()
        self.trades: dict[str, TradeIds] = {}
        self.fetched: list[Fetched] = []
        self.notes: list[tuple[str, str]] = []
        self.waited = 0
        self.backfill = Backfill(
            lambda: self.trades,
            self.service,
            self,
            lambda kind, detail: self.notes.append((kind, detail)),
        )

    def now_ns(self) -> int:
        return 1

    async def wait_room(self) -> None:
        self.waited += 1
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
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(backfill, "SETTLE_S", 0.0)
    return Bench()


async def test_every_hole_is_filled_page_by_page(bench: Bench) -> None:
    """The smallest first; each page vouches for the ids down to its oldest, and waits for room."""
    bench.trades["BTC-USD"] = TradeIds(1, 200, [(50, 74), (100, 100)])
    bench.trades["ETH-USD"] = TradeIds(1, 9, [])
    assert await bench.backfill.fill_due() == 2
    assert sorted(bench.ids()) == [*range(50, 75), 100]
    spans = [(each.first, each.last) for each in bench.fetched]
    assert spans == [(100, 100), (65, 74), (55, 64), (50, 54)]
    assert bench.waited == 4
    assert bench.trades["BTC-USD"].holes == []
    assert await bench.backfill.fill_due() == 0


async def test_a_young_hole_is_left_to_the_snapshot(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is still missing after a while is asked for, and what is left of it at once."""
    monkeypatch.setattr(backfill, "SETTLE_S", 0.5)
    bench.trades["BTC-USD"] = TradeIds(1, 20, [(5, 6), (8, 11)])
    assert await bench.backfill.fill_due() == 0
    for each in (5, 6, 9):
        bench.trades["BTC-USD"].take(each)
    await asyncio.sleep(0.6)
    bench.trades["BTC-USD"].take(30)
    assert await bench.backfill.fill_due() == 2
    assert bench.ids() == [8, 11, 10]
    await asyncio.sleep(0.6)
    assert await bench.backfill.fill_due() == 1
    assert bench.ids()[3:] == [29, 28, 27, 26, 25, 24, 23, 22, 21]


async def test_a_large_hole_keeps_nobody_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is filled in turns, and whatever is smaller goes before the next one."""
    monkeypatch.setattr(backfill, "TURN_TRADES", 50)
    bench.trades["BTC-USD"] = TradeIds(1, 2000, [(1001, 1200)])
    deliver = bench.deliver

    def deliver_and_lose(arrival: Any) -> None:
        deliver(arrival)
        if len(bench.fetched) == 7:  # in the second turn
            bench.trades["ETH-USD"] = TradeIds(1, 9, [(5, 5)])

    monkeypatch.setattr(bench, "deliver", deliver_and_lose)
    assert await bench.backfill.fill_due() == 5
    assert bench.service.asked == [
        ("BTC-USD", 1201, 1150),
        ("BTC-USD", 1151, 1100),
        ("ETH-USD", 6, 4),
        ("BTC-USD", 1101, 1050),
        ("BTC-USD", 1051, 1000),
    ]
    assert bench.ids().count(1001) == 1
    assert bench.trades["BTC-USD"].holes == bench.trades["ETH-USD"].holes == []


async def test_what_the_venue_lacks_is_asked_for_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a day: it is told, by what is fetched, which ids are not there."""
    bench.trades["BTC-USD"] = TradeIds(1, 100, [(40, 60)])
    bench.service.lacks = {40, 41, 45, 60}
    assert await bench.backfill.fill_due() == 1
    assert bench.trades["BTC-USD"].holes == [(40, 41), (45, 45), (60, 60)]
    assert (bench.fetched[-1].first, bench.fetched[-1].last) == (40, 41)
    assert await bench.backfill.fill_due() == 0
    bench.trades["BTC-USD"].take(45)  # a snapshot had it
    assert await bench.backfill.fill_due() == 0
    bench.service.lacks = {40, 41}
    monkeypatch.setattr(bench.backfill, "_lacking_s", 0.0)
    assert await bench.backfill.fill_due() == 2
    assert bench.trades["BTC-USD"].holes == [(40, 41)]


async def test_a_large_hole_that_the_venue_lacks_is_gone_through_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turn by turn, each told."""
    monkeypatch.setattr(backfill, "TURN_TRADES", 50)
    bench.trades["BTC-USD"] = TradeIds(1, 2000, [(1001, 1200)])
    bench.service.lacks = set(range(1041, 1201))
    assert await bench.backfill.fill_due() == 4
    assert bench.trades["BTC-USD"].holes == [(1041, 1200)]
    assert len(bench.service.asked) == 4
    assert await bench.backfill.fill_due() == 0


async def test_a_venue_that_does_not_answer_is_asked_again(bench: Bench) -> None:
    """What came before it failed is kept, and the rest is asked for."""
    bench.trades["BTC-USD"] = TradeIds(1, 100, [(40, 60)])
    bench.service.failures = [VenueUnavailableError("no answer")]
    with pytest.raises(VenueUnavailableError):
        await bench.backfill.fill_due()
    assert await bench.backfill.fill_due() == 1
    assert bench.trades["BTC-USD"].holes == []


async def test_a_product_that_the_venue_refuses_is_told_once_and_left_alone(bench: Bench) -> None:
    """Futures are not traded on the Exchange: however many holes there are, it is one request."""
    bench.trades["BIT-24APR26-CDE"] = TradeIds(1, 100, [(40, 60), (70, 71)])
    bench.trades["BTC-USD"] = TradeIds(1, 100, [(1, 30)])
    bench.service.failures = [VenueRefusedError("NotFound")]
    assert await bench.backfill.fill_due() == 2
    ((kind, detail),) = bench.notes
    assert kind == "backfill_refused"
    assert "trades 70 … 71 of BIT-24APR26-CDE: NotFound" in detail
    assert bench.trades["BTC-USD"].holes == []
    bench.trades["BIT-24APR26-CDE"].take(200)
    assert await bench.backfill.fill_due() == 0
    assert len(bench.notes) == 1


async def test_what_was_refused_is_asked_for_again_after_a_day(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A product may come to the Exchange; that it is refused still is not told again."""
    monkeypatch.setattr(backfill, "LACKING_S", 0.0)
    bench.trades["NEW-USD"] = TradeIds(1, 100, [(40, 60)])
    bench.service.failures = [VenueRefusedError("NotFound"), VenueRefusedError("NotFound")]
    assert await bench.backfill.fill_due() == 3
    assert bench.trades["NEW-USD"].holes == []
    assert len(bench.notes) == 1


async def test_a_product_that_always_fails_keeps_no_other_waiting(bench: Bench) -> None:
    """Its hole is the smallest, and would be the first each time."""
    bench.trades["BAD-USD"] = TradeIds(1, 100, [(40, 40)])
    bench.trades["BTC-USD"] = TradeIds(1, 100, [(1, 30)])
    right = bench.service.trades_between

    async def trades_between(product_id: str, below: int, above: int = 0) -> AsyncIterator[Any]:
        if product_id == "BAD-USD":
            raise VenueUnavailableError("it answered with something else than expected")
        async for page in right(product_id, below, above):
            yield page

    bench.service.trades_between = trades_between  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(VenueUnavailableError):
            await bench.backfill.fill_due()
    assert bench.trades["BTC-USD"].holes == []
    assert bench.trades["BAD-USD"].holes == [(40, 40)]


async def test_what_cannot_be_read_is_written_down(bench: Bench) -> None:
    """A few of them for a page, so that a venue gone mad fills no disk."""
    bench.trades["BTC-USD"] = TradeIds(1, 100, [(40, 41)])
    bench.service.problems = [f"trade {each} cannot be read" for each in range(7)]
    await bench.backfill.fill_due()
    ((kind, detail),) = bench.notes
    assert kind == "backfill_unreadable"
    assert detail.startswith("trade 0 cannot be read; trade 1 ")
    assert detail.endswith("; and 2 more")


async def test_a_page_of_which_nothing_can_be_read_is_a_page(bench: Bench) -> None:
    """Its ids are lacking, and no others: what lies below it comes."""

    async def trades_between(product_id: str, below: int, above: int = 0) -> AsyncIterator[Any]:
        yield SimpleNamespace(trades=[], after=51, problems=["trade 60 cannot be read"])
        bench.service.problems = []
        async for page in Service.trades_between(bench.service, product_id, 51, above):
            yield page

    bench.service.trades_between = trades_between  # type: ignore[method-assign]
    bench.trades["BTC-USD"] = TradeIds(1, 100, [(40, 60)])
    assert await bench.backfill.fill_due() == 1
    assert (bench.fetched[0].first, bench.fetched[0].last) == (51, 60)
    assert bench.trades["BTC-USD"].holes == [(51, 60)]
    assert [kind for kind, _ in bench.notes] == ["backfill_unreadable"]


async def test_the_service_goes_on_after_failures(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens, later holes are filled, too."""
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


async def test_a_day_of_trades_is_held_a_page_at_a_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """300,000 trades: what is delivered is never more than a page, and each is there once."""
    monkeypatch.setattr("tests.test_backfill.PAGE", 1000)
    bench.trades["BTC-USD"] = TradeIds(1, 400_000, [(50_001, 350_000)])
    taken = 0

    def deliver(arrival: Any) -> None:
        nonlocal taken
        rows = msgspec.json.decode(arrival.trades)
        assert len(rows) <= 1000
        taken += sum(bench.trades["BTC-USD"].fill(row["trade_id"]) for row in rows)

    monkeypatch.setattr(bench, "deliver", deliver)
    assert await bench.backfill.fill_due() == 30
    assert taken == 300_000
    assert bench.trades["BTC-USD"].holes == []
    assert bench.waited == 300


async def test_a_hole_of_millions_is_not_filled_beside_a_recording(bench: Bench) -> None:
    """It is another count of ids, or years: asking would not end."""
    bench.trades["BTC-USD"] = TradeIds(1, 10**12, [(50, 74), (100, 10**12 - 1)])
    assert await bench.backfill.fill_due() == 1
    assert bench.trades["BTC-USD"].holes == [(100, 10**12 - 1)]
