"""The spread through a range: from the top of the book, each weighted by how long it lasted."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice

import numpy as np
import pyarrow.compute as pc

from recorder.core.tables import LEVEL2, STATUS
from recorder.dataset.distributions import Counted, Distribution, Gathered, short
from recorder.dataset.files import HOUR_NS, View
from recorder.dataset.reading import join, read_file
from recorder.dataset.tops import tops_in

_HOURS_LOOKED_AT = 48  # rules come with each subscription, and once a day
_COLUMNS = ("product_id", "price_increment", "quote_increment", "ingest_seq", "recv_ns")


@dataclass(frozen=True, slots=True)
class Spread:
    """Best ask less best bid while both were there and the book was trusted, by time.

    ``increments`` are steps of ``increment``, the smallest step of a price; None where the rules
    of the product were not recorded. ``basis_points`` are of the middle. ``seconds`` is how long
    there was a spread.
    """

    seconds: float
    increment: str | None
    increments: Distribution | None
    basis_points: Distribution


def spread_in(view: View, product_id: str, start_ns: int, end_ns: int) -> Spread | None:
    """The spread of a range, whatever gaps it has; None where there was none.

    Books are worked out hour by hour, so memory is that of one.
    """
    increment = _increment(view, product_id, end_ns)
    steps, points = Counted("increments"), Gathered("basis points")
    seconds = 0.0
    for hour in view.hours(start_ns, end_ns):
        begin_ns, until_ns = max(start_ns, hour * HOUR_NS), min(end_ns, (hour + 1) * HOUR_NS)
        if not view.of_hour(LEVEL2.name, hour, product_id):
            continue
        tops = tops_in(view, product_id, begin_ns, until_ns, allow_gaps=True)
        if not tops.num_rows:
            continue
        received = tops.column("recv_ns").to_numpy()
        lasted = np.diff(received, append=until_ns) / 1e9
        bids, asks = (
            pc.fill_null(tops.column(name), np.nan).to_numpy() for name in ("best_bid", "best_ask")
        )
        wide = asks - bids
        there = np.isfinite(wide)
        seconds += float(lasted[there].sum())
        points.add(wide / (asks + bids) * 20_000, lasted)
        if increment is not None:
            steps.add(np.rint(wide / float(increment)), lasted)
    found = points.distribution()
    if found is None:
        return None
    text = None if increment is None else format(increment.normalize(), "f")
    return Spread(short(seconds), text, steps.distribution(), found)


def _increment(view: View, product_id: str, end_ns: int) -> Decimal | None:
    """The smallest step of a price by the newest rules at the end of a range, or behind it."""
    hours = [*islice(view.hours_back((end_ns - 1) // HOUR_NS), _HOURS_LOOKED_AT)]
    after = view.hour_after((end_ns - 1) // HOUR_NS)
    for hour in [*hours, *([] if after is None else [after])]:
        wanted = pc.field("product_id") == product_id
        pieces = [
            read_file(path, STATUS, wanted, _COLUMNS) for path in view.of_hour(STATUS.name, hour)
        ]
        for row in reversed(join(STATUS, pieces, _COLUMNS).to_pylist()):
            # That of the list of products is the price's own; the channel has only the other.
            step = _step(row["price_increment"]) or _step(row["quote_increment"])
            if step is not None:
                return step
    return None


def _step(text: str | None) -> Decimal | None:
    try:
        step = Decimal(text or "0")
    except InvalidOperation:
        return None
    return step if step.is_finite() and step > 0 else None
