"""Coinbase Exchange: frames to messages, and everything that is no frame."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.messages import (
    ASK,
    BID,
    Decoded,
    Heartbeat,
    Level2,
    Message,
    ProductStatus,
    Subscriptions,
    Ticker,
    Trade,
    Trades,
)
from recorder.core.wire import exchange
from tests.core.wire.hostile import (
    BAD_NUMBERS,
    BAD_PRODUCTS,
    EXTRAS,
    NESTS,
    NO_FRAMES,
    WRONG,
    dump,
    fields_of,
    finite,
    json_values,
    objects_in,
)

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "exchange"
BUILT_NS = 1788861600714964000
BUILT_US = BUILT_NS // 1000
BTC = "BTC-USD"
NUMBER = (BTC, 200000000111)

NUMBERS: dict[str, float | None] = {
    "price": 64123.45,
    "best_bid": 64120.1,
    "best_bid_size": 0.5123,
    "best_ask": 64123.45,
    "best_ask_size": 0.2045,
    "last_size": 0.0025,
    "volume_24h": 9876.54321098,
    "volume_30d": 301234.56789012,
    "low_24h": 63850.2,
    "high_24h": 64911.1,
    "open_24h": 63910.7,
}
NUMBERS_2021: dict[str, float | None] = {
    "price": 14.7775,
    "best_bid": 14.755,
    "best_bid_size": None,
    "best_ask": 14.806,
    "best_ask_size": None,
    "last_size": 0.04,
    "volume_24h": 94381.28,
    "volume_30d": 2295579.57,
    "low_24h": 14.3691,
    "high_24h": 16.55,
    "open_24h": 14.6647,
}
NO_NUMBERS: dict[str, float | None] = dict.fromkeys(NUMBERS)
RULES: dict[str, str | None] = {
    "base_currency": "BTC",
    "quote_currency": "USD",
    "base_increment": "0.00000001",
    "quote_increment": "0.01",
    "display_name": "BTC/USD",
    "status": "online",
    "status_message": None,
    "min_market_funds": "1",
    "post_only": "false",
    "limit_only": "false",
    "cancel_only": "true",
    "fx_stablecoin": "false",
}


def trade(trade_id: int, side: str, taker: str | None) -> Trade:
    """A trade of the vectors."""
    return Trade(BTC, trade_id, side, taker, 64123.45, 0.0025, BUILT_US)


def book(snapshot: bool, *levels: tuple[str, float, float], us: int | None = None) -> Level2:
    """Levels of BTC-USD."""
    sides, prices, sizes = map(list, zip(*levels, strict=True))
    return Level2(BTC, snapshot, sides, prices, sizes, us)


# vector: label, channel, time, what it says, the product's number
Expected = tuple[str, str, int | None, list[Message], tuple[str, int] | None]
EXPECTED: dict[str, Expected] = {
    "snapshot": (
        "snapshot",
        "level2",
        None,
        [
            Level2(
                BTC,
                True,
                [BID, BID, ASK, ASK],
                [64120.1, 64119.0, 64123.45, 9999999999.0],
                [0.5123, 123456789.123456789012, 0.2045, 0.02839242],
                None,
                None,
                [None, "123456789.123456789012", None, None],
            )
        ],
        None,
    ),
    "snapshot-time": ("snapshot", "level2", None, [book(True, (ASK, 64123.45, 0.2045))], None),
    "l2update": (
        "l2update",
        "level2",
        BUILT_NS,
        [book(False, (BID, 64120.1, 0.61), (ASK, 64180.2, 0.0), us=BUILT_US)],
        None,
    ),
    "l2update-2018": (
        "l2update",
        "level2",
        1523926504358000000,
        [book(False, (BID, 8041.33, 0.0), us=1523926504358000)],
        None,
    ),
    "l2update-no-time": (
        "l2update",
        "level2",
        None,
        [Level2("BTC-EUR", False, [ASK], [6500.09], [0.84702376], None)],
        None,
    ),
    "match": (
        "match",
        "market_trades",
        BUILT_NS,
        [Trades(BTC, False, [trade(500000002, "SELL", "BUY")])],
        NUMBER,
    ),
    "last_match": (
        "last_match",
        "market_trades",
        BUILT_NS,
        [Trades(BTC, True, [trade(500000001, "BUY", "SELL")])],
        (BTC, 199999999981),
    ),
    "ticker": (
        "ticker",
        "ticker",
        BUILT_NS,
        [Ticker(BTC, False, NUMBERS, 500000002, "BUY")],
        NUMBER,
    ),
    "ticker-2021": (
        "ticker",
        "ticker",
        BUILT_NS,
        [Ticker("BAND-GBP", False, NUMBERS_2021, 881613, "SELL")],
        ("BAND-GBP", 333000111),
    ),
    "ticker-no-time": (
        "ticker",
        "ticker",
        None,
        [Ticker(BTC, False, NO_NUMBERS | {"price": 64123.45, "best_ask": 64123.45})],
        (BTC, 5),
    ),
    "heartbeat": ("heartbeat", "heartbeats", BUILT_NS, [Heartbeat(None, BTC, 500000002)], NUMBER),
    "status": ("status", "status", None, [ProductStatus(BTC, True, RULES)], None),
    "subscriptions": (
        "subscriptions",
        "subscriptions",
        None,
        [
            Subscriptions(
                {
                    "level2": (BTC, "ETH-USD"),
                    "market_trades": (BTC,),
                    "ticker_batch": (BTC,),
                    "heartbeats": (BTC,),
                    "status": (),
                }
            )
        ],
        None,
    ),
    "subscriptions-none": ("subscriptions", "subscriptions", None, [Subscriptions({})], None),
}
NOT_RECORDED = {
    **{
        name: f"type '{name}': not recorded by this version"
        for name in (
            *("received", "open", "done", "change", "activate"),
            *("level3", "auction", "balance", "rfq_match"),
        )
    },
    "level3-open": "an array of level3, 'open': not recorded by this version",
    "level3-noop": "an array of level3, 'noop': not recorded by this version",
}


def vector(name: str) -> bytes:
    """A frame of `tests/vectors`, without the file's last line break."""
    return (VECTORS / f"{name}.json").read_bytes().rstrip(b"\n")


