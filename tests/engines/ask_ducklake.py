"""DuckLake knows sealed files where they lie: its table, its rows; and once only."""

import re
from pathlib import Path

from duckdb_extensions import import_extension
from recipe import Recipe, tell

import_extension("ducklake")
recipe = Recipe()
con = recipe["con"]
con.execute("DETACH lake")
recipe.again()
con = recipe["con"]
con.execute("SET TimeZone = 'UTC'")
day = "FROM lake.level2 WHERE product_id = 'BTC-USD' AND recv_time < '2026-11-11T00:00:00Z'"
((_, plan),) = con.execute(f"EXPLAIN ANALYZE SELECT sum(price) {day}").fetchall()
tell(
    types={row[0]: row[1] for row in con.execute("DESCRIBE lake.level2").fetchall()},
    opened=[int(each) for each in re.findall(r"Total Files Read:\s*(\d+)", plan)],
    listed=[row[0] for row in con.execute(
        "SELECT data_file FROM ducklake_list_files('lake', 'level2')").fetchall()],
    rows=[row[0] for row in con.execute(f"SELECT ingest_seq {day}").fetchall()],
    exact=[row[0] for row in con.execute("SELECT ingest_seq FROM lake.level2").fetchall()],
    written=[str(path) for path in Path("lake").rglob("*.parquet")],
)  # fmt: skip
