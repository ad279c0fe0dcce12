"""One connection's half of the protocol: requests in, frames out, every one numbered.

No clock, no socket: the server hands in the text of a request and the time, and sends what comes
back. What Coinbase does, as measured on the live venue in August and September 2026:

* ``sequence_num`` counts every frame of the connection from 0, acknowledgements and heartbeats
  included; error frames carry none and use none up;
* an acknowledgement holds the full set of the connection and comes after the snapshots of its
  request, among the data of requests before it;
* a repeated subscription is acknowledged and gets no snapshot; after an unsubscription it does;
* the first update of a product may come before its snapshot, which then already contains it;
* ``-USDC`` products are served as ``-USD``, unknown products are missing from the answer;
* the 31st book is refused with its whole request, in an error frame, and nothing else changes;
* an unknown channel is called an authentication failure.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

import msgspec

from recorder.venue import wire
from recorder.venue.market import Market, Product

CHANNELS = frozenset(
    ("heartbeats", "candles", "status", "ticker", "ticker_batch", "level2", "market_trades")
)
# USDC books that are not another name of a USD one.
OWN_USDC_BOOKS = frozenset(("USDT", "EURC", "XSGD", "AUDD", "TGBP"))
UNKNOWN_CHANNEL = "authentication failure"
TOO_MANY_BOOKS = "too many L2 streams requested in a single session"
TOO_FAST = "rate limit exceeded"
NOT_UNDERSTOOD = "failure to subscribe"
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may do. ``subscribe_s`` is the deadline of the first subscription."""

    books_max: int = 30
    requests_a_second_max: int = 8
    subscribe_s: float = 5.0


class _Request(msgspec.Struct):
    type: str
    channel: str
    product_ids: list[str] | None = None


@dataclass(frozen=True, slots=True)
class _Ack:
    event: str


@dataclass(frozen=True, slots=True)
class _Snapshot:
    channel: str
    product_id: str


class Session:
    """The state of one connection: its numbering, its subscriptions, and what it is still owed."""

    def __init__(self, market: Market, *, seed: int = 0, limits: Limits | None = None) -> None:
        """Start at number 0; ``seed`` decides the orders that the venue leaves open."""
        self.sequence = 0
        self.channels: dict[str, list[str]] = {}
        self.subscribed = False
        self._market = market
        self._limits = limits or Limits()
        self._random = Random(f"{seed}/session")
        self._live: set[tuple[str, str]] = set()
        self._owed: deque[_Ack | _Snapshot] = deque()
        self._asked_ns: deque[int] = deque()

    def wants(self, channel: str, product_id: str) -> bool:
        """Whether updates of this channel and product go to this connection."""
        return (channel, product_id) in self._live

    def wants_heartbeats(self) -> bool:
        """Whether the connection asked for heartbeats."""
        return "heartbeats" in self.channels

    def number(self, channel: str, event: str, now_ns: int) -> bytes:
        """Make the next numbered frame of this connection."""
        sequence = self.sequence
        self.sequence += 1
        return wire.frame(channel, now_ns, sequence, event)

    def receive(self, text: str | bytes, now_ns: int) -> list[bytes]:
        """Take a request. Returns error frames; what else it causes is owed, see `turn`."""
        asked = self._asked_ns
        while asked and asked[0] <= now_ns - SECOND_NS:
            asked.popleft()
        if len(asked) >= self._limits.requests_a_second_max:
            return [wire.error(TOO_FAST)]
        asked.append(now_ns)
        try:
            request = msgspec.json.decode(text, type=_Request)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return [wire.error(NOT_UNDERSTOOD)]
        if request.type not in ("subscribe", "unsubscribe"):
            return [wire.error(NOT_UNDERSTOOD)]
        if request.channel not in CHANNELS:
            return [wire.error(UNKNOWN_CHANNEL)]
        if request.type == "unsubscribe":
            self._unsubscribe(request)
        elif not self._subscribe(request):
            return [wire.error(TOO_MANY_BOOKS)]
        self._owed.append(_Ack(self._acknowledgement()))
        return []

    def owes(self) -> bool:
        """Whether `turn` would send something."""
        return bool(self._owed)

    def turn(self, now_ns: int) -> list[bytes]:
        """Send what is owed, up to and including one snapshot of a book.

        One at a time: the venue takes tens of milliseconds for a book and sends others' updates
        between two of them.
        """
        frames: list[bytes] = []
        while self._owed:
            owed = self._owed.popleft()
            if isinstance(owed, _Ack):
                frames.append(self.number("subscriptions", owed.event, now_ns))
                continue
            self._live.add((owed.channel, owed.product_id))
            channel = "l2_data" if owed.channel == "level2" else owed.channel
            frames.append(self.number(channel, self._snapshot(owed), now_ns))
            if owed.channel == "level2":
                break
        return frames

    def _known(self, product_ids: Iterable[str] | None) -> list[str]:
        """The products meant, by their own names, each once; all of them if none is named."""
        if product_ids is None:
            return list(self._market.products)
        names = dict.fromkeys(_canonical(name) for name in product_ids)
        return [name for name in names if name in self._market.products]

    def _subscribe(self, request: _Request) -> bool:
        """Add to the set; False (and nothing done) over the limit of books."""
        channel = request.channel
        if channel == "heartbeats":
            self.channels[channel] = ["heartbeats"]
            self.subscribed = True
            return True
        have = self.channels.get(channel, [])
        new = [name for name in self._known(request.product_ids) if name not in have]
        if channel == "level2" and len(have) + len(new) > self._limits.books_max:
            return False
        self.subscribed = True
        if new:
            self.channels[channel] = [*have, *new]
        if channel == "status":
            if new:
                self._owed.append(_Snapshot(channel, ""))
            return True
        for number, name in enumerate(new):
            self._owed.append(_Snapshot(channel, name))
            if channel == "level2" and number % 3 == 2:
                self._live.add((channel, name))  # Its first updates come before its snapshot.
        return True

    def _unsubscribe(self, request: _Request) -> None:
        """Drop products, or without any named the whole channel, and what is owed for them."""
        channel = request.channel
        have = self.channels.pop(channel, [])
        gone = set(have) if not request.product_ids else set(self._known(request.product_ids))
        kept = [name for name in have if name not in gone]
        if kept:
            self.channels[channel] = kept
        self._live.difference_update((channel, name) for name in gone)
        self._owed = deque(
            owed
            for owed in self._owed
            if isinstance(owed, _Ack) or owed.channel != channel or owed.product_id not in gone
        )

    def _acknowledgement(self) -> str:
        """The full set, products in no particular order."""
        shuffled = {}
        for channel, names in self.channels.items():
            shuffled[channel] = self._random.sample(names, len(names))
        return wire.subscriptions(shuffled)

    def _snapshot(self, owed: _Snapshot) -> str:
        if owed.channel == "status":
            products = self._market.products
            return wire.status(products[name].spec for name in self.channels.get("status", []))
        product: Product = self._market.products[owed.product_id]
        match owed.channel:
            case "level2":
                return wire.book_snapshot(product)
            case "market_trades":
                return wire.trades(product.spec, "snapshot", product.tape.newest_first())
            case "candles":
                return wire.candles(product.spec, "snapshot", product.tape.candles)
            case channel:
                batch = channel == "ticker_batch"
                return wire.ticker(product.spec, "snapshot", product.touch(), batch=batch)


def _canonical(product_id: str) -> str:
    """The name that a product's data comes under: an alias of a USD book loses its C."""
    base, _, quote = product_id.rpartition("-")
    return f"{base}-USD" if quote == "USDC" and base not in OWN_USDC_BOOKS else product_id
