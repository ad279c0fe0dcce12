"""Coinbase Advanced Trade: frames to messages, and everything that is no frame."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.messages import (
    ASK,
    BID,
    Candle,
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
from recorder.core.wire import advanced
from tests.core.scripts import GO_TIME, STAMP, frame, level2, ticker, trades
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

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "advanced"
BUILT_NS = 1788861600714964855

NUMBERS: dict[str, float | None] = {
    "price": 64123.45,
    "volume_24h": 9876.54321098,
    "low_24h": 63850.2,
    "high_24h": 64911.1,
    "low_52w": 49577.0,
    "high_52w": 126296.0,
    "price_percent_chg_24h": -0.31250012345678,
}
TOP: dict[str, float | None] = {
    "best_bid": 64123.44,
    "best_bid_size": 0.182,
    "best_ask": 64123.45,
    "best_ask_size": 0.173,
}
NO_TOP: dict[str, float | None] = dict.fromkeys(TOP)
CANDLE = {"open": 64120.0, "high": 64150.0, "low": 64090.1, "close": 64123.45, "volume": 4.215}


def trade(trade_id: int, side: str, taker: str | None, product: str = "BTC-USD") -> Trade:
    """A trade of the vectors."""
    return Trade(product, trade_id, side, taker, 64123.45, 0.0012, 1788861603088388)


# vector: label, channel, number, what it says
EXPECTED: dict[str, tuple[str, str, int, list[Message]]] = {
    "subscriptions": (
        "subscriptions",
        "subscriptions",
        0,
        [Subscriptions({"heartbeats": (), "level2": ("BTC-USD", "ETH-USD")})],
    ),
    "heartbeats": ("heartbeats", "heartbeats", 4, [Heartbeat(52431)]),
    "heartbeats-text-counter": ("heartbeats", "heartbeats", 4, [Heartbeat(52431)]),
    "l2_data-snapshot": (
        "l2_data/snapshot",
        "level2",
        1,
        [
            Level2(
                "BTC-USD",
                True,
                [BID, BID, ASK],
                [64120.1, 64119.0, 64123.45],
                [0.5123, 123456789.123456789012, 0.2045],
                None,
                None,
                [None, "123456789.123456789012", None],
            )
        ],
    ),
    "l2_data-update": (
        "l2_data/update",
        "level2",
        2,
        [
            Level2(
                "BTC-USD",
                False,
                [ASK, BID],
                [64123.45, 64120.11],
                [0.0, 0.01],
                [1788861600741872, 1788861600760100],
            )
        ],
    ),
    "l2_data-client-id": (
        "l2_data/update",
        "level2",
        3,
        [Level2("BTC-USD", False, [BID], [64120.11], [0.0], 1788861600000000)],
    ),
    "ticker-snapshot": ("ticker/snapshot", "ticker", 39, [Ticker("BTC-USD", True, NUMBERS | TOP)]),
    "ticker-update": ("ticker/update", "ticker", 40, [Ticker("BTC-USD", False, NUMBERS | TOP)]),
    "ticker_batch-update": (
        "ticker_batch/update",
        "ticker_batch",
        41,
        [Ticker(each, False, NUMBERS | NO_TOP) for each in ("BTC-USD", "ETH-USD")],
    ),
    "market_trades-snapshot": (
        "market_trades/snapshot",
        "market_trades",
        5,
        [
            Trades(
                "BTC-USD",
                True,
                [trade(500000001, "SELL", "BUY"), trade(500000002, "BUY", "SELL")],
            )
        ],
    ),
    "market_trades-update": (
        "market_trades/update",
        "market_trades",
        31,
        [
            Trades(
                "BTC-USD",
                False,
                [trade(500000003, "SELL", "BUY"), trade(500000004, "BUY", "SELL")],
            )
        ],
    ),
    "market_trades-no-side": (
        "market_trades/update",
        "market_trades",
        32,
        [
            Trades(
                "BIP-20DEC30-CDE",
                False,
                [trade(7, "UNKNOWN_ORDER_SIDE", None, "BIP-20DEC30-CDE")],
            )
        ],
    ),
    "market_trades-empty": ("market_trades/snapshot", "market_trades", 33, []),
    "status-snapshot": (
        "status/snapshot",
        "status",
        2,
        [
            ProductStatus(
                "BTC-USD",
                True,
                {
                    "product_type": "SPOT",
                    "base_currency": "BTC",
                    "quote_currency": "USD",
                    "base_increment": "0.00000001",
                    "quote_increment": "0.01",
                    "display_name": "BTC/USD",
                    "status": "online",
                    "status_message": "",
                    "min_market_funds": "1",
                },
            )
        ],
    ),
    "candles-snapshot": (
        "candles/snapshot",
        "candles",
        3,
        [
            Candle("BTC-USD", True, start_s * 1_000_000, CANDLE)
            for start_s in (1788861600, 1788861300)
        ],
    ),
    "candles-update": (
        "candles/update",
        "candles",
        9,
        [Candle("BTC-USD", False, 1788861600_000_000, CANDLE)],
    ),
}


def vector(name: str) -> bytes:
    """A frame of `tests/vectors`, without the file's last line break."""
    return (VECTORS / f"{name}.json").read_bytes().rstrip(b"\n")


