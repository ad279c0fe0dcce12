"""Objects as readers take files."""

import io

import pytest

from recorder.bucket.places import ObjectPath


@pytest.fixture
def top(bucket):
    return ObjectPath(bucket, "")


def test_paths(top, bucket):
    """They are built and compared as those of files."""
    one = top / "trades" / "product=BTC-USD" / "x-1.parquet"
    assert (one.name, one.stem, one.suffix) == ("x-1.parquet", "x-1", ".parquet")
    assert str(one) == "s3://market-data/a/b/trades/product=BTC-USD/x-1.parquet"
    assert one.parent == top / "trades" / "product=BTC-USD"
    assert (top / "x").parent == top
    assert str(top) == "s3://market-data/a/b"
    same = ObjectPath(bucket, one.path, 123)
    assert (one == same, hash(one) == hash(same), one != top) == (True, True, True)
    assert sorted([top / "b", top / "a"]) == [top / "a", top / "b"]
    assert one != one.path


def test_what_is_there(store, top):
    """Objects exist, folders are what objects lie in."""
    store.put("a/b/trades/product=A/x", b"12345")
    assert (top / "trades").is_dir()
    assert not (top / "trade").is_dir()
    assert [each.name for each in (top / "trades").iterdir()] == ["product=A"]
    path = top / "trades" / "product=A" / "x"
    assert path.exists()
    assert path.is_file()
    assert not (top / "trades").exists()
    assert path.stat().st_size == 5
    assert path.read_text() == "12345"


def test_what_is_not_there(top):
    """It is what it is for files."""
    for ask in (ObjectPath.stat, ObjectPath.read_bytes, ObjectPath.read_text, ObjectPath.open):
        with pytest.raises(FileNotFoundError, match="no such object"):
            ask(top / "x")
    with pytest.raises(FileNotFoundError), ObjectPath(top.bucket, "x", 9).open() as file:
        file.read(3)


def test_a_file_is_read_by_ranges(store, top):
    """One request a read, and none for what is known."""
    body = bytes(range(100))
    store.put("a/b/x", body)
    with ObjectPath(top.bucket, "x", 100).open() as file:
        assert store.asked == []
        assert (file.readable(), file.seekable(), file.tell()) == (True, True, 0)
        assert file.read(10) == body[:10]
        assert file.seek(-8, io.SEEK_END) == 92
        assert file.read(20) == body[92:]
        assert file.read(20) == b""
        file.seek(50)
        file.seek(5, io.SEEK_CUR)
        assert file.read() == body[55:]
        file.seek(90)
        assert file.readall() == body[90:]
    ranges = [each.range for each in store.asked]
    assert ranges == ["bytes=0-9", "bytes=92-99", "bytes=55-99", "bytes=90-99"]
    with (top / "x").open() as file:
        assert file.read(3) == body[:3]


def test_an_object_that_is_shorter_than_its_record_says(store, top):
    """What is read of it is whole, or it is an error of the file; no store is to blame."""
    store.put("a/b/x", bytes(50))
    with ObjectPath(top.bucket, "x", 100).open() as file:
        assert file.read(50) == bytes(50)
        for place in (45, 50, 92):
            file.seek(place)
            with pytest.raises(OSError, match="shorter than its record says, 100 bytes"):
                file.read(8)
