"""What arrives: the vocabulary between the feed, the capture and the pipeline.

An *arrival* is one thing that happened to the recorder, in the order it happened. The first four
kinds concern a connection and come from the feed (or from a file that is imported); the others
are the recorder's own marks, so that every hour of capture can be replayed alone:

* every stretch of capture (a start of the recorder, a new hour) begins with ``Carried``;
* every stretch that ended in order ends with ``Ended``;
* what the recorder noticed about itself stands between as ``Noted``; what it asked the venue for by
  REST as ``Fetched`` (trades that were missing) and ``Listed`` (what the list of products says).

All of them are written to the capture before they are understood, and replaying a capture gives
the pipeline exactly these values again. Times are nanoseconds since 1970 UTC and never go back
within a capture. ``connection_id`` is one word (no white space, not empty, not starting with one
of ``+ - > ~ *``), unique to one session: a reconnect is a new one.
"""

import msgspec

ADVANCED = "advanced"  # Coinbase Advanced Trade
EXCHANGE = "exchange"  # Coinbase Exchange, formerly Pro and GDAX


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A connection was established.

    ``first_sequence`` is the number its first frame must carry (0 on Advanced Trade), or None
    where the record begins in the middle of a connection and the first number is taken as found.
    ``venue``: whose protocol it speaks, `ADVANCED` or `EXCHANGE`.
    """

    recv_ns: int
    connection_id: str
    url: str
    first_sequence: int | None = 0
    venue: str = ADVANCED


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One message of the socket, untouched, stamped right after the socket read."""

    recv_ns: int
    connection_id: str
    raw: bytes


class Sent(msgspec.Struct, frozen=True, gc=False):
    """One text that we sent; never one that holds a secret (`jwt`, `signature` are cut out)."""

    recv_ns: int
    connection_id: str
    raw: bytes


class Closed(msgspec.Struct, frozen=True, gc=False):
    """A connection ended. ``code`` is the WebSocket close code (1006: no close frame).

    ``orderly``: the venue's own close frame came, so that everything it sent before has come too.
    """

    recv_ns: int
    connection_id: str
    code: int
    reason: str
    orderly: bool = False


class Carried(msgspec.Struct, frozen=True, gc=False):
    """What the recorder knew when a stretch of capture began.

    ``cause`` is ``start`` (a process began to record) or ``hour`` (recording went on into a new
    hour). ``state`` is the JSON that `recorder.core.pipeline.State` describes.
    """

    recv_ns: int
    cause: str
    state: bytes


class Ended(msgspec.Struct, frozen=True, gc=False):
    """A stretch of capture ended in order.

    ``cause`` is ``hour`` (recording goes on in the next), ``stop`` (the recorder stopped) or
    ``lost`` (the process died; written by the next one, with the time of the last arrival that
    the capture holds).
    """

    recv_ns: int
    cause: str


class Fetched(msgspec.Struct, frozen=True, gc=False):
    """Trades of a product with ids ``first`` … ``last``, asked for because they were missing.

    ``trades`` is a JSON array of objects with the venue's own values: ``trade_id`` (a number),
    ``price``, ``size``, ``time`` and ``side`` (texts). What is not in it the venue does not have.
    ``absent``: all of these ids were found missing in the files, so that none of them is recorded,
    whatever is remembered of them.
    """

    recv_ns: int
    product_id: str
    first: int
    last: int
    trades: bytes
    absent: bool = False


class Listed(msgspec.Struct, frozen=True, gc=False):
    """What the venue's list says of the products that are recorded.

    ``products`` is a JSON array of objects: ``product_id``, and the texts or nulls of columns of
    the table `status`, by their names.
    """

    recv_ns: int
    products: bytes


class Noted(msgspec.Struct, frozen=True, gc=False):
    """Something that the recorder noticed about itself: a fault of no connection.

    ``kind`` is a fault kind of docs/operating.md, such as ``clock_stepped`` or ``disk_refused``.
    """

    recv_ns: int
    kind: str
    detail: str


Arrival = Opened | Frame | Sent | Closed | Carried | Ended | Noted | Fetched | Listed

HOUR_NS = 3_600_000_000_000


def hour_of(recv_ns: int) -> int:
    """The hour that a time falls in, as hours since 1970-01-01T00 UTC."""
    return recv_ns // HOUR_NS


FIRST_OFFSET = 1 << 24
"""Where the capture of an hour begins; the offsets below are the recorder's own checkpoint rows."""

_HOUR_SHIFT = 35
_HOUR_2020 = 438_288  # hours from 1970-01-01T00 to 2020-01-01T00


def hour_base(hour: int) -> int:
    """The ``ingest_seq`` of offset 0 of an hour (as hours since 1970); negative before 2020."""
    return (hour - _HOUR_2020) << _HOUR_SHIFT


def hour_of_seq(ingest_seq: int) -> int:
    """The hour (as hours since 1970) that an ``ingest_seq`` belongs to."""
    return (ingest_seq >> _HOUR_SHIFT) + _HOUR_2020


def offset_of_seq(ingest_seq: int) -> int:
    """The offset in its hour that an ``ingest_seq`` stands for."""
    return ingest_seq & ((1 << _HOUR_SHIFT) - 1)
