"""The venue's archive of trades, as REST would give it: asked for what a connection lost."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

from recorder.errors import VenueUnavailableError
from recorder.feed.rest_answers import RestTrade, TradesPage
from recorder.venue import Venue, exchange, wire
from recorder.venue.tape import Trade
from tests.sim.network import Network

PAGE_TRADES = 40
FAILS = 0.1  # of the requests
ANSWER_S = (0.02, 0.6)


class Archive:
    """Pages over the trades that were made; unavailable where the network is."""

    def __init__(self, venue: Venue, network: Network, random: Random) -> None:
        self._venue = venue
        self._network = network
        self._random = random

    async def trades_between(
        self, product_id: str, below: int, above: int = 0
    ) -> AsyncIterator[TradesPage]:
        """The trades with ``above`` < id < ``below``, newest first, page by page."""
        while True:
            await asyncio.sleep(self._random.uniform(*ANSWER_S))
            if self._network.refuse or self._network.hang or self._random.random() < FAILS:
                raise VenueUnavailableError("simulated: no answer")
            made = [
                each for each in self._venue.trades(product_id) if above < each.trade_id < below
            ]
            page = made[-PAGE_TRADES:][::-1]
            more = len(made) > len(page)
            told = [self._told(product_id, trade) for trade in page]
            yield TradesPage(told, page[-1].trade_id if more else None, [])
            if not more:
                return
            below = page[-1].trade_id

    def _told(self, product_id: str, trade: Trade) -> RestTrade:
        spec = self._venue.market.products[product_id].spec
        return RestTrade(
            product_id,
            trade.trade_id,
            wire.decimal(trade.price, spec.price_digits),
            exchange.fixed(trade.size, spec.size_digits),
            exchange.instant(trade.time_ns),
            "buy" if trade.bid else "sell",
        )
