"""The protocol of one connection, without a socket."""

import json
from typing import Any

import pytest

from recorder.venue.market import Market
from recorder.venue.session import Limits, Session

NOW_NS = 1_786_309_548_000_000_000
FREE = Limits(requests_a_second_max=1000)


def session(*products: str, limits: Limits = FREE) -> Session:
    """A new connection to a small market."""
    names = products or ("BTC-USD", "ETH-USD", "SOL-USD", "USDT-USDC")
    return Session(Market(1, names, NOW_NS, depth=0.01), limits=limits)


def ask(to: Session, kind: str, channel: str, *products: str) -> list[dict[str, Any]]:
    """Send a request and take everything that comes of it."""
    request: dict[str, Any] = {"type": kind, "channel": channel}
    if products:
        request["product_ids"] = list(products)
    frames = to.receive(json.dumps(request), NOW_NS)
    while to.owes():
        frames += to.turn(NOW_NS)
    return [json.loads(frame) for frame in frames]


def short(frames: list[dict[str, Any]]) -> list[str]:
    """Channel and product or kind of each frame, in a word."""
    words = []
    for frame in frames:
        if frame.get("type") == "error":
            words.append(frame["message"])
            continue
        event = frame["events"][0]
        words.append(" ".join([frame["channel"], event.get("product_id", "")]).strip())
    return words


def test_numbers_run_over_everything_from_zero() -> None:
    """Snapshots, acknowledgements and heartbeats share one counter."""
    to = session()
    frames = ask(to, "subscribe", "heartbeats")
    frames += ask(to, "subscribe", "level2", "BTC-USD", "ETH-USD")
    frames += ask(to, "subscribe", "market_trades", "ETH-USD")
    assert [frame["sequence_num"] for frame in frames] == list(range(6))
    assert short(frames) == [
        "subscriptions", "l2_data BTC-USD", "l2_data ETH-USD", "subscriptions",
        "market_trades", "subscriptions",
    ]  # fmt: skip


def test_an_acknowledgement_holds_the_full_set() -> None:
    """Every channel of the connection is in each answer, by its subscribe name."""
    to = session()
    ask(to, "subscribe", "heartbeats")
    ask(to, "subscribe", "ticker", "ETH-USD")
    answer = ask(to, "subscribe", "level2", "SOL-USD")[-1]["events"][0]["subscriptions"]
    assert answer == {"heartbeats": ["heartbeats"], "level2": ["SOL-USD"], "ticker": ["ETH-USD"]}


def test_a_repeated_subscription_gets_no_snapshot() -> None:
    """Only the acknowledgement comes again; after an unsubscription a snapshot does."""
    to = session()
    ask(to, "subscribe", "level2", "BTC-USD")
    assert short(ask(to, "subscribe", "level2", "BTC-USD")) == ["subscriptions"]
    assert short(ask(to, "unsubscribe", "level2", "BTC-USD")) == ["subscriptions"]
    assert not to.wants("level2", "BTC-USD")
    again = ask(to, "subscribe", "level2", "BTC-USD")
    assert short(again) == ["l2_data BTC-USD", "subscriptions"]
    assert again[0]["sequence_num"] == 4


def test_unsubscribing_a_channel_drops_all_its_products() -> None:
    """Without product ids the whole channel goes, and the rest stays."""
    to = session()
    ask(to, "subscribe", "level2", "BTC-USD", "ETH-USD")
    ask(to, "subscribe", "ticker", "BTC-USD")
    answer = ask(to, "unsubscribe", "level2")[-1]["events"][0]["subscriptions"]
    assert answer == {"ticker": ["BTC-USD"]}


def test_one_book_a_turn_and_what_was_dropped_is_not_owed() -> None:
    """Between two books other frames may go; a product unsubscribed meanwhile gets none."""
    to = session()
    to.receive('{"type":"subscribe","channel":"level2","product_ids":["BTC-USD","ETH-USD"]}', 1)
    assert len(to.turn(NOW_NS)) == 1
    assert to.wants("level2", "BTC-USD")
    assert not to.wants("level2", "ETH-USD")
    later = ask(to, "unsubscribe", "level2", "ETH-USD")
    assert short(later) == ["subscriptions", "subscriptions"]


