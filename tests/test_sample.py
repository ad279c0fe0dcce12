"""The sample data set is what its script makes, and the README's queries work on it at once."""

import shlex
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import recorder
from recorder.cli import main
from recorder.store.paths import Root
from recorder.store.views import is_damaged
from recorder.verify import verify
from tests import sample
from tests.test_docs import READING, README, fences, put_for_data, run, shell_commands


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


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Path:
    """The folder of the project, wherever somebody has cloned it; the sample of it."""
    shutil.copytree(sample.PLACE, tmp_path / sample.IN_PROJECT)
    monkeypatch.chdir(tmp_path)
    return Path(sample.IN_PROJECT)


@pytest.mark.parametrize("path", [README, READING], ids=lambda path: path.name)
def test_the_queries_work_on_it(path, clone):
    """Whoever has cloned the project can try them."""
    run(path, str(clone))


def test_the_commands_work_on_it(clone, capsys):
    """Those by which the README says to look at the data, and SQL."""
    (fence,) = [each for each in fences(README, "bash") if "recorder book" in each.text]
    text = put_for_data(str(clone), fence.text)
    commands = [*shell_commands(fence._replace(text=text))]
    commands.append(["recorder", *shlex.split(f"sql --data {clone} 'FROM trades LIMIT 3' --csv")])
    assert len(commands) == 5
    for command in commands:
        assert str(clone) in command
        assert main(command[1:]) == 0, command
        out, err = capsys.readouterr()
        assert (len(out.splitlines()) > 3, err) == (True, ""), command


def test_it_is_whole_and_its_capture_comes_to_its_rows(clone):
    """Records, digests and rows agree, and every hour can happen again."""
    report = verify(clone, deep=True)
    assert [str(finding) for finding in report.findings] == []
    assert report.rebuilt == 3
    assert not is_damaged(Root(clone))
