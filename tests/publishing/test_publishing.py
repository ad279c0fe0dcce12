"""What publishing promises: whole hours in order, once, whatever happens on the way."""

import json
import re
import shutil

import pytest

import recorder
from recorder import pack
from recorder.bucket import connecting
from recorder.bucket.objects import Bucket
from recorder.errors import (
    DataError,
    LockedError,
    NoInputError,
    UnavailableError,
    UsageError,
)
from recorder.publishing import Options, publish
from recorder.repair import prune
from recorder.store.lock import PublishLock
from recorder.store.paths import Root, hour_text
from tests.objectstore import CUT, FAIL, HALF, LOST, SLOW
from tests.packs import DAY, HOURS, NEWEST
from tests.publishers import check_published, local_objects, to

ALL = [*HOURS, NEWEST]
MARKS = {"published.json", "current.json"}


def writes(store) -> list[str]:
    """The keys that were written, below the prefix."""
    return [each.key[2:] for each in store.asked if each.method in {"PUT", "POST", "DELETE"}]


@pytest.fixture
def small(root):
    """Two hours, of a day that is over."""
    prune(root.path, keep_capture_s=0)
    for hour in ALL[2:]:
        root.commit(hour).unlink()
    return root


def test_a_directory_is_published(root, store, publishing):
    """The same files and records, byte for byte; and of each hour the record comes last."""
    report = publishing()
    objects = store.below("x")
    assert {key: objects[key] for key in objects.keys() - MARKS} == local_objects(root.path)
    assert check_published(objects, whole=True) == set(ALL)
    assert [each.what for each in report.published] == [hour_text(hour) for hour in ALL]
    assert {each.how for each in report.published} == {"new"}
    files = sum(each.files for each in report.published)
    assert files == sum(key.endswith(".parquet") for key in objects)
    assert (report.whole, report.conditional, report.there, report.left) == (True, True, 0, [])
    order = [key for key in writes(store) if key not in MARKS]
    for hour in ALL:
        name = f"commits/{hour_text(hour)}.json"
        mine = [each["path"] for each in json.loads(objects[name])["files"]]
        assert set(order[: order.index(name)]) >= set(mine)
        assert not set(order[order.index(name) :]) & set(mine)


def test_a_second_time_nothing_is_sent(root, store, publishing):
    """One listing tells; only what the store can do is tried once more."""
    first = publishing()
    before, count = store.below("x"), len(store.asked)
    again = publishing()
    assert (again.there, again.published) == (len(first.published), [])
    assert store.below("x") == before
    assert set(writes(store)[len(writes(store)) - 2 :]) == {"published.json"}
    assert len(store.asked) - count <= 8


def test_stores_whose_tags_say_nothing(store, publishing):
    """As where objects are encrypted: the records are read, and are the same."""
    store.tags = False
    publishing()
    before = store.below("x")
    assert (publishing().there, publishing().published) == (len(ALL), [])
    assert store.below("x") == before


@pytest.mark.parametrize("conditions", ["ignored", "unknown"])
def test_stores_without_conditions(root, store, publishing, conditions):
    """It works, looks before each write, and says so."""
    store.conditions = conditions
    report = publishing()
    assert (report.conditional, len(report.published)) == (False, len(ALL))
    check_published(store.below("x"), whole=True)
    assert publishing().published == []


class Killed(BaseException):
    """What ends a process; nothing in ours may catch it."""


@pytest.fixture
def killed(monkeypatch):
    """Which request of a process is the last: (asked so far, the one that is not made; 0: none)."""
    asked, real = [0, 0], Bucket._ask

    def ask(self, *more, **named):
        asked[0] += 1
        if asked[0] == asked[1]:
            raise Killed
        return real(self, *more, **named)

    monkeypatch.setattr(Bucket, "_ask", ask)
    return asked


def test_killed_at_every_request(small, store, publishing, killed):
    """Readers see whole hours; the next run goes on, and nothing is lost or doubled."""
    publishing("clean", jobs=1)
    requests, wanted = killed[0], store.below("clean")
    assert requests > 20
    for at in range(1, requests + 1):
        name = f"k{at}"
        killed[:] = 0, at
        with pytest.raises(Killed):
            publishing(name, jobs=1)
        check_published(store.below(name), whole=False)
        killed[:] = 0, 0
        assert publishing(name, jobs=1).whole
        assert store.below(name) == wanted


