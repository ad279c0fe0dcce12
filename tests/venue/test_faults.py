"""What happens to frames after they were numbered, without a socket."""

import json

import pytest

from recorder.venue.faults import EXTRA, Binary, Faults, about, mangled
from recorder.venue.kinds import Fault

BOOK = (
    b'{"channel":"l2_data","timestamp":"2026-08-09T21:05:48Z","sequence_num":%d,"events":[{"type":'
    b'"update","product_id":"BTC-USD","updates":[{"side":"bid","event_time":"2026-08-09T21:05:48Z",'
    b'"price_level":"65083.66","new_quantity":"0.5"}]}]}'
)
BEAT = (
    b'{"channel":"heartbeats","timestamp":"2026-08-09T21:05:48Z","sequence_num":%d,"events":'
    b'[{"current_time":"2026-08-09 21:05:48 +0000 UTC m=+7.5","heartbeat_counter":7}]}'
)
MATCH = (
    b'{"type":"match","trade_id":7,"maker_order_id":"a","taker_order_id":"b","side":"sell",'
    b'"size":"0.5","price":"64123.45","product_id":"ETH-USD","sequence":199999999981,'
    b'"time":"2026-08-25T12:00:00.096001Z"}'
)
L2UPDATE = (
    b'{"type":"l2update","product_id":"BTC-USD","changes":[["buy","64120.10","0.61"]],'
    b'"time":"2026-08-25T12:00:00.300000Z"}'
)
ERROR = b'{"type":"error","message":"rate limit exceeded"}'


def books(*sequences: int) -> list[bytes]:
    """Frames of a book with these numbers."""
    return [BOOK % sequence for sequence in sequences]


def test_without_faults_frames_pass_as_they_are() -> None:
    """The very list."""
    frames = books(1, 2)
    assert Faults().apply(frames) is frames


def test_what_a_frame_is_about() -> None:
    """Channel or type, product, number, of both protocols."""
    assert about(BOOK % 7) == (b"l2_data", "BTC-USD", 7)
    assert about(BEAT % 8) == (b"heartbeats", None, 8)
    assert about(MATCH) == (b"match", "ETH-USD", 199999999981)
    assert about(L2UPDATE) == (b"l2update", "BTC-USD", None)
    assert about(b"[]") == (b"", None, None)


def test_only_what_is_aimed_at_is_hit_and_each_hit_is_told() -> None:
    """Product and channel by its subscribe name; error frames never; the count is used up."""
    told, lost = [], []
    faults = Faults(lambda *hit: told.append(hit), lambda *frame: lost.append(frame))
    fault = Fault("drop", product="BTC-USD", channel="level2", count=2)
    faults.add(fault)
    frames = [BEAT % 0, BOOK % 1, ERROR, BOOK % 2, BOOK % 3]
    assert faults.apply(frames) == [BEAT % 0, ERROR, BOOK % 3]
    assert [hit[1:4] for hit in told] == [("BTC-USD", "l2_data", 1), ("BTC-USD", "l2_data", 2)]
    assert lost == [(BOOK % 1, "drop", 1), (BOOK % 2, "drop", 2)]
    assert faults.quiet
    assert not faults.remove(fault)


def test_exchange_channels_by_the_types_of_their_frames() -> None:
    """A book's channel has two types, and both names of it mean the same."""
    for channel in ("level2_50", "level2_batch"):
        faults = Faults()
        faults.add(Fault("drop", channel=channel))
        assert faults.apply([MATCH, L2UPDATE, L2UPDATE]) == [MATCH, L2UPDATE]


def test_skipped_frames_are_lost_without_a_fault() -> None:
    """A counter for scripts; errors are not counted."""
    faults = Faults()
    faults.skip = 2
    assert faults.apply([BOOK % 0, ERROR, BOOK % 1, BOOK % 2]) == [ERROR, BOOK % 2]


def test_a_late_frame_is_passed_by_as_many_as_asked() -> None:
    """Over several batches; what is left can be asked for."""
    faults = Faults()
    faults.add(Fault("reorder", value=3))
    assert faults.apply(books(0, 1)) == books(1)
    assert faults.holding
    assert faults.apply(books(2, 3, 4)) == books(2, 3, 0, 4)
    faults.add(Fault("reorder", value=3))
    assert faults.apply(books(5, 6)) == books(6)
    assert faults.flush(stalled=False) == books(5)
    assert not faults.holding


def test_silence_and_stall_take_error_frames_too() -> None:
    """The one for good, the other until it is given up."""
    for kind, later in (("silence", []), ("stall", [BOOK % 0, ERROR])):
        faults = Faults()
        faults.add(Fault(kind))
        assert faults.apply([BOOK % 0, ERROR]) == []
        assert faults.flush() == later


def test_clocks_add_up() -> None:
    """Two jumps at once, and none after both."""
    faults = Faults()
    jumps = [Fault("clock_jump", value=2.5), Fault("clock_jump", value=-1.0)]
    for jump in jumps:
        faults.add(jump)
    assert faults.clock_ns == 1_500_000_000
    for jump in jumps:
        faults.remove(jump)
    assert faults.clock_ns == 0


@pytest.mark.parametrize("frame", [BOOK % 7, BEAT % 7, MATCH, L2UPDATE, b'{"channel":"x"}'])
@pytest.mark.parametrize("kind", ["truncated", "wrong_types", "not_a_number", "not_utf8"])
def test_spoilt_frames_are_spoilt_in_every_way(frame: bytes, kind: str) -> None:
    """Never the frame itself; each kind is what it says."""
    for variant in range(12):
        made = mangled(frame, kind, variant)
        assert made != frame
        if kind == "truncated":
            assert frame.startswith(made)
            with pytest.raises(json.JSONDecodeError):
                json.loads(made)
        elif kind == "wrong_types":
            json.loads(made)
        elif kind == "not_utf8":
            with pytest.raises(UnicodeDecodeError):
                made.decode()
        else:
            assert "nan" in made.decode().lower() or made != frame


def test_a_wrong_number_stands_where_a_right_one_was() -> None:
    """In a price, or in a counter where there is none."""
    assert b'"price_level":NaN' in mangled(BOOK % 7, "not_a_number", 0)
    assert b'["buy",NaN,' in mangled(L2UPDATE, "not_a_number", 0)
    assert b'"heartbeat_counter":"NaN"' in mangled(BEAT % 7, "not_a_number", 1)


def test_binary_and_extra() -> None:
    """A binary frame has the same bytes; what is extra takes nobody's place."""
    lost = []
    faults = Faults(lose=lambda *frame: lost.append(frame))
    faults.add(Fault("binary"))
    (frame,) = faults.apply(books(0))
    assert (type(frame), frame) == (Binary, BOOK % 0)
    faults.add(Fault("truncated", value=EXTRA))
    spoilt, whole = faults.apply(books(1))
    assert (whole, spoilt) == (BOOK % 1, mangled(BOOK % 1, "truncated", 1))
    assert lost == []