def varied(name: str, **fields: Any) -> bytes:
    """A vector with other values in some of its fields."""
    return dump({**json.loads(vector(name)), **fields})


def understood(raw: bytes) -> Decoded:
    """Decode, and check what is promised of every frame, whatever it is."""
    decoded = exchange.decode(raw)
    if decoded.label in ("malformed", "unknown", "error"):
        assert decoded.problems, "what is not understood is a problem"
        assert not decoded.messages
    assert decoded.sequence is None
    assert decoded.channel is None or decoded.channel in {*exchange.CHANNELS, "subscriptions"}
    if decoded.product_sequence is not None:
        product_id, number = decoded.product_sequence
        assert exchange.is_product(product_id)
        assert 0 <= number < 2**63
    for problem in decoded.problems:
        assert problem.kind
        problem.detail.encode()  # it becomes a column
        assert len(problem.detail) <= 1000
        assert problem.product_id is None or exchange.is_product(problem.product_id)
        assert problem.channel is None or problem.channel in {*exchange.CHANNELS, "subscriptions"}
    for message in decoded.messages:
        if not isinstance(message, Subscriptions):
            assert exchange.is_product(message.product_id or "")
        if isinstance(message, Level2):
            lengths = {len(message.sides), len(message.prices), len(message.sizes)}
            assert len(lengths) == 1
    return decoded


def kinds(decoded: Decoded) -> list[tuple[str, str | None, str | None]]:
    """What was wrong, and whose data it hurts."""
    return [(each.kind, each.channel, each.product_id) for each in decoded.problems]


each_vector = pytest.mark.parametrize("name", [*EXPECTED, *NOT_RECORDED, "error"])
each_understood = pytest.mark.parametrize("name", EXPECTED)


