"""Coinbase Exchange: every frame of the recordings of 2018, 2021 and 2025 (`tests/captures.py`)."""

import csv
import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest

from recorder.core.book import Book
from recorder.core.messages import ASK, BID, Decoded, Heartbeat, Level2, Subscriptions, Ticker
from recorder.core.messages import Trades as TradesMessage
from recorder.core.numbers import plain
from recorder.core.wire import exchange
from tests.captures import CAPTURES, expected, needs_captures

FOLDER = CAPTURES / "coinbase-exchange"
YEAR_2018 = (
    FOLDER / "20180415T231142Z-btc-level2-matches-1min.recon.ndjson.gz",
    FOLDER / "20180417T005501Z-btc-level2-matches-10min.recon.ndjson.gz",
)
HOUR_2018 = FOLDER / "20180424T035217Z-btc-level2-1h"
YEAR_2021 = FOLDER / "20210417T164337Z-ten-products-level2-ticker-matches.ndjson.gz"
YEAR_2025 = FOLDER / "20251112T072011Z-btc-ticker-three-connections.ndjson.gz"

pytestmark = needs_captures


def lines(capture: Path, direction: str = "in") -> Iterator[tuple[str, bytes]]:
    """The frames of a capture or what was sent: (connection, text)."""
    with gzip.open(capture, "rt", encoding="utf-8") as file:
        for line in file:
            frame = json.loads(line)
            if frame["dir"] == direction:
                yield frame["conn"], frame["raw"].encode()


