"""Capture files of others, right and wrong."""

import gzip
import json

import pytest

from recorder.core.wire import advanced
from recorder.core.wire.venues import venue_of
from recorder.errors import DataError, NoInputError
from recorder.store.ndjson import CaptureLine, read_lines
from recorder.store.survey import survey, timed_lines

GOOD = '{"t":1786309548.6290078,"conn":"ws1","dir":"in","raw":"a","more":[1]}'


def times(path, *stamps):
    """A file whose lines have these `t`, as they stand."""
    path.write_text("".join(f'{{"t":{t},"conn":"c","dir":"in","raw":"x"}}\n' for t in stamps))
    return path


@pytest.mark.parametrize(
    ("t", "nanoseconds"),
    [
        ("1786309548.6290078", 1_786_309_548_629_007_800),
        ("1786309548.123456789", 1_786_309_548_123_456_789),
        ("1786309548.1234567899", 1_786_309_548_123_456_789),
        ("1786309548", 1_786_309_548_000_000_000),
        ("1786309548.0", 1_786_309_548_000_000_000),
        ("0", 0),
        ("null", None),
    ],
)
def test_times_do_not_pass_through_a_float(tmp_path, t, nanoseconds):
    """Nanoseconds are exact; null is none."""
    [line] = read_lines(times(tmp_path / "a.ndjson", t))
    assert line == CaptureLine(nanoseconds, "c", False, b"x")


@pytest.mark.parametrize("t", ["1.7e9", "-1", '"1"', "true", "[1]", "1786309548629", "99999999999"])
def test_times_that_are_none_are_told_with_the_line(tmp_path, t):
    """Milliseconds are not taken for seconds."""
    with pytest.raises(DataError, match=r"a\.ndjson, line 2: not a capture line"):
        list(read_lines(times(tmp_path / "a.ndjson", "1", t)))


@pytest.mark.parametrize(
    "line",
    ["{}", "[1]", GOOD[:-1], GOOD.replace('"in"', '"up"'), GOOD.replace('"a"', "1"), "\xff",
     '{"t":1,"dir":"in","raw":"a"}'],
)  # fmt: skip
def test_a_line_of_another_form_is_told(tmp_path, line):
    """With the file, the number of the line, and what was expected; the lines before are read."""
    (tmp_path / "x").write_text(f"{GOOD}\n{line}\n{GOOD}\n", encoding="latin-1")
    got = []
    with pytest.raises(DataError, match=r"x, line 2: .*Expected one JSON object a line"):
        got.extend(read_lines(tmp_path / "x"))
    assert len(got) in (0, 1)


def test_blank_lines_are_passed_over_and_counted(tmp_path):
    """An editor leaves one at the end; the number of a bad line is that of the file."""
    (tmp_path / "x").write_text(f"\n{GOOD}\n  \r\n{GOOD}\n\n")
    assert len(list(read_lines(tmp_path / "x"))) == 2
    (tmp_path / "x").write_text(f"\n{GOOD}\n\n{{}}\n")
    with pytest.raises(DataError, match="x, line 4: not a capture line"):
        list(read_lines(tmp_path / "x"))


def test_a_torn_gzip_file_can_be_cut_where_the_message_says(tmp_path):
    """The lines it tells of are those that were read."""
    lines = "".join(f'{GOOD[:-1]},"n":{n}}}\n' for n in range(5000))
    whole = gzip.compress(lines.encode())
    (tmp_path / "x.gz").write_bytes(whole[: len(whole) // 2])
    got = []
    with pytest.raises(DataError) as told:
        got.extend(read_lines(tmp_path / "x.gz"))
    assert got
    assert f"`zcat FILE | head -n {len(got)}`" in str(told.value)


def test_a_gzip_file_torn_at_any_byte_is_told(tmp_path):
    """Never an exception of zlib's, never a silence."""
    whole = gzip.compress((GOOD + "\n").encode() * 20, mtime=0)
    for size in range(3, len(whole)):
        (tmp_path / "x.gz").write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"torn after line|not a capture line"):
            list(read_lines(tmp_path / "x.gz"))


def test_a_file_that_is_not_there(tmp_path):
    """Or that is a directory."""
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(NoInputError, match="Check the path"):
            list(read_lines(path))


def test_the_count_of_bytes_ends_at_the_size(tmp_path):
    """So that a progress bar ends full."""
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress((GOOD + "\n").encode() * 1700))
    taken = []
    list(read_lines(path, taken.append))
    assert sum(taken) == path.stat().st_size


# --- the survey -----------------------------------------------------------------------------------


def line(t, conn, raw, direction="in") -> str:
    return json.dumps({"t": t, "conn": conn, "dir": direction, "raw": raw}) + "\n"


def beat(number, time="2026-11-10T19:00:00Z") -> str:
    event = {"current_time": "x", "heartbeat_counter": number}
    return json.dumps(
        {"channel": "heartbeats", "timestamp": time, "sequence_num": number, "events": [event]}
    )


def test_a_survey_counts_lines_and_finds_where_connections_begin(tmp_path):
    """By name, with the first number of each, whatever stood before it."""
    path = tmp_path / "x"
    path.write_text(
        line(5, "a", "sub", "out") + line(6, "b", '{"type":"error","message":"no"}')
        + line(6, "a", beat(7)) + line(7, "b", beat(0)) + line(7, "a", beat(8))
    )  # fmt: skip
    found = survey(path, advanced.decode, venue_of)
    assert found.first_ns == 5_000_000_000
    assert {name: (each.lines, each.first_sequence) for name, each in found.stretches.items()} == {
        "a": (3, 7),
        "b": (2, 0),
    }


def test_lines_without_a_time_take_the_frames_then_the_one_before(tmp_path):
    """And what stands before the first time takes that; times never go back."""
    path = tmp_path / "x"
    path.write_text(
        line(None, "a", "sub", "out") + line(None, "a", beat(0, "2026-11-10T19:00:05Z"))
        + line(None, "a", "sub", "out") + line(None, "a", beat(1, "2026-11-10T19:00:04Z"))
        + line(None, "a", "no time") + line(None, "a", beat(2, "2026-11-10T19:00:06Z"))
    )  # fmt: skip
    seconds = [recv_ns // 10**9 % 60 for recv_ns, _ in timed_lines(path, advanced.decode)]
    assert seconds == [5, 5, 5, 5, 5, 6]


def test_a_file_without_any_time_is_told(tmp_path):
    """Nothing can be said about when it was recorded."""
    path = tmp_path / "x"
    path.write_text(line(None, "a", "sub", "out") * 3)
    with pytest.raises(DataError, match="no line has a time"):
        survey(path, advanced.decode, venue_of)


def test_an_empty_file_holds_nothing(tmp_path):
    """It is no mistake either."""
    (tmp_path / "x").write_bytes(b"")
    assert survey(tmp_path / "x", advanced.decode, venue_of).stretches == {}
