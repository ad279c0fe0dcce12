"""Random sessions: several lines and products, with everything that goes wrong, from one seed."""

# ruff: noqa: RUF001  look-alikes are what is tested

import json
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from tests.core.scripts import (
    Player,
    answer,
    frame,
    heartbeat,
    level2,
    ticker,
    trades,
)

PRODUCTS = ("BTC-USD", "ETH-USD", "SOL-USD")
SIZES = ("0", "0", "1", "0.5", "123456789.123456789012")


class RandomSessions:
    """Makes one thing after another happen to some players alike."""

    def __init__(self, seed: int, *players: Player) -> None:
        self.random = random.Random(seed)
        self.players = list(players)
        self.numbers: dict[str, int] = {}
        self.opened = 0
        self.trade_ids = dict.fromkeys(PRODUCTS, 1000)

    def each(self, act: Callable[[Player], object]) -> None:
        """Let something happen to every player."""
        for player in self.players:
            act(player)

    def happen(self) -> None:
        """One thing, mostly a frame in order."""
        lines = sorted(self.numbers)
        if not lines or (len(lines) < 3 and self.random.random() < 0.02):
            self.open()
            return
        line = self.random.choice(lines)
        chance = self.random.random()
        if chance < 0.01:
            self.close(line)
        elif chance < 0.04:
            self.ask(line)
        else:
            self.frame(line)

    def open(self) -> None:
        """A line opens and asks; names do not sort by age."""
        self.opened += 1
        name = f"ws{self.random.randrange(100)}-{self.opened}"
        self.numbers[name] = 0
        self.each(lambda player: player.open(name))
        for channel in ("heartbeats", "level2", "ticker", "market_trades"):
            for player in self.players:
                player.ask(channel, *PRODUCTS[:2], connection=name)

    def close(self, line: str) -> None:
        """A line closes, one way or another."""
        del self.numbers[line]
        orderly = self.random.random() < 0.5
        self.each(lambda player: player.close(line, orderly=orderly))

    def ask(self, line: str) -> None:
        """A product of a channel is unsubscribed, or subscribed."""
        channel = self.random.choice(["level2", "level2", "ticker", "heartbeats"])
        product = self.random.choice(PRODUCTS)
        kind = self.random.choice(["subscribe", "unsubscribe"])
        self.each(lambda player: player.ask(channel, product, kind=kind, connection=line))

    def frame(self, line: str) -> None:
        """The venue sends something, nearly always with the right number."""
        chance = self.random.random()
        if chance < 0.02:
            self.numbers[line] += self.random.randrange(1, 4)  # a gap
        number = self.numbers[line]
        if chance > 0.98:
            number = max(0, number - self.random.randrange(1, 4))  # late
        else:
            self.numbers[line] = number + 1
        raw = self.raw(number)
        if 0.5 < chance < 0.51:
            raw = raw[: self.random.randrange(len(raw))]
        after_ms = self.random.choice([0, 1, 50, 50, 50, 900])
        if chance < 0.03:
            after_ms = self.random.choice([5_000, 40_000, 700_000])  # what is overdue by then
        self.each(lambda player: player.say(raw, line, after_ms))

    def raw(self, number: int) -> bytes:
        """A frame of any channel."""
        rand, product = self.random, self.random.choice(PRODUCTS)
        match rand.randrange(12):
            case 0 | 1:
                return level2(number, "snapshot", self.changes(20), product)
            case 2 | 3 | 4 | 5 | 6:
                return level2(number, "update", self.changes(4), product)
            case 7:
                return ticker(number, product)
            case 8:
                return heartbeat(number)
            case 9 | 10:
                return self.trades(number, product)
            case _:
                return self.odd(number, product)

    def changes(self, count_max: int) -> list[tuple[str, str, str]]:
        """Levels that rarely cross."""
        changes = []
        for _ in range(self.random.randrange(count_max)):
            side = self.random.choice(["bid", "offer"])
            away = self.random.randrange(1, 30)
            price = 100 - away if side == "bid" else 100 + away
            if self.random.random() < 0.005:
                price = 100
            text = f"{price}.123456789012345678" if self.random.random() < 0.1 else str(price)
            changes.append((side, text, self.random.choice(SIZES)))
        return changes

    def trades(self, number: int, product: str) -> bytes:
        """New trades, or the last ones again, sometimes with a hole."""
        last = self.trade_ids[product]
        if self.random.random() < 0.2:
            return trades(number, "snapshot", range(last - 9, last + 1), product)
        first = last + 1 + (self.random.random() < 0.1) * self.random.randrange(1, 5)
        ids = range(first, first + self.random.randrange(1, 4))
        self.trade_ids[product] = ids[-1]
        return trades(number, "update", ids, product)

    def odd(self, number: int, product: str) -> bytes:
        """Something that should not be."""
        whole = json.loads(level2(number, "update", self.changes(4), product))
        match self.random.randrange(7):
            case 0:
                return frame("l4_data", number, {})
            case 1:
                return level2(number, "update", [("bid", "NaN", "1")], product)
            case 2:
                return level2(number, "snapshot", [("bid", "1", "1")], "../../etc")
            case 3:
                whole["events"] = self.random.choice([5, None, [], [5]])
            case 4:
                return answer(number, heartbeats=["heartbeats"], ticker=list(PRODUCTS), level2=[])
            case 5:
                return level2(number, "snapshot", [("bid", "7", "1"), ("offer", "6", "1")], product)
            case _:
                del whole["channel"]
        return json.dumps(whole).encode()


