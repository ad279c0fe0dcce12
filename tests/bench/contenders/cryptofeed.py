"""cryptofeed: its handler of Coinbase's frames, with a callback that reads the best prices."""

import asyncio
import sys

sys.path.append(sys.path.pop(0))  # this file has the package's name

from cryptofeed.defines import COINBASE, L2_BOOK
from cryptofeed.exchanges import Coinbase
from cryptofeed.symbols import Symbols
from turns import serve


def prepare(snapshots):
    """A feed that was never connected; the venue's `offer` is written `ask`, as it expects."""
    names = ["BTC-USD", "ETH-USD"]
    info = {"tick_size": {}, "instrument_type": dict.fromkeys(names, "spot")}
    Symbols.set(COINBASE, {name: name for name in names}, info)

    async def read(book, _):
        if len(book.book.bids) and len(book.book.asks):
            book.book.bids.index(0), book.book.asks.index(0)

    keys = {"key_id": "a", "key_secret": "b"}
    feed = Coinbase(
        config={"coinbase": keys, "log": {"disabled": True}},
        symbols=names, channels=[L2_BOOK], callbacks={L2_BOOK: read},
    )  # fmt: skip
    run(feed, [raw.replace(b'"side":"offer"', b'"side":"ask"') for raw in snapshots])
    return feed


def run(feed, updates):
    """As its connection handler does, without the socket."""

    async def take():
        for raw in updates:
            await feed.message_handler(raw, None, 0.0)

    asyncio.run(take())


def tops(feed):
    """The best prices."""
    return {
        name: [float(book.book.bids.index(0)[0]), float(book.book.asks.index(0)[0])]
        for name, book in feed._l2_book.items()
    }


if __name__ == "__main__":
    serve(prepare, run, tops)
