"""What is told to clients, in the order in which it was received: vocabulary between both sources.

Both the capture and the tables give these. ``line`` names the recorded connection that something
came on; what several connections sent alike is told once.
"""

import json
import re
from dataclasses import dataclass

from recorder.core.messages import Level2, Message

Track = tuple[str, str]
"""A channel (by its subscribe name) and a product, which is empty for heartbeats."""

HEARTBEATS = ("heartbeats", "")

# The number in the envelope, not one that stands deeper.
_number = re.compile(rb'(\{[^{}\[\]]*"sequence_num":\s*)(?:0|[1-9][0-9]*)(?=\s*[,}])').match
# The list of an event whose entries are each of a product, and the key that says of which.
_ENTRIES = {
    "market_trades": ("trades", "product_id"),
    "ticker": ("tickers", "product_id"),
    "ticker_batch": ("tickers", "product_id"),
    "candles": ("candles", "product_id"),
    "status": ("products", "id"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """One frame: its text around the number, and what it says.

    Each client's frame has a number of its own; nothing else of the text is touched. ``line`` is
    empty for trades of the tables, which hold each once, on whatever line it came.
    """

    recv_ns: int
    line: str
    channel: str
    product_ids: tuple[str, ...]
    snapshot: bool
    head: bytes
    tail: bytes
    messages: tuple[Message, ...]

    def numbered(self, number: int) -> bytes:
        """The frame, whole, with a client's number."""
        return b"%b%d%b" % (self.head, number, self.tail)

    def cut_to(self, product_ids: set[str], number: int) -> bytes:
        """The frame with what it says of some products only."""
        frame = json.loads(self.numbered(number))
        if self.channel == "level2":
            events = frame["events"]
            frame["events"] = [each for each in events if each["product_id"] in product_ids]
        else:
            entries, name = _ENTRIES[self.channel]
            for event in frame["events"]:
                kept = [each for each in event[entries] if each[name] in product_ids]
                event[entries] = kept
            frame["events"] = [event for event in frame["events"] if event[entries]]
        return json.dumps(frame, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Whole:
    """A book as it is known to be here, of which the venue sent nothing now.

    Only who has another one, or none, is told of it.
    """

    recv_ns: int
    line: str
    book: Level2


@dataclass(frozen=True, slots=True)
class Hole:
    """Something was lost: all that came on a line, or what the tracks say; ``missing`` frames."""

    recv_ns: int
    line: str | None
    tracks: frozenset[Track]
    missing: int = 1
    ended: bool = False  # the line is over


Item = Told | Whole | Hole


def around_number(raw: bytes) -> tuple[bytes, bytes]:
    """The text of a frame before its number and behind it."""
    found = _number(raw)
    if found is not None:
        begin = found.end(1)
        return raw[:begin], raw[found.end() :]
    frame = json.loads(raw)  # the number stands behind the events, where nobody has put it yet
    head = {"sequence_num": 0, **{key: frame[key] for key in frame if key != "sequence_num"}}
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
    return text[: len(b'{"sequence_num":')], text[len(b'{"sequence_num":0') :]
