"""Carrying out a plan: what builds on what failed, names that are taken, what goes meanwhile."""

import json

import pytest

from recorder import pack
from recorder.errors import DataError
from recorder.publishing import plan
from recorder.publishing.records import of_hour
from recorder.store.paths import hour_text
from tests.packs import HOURS, NEWEST
from tests.publishers import check_published


def first_file(root, hour: int) -> str:
    return json.loads(root.commit(hour).read_text())["files"][0]["path"]


def test_an_object_that_was_left_by_a_killed_run(root, store, publishing):
    """It is another file under our name: it stays, and ours gets a name of its own."""
    path = first_file(root, HOURS[0])
    store.put(f"x/{path}", b"sealed before, and again since")
    assert publishing().whole
    objects = store.below("x")
    assert objects[path] == b"sealed before, and again since"
    assert check_published(objects, whole=False) == {*HOURS, NEWEST}
    named = json.loads(objects[f"commits/{hour_text(HOURS[0])}.json"])["files"][0]["path"]
    assert named.startswith(path.removesuffix(".parquet"))
    assert publishing().published == []


def test_where_both_names_are_taken(root, store, publishing):
    """The hour is left alone."""
    path = first_file(root, HOURS[0])
    record = of_hour(root, HOURS[0], private=False)
    digest = record.files[0].sha256[:12]
    for name in (path, path.replace(".parquet", f".{digest}.parquet")):
        store.put(f"x/{name}", b"another")
    report = publishing()
    assert [each.what for each in report.left] == [hour_text(HOURS[0])]


def test_files_that_go_meanwhile(root, store, publishing):
    """A prune is no mistake: the hour is left for the next run."""
    (root.path / first_file(root, HOURS[0])).unlink()
    report = publishing()
    assert report.whole
    assert [(each.what, each.wrong) for each in report.left] == [(hour_text(HOURS[0]), False)]
    assert check_published(store.below("x"), whole=False) == {*HOURS[1:], NEWEST}


def test_hours_wait_for_the_day_that_they_are_in(root, store, publishing, clock):
    """Where a day's file is damaged, none of its hours is published without it."""
    pack.pack(root.path)
    path = next((root.packed / "level2").rglob("*.parquet"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    report = publishing()
    assert not report.whole
    hurt = {hour for hour in HOURS if f"date={report.left[0].what}" in str(path)}
    assert hurt
    day = next(hour for hour in HOURS if plan.day_iso(hour // 24) == report.left[0].what) // 24
    published = check_published(store.below("x"), whole=False)
    assert published == {hour for hour in (*HOURS, NEWEST) if hour // 24 != day}


def test_two_that_write_at_once(root, store, publishing):
    """Whoever comes second is told, and overwrites nothing."""
    name = f"x/commits/{hour_text(HOURS[0])}.json"

    def sneak(_number: int, method: str, key: str) -> None:
        if (method, key) == ("PUT", name) and name not in store.objects:
            store.put(name, b"another's")

    store.fault = sneak
    with pytest.raises(DataError, match="somebody else wrote it"):
        publishing()
    assert store.objects[name].body == b"another's"
