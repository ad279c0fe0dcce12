"""ccxt.pro: its handler of Coinbase's messages, decoded as its client does."""

import json

import ccxt.pro
from turns import serve


class Client:
    """Takes what would wake the waiting `watch_order_book`."""

    def __init__(self):
        self.subscriptions = {}

    def resolve(self, *_):
        """Nobody waits."""

    reject = resolve


def prepare(snapshots):
    """An exchange that was never connected."""
    exchange = ccxt.pro.coinbase({"newUpdates": True})
    exchange.set_markets([
        exchange.safe_market_structure(
            {"id": name, "symbol": name.replace("-", "/"), "base": name[:3], "quote": "USD",
             "type": "spot", "spot": True, "active": True}
        )
        for name in ("BTC-USD", "ETH-USD")
    ])  # fmt: skip
    state = exchange, Client()
    run(state, snapshots)
    return state


def run(state, updates):
    """Decode, handle, read the best."""
    exchange, client = state
    books = exchange.orderbooks
    for raw in updates:
        message = json.loads(raw)
        exchange.handle_message(client, message)
        for event in message["events"]:
            book = books[event["product_id"].replace("-", "/")]
            book["bids"][0][0], book["asks"][0][0]


def tops(state):
    """The best prices."""
    books = state[0].orderbooks
    return {
        symbol.replace("/", "-"): [book["bids"][0][0], book["asks"][0][0]]
        for symbol, book in books.items()
    }


if __name__ == "__main__":
    serve(prepare, run, tops)