def understood(raw: bytes) -> Decoded:
    """Decode, and check what is promised of every frame, whatever it is."""
    decoded = advanced.decode(raw)
    if decoded.label in ("malformed", "unknown", "error"):
        assert decoded.problems, "what is not understood is a problem"
        assert not decoded.messages
    assert decoded.sequence is None or 0 <= decoded.sequence <= advanced.SEQUENCE_MAX
    assert advanced.sequence_of(raw) == decoded.sequence
    for problem in decoded.problems:
        assert problem.kind
        problem.detail.encode()  # it becomes a column
        assert len(problem.detail) <= 1000
        assert problem.product_id is None or advanced.is_product(problem.product_id)
    return decoded


each_vector = pytest.mark.parametrize("name", [*EXPECTED, "error"])


def test_every_vector_is_expected() -> None:
    """No file without an expectation, and each says where it was seen."""
    names = {path.stem for path in VECTORS.glob("*.json")}
    assert names == {*EXPECTED, "error"}
    told = (VECTORS / "README.md").read_text()
    assert all(f"`{name}`" in told for name in names)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_frame_is_understood(name: str) -> None:
    """Every channel and type becomes the messages that it says."""
    label, channel, number, messages = EXPECTED[name]
    built_ns = 1788861600200000000 if name == "subscriptions" else BUILT_NS
    assert understood(vector(name)) == Decoded(
        label, channel, number, built_ns, tuple(messages), ()
    )


def test_an_error_frame() -> None:
    """It is the venue's word, kept as a problem; it has no number."""
    decoded = understood(vector("error"))
    assert (decoded.label, decoded.channel, decoded.sequence) == ("error", None, None)
    assert [(each.kind, each.detail) for each in decoded.problems] == [
        ("venue_error", "authentication failure")
    ]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "side": st.sampled_from(["bid", "offer"]),
                "event_time": st.sampled_from([STAMP, "1970-01-01T00:00:00Z", "soon"]),
                "price_level": st.sampled_from(["1", "65083.66", "0", "1e5", "12345678.123456789"]),
                "new_quantity": st.sampled_from(["0", "0.5", "-1", "123456789012345.6"]),
            }
        ),
        max_size=3,
    ),
    st.sampled_from(["snapshot", "update"]),
    st.sampled_from([STAMP, "soon"]),
    st.sampled_from(["BTC-USD", "btc"]),
    st.sampled_from([0, 7, -1]),
)
def test_changes_that_go_the_short_way(
    changes: list[dict[str, str]], kind: str, stamp: str, product: str, number: int
) -> None:
    """Whichever way a frame goes, the same comes of it."""
    event = {"type": kind, "product_id": product, "updates": changes}
    whole = {"channel": "l2_data", "timestamp": stamp, "sequence_num": number, "events": [event]}
    raw = dump(whole)
    assert advanced.decode(raw) == advanced.understand(raw, advanced.decode_shape(raw))


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
    for at, each in enumerate(objects_in(json.loads(vector(name)))):
        if "heartbeats" in each or "level2" in each:
            continue  # its keys are channels
        for extra in EXTRAS:
            body = json.loads(vector(name))
            list(objects_in(body))[at]["new_key"] = extra
            assert understood(dump(body)) == expected