def test_every_vector_is_expected() -> None:
    """No file without an expectation, and each says where it was seen."""
    names = {path.stem for path in VECTORS.glob("*.json")}
    assert names == {*EXPECTED, *NOT_RECORDED, "error"}
    told = (VECTORS / "README.md").read_text()
    assert all(f"`{name}`" in told for name in names)


@each_understood
def test_a_frame_is_understood(name: str) -> None:
    """Every type becomes the messages that it says."""
    label, channel, built_ns, messages, number = EXPECTED[name]
    assert understood(vector(name)) == Decoded(
        label, channel, None, built_ns, tuple(messages), (), number
    )


@pytest.mark.parametrize("name", NOT_RECORDED)
def test_a_frame_that_is_not_recorded(name: str) -> None:
    """Its type is said, its content is not looked at."""
    decoded = understood(vector(name))
    assert (decoded.label, decoded.channel, decoded.product_sequence) == ("unknown", None, None)
    assert [(each.kind, each.detail) for each in decoded.problems] == [
        ("unknown_channel", NOT_RECORDED[name])
    ]


def test_a_type_that_is_new() -> None:
    """It is named, as far as it is short."""
    decoded = understood(varied("match", type="new " * 50))
    assert decoded.label == "unknown"
    assert [each.detail for each in decoded.problems] == [f"type {'new ' * 25!r}"]


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (vector("error"), "Failed to subscribe: NOPE-USD is not a valid product"),
        (b'{"type":"error","message":"ErrSlowConsume"}', "ErrSlowConsume"),
        (b'{"type":"error","reason":"x"}', "x"),
        (b'{"message":["a",1],"type":"error","reason":{}}', '["a",1]: {}'),
        (b'{"type":"error"}', ""),
    ],
)
def test_an_error_frame(raw: bytes, detail: str) -> None:
    """It is the venue's word, kept as a problem."""
    decoded = understood(raw)
    assert (decoded.label, decoded.channel) == ("error", None)
    assert [(each.kind, each.detail) for each in decoded.problems] == [("venue_error", detail)]


@each_vector
def test_a_frame_cut_at_every_byte(name: str) -> None:
    """No piece of a frame is understood, or raises."""
    raw = vector(name)
    for end in range(len(raw)):
        assert understood(raw[:end]).label == "malformed"


@each_vector
def test_a_frame_with_more_behind_it(name: str) -> None:
    """White space is nothing; anything else makes it no frame."""
    raw = vector(name)
    assert understood(raw + b" \r\n") == understood(raw)
    for more in (b"{}", b"x", raw, b"\x00"):
        assert understood(raw + more).label == "malformed"


@each_vector
def test_extra_fields_in_every_object(name: str) -> None:
    """Unknown keys are ignored at every level, whatever is in them."""
    expected = understood(vector(name))
    for at, _ in enumerate(objects_in(json.loads(vector(name)))):
        for extra in EXTRAS:
            body = json.loads(vector(name))
            list(objects_in(body))[at]["new_key"] = extra
            assert understood(dump(body)) == expected


@pytest.mark.parametrize("name", ["snapshot", "l2update"])
def test_more_places_in_a_level(name: str) -> None:
    """What stands behind price and size is ignored, as unknown keys are."""
    body = json.loads(vector(name))
    for key in ("bids", "asks", "changes"):
        for level in body.get(key, []):
            level += ["3", None]
    assert understood(dump(body)) == understood(vector(name))


# The recordings of old have the type first, and no frame needs to.
@each_understood
def test_keys_in_another_order(name: str) -> None:
    """The order of keys says nothing."""
    body = json.loads(vector(name))
    assert understood(dump(dict(reversed(body.items())))) == understood(vector(name))


OPTIONAL = {
    *("time", "sequence", "side", "trade_id", "account_ids", "product_ids"),
    *NUMBERS,
    *RULES,
}
NOT_READ = {"currencies", "maker_order_id", "taker_order_id", "account_ids"}


