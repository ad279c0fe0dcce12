"""Coverage by the hour: how much of each hour of a product was recorded, and how its days are.

Everything here is made of the intervals and gaps of `recorder.dataset.gaps`, so that a map can say
nothing else than `gaps()` does. A range is rounded outwards to whole hours; where an end of it is
not given, to whole days (UTC).

A product's channels on a day are those of which anything is told in that day (UTC): one that was
not subscribed to is not missing. At a moment a product is as its worst channel: a gap before what
nobody recorded, that before `unverified`, that before `recorded`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from recorder.core.coverage import BACKFILLED, UNVERIFIED
from recorder.core.tables import TRADES
from recorder.dataset.coverage import coverage_rows
from recorder.dataset.files import HOUR_NS, View
from recorder.dataset.fills import Fetched, fill
from recorder.dataset.gaps import CHANNELS, NOT_RECORDED, Gap, Interval, look_at, merged
from recorder.dataset.inventory import refuse_unknown
from recorder.dataset.ranges import channels_named
from recorder.dataset.shares import DAY_NS, NS, Piece, Seen, Share, added, by_hour, length_ns
from recorder.errors import UsageError
from recorder.times import to_datetime

CELLS_MAX = 2_000_000  # each a few hundred bytes


@dataclass(frozen=True, slots=True)
class HourCoverage:
    """An hour of a product: all its channels together, and each by itself."""

    start: datetime
    state: str
    share: Share
    channels: dict[str, Share]


@dataclass(frozen=True, slots=True)
class DayCondition:
    """A day of a product (UTC).

    ``available``: closed, and recorded from its first moment to its last, on every channel.
    ``degraded``: closed, and something of it is missing: ``reasons`` says what, in seconds.
    ``missing``: closed, and nothing of it was recorded. ``pending``: not closed yet, that is, not
    over, or an hour of it is not sealed. A second that is missing of several channels for the same
    reason counts once.
    """

    product_id: str
    day: date
    condition: str
    share: Share
    channels: dict[str, Share]
    reasons: dict[str, float]


@dataclass(frozen=True, slots=True)
class ProductCoverage:
    """A product's hours in order, and its days. Without product: of one channel that has none."""

    product_id: str | None
    hours: tuple[HourCoverage, ...]
    days: tuple[DayCondition, ...]


@dataclass(frozen=True, slots=True)
class CoverageMap:
    """What was recorded of each product in each hour of [start, end), which are whole hours.

    Without anything recorded, and without both ends given, there are no ends.
    """

    start: datetime | None
    end: datetime | None
    products: tuple[ProductCoverage, ...]


@dataclass(frozen=True, slots=True)
class _Track:
    """A channel of a product: what is not just recorded of it by day, and the days it is told of.

    The pieces of a day lie within it and by their begin; where two connections recorded, those of
    `unverified` may overlap.
    """

    channel: str
    pieces: dict[int, list[Piece]]
    days: frozenset[int]