@each_vector
def test_each_field_missing(name: str) -> None:
    """What is needed and not there is a problem; the number still counts where it is there."""
    expected = understood(vector(name))
    for at, key in fields_of(json.loads(vector(name))):
        body = json.loads(vector(name))
        del list(objects_in(body))[at][key]
        decoded = understood(dump(body))
        if key != "sequence_num":
            assert decoded.sequence == expected.sequence
        if decoded.messages == expected.messages:
            assert key in ("client_id", "type", "message") or decoded.problems
        else:
            assert decoded.problems or key in OPTIONAL


OPTIONAL = {
    *("price", "volume_24_h", "low_24_h", "high_24_h", "low_52_w", "high_52_w"),
    *("price_percent_chg_24_h", "best_bid", "best_bid_quantity", "best_ask", "best_ask_quantity"),
    *("product_type", "base_currency", "quote_currency", "base_increment", "quote_increment"),
    *("display_name", "status", "status_message", "min_market_funds"),
    *("heartbeats", "level2"),
}


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
        if key != "sequence_num" and decoded.label != "error":
            assert decoded.sequence == expected.sequence


@each_vector
def test_duplicate_keys(name: str) -> None:
    """Never raises; the frame is read in one way or not at all."""
    text = vector(name).decode()
    for at, key in fields_of(json.loads(text)):
        body = json.loads(text)
        target = list(objects_in(body))[at]
        target[f"{key}\x00"] = target[key]
        understood(json.dumps(body).replace("\\u0000", "").encode())


@pytest.mark.parametrize("text", BAD_NUMBERS)
@pytest.mark.parametrize("kind", ["snapshot", "update"])
def test_an_impossible_number_in_a_book(kind: str, text: str) -> None:
    """The event is not understood, its product is named, and the frame's number counts."""
    for change in (("bid", text, "1"), ("offer", "1", text)):
        decoded = understood(level2(5, kind, [("bid", "1", "1"), change]))
        assert (decoded.sequence, decoded.messages) == (5, ())
        assert [(each.kind, each.channel, each.product_id) for each in decoded.problems] == [
            ("impossible_number", "level2", "BTC-USD")
        ]


def test_a_price_of_zero() -> None:
    """No level has it."""
    assert understood(level2(5, "update", [("bid", "0", "1")])).problems


@pytest.mark.parametrize("text", BAD_NUMBERS)
def test_an_impossible_number_elsewhere(text: str) -> None:
    """A ticker keeps its other numbers; a trade or candle is left out; the rest is kept."""
    decoded = understood(ticker(5, price=text))
    assert isinstance(decoded.messages[0], Ticker)
    if text == "-1":  # a percentage may be negative, so the grammar of a ticker allows it
        assert decoded.messages[0].values["price"] == -1.0
    else:
        assert decoded.messages[0].values["price"] is None
        assert bool(decoded.problems) == (text != "")
    body = json.loads(trades(5, "update", [1, 2]))
    body["events"][0]["trades"][0]["price"] = text
    decoded = understood(dump(body))
    assert [each.trade_id for each in decoded.messages[0].trades] == [1]  # type: ignore[union-attr]
    assert decoded.messages[0].unread == (2,)  # type: ignore[union-attr]
    assert [each.kind for each in decoded.problems] == ["impossible_number"]
    body["events"][0]["trades"][0]["trade_id"] = text
    assert understood(dump(body)).messages[0].unread == ()  # type: ignore[union-attr]
    body = json.loads(vector("candles-update"))
    body["events"][0]["candles"][0]["start"] = text
    assert not understood(dump(body)).messages


