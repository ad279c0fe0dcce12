"""Objects: reading, listing, and writes under a condition."""

import pytest

from recorder.bucket.objects import JSON, Conditions
from recorder.errors import UnavailableError
from tests.objectstore import HALF, LOST


def test_written_where_nothing_is(store, bucket):
    """Once, and then not again; what is there stays."""
    assert bucket.put_absent("x", b"one", JSON)
    assert not bucket.put_absent("x", b"two", JSON)
    assert bucket.get("x").body == b"one"
    assert store.objects["a/b/x"].kind == JSON


def test_written_instead_of_what_was_seen(bucket):
    """A version that was read is replaced; where it is another by now, or gone, nothing is."""
    bucket.put_absent("x", b"one", JSON)
    seen = bucket.get("x").etag
    assert bucket.put_instead("x", b"two", JSON, seen)
    assert not bucket.put_instead("x", b"three", JSON, seen)
    assert bucket.get("x").body == b"two"
    assert not bucket.put_instead("y", b"three", JSON, seen)


def test_what_is_not_there(bucket):
    assert (bucket.get("x"), bucket.head("x"), bucket.get_range("x", 0, 9)) == (None, None, None)
    assert list(bucket.entries("")) == []
    bucket.delete("x")


def test_digests_are_kept(store, bucket):
    """By the store itself, or beside the object where it keeps none."""
    bucket.put_absent("x", b"hello", JSON)
    known = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert bucket.head("x").sha256 == known
    store.checksums = False
    bucket.put_absent("y", b"hello", JSON)
    assert store.objects["a/b/y"].sha256 is None
    assert bucket.head("y").sha256 == known
    store.put("a/b/z", b"hello")
    assert bucket.head("z").sha256 is None


def test_listings(store, bucket):
    """In order, over pages, from a path on; folders by name."""
    for name in ("commits/1", "commits/2", "commits/3", "trades/product=A/x", "trades/product=B/x"):
        store.put(f"a/b/{name}", b"12")
    store.put("a/bc/commits/4", b"")
    store.page = 2
    assert [each.path for each in bucket.entries("commits")] == [f"commits/{n}" for n in (1, 2, 3)]
    assert [each.path for each in bucket.entries("commits", "commits/2")] == ["commits/3"]
    assert {each.size for each in bucket.entries("")} == {2}
    assert list(bucket.folders("")) == ["commits", "trades"]
    assert list(bucket.folders("trades")) == ["product=A", "product=B"]


def test_a_body_that_stops_in_its_middle(store, bucket):
    """It is read again; several times in a row it is an error and never half an object."""
    store.put("a/b/x", b"0123456789")
    store.fault = lambda number, _method, _key: HALF if number < 3 else None
    assert bucket.get("x").body == b"0123456789"
    assert bucket.get_range("x", 2, 6) == b"2345"
    assert (bucket.get_range("x", 8, 99), bucket.get_range("x", 10, 99)) == (b"89", b"")
    store.fault = lambda _number, _method, _key: HALF
    with pytest.raises(UnavailableError):
        bucket.get("x")


def test_a_write_whose_answer_is_lost_meets_itself(store, bucket):
    """The store has it and the second attempt is refused: whoever wrote has to look."""
    store.fault = lambda number, _method, _key: LOST if number == 1 else None
    assert not bucket.put_absent("x", b"x", JSON)
    assert bucket.get("x").body == b"x"


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ("kept", Conditions(absent=True, same=True)),
        ("ignored", Conditions(absent=False, same=False)),
        ("unknown", Conditions(absent=False, same=False)),
    ],
)
def test_stores_without_conditions(store, bucket, conditions, found):
    """It is learnt by writing what is there; then each write looks before."""
    bucket.put_absent("mark", b"mark", JSON)
    store.conditions = conditions
    assert bucket.find_conditions("mark", b"mark") == found
    assert bucket.conditions.whole == (conditions == "kept")
    assert bucket.get("mark").body == b"mark"
    assert bucket.put_absent("x", b"one", JSON)
    assert not bucket.put_absent("x", b"two", JSON)
    seen = bucket.get("x").etag
    assert bucket.put_instead("x", b"two", JSON, seen)
    assert not bucket.put_instead("x", b"three", JSON, seen)
    assert not bucket.put_instead("y", b"three", JSON, seen)
    assert bucket.get("x").body == b"two"
