"""Reading what was recorded: sealed files and the hour that is still open, as one.

    db = recorder.open("data")
    db.trades("BTC-USD", start="2026-11-21T19:00", end="2026-11-21T20:00").to_pandas()
    db.book("BTC-USD", depth=10)

Times are text (ISO 8601, UTC), datetimes or ints since 1970; ranges are half-open, [start, end).
Without a start a range begins with the first thing recorded, without an end it goes to the newest.
A range with a gap raises `IncompleteData`, which names the gaps, unless ``allow_gaps=True``.

Nothing is locked or held open. Each answer is one consistent state: all that was published up to
one moment, while it is being recorded and sealed.
"""

from collections.abc import Iterable
from os import PathLike
from typing import Unpack

import pyarrow as pa

from recorder.dataset import inventory
from recorder.dataset.asked import asked
from recorder.dataset.bars import bars_in, length_ns
from recorder.dataset.books import NEWEST_NS, BookView, book_in, levels_of
from recorder.dataset.describe import Description, ProductDescription
from recorder.dataset.distributions import Distribution
from recorder.dataset.events import (
    Candle,
    Event,
    Heartbeat,
    LevelChanges,
    Status,
    Ticker,
    Trade,
)
from recorder.dataset.files import View
from recorder.dataset.gaps import Gap
from recorder.dataset.hourly import CoverageMap, DayCondition, HourCoverage, ProductCoverage
from recorder.dataset.inventory import HourSummary, ProductSummary
from recorder.dataset.published import open_files
from recorder.dataset.readable import Answer, Readable
from recorder.dataset.replay import Replay, replay_in, tables_of
from recorder.dataset.selection import Options, Selection, query_of
from recorder.dataset.shares import Share
from recorder.dataset.tops import tops_in
from recorder.dataset.trusted import Trusted
from recorder.errors import IncompleteData
from recorder.times import Time, bounds, to_ns

__all__ = [
    "Answer",
    "BookView",
    "Candle",
    "CoverageMap",
    "Dataset",
    "DayCondition",
    "Description",
    "Distribution",
    "Event",
    "Gap",
    "Heartbeat",
    "HourCoverage",
    "HourSummary",
    "IncompleteData",
    "LevelChanges",
    "Options",
    "ProductCoverage",
    "ProductDescription",
    "ProductSummary",
    "Readable",
    "Replay",
    "Selection",
    "Share",
    "Status",
    "Ticker",
    "Time",
    "Trade",
    "open_dataset",
    "to_ns",
]


