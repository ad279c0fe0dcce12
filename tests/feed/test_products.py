"""Rows of the venue's lists, as they are and as they should not be. Real lists: test_rest.py."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.feed.products import read_products

ROW = {
    "product_id": "BTC-USDC", "base_currency_id": "BTC", "quote_currency_id": "USDC",
    "price_increment": "0.01", "base_increment": "0.00000001", "quote_increment": "0.01",
    "status": "online", "alias": "BTC-USD", "alias_to": [], "volume_24h": "12.5",
    "product_type": "SPOT", "view_only": True,
}  # fmt: skip
EXCHANGE = {
    "id": "BTC-USD",
    "base_currency": "BTC",
    "quote_increment": " 0.01",
    "status": "offline",
}


def read(row, venue="advanced"):
    (product,), problems = read_products([row], venue)
    assert not problems
    return product


def test_a_product_of_advanced_trade():
    product = read(ROW)
    assert product.canonical_id == "BTC-USD"
    assert product.volume_24h == 12.5
    assert product.view_only
    assert product.tradable


def test_a_product_of_exchange():
    """Without what it lacks; a space before a number was documented (coinbase.md §2.4.2)."""
    product = read(EXCHANGE, "exchange")
    assert (product.price_increment, product.base_increment) == ("0.01", None)
    assert (product.volume_24h, product.alias, product.product_type) == (None, None, "SPOT")
    assert not product.tradable


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        ({"price_increment": ""}, "price_increment", "0.01"),  # older answers: the quote's
        ({"base_increment": "1e-8"}, "base_increment", None),
        ({"base_increment": "0"}, "base_increment", None),
        ({"base_increment": 1}, "base_increment", None),
        ({"volume_24h": ""}, "volume_24h", None),
        ({"volume_24h": "-1"}, "volume_24h", None),
        ({"is_disabled": True}, "trading_disabled", True),
        ({"status": ""}, "status", "online"),
        ({"status": "x" * 500}, "status", "x" * 80),
        ({"alias": None}, "alias", None),
        ({"alias_to": None}, "aliases", ()),
        ({"cancel_only": "yes"}, "cancel_only", False),
    ],
)
def test_values_that_are_none_are_left_out(change, name, value):
    assert getattr(read(ROW | change), name) == value


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"product_id": value}
            for value in (None, "", "btc-usd", "BTC", "../x", "A-B\n", "A" * 90)
        ),
        {"alias": "../x"},
        {"alias_to": "BTC-USD"},
        {"alias_to": [7]},
    ],
)
def test_what_could_become_a_wrong_path_is_no_product(change):
    products, problems = read_products([ROW | change, ROW | {"product_id": "A-B"}], "advanced")
    assert [product.product_id for product in products] == ["A-B"]
    assert len(problems) == 1
    assert problems[0].startswith("product 0 of the list has ")


def test_a_product_is_in_the_list_once():
    products, problems = read_products([ROW, ROW | {"status": "delisted"}], "advanced")
    assert [product.status for product in products] == ["online"]
    assert problems == ["product BTC-USDC is in the list twice"]


@given(
    st.lists(st.dictionaries(st.sampled_from(sorted(ROW)), st.integers() | st.text() | st.none()))
)
def test_no_row_is_too_strange(rows):
    for venue in ("advanced", "exchange"):
        products, problems = read_products(json.loads(json.dumps(rows)), venue)
        assert len(products) + len(problems) == len(rows)
