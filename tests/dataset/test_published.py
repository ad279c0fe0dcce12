"""Published data answers as the directory that it was published from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import recorder
from recorder.errors import DataError, NoInputError, UsageError
from recorder.publishing import Options, publish
from tests.dataset.made import HOUR, HOUR_NS
from tests.objectstore import Store, object_store
from tests.publishers import set_keys, to

TABLES = ("level2", "trades", "ticker", "heartbeats", "status", "faults", "audits", "coverage")


@pytest.fixture(scope="module")
def published(hours: Path) -> Iterator[tuple[Path, Store]]:
    """The sealed hours of the recorded ones, in a store."""
    with pytest.MonkeyPatch.context() as patch, object_store() as store:
        set_keys(patch)
        publish(hours, to("x"), Options(endpoint=store.endpoint))
        yield hours, store


@pytest.fixture
def both(published):
    path, store = published
    store.asked.clear()
    return recorder.open(path), recorder.open(to("x"), endpoint=store.endpoint)


def bounds() -> list[tuple[int, int]]:
    """Ranges: both sealed hours, within one, over the turn."""
    begin = HOUR * HOUR_NS
    return [
        (begin, begin + 2 * HOUR_NS),
        (begin + 10**9, begin + 3 * 10**9),
        (begin + HOUR_NS - 10**9, begin + HOUR_NS + 10**9),
    ]


@pytest.mark.parametrize("table", TABLES)
def test_selections(both, table):
    """Row for row, by product and range, with and without decimals."""
    here, there = both
    for product in (None, "BTC-USD"):
        for span in bounds():
            named = {"allow_gaps": True, "live": False}
            ours = here.select(table, product, *span, **named)
            theirs = there.select(table, product, *span, **named)
            assert theirs.to_arrow().equals(ours.to_arrow())
            assert list(theirs.batches(50)) == list(ours.batches(50))


def test_books_tops_bars_replay(both):
    """What is computed is computed from the same rows."""
    here, there = both
    for begin, end in bounds():
        assert there.book("BTC-USD", at=end - 1) == here.book("BTC-USD", at=end - 1)
        for ask in (
            lambda db, b=begin, e=end: db.top_of_book("BTC-USD", b, e, allow_gaps=True, live=False),
            lambda db, b=begin, e=end: db.bars("1s", "BTC-USD", b, e, allow_gaps=True, live=False),
        ):
            assert ask(there).to_arrow().equals(ask(here).to_arrow())
        ours = here.replay(None, begin, end, allow_gaps=True, live=False)
        assert list(map(repr, there.replay(None, begin, end, allow_gaps=True))) == list(
            map(repr, ours)
        )


def test_what_there_is(both):
    """Products, sealed hours, coverage and gaps within what is published."""
    here, there = both
    assert there.product_ids() == here.product_ids()
    assert there.hours() == [each for each in here.hours() if each.sealed]
    span = bounds()[0]
    assert there.gaps(None, None, *span) == here.gaps(None, None, *span)
    assert there.coverage(None, None, *span).equals(here.coverage(None, None, *span))
    assert [each.product_id for each in there.products()] == here.product_ids()
    with pytest.raises(recorder.IncompleteData):
        there.level2("BTC-USD", *span).to_arrow()
    with pytest.raises(NoInputError, match="BTC-USD"):
        there.level2("BTC-USE", *span).to_arrow()


def test_a_short_range_asks_for_little(published, both):
    """Ten seconds of one product: records, footers, and the row groups that hold them."""
    _, store = published
    begin = HOUR * HOUR_NS + HOUR_NS
    store.asked.clear()
    rows = both[1].level2(
        "BTC-USD", begin, begin + 10 * 10**9, columns=["price", "size"], allow_gaps=True
    )
    assert rows.to_arrow().num_rows
    asked = list(store.asked)
    assert len(asked) <= 16
    assert sum(each.method == "HEAD" for each in asked) == 0
    objects = [each for each in asked if each.key.endswith(".parquet")]
    assert objects
    assert all(each.range is not None for each in objects)
    assert not [each.key for each in objects if "ETH-USD" in each.key or "trades/" in each.key]
    store.asked.clear()
    rows.to_arrow()
    assert len([each for each in store.asked if "/commits/2" in each.key]) == 0


def test_listings_are_short(published):
    """However many hours there are, one that is asked for is found by one page."""
    _, store = published
    store.objects |= {
        f"x/commits/{day:08d}{hour:02d}.json": next(iter(store.objects.values()))
        for day in (*range(20250101, 20250128), *range(20250201, 20250228))
        for hour in range(24)
    }
    try:
        db = recorder.open(to("x"), endpoint=store.endpoint)
        store.asked.clear()
        begin = HOUR * HOUR_NS
        db.level2("BTC-USD", begin, begin + HOUR_NS, allow_gaps=True).to_arrow()
        assert sum("list-type" in each.query for each in store.asked) == 1
    finally:
        store.objects = {
            key: each for key, each in store.objects.items() if "commits/2025" not in key
        }


def test_what_is_not_published(published):
    """The address is named, before anything is asked of it."""
    _, store = published
    with pytest.raises(NoInputError, match="nothing is published there"):
        recorder.open(to("nothing"), endpoint=store.endpoint)
    with pytest.raises(NoInputError, match="no bucket"):
        recorder.open("s3://another/x", endpoint=store.endpoint)
    with pytest.raises(UsageError, match="has an endpoint"):
        recorder.open("data", endpoint=store.endpoint)


def test_an_object_that_is_gone(published, both):
    """It is an error that names it, and says what puts it right."""
    _, store = published
    gone = {key: each for key, each in store.objects.items() if "/trades/product=BTC-USD" in key}
    for key in gone:
        del store.objects[key]
    try:
        with pytest.raises(DataError, match="recorder publish --check"):
            both[1].trades("BTC-USD", allow_gaps=True).to_arrow()
    finally:
        store.objects |= gone


def test_a_record_that_is_gone(published, both):
    """It is told as in a directory: with the record's name, for each question that is about it."""
    _, store = published
    (name, gone), *others = sorted(
        (key, each) for key, each in store.objects.items() if "/commits/" in key
    )
    assert len(others) == 1
    db, begin = both[1], HOUR * HOUR_NS
    del store.objects[name]
    try:
        for ask in (
            lambda: db.level2("BTC-USD", begin, begin + HOUR_NS, allow_gaps=True).to_arrow(),
            lambda: db.trades("BTC-USD", allow_gaps=True).to_arrow(),
            lambda: db.book("BTC-USD", at=begin + 10**9),
            lambda: list(db.replay("BTC-USD", allow_gaps=True)),
            db.hours,
        ):
            with pytest.raises(DataError, match=f"{name} is gone.*recorder publish"):
                ask()
        assert db.book("BTC-USD", at=begin + 2 * HOUR_NS - 1).bids
    finally:
        store.objects[name] = gone