class Dataset(Trusted):
    """A data directory, or what was published of one, for reading. Holds nothing open.

    >>> db = recorder.open("data")
    >>> db
    <recorder.open('data')>
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        endpoint: str | None = None,
        allow_http: bool = False,
    ) -> None:
        self._files = open_files(path, endpoint, allow_http=allow_http)
        self.path = self._files.path

    def __repr__(self) -> str:
        return f"<recorder.open({str(self.path)!r})>"

    # --- tables ----------------------------------------------------------------------------------

    def level2(
        self,
        product_id: str,
        start: Time | None = None,
        end: Time | None = None,
        **options: Unpack[Options],
    ) -> Selection:
        """Book changes of a product received in [start, end).

        All tables take the same `Options`. Nothing is read yet: `Selection.to_pandas`,
        ``to_polars``, ``to_arrow``, ``to_duckdb`` and ``batches`` read, each anew.

        >>> changes = db.level2("BTC-USD", "2026-11-10T19:00:10Z", "2026-11-10T19:00:12Z")
        >>> changes.to_pandas()[["kind", "side", "price", "size"]]
             kind side     price  size
        0  update  bid  65000.00  0.75
        1  update  ask  65001.00  0.00
        2  update  ask  65000.75  1.50
        """
        return self.select("level2", product_id, start, end, **options)

    def trades(
        self,
        product_id: str,
        start: Time | None = None,
        end: Time | None = None,
        **options: Unpack[Options],
    ) -> Selection:
        """Trades of a product in [start, end), each once, in the order in which they came.

        A trade counts where it was received; one that came later than it happened, because a
        snapshot repeated it or it was fetched, counts at its `trade_time`. So a gap that such
        trades fill is none.

        >>> trades = db.trades("BTC-USD", columns=["trade_id", "price", "size"], exact=True)
        >>> trades
        <trades of BTC-USD>
        >>> trades.to_pandas().head(2)
           trade_id    price size
        0       101  65000.5  0.1
        1       102    65001  0.1
        """
        return self.select("trades", product_id, start, end, **options)

    def ticker(
        self,
        product_id: str,
        start: Time | None = None,
        end: Time | None = None,
        **options: Unpack[Options],
    ) -> Selection:
        """Tickers of a product received in [start, end), of both ticker channels."""
        return self.select("ticker", product_id, start, end, **options)

    def candles(
        self,
        product_id: str,
        start: Time | None = None,
        end: Time | None = None,
        **options: Unpack[Options],
    ) -> Selection:
        """Five-minute candles of a product as sent in [start, end); for others see `bars`."""
        return self.select("candles", product_id, start, end, **options)

    def heartbeats(
        self,
        product_id: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
        **options: Unpack[Options],
    ) -> Selection:
        """Beats of the connections in [start, end); only the Exchange has them by product."""
        return self.select("heartbeats", product_id, start, end, **options)

    def status(
        self,
        product_id: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
        **options: Unpack[Options],
    ) -> Selection:
        """The rules of products as sent in [start, end), of one product or of all."""
        return self.select("status", product_id, start, end, **options)

    def audits(
        self,
        product_id: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
        **options: Unpack[Options],
    ) -> Selection:
        """How tickers fitted the books: the counts that touch [start, end)."""
        return self.select("audits", product_id, start, end, **options)

    def faults(
        self,
        product_id: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
        **options: Unpack[Options],
    ) -> Selection:
        """Every doubt about the data written down in [start, end)."""
        return self.select("faults", product_id, start, end, **options)

    def select(
        self,
        table: str,
        product_id: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
        **options: Unpack[Options],
    ) -> Selection:
        """Rows of any table, by name, in [start, end); without a product those of all."""
        product_id = inventory.product_or_all(product_id)
        return Selection(self._files, query_of(table, product_id, bounds(start, end), options))

    # --- what there is ---------------------------------------------------------------------------

    def product_ids(self) -> list[str]:
        """The products that anything is recorded of, in alphabetical order.

        >>> db.product_ids()
        ['BTC-USD']
        """
        return self._files.consistently(inventory.product_ids)

    def products(self) -> list[ProductSummary]:
        """What is recorded of each product.

        >>> [(each.product_id, each.hours) for each in db.products()]
        [('BTC-USD', 1)]
        """
        return self._files.consistently(inventory.products)

    def hours(self, start: Time | None = None, end: Time | None = None) -> list[HourSummary]:
        """The hours with anything recorded that [start, end) touches, oldest first.

        >>> [(each.start.hour, each.state, each.products) for each in db.hours()]
        [(19, 'open', {'BTC-USD': 14})]
        """
        span = bounds(start, end)
        return self._files.consistently(lambda view: inventory.hours(view, *span))

    # --- books -----------------------------------------------------------------------------------

    def book(self, product_id: str, at: Time | None = None, depth: int | None = None) -> BookView:
        """A product's book as it was after everything received up to ``at`` (None: the newest).

        Look at ``valid`` before you use it. Raises NoInputError where nothing of it is recorded up
        to then.

        >>> book = db.book("BTC-USD", at="2026-11-10T19:00:10Z", depth=1)
        >>> book.valid, book.bids, book.asks
        (True, [('65000', '0.5')], [('65001', '0.25')])
        """
        inventory.is_product(product_id)
        at_ns, levels = NEWEST_NS if at is None else to_ns(at), levels_of(depth)
        return self._files.consistently(lambda view: book_in(view, product_id, at_ns, levels))

    def top_of_book(
        self,
        product_id: str,
        start: Time | None = None,
        end: Time | None = None,
        *,
        live: bool = True,
        allow_gaps: bool = False,
    ) -> Answer:
        """The best bid and ask with their sizes, a row each time one of the four changes.

        The last row at or before a moment in [start, end) is what was so then; the first row stands
        at the start. Prices are null where there was no book to be trusted, and ``reason`` says
        why; a side that is empty is null alone. A row is the state after a whole message.

        >>> tops = db.top_of_book("BTC-USD", "2026-11-10T19:00:10Z", "2026-11-10T19:00:12Z")
        >>> tops.to_pandas()[["best_bid", "best_bid_size", "best_ask", "best_ask_size"]]
           best_bid  best_bid_size  best_ask  best_ask_size
        0   65000.0           0.50  65001.00           0.25
        1   65000.0           0.75  65001.00           0.25
        2   65000.0           0.75  65000.75           1.50
        """
        of, span = inventory.is_product(product_id), bounds(start, end)

        def answer(view: View) -> pa.Table:
            return tops_in(view, of, *span, allow_gaps=allow_gaps)

        return Answer(f"top of book of {product_id}", self._files, answer, live=live)

    # --- trades ----------------------------------------------------------------------------------

    def bars(
        self,
        every: str,
        product_id: str,
        start: Time | None = None,
        end: Time | None = None,
        *,
        live: bool = True,
        allow_gaps: bool = False,
    ) -> Answer:
        """Bars of trades: open, high, low, close, volume, vwap and the number of trades.

        ``every`` is such as ``1s``, ``5m`` or ``1h``. A bar holds the trades with `trade_time` in
        [start_time, start_time + every); bars begin at whole multiples of their length, and a range
        is rounded outwards to them. Where nothing was traded prices are null. ``complete`` is False
        where a gap touches a bar, and at both ends where the recording does not reach.

        >>> bars = db.bars("10s", "BTC-USD", "2026-11-10T19:00:10Z", "2026-11-10T19:00:30Z")
        >>> bars.to_pandas()[["open", "high", "low", "close", "volume", "trades", "complete"]]
              open     high       low     close  volume  trades  complete
        0  65001.0  65001.0  65000.25  65000.25     0.3       2      True
        1      NaN      NaN       NaN       NaN     0.0       0      True
        """
        of, width_ns = inventory.is_product(product_id), length_ns(every)
        span = bounds(start, end)

        def answer(view: View) -> pa.Table:
            return bars_in(view, width_ns, of, *span, allow_gaps=allow_gaps)

        return Answer(f"{every} bars of {product_id}", self._files, answer, live=live)

    # --- SQL -------------------------------------------------------------------------------------

    def sql(self, query: str) -> Answer:
        """What a query in SQL gives: DuckDB, over the views and macros of `recorder.sql`.

        Nothing is read yet: ``to_duckdb``, ``to_pandas``, ``to_polars``, ``to_arrow`` and
        ``batches`` ask, each anew, of one consistent state. Of several statements all run, in one
        session, and the last gives the rows: so ``SET VARIABLE`` can stand before a macro. Nothing
        is written. Gaps raise nothing here: ask `in_gap` or `book_valid`.

        >>> db.sql("SELECT side, price, size FROM depth_at('BTC-USD', '2026-11-10T19:00:10', 1)")
        <SQL: SELECT side, price, size FROM depth_at('BTC-USD', '2026-11-1…>
        >>> db.sql("SELECT count(*) AS trades, sum(size) AS volume FROM trades").to_pandas()
           trades  volume
        0       4     0.8
        >>> db.sql("SELECT max(price) FROM trades").to_duckdb().fetchall()
        [(65001.0,)]

        Raises UsageError for what is no SQL, would write, or is asked of published data; DataError
        where what it reads is damaged.
        """
        return asked(self._files, query)

    # --- everything ------------------------------------------------------------------------------

    def replay(
        self,
        products: str | Iterable[str] | None = None,
        start: Time | None = None,
        end: Time | None = None,
        channels: str | Iterable[str] = ("level2", "trades", "ticker"),
        *,
        books: bool = False,
        live: bool = True,
        allow_gaps: bool = False,
    ) -> Replay:
        """Everything received in [start, end), in order, as typed events; without end in memory.

        Events of all products (None: of every one) and channels come by `ingest_seq`. A range that
        begins within an hour gives its books first, as `LevelChanges` of kind ``checkpoint``; a
        gap that is allowed is an event, too. With ``books`` the result's ``books`` follow along.

        >>> run = db.replay("BTC-USD", "2026-11-10T19:00:10Z", "2026-11-10T19:00:12Z", books=True)
        >>> for event in run:
        ...     match event:
        ...         case Trade(price=price, size=size):
        ...             print(price, size, run.books["BTC-USD"].best_bid())
        65001.0 0.1 65000.0
        65000.25 0.2 65000.0
        """
        return replay_in(
            self._files,
            inventory.products_or_all(products),
            bounds(start, end),
            tables_of(channels),
            books=books,
            live=live,
            allow_gaps=allow_gaps,
        )


def open_dataset(
    path: str | PathLike[str], *, endpoint: str | None = None, allow_http: bool = False
) -> Dataset:
    """Open a data directory or published data for reading; `recorder.open` is the same.

    Raises NoInputError where there is none.
    """
    return Dataset(path, endpoint=endpoint, allow_http=allow_http)