def mutated(rand: random.Random, raw: bytes) -> bytes:
    """A frame as an enemy or a bad cable would send it."""
    match rand.randrange(6):
        case 0:
            at = rand.randrange(len(raw))
            return raw[:at] + bytes([rand.randrange(256)]) + raw[at + 1 :]
        case 1:
            at, end = sorted(rand.randrange(len(raw) + 1) for _ in range(2))
            return raw[:at] + raw[end:]
        case 2:
            at, end = sorted(rand.randrange(len(raw) + 1) for _ in range(2))
            return raw[:end] + raw[at:end] + raw[end:]
        case 3:
            old, new = rand.choice(WORDS), rand.choice(WORDS)
            return raw.replace(old, new)
        case _:
            body = json.loads(raw)
            for _ in range(rand.randrange(1, 4)):
                spoil(rand, body)
            return json.dumps(body).encode()


WORDS = (
    *(b'"', b"0", b"1", b"-", b".", b"[", b"{", b":", b",", b"\\u0000", b"\\ud800", b"\xff", b"e9"),
    *(b"update", b"snapshot", b"bid", b"offer", b"BTC-USD", b"SOL-USD", b"../x", b"l2_data"),
    *(b"ticker", b"status", b"candles", b"subscriptions", b"market_trades", b"null", b"true"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 2**63 - 1, 2**63, 2**70, "", "0", "-0", "1e9999999", "NaN", "１２"),
    *("BTC-USD", "../../etc", "\x00", "X" * 300, "snapshot", "update", [], {}, [[]], [{}]),
    *("9" * 18, "9" * 19, "0." + "0" * 17 + "1", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
)


def spoil(rand: random.Random, value: Any) -> None:
    """Change one thing somewhere in a JSON value."""
    while isinstance(value, dict | list) and value:
        key: Any = (
            rand.choice(sorted(value)) if isinstance(value, dict) else rand.randrange(len(value))
        )
        inner = value[key]
        if isinstance(inner, dict | list) and inner and rand.random() < 0.7:
            value = inner
            continue
        match rand.randrange(4):
            case 0:
                del value[key]
            case 1 if isinstance(value, list):
                value.append(deepcopy(inner))
            case 2 if isinstance(value, dict):
                value[rand.choice(["type", "product_id", "events", "channel", "x"])] = deepcopy(
                    inner
                )
            case _:
                value[key] = deepcopy(rand.choice(VALUES))
        return
