"""The sample data set is what its script makes, and the README's queries work on it at once."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import recorder
from recorder.store.paths import Root
from recorder.store.views import publish_views
from recorder.verify import verify
from tests import sample
from tests.test_docs import READING, README, run


def test_it_is_there_and_small():
    """A few products and hours, under 5 MB."""
    files = sample.files(sample.PLACE)
    assert sum(path.stat().st_size for path in files.values()) < 5_000_000
    db = recorder.open(sample.PLACE)
    assert db.product_ids() == list(sample.PRODUCTS)
    assert [hour.state for hour in db.hours()] == ["sealed"] * 3
    (gap,) = db.gaps("BTC-USD", "level2")
    assert gap.reason == "connection_closed"
    assert 20 <= (gap.end_ns - gap.start_ns) / 1e9 < 40


def test_the_script_makes_it_again_to_the_byte(tmp_path):
    """By the pyarrow that wrote it; another may write the same rows in other bytes."""
    made = tmp_path / "sample"
    sample.make(made)
    ours, theirs = sample.files(made), sample.files(sample.PLACE)
    assert list(ours) == list(theirs), "run `make sample`"
    written_by = {
        pq.read_metadata(path).created_by for path in theirs.values() if path.suffix == ".parquet"
    }
    same = written_by == {f"parquet-cpp-arrow version {pa.__version__}"}
    for name, path in ours.items():
        if same:
            assert path.read_bytes() == theirs[name].read_bytes(), f"{name}: run `make sample`"
        elif path.suffix == ".parquet":
            assert pq.read_table(path).equals(pq.read_table(theirs[name])), name


@pytest.mark.parametrize("path", [README, READING], ids=lambda path: path.name)
def test_the_queries_work_on_it(path, tmp_path, monkeypatch):
    """Whoever has cloned the project can try them."""
    shutil.copytree(sample.PLACE, tmp_path / "data")
    publish_views(Root(tmp_path / "data"))  # says where the directory lies: `recorder repair` does
    monkeypatch.chdir(tmp_path)
    run(path)


def test_it_is_whole(tmp_path):
    """Its records, digests and rows agree; only its capture is not there."""
    shutil.copytree(sample.PLACE, tmp_path / "data")
    report = verify(tmp_path / "data")
    assert [str(finding) for finding in report.findings] == []
