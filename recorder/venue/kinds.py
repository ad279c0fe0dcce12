"""The faults that the venue can play: their names, what each may be aimed at, and the log of them.

`KINDS` is the list, and the one place where a kind is described. A `Fault` is one order to play
one, made by `Venue.fault` or drawn by a `FaultPlan`; a `Happening` is one line of the log of what
was really done, which a test or a checker compares the recorder's ledger with.
"""

from dataclasses import dataclass, field

from recorder.errors import UsageError

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault.

    ``stage`` says where it works:

    ====== ============================================================================
    frame  frames that were numbered go wrong on the way, ``count`` of them
    stream all frames that were numbered, for as long as it lasts
    bytes  the bytes of the socket
    end    the end of a connection
    answer answers to requests: ``count`` requests, or products of requests
    told   what the venue says, before it is numbered
    door   connections that are being opened
    market the product itself
    ====== ============================================================================

    ``aims`` names the fields of `Fault` that mean something to it besides ``connection``.
    """

    stage: str
    aims: str
    what: str
    value: Value = None


_FRAME = "product channel count"

KINDS: dict[str, Kind] = {
    "drop": Kind("frame", _FRAME, "a frame is lost"),
    "duplicate": Kind("frame", _FRAME, "a frame comes twice"),
    "reorder": Kind("frame", _FRAME + " value", "a frame comes after the next `value` ones", 1),
    "truncated": Kind("frame", _FRAME + " value", "the text ends early"),
    "wrong_types": Kind("frame", _FRAME + " value", "JSON of other types than announced"),
    "not_a_number": Kind("frame", _FRAME + " value", "NaN, 1e9999999 and the like for a number"),
    "not_utf8": Kind("frame", _FRAME + " value", "a text frame that is no UTF-8"),
    "binary": Kind("frame", _FRAME, "a frame comes as binary"),
    "error_frame": Kind("frame", "value", "an error frame that nobody caused", "internal error"),
    "silence": Kind("stream", "seconds", "nothing is sent but the socket stays open"),
    "stall": Kind("stream", "seconds", "frames are kept back, and come all at once later"),
    "half_open": Kind("bytes", "", "bytes of both sides vanish; when healed, it is aborted"),
    "drip": Kind("bytes", "seconds value", "bytes trickle, `value` a second", 2_000),
    "giant": Kind("bytes", "value", "one frame of `value` bytes", 65 * 1024 * 1024),
    "bomb": Kind("bytes", "value", "few bytes that inflate to `value`", 80 * 1024 * 1024),
    "close": Kind("end", "value", "closed with the code `value`; 1006 aborts", 1006),
    "refuse": Kind("door", "seconds", "nothing listens"),
    "reset": Kind("door", "count seconds", "accepted and reset before the handshake"),
    "http": Kind("door", "count seconds value", "the handshake is answered by HTTP `value`", 503),
    "mute": Kind("door", "count seconds", "accepted, and the handshake is never answered"),
    "ignored": Kind("answer", "channel count", "a request has no effect and no answer"),
    "rate_limited": Kind("answer", "channel count", "a request is refused for being too many"),
    "over_cap": Kind("answer", "count", "a subscription of books is refused as too many"),
    "late_ack": Kind("answer", "count value", "an answer comes `value` seconds late", 2.0),
    "data_before_ack": Kind("answer", "count value", "an answer comes after `value` frames", 5),
    "update_before_snapshot": Kind(
        "answer", "product count value", "a book's updates come `value` seconds before it", 0.5
    ),
    "missing_snapshot": Kind("answer", "product channel count", "updates come, a snapshot never"),
    "unserved": Kind("answer", "product channel count", "in the answer, and nothing ever comes"),
    "unlisted": Kind("answer", "product channel count", "served, but missing from the answer"),
    "partial": Kind("answer", "product channel count", "not served and not in the answer"),
    "wrong_snapshot": Kind("answer", "product count", "the book of another product comes instead"),
    "silent": Kind("told", "product channel seconds value", "a product or channel says nothing"),
    "heartbeats_only": Kind("told", "seconds", "all but the heartbeats says nothing"),
    "heartbeat_jump": Kind("told", "count value", "the counter jumps by `value`", 7),
    "clock_jump": Kind("told", "seconds value", "stamps are `value` seconds off", -3600.0),
    "crossed": Kind("told", "product count value", "an update has a bid above the best offer"),
    "ticker_wrong": Kind("told", "product seconds value", "tickers are `value` off the book", 0.01),
    "ticker_late": Kind("told", "product seconds value", "tickers are `value` seconds late", 2.0),
    "trade_hole": Kind("told", "product count", "a trade is never told"),
    "omit": Kind("told", "product count", "an update of a book is never made, and has no number"),
    "delist": Kind("market", "product", "the product ends: said in the status, then silence"),
    "offline": Kind("market", "product seconds", "the product stands still for a while"),
}

# Faults that new connections inherit while they last, if they are aimed at the whole venue.
INHERITED = ("stream", "answer", "told")


@dataclass(frozen=True, slots=True, eq=False)
class Fault:
    """An order to play a fault.

    Args:
        kind: a key of `KINDS`.
        connection: the number of a connection (0: the first ever); None: all that are open, and
            for kinds of the stages `INHERITED` also those that open until it ends.
        product: only what is about this product; None: whatever.
        channel: only this channel, by its subscribe name; None: any.
        count: how many frames, requests, products or connects; each connection counts for itself.
        seconds: how long it lasts; None: until `heal` (or until ``count`` is used up).
        value: see `KINDS`; None: the kind's default.
    """

    kind: str
    connection: int | None = None
    product: str | None = None
    channel: str | None = None
    count: int | None = None
    seconds: float | None = None
    value: Value = None

    def __post_init__(self) -> None:
        """Refuse a fault that cannot be played, and fill in the kind's default value."""
        kind = KINDS.get(self.kind)
        if kind is None:
            raise UsageError(f"{self.kind!r} is no fault. Choose of: {', '.join(KINDS)}.")
        aims = kind.aims.split()
        for name in ("product", "channel", "count", "seconds", "value"):
            if getattr(self, name) is not None and name not in aims and name != "seconds":
                raise UsageError(f"{self.kind} has no {name}. It has: {kind.aims or 'nothing'}.")
        if kind.stage == "market" and self.product is None:
            raise UsageError(f"{self.kind} needs a product.")
        if self.value is None:
            object.__setattr__(self, "value", kind.value)
        if self.count is None and "count" in aims and "seconds" not in aims:
            object.__setattr__(self, "count", 1)

    @property
    def stage(self) -> str:
        """Where it works; see `Kind`."""
        return KINDS[self.kind].stage

    @property
    def number(self) -> float:
        """The value of a kind whose value is a number."""
        assert isinstance(self.value, int | float), self
        return self.value


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the log.

    ``what`` is ``begins``, ``hits`` (each frame, request, product or connect that it did something
    to), ``ends``, ``misses`` (there was nothing to play it on) or ``heals``. ``number`` is the
    ``sequence_num`` of a frame (Advanced Trade) or its engine ``sequence`` (Exchange), if it has
    one. ``loop_s`` is the event loop's clock, ``at_ns`` nanoseconds since 1970. Silences,
    clocks and tickers that are off have no hits, only a begin and an end.
    """

    at_ns: int
    loop_s: float
    what: str
    kind: str
    connection: int | None = None
    product: str | None = None
    channel: str | None = None
    number: int | None = None
    detail: str = ""
    fault: Fault | None = field(default=None, repr=False)
