"""What a bucket has already: records, the switch, and whose it is."""

import json

import pytest

from recorder.bucket import open_bucket
from recorder.bucket.address import Address
from recorder.errors import DataError, UsageError
from recorder.publishing.there import There, name_publisher, publisher_of
from recorder.store.paths import hour_from_text, iso
from tests.objectstore import BUCKET

HOUR = hour_from_text("2026112119")


@pytest.fixture
def there(store):
    return There(open_bucket(Address(BUCKET, "x"), endpoint=store.endpoint))


def switched(store) -> str:
    return json.loads(store.below("x")["current.json"])["sealed_before"]


def test_what_is_listed(store):
    """Hours and days by their records; whatever else lies there is none."""
    for name in ("2026112119.json", "20261121.json", "2026112125.json", "notes.txt"):
        store.put(f"x/commits/{name}", b"{}")
    there = There(open_bucket(Address(BUCKET, "x"), endpoint=store.endpoint))
    assert (list(there.hours), list(there.days)) == ([HOUR], [HOUR // 24])
    assert (there.hour(HOUR), there.day(HOUR // 24), there.packed(HOUR // 24)) == (
        None,
        None,
        set(),
    )


def test_the_switch_goes_forward_only(store, there):
    for hour, expected in ((HOUR, HOUR), (HOUR + 2, HOUR + 2), (HOUR + 1, HOUR + 2)):
        there.switch_to(hour)
        assert switched(store) == iso(expected)
    store.put("x/current.json", b"?")
    with pytest.raises(DataError, match="Remove it"):
        there.switch_to(HOUR)


def test_a_place_has_one_owner(there):
    """Nobody's is anybody's; another's has to be adopted."""
    there.check_mark(None, adopt=False)
    there.put_mark("one")
    there.put_mark("one")
    there.check_mark("one", adopt=False)
    for other in ("two", None):
        with pytest.raises(UsageError, match="--adopt"):
            there.check_mark(other, adopt=False)
    there.check_mark("two", adopt=True)
    there.put_mark("two")
    there.check_mark("two", adopt=False)


def test_hours_without_a_mark_are_another_s(store):
    """A copy of a data directory that somebody made is not taken for ours."""
    store.put("x/commits/2026112119.json", b"{}")
    there = There(open_bucket(Address(BUCKET, "x"), endpoint=store.endpoint))
    with pytest.raises(UsageError, match="no mark"):
        there.check_mark(None, adopt=False)


def test_the_name_of_a_directory(root):
    """It gets one and keeps it; what a killed process left of it goes."""
    assert publisher_of(root) is None
    left = root.path / "publisher.json.1"
    left.write_text("{")
    name = name_publisher(root)
    assert (publisher_of(root), name_publisher(root), left.exists()) == (name, name, False)
    root.publisher.chmod(0o644)
    root.publisher.write_text("{")
    with pytest.raises(DataError, match="--adopt"):
        publisher_of(root)
