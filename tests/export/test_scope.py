"""Ranges with both their ends, and the trades in them."""

import numpy as np
import pytest

import recorder
from recorder.dataset.files import Files
from recorder.errors import IncompleteData, NoInputError
from recorder.export.digests import Sum
from recorder.export.scope import Scope, scope_of, trades_in
from tests.dataset.made import HOUR_NS, SECOND_NS
from tests.dataset.scripted import at
from tests.export.conftest import MIDNIGHT_NS

PRODUCT = "BTC-USD"


def test_ends_that_are_not_named(days):
    """Are those of what is recorded, to the last row."""
    found = scope_of(Files(days), PRODUCT, None, None, allow_gaps=True)
    rows = recorder.open(days).level2(PRODUCT, allow_gaps=True).to_arrow().column("recv_ns")
    assert found.start_ns <= rows[0].as_py()
    assert rows[-1].as_py() < found.end_ns <= rows[-1].as_py() + SECOND_NS
    assert {gap.channel for gap in found.gaps} >= {"level2"}
    assert scope_of(
        Files(days), PRODUCT, MIDNIGHT_NS, MIDNIGHT_NS + SECOND_NS, allow_gaps=False
    ) == Scope(PRODUCT, MIDNIGHT_NS, MIDNIGHT_NS + SECOND_NS, ())


def test_gaps_and_nothing(days, tmp_path):
    """As the reader has it."""
    with pytest.raises(IncompleteData):
        scope_of(Files(days), PRODUCT, None, None, allow_gaps=False)
    with pytest.raises(IncompleteData, match="not_recorded"):
        scope_of(Files(days), PRODUCT, 0, HOUR_NS, allow_gaps=False)
    with pytest.raises(NoInputError, match="in that range"):
        scope_of(Files(days), PRODUCT, 0, HOUR_NS, allow_gaps=True)
    with pytest.raises(NoInputError):
        scope_of(Files(tmp_path), PRODUCT, None, None, allow_gaps=True)


def test_trades(scripted):
    """All are summed up; those that came later are given, by their own time."""
    scripted.trades(4, "update", [(91, 4, "65000", "0.1")])
    scripted.trades(10, "update", [(94, 10, "65001", "0.1")])
    scripted.fetched(20, [(92, 6, "65000", "0.2"), (93, 5, "65000", "0.3")])
    scripted.publish()
    scope = scope_of(Files(scripted.path), PRODUCT, None, None, allow_gaps=True)
    ours, same = Sum(), Sum()
    late = trades_in(
        recorder.open(scripted.path), scope, ours, ("trade_id", "side", "price", "size")
    )
    assert [(deal.trade_id, deal.buy) for deal in late] == [(93, False), (92, False)]
    assert all(deal.local_ns == deal.exch_ns for deal in late)
    assert late[0].local_ns == at(5)
    same.add(
        np.array([91, 92, 93, 94]),
        np.full(4, -1),
        np.array([65000.0, 65000.0, 65000.0, 65001.0]),
        np.array([0.1, 0.2, 0.3, 0.1]),
    )
    assert ours == same
