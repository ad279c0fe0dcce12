"""Files on their way: whole, once, and as their record says."""

import hashlib

import pytest

from recorder.bucket.sending import Content, DamagedError, holds, send
from recorder.errors import UnavailableError
from tests.objectstore import CUT, FAIL, LOST

PART = 1000
SIZES = [0, 1, 999, 1000, 1001, 4500]


@pytest.fixture
def content(tmp_path, request):
    size = getattr(request, "param", 4500)
    return made(tmp_path / "file", bytes(number * 7 % 251 for number in range(size)))


def made(path, body: bytes) -> Content:
    path.write_bytes(body)
    return Content(path, len(body), hashlib.sha256(body).hexdigest())


def parts(store) -> list[int]:
    return [
        int(each.query["partNumber"])
        for each in store.asked
        if each.method == "PUT" and "partNumber" in each.query
    ]


@pytest.mark.parametrize("content", SIZES, indirect=True)
@pytest.mark.parametrize("conditions", ["kept", "ignored"])
def test_a_file_is_sent_once(store, bucket, content, conditions):
    """Whole or in parts: True the first time, False after that."""
    store.conditions = conditions
    bucket.put_absent("mark", b"", "x")
    bucket.find_conditions("mark", b"")
    assert send(bucket, "x", content, part_bytes=PART) is True
    assert store.objects["a/b/x"].body == content.source.read_bytes()
    assert send(bucket, "x", content, part_bytes=PART) is False
    assert store.uploads == {}


@pytest.mark.parametrize("content", SIZES, indirect=True)
def test_another_object_is_not_touched(store, bucket, content, tmp_path):
    """Neither one of another length nor one of the same."""
    for other in (b"something else", b"\xff" * content.size or b"x"):
        store.put("a/b/x", other)
        assert send(bucket, "x", content, part_bytes=PART) is None
        assert store.objects["a/b/x"].body == other


@pytest.mark.parametrize("content", SIZES, indirect=True)
def test_a_damaged_file_is_not_sent(store, bucket, content):
    """Held against its record: every byte, shorter, longer."""
    whole = content.source.read_bytes()
    for damaged in (whole[:-1] + b"\xff", whole[:-1] if whole else b"x", whole + b"x"):
        content.source.write_bytes(damaged)
        with pytest.raises(DamagedError, match="recorder verify"):
            send(bucket, "x", content, part_bytes=PART)
    assert store.objects == {}
    assert store.uploads == {}
    content.source.write_bytes(whole)
    assert send(bucket, "x", content, part_bytes=PART)


def test_an_upload_that_was_cut_off_goes_on(store, bucket, content):
    """Parts that are there are not sent again."""
    store.fault = lambda _number, method, _key: FAIL if len(parts(store)) >= 3 else None
    with pytest.raises(UnavailableError):
        send(bucket, "x", content, part_bytes=PART)
    assert "a/b/x" not in store.objects
    assert parts(store) == [1, 2, 3, 4, 4, 4]  # the last one was tried three times
    store.fault = lambda _number, _method, _key: None
    assert send(bucket, "x", content, part_bytes=PART)
    assert parts(store)[6:] == [4, 5]
    assert store.objects["a/b/x"].body == content.source.read_bytes()
    assert holds(bucket, "x", content, PART)


def test_parts_of_what_it_was_before_are_sent_again(store, bucket, content, tmp_path):
    """An upload of an earlier file of the same name: what differs is replaced."""
    before = bytearray(content.source.read_bytes())
    before[1500] ^= 1
    earlier = made(tmp_path / "earlier", bytes(before))
    store.fault = lambda _number, _method, _key: FAIL if len(parts(store)) >= 4 else None
    with pytest.raises(UnavailableError):
        send(bucket, "x", earlier, part_bytes=PART)
    store.fault = lambda _number, _method, _key: None
    assert send(bucket, "x", content, part_bytes=PART)
    assert parts(store)[7:] == [2, 5]
    assert store.objects["a/b/x"].body == content.source.read_bytes()
    assert holds(bucket, "x", content, PART)
    assert not holds(bucket, "x", earlier, PART)


def test_every_answer_may_be_lost(store, tmp_path, bucket, content):
    """Whatever is done and not told of, and whatever is not done: it is there once and whole."""
    small = made(tmp_path / "small", b"small")
    for fault in (LOST, CUT, FAIL):
        for name, each in (("x", content), ("s", small)):
            for lost in range(1, 14):
                begin, path = store.count, f"{name}-{fault}-{lost}"
                store.fault = lambda number, _m, _k, at=begin + lost, f=fault: (
                    f if number == at else None
                )
                assert send(bucket, path, each, part_bytes=PART) is not None
                assert store.objects[f"a/b/{path}"].body == each.source.read_bytes()
    # Nobody can know of an upload whose begin was not answered; it has no parts.
    assert [parts for _, parts, _ in store.uploads.values() if parts] == []


def test_an_object_without_a_digest_is_read(store, bucket, content):
    """Whoever put it there, what counts are its bytes."""
    store.put("a/b/x", content.source.read_bytes())
    assert holds(bucket, "x", content, PART)
    store.put("a/b/x", b"x" * content.size)
    assert not holds(bucket, "x", content, PART)
