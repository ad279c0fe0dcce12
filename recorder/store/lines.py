r"""An arrival as one line of the capture, and back.

    <recv_ns> <connection> <raw>            a frame, exact
    <recv_ns> ~<connection> <escaped>       a frame that holds line breaks: \ and LF are escaped
    <recv_ns> ><connection> <text>          a text that we sent (>~ where it is escaped)
    <recv_ns> +<connection> {"url":…}       opened
    <recv_ns> -<connection> {"code":…}      closed
    <recv_ns> *start <state>                carried over to a start (or *hour: to a new hour)
    <recv_ns> *ended {"cause":…}            ended in order
    <recv_ns> *noted {"kind":…}             noticed by the recorder about itself
    <recv_ns> *fetched {"product_id":…}     trades that were missing, from the venue's REST service
    <recv_ns> *listed [{"product_id":…}]    what the venue's list says of products

Nothing else is escaped, so a frame's text stands in the capture as the venue sent it.
"""

import msgspec

from recorder.core.frames import (
    ADVANCED,
    Arrival,
    Carried,
    Closed,
    Ended,
    Fetched,
    Frame,
    Listed,
    Noted,
    Opened,
    Sent,
)

_json = msgspec.json.encode


class _OpenedLine(msgspec.Struct, omit_defaults=True):
    url: str
    first_sequence: int | None = 0
    venue: str = ADVANCED


class _ClosedLine(msgspec.Struct, omit_defaults=True):
    code: int
    reason: str
    orderly: bool = False


class _EndedLine(msgspec.Struct):
    cause: str


class _NotedLine(msgspec.Struct):
    kind: str
    detail: str


class _FetchedLine(msgspec.Struct, omit_defaults=True):
    product_id: str
    first: int
    last: int
    trades: msgspec.Raw
    absent: bool = False


_read_opened = msgspec.json.Decoder(_OpenedLine).decode
_read_closed = msgspec.json.Decoder(_ClosedLine).decode
_read_ended = msgspec.json.Decoder(_EndedLine).decode
_read_noted = msgspec.json.Decoder(_NotedLine).decode
_read_fetched = msgspec.json.Decoder(_FetchedLine).decode


_MARKS = b"~>+-*"


def _escape(raw: bytes) -> bytes:
    return raw.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")


def _unescape(text: bytes) -> bytes:
    # Halves of an escape never meet: a backslash is always followed by a backslash or an n.
    return b"\\".join(part.replace(b"\\n", b"\n") for part in text.split(b"\\\\"))


def to_line(arrival: Arrival) -> bytes:  # noqa: C901, PLR0911  one for each kind
    """An arrival as its line, with the line break."""
    match arrival:
        case Frame(recv_ns, connection_id, raw):
            if b"\n" in raw:
                return b"%d ~%s %s\n" % (recv_ns, connection_id.encode(), _escape(raw))
            return b"%d %s %s\n" % (recv_ns, connection_id.encode(), raw)
        case Sent(recv_ns, connection_id, raw):
            if b"\n" in raw:
                return b"%d >~%s %s\n" % (recv_ns, connection_id.encode(), _escape(raw))
            return b"%d >%s %s\n" % (recv_ns, connection_id.encode(), raw)
        case Opened(recv_ns, connection_id, url, first_sequence, venue):
            text = _json(_OpenedLine(url, first_sequence, venue))
            return b"%d +%s %s\n" % (recv_ns, connection_id.encode(), text)
        case Closed(recv_ns, connection_id, code, reason, orderly):
            text = _json(_ClosedLine(code, reason, orderly))
            return b"%d -%s %s\n" % (recv_ns, connection_id.encode(), text)
        case Carried(recv_ns, cause, state):
            return b"%d *%s %s\n" % (recv_ns, cause.encode(), state)
        case Ended(recv_ns, cause):
            return b"%d *ended %s\n" % (recv_ns, _json(_EndedLine(cause)))
        case Noted(recv_ns, kind, detail):
            return b"%d *noted %s\n" % (recv_ns, _json(_NotedLine(kind, detail)))
        case Fetched(recv_ns, product_id, first, last, trades, absent):
            assert b"\n" not in trades
            content = _FetchedLine(product_id, first, last, msgspec.Raw(trades), absent)
            return b"%d *fetched %s\n" % (recv_ns, _json(content))
        case Listed(recv_ns, products):
            assert b"\n" not in products
            return b"%d *listed %s\n" % (recv_ns, products)


def to_pieces(frame: Frame) -> tuple[bytes, ...]:
    """The line of a frame in pieces, of which the frame's text is one: nothing long is copied."""
    if b"\n" in frame.raw:
        return (to_line(frame),)
    return b"%d %s " % (frame.recv_ns, frame.connection_id.encode()), frame.raw, b"\n"


def from_line(line: bytes) -> Arrival:  # noqa: C901, PLR0911  one for each kind
    """The inverse of `to_line`, without the line break. Raises ValueError for what is none."""
    stamp, word, rest = line.split(b" ", 2)
    recv_ns = int(stamp)
    if not word or word[0] not in _MARKS:  # nearly always
        return Frame(recv_ns, word.decode(), rest)
    mark, name = word[:1], word[1:].decode()
    match mark:
        case b"~":
            return Frame(recv_ns, name, _unescape(rest))
        case b">":
            if name.startswith("~"):
                return Sent(recv_ns, name[1:], _unescape(rest))
            return Sent(recv_ns, name, rest)
        case b"+":
            opened = _read_opened(rest)
            return Opened(recv_ns, name, opened.url, opened.first_sequence, opened.venue)
        case b"-":
            closed = _read_closed(rest)
            return Closed(recv_ns, name, closed.code, closed.reason, closed.orderly)
        case _:
            if name == "ended":
                return Ended(recv_ns, _read_ended(rest).cause)
            if name == "noted":
                noted = _read_noted(rest)
                return Noted(recv_ns, noted.kind, noted.detail)
            if name == "fetched":
                found = _read_fetched(rest)
                trades = bytes(found.trades)
                return Fetched(
                    recv_ns, found.product_id, found.first, found.last, trades, found.absent
                )
            if name == "listed":
                return Listed(recv_ns, rest)
            return Carried(recv_ns, name, rest)
