"""Missing trades filled by hand, in a directory that nobody records into: `recorder backfill`.

What is missing is what the files lack (`recorder.missing`), whatever the recorder remembers of it.
It is fetched as a running recorder does it (`recorder.backfill`) and goes the same way, through
the capture and the core. Doing it again asks for nothing that came, and a run that was cut off is
finished by the next one.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from recorder import recovery
from recorder.backfill import REFUSED, UNREADABLE, Page, TradesService, pages, told
from recorder.before import look_before
from recorder.clock import Clock
from recorder.config import Config
from recorder.core.frames import Arrival, Fetched, Noted, hour_of
from recorder.core.tables import TRADES
from recorder.core.trades import Hole, without
from recorder.errors import (
    ConfigError,
    LockedError,
    NoInputError,
    RecorderError,
    VenueUnavailableError,
)
from recorder.feed.rest import Rest
from recorder.finishing import on_disk
from recorder.hours import show_open_hour
from recorder.missing import MissingTrades, missing_trades
from recorder.recording import Recording, end_lost
from recorder.store.importing import take_back
from recorder.store.lock import WriterLock
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root, hour_text
from recorder.store.publish import empty

Progress = Callable[[int, int], None]

FLUSH_S = 10.0  # so much a kill can undo; it is fetched again
_TRADE_ID = TRADES.stored().index("trade_id")


@dataclass(slots=True)
class ProductFilled:
    """What was missing of a product and what came of it.

    ``lacking`` is what the venue does not have, as ranges of ids; ``refused`` why it gives nothing
    of this product.
    """

    product_id: str
    missing: list[MissingTrades]
    filled: int = 0
    lacking: list[Hole] = field(default_factory=list)
    refused: str | None = None

    @property
    def count(self) -> int:
        """How many trades were missing."""
        return sum(hole.count for hole in self.missing)


@dataclass(slots=True)
class FillReport:
    """What was missing, what was filled, and which hours were sealed.

    ``error`` is why the venue could not be asked any further. ``unfinished``: the recording has no
    end, so that its last seconds may be in the capture alone and are not counted.
    """

    products: list[ProductFilled] = field(default_factory=list)
    missing: int = 0
    filled: int = 0
    dry_run: bool = False
    unfinished: bool = False
    sealed: list[str] = field(default_factory=list)
    error: str | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing is missing now."""
        return self.missing == self.filled


