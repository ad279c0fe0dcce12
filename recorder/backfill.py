"""Fills holes in the recorded trades by REST, beside the recording.

The core knows which trade ids are missing (`TradeIds.holes`): after a reconnect, a time without a
recorder, a lost frame. The Exchange's REST service has every trade since 2015, by id, without a
key, and the ids are those of Advanced Trade (`coinbase.md` §2.7.3). What is fetched goes the way of
everything that arrives, through the capture, so nothing is lost or doubled by a crash in between:
the next start knows what is still missing and goes on.

The smallest hole is filled first, and a large one in turns, so that a day of trades that are
missing does not keep the seconds of another product waiting.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from recorder import logs
from recorder.core.frames import Arrival, Fetched
from recorder.core.trades import JUMP_MAX, Hole, TradeIds, size, within, without
from recorder.errors import RecorderError, VenueUnavailableError

LOOK_S = 2.0
SETTLE_S = 5.0  # a snapshot of the last 100 trades often fills a hole by itself
BACKOFF_S_FIRST = 5.0
BACKOFF_S_MAX = 300.0
TURN_TRADES = 10_000  # of one hole, before the next smaller one has its turn
LACKING_S = 86_400.0  # what the venue did not have, or refused, is asked for again after a day

_PROBLEMS_MAX = 5

UNREADABLE = "backfill_unreadable"
REFUSED = "backfill_refused"


class _Found(Protocol):
    @property
    def trades(self) -> Sequence[Any]:
        """Trades, newest first, as `recorder.feed.rest_answers.RestTrade`."""

    @property
    def after(self) -> int | None:
        """The page is all there is of the ids from here on; None: of all that were asked for."""

    @property
    def problems(self) -> Sequence[str]:
        """A sentence for each trade that cannot be read."""


class TradesService(Protocol):
    """What is needed of `recorder.feed.rest.Rest`."""

    def trades_between(self, product_id: str, below: int, above: int = 0) -> AsyncIterator[_Found]:
        """Page downwards over the trades with ``above`` < id < ``below``."""


class Shell(Protocol):
    """What is needed of the process around it."""

    def now_ns(self) -> int:
        """The time of receipt."""

    def deliver(self, arrival: Arrival) -> None:
        """Take an arrival; must not wait."""

    async def wait_room(self) -> None:
        """Wait until more may be taken."""


@dataclass(frozen=True, slots=True)
class Page:
    """What the venue has of the ids ``first`` … ``last``: ``trades`` as `Fetched` holds them.

    ``ids`` are theirs, newest first; ``problems`` say which others cannot be read.
    """

    first: int
    last: int
    trades: bytes
    ids: tuple[int, ...]
    problems: tuple[str, ...]


async def pages(service: TradesService, product_id: str, hole: Hole) -> AsyncIterator[Page]:
    """Ask for the ids of a hole, page by page, newest first; together the pages are the hole.

    Raises VenueUnavailableError where the venue does not answer, another RecorderError where it
    refuses.
    """
    first, last = hole
    async for found in service.trades_between(product_id, last + 1, first - 1):
        ids = tuple(trade.trade_id for trade in found.trades)
        oldest = first if found.after is None else max(first, found.after)
        yield Page(oldest, last, _as_json(found.trades), ids, tuple(found.problems))
        last = oldest - 1
    if last >= first:
        yield Page(first, last, b"[]", (), ())


def _as_json(trades: Sequence[Any]) -> bytes:
    names = ("trade_id", "price", "size", "time", "side")
    return msgspec.json.encode([{name: getattr(each, name) for name in names} for each in trades])


def told(problems: Sequence[str]) -> str:
    """The first of some problems, as one text."""
    more = len(problems) - _PROBLEMS_MAX
    return "; ".join(problems[:_PROBLEMS_MAX]) + (f"; and {more} more" if more > 0 else "")


class Backfill:
    """Looks for holes and fills them, until cancelled. ``failing``: the venue does not answer."""

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
        self.failing = False
        self._seen_s: dict[str, list[tuple[Hole, float]]] = {}
        self._lacking: dict[str, list[Hole]] = {}
        self._lacking_s = 0.0
        self._refused: set[str] = set()
        self._told: set[str] = set()  # whose refusal is written down
        self._failures: dict[str, int] = {}

    async def run(self) -> None:
        """Fill what is missing, and what comes to be missing."""
        wait_s = BACKOFF_S_FIRST
        while True:
            try:
                filled = await self.fill_due()
            except VenueUnavailableError as error:
                self.failing = True
                self._log.warning("backfill_waiting", error=str(error), wait_s=wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, BACKOFF_S_MAX)
                continue
            self.failing = False
            if filled:
                wait_s = BACKOFF_S_FIRST
            await asyncio.sleep(LOOK_S)

    async def fill_due(self) -> int:
        """Fill the holes that have been there for `SETTLE_S`; returns how often it was asked.

        Raises VenueUnavailableError where the venue does not answer.
        """
        asked = 0
        while due := self._due():
            product_id, hole = min(due, key=self._turn)
            asked += 1
            try:
                await self._fill(product_id, hole)
                self._failures.pop(product_id, None)
            except VenueUnavailableError:
                self._failures[product_id] = self._failures.get(product_id, 0) + 1
                raise
            except RecorderError as error:
                # The venue answered, and will not give this product's trades: they stay missing.
                self._refused.add(product_id)
                if product_id not in self._told:
                    self._told.add(product_id)
                    self._note(REFUSED, f"trades {hole[0]} … {hole[1]} of {product_id}: {error}")
        return asked

    def _turn(self, due: tuple[str, Hole]) -> tuple[int, int, tuple[str, Hole]]:
        """Which hole is first: one that always fails must not keep others waiting."""
        return self._failures.get(due[0], 0), size([due[1]]), due

    def _due(self) -> list[tuple[str, Hole]]:
        """Holes that are old enough, as far as the venue may have their trades."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._lacking_s:
            self._lacking, self._refused, self._lacking_s = {}, set(), now_s + LACKING_S
        seen_s: dict[str, list[tuple[Hole, float]]] = {}
        for product_id, ids in self._trades().items():
            if not ids.holes or product_id in self._refused:
                continue
            lacking = within(self._lacking.get(product_id, ()), ids.holes)
            self._lacking[product_id] = lacking
            before = self._seen_s.get(product_id, [])
            # A wider one is no loss but another count, or years; `recorder backfill` fills it.
            present = [each for each in without(ids.holes, lacking) if size([each]) <= JUMP_MAX]
            seen_s[product_id] = [(each, _seen_s(before, each, now_s)) for each in present]
        self._seen_s = seen_s
        return [
            (product_id, hole)
            for product_id, holes in seen_s.items()
            for hole, since_s in holes
            if now_s >= since_s + SETTLE_S
        ]

    async def _fill(self, product_id: str, hole: Hole) -> None:
        """Ask for a hole, of a large one for its newest trades; what does not come is lacking."""
        turn = (max(hole[0], hole[1] - TURN_TRADES + 1), hole[1])
        async for page in pages(self._service, product_id, turn):
            await self._shell.wait_room()
            if page.problems:
                self._note(UNREADABLE, told(page.problems))
            now_ns = self._shell.now_ns()
            self._shell.deliver(Fetched(now_ns, product_id, page.first, page.last, page.trades))
            ids = self._trades().get(product_id)
            left = within([(page.first, page.last)], ids.holes if ids is not None else ())
            self._lacking[product_id] = sorted([*self._lacking.get(product_id, ()), *left])


def _seen_s(before: Sequence[tuple[Hole, float]], hole: Hole, now_s: float) -> float:
    """Since when a hole is known, or the one that it is what is left of."""
    index = bisect_right(before, hole[0], key=lambda each: each[0][0]) - 1
    return before[index][1] if index >= 0 and hole[1] <= before[index][0][1] else now_s
