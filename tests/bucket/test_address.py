"""Addresses of published data."""

from pathlib import Path

import pytest

from recorder.bucket.address import Address, is_address, parse
from recorder.errors import UsageError


@pytest.mark.parametrize(
    ("text", "bucket", "prefix"),
    [
        ("s3://market-data/coinbase", "market-data", "coinbase"),
        ("s3://market-data/a/b/", "market-data", "a/b"),
        ("s3://market-data", "market-data", ""),
        ("s3://market-data/", "market-data", ""),
        ("s3:/market-data/a", "market-data", "a"),  # what a path makes of it
        (Path("s3://market-data/a/b"), "market-data", "a/b"),
        ("s3://my.bucket_1/ä b", "my.bucket_1", "ä b"),
    ],
)
def test_addresses(text, bucket, prefix):
    """A bucket and a prefix, whether it went through a path or not."""
    assert parse(text) == Address(bucket, prefix)
    assert is_address(text)


@pytest.mark.parametrize(
    "text",
    [
        *("s3://", "s3:///x", "s3://ab/x", "s3://-bucket/x", "s3://key:secret@bucket/x"),
        *("s3://bucket/a//b", "s3://bucket/a/../b", "s3://bucket/./b", "s3://bucket/a\n/b"),
        *("gs://bucket/x", "bucket/x", "", "s3://bucket/" + "x" * 600),
    ],
)
def test_what_is_no_address_is_refused(text):
    """With how one is written, and without what may be a secret further on in it."""
    with pytest.raises(UsageError):
        parse(text)


def test_keys_and_paths():
    """Objects lie below the prefix, by the paths of a data directory."""
    address = Address("b", "one/two")
    assert address.key("commits/1.json") == "one/two/commits/1.json"
    assert address.path("one/two/commits/1.json") == "commits/1.json"
    assert Address("b").key("x") == "x"
    assert Address("b").path("x") == "x"
    assert [str(address), str(Address("b"))] == ["s3://b/one/two", "s3://b"]


@pytest.mark.parametrize("path", ["data", "/srv/s3", Path("data"), "S3://x/y"])
def test_paths_are_no_addresses(path):
    assert not is_address(path)


@pytest.mark.parametrize(
    "text", ["s3://u:PLANTED@b/p", "s3://bucket/p?k=PLANTED", "s3:/u:PLANTED@b/p"]
)
def test_an_address_with_a_secret_is_not_repeated(text):
    with pytest.raises(UsageError) as refused:
        parse(text)
    assert "PLANTED" not in str(refused.value)