def look(
    config: Config,
    product_ids: Collection[str] | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> FillReport:
    """Say what is missing in what was recorded between two times; writes nothing, needs no lock.

    Raises:
        NoInputError: it is no data directory, or holds no trades of a product that is named.
        DataError: a file cannot be read.
    """
    root = Root(config.data)
    _check_there(root)
    report = _found(root, product_ids, start_ns, end_ns, dry_run=True)
    report.unfinished = not look_before(root).orderly
    return report


def fill(
    config: Config,
    product_ids: Collection[str] | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    progress: Progress | None = None,
) -> FillReport:
    """Fetch what is missing in what was recorded between two times, and seal; blocks.

    Where the venue stops to answer, what came until then is kept, and the report says so.

    Raises:
        ConfigError: there is nobody to ask.
        NoInputError, DataError: as `look`.
        LockedError: somebody records into the data directory.
        StorageError: the disk refused.
    """
    root = Root(config.data)
    _check_there(root)
    if not config.feed.trades_url:
        raise ConfigError(
            "feed.trades_url is empty: there is nobody to ask for trades. Leave it out for the "
            "Exchange's own address, or name another"
        )
    with _alone(root), on_disk(root, "what was fetched is not fetched twice"):
        _finish(root)
        report = _found(root, product_ids, start_ns, end_ns)
        if report.missing:
            asyncio.run(_fetch(root, config.feed.trades_url, report, progress))
            recovery.publish_missing(root.path)
            hours = recovery.unsealed(root)
            commits = recovery.seal_and_switch(root, hours)
            report.sealed = [hour_text(commit.hour) for commit in commits]
        return report


def _check_there(root: Root) -> None:
    if not root.path.is_dir():
        raise NoInputError(f"{root.path}: no such directory. Name one that was recorded into.")


def _found(
    root: Root,
    product_ids: Collection[str] | None,
    start_ns: int | None,
    end_ns: int | None,
    *,
    dry_run: bool = False,
) -> FillReport:
    holes = missing_trades(root, product_ids, start_ns, end_ns)
    nowhere = sorted(set(product_ids or ()) - holes.keys())
    if nowhere:
        raise NoInputError(
            f"{root.path} holds no trades of {', '.join(nowhere)}. `recorder products` lists what "
            "it holds"
        )
    products = [ProductFilled(product_id, holes[product_id]) for product_id in holes]
    missing = sum(product.count for product in products)
    return FillReport(products, missing, dry_run=dry_run)


@contextmanager
def _alone(root: Root) -> Iterator[None]:
    """Hold the directory; a recorder that runs in it needs nobody's help."""
    try:
        lock = WriterLock(root).__enter__()
    except LockedError as error:
        raise LockedError(
            f"{error} A recorder that runs fetches missing trades by itself, within seconds: "
            "`recorder coverage` and `--dry-run` here show what is left."
        ) from error
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _finish(root: Root) -> None:
    """Publish what an earlier process left, so that the files hold all that is recorded."""
    empty(root.staging)
    write_empty_parts(root)
    take_back(root)
    end_lost(root)
    recovery.publish_missing(root.path)


async def _fetch(root: Root, url: str, report: FillReport, progress: Progress | None) -> None:
    """Fill the holes of a report, as far as the venue answers."""
    async with Rest("exchange", url) as service:
        filling = _Filling(root, service, report, progress)
        try:
            await filling.run()
        except VenueUnavailableError as error:
            report.error = str(error)
        finally:
            filling.end()


class _Filling:
    """Trades that come by REST into a recording that records nothing else."""

    def __init__(
        self, root: Root, service: TradesService, report: FillReport, progress: Progress | None
    ) -> None:
        self._service = service
        self._report = report
        self._progress = progress
        self._done = 0
        self._clock = Clock(time.time_ns, after_ns=look_before(root).last_ns or 0)
        show_open_hour(root, hour_of(self._clock.now_ns()))
        self._recording = Recording(root, self._clock.now_ns(), idle=True)
        self._flushed_s = time.monotonic()

    async def run(self) -> None:
        """Fill product by product, the oldest hole first; keep what comes every `FLUSH_S`."""
        for product in self._report.products:
            try:
                for hole in product.missing:
                    async for page in pages(
                        self._service, product.product_id, (hole.first, hole.last)
                    ):
                        self._take(product, page)
            except VenueUnavailableError:
                raise
            except RecorderError as error:
                product.refused = str(error)
                self._note(REFUSED, f"{product.product_id}: {error}")

    def end(self) -> None:
        """Everything that came is on disk."""
        self._recording.stop(self._clock.now_ns())
        self._recording.flush()
        self._recording.capture.close()

    def _take(self, product: ProductFilled, page: Page) -> None:
        if page.problems:
            self._note(UNREADABLE, told(page.problems))
        now_ns = self._clock.now_ns()
        mark = Fetched(now_ns, product.product_id, page.first, page.last, page.trades, absent=True)
        came = self._deliver(mark)
        product.filled += len(came)
        product.lacking += without([(page.first, page.last)], [(each, each) for each in came])
        self._report.filled += len(came)
        self._done += page.last - page.first + 1
        if self._progress is not None:
            self._progress(self._done, self._report.missing)
        if time.monotonic() >= self._flushed_s + FLUSH_S:
            self._recording.flush()
            self._flushed_s = time.monotonic()

    def _note(self, kind: str, detail: str) -> None:
        self._deliver(Noted(self._clock.now_ns(), kind, detail))

    def _deliver(self, arrival: Arrival) -> Sequence[int]:
        """Record what arrived; returns the ids of the trades that it brought, oldest first."""
        step = self._recording.take(arrival)
        return [
            trade_id
            for block in step.rows
            if block.table == TRADES.name
            for trade_id in block.values[_TRADE_ID]
        ]
