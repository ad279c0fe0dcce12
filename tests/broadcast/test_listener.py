"""One client's subscriptions and numbers; the rest is told in tests/broadcast/test_server.py."""

import json

import pytest

from recorder.broadcast.known import Known
from recorder.broadcast.listener import Listener
from recorder.broadcast.told import Told
from recorder.core.messages import Level2


def asks(listener, channel, products=None, kind="subscribe"):
    body = {"type": kind, "channel": channel}
    if products is not None:
        body["product_ids"] = products
    return [json.loads(each) for each in listener.receive(json.dumps(body), 10**18)]


def set_of(frames):
    return frames[-1]["events"][0]["subscriptions"]


@pytest.fixture
def listener():
    return Listener(Known(), ("BTC-USD", "ETH-USD", "USDT-USDC"))


def told(product="BTC-USD"):
    changes = Level2(product, False, ["bid"], [1.0], [1.0], None)
    return Told(0, "a", "level2", (product,), False, b'{"n":', b"}", (changes,))


def test_the_set_grows_and_shrinks(listener):
    assert set_of(asks(listener, "level2", ["BTC-USD"])) == {"level2": ["BTC-USD"]}
    assert set_of(asks(listener, "level2", ["BTC-USDC", "ETH-USD"])) == {
        "level2": ["BTC-USD", "ETH-USD"]
    }
    assert set_of(asks(listener, "heartbeats", []))["heartbeats"] == ["heartbeats"]
    assert set_of(asks(listener, "level2", ["BTC-USDC"], "unsubscribe"))["level2"] == ["ETH-USD"]
    assert "level2" not in set_of(asks(listener, "level2", None, "unsubscribe"))
    assert set_of(asks(listener, "heartbeats", None, "unsubscribe")) == {}
    assert set_of(asks(listener, "ticker"))["ticker"] == ["BTC-USD", "ETH-USD", "USDT-USDC"]
    assert set_of(asks(listener, "level2", ["USDT-USDC"]))["level2"] == ["USDT-USDC"]


def test_a_hole_is_in_the_next_number_and_only_for_what_was_told(listener):
    asks(listener, "level2", ["BTC-USD"])  # number 0
    lost = {("level2", "BTC-USD")}
    listener.lose(lost, 5)
    assert listener.tell(told(), ["BTC-USD"]) == b'{"n":1}'
    listener.lose({("level2", "ETH-USD")}, 5)
    listener.lose(lost, 5)
    listener.lose(lost, 7)  # what was not told since cannot be missed
    assert listener.holes == 0
    assert listener.tell(told(), ["BTC-USD"]) == b'{"n":7}'
    assert listener.holes == 1


def test_what_another_line_leads_or_nobody_asked_for_is_not_told(listener):
    asks(listener, "level2", ["BTC-USD"])
    assert listener.tell(told(), []) is None
    assert listener.tell(told("ETH-USD"), ["ETH-USD"]) is None
    assert listener.tell_book("BTC-USD", 0) is None