def test_a_candle_beyond_all_time() -> None:
    """Its begin must fit the table's time."""
    body = json.loads(vector("candles-update"))
    body["events"][0]["candles"][0]["start"] = "9" * 18
    decoded = understood(dump(body))
    assert [each.kind for each in decoded.problems] == ["impossible_number"]


@pytest.mark.parametrize("stamp", ["", "yesterday", "2026-13-01T00:00:00Z", "9999-01-01T00:00:00Z"])
def test_an_impossible_time(stamp: str) -> None:
    """The data is whole and kept; only its time is not known."""
    body = json.loads(level2(5, "update", [("bid", "1", "1"), ("bid", "2", "1")]))
    body["timestamp"] = stamp
    body["events"][0]["updates"][1]["event_time"] = stamp
    decoded = understood(dump(body))
    assert decoded.exchange_ns is None
    assert isinstance(decoded.messages[0], Level2)
    assert decoded.messages[0].event_us is None
    assert [each.kind for each in decoded.problems] == ["impossible_time", "impossible_time"]


@pytest.mark.parametrize("product", BAD_PRODUCTS)
def test_an_impossible_product(product: str) -> None:
    """It becomes no message in any channel, and no part of a problem but its words."""
    candle = json.loads(vector("candles-update"))
    candle["events"][0]["candles"][0]["product_id"] = product
    status = json.loads(vector("status-snapshot"))
    status["events"][0]["products"][0]["id"] = product
    for raw in (
        level2(5, "update", [("bid", "1", "1")], product),
        trades(5, "update", [1], product),
        ticker(5, product),
        dump(candle),
        dump(status),
    ):
        decoded = understood(raw)
        assert decoded.sequence is not None
        assert decoded.messages == ()
        assert [each.kind for each in decoded.problems] == ["impossible_product"]
    assert not advanced.is_product(product)


@pytest.mark.parametrize("product", ["BTC-USD", "1INCH-USD", "BIP-20DEC30-CDE", "A-B-C-D"])
def test_a_product(product: str) -> None:
    """Spot and futures ids."""
    assert advanced.is_product(product)


def test_an_answer_with_odd_channels_and_products() -> None:
    """What cannot be ours is left out, and said once."""
    raw = frame(
        "subscriptions",
        3,
        {
            "subscriptions": {
                "heartbeats": [],
                "ticker": ["BTC-USD", "../x", "ticker"],
                "level2": [],
                "l2_data": ["BTC-USD"],
                "../etc": ["BTC-USD"],
            }
        },
    )
    decoded = understood(raw)
    assert decoded.messages == (
        Subscriptions({"heartbeats": (), "ticker": ("BTC-USD",), "level2": ()}),
    )
    (problem,) = decoded.problems
    assert problem.kind == "impossible_subscription"
    assert "4 channels or products" in problem.detail


def test_an_unknown_channel() -> None:
    """Its number counts, its name is said, its content is not looked at."""
    decoded = understood(frame("l4_data", 17, {"anything": [1, {"product_id": 3}]}))
    assert (decoded.label, decoded.channel, decoded.sequence) == ("unknown", None, 17)
    assert [(each.kind, each.detail) for each in decoded.problems] == [
        ("unknown_channel", "channel 'l4_data'")
    ]


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (b'{"channel":"ticker","sequence_num":17,"events":[{"ty', 17),
        (b'{"channel":"ticker","sequence_num":17,', 17),
        (b'{"sequence_num":0}x', 0),
        (b'{"sequence_num":9223372036854775807,', 2**63 - 1),
        (b'{"sequence_num":9223372036854775808,', None),
        (b'{"channel":"ticker","sequence_num":17', None),
        (b'{"sequence_num":017,', None),
        (b'{"sequence_num":-1,', None),
        (b'{"sequence_num":1.5,', None),
        (b'{"sequence_num":1,"sequence_num":2,', None),
        (b'{"events":[{"sequence_num":1,', None),
        (b'{"message":"\\"sequence_num\\":1,', None),
        (b'"sequence_num":1,', None),
    ],
)
def test_the_number_of_a_text_that_is_no_json(raw: bytes, number: int | None) -> None:
    """Read where it stands whole, once, and at the top."""
    decoded = understood(raw)
    assert (decoded.label, decoded.channel, decoded.sequence) == ("malformed", None, number)


