"""Gaps of trades that are none: every trade id over them is recorded all the same.

Trade ids are contiguous per product. After a reconnect the venue repeats the last 100 trades
(`snapshot`), and what is still missing may be fetched (`backfill`). A gap is filled if every id
between the last trade received before it and the first one that came as it happened behind it is
there. Such trades were received later than they happened, so they count at their `trade_time`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.coverage import BACKFILLED, GAP
from recorder.core.frames import hour_of_seq
from recorder.core.tables import COVERAGE, TRADES
from recorder.dataset.files import HOUR_NS, View
from recorder.dataset.gaps import Gap, intervals
from recorder.dataset.reading import join, read_file
from recorder.store.paths import File

# A trade in flight when a connection was lost comes with the snapshot of the next one.
FLIGHT_NS = 60_000_000_000
_COLUMNS = ("trade_id", "kind", "ingest_seq", "recv_ns")
_HOURS_LOOKED_AT = 24
HOURS_KEPT = 2 * _HOURS_LOOKED_AT  # what is looked at around one gap, as a rule
_TOLD = (
    *("product_id", "state", "start_time", "end_time", "ingest_seq_first"),
    COVERAGE.order,
)
_TRADES = ("market_trades",)


@dataclass(slots=True)
class Fills:
    """What later trades come to: the gaps that stay, and the hours that hold the later trades.

    ``filled`` are the gaps that are filled, each with the time of receipt of the last trade that
    does so.
    """

    gaps: list[Gap] = field(default_factory=list)
    filled: list[tuple[Gap, int]] = field(default_factory=list)
    hours: set[int] = field(default_factory=set)


class Fetched:
    """In which hours trades were fetched that had been missing, of all products.

    One may be used for many products: what coverage tells of it is read once, and only if asked,
    from ``since_ns`` on or, where that is earlier, the first gap that is asked for.
    """

    def __init__(self, view: View, since_ns: int | None = None) -> None:
        self._view = view
        self._first = None if since_ns is None else since_ns // HOUR_NS
        self._since: int | None = None
        self._told: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def hours(self, product_id: str, gap: Gap) -> set[int]:
        """The hours in which trades came that were made in a gap, or about then."""
        since = gap.start_ns // HOUR_NS
        if self._since is None or since < self._since:
            self._read(since if self._first is None else min(since, self._first))
        if product_id not in self._told:
            return set()
        starts, ends, hours = self._told[product_id]
        near = (ends > gap.start_ns - FLIGHT_NS) & (starts < gap.end_ns + FLIGHT_NS)
        return set(hours[near].tolist())

    def _read(self, since: int) -> None:
        """Read what was told from an hour on: what was fetched later is told later."""
        wanted = pc.field("state") == BACKFILLED
        pieces = [
            read_file(path, COVERAGE, wanted, _TOLD)
            for hour in self._view.hours(since * HOUR_NS)
            for path in self._view.of_hour(COVERAGE.name, hour)
        ]
        rows = join(COVERAGE, pieces, _TOLD)
        rows = rows.filter(pc.field("ingest_seq_first").is_valid())
        products = np.array(rows.column("product_id").to_pylist(), object)
        starts, ends = (
            rows.column(name).cast(pa.int64()).to_numpy() * 1000
            for name in ("start_time", "end_time")
        )
        numbers = rows.column("ingest_seq_first").to_pylist()
        hours = np.array([hour_of_seq(number) for number in numbers], np.int64)
        self._since = since
        self._told = {}
        for product_id in set(products.tolist()):
            mine = products == product_id
            self._told[product_id] = starts[mine], ends[mine], hours[mine]


def fill(
    view: View,
    product_id: str,
    gaps: Sequence[Gap],
    since_ns: int | None,
    fetched: Fetched | None = None,
) -> Fills:
    """Look at each gap of trades of a product; ``since_ns`` is where the range begins.

    ``fetched`` is that of the view, where several products are looked at.
    """
    found = Fills()
    if not gaps:
        return found
    ids = _Ids(view, product_id, fetched or Fetched(view))
    for gap in gaps:
        last_ns = ids.filled_ns(gap)
        if last_ns is None:
            found.gaps.append(gap)
        else:
            found.filled.append((gap, last_ns))
        found.hours |= {gap.end_ns // HOUR_NS, (gap.end_ns + FLIGHT_NS) // HOUR_NS}
    found.hours |= ids.later
    if since_ns is not None:
        found.hours = {hour for hour in found.hours if hour >= since_ns // HOUR_NS}
    return found


class _Hour(NamedTuple):
    """The trades of a product that came in an hour, in order."""

    ids: np.ndarray
    received: np.ndarray
    kinds: np.ndarray


_NOTHING = _Hour(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.str_))


class _Ids:
    """The trade ids of one product, read hour by hour as they are needed."""

    def __init__(self, view: View, product_id: str, fetched: Fetched) -> None:
        self._view = view
        self._product_id = product_id
        self._read: dict[int, _Hour] = {}
        self._fetched = fetched
        self.later: set[int] = set()

    def filled_ns(self, gap: Gap) -> int | None:
        """When the last trade came that fills a gap; None where ids are missing over it."""
        before, first = self._before(gap), self._behind(gap)
        if before is None or first is None:
            self._look_later(gap)
            return None
        hours = set(self._view.hours(gap.start_ns, (first[1] + 1) * HOUR_NS))
        found = self._between(before, first[0], hours)
        lacking = first[0] - before - 1 - len(found[0])
        if lacking and not self._never_came(before, first[0], lacking):
            found = self._between(before, first[0], hours | self._look_later(gap))
        if len(found[0]) < first[0] - before - 1:
            return None
        return int(found[1].max(initial=gap.end_ns))

    def _before(self, gap: Gap) -> int | None:
        """The last id received before a gap."""
        for hour in islice(self._view.hours_back(gap.start_ns // HOUR_NS), _HOURS_LOOKED_AT):
            rows = self._hour(hour)
            # Intervals end with the microsecond of their last frame.
            mine = rows.ids[(rows.received < gap.start_ns + 1000) & (rows.kinds != "backfill")]
            if len(mine):
                return int(mine.max())
        return None

    def _behind(self, gap: Gap) -> tuple[int, int] | None:
        """The first id that came as it happened behind a gap, and its hour."""
        hour: int | None = gap.end_ns // HOUR_NS
        newest: tuple[int, int] | None = None
        for _ in range(_HOURS_LOOKED_AT):
            if hour is None:
                break
            rows = self._hour(hour)
            later = rows.received >= gap.end_ns
            live = rows.ids[later & (rows.kinds == "update")]
            if len(live):
                return int(live.min()), hour
            repeated = rows.ids[later & (rows.kinds == "snapshot")]
            if len(repeated) and newest is None:
                newest = int(repeated.max()), hour
            hour = self._view.hour_after(hour)
        return newest

    def _between(
        self, before: int, first: int, hours: Iterable[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The ids between two, and when they were received."""
        ids, received = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for hour in sorted(hours):
            rows = self._hour(hour)
            between = (rows.ids > before) & (rows.ids < first)
            ids.append(rows.ids[between])
            received.append(rows.received[between])
        found, at = np.unique(np.concatenate(ids), return_index=True)
        return found, np.concatenate(received)[at]

    def _never_came(self, before: int, first: int, lacking: int) -> bool:
        """Whether so many ids between two are missing to this day, as the newest record has it.

        Then no later hour has to be asked, however many there are.
        """
        record = self._view.newest_trades(self._product_id)
        if record is None or not record["first"] <= before < first <= record["last"]:
            return False
        absent: int = sum(
            max(0, min(last, first - 1) - max(begin, before + 1) + 1)
            for begin, last in record["holes"]
        )
        return lacking == absent

    def _look_later(self, gap: Gap) -> set[int]:
        """The hours in which trades of a gap were fetched."""
        hours = self._fetched.hours(self._product_id, gap)
        self.later |= hours
        return hours

    def _hour(self, hour: int) -> _Hour:
        if hour in self._read:
            self._read[hour] = self._read.pop(hour)  # the last to go
            return self._read[hour]
        while len(self._read) >= HOURS_KEPT:
            del self._read[next(iter(self._read))]
        paths: list[File] = []
        if self._view.holds(hour):
            paths = self._view.of_hour(TRADES.name, hour, self._product_id)
        self._read[hour] = _read_hour(paths, self._product_id) if paths else _NOTHING
        return self._read[hour]


def _read_hour(paths: Sequence[File], product_id: str) -> _Hour:
    wanted = pc.field("product_id") == product_id
    rows = join(TRADES, [read_file(path, TRADES, wanted, _COLUMNS) for path in paths], _COLUMNS)
    kinds = rows.column("kind").combine_chunks()
    words = np.array(kinds.dictionary.to_pylist() or [""])
    return _Hour(
        rows.column("trade_id").to_numpy(),
        rows.column("recv_ns").to_numpy(),
        words[kinds.indices.to_numpy()],
    )


def late_gaps(view: View, product_id: str, start_ns: int | None, end_ns: int | None) -> list[Gap]:
    """The gaps whose trades may belong to a range though none, or not all, of them lies in it."""
    until_ns = None if end_ns is None else end_ns + FLIGHT_NS
    return [
        Gap(each.channel, each.product_id, each.start_ns, each.end_ns, each.reason or GAP)
        for each in intervals(view, product_id, _TRADES, start_ns, until_ns)
        if each.state == GAP
    ]
