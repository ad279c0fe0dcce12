"""Engines of others read sealed files, and table formats name them, by the recipes' own text.

They are not among our dependencies: `make engines` installs each in an environment of its own and
sets RECORDER_ENGINES to the folder of these. Without it only what needs none of them runs.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import recorder
from recorder import pack
from recorder.core.tables import TABLES
from tests.packs import DAY, LATER_S, not_waiting_for_the_disk, record_packable
from tests.test_docs import RECIPES, codes, fences, section, table

ENVIRONMENTS = os.environ.get("RECORDER_ENGINES")
PROGRAMS = Path(__file__).parent / "engines"
ENGINES = ("spark", "dask", "ray", "iceberg", "ducklake", "delta")
HOUR = "level2/product=BTC-USD/date=2026-11-10/hour=22/level2-BTC-USD-20261110T22.parquet"
# The first file tells the columns of all, and is opened for that.
FIRST = HOUR.replace("=22", "=21").replace("T22", "T21")
PACKED = "2026-11-11"
NOISE_MAX = 3000

with_packages = pytest.mark.skipif(
    not ENVIRONMENTS, reason="engines of others are not installed: run `make engines`"
)
with_java = pytest.mark.skipif(
    shutil.which("java") is None, reason="Spark needs Java, and there is none here"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three days of which the second is packed; its hours' files are there for an hour more."""
    path = tmp_path_factory.mktemp("engines") / "data"
    path.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        not_waiting_for_the_disk(patch)
        patch.setattr(pack.time, "time", lambda: LATER_S)
        record_packable(path)
        assert pack.pack(path, [PACKED]).packed
    return path


@pytest.fixture
def root(made, tmp_path):
    """A copy of one's own."""
    shutil.copytree(made, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def without_hours(root):
    """The packed day's hours have lost their files."""
    shutil.rmtree(root / "level2" / "product=BTC-USD" / f"date={PACKED}")
    shutil.rmtree(root / "level2" / "product=ETH-USD" / f"date={PACKED}")
    return root


def numbers(root, product=None, start=None, end=None):
    """The `ingest_seq` of sealed rows in order, as the reader's API has them."""
    products = [product] if product else recorder.open(root).product_ids()
    rows = [rows_of(root, each, start, end) for each in products]
    return sorted(number for each in rows for number in each.column("ingest_seq").to_pylist())


def rows_of(root, product, start=None, end=None):
    """Sealed rows as the reader's API has them."""
    db = recorder.open(root)
    return db.level2(product, start, end, live=False, allow_gaps=True).to_arrow()


def blocks_of(engine):
    """The exact files, and then what is for this engine."""
    python = fences(RECIPES, "python")
    shared = [each.text for each in python if "def sealed_files" in each.text]
    mine = [each.text for each in python if each.words[1:] == [engine]]
    assert len(shared) == len(mine) == 1
    return [shared[0], mine[0]]


def ask(engine, root):
    """Run the recipe of an engine beside a data directory; what it came to."""
    spared = {str(root / HOUR), str(root / FIRST)}
    spoil = [str(path) for path in root.glob("level2/**/*.parquet") if str(path) not in spared]
    settings = {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_SUBMIT_ARGS": "--master local[1] --conf spark.ui.enabled=false "
        "--conf spark.sql.maxMetadataStringLength=2000 pyspark-shell",
        "RAY_USAGE_STATS_ENABLED": "0",
        "HOME": str(root.parent),
    }
    ran = subprocess.run(
        [Path(ENVIRONMENTS) / engine / "bin" / "python", PROGRAMS / f"ask_{engine}.py"],
        input=json.dumps({"blocks": blocks_of(engine), "spoil": spoil}),
        env={**os.environ, **settings},
        cwd=root.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-NOISE_MAX:]
    return json.loads(ran.stdout.splitlines()[-1])


def documented(engine):
    """What the document says that an engine makes of columns and folders."""
    rows = table(section(RECIPES, "Spark, Dask and Ray"), "", "Spark", "Dask", "Ray")
    at = ("Spark", "Dask", "Ray").index(engine.capitalize()) + 1
    return {codes(row[0])[0]: codes(row[at])[0] for row in rows}


def check_types(engine, said):
    """Files and folders have the types of the document; from a list of files no folder comes."""
    ours = {each.name for each in TABLES["level2"].columns}
    assert set(said["types"]) == ours | {"product", "date", "hour"}
    assert set(said["exact_types"]) == ours
    for name, kind in documented(engine).items():
        assert said["types"][name].partition("<")[0] == kind, name
        assert (
            name in {"product", "date", "hour"}
            or said["exact_types"][name] == (said["types"][name])
        )


def check_rows(said, root):
    """The hour's rows with their times, and all of the product's, each once."""
    start, end = ((24 * DAY + hour) * 3600 for hour in (22, 23))
    assert sorted(said["rows"]) == numbers(root, "BTC-USD", start, end)
    assert said["rows"]
    assert all(us == ns // 1000 for us, ns in said["times"])
    sent = rows_of(root, "BTC-USD", start, end).column("exchange_ns")
    assert sent.null_count  # the hour begins with a checkpoint
    assert said["sent"] == sent.to_pylist()
    assert sorted(said["exact"]) == numbers(root, "BTC-USD")


def test_every_recipe_for_an_engine_is_run_here():
    """What is marked in the document for an engine has a program here, and each has a recipe."""
    tagged = [each.words[1] for each in fences(RECIPES, "python") if each.words[1:]]
    assert sorted(tagged) == sorted(ENGINES)
    assert {path.stem for path in PROGRAMS.glob("ask_*.py")} == {f"ask_{name}" for name in ENGINES}


def test_the_versions_in_the_document_are_those_that_are_installed():
    """Named once in the Makefile and once in the document."""
    makefile = (RECIPES.parents[1] / "Makefile").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"([a-z-]+)(?:\[[\w,-]+\])?==([\d.]+)", makefile))
    document = RECIPES.read_text(encoding="utf-8")
    for name, word in (
        *(("pyspark", "PySpark"), ("dask", "Dask"), ("ray", "Ray")),
        *(("pyiceberg", "pyiceberg"), ("duckdb", "DuckDB"), ("deltalake", "deltalake")),
    ):
        assert f"{word} {pinned[name]}" in document, name


