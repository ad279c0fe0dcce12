"""Fills holes in the recorded trades by REST, beside the recording.

The core knows which trade ids are missing (`TradeIds.holes`): after a reconnect, a time without a
recorder, a lost frame. The Exchange's REST service has every trade since 2015, by id, without a
key, and the ids are those of Advanced Trade (`coinbase.md` §2.7.3). What is fetched goes the way of
everything that arrives, through the capture, so nothing is lost or doubled by a crash in between:
the next start knows what is still missing and goes on.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from recorder import logs
from recorder.core.frames import Arrival, Fetched
from recorder.core.trades import TradeIds
from recorder.errors import RecorderError, VenueUnavailableError

LOOK_S = 2.0
SETTLE_S = 5.0  # a snapshot of the last 100 trades often fills a hole by itself
BACKOFF_S_FIRST = 5.0
BACKOFF_S_MAX = 300.0

Hole = tuple[int, int]  # first and last missing id


class _Page(Protocol):
    @property
    def trades(self) -> Sequence[Any]:
        """Trades, newest first, as `recorder.feed.rest_answers.RestTrade`."""


class TradesService(Protocol):
    """What is needed of `recorder.feed.rest.Rest`."""

    def trades_between(self, product_id: str, below: int, above: int = 0) -> AsyncIterator[_Page]:
        """Page downwards over the trades with ``above`` < id < ``below``."""


class Shell(Protocol):
    """What is needed of the process around it."""

    def now_ns(self) -> int:
        """The time of receipt."""

    def deliver(self, arrival: Arrival) -> None:
        """Take an arrival; must not wait."""

    async def wait_room(self) -> None:
        """Wait until more may be taken."""


class Backfill:
    """Looks for holes and fills them, one product after the other, until cancelled."""

    def __init__(
        self,
        trades: Callable[[], Mapping[str, TradeIds]],
        service: TradesService,
        shell: Shell,
        note: Callable[[str, str], None],
    ) -> None:
        """``trades()`` is what is recorded now; ``note(kind, detail)`` writes a fault down."""
        self._trades = trades
        self._service = service
        self._shell = shell
        self._note = note
        self._log = logs.log()
        self._seen_s: dict[tuple[str, Hole], float] = {}
        self._lacking: dict[str, list[Hole]] = {}

    async def run(self) -> None:
        """Fill what is missing, and what comes to be missing."""
        wait_s = BACKOFF_S_FIRST
        while True:
            try:
                filled = await self.fill_due()
            except VenueUnavailableError as error:
                self._log.warning("backfill_waiting", error=str(error), wait_s=wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, BACKOFF_S_MAX)
                continue
            if filled:
                wait_s = BACKOFF_S_FIRST
            await asyncio.sleep(LOOK_S)

    async def fill_due(self) -> int:
        """Fill the holes that have been there for `SETTLE_S`; returns how many were asked for.

        Raises VenueUnavailableError where the venue does not answer.
        """
        due = self._due()
        for product_id, hole in due:
            try:
                await self._fill(product_id, hole)
            except VenueUnavailableError:
                raise
            except RecorderError as error:
                # The venue answered, and will not give these: they stay missing.
                self._lacking.setdefault(product_id, []).append(hole)
                detail = f"trades {hole[0]} … {hole[1]} of {product_id}: {error}"
                self._note("backfill_refused", detail)
        return len(due)

    async def fill_now(self) -> int:
        """Fill every hole, without waiting whether something else does; as `fill_due`."""
        for product_id, ids in self._trades().items():
            self._seen_s.update({(product_id, hole): float("-inf") for hole in ids.holes})
        return await self.fill_due()

    def _due(self) -> list[tuple[str, Hole]]:
        """Holes that are old enough, as far as the venue may have their trades."""
        now_s = asyncio.get_running_loop().time()
        present = {
            (product_id, hole)
            for product_id, ids in self._trades().items()
            for hole in ids.holes
            if not self._is_lacking(product_id, hole)
        }
        self._seen_s = {each: self._seen_s.get(each, now_s) for each in present}
        return sorted(each for each, seen_s in self._seen_s.items() if now_s >= seen_s + SETTLE_S)

    def _is_lacking(self, product_id: str, hole: Hole) -> bool:
        return any(
            first <= hole[0] and hole[1] <= last
            for first, last in self._lacking.get(product_id, ())
        )

    async def _fill(self, product_id: str, hole: Hole) -> None:
        """Ask for one hole, page by page, newest first; what does not come the venue lacks."""
        first, last = hole
        async for page in self._service.trades_between(product_id, last + 1, first - 1):
            await self._shell.wait_room()
            oldest = min((trade.trade_id for trade in page.trades), default=first)
            self._take(product_id, oldest, last, page.trades)
            last = oldest - 1
        if last >= first:
            self._take(product_id, first, last, [])
        ids = self._trades().get(product_id)
        left = [] if ids is None else ids.holes
        self._lacking.setdefault(product_id, []).extend(
            each for each in left if hole[0] <= each[0] and each[1] <= hole[1]
        )

    def _take(self, product_id: str, first: int, last: int, trades: Sequence[Any]) -> None:
        rows = [
            {
                "trade_id": trade.trade_id,
                "price": trade.price,
                "size": trade.size,
                "time": trade.time,
                "side": trade.side,
            }
            for trade in trades
        ]
        raw = msgspec.json.encode(rows)
        self._shell.deliver(Fetched(self._shell.now_ns(), product_id, first, last, raw))
