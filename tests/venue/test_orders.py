"""An invented account: what its orders may be, and how they are told."""

import json
from decimal import Decimal

from recorder.venue import wire
from recorder.venue.market import Market
from recorder.venue.orders import AT_FIRST, CANCELLED, FILLED, OPEN, OPEN_MIN, Orders

NOW_NS = 1_786_309_548_000_000_000


def account(seed: int = 1) -> Orders:
    return Orders(Market(1, ("BTC-USD", "ETH-USD"), NOW_NS, depth=0.002), seed, NOW_NS)


def test_the_same_seed_gives_the_same_account():
    """And another seed another one."""
    one, same, other = account(), account(), account(2)
    for number in range(200):
        assert one.step(NOW_NS + number) == same.step(NOW_NS + number)
    assert one.every == same.every
    assert one.user_id != other.user_id


def test_orders_are_filled_bit_by_bit_or_cancelled():
    """What is filled only grows, what is over does not change any more, some always are open."""
    held = account()
    assert len(held.open()) == AT_FIRST
    before = dict(held.every)
    for number in range(1000):
        order = held.step(NOW_NS + number)
        old = before.get(order.order_id)
        if old is not None:
            assert old.status == OPEN
            assert order.filled >= old.filled
            assert order.fills == old.fills + (order.filled > old.filled)
        assert (order.status == FILLED) == (order.filled == order.size)
        before[order.order_id] = order
        assert len(held.open()) >= OPEN_MIN - 1
    assert before == held.every
    assert {each.status for each in before.values()} == {OPEN, FILLED, CANCELLED}


def test_the_money_of_an_order_adds_up():
    """All of it text, to the last digit."""
    held = account()
    for number in range(300):
        held.step(NOW_NS + number)
    event = json.loads(wire.user("update", held.every.values()))
    for told in event["orders"]:
        assert all(isinstance(value, str) for value in told.values())
        price, filled = Decimal(told["limit_price"]), Decimal(told["cumulative_quantity"])
        value, fees = Decimal(told["filled_value"]), Decimal(told["total_fees"])
        assert value == price * filled
        assert fees == value * 6 / 1000
        paid = value + fees if told["order_side"] == "BUY" else value - fees
        assert Decimal(told["total_value_after_fees"]) == paid
        assert (told["status"] == "FILLED") == (told["completion_percentage"] == "100.00")
    assert event["positions"] == {
        "perpetual_futures_positions": [], "expiring_futures_positions": []
    }  # fmt: skip
    snapshot = json.loads(wire.user("snapshot", []))
    assert len(snapshot["positions"]["perpetual_futures_positions"]) == 1
