"""What is missing in a range, and why: the rows of `coverage` read as an answer.

A range is complete where every moment of it was recorded. `unverified` is recorded. A gap of trades
is none where trade ids are contiguous over it (`recorder.dataset.fills`). What nobody ever tried
to record is a gap as well, `not_recorded`: before the first row of coverage, after the last one,
and where hours were pruned. A range without a start begins with the first thing recorded, one
without an end goes to the newest.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.coverage import BACKFILLED, GAP
from recorder.dataset.coverage import coverage_rows
from recorder.dataset.files import View
from recorder.errors import IncompleteData
from recorder.times import to_datetime, to_text

NOT_RECORDED = "not_recorded"
SHOWN = 10
# A table's channels, by the names under which they are subscribed; the others speak of the record.
CHANNELS = {
    "level2": ("level2",),
    "trades": ("market_trades",),
    "ticker": ("ticker", "ticker_batch"),
    "candles": ("candles",),
    "heartbeats": ("heartbeats",),
    "status": ("status",),
    "user_orders": ("user",),
}


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time of which something is missing: [start, end) in nanoseconds since 1970.

    It may have no length: frames were lost between two that came in the same microsecond.
    ``messages_missing`` counts frames of the connection, where that is known.
    """

    channel: str
    product_id: str | None
    start_ns: int
    end_ns: int
    reason: str
    messages_missing: int | None = None
    detail: str | None = None

    @property
    def start(self) -> datetime:
        """The begin, as a datetime."""
        return to_datetime(self.start_ns)

    @property
    def end(self) -> datetime:
        """The end, exclusive, as a datetime."""
        return to_datetime(self.end_ns)

    @property
    def recv_ns(self) -> int:
        """Where it stands in a replay: behind the last thing received before it."""
        return self.start_ns

    def __str__(self) -> str:
        of = self.channel if self.product_id is None else f"{self.channel} {self.product_id}"
        count = self.messages_missing
        missing = f" ({count} message{'' if count == 1 else 's'} missing)" if count else ""
        return f"{of}  {to_text(self.start_ns)} to {to_text(self.end_ns)}  {self.reason}{missing}"


