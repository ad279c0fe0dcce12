"""The values of all metrics at one moment, read from where they are counted."""

import os
import resource
import time
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from recorder.core.audit import Audit
from recorder.core.trades import size
from recorder.disk import BUFFERED_BYTES_MAX, PENDING_BYTES_MAX
from recorder.feed.sockets import WAITING_BYTES_MAX
from recorder.http.look import sights
from recorder.http.metrics import Values
from recorder.http.stream import Hub
from recorder.http.views import unsynced_s, versions
from recorder.http.watch import Watch
from recorder.inside import Inside
from recorder.store.verified import Outcome

OTHER = "other"
# Faults of a frame that could not be read, or not all of it (docs/operating.md).
QUARANTINED = (
    "malformed_frame", "unknown_channel", "impossible_number", "impossible_time",
    "impossible_product", "impossible_subscription",
)  # fmt: skip
ERRNOS = ("ENOSPC", "EIO", "EROFS", "EMFILE")  # counted from 0, so that the first one shows
NEVER = Outcome(0.0, 0.0, 0, 0)
DROPPED = ("frame_too_large", "slow_consumer")
# Close codes that have a meaning (RFC 6455); others are counted together, the venue chooses them.
CODES = frozenset({1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1011, 1012, 1013})
_PAGE_BYTES = resource.getpagesize()


@dataclass(slots=True)
class Served:
    """What the server counts of itself: answers by (route, code), connections."""

    answers: Counter[tuple[str, int]]
    connections: int = 0
    refused: int = 0


