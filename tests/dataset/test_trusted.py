"""How the data set tells of itself: the words of its methods."""

import pytest

import recorder
from recorder.dataset import Description
from recorder.errors import NoInputError, UsageError
from tests.dataset.told import Told


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> Told:
    made = Told(tmp_path_factory.mktemp("told") / "data", ["BTC-USD", "ETH-USD"])
    made.seal(range(26), trades=True)
    return made


def test_products_are_one_or_several(told):
    """As text, as a list, each once; None is all."""
    db = recorder.open(told.path)
    for products, names in (
        ("ETH-USD", ["ETH-USD"]),
        (["ETH-USD", "BTC-USD", "ETH-USD"], ["BTC-USD", "ETH-USD"]),
        (None, ["BTC-USD", "ETH-USD"]),
    ):
        found = db.coverage_map(products)
        assert [each.product_id for each in found.products] == names
    for wrong in ([5], [None], ["x" * 200]):
        with pytest.raises(UsageError, match="is no product"):
            db.conditions(wrong)


def test_conditions_are_those_of_the_map(told):
    """A list of all days of all products."""
    db = recorder.open(told.path)
    days = db.conditions(start=told.at(0), end=told.at(24))
    assert [(each.product_id, each.condition) for each in days] == [
        ("BTC-USD", "available"),
        ("ETH-USD", "available"),
    ]
    assert days == [day for each in db.coverage_map(end=told.at(24)).products for day in each.days]


def test_times_are_read_as_everywhere(told):
    """Text, and a range that is reversed."""
    db = recorder.open(told.path)
    (day,) = db.conditions("BTC-USD", "2026-11-10", "2026-11-11")
    assert day.condition == "available"
    with pytest.raises(UsageError, match="ends before it begins"):
        db.conditions("BTC-USD", "2026-11-11", "2026-11-10")


def test_a_description_is_of_the_products_in_their_order(told):
    """One of a product that is not there is an error."""
    db = recorder.open(told.path)
    found = db.describe(["ETH-USD", "BTC-USD"])
    assert isinstance(found, Description)
    assert [each.product_id for each in found.products] == ["ETH-USD", "BTC-USD"]
    with pytest.raises(NoInputError):
        db.describe("X-USD")
