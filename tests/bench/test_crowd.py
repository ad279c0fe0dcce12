"""Frames in two halves, whose numbers are those of the connection that they go over."""

import json

import pytest

from tests.bench.crowd import names, numbered, split

FRAME = b'{"channel":"l2_data","sequence_num":%d,"events":[{"note":"\\"sequence_num\\":5"}]}'


@pytest.mark.parametrize("before", [0, 7, 123456])
@pytest.mark.parametrize("number", [0, 9, 10, 2**53])
def test_a_frame_gets_another_number(before: int, number: int) -> None:
    """And nothing else of it changes, whatever the lengths of the two."""
    halves = split(FRAME % before)
    assert numbered(halves, number) == FRAME % number
    assert json.loads(numbered(halves, number))["sequence_num"] == number


def test_the_first_number_is_the_frame_s() -> None:
    """One that stands deeper is left."""
    head, tail = split(FRAME % 3)
    assert head.endswith(b'"sequence_num":')
    assert tail.startswith(b',"events"')


def test_what_has_no_number_is_no_frame_of_a_crowd() -> None:
    """It is noticed when it is made, not when it is sent."""
    with pytest.raises(AssertionError):
        split(b'{"type":"error"}')


def test_products_are_distinct_and_the_deep_ones_first() -> None:
    """So many of them, with or without these."""
    assert len(set(names(20))) == len(set(names(20, big=True))) == 20
    assert names(5, big=True)[:2] == ("BTC-USD", "ETH-USD")
    assert "BTC-USD" not in names(5)
