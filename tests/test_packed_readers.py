"""Readers beside packs: days are packed, their hours' files go, they come apart, and again.

Whatever is being done, every answer is the one that it always is: each row once, in its order.
"""

import threading
import time
from collections import Counter
from pathlib import Path

import duckdb
import pytest

import recorder
from recorder import pack
from recorder.queries import Queries
from recorder.store import days, unpack
from recorder.store import pack as packing
from recorder.store.lock import PackLock
from recorder.store.paths import Root
from recorder.store.publish import remove
from recorder.store.retire import GRACE_S
from recorder.store.seal import read_commit
from recorder.store.views import publish_views
from recorder.verify import verify
from tests.packs import DAY, LATER_S, not_waiting_for_the_disk, record_packable

QUERIES = 200
READERS = 3
DEADLINE_S = 120
PRODUCTS = ("BTC-USD", "ETH-USD")


class Asking:
    """What is asked by one thread, and the answers that are right."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = recorder.open(path)
        self.questions = {
            "api level2": lambda: self._rows("level2"),
            "api trades": lambda: self._rows("trades"),
            "stream": self._streamed,
            "coverage": lambda: self._db.coverage().to_pylist(),
            "book": lambda: self._db.book("BTC-USD", at=(24 * DAY + 23) * 3600 + 1),
            "files": self._files,
            "sql": self._sql,
            "recorder.sql": self._view,
        }

    def _rows(self, table: str) -> list[int]:
        rows = [self._db.select(table, each, allow_gaps=True).to_arrow() for each in PRODUCTS]
        return [number for each in rows for number in each.column("ingest_seq").to_pylist()]

    def _streamed(self) -> list[int]:
        pieces = self._db.select("level2", "ETH-USD", allow_gaps=True).batches(100)
        return [number for each in pieces for number in each.column("ingest_seq").to_pylist()]

    def _files(self) -> list[int]:
        """As docs/format.md says: list, and read what is listed."""
        files = [str(path) for path in self._db.select("trades", "BTC-USD").files()]
        with duckdb.connect() as con:
            found = con.execute(
                "SELECT ingest_seq FROM read_parquet(?, hive_partitioning = false, "
                "union_by_name = true) ORDER BY ALL", [files],
            ).fetchall()  # fmt: skip
        return [row[0] for row in found]

    def _sql(self) -> list[tuple]:
        with Queries(self._path) as queries:
            return list(queries.run("SELECT ingest_seq, hour FROM trades ORDER BY ALL").rows)

    def _view(self) -> list[tuple]:
        with duckdb.connect() as con:
            con.execute((self._path / "recorder.sql").read_text())
            return con.execute("SELECT noted_seq, hour FROM coverage ORDER BY ALL").fetchall()


class Reader:
    """Asks one question after the other until it is over."""

    def __init__(self, path: Path, number: int, begun: dict[int, int], turn: list[int]) -> None:
        self._asking = Asking(path)
        self._number = number
        self._begun = begun
        self._turn = turn
        self.asked = Counter[str]()
        self.error: BaseException | None = None
        self.over = False

    def run(self, wanted: dict[str, object]) -> None:
        names = list(wanted)
        try:
            while not self.over:
                name = names[(self._number + self.asked.total()) % len(names)]
                self._begun[self._number] = self._turn[0]
                found = self._asking.questions[name]()
                del self._begun[self._number]
                assert found == wanted[name], name
                self.asked[name] += 1
        except BaseException as error:  # noqa: BLE001  the test's thread raises it
            self.error = error
        finally:
            self._begun.pop(self._number, None)


def test_every_answer_is_whole_while_days_are_packed(tmp_path, monkeypatch):
    """Hundreds of questions beside packs, removals and days that are taken apart."""
    not_waiting_for_the_disk(monkeypatch)
    now = [LATER_S]
    monkeypatch.setattr(pack.time, "time", lambda: now[0])
    root = record_packable(tmp_path / "data", keep_capture=False)
    wanted = {name: ask() for name, ask in Asking(root.path).questions.items()}
    begun: dict[int, int] = {}
    turn = [0]
    readers = [Reader(root.path, number, begun, turn) for number in range(READERS)]
    threads = [threading.Thread(target=each.run, args=(wanted,)) for each in readers]
    for thread in threads:
        thread.start()

    def grace() -> None:
        """Until everybody who had begun is done: the hour of earnest."""
        turn[0] += 1
        end_s = time.monotonic() + DEADLINE_S
        while any(since < turn[0] for since in list(begun.values())):
            assert time.monotonic() < end_s
            time.sleep(0.001)

    rounds = 0
    try:
        while sum(each.asked.total() for each in readers) < QUERIES:
            assert not [each.error for each in readers if each.error]
            assert len(pack.pack(root.path).packed) == 2
            grace()
            now[0] += GRACE_S
            assert len(pack.pack(root.path).removed) == 2
            _take_apart(root, grace)
            rounds += 1
    finally:
        for each in readers:
            each.over = True
        for thread in threads:
            thread.join(DEADLINE_S)
    for each in readers:
        if each.error is not None:
            raise each.error
    asked = sum((each.asked for each in readers), Counter[str]())
    print(f"{asked.total()} questions in {rounds} rounds: {dict(asked)}")
    assert set(asked) == set(wanted)
    assert rounds > 1
    assert verify(root.path).findings == []


def _take_apart(root: Root, grace) -> None:
    """As a repair does, and in the time that readers need."""
    with PackLock(root):
        for day in root.packed_days():
            record = days.read_day(root, day)
            for hour in packing.sealed_hours(record):
                unpack.restore_hour(root, record, read_commit(root, hour))
            remove(root.day_record(day))
            publish_views(root, root.packing)
            grace()
            days.note(root, day, days.PACKING)
            days.clear(root)


def test_the_questions_find_what_is_wrong(tmp_path, monkeypatch):
    """A hour less, or twice, is no right answer."""
    not_waiting_for_the_disk(monkeypatch)
    monkeypatch.setattr(pack.time, "time", lambda: LATER_S)
    root = record_packable(tmp_path / "data", keep_capture=False)
    asking = Asking(root.path)
    wanted = {name: ask() for name, ask in asking.questions.items()}
    pack.pack(root.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recorder.dataset.reading.row_groups", lambda parquet, _hour: range(1))
        for name in ("api level2", "api trades", "stream", "coverage", "book"):
            assert asking.questions[name]() != wanted[name], name
    for name, ask in asking.questions.items():
        assert ask() == wanted[name], name
