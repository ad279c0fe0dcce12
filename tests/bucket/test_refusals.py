"""What a store's refusals mean for a person."""

import os
import socket

import pytest

from recorder.bucket import open_bucket
from recorder.bucket.address import Address
from recorder.bucket.objects import JSON
from recorder.errors import (
    ConfigError,
    DataError,
    NoInputError,
    PermissionRefusedError,
    UnavailableError,
)
from tests.objectstore import BUCKET, CUT, FAIL, SKEWED, SLOW, SPOILT, object_store


def test_no_such_bucket(store):
    """The bucket and the endpoint are named."""
    with pytest.raises(NoInputError, match="has no bucket 'nothing-here'"):
        list(open_bucket(Address("nothing-here"), endpoint=store.endpoint).entries(""))


@pytest.mark.parametrize("fault", [FAIL, SLOW])
def test_a_store_that_fails_is_asked_again(store, bucket, fault):
    """One failure is nothing; several in a row end it, with what to do."""
    store.fault = lambda number, _method, _key: fault if number == 1 else None
    assert bucket.put_absent("x", b"x", JSON)
    store.fault = lambda _number, _method, _key: fault
    with pytest.raises(UnavailableError, match="several times in a row"):
        bucket.put_absent("y", b"y", JSON)
    assert "a/b/y" not in store.objects


def test_a_connection_that_is_cut(store, bucket):
    """Likewise."""
    store.fault = lambda number, _method, _key: CUT if number == 1 else None
    assert bucket.put_absent("x", b"x", JSON)
    store.fault = lambda _number, _method, _key: CUT
    with pytest.raises(UnavailableError, match="Look at the network"):
        bucket.get("x")


def test_an_endpoint_where_nobody_listens(monkeypatch, store):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    bucket = open_bucket(Address(BUCKET), endpoint=f"http://127.0.0.1:{port}")
    with pytest.raises(UnavailableError, match="cannot be reached"):
        bucket.get("x")


def test_a_clock_that_is_wrong(store, bucket):
    """The clock is what has to be put right, not the key."""
    store.fault = lambda _number, _method, _key: SKEWED
    with pytest.raises(PermissionRefusedError, match="clock"):
        bucket.get("x")


def test_no_key(monkeypatch, store):
    """What is missing is said, with the names of the environment."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    bucket = open_bucket(Address(BUCKET), endpoint=store.endpoint)
    with pytest.raises(ConfigError, match="AWS_ACCESS_KEY_ID"):
        bucket.get("x")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "half")
    with pytest.raises(ConfigError, match="AWS_SECRET_ACCESS_KEY"):
        open_bucket(Address(BUCKET), endpoint=store.endpoint).get("x")


def test_what_arrives_otherwise_than_it_was_sent(store, bucket):
    """The store compares the digest; nothing of it is kept."""
    store.fault = lambda _number, _method, _key: SPOILT
    with pytest.raises(DataError, match="not what was sent"):
        bucket.put_absent("x", b"x", JSON)
    assert store.objects == {}


def test_no_refusal_shows_a_secret(monkeypatch):
    """Neither key nor secret is in what is said."""
    with object_store() as store:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEONLY")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2-is-secret")
        bucket = open_bucket(Address(BUCKET, "x"), endpoint=store.endpoint)
        store.fault = lambda _number, _method, _key: SKEWED
        with pytest.raises(PermissionRefusedError) as refused:
            bucket.get("x")
    error: BaseException | None = refused.value
    while error is not None:
        assert "hunter2" not in repr(error)
        assert "AKIA" not in str(error)
        error = error.__cause__
    assert "hunter2" in os.environ["AWS_SECRET_ACCESS_KEY"]
