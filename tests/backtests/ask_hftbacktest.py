"""hftbacktest reads an export of ours: the order of its events, and the book at some moments.

    python ask_hftbacktest.py < '{"export": DIR, "tardis": DIR or null, "at": [local ns, …]}'

Prints JSON. Of the Tardis files it makes its own events first, by its own converter.
"""

import contextlib
import json
import sys
from pathlib import Path

import numpy as np
from hftbacktest import (
    BacktestAsset,
    HashMapMarketDepthBacktest,
    ROIVectorMarketDepthBacktest,
)
from hftbacktest.data import correct_event_order, validate_event_order
from hftbacktest.data.utils.tardis import convert
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, event_dtype
from numba import njit

PRICE_MAX = 100_000.0


@njit
def tops_at(hbt, moments):
    """Best bid and ask, in ticks, after everything received up to each moment."""
    found = np.zeros((len(moments), 2), np.int64)
    hbt.elapse(0)  # its clock begins with the first event
    for at in range(len(moments)):
        if moments[at] > hbt.current_timestamp:
            hbt.elapse(moments[at] - hbt.current_timestamp)
        depth = hbt.depth(0)
        found[at, 0] = depth.best_bid_tick
        found[at, 1] = depth.best_ask_tick
    return found


def asked(data, tick, lot, moments, made=HashMapMarketDepthBacktest):
    asset = (
        BacktestAsset()
        .data(data)
        .linear_asset(1.0)
        .constant_order_latency(10_000_000, 10_000_000)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(tick)
        .lot_size(lot)
        .roi_lb(0.0)
        .roi_ub(2 * PRICE_MAX)
    )
    hbt = made([asset])
    found = tops_at(hbt, np.array(moments, np.int64))
    hbt.close()
    return found.tolist()


def main():
    given = json.load(sys.stdin)
    folder = Path(given["export"])
    (product,) = json.loads((folder / "export.json").read_text())["products"]
    tick, lot = (float(product[name]) for name in ("price_increment", "size_increment"))
    files = [str(folder / file["path"]) for file in product["files"]]
    data = [np.load(file)["data"] for file in files]
    every = np.concatenate(data)
    validate_event_order(every)
    both = EXCH_EVENT | LOCAL_EVENT
    # Its own way to put events in order says the same of ours as they came.
    mine = every[(every["ev"] & LOCAL_EVENT) != 0]
    came = np.empty(len(mine), event_dtype)  # aligned, which a file does not say
    came[:] = mine
    came["ev"] &= ~np.uint64(both)
    again = correct_event_order(
        came,
        np.argsort(came["exch_ts"], kind="stable"),
        np.argsort(came["local_ts"], kind="stable"),
    )
    said = {
        "same_dtype": every.dtype == event_dtype,
        "rows": len(every),
        "events": len(came),
        "of_exchange": int(((every["ev"] & EXCH_EVENT) != 0).sum()),
        "of_exchange_by_its_own": int(((again["ev"] & EXCH_EVENT) != 0).sum()),
        "tops": asked(files, tick, lot, given["at"]),
    }
    if given["tardis"]:
        theirs = Path(given["tardis"])
        names = [
            file["path"]
            for file in json.loads((theirs / "export.json").read_text())["products"][0]["files"]
        ]
        # Trades first: its documentation says why.
        ordered = sorted(names, key=lambda name: "_trades_" not in name)
        with contextlib.redirect_stdout(sys.stderr):
            converted = convert([str(theirs / name) for name in ordered], buffer_size=5_000_000)
        validate_event_order(converted)
        said["converted"] = len(converted)
        # Its clearing walks tick by tick to the farthest ask of a snapshot, and Coinbase has some
        # very far ones: only this kind of depth stops at an end.
        kind = ROIVectorMarketDepthBacktest
        said["converted_tops"] = asked(converted, tick, lot, given["at"], kind)
    print(json.dumps(said))


main()
