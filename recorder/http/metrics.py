"""The metrics: what there is of them, and their text for Prometheus.

`METRICS` is the only list. Values are gathered in the loop, as plain numbers (`gathered`); the text
is made of them in a thread, because with hundreds of products it takes long.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.exposition import generate_latest as plain_text
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)
from prometheus_client.openmetrics.exposition import generate_latest as open_text
from prometheus_client.registry import Collector, CollectorRegistry

from recorder.histogram import Histogram

PREFIX = "recorder_"
OPEN_METRICS = "application/openmetrics-text"
OPEN_TYPE = f"{OPEN_METRICS}; version=1.0.0; charset=utf-8"
PLAIN_TYPE = "text/plain; version=0.0.4; charset=utf-8"

COUNTER, GAUGE, HISTOGRAM, INFO = "counter", "gauge", "histogram", "info"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name behind `PREFIX` as Prometheus shows it, and what it means."""

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...] = ()


METRICS = (
    # Feed
    Metric("messages_received_total", COUNTER, "Messages that came, of a channel and product.",
           ("channel", "product")),
    Metric("frames_received_total", COUNTER, "Frames that came on a line.", ("connection",)),
    Metric("bytes_received_total", COUNTER, "Bytes of these frames, uncompressed.",
           ("connection",)),
    Metric("last_message_timestamp_seconds", GAUGE, "When the last message of a channel came.",
           ("channel",)),
    Metric("heartbeat_counter_missed_total", COUNTER, "Beats of the venue that did not come."),
    Metric("connection_up", GAUGE, "Whether a line is connected.", ("connection",)),
    Metric("connects_total", COUNTER, "Dials, by outcome: opened or failed.",
           ("connection", "outcome")),
    Metric("disconnects_total", COUNTER, "Ends of sessions, by close code.",
           ("connection", "code")),
    Metric("reconnect_seconds", HISTOGRAM, "From the end of a session to the next one."),
    Metric("exchange_to_receive_seconds", HISTOGRAM, "From the venue's time of a frame to its "
           "receipt, by both clocks.", ("channel",)),
    Metric("receive_to_applied_seconds", HISTOGRAM, "From the receipt of a frame until it is kept "
           "and its book is changed."),
    Metric("clock_offset_seconds", GAUGE, "By how much our clock is ahead of the venue's, where "
           "they were compared."),
    # Integrity
    Metric("gaps_total", COUNTER, "Gaps of coverage that ended or go on.",
           ("channel", "product", "reason")),
    Metric("gap_seconds_total", COUNTER, "How long these gaps are.",
           ("channel", "product", "reason")),
    Metric("gap_messages_total", COUNTER, "Frames that are missing in the numbering."),
    Metric("gaps_open", GAUGE, "Channels of products that nothing is recorded of now.",
           ("channel",)),
    Metric("sequence_last", GAUGE, "The last number of a connection.", ("connection",)),
    Metric("duplicates_dropped_total", COUNTER, "Frames that came late or twice, and were not "
           "applied."),
    Metric("frames_quarantined_total", COUNTER, "Frames of which something could not be read, and "
           "that are in the capture.", ("reason",)),
    Metric("faults_total", COUNTER, "Rows of the table faults, by kind.", ("kind",)),
    Metric("book_live", GAUGE, "Whether a product's book can be trusted.", ("product",)),
    Metric("book_resyncs_total", COUNTER, "Snapshots that were asked for again.",
           ("product", "reason")),
    Metric("book_crossed_total", COUNTER, "Books whose best bid was not below the best ask."),
    Metric("book_checksum_mismatch_total", COUNTER, "Books at the end of a sealed hour that are "
           "not those that the next one began with."),
    Metric("trades_missing", GAUGE, "Trades whose ids show that they are missing.", ("product",)),
    Metric("trades_backfilled_total", COUNTER, "Trades that were missing and came by REST.",
           ("product",)),
    Metric("backfill_failing", GAUGE, "Whether REST does not answer for missing trades."),
    Metric("verify_last_timestamp_seconds", GAUGE, "When the directory was last verified; 0 for "
           "never, as far as is noted."),
    Metric("verify_last_success_timestamp_seconds", GAUGE, "When it was last found whole."),
    Metric("verify_findings", GAUGE, "What the last check found."),
    Metric("verify_failures_total", COUNTER, "Checks that found something."),
    Metric("audits_total", COUNTER, "Tickers held against the book: agree, lagging, disagree.",
           ("product", "result")),
    # Store
    Metric("rows_written_total", COUNTER, "Rows that were published.", ("table",)),
    Metric("bytes_written_total", COUNTER, "Bytes of live parts that were published.", ("table",)),
    Metric("capture_bytes_written_total", COUNTER, "Bytes of capture that were written, packed."),
    Metric("files_sealed_total", COUNTER, "Files of hours that were sealed."),
    Metric("seals_waiting", GAUGE, "Hours that are over and wait to be sealed."),
    Metric("work_failing", GAUGE, "Recovery, sealing and the like that failed and are tried again.",
           ("what",)),
    Metric("wal_bytes", GAUGE, "Bytes of capture that are not written yet."),
    Metric("wal_unsynced_seconds", GAUGE, "For how long something waits to be durable."),
    Metric("fsync_seconds", HISTOGRAM, "How long a sync of the capture takes."),
    Metric("seal_seconds", HISTOGRAM, "How long the sealing of an hour takes."),
    Metric("write_errors_total", COUNTER, "Writes and syncs that the disk refused.", ("errno",)),
    Metric("disk_free_bytes", GAUGE, "What may still be written to the disk of the data."),
    Metric("disk_free_bytes_min", GAUGE, "What must be free, or nothing more is read."),
    Metric("disk_seconds_to_full", GAUGE, "When that is reached, as it goes lately; +Inf where "
           "free space does not shrink."),
    # Process
    Metric("queue_depth", GAUGE, "Bytes that wait: frames in sockets, capture, rows of a part.",
           ("queue",)),
    Metric("queue_capacity", GAUGE, "How much may wait before nothing more is read.", ("queue",)),
    Metric("messages_dropped_total", COUNTER, "Frames that came and were not kept, or connections "
           "that the venue closed because we were slow; must stay 0.", ("reason",)),
    Metric("event_loop_lag_seconds", HISTOGRAM, "How much later than wanted the loop turns."),
    Metric("gc_pause_seconds", HISTOGRAM, "How long collections of garbage take."),
    Metric("watchdog_pings_total", COUNTER, "How often the watchdog of the service manager was "
           "fed."),
    Metric("ready", GAUGE, "Whether /readyz says so."),
    Metric("config_reload_success_timestamp_seconds", GAUGE, "When the configuration that holds "
           "was read."),
    Metric("config_last_reload_successful", GAUGE, "Whether the configuration that was read last "
           "is the one that holds."),
    Metric("start_time_seconds", GAUGE, "When the process began to record."),
    Metric("resident_memory_bytes", GAUGE, "Memory of the process."),
    Metric("open_fds", GAUGE, "Open files and sockets of the process."),
    Metric("cpu_seconds_total", COUNTER, "Processor time of the process."),
    Metric("build_info", INFO, "The versions that run.", ("version", "python", "arrow")),
    # HTTP itself
    Metric("http_requests_total", COUNTER, "Requests that were answered.", ("route", "code")),
    Metric("http_connections", GAUGE, "Connections that are open."),
    Metric("http_connections_refused_total", COUNTER, "Connections that were one too many."),
    Metric("http_certificate_expiry_timestamp_seconds", GAUGE, "Until when the certificate holds, "
           "where there is one."),
    Metric("stream_clients", GAUGE, "Clients of /v1/stream."),
    Metric("stream_events_total", COUNTER, "Events that were sent to them."),
    Metric("stream_events_dropped_total", COUNTER, "Trades and gaps that slow ones missed."),
)  # fmt: skip

