"""What is opened for an answer, and that an answer is of one moment."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

import recorder
from recorder.core.tables import TABLES
from recorder.dataset.files import Files, View
from recorder.errors import DataError
from recorder.store.paths import CUTS, Root
from tests.dataset.made import HOUR, HOUR_NS, HOUR_START_NS, SECOND_NS, Recorded

TEN_PAST = HOUR_START_NS + 600 * SECOND_NS
WINDOW = (TEN_PAST + SECOND_NS, TEN_PAST + 2 * SECOND_NS)


@pytest.fixture
def opened(monkeypatch) -> Counter:
    """Counts the files that are opened, by name."""
    count: Counter[str] = Counter()
    plain = Path.open

    def open_counted(path, *args, **kwargs):
        count[path.name] += 1
        return plain(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", open_counted)
    return count


def grow(root: Root, hours: int, products: int) -> None:
    """Hours long ago and products of the same hour, whose files nobody may open."""
    for hour in range(HOUR - hours, HOUR):
        root.commit(hour).write_text("not to be read")
    for number in range(products):
        for table in TABLES.values():
            if table.per_product:
                path = root.sealed(table, HOUR, f"P{number}-USD")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("not to be read")


def ask(db) -> None:
    db.level2("BTC-USD", *WINDOW).to_arrow()
    db.trades("BTC-USD", *WINDOW).to_arrow()
    db.ticker("BTC-USD", *WINDOW).to_pandas()
    db.heartbeats(None, *WINDOW).to_arrow()
    list(db.level2("BTC-USD", *WINDOW).batches())
    db.book("BTC-USD", at=WINDOW[0])
    db.top_of_book("BTC-USD", *WINDOW).to_arrow()
    db.bars("1s", "BTC-USD", *WINDOW).to_arrow()
    list(db.replay("BTC-USD", *WINDOW, books=True))
    db.gaps("BTC-USD", None, *WINDOW)
    db.coverage("BTC-USD", None, *WINDOW)


def test_a_short_range_does_not_depend_on_what_else_there_is(tmp_path, without_sync, opened):
    """A year of hours and hundreds of products more: the same files are opened."""
    recorded = Recorded(tmp_path, start_ns=TEN_PAST)
    recorded.connect()
    recorded.run(3)
    recorded.turn()
    recorded.run(1)
    db = recorder.open(tmp_path)
    opened.clear()
    ask(db)
    before = Counter(opened)
    opened.clear()
    grow(recorded.root, 9_000, 300)
    opened.clear()
    ask(db)
    assert opened == before
    of_all = {name for name in opened if name.endswith(".parquet")}
    assert len(of_all) <= 10, of_all
    recorded.recording.capture.close()


def test_a_short_range_of_the_open_hour_takes_few_of_its_parts(tmp_path, without_sync, opened):
    """A part a cut, and of hundreds only those of the range are opened."""
    recorded = Recorded(tmp_path, rate=1)
    recorded.connect()
    for _ in range(60):
        recorded.run(0.1)
    db = recorder.open(tmp_path)
    opened.clear()
    start = HOUR_START_NS + 3 * SECOND_NS
    rows = db.ticker("BTC-USD", start, start + SECOND_NS // 2).to_arrow()
    every = db.ticker("BTC-USD").to_arrow()
    received = every.column("recv_ns").to_numpy()
    inside = (received >= start) & (received < start + SECOND_NS // 2)
    assert rows.column("recv_ns").to_pylist() == received[inside].tolist()
    assert inside.any()
    opened.clear()
    list(db.ticker("BTC-USD", start, start + SECOND_NS // 2).batches())
    parts = [name for name in opened if name.endswith(".parquet")]
    coverage = len(recorded.root.parts("coverage"))
    assert len(parts) <= 8 + coverage
    recorded.recording.capture.close()


def test_parts_of_a_cut_that_is_being_published_wait_for_its_record(tmp_path, without_sync):
    """Until then some tables have it and some have not: an answer would be of two moments."""
    recorded = Recorded(tmp_path)
    recorded.connect()
    recorded.run(1)
    db = recorder.open(tmp_path)
    before = db.level2("BTC-USD").to_arrow()
    recorded.run(1)
    after = db.level2("BTC-USD").to_arrow()
    newest = max(recorded.root.parts(CUTS)).path
    content = newest.read_text()
    os.utime(recorded.root.open, (1, 1))
    newest.unlink()
    between = db.level2("BTC-USD", allow_gaps=True).to_arrow()
    assert between.num_rows == before.num_rows < after.num_rows
    newest.write_text(content)
    assert db.level2("BTC-USD").to_arrow() == after
    recorded.recording.capture.close()


def test_what_goes_on_is_waited_for_a_moment(tmp_path, without_sync, monkeypatch):
    """A cut's record and the word of what is going on are written one by one."""
    recorded = Recorded(tmp_path)
    recorded.connect()
    recorded.run(1)
    older = recorded.root.open.read_text()
    recorded.run(1)
    newer = recorded.root.open.read_text()
    recorded.root.open.write_text(older)
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        recorded.root.open.write_text(newer)

    monkeypatch.setattr("recorder.dataset.files.time.sleep", sleep)
    view = Files(tmp_path).now()
    assert len(waited) == 1
    assert view.last_ns == json.loads(newer)["last_ns"]
    assert view.tracks
    recorded.recording.capture.close()


