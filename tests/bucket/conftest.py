"""A store for each test, and keys that it does not look at."""

from collections.abc import Iterator

import pytest

from recorder.bucket import open_bucket
from recorder.bucket.address import Address
from recorder.bucket.objects import Bucket
from tests.objectstore import BUCKET, Store, object_store
from tests.publishers import set_keys


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    set_keys(monkeypatch)
    with object_store() as running:
        yield running


@pytest.fixture
def bucket(store: Store) -> Bucket:
    return open_bucket(Address(BUCKET, "a/b"), endpoint=store.endpoint)
