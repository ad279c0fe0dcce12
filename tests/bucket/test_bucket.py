"""Opening a bucket, with and without the library."""

import builtins
import sys

import pytest

from recorder.bucket import open_bucket
from recorder.bucket.address import Address
from recorder.errors import UsageError


def test_opening_asks_for_nothing(store):
    """Nobody is asked before there is something to ask."""
    found = open_bucket(Address("market-data", "x"), endpoint=store.endpoint)
    assert repr(found) == f"<s3://market-data/x at {store.endpoint}>"
    assert store.asked == []


def test_without_the_library_it_says_which_extra(monkeypatch):
    """The extra `s3` is named, and nothing else fails."""
    real = builtins.__import__

    def without(name, *more, **named):
        if name.partition(".")[0] in {"boto3", "botocore"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *more, **named)

    for name in [each for each in sys.modules if each.startswith("recorder.bucket.connecting")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"pip install 'recorder\[s3\]'"):
        open_bucket(Address("market-data"))