def coverage_map(
    view: View,
    products: Sequence[str] | None,
    channel: str | None,
    start_ns: int | None,
    end_ns: int | None,
    now_ns: int,
) -> CoverageMap:
    """The map of products, or of all; of one channel, or of all together.

    ``now_ns`` is the present: a day that is not over is pending, whatever is sealed of it.

    Raises NoInputError where nothing of a product is recorded, UsageError for no channel, and for
    more hours than CELLS_MAX.
    """
    names = channels_named(channel)
    wanted = None if products is None else sorted(set(products))
    first_ns = None if start_ns is None else start_ns // DAY_NS * DAY_NS
    until_ns = None if end_ns is None else -(-end_ns // DAY_NS) * DAY_NS
    one = wanted[0] if wanted is not None and len(wanted) == 1 else None
    rows = coverage_rows(view, one, None, first_ns, until_ns, or_none=True)
    told: dict[str | None, list[Interval]] = {}
    for each in merged(rows):
        if each.channel in names and (wanted is None or each.product_id in (*wanted, None)):
            told.setdefault(each.product_id, []).append(each)
    for product_id in wanted or ():
        if product_id not in told:
            refuse_unknown(view, product_id)
            if channel is None or None not in told:  # else it is a channel without products
                told[product_id] = []
    every = [each for some in told.values() for each in some if each.state != BACKFILLED]
    newest_ns = max((each.end_ns for each in every), default=None)
    if start_ns is None and every:
        start_ns = min(each.start_ns for each in every) // DAY_NS * DAY_NS
    if end_ns is None and newest_ns is not None:
        end_ns = max(-(-newest_ns // DAY_NS) * DAY_NS, start_ns or 0)
    if start_ns is None or end_ns is None:
        return CoverageMap(None, None, ())
    start_ns, end_ns = start_ns // HOUR_NS * HOUR_NS, -(-end_ns // HOUR_NS) * HOUR_NS
    _see_that_there_is_room((end_ns - start_ns) // HOUR_NS * len(told))
    days = _Days(view, newest_ns, now_ns)
    fetched = Fetched(view, start_ns // DAY_NS * DAY_NS)
    found = [
        _product(view, fetched, days, told[product_id], product_id, (start_ns, end_ns))
        for product_id in sorted(name for name in told if name is not None)
    ]
    if wanted is None or channel is not None:
        found += _without_product(view, fetched, days, told.get(None, ()), (start_ns, end_ns))
    return CoverageMap(to_datetime(start_ns), to_datetime(end_ns), tuple(found))


def _see_that_there_is_room(cells: int) -> None:
    if cells > CELLS_MAX:
        raise UsageError(
            f"That would be {cells:,} hours of products, more than {CELLS_MAX:,}. Ask for a "
            "shorter range or fewer products."
        )


class _Days:
    """Which days are closed, and up to when they are told of."""

    def __init__(self, view: View, newest_ns: int | None, now_ns: int) -> None:
        self._open = {hour // 24 for hour in view.live_hours()}
        self._now_ns = now_ns
        # What came last may not be published yet. Where that is long ago, nobody records.
        stale = newest_ns is None or now_ns - newest_ns > HOUR_NS
        self._told_ns = now_ns if stale or newest_ns is None else newest_ns

    def closed(self, day: int) -> bool:
        return (day + 1) * DAY_NS <= self._now_ns and day not in self._open

    def told_ns(self, day: int) -> int:
        """Up to when a day is told of."""
        end_ns = (day + 1) * DAY_NS
        return end_ns if self.closed(day) else max(day * DAY_NS, min(end_ns, self._told_ns))


def _product(
    view: View,
    fetched: Fetched,
    days: _Days,
    told: Sequence[Interval],
    product_id: str,
    span: tuple[int, int],
) -> ProductCoverage:
    found = _tracks(view, fetched, told, product_id, span)
    hours: list[HourCoverage] = []
    conditions = []
    for day in range(span[0] // DAY_NS, -(-span[1] // DAY_NS)):
        mine = [track for track in found if day in track.days]
        shares = _shares(days, mine, day)
        hours += _hours(shares, day, span)
        conditions.append(_condition(days, mine, shares, product_id, day))
    return ProductCoverage(product_id, tuple(hours), tuple(conditions))


def _without_product(
    view: View, fetched: Fetched, days: _Days, told: Iterable[Interval], span: tuple[int, int]
) -> Iterator[ProductCoverage]:
    """One for each channel that has no products, such as heartbeats."""
    by_channel: dict[str, list[Interval]] = {}
    for each in told:
        by_channel.setdefault(each.channel, []).append(each)
    for _, some in sorted(by_channel.items()):
        found = _tracks(view, fetched, some, None, span)
        hours: list[HourCoverage] = []
        for day in range(span[0] // DAY_NS, -(-span[1] // DAY_NS)):
            hours += _hours(_shares(days, found, day), day, span)
        yield ProductCoverage(None, tuple(hours), ())


# --- what is not just recorded -------------------------------------------------------------------


def _tracks(
    view: View,
    fetched: Fetched,
    told: Sequence[Interval],
    product_id: str | None,
    span: tuple[int, int],
) -> list[_Track]:
    """The channels of a product, with what is missing of the whole days of a range."""
    by_channel: dict[str, list[Interval]] = {}
    for each in told:
        by_channel.setdefault(each.channel, []).append(each)
    first_ns, last_ns = span[0] // DAY_NS * DAY_NS, -(-span[1] // DAY_NS) * DAY_NS
    found = []
    for channel, mine in sorted(by_channel.items()):
        gaps: Sequence[Gap] = look_at(mine, product_id, (channel,), first_ns, last_ns).gaps
        if channel in CHANNELS[TRADES.name] and product_id is not None:
            gaps = fill(view, product_id, gaps, None, fetched).gaps
        pieces = [_of_gap(gap) for gap in gaps]
        pieces += [
            Piece(each.start_ns, each.end_ns, Seen.UNVERIFIED)
            for each in mine
            if each.state == UNVERIFIED
        ]
        found.append(_Track(channel, _by_day(pieces), _days_told(mine)))
    return found


def _of_gap(gap: Gap) -> Piece:
    seen = Seen.MISSING if gap.reason == NOT_RECORDED else Seen.GAP
    return Piece(gap.start_ns, gap.end_ns, seen, gap.reason)


def _days_told(mine: Iterable[Interval]) -> frozenset[int]:
    """The days that a channel is told of."""
    days: set[int] = set()
    for each in mine:
        if each.state != BACKFILLED:
            last_ns = max(each.start_ns, each.end_ns - 1)
            days.update(range(each.start_ns // DAY_NS, last_ns // DAY_NS + 1))
    return frozenset(days)


def _by_day(pieces: Iterable[Piece]) -> dict[int, list[Piece]]:
    """Pieces cut by the days."""
    found: dict[int, list[Piece]] = {}
    for piece in sorted(pieces, key=lambda piece: (piece.start_ns, piece.end_ns)):
        last_ns = max(piece.start_ns, piece.end_ns - 1)
        for day in range(piece.start_ns // DAY_NS, last_ns // DAY_NS + 1):
            start_ns = max(piece.start_ns, day * DAY_NS)
            end_ns = min(piece.end_ns, (day + 1) * DAY_NS)
            found.setdefault(day, []).append(replace(piece, start_ns=start_ns, end_ns=end_ns))
    return found


# --- shares --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shares:
    """The shares of a day's 24 hours: of a product, and of each of its channels."""

    whole: list[Share]
    channels: dict[str, list[Share]]


def _shares(days: _Days, tracks: Sequence[_Track], day: int) -> _Shares:
    told_ns = days.told_ns(day)
    every = [piece for track in tracks for piece in track.pieces.get(day, ())]
    if not tracks:  # nothing of the product is told of the whole day
        every = [Piece(day * DAY_NS, (day + 1) * DAY_NS, Seen.MISSING, NOT_RECORDED)]
    channels = {track.channel: by_hour(track.pieces.get(day, ()), day, told_ns) for track in tracks}
    return _Shares(by_hour(every, day, told_ns), channels)


def _hours(shares: _Shares, day: int, span: tuple[int, int]) -> list[HourCoverage]:
    found = []
    for at, share in enumerate(shares.whole):
        start_ns = day * DAY_NS + at * HOUR_NS
        if span[0] <= start_ns < span[1]:
            channels = {name: mine[at] for name, mine in shares.channels.items()}
            # A channel of several may be missing while the others are there.
            some = any(one.recorded_s or one.unverified_s for one in channels.values())
            state = "partly" if share.state == "missing" and some else share.state
            found.append(HourCoverage(to_datetime(start_ns), state, share, channels))
    return found


# --- days ----------------------------------------------------------------------------------------


def _condition(
    days: _Days, tracks: Sequence[_Track], shares: _Shares, product_id: str, day: int
) -> DayCondition:
    whole = added(shares.whole)
    channels = {name: added(mine) for name, mine in shares.channels.items()}
    have_s = sum(share.recorded_s + share.unverified_s for share in channels.values())
    if not days.closed(day):
        condition = "pending"
    elif not have_s:
        condition = "missing"
    elif whole.gap_s or whole.missing_s or whole.gaps:
        condition = "degraded"
    else:
        condition = "available"
    return DayCondition(
        product_id,
        to_datetime(day * DAY_NS).date(),
        condition,
        whole,
        channels,
        _reasons(days, tracks, day),
    )


def _reasons(days: _Days, tracks: Sequence[_Track], day: int) -> dict[str, float]:
    """Why something is missing, the longest first: seconds at which it was so of any channel."""
    told_ns = days.told_ns(day)
    if not tracks and told_ns > day * DAY_NS:
        return {NOT_RECORDED: (told_ns - day * DAY_NS) / NS}
    spans: dict[str, list[tuple[int, int]]] = {}
    for track in tracks:
        for piece in track.pieces.get(day, ()):
            if piece.reason is not None and piece.start_ns < told_ns:
                span = piece.start_ns, min(piece.end_ns, told_ns)
                spans.setdefault(piece.reason, []).append(span)
    found = {reason: length_ns(each) / NS for reason, each in spans.items()}
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))
