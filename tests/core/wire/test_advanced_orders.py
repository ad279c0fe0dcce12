"""The account's own orders: frames of the channel `user` to messages."""

import json
from typing import Any

import pytest

from recorder.core.messages import Order, Subscriptions, UserOrders
from recorder.core.tables import (
    ORDER_AMOUNTS,
    ORDER_NUMBERS,
    ORDER_TIMES,
    ORDER_WORDS,
    USER_ORDERS,
)
from recorder.core.wire import advanced, advanced_orders
from recorder.core.wire import advanced_shapes as shapes
from tests.core.scripts import frame

# As in Coinbase's documentation (`coinbase.md` §1.6.9), with a number that a float does not hold.
WIRE = {
    "avg_price": "50000",
    "cancel_reason": "",
    "client_order_id": "c-1",
    "completion_percentage": "100.00",
    "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
    "cumulative_quantity": "0.01",
    "filled_value": "500",
    "leaves_quantity": "0",
    "limit_price": "50000.123456789012345",
    "number_of_fills": "2",
    "order_id": "o-1",
    "order_side": "BUY",
    "order_type": "Limit",
    "outstanding_hold_amount": "0",
    "post_only": "false",
    "product_id": "BTC-USDC",
    "product_type": "SPOT",
    "reject_reason": "",
    "retail_portfolio_id": "p-1",
    "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
    "status": "FILLED",
    "stop_price": "",
    "time_in_force": "GOOD_UNTIL_CANCELLED",
    "total_fees": "2",
    "total_value_after_fees": "502",
    "trigger_status": "INVALID_ORDER_TYPE",
    "creation_time": "2026-09-08T10:00:00.714964Z",
    "end_time": "0001-01-01T00:00:00Z",
    "start_time": "0001-01-01T00:00:00Z",
}
VALUES: dict[str, Any] = WIRE | {
    "avg_price": 50000.0,
    "cumulative_quantity": 0.01,
    "leaves_quantity": 0.0,
    "limit_price": float("50000.123456789012345"),
    "stop_price": None,
    "number_of_fills": 2,
    "creation_time": 1788861600714964,
    "end_time": None,
    "start_time": None,
}


def user(kind: str, *orders: dict[str, Any], **more: Any) -> bytes:
    return frame("user", 4, {"type": kind, "orders": list(orders), **more})


def read(raw: bytes) -> tuple[Any, list[str]]:
    decoded = advanced.decode(raw)
    assert (decoded.channel, decoded.sequence) == ("user", 4)
    (message,) = decoded.messages
    return message, [problem.kind for problem in decoded.problems]


def test_an_order_as_documented() -> None:
    """Prices and sizes are numbers, money stays text, no time and no price are null."""
    message, problems = read(user("snapshot", WIRE))
    inexact = {"limit_price": "50000.123456789012345"}
    assert message == UserOrders(True, [Order(VALUES, inexact)])
    assert problems == []


def test_every_column_of_the_table_is_filled() -> None:
    """What the wire module gives is what the table declares, and nothing else."""
    declared = {column.name for column in USER_ORDERS.columns if column.derived is None}
    origin = {"kind", "sequence", "ingest_seq", "connection_id", "recv_ns", "exchange_ns"}
    assert declared - origin - {"inexact_text"} == set(VALUES)
    assert tuple(name for name, _ in ORDER_NUMBERS) == advanced_orders.NUMBERS
    assert tuple(name for name, _ in ORDER_TIMES) == advanced_orders.TIMES
    texts = {name for name, _ in (*ORDER_AMOUNTS, *ORDER_WORDS)}
    assert texts <= set(advanced_orders.TEXTS)


def test_positions_are_counted_and_nothing_of_them_is_kept() -> None:
    """In whatever form they come: they are not recorded, so they cannot hurt what is."""
    held = {"perpetual_futures_positions": [{"a": 1}, {}], "expiring_futures_positions": [{}]}
    for positions, count in ((held, 3), (None, 0), ([1, 2], 0), ({"x": 5}, 0)):
        message, problems = read(user("update", WIRE, positions=positions))
        assert (message.positions, len(message.orders), problems) == (count, 1, [])


def test_no_orders_at_all() -> None:
    """The snapshot of an account that has none open; also where the key is not there."""
    assert read(user("snapshot")) == (UserOrders(True, []), [])
    assert read(frame("user", 4, {"type": "snapshot"})) == (UserOrders(True, []), [])


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("limit_price", "1e5", "impossible_number"),
        ("leaves_quantity", "NaN", "impossible_number"),
        ("number_of_fills", "-1", "impossible_number"),
        ("creation_time", "yesterday", "impossible_time"),
    ],
)
def test_a_value_that_cannot_be_hurts_no_other(name: str, value: str, kind: str) -> None:
    """It is null, and said with the order's id."""
    message, problems = read(user("update", WIRE | {name: value}))
    inexact = None if name == "limit_price" else {"limit_price": WIRE["limit_price"]}
    assert message.orders == [Order(VALUES | {name: None}, inexact)]
    assert problems == [kind]


def test_an_order_of_no_product_is_told() -> None:
    """The others of the frame are kept."""
    message, problems = read(user("update", WIRE | {"product_id": "../x"}, WIRE))
    assert (len(message.orders), problems) == (1, ["impossible_product"])


@pytest.mark.parametrize(
    ("told", "text"),
    [("x", "x"), ("", ""), (True, "true"), (False, "false"), (7, "7"), (None, None)],
)
def test_values_that_are_no_text_any_more(told: shapes.Told, text: str | None) -> None:
    """Everything is text today; a true or a number would be written as one."""
    assert advanced_orders.text(told) == text


@pytest.mark.parametrize("order_id", [5, None, "gone"])
def test_an_order_without_an_id_is_malformed(order_id: Any) -> None:
    """The frame's number counts, and its channel is known."""
    wire = WIRE | {"order_id": order_id}
    if order_id == "gone":
        del wire["order_id"]
    decoded = advanced.decode(user("update", wire))
    assert (decoded.label, decoded.sequence) == ("malformed", 4)
    assert [problem.channel for problem in decoded.problems] == ["user"]


def test_the_subscription_names_no_product() -> None:
    """Orders of all products; the answer has the user's id in the place of products."""
    assert json.loads(advanced.request("subscribe", "user")) == {
        "type": "subscribe", "channel": "user"
    }  # fmt: skip
    assert advanced.requested(b'{"type":"subscribe","channel":"user","jwt":"x"}') == (
        ("subscribe", "user", ()),
    )
    answer = frame("subscriptions", 4, {"subscriptions": {"user": ["d42e4c44-0cb3"]}})
    assert advanced.decode(answer).messages == (Subscriptions({"user": ()}),)