def test_a_malformed_frame_with_a_number() -> None:
    """Channel, number and the one product that it is about are still read."""
    raw = frame("l2_data", 17, {"type": "other", "product_id": "BTC-USD", "updates": 3})
    decoded = understood(raw)
    assert (decoded.label, decoded.channel, decoded.sequence) == ("malformed", "level2", 17)
    (problem,) = decoded.problems
    assert (problem.kind, problem.channel, problem.product_id) == (
        "malformed_frame", "level2", "BTC-USD"
    )  # fmt: skip


@pytest.mark.parametrize(
    "events",
    [
        [{"product_id": "BTC-USD"}, {"product_id": "ETH-USD"}],
        [{"product_id": "BTC-USD"}, {}],
        [{"product_id": ["BTC-USD"]}],
        [{"product_id": "../etc"}],
        [],
        {},
        None,
        "x",
        [1],
    ],
)
def test_a_malformed_frame_of_nobody_in_particular(events: Any) -> None:
    """Where the events do not agree on one product, it may be any."""
    body = {"channel": "l2_data", "timestamp": 5, "sequence_num": 17, "events": events}
    decoded = understood(dump(body))
    assert (decoded.channel, decoded.sequence) == ("level2", 17)
    assert decoded.problems[0].product_id is None


@pytest.mark.parametrize(
    ("number", "read"),
    [
        ("17", 17),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), None),
        (str(2**64), None),
        ("9" * 5000, None),
        ("-1", None),
        ("1.5", None),
        ("true", None),
        ('"17"', None),
        ("null", None),
        ("NaN", None),
        ("1e400", None),
        ("[17]", None),
    ],
)
def test_numbers_of_a_frame(number: str, read: int | None) -> None:
    """A whole number that fits an int64, or none, and then the frame is malformed."""
    raw = vector("heartbeats").replace(b'"sequence_num":4', f'"sequence_num":{number}'.encode())
    decoded = understood(raw)
    assert decoded.sequence == read
    assert (decoded.label == "heartbeats") == (read is not None)


@pytest.mark.parametrize("number", ["1.0", "1e0", "10e-1"])
def test_a_whole_number_written_as_a_fraction(number: str) -> None:
    """Read as that number or not at all."""
    raw = vector("heartbeats").replace(b'"sequence_num":4', f'"sequence_num":{number}'.encode())
    assert understood(raw).sequence in (1, None)