def test_a_third_books_updates_come_before_its_snapshot() -> None:
    """As on the live venue, an update may beat the snapshot."""
    to = session()
    text = '{"type":"subscribe","channel":"level2","product_ids":["BTC-USD","ETH-USD","SOL-USD"]}'
    to.receive(text, NOW_NS)
    assert [to.wants("level2", name) for name in ("BTC-USD", "SOL-USD")] == [False, True]


def test_aliases_are_served_under_their_own_name_once() -> None:
    """BTC-USDC is BTC-USD; a USDC book of its own stays."""
    to = session()
    frames = ask(to, "subscribe", "level2", "BTC-USDC", "BTC-USD", "USDT-USDC")
    assert short(frames) == ["l2_data BTC-USD", "l2_data USDT-USDC", "subscriptions"]


def test_unknown_products_are_missing_from_the_answer() -> None:
    """No error: just not there."""
    to = session()
    answer = ask(to, "subscribe", "level2", "NOPE-USD", "ETH-USD")[-1]
    assert answer["events"][0]["subscriptions"] == {"level2": ["ETH-USD"]}


def test_the_31st_book_is_refused_with_its_request() -> None:
    """The cap counts books held at a time, and an error changes nothing and has no number."""
    names = tuple(f"C{number}-USD" for number in range(33))
    to = session(*names)
    assert len(ask(to, "subscribe", "level2", *names[:29])) == 30
    refused = ask(to, "subscribe", "level2", *names[29:31])
    assert refused == [
        {"type": "error", "message": "too many L2 streams requested in a single session"}
    ]
    assert to.sequence == 30
    assert short(ask(to, "subscribe", "level2", names[29]))[0] == "l2_data C29-USD"
    ask(to, "unsubscribe", "level2", *names[:2])
    assert len(ask(to, "subscribe", "level2", *names[30:32])) == 3
    assert len(ask(to, "subscribe", "ticker", *names)) == 34


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "failure to subscribe"),
        (b"\xff", "failure to subscribe"),
        ('{"type":"hello","channel":"level2"}', "failure to subscribe"),
        ('{"type":"subscribe"}', "failure to subscribe"),
        ('{"type":"subscribe","channel":"level2","product_ids":"BTC-USD"}', "failure to subscribe"),
        ('{"type":"subscribe","channel":"l2_data"}', "authentication failure"),
        ('{"type":"subscribe","channel":"user"}', "authentication failure"),
    ],
)
def test_what_is_not_understood_is_an_error(text: str | bytes, message: str) -> None:
    """An error frame, no number used, nothing owed."""
    to = session()
    frames = to.receive(text, NOW_NS)
    assert [json.loads(frame) for frame in frames] == [{"type": "error", "message": message}]
    assert (to.sequence, to.owes(), to.subscribed) == (0, False, False)


def test_the_ninth_request_of_a_second_is_refused() -> None:
    """Eight a second, then one more a second later."""
    to = session(limits=Limits())
    text = '{"type":"subscribe","channel":"heartbeats"}'
    for _ in range(8):
        assert to.receive(text, NOW_NS) == []
    assert to.receive(text, NOW_NS) == [b'{"type":"error","message":"rate limit exceeded"}']
    assert to.receive(text, NOW_NS + 1_000_000_000) == []


def test_snapshots_of_the_other_channels() -> None:
    """Trades 100 newest first, candles 100 oldest first, a ticker, a batch, the status."""
    to = session()
    trades = ask(to, "subscribe", "market_trades", "BTC-USD")[0]["events"][0]["trades"]
    ids = [int(trade["trade_id"]) for trade in trades]
    assert ids == list(range(ids[0], ids[0] - 100, -1))
    candles = ask(to, "subscribe", "candles", "BTC-USD")[0]["events"][0]["candles"]
    starts = [int(candle["start"]) for candle in candles]
    assert (len(starts), starts == sorted(set(starts))) == (100, True)
    for channel in ("ticker", "ticker_batch"):
        event = ask(to, "subscribe", channel, "BTC-USD")[0]["events"][0]
        assert (event["type"], len(event["tickers"])) == ("snapshot", 1)
    frames = ask(to, "subscribe", "status")
    assert [len(frame["events"][0].get("products", ())) for frame in frames] == [4, 0]