def test_what_went_on_when_a_recorder_died_is_not_believed_for_ever(tmp_path, without_sync):
    """A newer cut, long ago, and an older word of what goes on: that has ended since."""
    recorded = Recorded(tmp_path)
    recorded.connect()
    recorded.run(1)
    older = recorded.root.open.read_text()
    recorded.run(1)
    recorded.root.open.write_text(older)
    newest = max(recorded.root.parts(CUTS)).path
    os.utime(newest, (1, 1))
    assert Files(tmp_path).now().tracks == []
    for broken in ("", "{", "[]", '{"hour": "2026111019"}', '{"hour": 1, "end": 2}'):
        recorded.root.open.write_text(broken)
        assert Files(tmp_path).now().tracks == []
    recorded.recording.capture.close()


def test_an_answer_is_asked_anew_when_files_went(hours):
    """And a file that is listed for ever and never there is told."""
    files = Files(hours)
    asked: list[View] = []

    def answer(view: View) -> int:
        asked.append(view)
        if len(asked) < 3:
            raise FileNotFoundError(2, "gone", "part")
        return len(asked)

    assert files.consistently(answer) == 3
    assert len(set(map(id, asked))) == 3

    def never(_view: View) -> int:
        raise FileNotFoundError(2, "gone", "part")

    with pytest.raises(DataError, match="listed, and it is not there"):
        files.consistently(never)


def test_the_next_hour_is_found_however_far(tmp_path):
    """By its neighbour, or by the names of the records; foreign names are passed over."""
    root = Root(tmp_path)
    root.commits.mkdir()
    for hour in (HOUR, HOUR + 1, HOUR + 500):
        root.commit(hour).write_text("{}")
    (root.commits / "notes.json").write_text("{}")
    (root.commits / "2026111099x.json").write_text("{}")
    root.current.write_text(json.dumps({"sealed_before": "2026-12-31T00:00:00Z"}))
    view = Files(tmp_path).now()
    assert view.hour_after(HOUR - 1) == HOUR
    assert view.hour_after(HOUR) == HOUR + 1
    assert view.hour_after(HOUR + 1) == HOUR + 500
    assert view.hour_after(HOUR + 500) is None
    assert view.hours() == [HOUR, HOUR + 1, HOUR + 500]
    assert view.hours(HOUR_START_NS, HOUR_START_NS + 1) == [HOUR]
    assert view.hours(HOUR_START_NS - 3 * HOUR_NS, HOUR_START_NS) == []
    assert list(view.hours_back(HOUR + 600)) == [HOUR + 500, HOUR + 1, HOUR]
    assert list(view.hours_back(HOUR)) == [HOUR]
    assert view.holds(HOUR)
    assert not view.holds(HOUR + 2)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"sealed_before": 7}', "{\x00"])
def test_a_switch_that_cannot_be_read_is_told(tmp_path, content):
    """Guessing which side to read would give rows twice, or not at all."""
    (tmp_path / "current.json").write_text(content)
    with pytest.raises(DataError, match=r"current.json: not readable .* Move it away"):
        recorder.open(tmp_path).products()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"files": [{"path": "x"}]}', '{"files": 3}'])
def test_a_commit_record_that_cannot_be_read_is_told(tmp_path, without_sync, content):
    """The hour is there, and nobody can say what belongs to it."""
    recorded = Recorded(tmp_path)
    recorded.connect()
    recorded.run(1)
    recorded.turn()
    path = recorded.root.commit(HOUR)
    path.chmod(0o644)
    path.write_text(content)
    with pytest.raises(DataError, match="not a commit record"):
        recorder.open(tmp_path).products()
    recorded.recording.capture.close()


def test_a_recording_without_gaps_never_seems_to_have_one(tmp_path, without_sync):
    """At any moment between cuts, turns, seals and switches: whole, and ever more."""
    recorded = Recorded(tmp_path, rate=1)
    recorded.connect()
    db = recorder.open(tmp_path)
    seen = {"level2": 0, "trades": 0, "ticker": 0}

    def look() -> None:
        for name, before in seen.items():
            rows = db.select(name, "BTC-USD").to_arrow()
            assert rows.num_rows >= before
            seen[name] = rows.num_rows
        assert db.gaps() == []
        assert db.book("BTC-USD").valid
        assert db.top_of_book("ETH-USD").to_arrow().column("best_bid").null_count == 0

    for turn in range(4):
        for _ in range(2):
            recorded.run(0.3)
            look()
        recorded.turn(seal=False)
        look()
        if turn % 2:
            recorded.seal()
            look()
    recorded.stop()
    look()
