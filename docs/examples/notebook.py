# A notebook as a script: each `# %%` begins a cell in editors that know them (VS Code, PyCharm,
# Spyder, Jupytext); `python notebook.py [DATA]` runs all of it. It needs nothing but the recorder.

# %% A data directory: the sample, or one of your own
import sys
import tempfile
from pathlib import Path

import duckdb
import numpy as np

import recorder
from recorder.export import export

data = Path(sys.argv[1] if len(sys.argv) > 1 else "data/sample")
db = recorder.open(data)
product = db.product_ids()[0]
for gap in db.gaps(product):
    print("missing:", gap)

# %% Export it in three formats; each is read back and compared with the recording
out = Path(tempfile.mkdtemp(prefix="export-"))
for kind in ("tardis", "hftbacktest", "nautilus"):
    made = export(data, kind, [product], out / kind, allow_gaps=True)
    (told,) = made.products
    print(f"{kind}: {told.book_rows:,} rows, {told.trades:,} trades, same: {made.same}")
    assert made.same

# %% Tardis' files with DuckDB: what was traded, minute by minute
bars = duckdb.sql(f"""
    SELECT time_bucket(INTERVAL 1 minute, make_timestamp(timestamp)) AS minute,
           first(price ORDER BY id) AS open, last(price ORDER BY id) AS close, sum(amount) AS volume
    FROM read_csv('{out}/tardis/*_trades_*.csv.gz')
    GROUP BY minute
    ORDER BY minute
""").fetchall()
print(bars[:3])

# %% How late are the changes of the book? The events say when they happened and when they came
(file,) = (out / "hftbacktest").glob("*.npz")
events = np.load(file)["data"]
came = events[(events["ev"] & (1 << 30)) != 0]
late_ms = (came["local_ts"] - came["exch_ts"]) / 1e6
print("milliseconds of feed, median and 99 %:", np.percentile(late_ms, [50, 99]).round(2))

# %% The best prices of the recorder itself, for comparison: spread in basis points
tops = db.top_of_book(product, allow_gaps=True).to_arrow()
tops = tops.select(["best_bid", "best_ask"]).drop_null()
bid, ask = (tops.column(name).to_numpy() for name in ("best_bid", "best_ask"))
if len(bid):
    print("median spread:", np.median((ask - bid) / bid * 1e4).round(3), "basis points")

# %% The rules that the files came with
print("steps:", told.price_increment, told.size_increment)
