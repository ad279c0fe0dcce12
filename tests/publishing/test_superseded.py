"""What no record names may go, an hour later; what is not ours never does."""

import pytest

from recorder.bucket import open_bucket
from recorder.bucket.address import Address
from recorder.publishing.superseded import GRACE_S, superseded
from recorder.publishing.there import There
from recorder.store.paths import hour_text
from tests.objectstore import BUCKET, MODIFIED_S
from tests.packs import HOURS

ORPHAN = "level2/product=BTC-USD/date=2026-11-10/hour=21/level2-BTC-USD-20261110T21.0123.parquet"
OTHERS = [
    "notes.txt",
    "level2/product=BTC-USD/notes.parquet",
    "quotes/date=2026-11-10/hour=21/quotes-20261110T21.parquet",
    "commits/old.json",
]


@pytest.fixture
def there(store, publishing):
    publishing()
    for name in (ORPHAN, *OTHERS):
        store.put(f"x/{name}", b"?")
    return lambda: There(open_bucket(Address(BUCKET, "x"), endpoint=store.endpoint))


def test_only_what_nobody_names(store, there):
    """And only after the time that readers are given."""
    before = store.below("x")
    soon, later = MODIFIED_S + GRACE_S - 1, MODIFIED_S + GRACE_S + 1
    assert superseded(there(), dry_run=False, now_s=soon) == []
    assert superseded(there(), dry_run=True, now_s=later) == [ORPHAN]
    assert store.below("x") == before
    assert superseded(there(), dry_run=False, now_s=later) == [ORPHAN]
    assert store.below("x") == {key: body for key, body in before.items() if key != ORPHAN}


def test_a_damaged_record_keeps_its_day(store, there):
    """Nobody knows what it named."""
    store.put(f"x/commits/{hour_text(HOURS[0])}.json", b"{")
    assert superseded(there(), dry_run=False, now_s=MODIFIED_S + 1e6) == []
