"""One connection's half of Exchange: requests in, frames out, nothing numbered for the connection.

What Coinbase does, as others measured it up to September 2026:

* a request names several channels and the products of all or of each; the answer lists everything
  subscribed, by names of its own (``level2_50``, ``ticker_1000``), products in no order;
* data may come before the answer;
* a product or channel that does not exist is refused in an error frame, one each, and the rest of
  the request is served; ``level2``, ``level3`` and ``full`` want a signature;
* a repeated subscription gets no snapshot;
* books have no number; tickers, matches and heartbeats have the engine's.
"""

from collections.abc import Iterator

import msgspec

from recorder.venue import exchange
from recorder.venue.orders import Order
from recorder.venue.specs import Spec
from recorder.venue.steps import Step, Touch
from recorder.venue.subscriptions import Beat, Subscriptions

# The names that answers have, by those that requests may use.
ECHOES = {
    "level2": "level2", "level2_batch": "level2_50", "level2_50": "level2_50", "ticker": "ticker",
    "ticker_batch": "ticker_1000", "ticker_1000": "ticker_1000", "matches": "matches",
    "heartbeat": "heartbeat", "status": "status", "auctionfeed": "auctionfeed",
    "rfq_matches": "rfq_matches",
}  # fmt: skip
SIGNED = frozenset(("level2", "level3", "full"))
PRIVATE = frozenset(("user", "balance"))
BOOKS = frozenset(("level2", "level2_50"))
NOT_SIGNED = "authentication failed"
FAILED = "Failed to subscribe"
NEEDS_SIGNATURE = (
    "level2, level3, and full channels now require authentication. "
    "https://docs.cloud.coinbase.com/exchange/docs/websocket-auth"
)
TOO_FAST = "ErrSlowRead"
# The status is sent at an interval that is documented without a figure.
STATUS_S = 30


class _Channel(msgspec.Struct):
    name: str
    product_ids: list[str] | None = None


