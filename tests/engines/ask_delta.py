"""Delta knows sealed files where they lie: its table, its rows; and once only."""

from pathlib import Path

from recipe import Recipe, tell

recipe = Recipe()
recipe.again()
table = recipe["DeltaTable"]("lake-level2")
every = table.to_pyarrow_table()
wanted = [("product", "=", "BTC-USD"), ("date", "=", "2026-11-10")]
tell(
    types={each.name: str(each.type) for each in every.schema},
    version=table.version(),
    planned=[str(Path(uri).resolve()) for uri in table.file_uris(wanted)],
    listed=[str(Path(uri).resolve()) for uri in table.file_uris()],
    rows=recipe["day"].column("ingest_seq").to_pylist(),
    exact=every.column("ingest_seq").to_pylist(),
    written=[str(path) for path in Path("lake-level2").glob("*.parquet")],
)
