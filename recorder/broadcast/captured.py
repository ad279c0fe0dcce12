"""What an hour's capture tells: the very frames that came, without those about the recorder.

Answers to the recorder's own requests are not told, nor the account's own orders. A frame that the
recorder did not take, because its number was late, is not told; one that could not be understood is
a hole. Where the capture cannot be read, or another protocol is spoken, reading stops: `stopped_ns`
says behind which time, and the tables have to tell the rest.
"""

from collections.abc import Iterator, Sequence

from recorder.broadcast.told import Hole, Item, Told, around_number
from recorder.core import state as states
from recorder.core.frames import ADVANCED, Arrival, Carried, Closed, Ended, Frame, Opened
from recorder.core.messages import Decoded, Message
from recorder.core.wire import advanced
from recorder.store.capture import Lost, read_stretches
from recorder.store.paths import Segment

_UNTOLD = ("subscriptions", "user")
# A book's frame before the begin says nothing that is wanted, and may be large.
_BOOK = b'"channel":"l2_data"'
_HEAD = 64


class Captured:
    """The lines of a capture, hour after hour; ``left_out`` counts frames that were not told."""

    def __init__(self) -> None:
        self.left_out = 0
        self.stopped_ns: int | None = None
        self._numbers: dict[str, int | None] = {}

    def forget(self) -> None:
        """Know of no connection, as where the hour before was not read."""
        self._numbers.clear()

    def hour(self, segments: Sequence[Segment], start_ns: int, end_ns: int) -> Iterator[Item]:
        """What an hour tells in [start, end); what came before but changes of books comes as well.

        The caller looks at the times of what it gets: items before ``start_ns`` are for knowing.
        """
        self.stopped_ns = None
        last_ns = start_ns - 1
        for _, arrival in read_stretches(segments):
            if isinstance(arrival, Lost) or _is_foreign(arrival):
                self.stopped_ns = last_ns
                return
            if arrival.recv_ns >= end_ns:
                return
            last_ns = max(last_ns, arrival.recv_ns)
            if isinstance(arrival, Frame):
                if arrival.recv_ns < start_ns and _BOOK in arrival.raw[:_HEAD]:
                    self._numbers[arrival.connection_id] = None  # the next is taken as found
                    continue
                yield from self._frame(arrival.recv_ns, arrival.connection_id, arrival.raw)
            else:
                yield from self._mark(arrival)

    def _mark(self, arrival: Arrival) -> Iterator[Hole]:
        """A connection begins or ends, or all of them do."""
        match arrival:
            case Opened(_, line, _, first):
                self._numbers[line] = first
            case Closed(recv_ns, line):
                yield self._ended(recv_ns, line)
            case Ended(recv_ns, cause) if cause != "hour":
                for line in list(self._numbers):
                    yield self._ended(recv_ns, line)

    def _ended(self, recv_ns: int, line: str) -> Hole:
        self._numbers.pop(line, None)
        return Hole(recv_ns, line, frozenset(), ended=True)

    def _frame(self, recv_ns: int, line: str, raw: bytes) -> Iterator[Item]:
        decoded = advanced.decode(raw)
        if decoded.sequence is None:
            self.left_out += 1
            if decoded.label != "error":  # errors are not numbered, and about the recorder
                yield Hole(recv_ns, line, frozenset())
            return
        due = self._numbers.get(line)
        if due is not None and decoded.sequence < due:
            self.left_out += 1
            return
        if due is not None and decoded.sequence > due:
            yield Hole(recv_ns, line, frozenset(), decoded.sequence - due)
        self._numbers[line] = decoded.sequence + 1
        if decoded.channel in _UNTOLD:
            return
        if decoded.channel is None or _is_spoilt(decoded):
            self.left_out += 1
            yield Hole(recv_ns, line, frozenset())
            return
        head, tail = around_number(raw)
        messages = decoded.messages
        product_ids = tuple(dict.fromkeys(filter(None, map(_product, messages))))
        snapshot = any(getattr(each, "snapshot", False) for each in messages)
        yield Told(
            recv_ns, line, decoded.channel, product_ids, snapshot, head, tail, messages
        )  # fmt: skip


def _is_foreign(arrival: Arrival) -> bool:
    """Whether a connection that speaks another protocol begins here, or goes on."""
    match arrival:
        case Opened(_, _, _, _, venue):
            return venue != ADVANCED
        case Carried(_, "hour", state):
            return any(each.venue != ADVANCED for each in states.decode(state).sessions)
    return False


def _is_spoilt(decoded: Decoded) -> bool:
    """Whether something of a frame was not understood, so that it cannot be passed on."""
    return any(each.channel is not None or not decoded.messages for each in decoded.problems)


def _product(message: Message) -> str | None:
    product_id: str | None = getattr(message, "product_id", None)
    return product_id