@each_understood
def test_each_field_missing(name: str) -> None:
    """What is needed and not there is a problem that names whose data it hurts."""
    expected = understood(vector(name))
    for at, key in fields_of(json.loads(vector(name))):
        body = json.loads(vector(name))
        del list(objects_in(body))[at][key]
        decoded = understood(dump(body))
        if decoded.label == "malformed" and at == 0 and key not in ("type", "product_id"):
            (problem,) = decoded.problems
            assert problem.channel == decoded.channel == expected.channel
            assert problem.product_id == body.get("product_id")
        elif decoded.messages != expected.messages:
            assert decoded.problems or key in OPTIONAL


@each_vector
@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_each_field_of_a_wrong_type(name: str, wrong: Any) -> None:
    """Nothing raises, and what cannot be said is not made up."""
    expected = understood(vector(name))
    for at, key in fields_of(json.loads(vector(name))):
        body = json.loads(vector(name))
        list(objects_in(body))[at][key] = wrong
        decoded = understood(dump(body))
        if decoded.messages != expected.messages and not decoded.problems:
            assert isinstance(wrong, str) or wrong in (None, [], {}) or key in OPTIONAL


@each_vector
def test_duplicate_keys(name: str) -> None:
    """Never raises; the frame is read in one way or not at all."""
    text = vector(name).decode()
    for at, key in fields_of(json.loads(text)):
        body = json.loads(text)
        target = list(objects_in(body))[at]
        target[f"{key}\x00"] = target[key]
        understood(json.dumps(body).replace("\\u0000", "").encode())


# --- books --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*BAD_NUMBERS, "0.-10000"])
def test_an_impossible_number_in_a_book(text: str) -> None:
    """The message is not understood, and its product is named."""
    good = ["1", "1"]
    for bad in (["2", text], [text, "1"]):
        for raw in (
            varied("snapshot", bids=[good, bad]),
            varied("snapshot", asks=[good, bad]),
            varied("l2update", changes=[["buy", *good], ["sell", *bad]]),
        ):
            decoded = understood(raw)
            assert decoded.messages == ()
            assert kinds(decoded) == [("impossible_number", "level2", BTC)]


@pytest.mark.parametrize("price", ["0", "0.0", "0.00000000"])
def test_a_price_of_zero(price: str) -> None:
    """No level has it."""
    decoded = understood(varied("l2update", changes=[["buy", price, "1"]]))
    assert kinds(decoded) == [("impossible_number", "level2", BTC)]


@pytest.mark.parametrize("size", ["0", "0.0", "0.00000000"])
def test_a_size_of_zero(size: str) -> None:
    """It removes, in any spelling."""
    (message,) = understood(varied("l2update", changes=[["sell", "1.5", size]])).messages
    assert message == book(False, (ASK, 1.5, 0.0), us=BUILT_US)


@pytest.mark.parametrize(
    "changes",
    [
        [["bid", "1", "1"]],
        [["BUY", "1", "1"]],
        [["", "1", "1"]],
        [["buy", "1"]],
        [["buy", 1, "1"]],
        [["buy", "1", None]],
        [[]],
        [{"side": "buy", "price": "1", "size": "1"}],
        ["buy", "1", "1"],
        {},
    ],
)
def test_a_change_that_is_none(changes: Any) -> None:
    """The book that it may have been of is named."""
    decoded = understood(varied("l2update", changes=changes))
    assert (decoded.label, decoded.channel) == ("malformed", "level2")
    assert kinds(decoded) == [("malformed_frame", "level2", BTC)]


def test_texts_that_a_float_does_not_hold() -> None:
    """They are kept beside the numbers, in their places."""
    long = "0.1234567890123456789"[:20]
    changes = [["buy", "1", "1"], ["sell", long, "1"], ["sell", "2", long]]
    (message,) = understood(varied("l2update", changes=changes)).messages
    assert isinstance(message, Level2)
    assert message.price_texts == [None, long, None]
    assert message.size_texts == [None, None, long]


