"""Whether a range is complete: its gaps, but for those that later trades fill."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from recorder.core.coverage import GAP
from recorder.core.tables import TABLES, TRADES, Table
from recorder.dataset.coverage import coverage_rows
from recorder.dataset.files import View
from recorder.dataset.fills import fill, late_gaps
from recorder.dataset.gaps import CHANNELS, Gap, Interval, incomplete, intervals, look
from recorder.dataset.inventory import refuse_unknown
from recorder.errors import IncompleteData, NoInputError, UsageError
from recorder.times import to_text

# Channels go by the name of their table or by that under which they are subscribed.
TABLE_OF = {name: table for table, names in CHANNELS.items() for name in (table, *names)}


_WITHIN = "Give a range within it"
_ADD = "Add its channel to `feed.channels`"


@dataclass(frozen=True, slots=True)
class Range:
    """What is known of a range of a table.

    ``start_ns`` and ``end_ns`` are as asked for, or else those of what is recorded; None where
    nothing is. ``later`` are the hours that hold trades of it which came later than they happened,
    ``filled`` the gaps that those fill, with the time of receipt of the last that does.
    """

    table: Table
    product_id: str | None
    told: tuple[Interval, ...]
    gaps: tuple[Gap, ...]
    start_ns: int | None
    end_ns: int | None
    later: tuple[int, ...] = ()
    filled: tuple[tuple[Gap, int], ...] = ()

    @property
    def empty(self) -> bool:
        """Whether it has no moment: half-open, and its end is its begin."""
        return self.start_ns is not None and self.start_ns == self.end_ns

    def __str__(self) -> str:
        of = "" if self.product_id is None else f" of {self.product_id}"
        since = "" if self.start_ns is None else f" from {to_text(self.start_ns)}"
        until = "" if self.end_ns is None else f" to {to_text(self.end_ns)}"
        return f"{self.table.name}{of}{since}{until}"


def examine(
    view: View, table: Table, product_id: str | None, start_ns: int | None, end_ns: int | None
) -> Range:
    """Look at a range of a table that has coverage. One without length lacks nothing.

    Raises NoInputError where nothing of the product is recorded at any time.
    """
    if start_ns is not None and start_ns == end_ns:
        if product_id is not None:
            refuse_unknown(view, product_id)
        return Range(table, product_id, (), (), start_ns, end_ns)
    found = look(view, product_id, CHANNELS[table.name], start_ns, end_ns)
    if not found.intervals and product_id is not None:
        refuse_unknown(view, product_id)
    if table is not TRADES:
        return Range(table, product_id, found.intervals, found.gaps, found.start_ns, found.end_ns)
    of_all = {each.product_id for each in found.intervals} if product_id is None else {product_id}
    gaps = [gap for gap in found.gaps if gap.product_id is None]
    later: set[int] = set()
    filled: list[tuple[Gap, int]] = []
    for each in sorted(name for name in of_all if name is not None):
        mine = [gap for gap in found.gaps if gap.product_id == each]
        fills = fill(view, each, mine, start_ns)
        gaps += fills.gaps
        filled += fills.filled
        behind = [gap for gap in late_gaps(view, each, start_ns, end_ns) if not _in(gap, mine)]
        later |= fills.hours | fill(view, each, behind, start_ns).hours
    gaps.sort(key=lambda gap: (gap.product_id or "", gap.start_ns))
    return Range(
        table,
        product_id,
        found.intervals,
        tuple(gaps),
        found.start_ns,
        found.end_ns,
        tuple(sorted(later)),
        tuple(filled),
    )


def _in(gap: Gap, others: Sequence[Gap]) -> bool:
    return any(gap.start_ns <= each.start_ns and gap.end_ns >= each.end_ns for each in others)


def require(view: View, found: Range) -> None:
    """Raise IncompleteData where a range has gaps, or nothing of it is recorded at any time."""
    if found.gaps:
        raise incomplete(f"{found}", found.gaps, _told(view, found))
    if not found.told and not found.empty:
        told = _told(view, found)
        advice = _WITHIN if recorded_anywhere(view, found) else _ADD
        raise IncompleteData(
            f"{found} is not recorded. {told} {advice}, or `allow_gaps=True` to take no rows."
        )


def recorded_anywhere(view: View, found: Range) -> list[Interval]:
    """What was recorded of a table and product at any time."""
    channels = CHANNELS[found.table.name]
    return [each for each in intervals(view, found.product_id, channels) if each.state != GAP]


def _told(view: View, found: Range) -> str:
    """What there is, for the error that says what there is not."""
    here = [each for each in found.told if each.state != GAP]
    told = here or recorded_anywhere(view, found)
    if not told:
        return "Nothing of it is recorded."
    first, last = min(each.start_ns for each in told), max(each.end_ns for each in told)
    where = " in that range" if here else ""
    return f"The recording{where} reaches from {to_text(first)} to {to_text(last)}."


def channels_named(channel: str | None) -> tuple[str, ...]:
    """The channels that a word means, as they are subscribed: a table's, one of them, or all.

    Raises UsageError where it means none.
    """
    if channel is None:
        return tuple(name for names in CHANNELS.values() for name in names)
    if not isinstance(channel, str) or channel not in TABLE_OF:
        raise UsageError(f"{channel!r} is no channel. The channels are {', '.join(CHANNELS)}.")
    return CHANNELS.get(channel, (channel,))


def channel_told(channel: str | None) -> str | None:
    """The channel that a word means in `coverage`: that of a table, or one itself; None for all.

    Raises UsageError where it means none.
    """
    if channel is None:
        return None
    names = channels_named(channel)
    return channel if channel in names else names[0]


def all_gaps(
    view: View,
    product_id: str | None,
    channel: str | None,
    start_ns: int | None,
    end_ns: int | None,
) -> list[Gap]:
    """The gaps of a product and channel, or of all of them, by channel, product and time."""
    channels_named(channel)
    names = CHANNELS if channel is None else [TABLE_OF[channel]]
    gaps: list[Gap] = []
    told = False
    nothing = not coverage_rows(view, product_id, None, start_ns, end_ns, or_none=True).num_rows
    for name in names:
        found = intervals(view, product_id, CHANNELS[name], start_ns, end_ns)
        told = told or any(each.product_id == product_id for each in found)
        if nothing and (start_ns is not None or end_ns is not None):
            found = intervals(view, product_id, CHANNELS[name])  # at any time
            told = told or any(each.product_id == product_id for each in found)
        tracks = {each.product_id for each in found}
        if channel is not None and product_id is not None and not found:
            tracks = {product_id}
        for of in sorted(tracks, key=lambda each: each or ""):
            gaps += examine(view, TABLES[name], of, start_ns, end_ns).gaps
    if not told and product_id is not None:
        refuse_unknown(view, product_id)
    if channel == "ticker_batch":
        gaps = [gap for gap in gaps if gap.channel == channel]
    return sorted(gaps, key=lambda gap: (gap.channel, gap.product_id or "", gap.start_ns))


def complete_range(
    view: View,
    table: Table,
    product_id: str,
    start_ns: int | None,
    end_ns: int | None,
    *,
    allow_gaps: bool,
) -> Range:
    """A range of a product whose gaps are allowed, or that has none, with both its ends.

    Raises IncompleteData, and NoInputError where nothing of it is recorded and no end was named.
    """
    found = examine(view, table, product_id, start_ns, end_ns)
    if not allow_gaps:
        require(view, found)
    if found.start_ns is not None and found.end_ns is not None:
        return found
    if not recorded_anywhere(view, found):
        raise NoInputError(
            f"No {table.name} of {product_id} is recorded. {_ADD}, or take another product."
        )
    # It has no other end: before or behind all that is recorded.
    only_ns = start_ns if start_ns is not None else end_ns
    return replace(found, start_ns=only_ns, end_ns=only_ns)
