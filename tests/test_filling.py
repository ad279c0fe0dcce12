"""Filling by hand, in a directory that nobody records into: what the files lack, exactly once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recorder import config as settings
from recorder import filling
from recorder.before import look_before
from recorder.config import Config
from recorder.core import trades as core_trades
from recorder.core.frames import Ended, Fetched, Frame, Noted, Opened, Sent
from recorder.errors import ConfigError, LockedError, NoInputError
from recorder.feed import rest as feed_rest
from recorder.filling import FillReport
from recorder.finishing import seal
from recorder.recording import Recording, end_lost
from recorder.store.capture import read_arrivals
from recorder.store.lock import WriterLock
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root
from recorder.store.seal import sealed_before
from recorder.venue import wire
from recorder.venue.rest import Failure, RestVenue
from recorder.verify import verify
from tests.core.scripts import answer, frame
from tests.rest_service import serving
from tests.roots import Rows, check_order, live_rows, sealed_rows

BTC, TIA = "BTC-USD", "TIA-USD"
HOUR_NS = 3_600_000_000_000
AWAY = Failure(503, headers=(("Retry-After", "100"),))
REFUSED = Failure(404, b'{"message":"NotFound"}')


class There:
    """A venue whose trades are recorded in part, and the REST that has all of them."""

    def __init__(self, service: RestVenue, root: Path) -> None:
        self.service = service
        self.root = root
        market = service._market_now()
        self.tapes = {each: market.products[each].tape for each in (BTC, TIA)}
        self.digits = {
            each: (product.spec.price_digits, product.spec.size_digits)
            for each, product in market.products.items()
        }
        for tape in self.tapes.values():
            last = tape.last
            for number in range(2000):
                tape.trade(last.time_ns + number * 1000, last.price, 1 + number, bid=number % 2 > 0)
        self.first = {each: tape.trades[0].trade_id for each, tape in self.tapes.items()}
        self.now_ns = self.tapes[BTC].last.time_ns + 10**9 - 3 * HOUR_NS  # three hours ago

    @property
    def config(self) -> Config:
        return settings.parse(
            f"data = {json.dumps(str(self.root))}\n"
            f"[feed]\ntrades_url = {json.dumps(self.service.url)}\n",
            None,
        )

    def truth(self, product_id: str) -> dict[int, tuple[float, float, str]]:
        """Price, size and the maker's side of each trade by its id."""
        price, size = self.digits[product_id]
        return {
            trade.trade_id: (
                float(wire.decimal(trade.price, price)),
                float(wire.decimal(trade.size, size)),
                "BUY" if trade.bid else "SELL",
            )
            for trade in self.tapes[product_id].trades
        }

    def record(
        self, *spans: tuple[int, int], product_id: str = BTC, orderly: bool = True
    ) -> Recording:
        """Record the trades from a first to before a last place of the tape, a frame a span."""
        root = Root(self.root)
        write_empty_parts(root)
        key = ("market_trades", product_id)
        recording = Recording(root, self.tick(), [key])
        name = f"ws1-{self.now_ns}"
        recording.take(Opened(self.tick(), name, "ws://made"))
        ask = {"type": "subscribe", "channel": "market_trades", "product_ids": [product_id]}
        recording.take(Sent(self.tick(), name, json.dumps(ask).encode()))
        frames = [answer(0, market_trades=[product_id])]
        for number, (first, end) in enumerate(spans):
            kind = "update" if number else "snapshot"
            trades = list(self.tapes[product_id].trades)[first:end]
            rows = [self.row(product_id, trade) for trade in reversed(trades)]
            frames.append(frame("market_trades", 1 + number, {"type": kind, "trades": rows}))
        for raw in frames:
            recording.take(Frame(self.tick(), name, raw))
        recording.capture.flush()
        if orderly:
            recording.stop(self.tick())
            recording.flush()
        recording.capture.close()
        return recording

    def tick(self) -> int:
        self.now_ns += 1_000_000
        return self.now_ns

    def row(self, product_id: str, trade: Any) -> dict[str, Any]:
        price, size = self.digits[product_id]
        return {
            "product_id": product_id,
            "trade_id": str(trade.trade_id),
            "price": wire.decimal(trade.price, price),
            "size": wire.decimal(trade.size, size),
            "time": wire.instant(trade.time_ns),
            "side": "BUY" if trade.bid else "SELL",
        }

    def fill(self, *product_ids: str, **times: Any) -> FillReport:
        return filling.fill(self.config, product_ids or None, **times)

    def asked(self) -> list[str]:
        return [each.target for each in self.service.asked]

    def check(self, product_id: str, first: int, end: int) -> Rows:
        """Every trade between two places of the tape is sealed once, as it was; all is whole."""
        rows = sealed_rows(self.root)
        check_order(rows)
        truth, begin = self.truth(product_id), self.first[product_id]
        mine = [row for row in rows["trades"] if row["product_id"] == product_id]
        got = {row["trade_id"]: (row["price"], row["size"], row["side"]) for row in mine}
        assert got == {each: truth[each] for each in range(begin + first, begin + end)}
        assert verify(self.root, deep=True).findings == []
        return rows


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[There]:
    monkeypatch.setattr(feed_rest, "TRADES_MAX", 100)
    with serving() as service:
        yield There(service, tmp_path / "data")