def test_changes_of_nothing() -> None:
    """A message without levels is one."""
    empty = Level2(BTC, False, [], [], [], BUILT_US)
    assert understood(varied("l2update", changes=[])).messages == (empty,)
    empty = Level2(BTC, True, [], [], [], None)
    assert understood(varied("snapshot", bids=[], asks=[])).messages == (empty,)


@pytest.mark.parametrize("stamp", ["", "yesterday", "2026-13-01T00:00:00Z", "9999-01-01T00:00:00Z"])
@pytest.mark.parametrize("name", ["l2update", "match", "ticker", "heartbeat", "snapshot-time"])
def test_an_impossible_time(name: str, stamp: str) -> None:
    """The data is whole and kept; only its time is not known."""
    decoded = understood(varied(name, time=stamp))
    assert decoded.exchange_ns is None
    assert kinds(decoded) == [("impossible_time", None, None)]
    match decoded.messages:
        case (Level2() as message,):
            assert message.event_us is None
        case (Trades() as message,):
            assert message.trades[0].trade_us is None
        case _:
            assert decoded.messages


def test_no_time() -> None:
    """The year 1 was seen in changes of books, and says nothing."""
    decoded = understood(varied("l2update", time="0001-01-01T00:00:00.000000Z"))
    assert (decoded.exchange_ns, decoded.problems) == (None, ())
    assert decoded.messages == (book(False, (BID, 64120.1, 0.61), (ASK, 64180.2, 0.0)),)


# --- trades, tickers, beats, rules --------------------------------------------------------------


@pytest.mark.parametrize("text", BAD_NUMBERS)
def test_an_impossible_number_elsewhere(text: str) -> None:
    """A trade is left out, a ticker keeps its other numbers."""
    for key in ("price", "size"):
        decoded = understood(varied("match", **{key: text}))
        (unread,) = decoded.messages
        assert isinstance(unread, Trades)
        assert (unread.trades, unread.unread) == ([], (json.loads(varied("match"))["trade_id"],))
        assert decoded.product_sequence == NUMBER
        assert kinds(decoded) == [("impossible_number", "market_trades", BTC)]
    decoded = understood(varied("ticker", best_bid=text))
    (message,) = decoded.messages
    assert isinstance(message, Ticker)
    if text == "-1":  # as in the ticker of Advanced Trade
        assert message.values["best_bid"] == -1.0
    else:
        assert message.values == NUMBERS | {"best_bid": None}
        assert kinds(decoded) == ([("impossible_number", "ticker", BTC)] if text else [])


IDS = [-1, 2**63, 2**64, 10**400]


@pytest.mark.parametrize("number", IDS, ids=["-1", "2**63", "2**64", "10**400"])
def test_an_impossible_id(number: int) -> None:
    """A trade without an id is none; a ticker and a beat are kept without it."""
    decoded = understood(varied("match", trade_id=number))
    assert (decoded.messages, kinds(decoded)) == (
        (),
        [("impossible_number", "market_trades", BTC)],
    )
    decoded = understood(varied("ticker", trade_id=number))
    assert decoded.messages == (Ticker(BTC, False, NUMBERS, None, "BUY"),)
    assert kinds(decoded) == [("impossible_number", "ticker", BTC)]
    decoded = understood(varied("heartbeat", last_trade_id=number))
    assert decoded.messages == (Heartbeat(None, BTC, None),)
    assert kinds(decoded) == [("impossible_number", "heartbeats", BTC)]


@pytest.mark.parametrize("number", IDS, ids=["-1", "2**63", "2**64", "10**400"])
@pytest.mark.parametrize("name", ["match", "last_match", "ticker", "heartbeat"])
def test_an_impossible_number_of_a_product(name: str, number: int) -> None:
    """The message is kept without it."""
    decoded = understood(varied(name, sequence=number))
    assert decoded.messages == understood(vector(name)).messages
    assert decoded.product_sequence is None
    assert [each.kind for each in decoded.problems] == ["impossible_number"]