@pytest.mark.parametrize("depth", NESTS.values(), ids=NESTS)
@pytest.mark.parametrize("pair", [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
def test_a_deep_nest(depth: int, pair: tuple[str, str]) -> None:
    """Wherever it stands and whether it is closed or not, it is answered at once."""
    nest = pair[0] * depth + "1" + pair[1] * depth
    for raw in (
        nest,
        pair[0] * depth,
        f'{{"type":"error","message":{nest}}}',
        f'{{"channel":"ticker","timestamp":"","sequence_num":3,"events":{nest}}}',
        f'{{"channel":{nest},"sequence_num":3}}',
        f'{{"channel":"x","sequence_num":{nest}}}',
        f'{{"extra":{nest},"channel":"ticker","timestamp":"","sequence_num":3,"events":[]}}',
    ):
        understood(raw.encode())


@pytest.mark.parametrize("raw", NO_FRAMES)
def test_what_is_no_frame(raw: bytes) -> None:
    """Never raises, always a problem."""
    assert understood(raw).problems


@pytest.mark.parametrize("text", [b"\\ud800", b"\xed\xa0\x80", b"\xff"])
def test_half_a_character_in_a_value(text: bytes) -> None:
    """A lone surrogate or a broken byte makes the frame malformed; its number may be read."""
    for raw in (
        vector("market_trades-update").replace(b"SELL", text),
        vector("status-snapshot").replace(b"BTC/USD", text),
        vector("l2_data-update").replace(b"offer", text),
        vector("l2_data-update").replace(b"BTC-USD", text),
    ):
        decoded = understood(raw)
        assert decoded.label == "malformed"
        assert decoded.channel in ("market_trades", "status", "level2", None)


def test_a_frame_of_two_events() -> None:
    """Messages in the order of the events, trades by product, each oldest first."""
    event = {"type": "update", "product_id": "BTC-USD", "updates": []}
    decoded = understood(frame("l2_data", 1, event, {**event, "product_id": "ETH-USD"}))
    assert [each.product_id for each in decoded.messages] == ["BTC-USD", "ETH-USD"]  # type: ignore[union-attr]
    assert understood(frame("l2_data", 1)).messages == ()


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes(raw: bytes) -> None:
    """Never raises; and no few random bytes are a frame."""
    assert understood(raw).problems


@given(st.sampled_from(sorted(advanced.SUBSCRIBE_NAMES)), json_values)
def test_any_events(channel: str, events: Any) -> None:
    """A known channel with whatever in it keeps its number."""
    body = {"channel": channel, "timestamp": STAMP, "sequence_num": 9, "events": events}
    decoded = understood(json.dumps(body, allow_nan=False).encode()) if finite(events) else None
    assert decoded is None or decoded.sequence in (9, None)


# --- requests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe"])
@pytest.mark.parametrize("channel", sorted(advanced.CHANNELS))
def test_a_request_comes_back(kind: Any, channel: str) -> None:
    """What is sent is what the core reads out of the capture."""
    products = () if channel in advanced.UNFILTERED else ("BTC-USD", "ETH-USD")
    raw = advanced.request(kind, channel, ("BTC-USD", "ETH-USD"))
    assert advanced.requested(raw) == ((kind, channel, products),)


def test_the_text_of_a_request() -> None:
    """As the venue wants it; heartbeats name no product."""
    assert advanced.request("subscribe", "level2", ["BTC-USD"]) == (
        b'{"type":"subscribe","channel":"level2","product_ids":["BTC-USD"]}'
    )
    assert advanced.request("subscribe", "heartbeats") == (
        b'{"type":"subscribe","channel":"heartbeats"}'
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"ping",
        b"\xff",
        b'{"type":"ping","channel":"level2","product_ids":["BTC-USD"]}',
        b'{"type":"subscribe","channel":"futures_balance_summary"}',
        b'{"type":"subscribe","channel":"../x","product_ids":["BTC-USD"]}',
        b'{"type":"subscribe","channels":["level2"]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_request(raw: bytes) -> None:
    """Captures of others hold other things that were sent."""
    assert advanced.requested(raw) == ()


def test_a_request_with_impossible_products() -> None:
    """They are left out."""
    raw = advanced.request("subscribe", "level2", ["BTC-USD", "../../etc"])
    assert advanced.requested(raw) == (("subscribe", "level2", ("BTC-USD",)),)


def test_the_heartbeats_of_a_strange_server() -> None:
    """A counter or time that cannot be is a problem, the beat is kept."""
    raw = frame("heartbeats", 4, {"current_time": "now", "heartbeat_counter": -5})
    decoded = understood(raw)
    assert decoded.messages == (Heartbeat(None),)
    assert {each.kind for each in decoded.problems} == {"impossible_number", "impossible_time"}
    ok = frame("heartbeats", 4, {"current_time": GO_TIME, "heartbeat_counter": 0})
    assert understood(ok).messages == (Heartbeat(0),)
