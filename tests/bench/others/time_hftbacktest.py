"""hftbacktest loads an export and runs through it: `python time_hftbacktest.py DIR ROUNDS`."""

import json
import sys
import time
from pathlib import Path

from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from numba import njit

SECOND_NS = 1_000_000_000


@njit
def run_through(hbt):
    """To the end of the data, a second at a time, looking at the best prices."""
    looked = 0
    while hbt.elapse(SECOND_NS) == 0:
        depth = hbt.depth(0)
        looked += depth.best_bid_tick < depth.best_ask_tick
    return looked


def once(files, tick, lot):
    asset = (
        BacktestAsset()
        .data(files)
        .linear_asset(1.0)
        .constant_order_latency(10_000_000, 10_000_000)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(tick)
        .lot_size(lot)
    )
    hbt = HashMapMarketDepthBacktest([asset])
    assert run_through(hbt) > 0
    hbt.close()


folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
(product,) = json.loads((folder / "export.json").read_text())["products"]
steps = (float(product[name]) for name in ("price_increment", "size_increment"))
arguments = ([str(folder / file["path"]) for file in product["files"]], *steps)
once(*arguments)  # compiles
taken = []
for _ in range(rounds):
    began_s = time.process_time()
    once(*arguments)
    taken.append(time.process_time() - began_s)
print(json.dumps(sorted(taken)[len(taken) // 2]))
