"""A long frame decoded bit by bit, so that whoever decodes it can do other things in between.

A snapshot of 5 MB takes some 50 ms to decode, and all connections share one loop. What comes of it
is what `advanced.decode` gives, or nothing: then the frame is unusual, and is decoded at once.
"""

import re
from collections.abc import Iterator

import msgspec

from recorder.core.messages import ASK, BID, Decoded, Level2
from recorder.core.times import rfc3339_ns
from recorder.core.wire import advanced, fields
from recorder.core.wire import advanced_shapes as shapes
from recorder.core.wire.unreadable import UNREADABLE

SLICE_BYTES = 64 * 1024  # about 600 levels: half a millisecond

# The envelope up to its one event's list of changes, without anything that is nested.
_begin = re.compile(rb'\{[^{}\[\]]*"events":\[\{[^{}\[\]]*"updates":\[').match
_decode_envelope = msgspec.json.Decoder(shapes.L2Data).decode
_decode_changes = msgspec.json.Decoder(list[shapes.Change]).decode


class Gradual:
    """The decoding of one frame of Advanced Trade: iterate, then ``decoded`` is what came of it.

    None where it has to be decoded at once.
    """

    def __init__(self, raw: bytes) -> None:
        self.decoded: Decoded | None = None
        self._raw = raw

    def __iter__(self) -> Iterator[None]:
        """Decode; each turn takes about as long as the others."""
        try:
            yield from self._decode()
        except (*UNREADABLE, ValueError):
            return  # `decode` says what is wrong

    def _decode(self) -> Iterator[None]:
        raw = self._raw
        begin = _begin(raw)
        if begin is None:
            return
        # From the end: of the event, and before it of the last change.
        start, end = begin.end(), raw.rfind(b"}]", 0, max(0, raw.rfind(b"}]"))) + 1
        if end <= start:
            return
        frame = _decode_envelope(raw[:start] + raw[end:])
        if len(frame.events) != 1 or not 0 <= frame.sequence_num <= advanced.SEQUENCE_MAX:
            return
        (event,) = frame.events
        exchange_ns = rfc3339_ns(frame.timestamp)
        if event.updates or not fields.is_product(event.product_id):
            return
        found = _Levels()
        while start < end:
            yield
            cut = raw.find(b"},{", start + SLICE_BYTES, end)
            until = end if cut < 0 else cut + 1
            # Texts that are lists of changes by themselves, joined by commas, are the list.
            found.add(_decode_changes(b"[" + raw[start:until] + b"]"))
            start = until + 1
        yield
        message = found.message(event)
        label, channel = f"l2_data/{event.type}", advanced.SUBSCRIBE_NAMES["l2_data"]
        self.decoded = Decoded(label, channel, frame.sequence_num, exchange_ns, (message,), ())
        yield  # what is done with it takes as long as some slices


class _Levels:
    """Changes as columns, slice by slice."""

    def __init__(self) -> None:
        self._sides: list[str] = []
        self._prices: list[float] = []
        self._sizes: list[float] = []
        self._times: list[str] = []
        self._price_texts: list[str | None] = []
        self._size_texts: list[str | None] = []

    def add(self, changes: list[shapes.Change]) -> None:
        """Take a slice; raises ValueError where a number breaks the grammar."""
        numbers = fields.levels(
            [change.price_level for change in changes], [change.new_quantity for change in changes]
        )
        nothing = [None] * len(changes)
        self._prices += numbers.prices
        self._sizes += numbers.sizes
        self._price_texts += numbers.price_texts or nothing
        self._size_texts += numbers.size_texts or nothing
        self._sides += [BID if change.side == "bid" else ASK for change in changes]
        self._times += [change.event_time for change in changes]

    def message(self, event: shapes.Level2Event) -> Level2:
        """All of it; raises ValueError where a time is none."""
        return Level2(
            event.product_id,
            event.type == "snapshot",
            self._sides,
            self._prices,
            self._sizes,
            fields.event_times(self._times),
            self._price_texts if any(self._price_texts) else None,
            self._size_texts if any(self._size_texts) else None,
        )
