"""What there is: products and hours, and names that were meant."""

import pytest

import recorder
from recorder.core.tables import TABLES
from recorder.dataset.files import Files
from recorder.dataset.inventory import known_products, products_or_all, refuse_unknown, texts
from recorder.errors import NoInputError, UsageError
from tests.dataset.made import HOUR_NS, HOUR_START_NS
from tests.frames_made import PRODUCTS


def test_hours_are_summed_up(hours):
    """State, rows by table, bytes and products; those of the files."""
    db = recorder.open(hours)
    found = db.hours()
    assert [each.state for each in found] == ["sealed", "sealed", "open"]
    assert [each.sealed for each in found] == [True, True, False]
    assert [each.start.hour for each in found] == [19, 20, 21]
    for name in TABLES:
        rows = db.select(name, allow_gaps=True).to_arrow().num_rows
        assert sum(each.rows.get(name, 0) for each in found) == rows, name
    for each in found:
        assert list(each.products) == list(PRODUCTS)
        of_products = sum(each.rows.get(name, 0) for name in ("level2", "trades", "ticker"))
        assert sum(each.products.values()) == of_products
    sealed = [path for path in hours.rglob("*.parquet") if "live" not in path.parts]
    assert sum(each.bytes for each in found if each.sealed) == sum(
        path.stat().st_size for path in sealed
    )
    assert db.hours(HOUR_START_NS + HOUR_NS, HOUR_START_NS + 2 * HOUR_NS) == found[1:2]
    assert db.hours("2020-01-01", "2020-01-02") == []


def test_products_are_summed_up(hours):
    """Rows by table, hours, first and last, over sealed files and parts."""
    db = recorder.open(hours)
    products = db.products()
    assert [each.product_id for each in products] == list(PRODUCTS) == db.product_ids()
    for each in products:
        assert each.hours == 3
        received = []
        for name in ("level2", "trades", "ticker"):
            rows = db.select(name, each.product_id, allow_gaps=True).to_arrow()
            assert each.rows[name] == rows.num_rows
            received += rows.column("recv_time").to_pylist()
        assert (each.first, each.last) == (min(received), max(received))
        assert each.bytes == sum(
            path.stat().st_size for path in hours.glob(f"*/product={each.product_id}/**/*.parquet")
        )


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("btc-usd", "Did you mean BTC-USD"),
        ("BTCUSD", "Did you mean BTC-USD"),
        ("ETH-USDC", "Did you mean ETH-USD"),
        ("XYZ", "Recorded: BTC-USD, ETH-USD"),
        ("../../etc", "Recorded: BTC-USD, ETH-USD"),
    ],
)
def test_a_product_that_is_not_there_may_have_been_meant_otherwise(hours, asked, told):
    """The name that comes closest, and some of those that there are."""
    view = Files(hours).now()
    assert known_products(view) == set(PRODUCTS)
    with pytest.raises(NoInputError, match=told):
        refuse_unknown(view, asked)
    for product in PRODUCTS:
        refuse_unknown(view, product)
    db = recorder.open(hours)
    with pytest.raises(NoInputError, match=told):
        db.trades(asked, allow_gaps=True).to_arrow()
    with pytest.raises(NoInputError, match=told):
        db.book(asked)


@pytest.mark.parametrize("wrong", ["", "  ", "BTC\x00", "X" * 84, 5, ["BTC-USD"]])
def test_what_can_be_no_product(hours, wrong):
    """Is told before anything is read."""
    db = recorder.open(hours)
    with pytest.raises(UsageError, match=r"is no product\. Give one id as text"):
        db.book(wrong)
    with pytest.raises(UsageError, match="is no product"):
        db.replay([wrong])


def test_several_words_or_one():
    """Text is one, not its letters."""
    assert texts("level2", "x") == ["level2"]
    assert texts(iter(("a", "b")), "x") == ["a", "b"]
    with pytest.raises(UsageError, match="5 cannot be taken for channels"):
        texts(5, "channels")
    assert products_or_all(None) is None
    assert products_or_all(["B-USD", "A-USD", "B-USD"]) == ("B-USD", "A-USD")
