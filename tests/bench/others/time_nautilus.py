"""NautilusTrader loads an export and keeps its book along: `python time_nautilus.py DIR ROUNDS`."""

import json
import sys
import time

from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import OrderBookDelta
from nautilus_trader.model.enums import BookType
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.persistence.catalog import ParquetDataCatalog


def once(catalog, instrument):
    book = OrderBook(instrument.id, BookType.L2_MBP)
    for delta in catalog.query(OrderBookDelta, identifiers=[instrument.id.value]):
        book.apply_delta(delta)
    assert book.best_bid_price() is not None


def main():
    rounds = int(sys.argv[2])
    catalog = ParquetDataCatalog(sys.argv[1])
    (instrument,) = catalog.instruments(instrument_type=CurrencyPair)
    taken = []
    for _ in range(rounds):
        began_s = time.process_time()
        once(catalog, instrument)
        taken.append(time.process_time() - began_s)
    print(json.dumps(sorted(taken)[len(taken) // 2]))


main()
