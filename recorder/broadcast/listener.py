"""One client's half: what it subscribed to, and its own numbering of everything that it is told.

As the venue does it (`coinbase.md` §1.2 to §1.6): numbers count every frame from 0, answers among
them; an answer holds the whole set and comes after the snapshots of its request; a repeated
subscription is answered and gets no snapshot; an alias is served under its own name, what is
unknown is missing from the answer. There is no limit of products or requests, and no deadline.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from recorder.broadcast import wire
from recorder.broadcast.known import Known
from recorder.broadcast.told import HEARTBEATS, Told, Track
from recorder.venue.wire import error as error_frame
from recorder.venue.wire import heartbeat, subscriptions

CHANNELS = frozenset(
    ("heartbeats", "candles", "status", "ticker", "ticker_batch", "level2", "market_trades")
)
NOT_SERVED = "authentication failure"  # what the venue calls an unknown channel, or a private one
NOT_UNDERSTOOD = "failure to subscribe"
SECOND_NS = 1_000_000_000


class _Request(msgspec.Struct):
    type: Literal["subscribe", "unsubscribe"]
    channel: str
    product_ids: list[str] | None = None


_decode = msgspec.json.Decoder(_Request).decode


class Listener:
    """What one connection is subscribed to; ``holes`` counts those that its numbers show."""

    def __init__(self, known: Known, product_ids: Sequence[str]) -> None:
        self.holes = 0
        self.channels: dict[str, list[str]] = {}
        self.beat_s = 0.0  # when it heard the last heartbeat, by whatever clock its owner has
        self._known = known
        self._product_ids = product_ids
        self._told: set[Track] = set()
        self._number = 0
        self._missing = 0

    def receive(self, text: str | bytes, now_ns: int) -> list[bytes]:
        """Take a request; gives what is told in answer: snapshots, then the whole set, or an error.

        ``now_ns`` is the time within the recording.
        """
        try:
            request = _decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return [error_frame(NOT_UNDERSTOOD)]
        if request.channel not in CHANNELS:
            return [error_frame(NOT_SERVED)]
        frames: list[bytes] = []
        if request.type == "unsubscribe":
            self._unsubscribe(request)
        else:
            for product_id in self._subscribe(request):
                event = self._known.present(request.channel, product_id)
                if event is not None:
                    frames.append(self._next(request.channel, event, now_ns))
                    self._told.add((request.channel, product_id))
        frames.append(self._next("subscriptions", subscriptions(self.channels), now_ns))
        return frames

    def _subscribe(self, request: _Request) -> list[str]:
        """Add to the set; gives the products that are new in it."""
        channel = request.channel
        if channel == HEARTBEATS[0]:
            self.channels[channel] = [channel]
            return []
        have = self.channels.get(channel, [])
        asked = self._product_ids if not request.product_ids else request.product_ids
        names = dict.fromkeys(map(self._own_name, asked))
        new = [name for name in names if name in self._product_ids and name not in have]
        if new:
            self.channels[channel] = [*have, *new]
        return new

    def _unsubscribe(self, request: _Request) -> None:
        """Drop products, or without any named the whole channel."""
        have = self.channels.pop(request.channel, [])
        gone = set(map(self._own_name, request.product_ids or have))
        if kept := [name for name in have if name not in gone]:
            self.channels[request.channel] = kept
        if request.channel == HEARTBEATS[0]:
            self.channels.pop(request.channel, None)
        self._told -= {(request.channel, name) for name in gone}

    def _own_name(self, product_id: str) -> str:
        """The name under which a product was recorded: an alias in USDC is the book in USD."""
        if product_id in self._product_ids or not product_id.endswith("-USDC"):
            return product_id
        return product_id.removesuffix("C")

    def tell(self, told: Told, led: Sequence[str]) -> bytes | None:
        """The frame as this client gets it; None where it is not for it.

        ``led`` are the products that the frame is the one to tell of.
        """
        have = self.channels.get(told.channel)
        if not have:
            return None
        wanted = led if led == [""] else [each for each in led if each in have]
        if not wanted:
            return None
        self._told.update((told.channel, each) for each in wanted)
        if len(wanted) >= len(told.product_ids):
            return told.numbered(self._next_number())
        return told.cut_to(set(wanted), self._next_number())

    def tell_book(self, product_id: str, now_ns: int) -> bytes | None:
        """The whole book of a product, as it is known; None where it is not for this client."""
        event = self._known.present("level2", product_id)
        if event is None or product_id not in self.channels.get("level2", ()):
            return None
        self._told.add(("level2", product_id))
        return self._next("level2", event, now_ns)

    def lose(self, tracks: Iterable[Track], missing: int) -> None:
        """Leave a hole in the numbers, where anything was told that something was lost of.

        The next frame shows it. What is told of the tracks after that begins anew.
        """
        lost = self._told.intersection(tracks)
        if lost:
            self._told -= lost
            self._missing += missing

    def beat(self, counter: int, now_ns: int) -> bytes:
        """A heartbeat of our own, for a silence."""
        return self._next("heartbeats", heartbeat(now_ns, counter * SECOND_NS), now_ns)

    def _next(self, channel: str, event: str, now_ns: int) -> bytes:
        number = self._next_number()
        return b"%b%d%b" % (wire.head(channel, now_ns), number, wire.tail(event))

    def _next_number(self) -> int:
        number = self._number + self._missing
        self.holes += bool(self._missing)
        self._number, self._missing = number + 1, 0
        return number
