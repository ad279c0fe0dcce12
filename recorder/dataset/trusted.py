"""What may be trusted of a data directory: coverage, gaps, conditions, and what a range is like.

The part of `Dataset` that tells of the data rather than giving it.
"""

import time
from collections.abc import Iterable

import pyarrow as pa

from recorder.dataset import inventory
from recorder.dataset.coverage import coverage_rows
from recorder.dataset.describe import Description, describe_in
from recorder.dataset.files import Files, View
from recorder.dataset.gaps import Gap
from recorder.dataset.hourly import CoverageMap, DayCondition, coverage_map
from recorder.dataset.ranges import all_gaps, channel_told
from recorder.times import Time, bounds


class Trusted:
    """What is recorded, what is not, and how it is."""

    _files: Files

    def coverage(
        self,
        product_id: str | None = None,
        channel: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
    ) -> pa.Table:
        """What was recorded and what was not, by channel, product and time.

        With a range, the intervals that touch [start, end). One that is still going on ends at the
        newest part; its ``detail`` says so.

        >>> db.coverage("BTC-USD", "level2").column("state").to_pylist()
        ['recorded', 'gap', 'recorded']
        """
        product_id, span = inventory.product_or_all(product_id), bounds(start, end)
        named = channel_told(channel)

        def answer(view: View) -> pa.Table:
            rows = coverage_rows(view, product_id, named, *span)
            if product_id is not None and not rows.num_rows:
                inventory.refuse_unknown(view, product_id)
            return rows

        return self._files.consistently(answer)

    def gaps(
        self,
        product_id: str | None = None,
        channel: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
    ) -> list[Gap]:
        """What is missing in [start, end), by channel, product and time; empty where nothing is.

        Of all products and channels unless they are named. What was never recorded is a gap where
        the range names it (`not_recorded`); a gap of trades is none where every trade id over it
        came later.

        >>> for gap in db.gaps("BTC-USD", "level2"):
        ...     print(gap)
        level2 BTC-USD  2026-11-10T19:00:20Z to 2026-11-10T19:00:25Z  sequence_gap (1 message ...
        """
        product_id, span = inventory.product_or_all(product_id), bounds(start, end)
        return self._files.consistently(lambda view: all_gaps(view, product_id, channel, *span))

    def coverage_map(
        self,
        products: str | Iterable[str] | None = None,
        channel: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
    ) -> CoverageMap:
        """How much of each hour of each product was recorded, and the condition of its days.

        Of all products and channels unless they are named. A range is rounded outwards to whole
        hours, and where an end of it is not given to whole days (UTC).

        >>> found = db.coverage_map("BTC-USD")
        >>> hour = found.products[0].hours[19]
        >>> hour.start.hour, hour.state, hour.share.gaps, sorted(hour.channels)
        (19, 'gap', 2, ['level2', 'market_trades', 'ticker'])
        """
        wanted, span = inventory.products_or_all(products), bounds(start, end)
        return self._files.consistently(
            lambda view: coverage_map(view, wanted, channel, *span, now_ns=time.time_ns())
        )

    def conditions(
        self,
        products: str | Iterable[str] | None = None,
        start: Time | None = None,
        end: Time | None = None,
    ) -> list[DayCondition]:
        """The condition of each day (UTC) of each product that [start, end) touches.

        ``available``, ``degraded``, ``missing`` or ``pending``: see `DayCondition`.

        >>> [(each.day.isoformat(), each.condition) for each in db.conditions("BTC-USD")]
        [('2026-11-10', 'pending')]
        """
        found = self.coverage_map(products, None, start, end)
        return [day for product in found.products for day in product.days]

    def describe(
        self,
        products: str | Iterable[str],
        start: Time | None = None,
        end: Time | None = None,
        *,
        live: bool = True,
    ) -> Description:
        """What a range of products is like: rows, rates, latencies, the spread, the trades.

        It needs no ``allow_gaps``: the gaps are told, and rates leave out the seconds that they
        touch. Memory is that of an hour's book changes of one product, however long the range.

        >>> found = db.describe("BTC-USD", "2026-11-10T19:00:10Z", "2026-11-10T19:00:12Z")
        >>> [(each.table, each.rows) for each in found.products[0].tables]
        [('level2', 3), ('trades', 2)]
        >>> round(found.products[0].spread.basis_points.max, 3)
        0.154
        """
        wanted, span = inventory.products_or_all(products), bounds(start, end)
        return self._files.consistently(
            lambda view: describe_in(view, wanted or (), *span), live=live
        )
