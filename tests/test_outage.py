"""An outage of two minutes' trades ends with contiguous trades, whatever was down.

The real recorder against the real venue with its REST beside it, over HTTP on loopback: while the
connection, the recorder, or both are away, the market goes on for more than what a snapshot
repeats. What was missed comes by REST, and every trade of the venue is on disk exactly once.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from recorder import backfill, finishing, recovery
from recorder.core.frames import Fetched, Frame
from recorder.feed import rest as feed_rest
from recorder.feed.rest import Rest
from recorder.store.capture import read_arrivals
from recorder.store.paths import Root
from recorder.venue import Venue, wire
from recorder.venue.rest import Failure, RestRules, RestVenue
from recorder.verify import verify
from tests.recorders import all_recorded, config_for, recording, wait_for
from tests.roots import check_order, live_rows, sealed_bytes, sealed_rows
from tests.simulate.daemon import living_of_session

PRODUCTS = ("BTC-USD", "ETH-USD")
CHANNELS = ("level2", "market_trades", "heartbeats")
MISSED = 300  # trades of each product: a snapshot repeats 100
PAGE = 50


@dataclass
class Coinbase:
    """A venue, its REST, and what it has traded."""

    venue: Venue
    rest: RestVenue
    began: dict[str, int] = field(default_factory=dict)  # the last trades before the first outage

    def truth(self, product_id: str) -> dict[int, tuple[float, float, str]]:
        """Price, size and the maker's side of every trade, by its id."""
        spec = self.venue.market.products[product_id].spec
        return {
            trade.trade_id: (
                float(wire.decimal(trade.price, spec.price_digits)),
                float(wire.decimal(trade.size, spec.size_digits)),
                "BUY" if trade.bid else "SELL",
            )
            for trade in self.venue.trades(product_id)
        }

    def newest(self) -> dict[str, int]:
        return {each: self.venue.trades(each)[-1].trade_id for each in PRODUCTS}

    async def trade_on(self, missed: int = MISSED) -> None:
        """Let the market go on for so many trades of each product."""
        began = self.newest()
        self.began = self.began or began
        await wait_for(
            lambda: all(self.newest()[each] > began[each] + missed for each in PRODUCTS),
            f"{missed} trades",
        )

    def rush(self, missed: int) -> None:
        """Make so many trades of each product at once, of which no feed tells."""
        self.began = self.began or self.newest()
        for product_id in PRODUCTS:
            product = self.venue.market.products[product_id]
            last = product.tape.last
            for number in range(missed):
                size = 1 + number % 1000
                product.tape.trade(last.time_ns, last.price, size, bid=number % 2 == 0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holes are looked for at once, and fetched by small pages."""
    monkeypatch.setattr(backfill, "SETTLE_S", 0.2)
    monkeypatch.setattr(backfill, "LOOK_S", 0.05)
    monkeypatch.setattr(feed_rest, "TRADES_MAX", PAGE)


@asynccontextmanager
async def coinbase(rate: float = 100.0) -> AsyncIterator[Coinbase]:
    venue = Venue(seed=3, products=PRODUCTS, rate=rate, depth=0.01)
    rules = RestRules(a_second=10_000.0, burst=10_000)
    async with venue, RestVenue(lambda: venue.market, rules) as rest:
        yield Coinbase(venue, rest)


@asynccontextmanager
async def recorded(root: Path, there: Coinbase, part_seconds: int = 1) -> AsyncIterator[Any]:
    """A recorder that fetches what is missing, from its first trades on."""
    config = config_for(root, there.venue.url, PRODUCTS, CHANNELS, part_seconds)
    rest = Rest("exchange", there.rest.url, a_second=1000, burst=100)
    async with rest, recording(config, trades=rest) as running:
        await wait_for(lambda: all_recorded(running), "every channel")
        yield running


def whole(running: Any, there: Coinbase) -> bool:
    """Whether every trade of the venue since the first one recorded is recorded."""
    trades, newest = running._recording.pipeline.trades, there.newest()
    return all(
        each in trades and trades[each].last == newest[each] and not trades[each].holes
        for each in PRODUCTS
    )


async def wait_whole(running: Any, there: Coinbase) -> None:
    there.venue.freeze()
    await wait_for(lambda: whole(running, there), "all trades")


def check(root: Path, there: Coinbase, scratch: Path) -> dict[str, list[dict[str, Any]]]:
    """All trades of the venue are on disk once and as they were; the files are whole."""
    finishing.seal(root, include_current=True)
    rows = sealed_rows(root)
    check_order(rows)
    for product_id in PRODUCTS:
        mine = {row["trade_id"]: row for row in rows["trades"] if row["product_id"] == product_id}
        truth = there.truth(product_id)
        assert sorted(mine) == list(range(min(mine), max(truth) + 1))
        assert min(mine) <= there.began[product_id]
        got = {each: (row["price"], row["size"], row["side"]) for each, row in mine.items()}
        assert got == {each: truth[each] for each in mine}
    told = [row for row in rows["coverage"] if row["state"] == "backfilled"]
    fetched = {row["ingest_seq"] for row in rows["trades"] if row["kind"] == "backfill"}
    numbers = [
        number
        for row in told
        for number in range(row["ingest_seq_first"], row["ingest_seq_last"] + 1)
    ]
    assert sorted(fetched) == sorted(numbers)
    report = verify(root, deep=True)
    assert report.findings == []
    assert report.rebuilt > 0
    recovery.rebuild(Root(root), Root(scratch))
    assert sealed_bytes(scratch) == sealed_bytes(root)
    return rows


def fetched_of(rows: dict[str, list[dict[str, Any]]]) -> Counter[str]:
    return Counter(row["product_id"] for row in rows["trades"] if row["kind"] == "backfill")


@pytest.mark.usefixtures("quick")
async def test_a_connection_that_was_down(tmp_path: Path) -> None:
    """The venue refuses connections, then takes them again."""
    root = tmp_path / "data"
    async with coinbase() as there:
        async with recorded(root, there) as running:
            there.venue.shut()
            await there.venue.drop()
            await there.trade_on()
            there.venue.reopen()
            await wait_for(lambda: all_recorded(running), "every channel again")
            await wait_whole(running, there)
        rows = check(root, there, tmp_path / "again")
    assert all(fetched_of(rows)[each] >= MISSED - 100 for each in PRODUCTS)
    gaps = {row["reason"] for row in rows["coverage"] if row["channel"] == "market_trades"}
    assert "connection_closed" in gaps
    faults = {row["kind"] for row in rows["faults"]}
    assert {"trade_id_gap"} == faults - {"connect_failing", "product_status"}


@pytest.mark.usefixtures("quick")
async def test_a_recorder_that_was_down(tmp_path: Path) -> None:
    """Stopped in order, and started again in the same directory; twice, once without REST."""
    root = tmp_path / "data"
    async with coinbase() as there:
        async with recorded(root, there):
            pass
        await there.trade_on()
        there.rest.fail(1000, Failure(404, b'{"message":"NotFound"}'))
        async with recorded(root, there) as running:
            await wait_for(lambda: there.rest.asked, "a request")
            await wait_for(
                lambda: all(running._recording.pipeline.trades[each].holes for each in PRODUCTS),
                "the holes",
            )
        there.rest.failures.clear()
        await there.trade_on()
        async with recorded(root, there) as running:
            await wait_whole(running, there)
        rows = check(root, there, tmp_path / "again")
    assert all(fetched_of(rows)[each] >= 2 * (MISSED - 100) for each in PRODUCTS)
    gaps = {row["reason"] for row in rows["coverage"] if row["channel"] == "market_trades"}
    assert "recorder_down" in gaps


DAEMON = """
import sys
from recorder import backfill
from recorder.cli import main
backfill.SETTLE_S, backfill.LOOK_S = 0.2, 0.05
sys.exit(main(["run", "--config", sys.argv[1]]))
"""


class Daemon:
    """The daemon as a process that can be killed."""

    def __init__(self, config: Path, log: Path) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", DAEMON, str(config)],
                cwd=Path(__file__).resolve().parents[1],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def pages(self) -> list[int]:
        """How many trades each page gave that came by REST, as logged."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line)["trades"] for line in lines if '"trades_backfilled"' in line]

    async def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return await asyncio.to_thread(self.process.wait, 20)

    def clear(self) -> None:
        """End what is left of it."""
        for pid in living_of_session(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.mark.parametrize("part_seconds", [1, 60])
async def test_a_recorder_that_was_killed_while_it_filled(
    tmp_path: Path, part_seconds: int
) -> None:
    """What it fetched is kept, the next one fetches the rest: from parts, or the capture alone."""
    root, missed = tmp_path / "data", 7000
    async with coinbase(rate=5) as there:
        config = tmp_path / "recorder.toml"
        config.write_text(
            f"data = {json.dumps(str(root))}\n[feed]\nurl = {json.dumps(there.venue.url)}\n"
            f"rest_url = {json.dumps(there.rest.url)}\ntrades_url = {json.dumps(there.rest.url)}\n"
            f"products = {json.dumps(PRODUCTS)}\nchannels = {json.dumps(CHANNELS)}\n"
            f"[store]\npart_seconds = {part_seconds}\n",
            encoding="utf-8",
        )
        lives: list[Daemon] = []
        try:
            for number in range(3):
                life = Daemon(config, tmp_path / f"{number}.log")
                lives.append(life)
                asked = len(there.rest.asked)
                if number == 0:
                    await wait_for(lambda: recorded_trades(root), "the first trades")
                    assert await life.end(signal.SIGTERM) == 0
                    there.rush(missed)
                elif number == 1:
                    await wait_for(lambda life=life: len(life.pages()) >= 3, "three pages")
                    await asyncio.sleep(0.3)  # so that they are in a block of the capture
                    assert await life.end(signal.SIGKILL) == -signal.SIGKILL
                    kept = fetched_in(root)
                    assert 3000 <= kept < 2 * missed
                    there.rush(missed)
                else:
                    there.venue.freeze()
                    left = 4 * missed - kept - 2 * (MISSED + 200)  # some come by snapshot
                    await wait_for(lambda life=life, left=left: sum(life.pages()) > left, "all")
                    await asyncio.sleep(0.3)
                    assert await life.end(signal.SIGTERM) == 0
                    pages = len(there.rest.asked) - asked
                    assert pages <= (4 * missed - kept) // 1000 + 8
        finally:
            for life in lives:
                life.clear()
        rows = check(root, there, tmp_path / "again")
    assert sum(fetched_of(rows).values()) == fetched_in(root)


def captured(root: Path, kind: type[Any]) -> list[Any]:
    """The arrivals of a kind in the capture, as far as it is on disk."""
    folder = root / "capture"
    arrivals = read_arrivals([folder]) if folder.is_dir() else ()
    return [each for _, each in arrivals if isinstance(each, kind)]


def recorded_trades(root: Path) -> bool:
    """Whether the capture holds trades of every product."""
    frames = [each.raw for each in captured(root, Frame) if b'"market_trades"' in each.raw]
    return all(any(f'"{each}"'.encode() in raw for raw in frames) for each in PRODUCTS)


def fetched_in(root: Path) -> int:
    """How many trades the capture holds that were fetched."""
    return sum(len(json.loads(each.trades)) for each in captured(root, Fetched))


async def test_what_was_live_is_what_is_sealed(tmp_path: Path) -> None:
    """Rows of the open hour and of the sealed one are the same."""
    root = tmp_path / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backfill, "SETTLE_S", 0.2)
        async with coinbase() as there:
            async with recorded(root, there):
                pass
            await there.trade_on()
            async with recorded(root, there) as running:
                await wait_whole(running, there)
            before = live_rows(root)
            check(root, there, tmp_path / "again")
    assert before["trades"] == sealed_rows(root)["trades"]
