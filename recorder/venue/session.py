"""One connection's half of Advanced Trade: requests in, frames out, every one numbered.

What Coinbase does, as measured on the live venue in August and September 2026:

* ``sequence_num`` counts every frame of the connection from 0, acknowledgements and heartbeats
  included; error frames carry none and use none up;
* an acknowledgement holds the full set of the connection and comes after the snapshots of its
  request, among the data of requests before it;
* a repeated subscription is acknowledged and gets no snapshot; after an unsubscription it does;
* the first update of a product may come before its snapshot, which then already contains it;
* ``-USDC`` products are served as ``-USD``, unknown products are missing from the answer;
* the 31st book is refused with its whole request, in an error frame, and nothing else changes;
* an unknown channel is called an authentication failure, and so is everything that is wrong with a
  token; the account's own orders need one.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from recorder.venue import wire
from recorder.venue.orders import Order
from recorder.venue.specs import Spec
from recorder.venue.steps import Step
from recorder.venue.subscriptions import Beat, Limits, Subscriptions

__all__ = ["Limits", "Session"]

CHANNELS = frozenset(
    (
        *("heartbeats", "candles", "status", "ticker", "ticker_batch", "level2", "market_trades"),
        "user",
    )
)
BATCH = 50  # of open orders in a snapshot; a shorter one is the last
# USDC books that are not another name of a USD one.
OWN_USDC_BOOKS = frozenset(("USDT", "EURC", "XSGD", "AUDD", "TGBP"))
AUTHENTICATION = "authentication failure"
TOO_MANY_BOOKS = "too many L2 streams requested in a single session"
TOO_FAST = "rate limit exceeded"
NOT_UNDERSTOOD = "failure to subscribe"


class _Request(msgspec.Struct):
    type: Literal["subscribe", "unsubscribe"]
    channel: str
    product_ids: list[str] | None = None
    jwt: str | None = None


class Session(Subscriptions):
    """The state of one connection: its numbering, its subscriptions, and what it is still owed."""

    def wants_heartbeats(self) -> bool:
        """Whether the connection asked for heartbeats."""
        return "heartbeats" in self.channels

    def number(self, channel: str, event: str, now_ns: int) -> bytes:
        """Make the next numbered frame of this connection."""
        sequence = self.sequence
        self.sequence += 1
        return wire.frame(channel, now_ns + self.faults.clock_ns, sequence, event)

    def _too_fast(self) -> bytes:
        return wire.error(TOO_FAST)

    def _receive(self, text: str | bytes, now_ns: int) -> list[bytes]:
        try:
            request = msgspec.json.decode(text, type=_Request)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return [wire.error(NOT_UNDERSTOOD)]
        if request.channel not in CHANNELS or self._unsigned(request, now_ns):
            return [wire.error(AUTHENTICATION)]
        if self.faults.take("ignored", request.channel):
            return []
        if self.faults.take("rate_limited", request.channel):
            return [wire.error(TOO_FAST)]
        if request.type == "unsubscribe":
            self._unsubscribe(request)
        elif not self._subscribe(request, now_ns):
            return [wire.error(TOO_MANY_BOOKS)]
        self._owe_ack(now_ns)
        return []

    def _unsigned(self, request: _Request, now_ns: int) -> bool:
        """Whether a request is not signed as it must be; a token that is there must be right."""
        if request.jwt is None:
            return request.channel == "user" or self._signatures.everything
        return bool(self._signatures.token_refused(request.jwt, now_ns))

    def _known(self, product_ids: Iterable[str] | None) -> list[str]:
        """The products meant, by their own names, each once; all of them if none is named."""
        if product_ids is None:
            return self._market.listed()
        names = dict.fromkeys(_canonical(name) for name in product_ids)
        listed = set(self._market.listed())
        return [name for name in names if name in listed]

    def _subscribe(self, request: _Request, now_ns: int) -> bool:
        """Add to the set; False (and nothing done) over the limit of books."""
        channel = request.channel
        if channel == "heartbeats":
            self.channels[channel] = ["heartbeats"]
            self.subscribed = True
            return True
        if channel == "user":
            self.subscribed = True
            if self._orders is not None and channel not in self.channels:
                self.channels[channel] = [self._orders.user_id]
                self._owe_snapshot(channel, "", now_ns)
            return True
        have = self.channels.get(channel, [])
        new = [name for name in self._known(request.product_ids) if name not in have]
        if channel == "level2":
            if len(have) + len(new) > self._limits.books_max:
                return False
            if self.faults.take("over_cap"):
                return False
        self.subscribed = True
        if channel == "status":
            if new:
                self.channels[channel] = [*have, *new]
                self._owe_snapshot(channel, "", now_ns)
            return True
        if new := self._owe(channel, new, now_ns, early=channel == "level2"):
            self.channels[channel] = [*have, *new]
        return True

    def _unsubscribe(self, request: _Request) -> None:
        """Drop products, or without any named the whole channel, and what is owed for them."""
        names = request.product_ids
        self._drop(request.channel, [_canonical(name) for name in names] if names else None)

    def _acknowledgement(self) -> str:
        return wire.subscriptions(self._listed())

    def _ack_frame(self, event: str, now_ns: int) -> bytes:
        return self.number("subscriptions", event, now_ns)

    def _snapshot_frames(self, channel: str, product_id: str, now_ns: int) -> list[bytes]:
        if channel == "user":
            return self._open_orders(now_ns)
        name = "l2_data" if channel == "level2" else channel
        return [self.number(name, self._snapshot(channel, product_id), now_ns)]

    def _open_orders(self, now_ns: int) -> list[bytes]:
        """All open orders, in batches; the last is not full, and may have none."""
        orders = [] if self._orders is None else self._orders.open()
        batches = [orders[at : at + BATCH] for at in range(0, len(orders) + 1, BATCH)]
        return [self.number("user", wire.user("snapshot", each), now_ns) for each in batches]

    def tell_order(self, order: Order, now_ns: int) -> list[bytes]:
        """The frame that says that one of the account's own orders has changed."""
        if not self.wants("user", "") or self._is_silent("user", None):
            return []
        return [self.number("user", wire.user("update", [order]), now_ns)]

    def _snapshot(self, channel: str, product_id: str) -> str:
        products, statuses = self._market.products, self._market.statuses
        if channel == "status":
            names = self.channels.get("status", [])
            return wire.status([(products[name].spec, statuses[name]) for name in names])
        product = products[product_id]
        match channel:
            case "level2":
                return wire.book_snapshot(product)
            case "market_trades":
                return wire.trades(product.spec, "snapshot", product.tape.newest_first())
            case "candles":
                return wire.candles(product.spec, "snapshot", product.tape.candles)
            case _:
                batch = channel == "ticker_batch"
                return wire.ticker(product.spec, "snapshot", product.touch(), batch=batch)

    def _book_frame(self, step: Step, now_ns: int, text: str | None = None) -> bytes:
        return self.number("l2_data", text or wire.book_update(step), now_ns)

    def tell(self, step: Step, now_ns: int, texts: dict[str, str]) -> list[bytes]:
        """The frames of a step for this connection.

        ``texts`` is empty at the first connection that is told of a step: what several are told
        alike is rendered once.
        """
        frames = []
        name = step.spec.product_id
        if ("level2", name) in self._live:
            heard = self._book_step(step)
            if heard is step:
                text = texts.get("book") or texts.setdefault("book", wire.book_update(step))
                frames.append(self._book_frame(step, now_ns, text))
            elif heard is not None:
                frames.append(self._book_frame(heard, now_ns))
        if step.trades and ("market_trades", name) in self._live:
            told = self._told_trades("market_trades", step)
            if told is step.trades:
                text = texts.get("trades") or texts.setdefault(
                    "trades", wire.trades(step.spec, "update", told)
                )
                frames.append(self.number("market_trades", text, now_ns))
            elif told:
                text = wire.trades(step.spec, "update", told)
                frames.append(self.number("market_trades", text, now_ns))
        if step.touch and ("ticker", name) in self._live:
            touch = self._told_touch("ticker", self._market.products[name], step.touch, now_ns)
            if touch is step.touch:
                text = texts.get("ticker") or texts.setdefault(
                    "ticker", wire.ticker(step.spec, "update", touch)
                )
                frames.append(self.number("ticker", text, now_ns))
            elif touch is not None:
                text = wire.ticker(step.spec, "update", touch)
                frames.append(self.number("ticker", text, now_ns))
        return frames

    def beat(self, beat: Beat, texts: dict[str, str]) -> list[bytes]:
        """The frames of a second: a heartbeat, forming candles, every five seconds tickers."""
        frames = []
        now_ns, products = beat.now_ns, self._market.products
        if self.wants_heartbeats() and not self._is_silent("heartbeats", None):
            if fault := self.faults.take("heartbeat_jump"):
                self._beats_off += int(fault.number)
            event = wire.heartbeat(
                now_ns + self.faults.clock_ns, beat.uptime_ns, off=self._beats_off
            )
            frames.append(self.number("heartbeats", event, now_ns))
        for name in beat.traded:
            if self.wants("candles", name) and not self._is_silent("candles", name):
                key = f"candles {name}"
                if key not in texts:
                    candle = products[name].tape.candles[-1]
                    texts[key] = wire.candles(products[name].spec, "update", [candle])
                frames.append(self.number("candles", texts[key], now_ns))
        for name in beat.batch or ():
            if self.wants("ticker_batch", name):
                product = products[name]
                touch = self._told_touch("ticker_batch", product, product.touch(), now_ns)
                if touch is not None:
                    event = wire.ticker(product.spec, "update", touch, batch=True)
                    frames.append(self.number("ticker_batch", event, now_ns))
        return frames

    def tell_status(self, spec: Spec, status: str, now_ns: int) -> list[bytes]:
        """The frame that says that a product's status has changed."""
        if not self.wants("status", "") or self._is_silent("status", spec.product_id):
            return []
        if spec.product_id not in self.channels.get("status", ()):
            return []
        return [self.number("status", wire.status([(spec, status)], kind="update"), now_ns)]


def _canonical(product_id: str) -> str:
    """The name that a product's data comes under: an alias of a USD book loses its C."""
    base, _, quote = product_id.rpartition("-")
    return f"{base}-USD" if quote == "USDC" and base not in OWN_USDC_BOOKS else product_id
