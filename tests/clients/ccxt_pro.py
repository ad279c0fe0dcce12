"""`ccxt`'s pro client: `watch_order_book` until the socket closes; prints the book as JSON.

Run as `python ccxt_pro.py URL PRODUCT`, in an environment with the package. Markets are given, so
that it asks nobody for them.
"""

import asyncio
import json
import sys

import ccxt.pro

url, product = sys.argv[1:]
base, quote = product.split("-")
symbol = f"{base}/{quote}"
MARKET = {
    "id": product, "symbol": symbol, "base": base, "quote": quote, "baseId": base,
    "quoteId": quote, "type": "spot", "spot": True, "active": True,
    "precision": {"amount": 1e-8, "price": 0.01}, "limits": {}, "info": {},
}  # fmt: skip


async def main() -> None:
    exchange = ccxt.pro.coinbase({"newUpdates": False})
    exchange.urls["api"]["ws"] = url
    exchange.set_markets([exchange.safe_market_structure(MARKET)])
    tops = []
    try:
        while True:
            book = await exchange.watch_order_book(symbol)
            tops.append([book["datetime"], book["bids"][0][0], book["asks"][0][0]])
    except ccxt.NetworkError as error:
        reason = f"{type(error).__name__}: {error}"
    book = exchange.orderbooks[symbol]
    said = {
        "bids": [list(level[:2]) for level in book["bids"]],
        "asks": [list(level[:2]) for level in book["asks"]],
        "tops": tops,
        "reason": reason,
    }
    await exchange.close()
    print(json.dumps(said))


asyncio.run(main())
