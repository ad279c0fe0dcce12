"""What a bucket lacks: hours that were sealed again, on either side, and days that changed."""

import json

import pytest

import recorder
from recorder import pack
from recorder.recording import Recording
from recorder.store.days import read_day
from recorder.store.lock import PackLock
from recorder.store.paths import Root, hour_text
from recorder.store.records import CHECKSUM, checksum
from recorder.store.seal import read_commit, seal_hour, switch
from recorder.store.unpack import take_apart
from tests.dataset.made import Recorded
from tests.frames_made import WANTED
from tests.packs import DAY, HOURS, NEWEST
from tests.publishers import check_published, to


def reseal(root, hour: int, sealed_at: str) -> None:
    """As if an hour had been sealed again, with a column of numbers that is another."""
    path = root.commit(hour)
    content = json.loads(path.read_text())
    content["sealed_at"] = sealed_at
    content["ended_ns"] += 1
    del content[CHECKSUM]
    path.write_text(json.dumps({**content, CHECKSUM: checksum(content)}))


def test_an_hour_that_was_sealed_again(store, publishing, restarted):
    """Files that differ get other names, the record is replaced, and who reads is not disturbed."""
    recorded = restarted
    publishing(path=recorded.path)
    before = store.below("x")
    old = recorder.open(to("x"), endpoint=store.endpoint)
    rows = old.select("level2", "BTC-USD", allow_gaps=True)
    files = rows.files()
    recorded.go_on()
    report = publishing(path=recorded.path)
    assert [each.how for each in report.published] == ["replaced", "new"]
    after = store.below("x")
    assert {key for key in before if before[key] != after[key]} <= {
        *(key for key in before if key.startswith("commits/")),
        "current.json",
    }
    check_published(after, whole=False)
    assert {str(path) for path in rows.files()} != {str(path) for path in files}
    here = recorder.open(recorded.path).select("level2", "BTC-USD", allow_gaps=True, live=False)
    assert rows.to_arrow().equals(here.to_arrow())
    again = publishing(path=recorded.path)
    assert (again.there, again.published) == (2, [])
    assert publishing(path=recorded.path, remove_superseded=True).removed
    check_published(store.below("x"), whole=True)
    assert rows.to_arrow().equals(here.to_arrow())


class Restarted:
    """A recording that stopped in an hour, which was sealed; `go_on` goes on in it."""

    def __init__(self, path) -> None:
        self.path = path
        self.recorded = Recorded(path, seed=3)
        self.recorded.connect()
        self.recorded.run(2)
        self.recorded.stop()
        seal_hour(self.recorded.root, self.recorded.hour)
        switch(self.recorded.root, self.recorded.hour + 1)

    def go_on(self) -> None:
        old = self.recorded
        old.made.cut_off()
        old.open_ones.clear()
        old.made.wait(5)
        old.recording = Recording(old.root, old.made.now_ns, WANTED)
        old.connect()
        old.run(2)
        old.turn()
        old.run(1)
        old.stop()
        seal_hour(old.root, old.hour)
        switch(old.root, old.hour + 1)


@pytest.fixture
def restarted(tmp_path):
    return Restarted(tmp_path / "restarted")


def test_what_is_published_may_be_the_later_one(root, store, publishing):
    """A directory that was restored from a backup takes nothing back."""
    publishing()
    before = store.below("x")
    reseal(root, HOURS[1], "2020-01-01T00:00:00Z")
    report = publishing()
    (left,) = report.left
    assert (left.what, left.wrong, report.whole) == (hour_text(HOURS[1]), True, False)
    assert "sealed later" in left.reason
    assert store.below("x") == before


def test_a_record_that_alone_is_another(root, store, publishing):
    """Its files stay: nothing is sent but the record."""
    publishing()
    reseal(root, HOURS[1], "2090-01-01T00:00:00Z")
    report = publishing()
    assert [(each.how, each.files) for each in report.published] == [("replaced", 0)]
    name = f"commits/{hour_text(HOURS[1])}.json"
    assert store.below("x")[name] == root.commit(HOURS[1]).read_bytes()
    check_published(store.below("x"), whole=True)


def test_a_damaged_record_there_is_replaced(root, store, publishing):
    publishing()
    wanted = store.below("x")
    store.put(f"x/commits/{hour_text(HOURS[0])}.json", b"{")
    report = publishing()
    assert [(each.how, each.bytes) for each in report.published] == [("replaced", 0)]
    assert store.below("x") == wanted


def test_a_day_that_was_taken_apart(root, store, publishing, clock):
    """While it is the same nothing is sent; where an hour is another, all get files of theirs."""
    pack.pack(root.path)
    publishing()
    before = store.below("x")
    with PackLock(root):
        take_apart(root, DAY)
    assert read_day(root, DAY) is None
    assert publishing().published == []
    assert store.below("x") == before
    hours = [hour for hour in HOURS if hour // 24 == DAY]
    reseal(root, hours[0], "2099-01-01T00:00:00Z")
    report = publishing()
    assert [each.how for each in report.published] == ["replaced"] * (len(hours) + 1)
    check_published(store.below("x"), whole=False)
    assert publishing().published == []
    assert publishing(remove_superseded=True).removed
    assert check_published(store.below("x"), whole=True) == {*HOURS, NEWEST}
    pack.pack(root.path)
    assert publishing().published == []
    assert read_commit(Root(root.path), hours[0]) is not None
