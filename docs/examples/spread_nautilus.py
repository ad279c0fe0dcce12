"""A small strategy for NautilusTrader on a recorded catalog: a bid that rests below the market.

    recorder export nautilus --product BTC-USD --allow-gaps --out catalog
    python spread_nautilus.py catalog

It runs in an environment with nautilus_trader, without the recorder. Each minute it places a bid a
little below the best one and cancels the one before; it counts what it sees of book and trades, and
prints that as JSON. It is here to show how a catalog is used, not to earn anything.
"""

import json
import sys
from decimal import Decimal
from pathlib import Path

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.model.data import OrderBookDelta, TradeTick
from nautilus_trader.model.enums import AccountType, BookType, OmsType, OrderSide, TimeInForce
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Currency, Money
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from nautilus_trader.trading.strategy import Strategy

MINUTE_NS = 60_000_000_000


class Resting(Strategy):
    """Keeps one bid below the market."""

    def __init__(self, instrument):
        super().__init__(StrategyConfig(strategy_id="RESTING-001"))
        self.instrument = instrument
        self.said = dict.fromkeys(("deltas", "trades", "placed", "cancelled", "spreads"), 0)
        self._next_ns = 0

    def on_start(self):
        """Ask for what is recorded."""
        self.subscribe_order_book_deltas(self.instrument.id, BookType.L2_MBP)
        self.subscribe_trade_ticks(self.instrument.id)

    def on_order_book_deltas(self, deltas):
        """Look at the book once a minute."""
        self.said["deltas"] += len(deltas.deltas)
        book = self.cache.order_book(self.instrument.id)
        if deltas.ts_init < self._next_ns or book is None or book.spread() is None:
            return
        self._next_ns = deltas.ts_init + MINUTE_NS
        self.said["spreads"] += 1
        for order in self.cache.orders_open(instrument_id=self.instrument.id):
            self.cancel_order(order)
            self.said["cancelled"] += 1
        price = book.best_bid_price().as_decimal() * Decimal("0.999")
        order = self.order_factory.limit(
            self.instrument.id,
            OrderSide.BUY,
            self.instrument.make_qty(Decimal("0.01")),
            self.instrument.make_price(price),
            time_in_force=TimeInForce.GTC,
            post_only=True,
        )
        self.submit_order(order)
        self.said["placed"] += 1

    def on_trade_tick(self, tick):
        """Count it."""
        self.said["trades"] += 1


def main(folder):
    """Run it on a catalog, and say what came of it."""
    catalog = ParquetDataCatalog(str(folder))
    (instrument,) = catalog.instruments()
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(log_level="ERROR")))
    engine.add_venue(
        Venue("COINBASE"),
        OmsType.NETTING,
        AccountType.CASH,
        [Money(1_000_000, Currency.from_str(instrument.quote_currency.code))],
        book_type=BookType.L2_MBP,
    )
    engine.add_instrument(instrument)
    identifier = instrument.id.value
    engine.add_data(catalog.query(OrderBookDelta, identifiers=[identifier]))
    engine.add_data(catalog.query(TradeTick, identifiers=[identifier]))
    strategy = Resting(instrument)
    engine.add_strategy(strategy)
    engine.run()
    print(json.dumps({"product": instrument.raw_symbol.value, **strategy.said}))
    engine.dispose()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
