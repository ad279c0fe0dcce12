"""Readers beside a recording: hours are sealed, switched to, retired, and every answer is whole.

A thread records made hours, each a second long: parts, seal, switch, the removal of parts and of
capture. Others ask without a pause, through the API and through DuckDB over the files that it
names. An answer must hold all that was published when the question was asked, nothing twice, and
nothing that is not in the order of what is recorded.
"""

import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

import recorder
from recorder.core.frames import HOUR_NS
from recorder.core.tables import TABLES
from recorder.errors import NoInputError
from recorder.recording import Recording
from recorder.store.parts import read_parts, sort, write_empty_parts
from recorder.store.paths import CUTS, Root
from recorder.store.retire import retire
from recorder.store.seal import seal_hour, switch
from recorder.verify import verify
from tests.frames_made import HOUR, HOUR_START_NS, PRODUCTS, SECOND_NS, WANTED, Made

QUERIES = 500
READERS = 4
HOURS = 8
DEADLINE_S = 60
QUESTIONS = ("level2", "trades", "coverage", "book", "duckdb level2", "duckdb trades")


@dataclass
class Published:
    """What is published so far: the numbers of every table and product, in their order."""

    numbers: dict[tuple[str, str], list[int]] = field(
        default_factory=lambda: {
            (name, product): [] for name in ("level2", "trades") for product in PRODUCTS
        }
    )
    intervals: int = 0

    def add(self, root: Root, hour: int, first: int) -> None:
        """Note the parts that begin at or behind an offset, before anybody could miss them."""
        for name in ("level2", "trades"):
            paths = [part.path for part in root.parts(name, hour) if part.first >= first]
            rows = sort(TABLES[name], read_parts(TABLES[name], paths))
            for product in PRODUCTS:
                known = self.numbers[name, product]
                for number, of in zip(
                    rows.column("ingest_seq").to_pylist(),
                    rows.column("product_id").to_pylist(),
                    strict=True,
                ):
                    if of == product:
                        known.append(number)
        paths = [part.path for part in root.parts("coverage", hour) if part.first >= first]
        self.intervals += read_parts(TABLES["coverage"], paths).num_rows


class Writer:
    """Records hours and does with them what the daemon does, as fast as it can be done.

    ``asking`` is who has asked since when; the retention waits as long as any of them reads what
    it listed before the switch, as the hour that it waits in earnest does.
    """

    def __init__(self, path: Path) -> None:
        self.root = Root(path)
        self.published = Published()
        self.asking: dict[int, int] = {}
        self.turns = Counter[str]()
        self.done = False
        self.asked = 0
        self.hours = 0
        self.error: BaseException | None = None
        self._switches = 0

    def run(self) -> None:
        try:
            self._record()
        except BaseException as error:  # noqa: BLE001  the test's thread raises it
            self.error = error
        self.done = True

    def begin_to_ask(self) -> None:
        self.asking[threading.get_ident()] = self._switches

    def _record(self) -> None:
        made = Made(4, HOUR_START_NS, rate=4)
        recording = Recording(self.root, made.now_ns, WANTED)
        self._take(recording, made.open("c0"))
        while self.hours < HOURS or self.asked < QUERIES:
            number, hour = self.hours, HOUR + self.hours
            for _ in range(6):
                self._take(recording, made.run(0.15))
            if number % 3 == 1:  # the connection is lost, and there is another
                self._take(recording, made.close(f"c{number // 3}"))
                self._take(recording, made.open(f"c{number // 3 + 1}"))
            made.wait((hour + 1) * 3600 - made.now_ns / SECOND_NS - 0.05)
            self._take(recording, made.run(0.1))
            assert recording.hour == hour + 1
            seal_hour(self.root, hour)
            self.turns["seal"] += 1
            switch(self.root, hour + 1)
            self._switches += 1
            self.turns["switch"] += 1
            self._retire(hour)
            self.hours += 1
        recording.stop(recording.last_ns)
        self._publish(recording)
        recording.capture.close()

    def _take(self, recording, arrivals) -> None:
        for arrival in arrivals:
            recording.take(arrival)
        self._publish(recording)

    def _publish(self, recording) -> None:
        recording.cut()
        recording.capture.flush()
        for pending in recording.take_ready():
            pending.publish(self.root)
            self.published.add(self.root, pending.hour, pending.first)

    def _retire(self, hour: int) -> None:
        end_s = time.monotonic() + DEADLINE_S
        while any(since < self._switches for since in list(self.asking.values())):
            assert time.monotonic() < end_s
            time.sleep(0.001)
        now_s = (HOUR_START_NS + 10**6 * HOUR_NS) / 1e9
        self.turns["retire"] += len(retire(self.root, now_s, 0 if hour % 2 else None))