@pytest.mark.parametrize(
    ("sent", "side", "taker"),
    [
        ("buy", "BUY", "SELL"),
        ("sell", "SELL", "BUY"),
        ("BUY", "BUY", "SELL"),
        ("", "", None),
        ("unknown", "unknown", None),
    ],
)
def test_the_sides_of_a_trade(sent: str, side: str, taker: str | None) -> None:
    """One spelling for both venues; the wire's is the maker's, but in a ticker."""
    (message,) = understood(varied("match", side=sent)).messages
    assert isinstance(message, Trades)
    assert (message.trades[0].side, message.trades[0].taker_side) == (side, taker)
    (message,) = understood(varied("ticker", side=sent)).messages
    assert isinstance(message, Ticker)
    assert message.last_side == (side or None)


def test_long_numbers_of_a_trade_and_a_ticker() -> None:
    """Their texts are kept where a float does not hold them."""
    long = "123456789.123456789012"
    (message,) = understood(varied("match", price=long)).messages
    assert isinstance(message, Trades)
    assert (message.trades[0].price_text, message.trades[0].size_text) == (long, None)
    (message,) = understood(varied("ticker", volume_30d=long)).messages
    assert isinstance(message, Ticker)
    assert message.inexact == {"volume_30d": long}


@pytest.mark.parametrize("product", BAD_PRODUCTS)
def test_an_impossible_product(product: str) -> None:
    """It becomes no message, and no part of a problem but its words."""
    names = ("snapshot", "l2update", "match", "last_match", "ticker", "heartbeat")
    status = json.loads(vector("status"))
    status["products"][0]["id"] = product
    for raw in (*(varied(name, product_id=product) for name in names), dump(status)):
        decoded = understood(raw)
        assert (decoded.messages, decoded.product_sequence) == ((), None)
        assert [each.kind for each in decoded.problems] == ["impossible_product"]
    assert not exchange.is_product(product)


def test_rules_of_one_product_that_cannot_be() -> None:
    """The other products keep theirs, and what is not said is not known."""
    raw = dump({"type": "status", "products": [{"id": "../x"}, {"id": "ETH-USD"}]})
    decoded = understood(raw)
    assert decoded.messages == (ProductStatus("ETH-USD", True, dict.fromkeys(RULES)),)
    assert kinds(decoded) == [("impossible_product", "status", None)]


def test_an_answer_with_odd_channels_and_products() -> None:
    """What cannot be ours is left out, and said once; two names of a channel are one."""
    channels = [
        {"name": "level2", "product_ids": [BTC, "../x"]},
        {"name": "level2_50", "product_ids": [BTC, "ETH-USD"]},
        {"name": "ticker"},
        {"name": "status", "product_ids": ["status"]},
        {"name": "full", "product_ids": [BTC]},
        {"name": "../etc", "product_ids": [BTC]},
    ]
    decoded = understood(dump({"type": "subscriptions", "channels": channels}))
    assert decoded.messages == (
        Subscriptions({"level2": (BTC, "ETH-USD"), "ticker": (), "status": ()}),
    )
    (problem,) = decoded.problems
    assert problem.kind == "impossible_subscription"
    assert "3 channels or products" in problem.detail


# --- what is no frame ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "channel", "product_id"),
    [
        (b'{"type":"l2update","product_id":"BTC-USD","chang', "level2", BTC),
        (b'{"product_id":"BTC-USD","type":"snapshot","bids":[["1', "level2", BTC),
        (b'{"type":"snapshot","bids":[],"product_id":"BTC-USD"', "level2", None),
        (b'{"type":"match","product_id":"BTC-US', "market_trades", None),
        (b'{"type":"match","product_id":"-US-"', "market_trades", None),
        (b'{"type":"status","product_id":"BTC-USD",', "status", None),
        (b'{"type":"l2update","type":"match",', None, None),
        (b'{"type":"received","product_id":"BTC-USD",', None, None),
        (b'{"x":[{"type":"l2update",', None, None),
        (b'{"x":"\\"type\\":\\"l2update\\"', None, None),
        (b'{"type":"l2upd', None, None),
        (b'"type":"l2update"', None, None),
        (b'[["type":"l2update"', None, None),
    ],
)
def test_a_text_that_is_no_json(raw: bytes, channel: str | None, product_id: str | None) -> None:
    """Type and product are read where they stand whole, once, and at the top."""
    decoded = understood(raw)
    assert (decoded.label, decoded.channel) == ("malformed", channel)
    assert kinds(decoded) == [("malformed_frame", channel, product_id)]