def kinds(rows: Rows) -> list[str]:
    return [row["kind"] for row in rows["trades"]]


def test_what_is_missing_is_filled_and_a_second_run_asks_for_nothing(there: There) -> None:
    """Rows of their own kind, coverage over the gap, sealed; progress up to the end."""
    there.record((0, 100), (350, 400), (410, 420))
    seen: list[tuple[int, int]] = []
    report = filling.fill(there.config, progress=lambda done, total: seen.append((done, total)))
    assert (report.missing, report.filled, report.whole, report.error) == (260, 260, True, None)
    (product,) = report.products
    first = there.first[BTC]
    assert [(hole.first, hole.last) for hole in product.missing] == [
        (first + 100, first + 349),
        (first + 400, first + 409),
    ]
    assert (product.filled, product.lacking, product.refused) == (260, [], None)
    assert seen == [(100, 260), (200, 260), (250, 260), (260, 260)]
    rows = there.check(BTC, 0, 420)
    assert kinds(rows).count("backfill") == 260
    told = [row for row in rows["coverage"] if row["state"] == "backfilled"]
    assert [row["connection_id"] for row in told] == ["rest"] * 4
    asked = len(there.asked())
    again = there.fill()
    assert (again.missing, again.whole, again.sealed) == (0, True, [])
    assert len(there.asked()) == asked


def test_looking_writes_nothing_and_asks_nobody(there: There) -> None:
    """Even while somebody else holds the directory."""
    there.record((0, 100), (150, 200))
    before = {path: path.stat().st_mtime_ns for path in there.root.rglob("*")}
    with WriterLock(Root(there.root)):
        before |= {there.root / ".lock": (there.root / ".lock").stat().st_mtime_ns}
        report = filling.look(there.config, [BTC])
        assert {path: path.stat().st_mtime_ns for path in there.root.rglob("*")} == before
    assert (report.missing, report.filled, report.dry_run, report.whole) == (50, 0, True, False)
    assert not report.unfinished
    assert there.asked() == []


