"""Iceberg knows sealed files where they lie: its table, its plan, its rows; and once only."""

from pathlib import Path

from recipe import Recipe, tell

recipe = Recipe()
recipe.again()
table = recipe["catalog"].load_table("recorder.level2")
day = recipe["day"]
every = table.scan().to_arrow()
tell(
    types={each.name: str(each.type) for each in every.schema},
    snapshots=len(table.snapshots()),
    planned=[task.file.file_path.removeprefix("file://") for task in day.plan_files()],
    rows=day.to_arrow().column("ingest_seq").to_pylist(),
    exact=every.column("ingest_seq").to_pylist(),
    written=[str(path) for path in Path("lake").rglob("*.parquet")],
)
