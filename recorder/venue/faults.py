"""What goes wrong between the venue and one client, and what of it works after the numbering.

Every frame to a client passes through `Faults.apply` once, in order, after it was numbered. The
session asks the same object about faults that work before (`find`, `take`). Without any fault on,
both cost one comparison.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recorder.venue.kinds import Fault

ERROR_START = b'{"type":"error"'
# Enough of a frame to see what it is about; in a candle the product comes last.
HEAD_BYTES = 1000
NUMBER = re.compile(rb'("sequence(?:_num)?":)(\d+)')
PRODUCT = re.compile(rb'"product_id":"([^"]+)"')
CHANNEL = re.compile(rb'^\{"(?:channel|type)":"([^"]+)"')
# What a frame is called, by the name it was subscribed by, where they differ.
FRAME_NAMES = {
    "level2": (b"l2_data", b"l2update", b"snapshot"),
    "level2_50": (b"l2update", b"snapshot"),
    "level2_batch": (b"l2update", b"snapshot"),
    "matches": (b"match", b"last_match"),
    "ticker_1000": (b"ticker",),
}
MANGLED = ("truncated", "wrong_types", "not_a_number", "not_utf8")
EXTRA = "extra"
AFTER_NUMBERING = ("silence", "stall", "drop", "reorder", "duplicate", "binary", *MANGLED)


class Binary(bytes):
    """A frame that goes out as binary."""


@dataclass(slots=True, eq=False)
class Active:
    """A fault that is on, and how often it still works (None: as long as it lasts)."""

    fault: Fault
    left: int | None


@dataclass(slots=True)
class _Held:
    frame: bytes
    others: int


def about(frame: bytes) -> tuple[bytes, str | None, int | None]:
    """The channel (or type), product and number of a frame, as far as it has them."""
    head = frame[:HEAD_BYTES]
    channel, product, number = CHANNEL.search(head), PRODUCT.search(head), NUMBER.search(head)
    return (
        channel[1] if channel else b"",
        product[1].decode() if product else None,
        int(number[2]) if number else None,
    )


def _nobody(*_: object) -> None:
    """Hear of nothing."""


class Faults:
    """The faults of one connection.

    ``note`` is told of every hit: fault, product, channel, number, detail. ``lose`` is told of
    every frame that was numbered and does not go out: the frame, the kind, and how many frames of
    this call go out before it. ``skip`` numbered frames are lost without a line in the log.
    """

    __slots__ = ("_hits", "_on", "_reordered", "_stalled", "clock_ns", "lose", "note", "skip")

    def __init__(
        self,
        note: Callable[[Fault, str | None, str | None, int | None, str], None] = _nobody,
        lose: Callable[[bytes, str, int], None] = _nobody,
    ) -> None:
        """Start without any."""
        self.note = note
        self.lose = lose
        self.clock_ns = 0
        self.skip = 0
        self._on: dict[str, list[Active]] = {}
        self._reordered: list[_Held] = []
        self._stalled: list[bytes] = []
        self._hits = 0

    @property
    def quiet(self) -> bool:
        """Whether none is on."""
        return not self._on

    @property
    def holding(self) -> bool:
        """Whether frames are kept back that others must pass first."""
        return bool(self._reordered)

    def add(self, fault: Fault) -> None:
        """Turn a fault on."""
        self._on.setdefault(fault.kind, []).append(Active(fault, fault.count))
        self._set_clock()

    def remove(self, fault: Fault) -> bool:
        """Turn a fault off; False if it was off already."""
        active = self._on.get(fault.kind, [])
        kept = [each for each in active if each.fault is not fault]
        if len(kept) == len(active):
            return False
        self._on[fault.kind] = kept
        if not kept:
            del self._on[fault.kind]
        self._set_clock()
        return True

    def _set_clock(self) -> None:
        offsets = [each.fault.number for each in self._on.get("clock_jump", ())]
        self.clock_ns = int(sum(offsets) * 1e9)

    def find(self, kind: str, channel: str | None, product: str | None) -> Fault | None:
        """A fault that is on and aimed at this channel and product."""
        for each in self._on.get(kind, ()):
            fault = each.fault
            if fault.channel in (None, channel) and fault.product in (None, product):
                return fault
        return None

    def take(
        self, kind: str, channel: str | None = None, product: str | None = None, detail: str = ""
    ) -> Fault | None:
        """The same, and use it once; the hit goes to the log."""
        if kind not in self._on:
            return None
        fault = self.find(kind, channel, product)
        if fault is not None:
            self.use(fault)
            self.note(fault, product, channel, None, detail)
        return fault

    def use(self, fault: Fault) -> None:
        """Count one use of a fault; the last one turns it off."""
        for each in self._on.get(fault.kind, ()):
            if each.fault is fault and each.left is not None:
                each.left -= 1
                if not each.left:
                    self.remove(fault)
                return

    def apply(self, frames: list[bytes]) -> list[bytes]:
        """What reaches the client of these frames, in that order."""
        if not self._on and not self._reordered and not self.skip:
            return frames
        passed: list[bytes] = []
        for frame in frames:
            before = len(passed)
            self._pass(frame, passed)
            if len(passed) > before and self._reordered:
                self._let_go(passed)
        return passed

    def flush(self, *, stalled: bool = True) -> list[bytes]:
        """Give up what is kept back: all of it, or only what waits for others to pass."""
        kept = [held.frame for held in self._reordered]
        self._reordered = []
        if stalled:
            kept += self._stalled
            self._stalled = []
        return kept

    def _pass(self, frame: bytes, passed: list[bytes]) -> None:
        if self.skip and not frame.startswith(ERROR_START):
            self.skip -= 1
            self.lose(frame, "drop", len(passed))
            return
        channel, product, number = about(frame)
        fault = self._for_frame(channel, product, error=frame.startswith(ERROR_START))
        if fault is None:
            passed.append(frame)
            return
        self.use(fault)
        self.note(fault, product, channel.decode(), number, "")
        match fault.kind:
            case "drop" | "silence":
                self.lose(frame, fault.kind, len(passed))
            case "stall":
                self._stalled.append(frame)
            case "reorder":
                self._reordered.append(_Held(frame, int(fault.number)))
            case "duplicate":
                passed += [frame, frame]
            case "binary":
                passed.append(Binary(frame))
            case kind:
                self._hits += 1
                passed.append(mangled(frame, kind, self._hits))
                if fault.value == EXTRA:
                    passed.append(frame)
                else:
                    self.lose(frame, kind, len(passed) - 1)

    def _for_frame(self, channel: bytes, product: str | None, *, error: bool) -> Fault | None:
        """The first fault that is on and meant for such a frame; errors are only ever silenced."""
        for kind in AFTER_NUMBERING[:2] if error else AFTER_NUMBERING:
            for each in self._on.get(kind, ()):
                fault = each.fault
                names = FRAME_NAMES.get(fault.channel or "", ((fault.channel or "").encode(),))
                if fault.channel is not None and channel not in names:
                    continue
                if fault.product in (None, product):
                    return fault
        return None

    def _let_go(self, passed: list[bytes]) -> None:
        """Send what others have passed now."""
        for held in list(self._reordered):
            held.others -= 1
            if held.others <= 0:
                self._reordered.remove(held)
                passed.append(held.frame)


# What stands where a number should: bare, as text, too large, in other digits, with a sign twice.
NUMBERS = (b"NaN", b'"NaN"', b'"1e9999999"', '"\uff11\uff12"'.encode(), b"-Infinity", b'"--1"')
AMOUNT = re.compile(rb'("(?:price_level|price|size)":|\["(?:buy|sell)",)"[^"]*"')
COUNT = re.compile(rb'("(?:heartbeat_counter|trade_id|last_trade_id)":)"?\d+"?')


def mangled(frame: bytes, kind: str, variant: int) -> bytes:
    """A frame made wrong in one of several ways."""
    match kind:
        case "truncated":
            return frame[: max(1, len(frame) * (variant % 7 + 1) // 8)]
        case "not_utf8":
            middle = len(frame) // 2
            wrong = (b"\xff\xfe", b"\xc3(", b"\xed\xa0\x80")[variant % 3]
            return frame[:middle] + wrong + frame[middle:]
        case "not_a_number":
            wrong = NUMBERS[variant % len(NUMBERS)]
            for pattern in (AMOUNT, COUNT):
                made, hits = pattern.subn(lambda found: found[1] + wrong, frame, count=1)
                if hits:
                    return made
            return frame[:-1] + b',"more":' + wrong + b"}"
        case _:
            return _retyped(frame, variant)


def _retyped(frame: bytes, variant: int) -> bytes:
    """JSON that can be read, and is of other types than a reader expects."""
    ways: Sequence[Callable[[], bytes]] = (
        lambda: NUMBER.sub(rb'\1"\2"', frame, count=1),
        lambda: b"[%s]" % frame,
        lambda: PRODUCT.sub(b'"product_id":7', frame, count=1),
        lambda: NUMBER.sub(rb"\1\2.5", frame, count=1),
        lambda: CHANNEL.sub(b'{"channel":null,"type":null', frame, count=1),
        lambda: re.sub(rb'"events":\[.*\]\}$', b'"events":{}}', frame, flags=re.DOTALL),
    )
    for turn in range(len(ways)):
        made = ways[(variant + turn) % len(ways)]()
        if made != frame:
            return made
    return b"null"