@pytest.mark.parametrize("fault", [LOST, CUT, FAIL, SLOW, HALF])
def test_any_request_may_fail_once(small, store, publishing, monkeypatch, fault):
    """It is asked again, as often as in earnest, and the bucket is as if nothing had been."""
    monkeypatch.setattr(connecting, "_ATTEMPTS", 6)
    publishing("clean")
    wanted = store.below("clean")
    for every in (2, 3):
        store.fault = lambda number, _m, _k, by=every: fault if number % by == 0 else None
        assert publishing(f"f{every}", jobs=1).whole
        assert store.below(f"f{every}") == wanted


def test_a_store_that_is_gone_in_the_middle(small, store, publishing):
    """It ends with what to do, readers have whole hours, and the next run does the rest."""
    store.fault = lambda number, _m, _k: CUT if number > 25 else None
    with pytest.raises(UnavailableError, match="Published before that: 1 of 2"):
        publishing()
    assert len(check_published(store.below("x"), whole=False)) == 1
    store.fault = lambda _number, _m, _k: None
    report = publishing()
    assert (report.there, len(report.published)) == (1, 1)
    check_published(store.below("x"), whole=True)


def test_what_is_pruned_here_stays_there(root, store, publishing):
    """Retention is of the directory."""
    publishing()
    before = store.below("x")
    assert prune(root.path, older_than_s=0).removed
    assert len(root.committed_hours()) < len(ALL)
    report = publishing()
    assert (report.whole, report.published) == (True, [])
    assert store.below("x") == before


def test_a_damaged_file_is_not_published(root, store, publishing):
    """Its hour is left alone and told of; the others are published, and this one when mended."""
    path = root.path / json.loads(root.commit(ALL[1]).read_text())["files"][0]["path"]
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole[:-1] + b"?")
    report = publishing()
    assert not report.whole
    (left,) = report.left
    assert left.what == hour_text(ALL[1])
    assert "recorder repair" in left.reason
    assert check_published(store.below("x"), whole=False) == set(ALL) - {ALL[1]}
    path.write_bytes(whole)
    report = publishing()
    assert [each.what for each in report.published] == [hour_text(ALL[1])]
    assert check_published(store.below("x"), whole=True) == set(ALL)


def test_a_damaged_record_is_left_alone(root, store, publishing):
    record = root.commit(ALL[0])
    record.write_text(record.read_text().replace('"rows": ', '"rows": 1', 1))
    report = publishing()
    assert [(each.what, each.wrong) for each in report.left] == [(hour_text(ALL[0]), True)]
    assert check_published(store.below("x"), whole=True) == set(ALL) - {ALL[0]}


def test_only_what_readers_take(root, store, publishing):
    """Hours from the switch on are not finished; a range takes fewer still."""
    switch = json.loads(root.current.read_text())
    root.current.write_text(
        json.dumps({**switch, "sealed_before": "2026-11-11T01:00:00Z", "hour": "2026111101"})
    )
    before = [hour for hour in ALL if hour_text(hour) < "2026111101"]
    publishing("a")
    assert check_published(store.below("a"), whole=True) == set(before)
    publishing("b", first=before[1], last=before[3])
    assert check_published(store.below("b"), whole=True) == set(before[1:3])


def test_a_dry_run_writes_nothing(root, store, publishing):
    """Neither there nor here; and tells what would be."""
    entries = sorted(root.path.rglob("*"))
    report = publishing(dry_run=True)
    assert (writes(store), sorted(root.path.rglob("*"))) == ([], entries)
    assert len(report.published) == len(ALL)
    done = publishing()
    assert done.published == report.published


def test_another_directory_is_refused(root, recorded, store, publishing, tmp_path):
    """Two of them would replace each other's hours; one that was moved is adopted once."""
    publishing()
    other = tmp_path / "other"
    shutil.copytree(recorded, other)
    with pytest.raises(UsageError, match="--adopt"):
        publishing(path=other)
    with pytest.raises(UsageError, match="--adopt"):
        publishing(path=other, dry_run=True)
    assert publishing(path=other, adopt=True).there == len(ALL)
    assert publishing(path=other).whole
    with pytest.raises(UsageError, match="another data directory"):
        publishing()


def test_one_process_publishes(root, publishing):
    with PublishLock(root), pytest.raises(LockedError, match="publishes it"):
        publishing()


def test_what_is_no_directory(tmp_path, store):
    with pytest.raises(NoInputError, match="no such directory"):
        publish(tmp_path / "nothing", to("x"), Options(endpoint=store.endpoint))


def test_what_is_missing_there_is_sent_again(root, store, publishing):
    """Somebody removed an object, or half of it: only with `check` every object is looked for."""
    publishing()
    wanted = store.below("x")
    gone = next(key for key in store.objects if key.endswith(".parquet"))
    del store.objects[gone]
    assert publishing().published == []
    report = publishing(check=True)
    assert [(each.how, each.files) for each in report.published] == [("replaced", 1)]
    assert store.below("x") == wanted
    store.put(gone, b"half")
    assert publishing(check=True).published[0].files == 1
    check_published(store.below("x"), whole=False)
    assert publishing(check=True).published == []


