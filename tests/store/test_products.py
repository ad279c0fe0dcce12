"""The list of products that is kept for the next start."""

import json

import pytest

from recorder.errors import DataError
from recorder.store.aside import set_aside_unreadable
from recorder.store.paths import Root
from recorder.store.products import KeptProduct, keep_products, kept_products

NOW_NS = 1_795_299_928_015_675_844
PRODUCTS = [
    KeptProduct("BTC-USD", "online", volume=9.5e8),
    KeptProduct("BTC-USDC", "online", alias="BTC-USD"),
    KeptProduct("GONE-USD", "delisted", trading_disabled=True),
]


@pytest.fixture
def root(tmp_path):
    return Root(tmp_path)


def test_what_is_kept_comes_back(root):
    """With the second in which it was asked for; the last one counts."""
    assert kept_products(root, "advanced") is None
    keep_products(root, "advanced", NOW_NS - 10**9, PRODUCTS[:1])
    keep_products(root, "advanced", NOW_NS, PRODUCTS)
    kept = kept_products(root, "advanced")
    assert kept.products == PRODUCTS
    assert kept.fetched.isoformat() == "2026-11-21T22:25:28+00:00"
    assert list(root.staging.iterdir()) == []


def test_the_list_of_another_venue_or_version_is_none(root):
    """Nothing is guessed from it."""
    keep_products(root, "exchange", NOW_NS, PRODUCTS)
    assert kept_products(root, "advanced") is None
    content = json.loads(root.products.read_text())
    root.products.unlink()
    root.products.write_text(json.dumps(content | {"version": 2, "more": 1}))
    assert kept_products(root, "exchange") is None


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff\xfe", b'{"version": 1}', b"null"])
def test_one_that_cannot_be_read_is_told_and_put_aside(root, raw):
    """A reader says what to do; a start moves it out of the way."""
    root.products.write_bytes(raw)
    with pytest.raises(DataError, match="start the recorder, which puts it aside"):
        kept_products(root, "advanced")
    assert set_aside_unreadable(root) == ["products.json"]
    assert kept_products(root, "advanced") is None
    assert [path.read_bytes() for path in root.path.glob("quarantine/*/products.json")] == [raw]


def test_a_good_one_stays(root):
    """Of whatever venue."""
    keep_products(root, "exchange", NOW_NS, PRODUCTS)
    assert set_aside_unreadable(root) == []
