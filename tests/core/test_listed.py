"""What the list of products says becomes rows of `status`."""

import json

from recorder.core.frames import Listed
from recorder.core.tables import STATUS, STATUS_TEXTS
from tests.core.scripts import HOUR_10_NS, live, status

RULES = {
    "product_id": "BTC-USD",
    "product_type": "SPOT",
    "price_increment": "0.01",
    "base_increment": "0.00000001",
    "trading_disabled": "false",
    "alias": None,
    "aliases": "BTC-USDC",
}


def mark(*rules: dict[str, str | None], at_ns: int = HOUR_10_NS + 10**9) -> Listed:
    return Listed(at_ns, json.dumps(rules, separators=(",", ":")).encode())


def test_a_row_a_product() -> None:
    """Of a kind of its own, increments as text, and null what the list does not say."""
    player = live()
    step = player.take(mark(RULES, {"product_id": "ETH-USD", "status": "offline"}))
    rows = player.rows("status")
    assert [(row["product_id"], row["kind"], row["connection_id"]) for row in rows] == [
        ("BTC-USD", "rest", "rest"),
        ("ETH-USD", "rest", "rest"),
    ]
    assert {name: rows[0][name] for name in RULES} == RULES
    assert (rows[0]["status"], rows[1]["status"], rows[1]["alias"]) == (None, "offline", None)
    assert rows[1]["ingest_seq"] == rows[0]["ingest_seq"] + 1
    assert rows[0]["recv_ns"] == HOUR_10_NS + 10**9
    assert (rows[0]["sequence"], rows[0]["exchange_ns"]) == (None, None)
    assert step.requests == step.facts == []


def test_it_is_no_word_of_the_channel() -> None:
    """What the channel says is compared with what the channel said."""
    player = live()
    player.ask("status", "BTC-USD")
    player.say(status(1, "BTC-USD", "online"))
    player.take(mark({"product_id": "BTC-USD", "status": "offline"}, at_ns=player.now_ns))
    player.say(status(2, "BTC-USD", "online"))
    assert player.faults() == []
    assert [row["kind"] for row in player.rows("status")] == ["update", "rest", "update"]
    assert [row["channel"] for row in player.rows("coverage")].count("status") == 0


def test_what_a_later_list_has_and_this_version_does_not_know_is_left_out() -> None:
    player = live()
    player.take(mark({"product_id": "BTC-USD", "colour": "red", "status": "online"}))
    assert player.rows("status")[0]["status"] == "online"


def test_every_text_of_the_list_has_a_column() -> None:
    assert {name for name, _ in STATUS_TEXTS} <= set(STATUS.stored())
