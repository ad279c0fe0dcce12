"""What `recorder.http.gathered` promises: bounded labels, and counters that only grow."""

from collections import Counter

from recorder.core.audit import Audit
from recorder.core.coverage import Missing, Track
from recorder.core.trades import TradeIds
from recorder.http.gathered import Gatherer, Served
from recorder.http.stream import Hub
from recorder.http.watch import Watch
from recorder.store.verified import last, note
from tests.recorders import config_for, recording


async def gatherer_of(running):
    watch = Watch(running)
    return Gatherer(watch, Hub(watch), Served(Counter()))


async def test_products_that_are_not_recorded_are_counted_together(tmp_path):
    """Whatever the venue sends, and however often the plan changes: labels are those of now."""
    async with recording(config_for(tmp_path, "ws://127.0.0.1:9")) as running:
        gatherer = await gatherer_of(running)
        meter = gatherer._watch.meter
        for number in range(500):
            meter.messages["level2", f"X{number}-USD"] += 1
            meter.resyncs[f"X{number}-USD", "sequence_gap"] += 1
        meter.messages["level2", "BTC-USD"] += 5
        found = gatherer.gather().found
        assert found["messages_received_total"] == {
            ("level2", "other"): 500.0,
            ("level2", "BTC-USD"): 5.0,
        }
        assert found["book_resyncs_total"] == {("other", "sequence_gap"): 500.0}


async def test_audits_go_on_over_sessions_and_hours(tmp_path):
    """What ended and what goes on is one count."""
    async with recording(config_for(tmp_path, "ws://127.0.0.1:9")) as running:
        gatherer = await gatherer_of(running)
        pipeline = running.inside().recording.pipeline
        pipeline.audits["ws1", "BTC-USD"] = Audit(0, agree=5, lagging=1, disagree=2)
        before = gatherer.gather().found["audits_total"]
        pipeline.tallies.audited("BTC-USD", pipeline.audits.pop(("ws1", "BTC-USD")))
        assert gatherer.gather().found["audits_total"] == before
        assert before["BTC-USD", "agree"] == 5


async def test_gaps_that_go_on_count_and_do_not_go_back(tmp_path):
    """Not even where one ends for another reason than it began with."""
    async with recording(config_for(tmp_path, "ws://127.0.0.1:9")) as running:
        gatherer = await gatherer_of(running)
        tracks = running.inside().recording.pipeline.coverage.tracks
        missing = Missing(running.now_ns() - 5_000_000_000, "connection_closed")
        tracks["level2", "BTC-USD"] = Track(missing=missing)
        found = gatherer.gather().found
        hole = ("level2", "BTC-USD", "connection_closed")
        assert found["gaps_total"][hole] == 1
        assert found["gap_seconds_total"][hole] >= 5
        assert found["gaps_open"]["level2",] >= 1
        missing.reason = "sequence_gap"
        later = gatherer.gather().found
        assert later["gaps_total"][hole] == 1
        assert later["gaps_total"]["level2", "BTC-USD", "sequence_gap"] == 1
        missing.reason = "connection_closed"
        missing.start_ns = running.now_ns()
        assert gatherer.gather().found["gap_seconds_total"][hole] >= 5


async def test_close_codes_are_those_that_have_a_meaning(tmp_path):
    async with recording(config_for(tmp_path, "ws://127.0.0.1:9")) as running:
        gatherer = await gatherer_of(running)
        (connection,) = running.inside().feeds.connections
        for code in (1000, 1006, 4001, 4002, 3999):
            connection.tally.closed(code, 1.0)
        found = gatherer.gather().found["disconnects_total"]
        assert found == {("ws1", "1000"): 1, ("ws1", "1006"): 1, ("ws1", "other"): 3}


async def test_missing_trades_and_checks_are_told(tmp_path):
    """Holes in the ids, what came by REST, the note of the last check, the certificate."""
    async with recording(config_for(tmp_path, "ws://127.0.0.1:9")) as running:
        gatherer = await gatherer_of(running)
        watch = gatherer._watch
        found = gatherer.gather().found
        assert found["verify_last_success_timestamp_seconds"] == {(): 0.0}
        assert found["http_certificate_expiry_timestamp_seconds"] == {}
        assert found["write_errors_total"]["ENOSPC",] == 0
        assert (found["watchdog_pings_total"], found["backfill_failing"]) == ({(): 0}, {(): 0})
        running.inside().recording.pipeline.trades["BTC-USD"] = TradeIds(1, 100, [(5, 9), (20, 20)])
        watch.meter.backfilled["BTC-USD"] = 7
        note(running.inside().recording.root, 2, 1234.5)
        watch.verified, watch.certificate_s = last(running.inside().recording.root), 5e9
        found = gatherer.gather().found
        assert found["trades_missing"] == {("BTC-USD",): 6.0}
        assert found["trades_backfilled_total"] == {("BTC-USD",): 7.0}
        assert found["verify_last_timestamp_seconds"] == {(): 1234.5}
        assert found["verify_last_success_timestamp_seconds"] == {(): 0.0}
        assert found["verify_findings"] == {(): 2.0}
        assert found["verify_failures_total"] == {(): 1.0}
        assert found["http_certificate_expiry_timestamp_seconds"] == {(): 5e9}


async def test_free_space_says_when_it_is_over(tmp_path):
    """By how it shrank lately, down to the floor; where it does not, never."""
    async with recording(config_for(tmp_path, "ws://127.0.0.1:9")) as running:
        gatherer = await gatherer_of(running)
        watch, disk = gatherer._watch, running.inside().disk
        disk.free = 10**9
        assert gatherer.gather().found["disk_seconds_to_full"] == {(): float("inf")}
        watch._space.extend([(0.0, 10**9 + disk.floor + 10**8), (100.0, 10**9 + disk.floor)])
        found = gatherer.gather().found
        assert found["disk_seconds_to_full"] == {(): 1000.0}
        assert found["disk_free_bytes"] == {(): float(disk.free)}