@pytest.mark.parametrize("product", [["BTC-USD"], "../etc", None, 3, {}])
def test_a_malformed_frame_of_nobody_in_particular(product: Any) -> None:
    """It may be of any product."""
    decoded = understood(dump({"type": "l2update", "product_id": product, "changes": 3}))
    assert kinds(decoded) == [("malformed_frame", "level2", None)]


@pytest.mark.parametrize(
    "raw",
    [
        b'["open"',
        b'[["open"]]',
        b"[1]",
        b'["l2update","BTC-USD"]',
        b'[{"type":"l2update"}]',
        b"[null]",
        b" [ ] ",
    ],
)
def test_an_array_that_is_not_of_level3(raw: bytes) -> None:
    """Malformed, of no channel."""
    assert kinds(understood(raw)) == [("malformed_frame", None, None)]


@pytest.mark.parametrize("raw", NO_FRAMES)
def test_what_is_no_frame(raw: bytes) -> None:
    """Never raises, always a problem."""
    assert understood(raw).problems


@pytest.mark.parametrize("depth", NESTS.values(), ids=NESTS)
@pytest.mark.parametrize("pair", [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
def test_a_deep_nest(depth: int, pair: tuple[str, str]) -> None:
    """Wherever it stands and whether it is closed or not, it is answered at once."""
    nest = pair[0] * depth + "1" + pair[1] * depth
    for raw in (
        nest,
        pair[0] * depth,
        f'["open",{nest}]',
        f'{{"type":"error","message":{nest}}}',
        f'{{"type":"error","reason":{nest}}}',
        f'{{"type":"l2update","product_id":"BTC-USD","changes":{nest}}}',
        f'{{"type":{nest},"product_id":"BTC-USD"}}',
        f'{{"extra":{nest},"type":"subscriptions","channels":[]}}',
    ):
        understood(raw.encode())


@pytest.mark.parametrize("text", [b"\\ud800", b"\xed\xa0\x80", b"\xff"])
def test_half_a_character_in_a_value(text: bytes) -> None:
    """A lone surrogate or a broken byte makes the frame malformed; whose it is may be read."""
    for raw, channel in (
        (vector("match").replace(b"sell", text), "market_trades"),
        (vector("status").replace(b"BTC/USD", text), "status"),
        (vector("l2update").replace(b"buy", text), "level2"),
    ):
        decoded = understood(raw)
        assert (decoded.label, decoded.channel) == ("malformed", channel)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes(raw: bytes) -> None:
    """Never raises; and no few random bytes are a frame."""
    assert understood(raw).problems


TYPES = [*EXPECTED, *NOT_RECORDED, "error"]


@given(
    st.sampled_from(TYPES),
    st.dictionaries(
        st.sampled_from(["changes", "bids", "asks", "time", "trade_id", "price", "channels"]),
        json_values,
        max_size=3,
    ),
)
def test_any_values(name: str, values: dict[str, Any]) -> None:
    """A known type with whatever in it is read, or a problem."""
    body = json.loads(vector(name))
    if isinstance(body, dict) and finite(values):
        understood(json.dumps(body | values).encode())


@given(st.sampled_from(TYPES), st.data())
def test_spoilt_bytes(name: str, data: st.DataObject) -> None:
    """A frame with a byte of another value is read, or a problem; it never raises."""
    raw = bytearray(vector(name))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    understood(bytes(raw))


# --- requests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe"])
@pytest.mark.parametrize("channel", sorted({*exchange.REQUEST_NAMES, *exchange.SUBSCRIBE_NAMES}))
def test_a_request_comes_back(kind: Any, channel: str) -> None:
    """What is sent is what the core reads out of the capture, by our names."""
    raw = exchange.request(kind, channel, (BTC, "ETH-USD"))
    ours = exchange.SUBSCRIBE_NAMES.get(channel, channel)
    products = () if ours in exchange.UNFILTERED else (BTC, "ETH-USD")
    assert exchange.requested(raw) == ((kind, ours, products),)


@pytest.mark.parametrize(
    ("channel", "name"),
    [
        ("level2", "level2"),
        ("level2_batch", "level2_batch"),
        ("market_trades", "matches"),
        ("heartbeats", "heartbeat"),
        ("ticker", "ticker"),
        ("ticker_batch", "ticker_batch"),
        ("matches", "matches"),
    ],
)
def test_the_text_of_a_request(channel: str, name: str) -> None:
    """As the venue wants it."""
    raw = exchange.request("subscribe", channel, [BTC])
    assert raw == b'{"type":"subscribe","product_ids":["BTC-USD"],"channels":["%s"]}' % (
        name.encode()
    )


def test_a_request_without_products() -> None:
    """Of `status` always; an unsubscribe without them drops the channel."""
    status = b'{"type":"subscribe","channels":["status"]}'
    assert exchange.request("subscribe", "status", [BTC]) == status
    raw = exchange.request("unsubscribe", "heartbeats")
    assert raw == b'{"type":"unsubscribe","channels":["heartbeat"]}'
    assert exchange.requested(raw) == (("unsubscribe", "heartbeats", ()),)


def test_a_request_for_a_channel_that_is_not() -> None:
    """It is our own mistake."""
    with pytest.raises(AssertionError, match="candles"):
        exchange.request("subscribe", "candles", [BTC])


def test_a_request_for_many_channels() -> None:
    """The products of the request are added to those of each channel, each once."""
    raw = dump(
        {
            "type": "subscribe",
            "product_ids": [BTC, "ETH-USD"],
            "channels": [
                "level2_batch",
                "full",
                {"name": "ticker", "product_ids": ["SOL-USD", BTC]},
                {"name": "level2", "product_ids": ["SOL-USD"]},
                {"name": "heartbeat"},
                {"name": "status"},
                {"name": "balance", "account_ids": ["x"]},
            ],
        }
    )
    assert exchange.requested(raw) == (
        ("subscribe", "level2", (BTC, "ETH-USD", "SOL-USD")),
        ("subscribe", "ticker", (BTC, "ETH-USD", "SOL-USD")),
        ("subscribe", "heartbeats", (BTC, "ETH-USD")),
        ("subscribe", "status", ()),
    )


def test_a_signed_request() -> None:
    """Its four texts are not looked at."""
    body = json.loads(exchange.request("subscribe", "level2", [BTC]))
    signed = {"signature": "s", "key": "k", "passphrase": "p", "timestamp": "1700000000"}
    assert exchange.requested(dump(body | signed)) == (("subscribe", "level2", (BTC,)),)


def test_a_request_with_impossible_products() -> None:
    """They are left out; a channel that has no others is, too: no products mean all of them."""
    raw = exchange.request("subscribe", "level2", [BTC, "../../etc"])
    assert exchange.requested(raw) == (("subscribe", "level2", (BTC,)),)
    assert exchange.requested(exchange.request("unsubscribe", "level2", ["../../etc"])) == ()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b"ping",
        b"\xff",
        b'{"type":"ping","channels":["level2"],"product_ids":["BTC-USD"]}',
        b'{"type":"subscribe","channel":"level2","product_ids":["BTC-USD"]}',
        b'{"type":"subscribe","channels":["full"],"product_ids":["BTC-USD"]}',
        b'{"type":"subscribe","channels":["../x"],"product_ids":["BTC-USD"]}',
        b'{"type":"subscribe","channels":[3]}',
        b'{"type":"subscribe","channels":[{}]}',
        b'{"type":"subscribe","channels":[]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_request(raw: bytes) -> None:
    """Captures of others hold other things that were sent."""
    assert exchange.requested(raw) == ()