@pytest.mark.parametrize(
    ("path", "told"),
    [
        *((path, "is no path") for path in (None, "", " ", 5, True, b"data", "a\0b", "x" * 5000)),
        *((path, "begins with http:") for path in ("http://u:geheim@h/x", Path("http://h/x"))),
        ("S3://market-data/x", "begins with S3:"),
        ("file:///data", "begins with file:"),
    ],
)
def test_what_is_no_path_is_said(path, told):
    """Neither a directory nor an address; an empty text is not the present directory."""
    with pytest.raises(UsageError, match=told) as raised:
        recorder.open(path)
    assert "geheim" not in str(raised.value)


def test_a_directory_with_the_name_of_an_address(tmp_path, monkeypatch):
    """It is one; a file is none."""
    monkeypatch.chdir(tmp_path)
    Path("ab:/x").mkdir(parents=True)
    assert recorder.open("ab:/x").product_ids() == []
    Path("file").touch()
    with pytest.raises(NoInputError, match="not a directory"):
        recorder.open("file")


@pytest.mark.parametrize("left", [0, 7, 0.5, -1])
def test_an_object_that_is_cut_short(published, both, left):
    """It is damaged, and named: nobody is told that the store could not be reached."""
    _, store = published
    name, whole = next(
        (key, each) for key, each in store.objects.items() if "/trades/product=BTC-USD" in key
    )
    bytes_left = int(len(whole.body) * left) if isinstance(left, float) else left
    store.put(name, whole.body[:bytes_left])
    try:
        with pytest.raises(DataError, match=f"{name}: cannot be read.*publish --check"):
            both[1].trades("BTC-USD", allow_gaps=True).to_arrow()
        with pytest.raises(DataError, match=f"{name}: cannot be read"):
            list(both[1].replay("BTC-USD", allow_gaps=True))
    finally:
        store.objects[name] = whole


def test_damaged_records_and_objects(published, both):
    """Never taken for truth."""
    _, store = published
    for part in ("/commits/", "/level2/"):
        hurt = {key: each for key, each in store.objects.items() if part in key}
        for key, each in hurt.items():
            store.put(key, each.body[:-20] + b"?" * 20)
        try:
            with pytest.raises(DataError):
                recorder.open(to("x"), endpoint=store.endpoint).level2(
                    "BTC-USD", allow_gaps=True
                ).to_arrow()
        finally:
            store.objects |= hurt
