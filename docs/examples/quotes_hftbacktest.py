"""A small strategy for hftbacktest on recorded books: a bid and an ask that follow the market.

    recorder export hftbacktest --product BTC-USD --allow-gaps --out npz
    python quotes_hftbacktest.py npz

It runs in an environment with hftbacktest (2.4), without the recorder. Every second it cancels what
no longer stands right and quotes one step inside the best prices, as long as its position is small.
It prints what came of it as JSON. It is here to show how the files are used, not to earn anything.
"""

import json
import sys
from pathlib import Path

import numpy as np
from hftbacktest import (
    BUY,
    FILLED,
    GTX,
    LIMIT,
    SELL,
    BacktestAsset,
    HashMapMarketDepthBacktest,
)
from numba import njit

SECOND_NS = 1_000_000_000
SIZE = 0.01
POSITION_MAX = 0.05


@njit
def quote(hbt, size, position_max, counts):
    """Follow the market until the data ends; counts: submitted, cancelled, filled, steps."""
    number = 0
    while hbt.elapse(SECOND_NS) == 0:
        counts[3] += 1
        depth = hbt.depth(0)
        orders = hbt.orders(0)
        bid, ask = depth.best_bid_tick, depth.best_ask_tick
        known = bid > 0 and ask < 2**62  # else the book is lost, or not there yet
        wanted_bid = min(bid + 1, ask - 1) if known and hbt.position(0) < position_max else 0
        wanted_ask = max(ask - 1, bid + 1) if known and hbt.position(0) > -position_max else 0
        values = orders.values()
        while values.has_next():
            order = values.get()
            if order.status == FILLED:
                counts[2] += 1
            elif order.side == BUY and order.price_tick == wanted_bid:
                wanted_bid = 0
            elif order.side == SELL and order.price_tick == wanted_ask:
                wanted_ask = 0
            elif order.cancellable:
                hbt.cancel(0, order.order_id, False)
                counts[1] += 1
        hbt.clear_inactive_orders(0)
        if wanted_bid > 0:
            number += 1
            hbt.submit_buy_order(0, number, wanted_bid * depth.tick_size, size, GTX, LIMIT, False)
            counts[0] += 1
        if wanted_ask > 0:
            number += 1
            hbt.submit_sell_order(0, number, wanted_ask * depth.tick_size, size, GTX, LIMIT, False)
            counts[0] += 1


def main(folder):
    """Run it on an export, and say what came of it."""
    export = json.loads((folder / "export.json").read_text())
    (product,) = export["products"]
    asset = (
        BacktestAsset()
        .data([str(folder / file["path"]) for file in product["files"]])
        .linear_asset(1.0)
        .constant_order_latency(10_000_000, 10_000_000)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0002, 0.0006)
        .tick_size(float(product["price_increment"]))
        .lot_size(float(product["size_increment"]))
        .last_trades_capacity(0)
    )
    hbt = HashMapMarketDepthBacktest([asset])
    counts = np.zeros(4, np.int64)
    quote(hbt, SIZE, POSITION_MAX, counts)
    values = hbt.state_values(0)
    said = {
        "product": product["product_id"],
        **dict(zip(("submitted", "cancelled", "filled", "seconds"), counts.tolist(), strict=True)),
        "position": round(values.position, 8),
        "trades": int(values.num_trades),
        "fees": round(values.fee, 6),
    }
    hbt.close()
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
