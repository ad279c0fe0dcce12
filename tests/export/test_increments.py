"""The steps of prices and sizes, from the rules that were recorded."""

import pyarrow as pa
import pytest

import recorder
from recorder.errors import UsageError
from recorder.export.increments import Increments, decimals_of, increments_of, step_of
from tests.dataset.made import HOUR_NS
from tests.export.conftest import MIDNIGHT_NS
from tests.sample import PLACE


def test_recorded_rules(days, scripted):
    """Those of the range, else the newest known; None where none are."""
    both = Increments("0.01", "0.00000001")
    db = recorder.open(days)
    assert increments_of(db, "BTC-USD", MIDNIGHT_NS - HOUR_NS, MIDNIGHT_NS) == both
    assert increments_of(db, "BTC-USD", MIDNIGHT_NS, MIDNIGHT_NS + 1) == both
    assert increments_of(db, "BTC-USD", 0, 1) == both
    scripted.publish()
    assert increments_of(recorder.open(scripted.path), "BTC-USD", 0, 2**62) == Increments()


def test_the_sample():
    """Each product has its own."""
    db = recorder.open(PLACE)
    found = {each: increments_of(db, each, 0, 2**62) for each in db.product_ids()}
    assert all(each.price and each.size for each in found.values())


class Rules:
    """A data set that has rules by hand: rows of (time, columns as they are asked for)."""

    def __init__(self, *rows):
        self._rows = rows

    def status(self, product_id, start, end, columns, allow_gaps):
        first, last = -1 if start is None else start, 2**63 if end is None else end
        found = [row[1:] for row in self._rows if first <= row[0] < last]
        self._table = pa.table(
            {
                name: pa.array([row[at] for row in found], pa.string())
                for at, name in enumerate(columns)
            }
        )
        return self

    def to_arrow(self):
        return self._table


def test_the_finest_of_a_range():
    """A price's step is that of the list of products where it is known."""
    rules = Rules(
        (10, None, "0.01", "0.001", "update"),
        (20, None, "0.001", "0.0001", "update"),
        (90, None, "0.1", "", "update"),
    )
    assert increments_of(rules, "X", 0, 50) == Increments("0.001", "0.0001")
    assert increments_of(rules, "X", 60, 70) == Increments("0.001", "0.0001")
    assert increments_of(rules, "X", 0, 99) == Increments("0.001", "0.0001")
    listed = Rules((10, "0.000001", "0.01", "1", "rest"), (20, None, "0.01", "NaN", "update"))
    assert increments_of(listed, "X", 0, 50) == Increments("0.000001", "1")
    assert increments_of(Rules((10, None, "0", "x", "update")), "X", 0, 50) == Increments()


@pytest.mark.parametrize(
    ("text", "step", "decimals"),
    [
        ("0.01", "0.01", 2),
        ("0.010", "0.01", 2),
        ("1e-8", "0.00000001", 8),
        ("10", "10", 0),
        ("5.00", "5", 0),
    ],
)
def test_steps(text, step, decimals):
    """Plain text, and how many digits numbers have."""
    assert (step_of(text, "--x"), decimals_of(step)) == (step, decimals)


@pytest.mark.parametrize("text", ["", "0", "-1", "NaN", "inf", "a cent"])
def test_what_is_no_step(text):
    """It names the option."""
    with pytest.raises(UsageError, match="no step for --size-increment"):
        step_of(text, "--size-increment")