def digest(book: Book, cut: Mapping[tuple[str, float], str] | None = None) -> dict[str, Any]:
    """A book as `expected.json` has it; how the digest is made stands beside it.

    ``cut`` has the whole size of levels (side, price) whose size was cut on the way in.
    """
    written: dict[str, list[tuple[str, str]]] = {}
    for side in (BID, ASK):
        written[side] = []
        for price, size in book.levels(side):
            price_text, size_text = book.texts(side, price)
            size_text = (cut or {}).get((side, price), size_text)
            written[side].append((plain(price, price_text), plain(size, size_text)))
    text = "".join(f"{side} {p} {s}\n" for side in (BID, ASK) for p, s in written[side])
    return {
        "bids": len(written[BID]),
        "asks": len(written[ASK]),
        "best_bid": list(written[BID][0]),
        "best_ask": list(written[ASK][0]),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def as_sent(size: str) -> str:
    """A size of the CSV, which went through floats, as the wire may have had it.

    There it is `7e-05` for 0.00007000. A size of 19 places and more is cut to 18; no number of the
    venue has more than 8.
    """
    if len(size) < len("0.") + 18 and "e" not in size:
        return size
    whole, _, places = format(Decimal(size), "f").partition(".")
    return f"{whole}.{places[:18]}" if places else whole


class Reader:
    """Counts what frames say, and keeps the books; one of a product and connection."""

    def __init__(self) -> None:
        self.types: Counter[str] = Counter()
        self.products: Counter[str] = Counter()
        self.steps: Counter[int] = Counter()
        self.books: dict[str, Book] = {}
        self.crossed = 0
        self._last_trade: dict[tuple[str, str], int] = {}

    def take(self, connection: str, raw: bytes) -> Decoded:
        """One frame; it must be understood whole, unless it is an error of the venue."""
        decoded = exchange.decode(raw)
        self.types[decoded.label] += 1
        assert [each.kind for each in decoded.problems] == (
            ["venue_error"] if decoded.label == "error" else []
        )
        for message in decoded.messages:
            assert not isinstance(message, Heartbeat)
            if isinstance(message, Subscriptions):
                continue
            self.products[message.product_id] += 1
            if isinstance(message, Level2):
                self._level2(message)
            elif isinstance(message, TradesMessage):
                self._traded(connection, message.product_id, message.trades[0].trade_id)
        return decoded

    def _level2(self, message: Level2) -> None:
        book = self.books.setdefault(message.product_id, Book(message.product_id))
        if message.snapshot:
            book.load(message, 1)
        else:
            book.apply(message)
        self.crossed += book.crossed()

    def _traded(self, connection: str, product_id: str, trade_id: int) -> None:
        key = (connection, product_id)
        if key in self._last_trade:
            self.steps[trade_id - self._last_trade[key]] += 1
        self._last_trade[key] = trade_id

    def check_against(self, want: dict[str, Any]) -> None:
        """All that both have."""
        assert self.types == want["types"]
        assert self.products == want["products"]
        books = {name: digest(book) for name, book in self.books.items()}
        wanted = want.get("final_books", {})
        assert books == {
            name: {key: value for key, value in book.items() if key != "changes"}
            for name, book in wanted.items()
        }
        assert self.crossed == want.get("crossed_after_a_frame", 0)
        for book in self.books.values():
            book.check()
            assert book.unknown_deletes == 0


@pytest.mark.parametrize("capture", [*YEAR_2018, YEAR_2021], ids=lambda path: path.name[:8])
def test_books_and_trades(capture: Path) -> None:
    """Every frame is understood; each final book to the digest, never crossed; no id missing."""
    reader = Reader()
    for connection, raw in lines(capture):
        decoded = reader.take(connection, raw)
        if decoded.label in ("match", "last_match", "ticker"):
            (message,) = decoded.messages
            assert not isinstance(message, Subscriptions)
            assert decoded.product_sequence is not None
            assert decoded.product_sequence[0] == message.product_id
    want = expected(capture)
    reader.check_against(want)
    assert {str(step): many for step, many in reader.steps.items()} == want["trade_id_steps"]


def test_an_hour_of_changes() -> None:
    """The hour of 2018 that came as CSV, as frames of 10 s; some sizes have 17 digits and more."""

    def rows(name: str) -> list[list[str]]:
        with gzip.open(HOUR_2018 / name, "rt", encoding="utf-8", newline="") as file:
            return list(csv.reader(file))[1:]

    sides = {key: [row[1:] for row in rows(f"snapshot_{key}.csv.gz")] for key in ("bids", "asks")}
    reader = Reader()
    snapshot = {"type": "snapshot", "product_id": "BTC-USD", **sides}
    reader.take("ws1", json.dumps(snapshot).encode())
    changes = 0
    cut: dict[tuple[str, float], str] = {}
    for moment, batch in groupby(rows("l2updates.csv.gz"), key=lambda row: row[3][:18]):
        wire = []
        for side, price, size, _ in batch:
            wire.append([side, price, as_sent(size)])
            level = (BID if side == "buy" else ASK, float(price))
            cut.pop(level, None)
            if wire[-1][2] != size:
                cut[level] = plain(0, size)
        changes += len(wire)
        body = {"type": "l2update", "product_id": "BTC-USD", "changes": wire, "time": f"{moment}9Z"}
        reader.take("ws1", json.dumps(body).encode())
    want = expected(HOUR_2018)
    assert changes == want["types"]["l2update"]
    (book,) = reader.books.values()
    found = want["final_books"]["BTC-USD"]
    assert digest(book, cut) == {key: value for key, value in found.items() if key != "changes"}
    assert reader.crossed == want["crossed_after_a_frame"]


def test_tickers_of_three_connections() -> None:
    """Each ticker is the next trade's; numbers of the product rise, trades between are missed."""
    reader = Reader()
    seen: dict[str, list[tuple[int, int]]] = {}
    for connection, raw in lines(YEAR_2025):
        decoded = reader.take(connection, raw)
        for message in decoded.messages:
            if isinstance(message, Ticker):
                assert decoded.product_sequence is not None
                assert message.trade_id is not None
                assert message.last_side in ("BUY", "SELL")
                assert None not in message.values.values()
                number = decoded.product_sequence[1]
                seen.setdefault(connection, []).append((message.trade_id, number))
    want = expected(YEAR_2025)
    reader.check_against(want)
    assert list(seen) == want["connections"]
    steps: Counter[int] = Counter()
    for tickers in seen.values():
        for (trade_id, number), (next_id, next_number) in pairwise(tickers):
            steps[next_id - trade_id] += 1
            assert next_number > number
    assert {str(step): many for step, many in steps.items()} == want["trade_id_steps"]


def test_tickers_are_of_the_matches() -> None:
    """What a ticker says of the last trade is what the match says: its side is the taker's."""
    tickers: dict[tuple[str, int], tuple[Any, ...]] = {}
    trades: dict[tuple[str, int], tuple[Any, ...]] = {}
    for _, raw in lines(YEAR_2021):
        decoded = exchange.decode(raw)
        for message in decoded.messages:
            origin = (decoded.product_sequence, decoded.exchange_ns)
            if isinstance(message, Ticker):
                values = message.values
                key = (message.product_id, message.trade_id or 0)
                said = (values["price"], values["last_size"], message.last_side, *origin)
                tickers[key] = said
            elif isinstance(message, TradesMessage):
                (trade,) = message.trades
                key = (message.product_id, trade.trade_id)
                trades[key] = (trade.price, trade.size, trade.taker_side, *origin)
    assert len(tickers) == expected(YEAR_2021)["types"]["ticker"]
    assert all(trades[key] == said for key, said in tickers.items())


def test_what_was_asked_and_answered() -> None:
    """Three requests; the last answer has all channels by our names, the products in any order."""
    asked: dict[str, set[str]] = {}
    for _, raw in lines(YEAR_2021, "out"):
        ((kind, channel, product_ids),) = exchange.requested(raw)
        assert kind == "subscribe"
        asked[channel] = set(product_ids)
    answers = [
        message
        for _, raw in lines(YEAR_2021)
        for message in exchange.decode(raw).messages
        if isinstance(message, Subscriptions)
    ]
    assert set(asked) == {"level2", "ticker", "market_trades"}
    assert {channel: set(each) for channel, each in answers[-1].channels.items()} == asked


def test_the_errors_of_2018() -> None:
    """They came after the answer, and say what was wrong in two texts."""
    for capture in YEAR_2018:
        (said,) = [
            problem.detail for _, raw in lines(capture) for problem in exchange.decode(raw).problems
        ]
        assert said == (
            "Failed to unsubscribe: "
            "You need to specify at least one product ID for channel heartbeat"
        )