@dataclass(frozen=True, slots=True)
class Interval:
    """A row of `coverage` in whole microseconds, as nanoseconds."""

    channel: str
    product_id: str | None
    start_ns: int
    end_ns: int
    state: str
    reason: str | None
    messages_missing: int | None
    connection_id: str | None
    ingest_seq_first: int | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a range: its intervals, its gaps, and its two ends, told or found.

    Without intervals, ends that were not told are None.
    """

    intervals: tuple[Interval, ...]
    gaps: tuple[Gap, ...]
    start_ns: int | None
    end_ns: int | None


def intervals(
    view: View,
    product_id: str | None,
    channels: Sequence[str],
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> list[Interval]:
    """The intervals of channels that touch a range, by channel, product and time.

    Those of a product are its own and those of channels that have none.
    """
    only = channels[0] if len(channels) == 1 else None
    rows = coverage_rows(view, product_id, only, start_ns, end_ns, or_none=True)
    return [each for each in intervals_of(rows) if each.channel in channels]


def intervals_of(rows: pa.Table) -> list[Interval]:
    """Rows of `coverage` as values, in their order."""
    times = {name: rows.column(name).cast(pa.int64()).to_pylist() for name in _TIMES}
    words = {name: rows.column(name).to_pylist() for name in _WORDS}
    return [
        Interval(
            words["channel"][at],
            words["product_id"][at],
            times["start_time"][at] * 1000,
            times["end_time"][at] * 1000,
            *(words[name][at] for name in _WORDS[2:]),
        )
        for at in range(rows.num_rows)
    ]


def merged(rows: pa.Table) -> list[Interval]:
    """The same, for many of them: what was recorded without a break is one interval.

    An hour's turn cuts every interval; of a thousand hours there are a thousand that say the same.
    Such a one names no connection and no rows.
    """
    starts, ends = (rows.column(name).cast(pa.int64()).to_numpy() for name in _TIMES)
    same = np.ones(max(rows.num_rows - 1, 0), np.bool_)
    for name in ("channel", "product_id", "state"):
        codes = pc.dictionary_encode(rows.column(name).cast(pa.string()), null_encoding="encode")
        indices = codes.combine_chunks().indices.to_numpy()
        same &= indices[1:] == indices[:-1]
        if name == "state":
            words = codes.combine_chunks().dictionary.to_pylist()
            whole = np.array([word not in (GAP, BACKFILLED) for word in words] or [True])
            same &= whole[indices[1:]] if len(indices) else same
    same &= (starts[1:] <= ends[:-1]) & (ends[1:] >= ends[:-1])
    begins = np.flatnonzero(np.append(True, ~same)[: rows.num_rows])
    if not len(begins):
        return []
    told = intervals_of(rows.take(begins))
    lasts = np.append(begins[1:], rows.num_rows) - 1
    return [
        each if last == begin else replace(each, end_ns=end_ns * 1000, **_OF_ONE)
        for each, begin, last, end_ns in zip(
            told, begins.tolist(), lasts.tolist(), ends[lasts].tolist(), strict=True
        )
    ]


_OF_ONE: dict[str, Any] = {"connection_id": None, "ingest_seq_first": None, "detail": None}
_TIMES = ("start_time", "end_time")
_WORDS = (
    *("channel", "product_id", "state", "reason", "messages_missing", "connection_id"),
    *("ingest_seq_first", "detail"),
)


def look(
    view: View,
    product_id: str | None,
    channels: Sequence[str],
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> Found:
    """The gaps of channels in [start, end), before any is filled; by channel, product and time.

    Of several channels that hold the same, such as `ticker` and `ticker_batch`, those count that
    are recorded at all.
    """
    found = intervals(view, product_id, channels, start_ns, end_ns)
    return look_at(found, product_id, channels, start_ns, end_ns)


def look_at(
    found: Sequence[Interval],
    product_id: str | None,
    channels: Sequence[str],
    start_ns: int | None,
    end_ns: int | None,
) -> Found:
    """The same of intervals that were read already: those of these channels and this product."""
    told = [each for each in found if each.state != BACKFILLED]
    if start_ns is None:
        start_ns = min((each.start_ns for each in told), default=None)
    if end_ns is None:
        end_ns = max((each.end_ns for each in told), default=None)
    gaps: list[Gap] = []
    if start_ns is not None and end_ns is not None:
        present = [each for each in channels if any(one.channel == each for one in told)]
        for channel in present or channels[:1]:
            mine = [each for each in told if each.channel == channel]
            gaps += _told(mine, start_ns, end_ns)
            gaps += _untold(mine, channel, product_id, start_ns, end_ns)
    gaps.sort(key=lambda gap: (gap.channel, gap.product_id or "", gap.start_ns, gap.end_ns))
    return Found(tuple(found), tuple(_joined(gaps)), start_ns, end_ns)


def _told(mine: Iterable[Interval], start_ns: int, end_ns: int) -> list[Gap]:
    return [
        Gap(
            each.channel,
            each.product_id,
            max(each.start_ns, start_ns),
            min(each.end_ns, end_ns),
            each.reason or GAP,
            each.messages_missing,
            each.detail,
        )
        for each in mine
        if each.state == GAP and each.start_ns < end_ns and each.end_ns >= start_ns
        if each.end_ns > start_ns or each.start_ns == each.end_ns
    ]


def _untold(
    mine: Sequence[Interval], channel: str, product_id: str | None, start_ns: int, end_ns: int
) -> list[Gap]:
    """The stretches that no interval speaks of; less than a microsecond is rounding."""
    of = mine[0].product_id if product_id is not None and mine else product_id
    gaps = []
    at_ns = start_ns
    for each in sorted(mine, key=lambda each: each.start_ns):
        if each.start_ns - at_ns >= 1000:
            gaps.append(Gap(channel, of, at_ns, min(each.start_ns, end_ns), NOT_RECORDED))
        at_ns = max(at_ns, each.end_ns)
        if at_ns >= end_ns:
            break
    if end_ns - at_ns >= (1000 if mine else 1):
        gaps.append(Gap(channel, of, at_ns, end_ns, NOT_RECORDED))
    return gaps


def _joined(gaps: Iterable[Gap]) -> list[Gap]:
    """Join what the turn of an hour has cut in two."""
    joined: list[Gap] = []
    for gap in gaps:
        last = joined[-1] if joined else None
        if (
            last is not None
            and (last.channel, last.product_id, last.reason, last.end_ns)
            == (gap.channel, gap.product_id, gap.reason, gap.start_ns)
            and gap.messages_missing is None
        ):
            joined[-1] = replace(last, end_ns=gap.end_ns)
        else:
            joined.append(gap)
    return joined


def incomplete(what: str, gaps: Sequence[Gap], told: str) -> IncompleteData:
    """The error that names gaps; ``what`` was asked for, ``told`` is what is there."""
    seconds = sum(gap.end_ns - gap.start_ns for gap in gaps) / 1e9
    count = f"{len(gaps)} gap{'' if len(gaps) == 1 else 's'}, {seconds:,.3f} s in all"
    lines = [f"{what} is not complete: {count}.", *(f"  {gap}" for gap in gaps[:SHOWN])]
    if len(gaps) > SHOWN:
        lines.append(f"  … and {len(gaps) - SHOWN} more")
    lines.append(
        f"{told} Give a range around the gaps (`gaps()` lists them), or `allow_gaps=True` to take "
        "what is there."
    )
    return IncompleteData("\n".join(lines), gaps)