Buckets = tuple[list[tuple[str, float]], float]


@dataclass(slots=True)
class Values:
    """Values of metrics, by name: labels → a number, or (buckets, sum) of a histogram."""

    found: dict[str, dict[tuple[str, ...], float | Buckets]] = field(
        default_factory=lambda: {each.name: {} for each in METRICS}
    )

    def put(self, name: str, value: float, *labels: str) -> None:
        """Give a value, the only one of its labels."""
        self.found[name][labels] = float(value)

    def add(self, name: str, value: float, *labels: str) -> None:
        """Add to the value of some labels."""
        before = self.found[name].get(labels, 0.0)
        assert isinstance(before, float)
        self.found[name][labels] = before + value

    def observed(self, name: str, histograms: Sequence[Histogram], *labels: str) -> None:
        """Give what was observed; of several with the same bounds, all of it."""
        whole = Histogram(histograms[0].bounds, histograms[0].unit)
        for each in histograms:
            whole.counts = [a + b for a, b in zip(whole.counts, each.counts, strict=True)]
            whole.sum += each.sum
        self.found[name][labels] = (whole.cumulated(), whole.sum / whole.unit)

    def not_below(self, before: Mapping[tuple[str, ...], float], name: str) -> None:
        """Keep counters from going back, or away: what went on may have ended elsewhere."""
        for labels, value in before.items():
            now = self.found[name].get(labels, 0.0)
            assert isinstance(now, float)
            self.found[name][labels] = max(now, value)


class _Given(Collector):
    """Values that are there already, for the library that writes them."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def collect(self) -> Iterator[Family]:
        for metric in METRICS:
            yield _family(metric, self._values.found[metric.name].items())


def _family(metric: Metric, values: Iterable[tuple[tuple[str, ...], float | Buckets]]) -> Family:
    name = PREFIX + metric.name
    if metric.kind == INFO:
        info = InfoMetricFamily(name.removesuffix("_info"), metric.meaning)
        for labels, _ in values:
            info.add_metric([], dict(zip(metric.labels, labels, strict=True)))
        return info
    if metric.kind == HISTOGRAM:
        histogram = HistogramMetricFamily(name, metric.meaning, labels=metric.labels)
        for labels, value in values:
            assert isinstance(value, tuple)
            histogram.add_metric(labels, *value)
        return histogram
    family: CounterMetricFamily | GaugeMetricFamily
    if metric.kind == COUNTER:
        family = CounterMetricFamily(name, metric.meaning, labels=metric.labels)
    else:
        family = GaugeMetricFamily(name, metric.meaning, labels=metric.labels)
    for labels, value in values:
        assert isinstance(value, float)
        family.add_metric(labels, value)
    return family


def wants_open(accept: str) -> bool:
    """Whether an `Accept` names OpenMetrics."""
    return any(each.partition(";")[0].strip() == OPEN_METRICS for each in accept.split(","))


def exposition(values: Values, *, openly: bool) -> bytes:
    """Write values as OpenMetrics, or as the text that came before it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(values))
    write: Callable[[Collector], bytes] = open_text if openly else plain_text
    return write(registry)