class Reader:
    """Asks one question after the other, and checks each answer."""

    def __init__(self, writer: Writer, number: int) -> None:
        self._writer = writer
        self._number = number
        self._db = recorder.open(writer.root.path)
        self.asked = Counter[str]()
        self.again = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._writer.done:
                number = self._number + sum(self.asked.values())
                question = QUESTIONS[number % len(QUESTIONS)]
                product = PRODUCTS[number // len(QUESTIONS) % 2]
                self._writer.begin_to_ask()
                self._ask(question, product)
                del self._writer.asking[threading.get_ident()]
                self.asked[question] += 1
                self._writer.asked += 1  # two at once may count once: then one more is asked
        except BaseException as error:  # noqa: BLE001  the test's thread raises it
            self.error = error
        finally:
            self._writer.asking.pop(threading.get_ident(), None)

    def _ask(self, question: str, product: str) -> None:
        published = self._writer.published
        if question == "coverage":
            before = published.intervals
            self._check_coverage(before)
        elif question == "book":
            self._check_book(product, len(published.numbers["level2", product]))
        else:
            table = question.rsplit(maxsplit=1)[-1]
            before = len(published.numbers[table, product])
            ask = self._by_duckdb if question.startswith("duckdb") else self._by_api
            found = ask(table, product)
            self._check(found, table, product, before)

    def _by_api(self, table: str, product: str) -> list[int]:
        try:
            rows = self._db.select(table, product, allow_gaps=True).to_arrow()
        except NoInputError:
            return []  # nothing of it was published yet, and no more than that is checked
        assert set(rows.column("product_id").to_pylist()) <= {product}
        return rows.column("ingest_seq").to_pylist()

    def _by_duckdb(self, table: str, product: str) -> list[int]:
        while True:
            files = [str(path) for path in self._db.select(table, product).files()]
            if not files:
                return []
            with duckdb.connect() as con:
                try:
                    found = con.execute(
                        "SELECT ingest_seq FROM read_parquet(?, hive_partitioning = false, "
                        "union_by_name = true) WHERE product_id = ? ORDER BY ingest_seq",
                        [files, product],
                    ).fetchall()
                except duckdb.IOException:
                    self.again += 1  # as docs/format.md says: the switch has moved on
                    continue
            return [row[0] for row in found]

    def _check(self, found: list[int], table: str, product: str, before: int) -> None:
        """What was published before, then perhaps more, each once, in order."""
        assert len(found) >= before, (table, product, "rows are missing", before, len(found))
        assert len(set(found)) == len(found), (table, product, "rows are there twice")
        end_s = time.monotonic() + DEADLINE_S
        while len(self._writer.published.numbers[table, product]) < len(found):
            assert time.monotonic() < end_s, (table, product, "rows that nobody recorded")
            time.sleep(0.001)  # published, and not noted yet
        known = self._writer.published.numbers[table, product]
        assert found == known[: len(found)], (table, product, "other rows, or another order")

    def _check_coverage(self, before: int) -> None:
        rows = self._db.coverage()
        assert rows.num_rows >= before
        keys = list(
            zip(
                *(
                    rows.column(name).to_pylist()
                    for name in ("channel", "product_id", "start_time", "end_time", "noted_seq")
                ),
                strict=True,
            )
        )
        assert len(set(keys)) == len(keys)

    def _check_book(self, product: str, before: int) -> None:
        try:
            book = self._db.book(product)
        except NoInputError:
            assert not before
            return
        bids, asks = ([float(price) for price, _ in side] for side in (book.bids, book.asks))
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert not book.valid or bids[0] < asks[0]


def test_every_answer_is_whole_while_hours_are_sealed(tmp_path, monkeypatch):
    """500 questions and more beside turns of the hour: all are answered, and all right."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr(os, "fdatasync", lambda _handle: None)
    write_empty_parts(Root(tmp_path))
    writer = Writer(tmp_path)
    readers = [Reader(writer, number) for number in range(READERS)]
    began_s = time.monotonic()
    threads = [threading.Thread(target=writer.run)]
    threads += [threading.Thread(target=each.run) for each in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
    for each in (writer, *readers):
        if each.error is not None:
            raise each.error
    asked = sum((each.asked for each in readers), Counter[str]())
    print(
        f"{asked.total()} questions in {time.monotonic() - began_s:.1f} s: {dict(asked)}; "
        f"{dict(writer.turns)}; asked again {sum(each.again for each in readers)}"
    )
    assert asked.total() >= QUERIES
    assert set(asked) == set(QUESTIONS)
    assert writer.turns["seal"] == writer.turns["switch"] == writer.hours >= HOURS
    assert writer.turns["retire"] > HOURS
    root = Root(tmp_path)
    assert root.part_hours() == [HOUR + writer.hours]
    assert root.parts(CUTS)
    assert verify(tmp_path, deep=True).findings == []


@pytest.mark.parametrize("table", ["level2", "trades"])
def test_the_questions_find_what_is_wrong(tmp_path, table):
    """The checks are no rubber stamp: a row less, a row twice, another order, each is refused."""
    writer = Writer(tmp_path)
    writer.published.numbers[table, "BTC-USD"] = [1, 2, 3, 4]
    reader = Reader(writer, 0)
    reader._check([1, 2, 3], table, "BTC-USD", 3)
    for found in ([1, 2], [1, 2, 2, 3], [2, 1, 3], [1, 2, 4]):
        with pytest.raises(AssertionError):
            reader._check(found, table, "BTC-USD", 3)