class _Request(msgspec.Struct):
    type: str
    channels: list[str | _Channel] | None = None
    product_ids: list[str] | None = None
    signature: str | None = None
    key: str | None = None
    passphrase: str | None = None
    timestamp: str | None = None

    def members(self) -> dict[str, str]:
        """What signs it, as far as it is there."""
        names = ("signature", "key", "passphrase", "timestamp")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class ExchangeSession(Subscriptions):
    """The state of one connection: its subscriptions, and what it is still owed.

    It has books at the full rate (``level2``) or batched (``level2_50``), and not both at once,
    which Coinbase does not mind.
    """

    books = "level2_50"
    heartbeats = "heartbeat"

    def _too_fast(self) -> bytes:
        return exchange.error(TOO_FAST, "")

    # --- requests ----------------------------------------------------------------------------

    def _receive(self, text: str | bytes, now_ns: int) -> list[bytes]:
        try:
            request = msgspec.json.decode(text, type=_Request)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return [exchange.error("Malformed JSON", "")]
        if request.type not in ("subscribe", "unsubscribe"):
            return [exchange.error("Type has to be either subscribe or unsubscribe", "")]
        named = dict(self._named(request))
        first = next(iter(named), None)
        if self.faults.take("ignored", first):
            return []
        if self.faults.take("rate_limited", first):
            return [exchange.error(TOO_FAST, "")]
        members = request.members()
        if members and (reason := self._signatures.members_refused(members, now_ns)):
            errors = [exchange.error(NOT_SIGNED, reason)]
        elif request.type == "subscribe":
            errors = self._subscribe(named, now_ns, signed=bool(members))
        else:
            self._unsubscribe(named, request.product_ids or [], now_ns)
            errors = []
        return errors

    def _unsubscribe(self, named: dict[str, list[str]], common: list[str], now_ns: int) -> None:
        # Without channels, the products are dropped from all of them.
        for channel in named or list(self.channels):
            self._drop(channel, named.get(channel, common) or None)
        self._owe_ack(now_ns)

    def _named(self, request: _Request) -> Iterator[tuple[str, list[str]]]:
        """The channels of a request, by their echo names where they have one, with products."""
        common = request.product_ids or []
        for each in request.channels or ():
            name = each if isinstance(each, str) else each.name
            own = [] if isinstance(each, str) else each.product_ids or []
            yield ECHOES.get(name, name), list(dict.fromkeys([*common, *own]))

    def _subscribe(self, named: dict[str, list[str]], now_ns: int, *, signed: bool) -> list[bytes]:
        """Serve what can be served, refuse the rest; gives the refusals."""
        if not named:
            return [exchange.error(FAILED, "No channels provided")]
        errors: dict[str, None] = {}
        owed_before = len(self._owed)
        served = False
        for channel, names in named.items():
            if reason := self._refusal(channel, names, signed=signed):
                errors[reason] = None
                continue
            if channel == "status":
                if channel not in self.channels:
                    self.channels[channel] = []
                    self._owe_snapshot(channel, "", now_ns)
                served = True
                continue
            if channel in BOOKS:
                self.books = channel
            listed = set(self._market.listed())
            errors |= {
                f"{name} is not a valid product": None for name in names if name not in listed
            }
            have = self.channels.get(channel, [])
            new = [name for name in names if name in listed and name not in have]
            if kept := self._owe(channel, new, now_ns):
                self.channels[channel] = [*have, *kept]
            served = served or any(name in listed for name in names)
        if served:
            self.subscribed = True
            self._answer_somewhere(owed_before, now_ns)
        return [exchange.error(FAILED, reason) for reason in errors]

    def _refusal(self, channel: str, names: list[str], *, signed: bool) -> str:
        """Why a channel is not served at all; empty if it is."""
        if channel in SIGNED and not signed:
            return NEEDS_SIGNATURE
        if not signed and (channel in PRIVATE or self._signatures.everything):
            return f"{channel} channel requires authentication"
        if channel not in ECHOES.values():
            return f"{channel} is not a valid channel"
        if channel in BOOKS and (BOOKS & self.channels.keys()) - {channel}:
            return f"{channel} is not to be had on a connection with another channel of books here"
        if not names and channel != "status":
            return f"You need to specify at least one product ID for channel {channel}"
        return ""

    def _answer_somewhere(self, owed_before: int, now_ns: int) -> None:
        """Owe the answer before, between or after the data of its request."""
        self._owe_ack(now_ns)
        answer = self._owed.pop()
        self._owed.insert(self._random.randint(owed_before, len(self._owed)), answer)

    def _acknowledgement(self) -> str:
        return exchange.subscriptions(self._listed()).decode()

    # --- frames ------------------------------------------------------------------------------

    def _made(self, frame: bytes) -> bytes:
        """Count a frame of the connection: only for ourselves, Exchange shows no such number."""
        self.sequence += 1
        return frame

    def _ack_frame(self, event: str, now_ns: int) -> bytes:  # noqa: ARG002
        return self._made(event.encode())

    def _snapshot_frames(self, channel: str, product_id: str, now_ns: int) -> list[bytes]:  # noqa: ARG002
        if channel == "status":
            return [self._made(self._status())]
        product = self._market.products[product_id]
        spec, last = product.spec, product.tape.last
        match channel:
            case "level2" | "level2_50":
                return [self._made(exchange.snapshot(product))]
            case "matches":
                return [self._made(exchange.match(spec, last, "last_match"))]
            case "ticker" | "ticker_1000":
                return [self._made(exchange.ticker(spec, product.touch(), last))]
            case _:
                return []

    def _status(self) -> bytes:
        products, statuses = self._market.products, self._market.statuses
        return exchange.status((products[name].spec, word) for name, word in statuses.items())

    def _book_frame(self, step: Step, now_ns: int, text: str | None = None) -> bytes:  # noqa: ARG002
        at_ns = step.event_ns + self.faults.clock_ns
        return self._made(exchange.l2update(step.spec, step.changes, at_ns))

    def tell(self, step: Step, now_ns: int, texts: dict[str, str]) -> list[bytes]:  # noqa: ARG002
        """The frames of a step for this connection: book, then matches oldest first, a ticker."""
        frames = []
        spec = step.spec
        name = spec.product_id
        if (self.books, name) in self._live:
            heard = self._book_step(step)
            if heard is not None:
                frames.append(self._book_frame(heard, now_ns))
        if not step.trades:
            return frames
        if ("matches", name) in self._live:
            told = self._told_trades("matches", step)
            frames += [self._made(exchange.match(spec, trade)) for trade in reversed(told)]
        if ("ticker", name) in self._live:
            frames += self._ticker("ticker", name, now_ns)
        return frames

    def _ticker(self, channel: str, name: str, now_ns: int) -> list[bytes]:
        product = self._market.products[name]
        touch: Touch | None = self._told_touch(channel, product, product.touch(), now_ns)
        if touch is None:
            return []
        return [self._made(exchange.ticker(product.spec, touch, product.tape.last))]

    def beat(self, beat: Beat, texts: dict[str, str]) -> list[bytes]:  # noqa: ARG002
        """The frames of a second: a heartbeat a product, every five seconds tickers."""
        frames = []
        products = self._market.products
        for name in self.channels.get("heartbeat", ()):
            product = products[name]
            if self.wants("heartbeat", name) and not self._is_silent("heartbeat", name):
                at_ns = beat.now_ns + self.faults.clock_ns
                tape = product.tape
                frames.append(self._made(exchange.heartbeat(
                    product.spec, tape.sequence, tape.last.trade_id, at_ns
                )))  # fmt: skip
        for name in beat.batch or ():
            if self.wants("ticker_1000", name):
                frames += self._ticker("ticker_1000", name, beat.now_ns)
        if beat.number % STATUS_S == 0 and self.wants("status", ""):
            frames.append(self._made(self._status()))
        return frames

    def tell_order(self, order: Order, now_ns: int) -> list[bytes]:  # noqa: ARG002
        """Nothing: the account's own orders are told in another form here, and by no connection."""
        return []

    def tell_status(self, spec: Spec, status: str, now_ns: int) -> list[bytes]:  # noqa: ARG002
        """The frame that says that a product's status has changed."""
        if not self.wants("status", "") or self._is_silent("status", spec.product_id):
            return []
        return [self._made(self._status())]
