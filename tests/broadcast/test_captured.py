"""What of a capture is told, what is a hole, and what is nobody's business."""

import json

import pytest

from recorder.broadcast.captured import Captured
from recorder.broadcast.told import Hole, Told
from recorder.core.frames import FIRST_OFFSET, Closed, Ended, Frame, Opened
from recorder.store.capture import pack
from recorder.store.lines import to_line
from recorder.store.paths import Segment
from tests.frames_made import HOUR, HOUR_START_NS

CHANGE = {
    "side": "bid", "event_time": "2026-11-10T19:00:00Z", "price_level": "1", "new_quantity": "2",
}  # fmt: skip


def book(number, product="BTC-USD", **change):
    event = {"type": "update", "product_id": product, "updates": [CHANGE | change]}
    return frame(number, "l2_data", [event])


def frame(number, channel, events):
    body = {"channel": channel, "timestamp": "2026-11-10T19:00:00Z", "sequence_num": number}
    return json.dumps({**body, "events": events}, separators=(",", ":")).encode()


@pytest.fixture
def told(tmp_path):
    """What some arrivals come to; frames are texts, in their order."""

    def tell(*given, start_ns=HOUR_START_NS):
        arrivals = []
        for at, each in enumerate(given):
            at_ns = HOUR_START_NS + at
            arrivals.append(Frame(at_ns, "c", each) if isinstance(each, bytes) else each(at_ns))
        lines = [to_line(each) for each in arrivals]
        path = tmp_path / f"{FIRST_OFFSET:016d}.cap"
        path.write_bytes(pack(FIRST_OFFSET, len(lines), b"".join(lines)))
        capture = Captured()
        segments = [Segment(HOUR, FIRST_OFFSET, path)]
        return capture, list(capture.hour(segments, start_ns, HOUR_START_NS + 1000))

    return tell


def opened(venue="advanced"):
    return lambda at_ns: Opened(at_ns, "c", "ws://made", 0, venue)


def kinds(items):
    return [type(each).__name__ if isinstance(each, Told) else each.missing for each in items]


def test_frames_in_order_are_told(told):
    """Answers, errors and the account's own orders are not, though they are numbered."""
    answer = frame(0, "subscriptions", [{"subscriptions": {}}])
    orders = frame(2, "user", [{"type": "update", "orders": []}])
    error = b'{"type":"error","message":"no"}'
    _, items = told(opened(), answer, book(1), orders, error, book(3))
    assert kinds(items) == ["Told", "Told"]
    assert items[1].product_ids == ("BTC-USD",)
    assert items[1].numbered(3) == book(3)


def test_what_is_missing_is_a_hole_of_its_size(told):
    """Lost frames; the first number of a connection counts as well."""
    _, items = told(opened(), book(2), book(6))
    assert kinds(items) == [2, "Told", 3, "Told"]


def test_what_came_late_or_twice_is_not_told(told):
    """The recorder did not take it either."""
    capture, items = told(opened(), book(0), book(1), book(0), book(1), book(2))
    assert kinds(items) == ["Told", "Told", "Told"]
    assert capture.left_out == 2


@pytest.mark.parametrize(
    "spoilt",
    [
        b"{",
        b'{"channel":"l2_data","sequence_num":1}',
        frame(1, "new_channel", []),
        book(1, new_quantity="1e9"),
        book(1, product="../etc"),
    ],
)
def test_what_cannot_be_understood_is_a_hole_of_one(told, spoilt):
    """So that whoever keeps a book knows that something is missing of it."""
    capture, items = told(opened(), book(0), spoilt, book(2))
    holes = [each for each in items if isinstance(each, Hole)]
    assert holes
    assert all(each.missing == 1 for each in holes)
    assert kinds(items)[-1] == "Told"
    assert capture.left_out == 1


def test_ends_of_connections(told):
    """One that is closed, and all of them where the recorder stopped."""
    _, items = told(
        opened(), book(0), lambda at_ns: Closed(at_ns, "c", 1006, ""), opened(), book(0),
        lambda at_ns: Ended(at_ns, "stop"),
    )  # fmt: skip
    assert [getattr(each, "ended", None) for each in items] == [None, True, None, True]


def test_another_protocol_is_left_to_the_tables(told):
    """From the moment on at which it is spoken."""
    capture, items = told(opened(), book(0), opened("exchange"), book(1))
    assert kinds(items) == ["Told"]
    assert capture.stopped_ns == HOUR_START_NS + 1


def test_before_the_begin_books_are_passed_over(told):
    """They are known from the tables; the number behind them is taken as found."""
    beat = [{"current_time": "2026-11-10 19:00:00 +0000 UTC", "heartbeat_counter": 1}]
    beaten = frame(1, "heartbeats", beat)
    _, items = told(opened(), book(0), beaten, book(2), book(3), start_ns=HOUR_START_NS + 4)
    assert kinds(items) == ["Told", "Told"]
    assert [each.channel for each in items] == ["heartbeats", "level2"]
