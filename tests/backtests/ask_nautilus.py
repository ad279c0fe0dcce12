"""NautilusTrader reads a catalog of ours: the instrument, every delta, every trade, the book.

    python ask_nautilus.py < '{"export": DIR, "at": [local ns, …]}'

Prints JSON: what it read, and the best bid and ask at some moments of a book that it builds.
"""

import json
import sys
from pathlib import Path

from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import OrderBookDelta, TradeTick
from nautilus_trader.model.enums import BookAction, BookType
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.persistence.catalog import ParquetDataCatalog


def levels(side):
    return [[str(level.price), level.size()] for level in side]


def main():
    given = json.load(sys.stdin)
    catalog = ParquetDataCatalog(str(Path(given["export"])))
    (instrument,) = catalog.instruments(instrument_type=CurrencyPair)
    identifier = instrument.id.value
    deltas = catalog.query(OrderBookDelta, identifiers=[identifier])
    trades = catalog.query(TradeTick, identifiers=[identifier])
    book = OrderBook(instrument.id, BookType.L2_MBP)
    tops, waiting = [], iter(given["at"])
    at = next(waiting, None)
    rows = []
    for delta in deltas:
        while at is not None and delta.ts_init > at:
            tops.append([str(book.best_bid_price()), str(book.best_ask_price())])
            at = next(waiting, None)
        book.apply_delta(delta)
        order = delta.order
        clear = delta.action == BookAction.CLEAR
        rows.append(
            [
                delta.action.value,
                0 if clear else order.side.value,
                None if clear else str(order.price),
                None if clear else str(order.size),
                delta.flags,
                delta.sequence,
                delta.ts_event,
                delta.ts_init,
            ]
        )
    while at is not None:
        tops.append([str(book.best_bid_price()), str(book.best_ask_price())])
        at = next(waiting, None)
    said = {
        "instrument": instrument.to_dict(instrument),
        "deltas": rows,
        "trades": [
            [
                *(int(each.trade_id.value), str(each.price), str(each.size)),
                *(each.aggressor_side.value, each.ts_event, each.ts_init),
            ]
            for each in trades
        ],
        "tops": tops,
        "bids": levels(book.bids()),
        "asks": levels(book.asks()),
    }
    print(json.dumps(said))


main()