def test_the_venue_s_list_is_published(root, store, publishing):
    """And replaced when it is another."""
    for content in (b'{"products": []}', b'{"products": [1]}'):
        root.products.write_bytes(content)
        publishing()
        assert store.below("x")["products.json"] == content


# --- packed days ---------------------------------------------------------------------------------


def same_rows(store, root, prefix: str = "x") -> None:
    """What is published answers as the directory does."""
    there = recorder.open(to(prefix), endpoint=store.endpoint)
    here = recorder.open(root.path)
    assert there.coverage().equals(here.coverage())
    assert there.product_ids() == here.product_ids()
    for product in here.product_ids():
        for table in ("level2", "trades", "ticker"):
            ours = here.select(table, product, allow_gaps=True).to_arrow()
            assert there.select(table, product, allow_gaps=True).to_arrow().equals(ours)


def test_days_packed_before_they_are_published(root, store, publishing, clock):
    """Their files, then their record, then the records of their hours."""
    assert len(pack.pack(root.path).packed) == 2
    report = publishing()
    assert [each.what for each in report.published if each.how == "packed"] == [
        "2026-11-10",
        "2026-11-11",
    ]
    assert check_published(store.below("x"), whole=True) == set(ALL)
    same_rows(store, root)
    again = publishing()
    assert (again.there, again.published) == (len(ALL), [])


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (r"commits/\d{10}\.json", r"commits/\d{10}\.json is gone.*commits/\d{8}\.json is there"),
        (r"commits/\d{8}(\d\d)?\.json", r"commits/\d{8}\.json is gone.*packed/coverage.*is there"),
        (r"commits/\d{8}\.json", r"a record names it, and it is not there|\d{8}\.json is gone"),
    ],
)
def test_a_packed_day_without_its_record_is_told(root, store, publishing, clock, lost, told):
    """Of its hours, of the day, or of both: nobody passes over the rows; publishing mends it."""
    pack.pack(root.path)
    publishing()
    whole = dict(store.objects)
    gone = [key for key in whole if re.fullmatch(f"x/{lost}", key)]
    assert gone
    for key in gone:
        del store.objects[key]
    there = recorder.open(to("x"), endpoint=store.endpoint)
    for ask in (
        lambda: there.trades("BTC-USD", allow_gaps=True).to_arrow(),
        there.coverage,
        there.coverage_map,
    ):
        with pytest.raises(DataError, match=told):
            ask()
    publishing(check=True)
    same_rows(store, root)


def test_days_packed_after_they_were_published(root, store, publishing, clock):
    """The hours stay in force: nothing is sent, and no row is there twice."""
    publishing()
    before = store.below("x")
    pack.pack(root.path)
    clock[0] += 4000
    assert pack.pack(root.path).removed
    assert publishing().published == []
    assert publishing(check=True).published == []
    assert store.below("x") == before
    same_rows(store, root)


def test_a_day_of_which_a_part_was_published(root, store, publishing, clock):
    """The packed day is in force for all of it; what its hours had is superseded."""
    publishing(last=24 * (DAY + 1) - 1)
    assert len(check_published(store.below("x"), whole=True)) == 2
    pack.pack(root.path)
    clock[0] += 4000
    pack.pack(root.path)
    publishing()
    assert check_published(store.below("x"), whole=False) == set(ALL)
    same_rows(store, root)
    assert publishing(remove_superseded=True).removed
    check_published(store.below("x"), whole=True)
    same_rows(store, root)
    assert publishing(check=True).published == []


def test_killed_while_a_packed_day_is_published(root, store, publishing, clock, killed):
    """At every sixth request; readers see whole hours."""
    pack.pack(root.path)
    publishing("clean", jobs=1)
    requests, wanted = killed[0], store.below("clean")
    for at in range(3, requests, 6):
        killed[:] = 0, at
        with pytest.raises(Killed):
            publishing(f"k{at}", jobs=1)
        check_published(store.below(f"k{at}"), whole=False)
        killed[:] = 0, 0
        publishing(f"k{at}", jobs=1)
        assert store.below(f"k{at}") == wanted


def test_a_root_that_is_published_is_no_stranger_to_verify(root, publishing):
    from recorder.verify import verify  # noqa: PLC0415

    publishing()
    assert Root(root.path).publisher.is_file()
    report = verify(root.path)
    assert [note for note in report.notes if "publish" in note.path] == []
