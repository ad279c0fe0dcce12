"""What the formats have in common."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.numbers import plain
from recorder.export.writing import file_part, written


@given(st.floats(0, 1e17))
def test_numbers_are_plain(value):
    """As everywhere else in the product, only quicker."""
    assert written(value) == plain(value)
    assert float(written(value)) == value


def test_wire_texts():
    """They win."""
    assert written(0.1, "0.10000000000000000001") == "0.10000000000000000001"


@pytest.mark.parametrize(
    ("product", "part"),
    [("BTC-USD", "BTC-USD"), ("BIT-28NOV25-CDE", "BIT-28NOV25-CDE"), ("../x", "..%2Fx")],
)
def test_names_of_files(product, part):
    """No product's name leaves the folder."""
    assert file_part(product) == part
