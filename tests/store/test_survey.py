"""What capture files of others hold, found before anything of them is taken."""

import json
from pathlib import Path

import pytest

from recorder.core.wire.advanced import decode
from recorder.core.wire.venues import venue_of
from recorder.errors import DataError
from recorder.store.survey import survey, survey_all, timed_lines

S = 1_000_000_000


def beat(number: int, second: int) -> str:
    """A heartbeat with a number and a time of its own."""
    return json.dumps(
        {
            "channel": "heartbeats",
            "timestamp": f"2026-08-09T21:05:{second:02d}Z",
            "sequence_num": number,
            "events": [
                {
                    "current_time": f"2026-08-09 21:05:{second:02d} +0000 UTC m=+1.5",
                    "heartbeat_counter": 7,
                }
            ],
        }
    )


def write(path: Path, *lines: tuple[float | None, str, str, str]) -> Path:
    """A capture file of (t, conn, dir, raw)."""
    keys = ("t", "conn", "dir", "raw")
    text = "".join(json.dumps(dict(zip(keys, line, strict=True))) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    return path


def test_connections_are_counted_with_their_first_numbers(tmp_path):
    """Each connection of a file is found with its lines and where its numbers begin."""
    file = write(
        tmp_path / "a",
        (10.0, "ws1", "out", "{}"),
        (11.0, "ws1", "in", beat(5, 1)),
        (12.0, "ws2", "in", "torn {"),
        (13.0, "ws2", "in", beat(0, 2)),
        (14.0, "ws1", "in", beat(6, 3)),
    )
    found = survey(file, decode, venue_of)
    assert found.first_ns == 10 * S
    stretches = {name: (each.lines, each.first_sequence) for name, each in found.stretches.items()}
    assert stretches == {"ws1": (3, 5), "ws2": (2, 0)}
    assert found.order == (10 * S, 0)


def test_a_line_without_time_has_its_frames_or_that_of_the_line_before(tmp_path):
    """A null `t` falls back to the frame's own time; times never go back."""
    begin_s = 1_786_309_500
    file = write(
        tmp_path / "a",
        (None, "ws1", "out", "{}"),
        (None, "ws1", "in", beat(0, 5)),
        (None, "ws1", "in", "torn {"),
        (begin_s + 4.0, "ws1", "in", beat(1, 6)),
        (None, "ws1", "in", beat(2, 9)),
    )
    times = [(recv_ns // S - begin_s) for recv_ns, _ in timed_lines(file, decode)]
    assert times == [5, 5, 5, 5, 9]


def test_a_file_without_any_time_is_refused(tmp_path):
    """Where nothing can be said about when, the operator is told."""
    file = write(tmp_path / "a", (None, "ws1", "out", "{}"), (None, "ws1", "in", "torn {"))
    with pytest.raises(DataError, match="no line has a time"):
        list(timed_lines(file, decode))


def test_an_empty_file_holds_nothing(tmp_path):
    """No lines: no time and no connections."""
    found = survey(write(tmp_path / "a"), decode, venue_of)
    assert (found.first_ns, found.stretches) == (None, {})


def level2(number: int, kind: str, product_id: str) -> str:
    """A book's snapshot or change."""
    change = {"side": "bid", "event_time": "2026-08-09T21:05:01Z", "price_level": "1",
              "new_quantity": "1"}  # fmt: skip
    event = {"type": kind, "product_id": product_id, "updates": [change]}
    return json.dumps(
        {
            "channel": "l2_data",
            "timestamp": "2026-08-09T21:05:01Z",
            "sequence_num": number,
            "events": [event],
        }
    )


def test_a_file_that_goes_on_from_another(tmp_path):
    """It begins in the middle of a connection, with the number after the last."""
    file = write(
        tmp_path / "a",
        (10.0, "ws1", "in", level2(5, "update", "A-USD")),
        (11.0, "ws1", "in", level2(6, "snapshot", "B-USD")),
        (12.0, "ws1", "in", level2(7, "snapshot", "A-USD")),
        (13.0, "ws1", "in", level2(8, "update", "B-USD")),
    )
    [stretch] = survey(file, decode, venue_of).stretches.values()
    assert stretch.late
    assert stretch.last_sequence == 8
    next_file = write(tmp_path / "b", (14.0, "ws1", "in", beat(9, 3)))
    assert survey(next_file, decode, venue_of).stretches["ws1"].continues(stretch)


def test_what_is_given_twice_is_refused(tmp_path):
    """The same bytes, or the same connection from the same frame on; both files are named."""
    lines = [(10.0, "ws1", "in", beat(0, 1)), (11.0, "ws1", "in", beat(1, 2))]
    one = write(tmp_path / "one", *lines)
    for other in (write(tmp_path / "same", *lines), write(tmp_path / "cut", *lines[:1]), one):
        with pytest.raises(DataError, match=f"{one} and {other} hold the same"):
            survey_all([one, other], decode, venue_of)
    for lines[0] in ((10.0, "ws2", "in", beat(0, 1)), (10.0, "ws1", "in", beat(0, 2))):
        assert len(survey_all([one, write(tmp_path / "other", *lines[:1])], decode, venue_of)) == 2


def test_a_file_of_another_feed_is_refused(tmp_path):
    """Not one frame can be read; a single one that can is enough."""
    other = '{"type":"l2update","product_id":"BTC-USD","changes":[]}'
    lines = [(10.0, "ws1", "in", other)] * 3
    with pytest.raises(DataError, match=r"holds no frames of Coinbase"):
        survey(write(tmp_path / "a", *lines), decode, venue_of)
    more = write(tmp_path / "b", *lines, (11.0, "ws1", "in", beat(0, 1)))
    assert survey(more, decode, venue_of).stretches
    assert survey(write(tmp_path / "c", (1.0, "ws1", "out", "{}")), decode, venue_of).stretches
