"""Spark reads sealed files: its types, its plan, how many files it opened, its rows."""

from recipe import Recipe, tell


def files_opened(frame):
    """What the scan of the plan counted, after it ran."""
    frame.write.format("noop").mode("overwrite").save()
    plan = frame._jdf.queryExecution().executedPlan()
    frame.collect()
    leaves = plan.collectLeaves()
    return [leaves.apply(at).metrics().apply("numFiles").value() for at in range(leaves.size())]


recipe = Recipe()
hour, exact = recipe["hour"], recipe["exact"]
scan = hour._jdf.queryExecution().sparkPlan().toString()
times = hour.selectExpr("unix_micros(recv_time) AS us", "recv_ns").collect()
tell(
    types=dict(hour.dtypes),
    exact_types=dict(exact.dtypes),
    scan=scan,
    opened=files_opened(hour),
    rows=[row.ingest_seq for row in hour.select("ingest_seq").collect()],
    times=[list(row) for row in times],
    sent=[row.exchange_ns for row in hour.orderBy("ingest_seq").select("exchange_ns").collect()],
    exact=[row.ingest_seq for row in exact.select("ingest_seq").collect()],
)
recipe["spark"].stop()
