"""The plugin polars-order-book makes a series of tops: `python time_plugin.py FILE ROUNDS`.

It takes whole numbers only, so prices and sizes are made steps first; a file is read each time, as
we do. Prints the seconds of all of it, and those of the plugin alone.
"""

import json
import sys
import time

import polars as pl
from polars_order_book import top_n_levels_from_price_updates

CENT, SATOSHI = 100.0, 1e8


def steps(path):
    """The rows as the plugin takes them."""
    return pl.read_parquet(path, columns=["price", "size", "side"], hive_partitioning=False).select(
        (pl.col("price") * CENT).round().cast(pl.Int64),
        (pl.col("size") * SATOSHI).round().cast(pl.Int64),
        (pl.col("side").cast(pl.String) == "bid").alias("is_bid"),
    )


def main():
    path, rounds = sys.argv[1], int(sys.argv[2])
    taken = []
    for _ in range(rounds + 1):
        began_s = time.process_time()
        rows = steps(path)
        ready_s = time.process_time()
        tops = rows.select(top_n_levels_from_price_updates("price", "size", "is_bid", n=1))
        assert len(tops) == len(rows)
        taken.append((time.process_time() - began_s, time.process_time() - ready_s))
    middle = [sorted(each)[rounds // 2] for each in zip(*taken[1:], strict=True)]
    print(json.dumps(middle))


main()
