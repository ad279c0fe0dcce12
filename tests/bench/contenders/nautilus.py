"""NautilusTrader: its books, in Python (Cython) or pyo3, fed with deltas made of the frames.

It has no adapter for Advanced Trade's socket in Python, so json decodes, and the deltas are built
here, as its adapters in Python build them.
"""

import json
import sys

from turns import serve

if sys.argv[2] == "pyo3":
    from nautilus_trader.core import nautilus_pyo3 as model

    OrderBook, OrderBookDelta, BookOrder = model.OrderBook, model.OrderBookDelta, model.BookOrder
    InstrumentId, Price, Quantity = model.InstrumentId, model.Price, model.Quantity
    BookType, BookAction, OrderSide = model.BookType, model.BookAction, model.OrderSide
    instrument = InstrumentId.from_str
else:
    from nautilus_trader.model.book import OrderBook
    from nautilus_trader.model.data import BookOrder, OrderBookDelta
    from nautilus_trader.model.enums import BookAction, BookType, OrderSide
    from nautilus_trader.model.identifiers import InstrumentId
    from nautilus_trader.model.objects import Price, Quantity

    instrument = InstrumentId.from_str

UPDATE, DELETE, SNAPSHOT = BookAction.UPDATE, BookAction.DELETE, 32
SIDES = {"bid": OrderSide.BUY, "offer": OrderSide.SELL}
price_of, quantity_of = Price.from_str, Quantity.from_str


def prepare(snapshots):
    """Books by product."""
    books = {}
    for raw in snapshots:
        for event in json.loads(raw)["events"]:
            name = event["product_id"]
            books[name] = OrderBook(instrument(f"{name}.COINBASE"), BookType.L2_MBP)
    run(books, snapshots)
    return books


def run(books, updates):
    """Decode, make the deltas, apply, read the best."""
    for raw in updates:
        frame = json.loads(raw)
        sequence = frame["sequence_num"]
        for event in frame["events"]:
            book = books[event["product_id"]]
            identifier = book.instrument_id
            for each in event["updates"]:
                size = quantity_of(each["new_quantity"])
                order = BookOrder(SIDES[each["side"]], price_of(each["price_level"]), size, 0)
                action = UPDATE if size.raw else DELETE
                book.apply_delta(OrderBookDelta(identifier, action, order, 0, sequence, 0, 0))
            book.best_bid_price(), book.best_ask_price()


def tops(books):
    """The best prices."""
    return {
        name: [float(str(book.best_bid_price())), float(str(book.best_ask_price()))]
        for name, book in books.items()
    }


if __name__ == "__main__":
    serve(prepare, run, tops)