def test_holes_that_nobody_remembers_are_filled(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder keeps so many holes in mind; the files show all of them."""
    monkeypatch.setattr(core_trades, "HOLES_MAX", 2)
    there.record((0, 100), *((100 + 10 * each, 105 + 10 * each) for each in range(1, 7)))
    remembered = look_before(Root(there.root)).trades[BTC]
    assert remembered.first == there.first[BTC] + 140
    assert len(remembered.holes) == 2
    assert there.fill().filled == 10 + 5 * 5
    there.check(BTC, 0, 165)
    after = look_before(Root(there.root)).trades[BTC]
    assert (after.first, after.last, after.holes) == (remembered.first, remembered.last, [])


def test_the_next_recording_knows_what_was_filled(there: There) -> None:
    """A snapshot repeats trades that were fetched: they are not stored again."""
    there.record((0, 100), (150, 200))
    there.fill()
    there.now_ns += 4 * HOUR_NS
    there.record((120, 220))
    seal(there.root, include_current=True)
    there.check(BTC, 0, 220)


@pytest.mark.parametrize("published", [False, True])
def test_a_run_that_was_killed_is_finished_by_the_next(there: There, published: bool) -> None:
    """What it had fetched is not asked for again, wherever it is: in the capture, or in parts."""
    there.record((0, 100), (300, 400))
    rows = [there.row(BTC, trade) for trade in list(there.tapes[BTC].trades)[200:300]]
    for row in rows:
        row["trade_id"] = int(row["trade_id"])
    died = Recording(Root(there.root), there.tick(), idle=True)
    first = there.first[BTC]
    raw = json.dumps(rows, separators=(",", ":")).encode()
    died.take(Fetched(there.tick(), BTC, first + 200, first + 299, raw, absent=True))
    died.capture.flush()
    if published:
        died.flush()
    died.capture.close()
    report = there.fill()
    assert report.filled == report.missing == 100
    assert there.asked() == [f"/products/{BTC}/trades?limit=100&after={first + 200}"]
    there.check(BTC, 0, 400)


def test_only_some_products_and_times(there: There) -> None:
    """A hole is meant if any of it lies between the times, by the trades around it."""
    there.record((0, 100), (200, 300), (400, 500))
    there.record((0, 100), (101, 110), product_id=TIA)
    tape = list(there.tapes[BTC].trades)
    assert there.fill(TIA).filled == 1
    # Trades 99 and 200 are around the first hole, 299 and 400 around the second.
    assert filling.look(there.config, None, None, tape[99].time_ns).missing == 0
    assert filling.look(there.config, None, None, tape[99].time_ns + 1).missing == 100
    assert filling.look(there.config, None, tape[400].time_ns, None).missing == 0
    assert filling.look(there.config, None, tape[400].time_ns - 1000, None).missing == 100
    between = {"start_ns": tape[340].time_ns, "end_ns": tape[350].time_ns}
    assert there.fill(**between).filled == 100
    assert filling.look(there.config).missing == 100


def test_what_the_venue_does_not_have_is_told(there: There) -> None:
    """It stays missing, is a fault, and is asked for again by the next run."""
    there.record((0, 100), (200, 300))
    tape, first = there.tapes[BTC], there.first[BTC]
    kept = [trade for trade in tape.trades if trade.trade_id not in {first + 150, first + 151}]
    tape.trades.clear()
    tape.trades.extend(kept)
    report = there.fill()
    assert (report.missing, report.filled, report.whole) == (100, 98, False)
    assert report.products[0].lacking == [(first + 150, first + 151)]
    faults = [row for row in sealed_rows(there.root)["faults"] if row["connection_id"] == "rest"]
    assert [row["kind"] for row in faults] == ["backfill_incomplete"]
    assert f"does not have trade ids {first + 150} … {first + 151}" in faults[0]["detail"]
    again = there.fill()
    assert (again.missing, again.filled) == (2, 0)


def test_a_product_that_is_refused_does_not_end_the_others(there: There) -> None:
    """It is told once; the others are filled."""
    there.record((0, 100), (101, 110), (111, 120))
    there.record((0, 100), (101, 110), product_id=TIA)
    there.service.fail(1, REFUSED)
    report = there.fill()
    assert (report.missing, report.filled, report.error) == (3, 1, None)
    refused = {each.product_id: each.refused is not None for each in report.products}
    assert refused == {BTC: True, TIA: False}
    rows = sealed_rows(there.root)
    assert [row["kind"] for row in rows["faults"]].count("backfill_refused") == 1


def test_a_venue_that_stops_to_answer(there: There) -> None:
    """What came is kept, the rest comes with the next run."""
    there.record((0, 100), (200, 300), (400, 500))
    there.record((0, 100), (300, 400), product_id=TIA)
    there.fill(BTC)
    there.service.failures.append(AWAY)
    report = there.fill()
    assert (report.missing, report.filled) == (200, 0)
    assert "503" in (report.error or "")
    assert there.fill().whole
    there.check(TIA, 0, 400)


def test_what_cannot_be_read_is_a_fault(there: There) -> None:
    """And stays missing."""
    there.record((0, 100), (102, 110))
    first = there.first[BTC]
    good = [there.row(BTC, trade) for trade in list(there.tapes[BTC].trades)[100:102]]
    rows = [row | {"trade_id": first + 100 + at} for at, row in enumerate(good)]
    rows[0]["price"] = "NaN"
    there.service.fail(2, Failure(200, json.dumps(rows[::-1]).encode()))
    report = there.fill()
    assert (report.filled, report.products[0].lacking) == (1, [(first + 100, first + 100)])
    faults = {row["kind"]: row["detail"] for row in sealed_rows(there.root)["faults"]}
    assert "NaN" in faults["backfill_unreadable"]


def test_a_recorder_that_runs_does_it_by_itself(there: There) -> None:
    there.record((0, 100), (101, 110))
    with (
        WriterLock(Root(there.root)),
        pytest.raises(LockedError, match="fetches missing trades by itself"),
    ):
        there.fill()


def test_what_cannot_be_filled_is_said_before_anything_is_written(
    there: There, tmp_path: Path
) -> None:
    """No directory, no such product, nobody to ask."""
    nowhere = settings.parse(f"data = {json.dumps(str(tmp_path / 'none'))}", None)
    for call in (filling.look, filling.fill):
        with pytest.raises(NoInputError, match="no such directory"):
            call(nowhere)
    assert not (tmp_path / "none").exists()
    there.record((0, 100))
    for call in (filling.look, filling.fill):
        with pytest.raises(NoInputError, match="holds no trades of ETH-USD"):
            call(there.config, ["BTC-USD", "ETH-USD"])
    silent = settings.override(there.config, {"feed.trades_url": ("--url", "")})
    with pytest.raises(ConfigError, match="trades_url is empty"):
        filling.fill(silent)


def test_an_hour_that_was_sealed_early_shows_its_parts_again(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The present hour was sealed by hand before it was over, and holds what is filled too."""
    there.now_ns += 3 * HOUR_NS - 2 * 10**9  # now
    there.record((0, 100), (200, 300))
    seal(there.root, include_current=True)
    there.service.failures.append(AWAY)
    switched: list[Any] = []
    flush = Recording.flush
    monkeypatch.setattr(
        Recording, "flush", lambda it: (switched.append(sealed_before(it.root)), flush(it))
    )
    there.fill()
    assert there.fill().whole
    hour = there.now_ns // HOUR_NS
    assert set(switched) <= {hour, hour + 1}
    assert switched[0] == hour
    assert sealed_before(Root(there.root)) > hour
    there.check(BTC, 0, 300)


# --- coverage ------------------------------------------------------------------------------------


def down(root: Path) -> tuple[int, int]:
    """When nobody recorded for the first time, as told, in microseconds."""
    told = sorted(
        tuple(int(row[name].timestamp() * 1e6 + 0.5) for name in ("start_time", "end_time"))
        for row in live_rows(root)["coverage"]
        if row["reason"] == "recorder_down"
    )
    begin, end = told[0]
    for start, until in told[1:]:
        end = until if start == end else end
    return begin, end


@pytest.mark.parametrize("how", ["stopped", "killed", "killed and ended", "over the hour", "twice"])
def test_filling_is_no_recording(there: There, how: str) -> None:
    """The next recording tells that nobody recorded since the last one, whatever was filled."""
    root = Root(there.root)
    heard = there.record((0, 100), (150, 200)).last_ns - 1_000_000
    for _ in range(2 if how == "twice" else 1):
        there.now_ns += 60 * 10**9
        idle = Recording(root, there.tick(), idle=True)
        idle.take(Noted(there.tick(), "backfill_refused", "made up"))
        if how == "over the hour":
            there.now_ns += HOUR_NS
            idle.take(Noted(there.tick(), "backfill_refused", "made up"))
        if not how.startswith("killed"):
            idle.stop(there.tick())
        idle.flush()
        idle.capture.close()
        if how == "killed and ended":
            end_lost(root)
    there.now_ns += 60 * 10**9
    begun = there.now_ns + 1_000_000
    there.record((150, 250))
    assert down(there.root) == (heard // 1000, begun // 1000)
    kept = [each for _, each in read_arrivals([root.capture])]
    assert sum(isinstance(each, Ended) for each in kept) >= 3
    seal(there.root, include_current=True)
    assert verify(there.root, deep=True).findings == []


def test_two_recordings_without_filling_between(there: There) -> None:
    """As ever: from the end of the one to the start of the other."""
    heard = there.record((0, 100)).last_ns - 1_000_000
    there.now_ns += 60 * 10**9
    begun = there.now_ns + 1_000_000
    there.record((100, 200))
    assert down(there.root) == (heard // 1000, begun // 1000)
