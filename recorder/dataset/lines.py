"""Since when and until when each connection recorded a product: how long its book is to be trusted.

Several connections may record a product at the same time. Where one of them ends there is no gap
while another goes on, and nothing but its interval in `coverage` tells that its book ended.
"""

from collections.abc import Iterable

from recorder.core.coverage import BACKFILLED, GAP
from recorder.core.frames import HOUR_NS
from recorder.dataset.gaps import Interval

Spans = dict[tuple[str | None, str | None], list[tuple[int, int]]]
"""(product, connection) → [(begin, end)] in nanoseconds, `end` as `behind` has it."""


def behind(end_ns: int) -> int:
    """Where an interval is over: it ends with the microsecond of its last frame, or an hour."""
    return end_ns if end_ns % HOUR_NS == 0 else end_ns + 1000


def spans_of(told: Iterable[Interval]) -> Spans:
    """The spans of each connection, oldest first; those that only an hour's turn cuts are one."""
    found: Spans = {}
    for each in sorted(told, key=lambda each: each.start_ns):
        if each.state in (GAP, BACKFILLED):
            continue
        mine = found.setdefault((each.product_id, each.connection_id), [])
        if mine and each.start_ns == mine[-1][1] and each.start_ns % HOUR_NS == 0:
            mine[-1] = mine[-1][0], behind(each.end_ns)
        else:
            mine.append((each.start_ns, behind(each.end_ns)))
    return found


def lines_at(told: Iterable[Interval], at_ns: int) -> dict[str | None, set[str | None]]:
    """The connections that recorded each product at a time."""
    found: dict[str | None, set[str | None]] = {}
    for (product_id, line), spans in spans_of(told).items():
        if any(begin_ns <= at_ns < end_ns for begin_ns, end_ns in spans):
            found.setdefault(product_id, set()).add(line)
    return found