@pytest.mark.parametrize("name", ["level2", "trades", "heartbeats", "coverage"])
def test_the_exact_files_are_those_of_the_reader(without_hours, name, monkeypatch):
    """Hours and packed days, nothing twice; by product and by date as well."""
    names: dict[str, Any] = {}
    monkeypatch.chdir(without_hours.parent)
    exec(blocks_of("dask")[0], names)
    listed = names["sealed_files"]
    root, schema = without_hours, TABLES[name]
    paths = [path.resolve() for path in root.rglob(f"{name}-*.parquet")]
    here = [path for path in paths if PACKED not in str(path) or "packed" in path.parts]
    assert sorted(listed(root, name)) == sorted(map(str, here))
    if not schema.per_product:
        return
    ours = recorder.open(root).select(name, "BTC-USD", live=False, allow_gaps=True).files()
    assert listed(root, name, "BTC-USD") == [str(path.resolve()) for path in ours]
    two = listed(root, name, "BTC-USD", ["2026-11-10", PACKED])
    assert len(two) == 4
    assert sum("packed" in Path(path).parts for path in two) == 1


@with_packages
@with_java
def test_spark(without_hours, made):
    """The plan has the filters of the folders, and the scan opened one file."""
    said = ask("spark", without_hours)
    check_types("spark", said)
    check_rows(said, made)
    filters = said["scan"].partition("PartitionFilters: [")[2].partition("PushedFilters")[0]
    for name, value in (("product", "BTC-USD"), ("date", "2026-11-10"), ("hour", "22")):
        assert re.search(rf"\({name}#\d+ = {value}\)", filters), filters
    assert said["opened"] == [1]


@with_packages
def test_dask(without_hours, made):
    """One partition, and the same rows where all other files are spoilt."""
    said = ask("dask", without_hours)
    check_types("dask", said)
    check_rows(said, made)
    assert (said["partitions"], said["hours"]) == (1, [22])
    assert said["spoilt"] == said["rows"]
    assert said["everything"] == "ArrowInvalid"


@with_packages
def test_ray(without_hours, made):
    """The same rows where all other files have been spoilt; the hour is a text."""
    said = ask("ray", without_hours)
    check_types("ray", said)
    check_rows(said, made)
    assert said["hours"] == ["22"]
    assert said["spoilt"] == said["rows"]
    assert isinstance(said["everything"], str)  # the name of an error


def check_lake(said, root):
    """All rows once, the first day's of one product; and not a row was written again."""
    assert sorted(said["exact"]) == numbers(root)
    assert sorted(said["rows"]) == numbers(root, "BTC-USD", DAY * 86400, (DAY + 1) * 86400)
    assert said["rows"]
    assert said["written"] == []


@with_packages
def test_iceberg(without_hours, made):
    """Registered once, planned by product and day, with times in UTC."""
    said = ask("iceberg", without_hours)
    check_lake(said, made)
    assert said["snapshots"] == 1
    assert len(said["planned"]) == 3
    assert all("product=BTC-USD/date=2026-11-10" in path for path in said["planned"])
    assert said["types"]["recv_time"] == "timestamp[us, tz=UTC]"
    assert (said["types"]["recv_ns"], said["types"]["price"]) == ("int64", "double")


@with_packages
def test_ducklake(without_hours, made):
    """Registered once, opened by what the catalog knows of each file."""
    said = ask("ducklake", without_hours)
    check_lake(said, made)
    assert len(said["listed"]) == len(set(said["listed"])) == 10
    assert said["opened"] == [3]
    assert said["types"]["recv_time"] == "TIMESTAMP WITH TIME ZONE"
    assert (said["types"]["recv_ns"], said["types"]["price"]) == ("BIGINT", "DOUBLE")


@with_packages
def test_delta(without_hours, made):
    """Registered once, listed by its partitions."""
    said = ask("delta", without_hours)
    check_lake(said, made)
    assert said["version"] == 1
    assert len(said["listed"]) == len(set(said["listed"])) == 10
    assert len(said["planned"]) == 3
    assert all("product=BTC-USD/date=2026-11-10" in path for path in said["planned"])
    assert said["types"]["recv_time"] == "timestamp[us, tz=UTC]"
    assert (said["types"]["recv_ns"], said["types"]["price"]) == ("int64", "double")