class Gatherer:
    """Gathers values from a recorder; remembers which counters must not go back."""

    def __init__(self, watch: Watch, hub: Hub, served: Served) -> None:
        self._watch = watch
        self._hub = hub
        self._served = served
        self._gaps: dict[tuple[str, ...], float] = {}
        self._gap_s: dict[tuple[str, ...], float] = {}

    def gather(self) -> Values:
        """Read everything; quick enough for the loop."""
        values, inside = Values(), self._watch.recorder.inside()
        products = frozenset(inside.lineup.products)
        self._feed(values, inside, products)
        self._lines(values, inside)
        self._gaps_of(values, inside, products)
        self._integrity(values, inside, products)
        self._kept_whole(values, inside, products)
        self._store(values, inside)
        self._process(values, inside)
        self._http(values)
        return values

    def _feed(self, values: Values, inside: Inside, products: Collection[str]) -> None:
        meter = self._watch.meter
        for (channel, product_id), count in meter.messages.items():
            values.add("messages_received_total", count, channel, _name(product_id, products))
        for channel, at_ns in meter.heard_ns.items():
            values.put("last_message_timestamp_seconds", at_ns / 1e9, channel)
        for channel, histogram in meter.travel.items():
            if any(histogram.counts):
                values.observed("exchange_to_receive_seconds", [histogram], channel)
        applied = self._watch.recorder.latency.applied
        values.observed("receive_to_applied_seconds", [applied])
        if inside.clock.ahead_s is not None:
            values.put("clock_offset_seconds", inside.clock.ahead_s)

    def _lines(self, values: Values, inside: Inside) -> None:
        for each in inside.feeds.connections:
            label, tally = each.line.label, each.tally
            values.put("connection_up", each.connection_id is not None, label)
            values.put("frames_received_total", tally.frames, label)
            values.put("bytes_received_total", tally.bytes, label)
            for outcome in ("opened", "failed"):
                values.put("connects_total", tally.connects[outcome], label, outcome)
            for code, count in tally.closes.items():
                named = str(code) if code in CODES else OTHER
                values.add("disconnects_total", count, label, named)
            session = inside.recording.pipeline.sessions.get(each.connection_id or "")
            if session is not None and session.next_sequence:
                values.put("sequence_last", session.next_sequence - 1, label)
        lines = [each.tally.reconnects for each in inside.feeds.connections]
        if lines:
            values.observed("reconnect_seconds", lines)

    def _gaps_of(self, values: Values, inside: Inside, products: Collection[str]) -> None:
        pipeline = inside.recording.pipeline
        tallies, now_ns = pipeline.tallies, self._watch.recorder.now_ns()
        for hole, count in tallies.gaps.items():
            values.add("gaps_total", count, *_hole(hole, products))
        for hole, lasted_ns in tallies.gap_ns.items():
            values.add("gap_seconds_total", lasted_ns / 1e9, *_hole(hole, products))
        for channel in dict.fromkeys(key[0] for key in pipeline.coverage.tracks):
            values.put("gaps_open", 0, channel)
        for (channel, product_id), missing in pipeline.coverage.open_gaps():
            labels = _hole((channel, product_id, missing.reason), products)
            values.add("gaps_open", 1, channel)
            values.add("gaps_total", 1, *labels)
            lasted_s = max(0, now_ns - missing.start_ns) / 1e9
            values.add("gap_seconds_total", lasted_s, *labels)
        self._gaps = _kept(values, "gaps_total", self._gaps, products)
        self._gap_s = _kept(values, "gap_seconds_total", self._gap_s, products)

    def _integrity(self, values: Values, inside: Inside, products: Collection[str]) -> None:
        pipeline = inside.recording.pipeline
        faults = pipeline.tallies.faults
        for kind, count in faults.items():
            values.put("faults_total", count, kind)
        for kind in QUARANTINED:
            values.put("frames_quarantined_total", faults[kind], kind)
        for kind in DROPPED:
            values.put("messages_dropped_total", faults[kind], kind)
        values.put("gap_messages_total", pipeline.tallies.frames_missing)
        values.put("duplicates_dropped_total", faults["late_frame"])
        values.put("heartbeat_counter_missed_total", pipeline.tallies.beats_missed)
        values.put("book_crossed_total", faults["book_crossed"])
        values.put("book_checksum_mismatch_total", faults["checkpoint_differs"])
        for product_id, sight in sights(pipeline, products).items():
            values.put("book_live", sight.valid, product_id)
        for (product_id, reason), count in self._watch.meter.resyncs.items():
            values.add("book_resyncs_total", count, _name(product_id, products), reason)
        audits: dict[str, tuple[int, ...]] = {
            each: tuple(counts) for each, counts in pipeline.tallies.audits.items()
        }
        for (_, product_id), audit in pipeline.audits.items():
            before = audits.get(product_id, (0, 0, 0))
            audits[product_id] = tuple(a + b for a, b in zip(before, _of(audit), strict=True))
        for product_id, counts in audits.items():
            for result, count in zip(("agree", "lagging", "disagree"), counts, strict=True):
                values.add("audits_total", count, _name(product_id, products), result)

    def _kept_whole(self, values: Values, inside: Inside, products: Collection[str]) -> None:
        """Trades that are missing and come later; what checks of the directory found."""
        for product_id, ids in inside.recording.pipeline.trades.items():
            values.add("trades_missing", size(ids.holes), _name(product_id, products))
        for product_id, count in self._watch.meter.backfilled.items():
            values.add("trades_backfilled_total", count, _name(product_id, products))
        values.put("backfill_failing", inside.backfill_failing)
        found = self._watch.verified or NEVER
        values.put("verify_last_timestamp_seconds", found.checked_s)
        values.put("verify_last_success_timestamp_seconds", found.whole_s)
        values.put("verify_findings", found.findings)
        values.put("verify_failures_total", found.failures)

    def _store(self, values: Values, inside: Inside) -> None:
        disk, hours, capture = inside.disk, inside.hours, inside.recording.capture
        for table, count in disk.rows.items():
            values.put("rows_written_total", count, table)
        for table, size_bytes in disk.bytes.items():
            values.put("bytes_written_total", size_bytes, table)
        for errno, count in {**dict.fromkeys(ERRNOS, 0), **disk.errors}.items():
            values.put("write_errors_total", count, errno)
        values.put("capture_bytes_written_total", capture.bytes_written)
        values.put("files_sealed_total", hours.files)
        values.put("seals_waiting", hours.waiting)
        for what in hours.failing:
            values.put("work_failing", 1, what)
        values.put("wal_bytes", capture.buffered)
        values.put("wal_unsynced_seconds", unsynced_s(inside))
        values.observed("fsync_seconds", [disk.syncs])
        values.observed("seal_seconds", [hours.seals])
        if disk.free is not None:
            values.put("disk_free_bytes", disk.free)
            to_full_s = self._watch.seconds_to_full()
            values.put("disk_seconds_to_full", float("inf") if to_full_s is None else to_full_s)
        values.put("disk_free_bytes_min", disk.floor)
        lines = inside.feeds.connections
        values.put("queue_depth", sum(each.waiting_bytes for each in lines), "sockets")
        values.put("queue_capacity", WAITING_BYTES_MAX * len(lines), "sockets")
        values.put("queue_depth", capture.held, "capture")
        values.put("queue_capacity", BUFFERED_BYTES_MAX, "capture")
        values.put("queue_depth", inside.recording.pending_bytes, "rows")
        values.put("queue_capacity", PENDING_BYTES_MAX, "rows")

    def _process(self, values: Values, inside: Inside) -> None:
        values.observed("event_loop_lag_seconds", [self._watch.recorder.latency.lag])
        values.observed("gc_pause_seconds", [self._watch.meter.pauses])
        values.put("watchdog_pings_total", inside.pings)
        values.put("config_last_reload_successful", not inside.lineup.refused)
        values.put("ready", not self._watch.not_ready())
        values.put("config_reload_success_timestamp_seconds", inside.configured_ns / 1e9)
        values.put("start_time_seconds", self._watch.started_s)
        values.put("cpu_seconds_total", time.process_time())
        with suppress(OSError, ValueError, IndexError):
            pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
            values.put("resident_memory_bytes", int(pages) * _PAGE_BYTES)
        with suppress(OSError):
            values.put("open_fds", len(os.listdir("/proc/self/fd")))  # noqa: PTH208  names alone
        values.put("build_info", 1, *versions().values())

    def _http(self, values: Values) -> None:
        for (route, code), count in self._served.answers.items():
            values.put("http_requests_total", count, route, str(code))
        values.put("http_connections", self._served.connections)
        values.put("http_connections_refused_total", self._served.refused)
        if self._watch.certificate_s is not None:
            expiry_s = self._watch.certificate_s
            values.put("http_certificate_expiry_timestamp_seconds", expiry_s)
        values.put("stream_clients", len(self._hub.clients))
        values.put("stream_events_total", self._hub.sent)
        values.put("stream_events_dropped_total", self._hub.dropped)


def _name(product_id: str | None, products: Collection[str]) -> str:
    """A product as a label: what is not recorded (any more) is counted together."""
    if product_id is None:
        return ""
    return product_id if product_id in products else OTHER


def _hole(hole: tuple[str, str | None, str], products: Collection[str]) -> tuple[str, str, str]:
    channel, product_id, reason = hole
    return channel, _name(product_id, products), reason


def _of(audit: Audit) -> tuple[int, int, int]:
    return audit.agree, audit.lagging, audit.disagree


def _kept(
    values: Values, name: str, before: dict[tuple[str, ...], float], products: Collection[str]
) -> dict[tuple[str, ...], float]:
    """Keep counters of gaps from going back: one that goes on may end for another reason."""
    known = {*products, "", OTHER}
    values.not_below({each: n for each, n in before.items() if each[1] in known}, name)
    return {each: now for each, now in values.found[name].items() if isinstance(now, float)}
