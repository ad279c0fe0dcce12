"""Gaps of trades that are none: every trade id over them is recorded all the same.

Trade ids are contiguous per product. After a reconnect the venue repeats the last 100 trades
(`snapshot`), and what is still missing may be fetched (`backfill`). A gap is filled if every id
between the last trade received before it and the first one that came as it happened behind it is
there. Such trades were received later than they happened, so they count at their `trade_time`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recorder.core.coverage import BACKFILLED, GAP
from recorder.core.frames import hour_of_seq
from recorder.core.tables import TRADES
from recorder.dataset.files import HOUR_NS, View
from recorder.dataset.gaps import Gap, Interval, intervals
from recorder.dataset.reading import join, read_file
from recorder.store.paths import File

# A trade in flight when a connection was lost comes with the snapshot of the next one.
FLIGHT_NS = 60_000_000_000
_COLUMNS = ("trade_id", "kind", "ingest_seq", "recv_ns")
_HOURS_LOOKED_AT = 24
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


def fill(view: View, product_id: str, gaps: Sequence[Gap], since_ns: int | None) -> Fills:
    """Look at each gap of trades of a product; ``since_ns`` is where the range begins."""
    found = Fills()
    if not gaps:
        return found
    ids = _Ids(view, product_id)
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


class _Ids:
    """The trade ids of one product, read hour by hour as they are needed."""

    def __init__(self, view: View, product_id: str) -> None:
        self._view = view
        self._product_id = product_id
        self._read: dict[int, pa.Table] = {}
        self._fetched: list[Interval] | None = None
        self.later: set[int] = set()

    def filled_ns(self, gap: Gap) -> int | None:
        """When the last trade came that fills a gap; None where ids are missing over it."""
        before, first = self._before(gap), self._behind(gap)
        if before is None or first is None:
            self._look_later(gap)
            return None
        hours = set(range(gap.start_ns // HOUR_NS, first[1] + 1))
        found = self._between(before, first[0], hours)
        if len(found[0]) < first[0] - before - 1:
            found = self._between(before, first[0], hours | self._look_later(gap))
        if len(found[0]) < first[0] - before - 1:
            return None
        return int(found[1].max(initial=gap.end_ns))

    def _before(self, gap: Gap) -> int | None:
        """The last id received before a gap."""
        for at, hour in enumerate(self._view.hours_back(gap.start_ns // HOUR_NS)):
            rows = self._hour(hour)
            # Intervals end with the microsecond of their last frame.
            mine = rows.filter(pc.field("recv_ns") < gap.start_ns + 1000)
            mine = mine.filter(pc.field("kind") != "backfill")
            if len(mine):
                last: int = pc.max(mine.column("trade_id")).as_py()
                return last
            if at == _HOURS_LOOKED_AT:
                break
        return None

    def _behind(self, gap: Gap) -> tuple[int, int] | None:
        """The first id that came as it happened behind a gap, and its hour."""
        hour: int | None = gap.end_ns // HOUR_NS
        newest: tuple[int, int] | None = None
        for _ in range(_HOURS_LOOKED_AT):
            if hour is None:
                break
            rows = self._hour(hour).filter(pc.field("recv_ns") >= gap.end_ns)
            live = rows.filter(pc.field("kind") == "update")
            if len(live):
                return pc.min(live.column("trade_id")).as_py(), hour
            repeated = rows.filter(pc.field("kind") == "snapshot")
            if len(repeated) and newest is None:
                newest = pc.max(repeated.column("trade_id")).as_py(), hour
            hour = self._view.hour_after(hour)
        return newest

    def _between(
        self, before: int, first: int, hours: Iterable[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The ids between two, and when they were received."""
        between = (pc.field("trade_id") > before) & (pc.field("trade_id") < first)
        pieces = [self._hour(hour).filter(between) for hour in sorted(hours)]
        rows = pa.concat_tables(pieces, promote_options="permissive")
        ids, at = np.unique(rows.column("trade_id").to_numpy(), return_index=True)
        return ids, rows.column("recv_ns").to_numpy()[at]

    def _look_later(self, gap: Gap) -> set[int]:
        """The hours in which trades of a gap were fetched."""
        if self._fetched is None:
            found = intervals(self._view, self._product_id, _TRADES, gap.start_ns)
            self._fetched = [each for each in found if each.state == BACKFILLED]
        hours = {
            hour_of_seq(each.ingest_seq_first)
            for each in self._fetched
            if each.ingest_seq_first is not None
            if each.end_ns > gap.start_ns - FLIGHT_NS and each.start_ns < gap.end_ns + FLIGHT_NS
        }
        self.later |= hours
        return hours

    def _hour(self, hour: int) -> pa.Table:
        if hour not in self._read:
            paths: list[File] = []
            if self._view.holds(hour):
                paths = self._view.of_hour(TRADES.name, hour, self._product_id)
            wanted = pc.field("product_id") == self._product_id
            rows = join(
                TRADES, [read_file(path, TRADES, wanted, _COLUMNS) for path in paths], _COLUMNS
            )
            kinds = rows.column("kind").cast(pa.string())
            self._read[hour] = rows.set_column(rows.schema.get_field_index("kind"), "kind", kinds)
        return self._read[hour]


def late_gaps(view: View, product_id: str, start_ns: int | None, end_ns: int | None) -> list[Gap]:
    """The gaps whose trades may belong to a range though none, or not all, of them lies in it."""
    until_ns = None if end_ns is None else end_ns + FLIGHT_NS
    return [
        Gap(each.channel, each.product_id, each.start_ns, each.end_ns, each.reason or GAP)
        for each in intervals(view, product_id, _TRADES, start_ns, until_ns)
        if each.state == GAP
    ]
