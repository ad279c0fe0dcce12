"""Ray reads sealed files: its types, its rows, and that it opened no others.

Footers it reads of some files at once, for their columns; so it is told of them before they are
spoilt, and reads the rows after.
"""

import ray
from recipe import Recipe, tell

ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
ray.data.DataContext.get_current().enable_progress_bars = False
recipe = Recipe()
hour, exact = recipe["hour"], recipe["exact"]
rows, every = hour.take_all(), exact.take_all()
schema, exact_schema = recipe["changes"].schema(), exact.schema()
recipe.again()
recipe.spoil()
spoilt = recipe["hour"].take_all()
try:
    everything = recipe["changes"].sum("price")
except ray.exceptions.RayError as error:
    everything = type(error).__name__
tell(
    types=dict(zip(schema.names, schema.types, strict=True)),
    exact_types=dict(zip(exact_schema.names, exact_schema.types, strict=True)),
    hours=sorted({row["hour"] for row in rows}),
    rows=[row["ingest_seq"] for row in rows],
    times=[[round(row["recv_time"].timestamp() * 1e6), row["recv_ns"]] for row in rows],
    sent=[row["exchange_ns"] for row in sorted(rows, key=lambda row: row["ingest_seq"])],
    exact=[row["ingest_seq"] for row in every],
    spoilt=[row["ingest_seq"] for row in spoilt],
    everything=everything,
)
ray.shutdown()
