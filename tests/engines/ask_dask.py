"""Dask reads sealed files: its types, its partitions, its rows, and that it opened no others."""

import dask
import pandas as pd
import pyarrow as pa
from recipe import Recipe, tell

dask.config.set(scheduler="synchronous")
recipe = Recipe()
hour, exact = recipe["hour"], recipe["exact"]
rows = hour.compute()
every = exact.compute()
recipe.spoil()
recipe.again()
spoilt = recipe["hour"].compute()
try:
    everything = len(recipe["dd"].read_parquet("data/level2").compute())
except pa.ArrowInvalid as error:
    everything = type(error).__name__
tell(
    types={name: str(kind) for name, kind in hour.dtypes.items()},
    exact_types={name: str(kind) for name, kind in every.dtypes.items()},
    partitions=hour.npartitions,
    hours=rows["hour"].unique().tolist(),
    rows=rows["ingest_seq"].tolist(),
    times=[
        list(each)
        for each in zip(rows["recv_time"].astype("int64[pyarrow]"), rows["recv_ns"], strict=True)
    ],
    sent=[
        None if each is pd.NA else each for each in rows.sort_values("ingest_seq")["exchange_ns"]
    ],
    exact=every["ingest_seq"].tolist(),
    spoilt=spoilt["ingest_seq"].tolist(),
    everything=everything,
)
