"""What was recorded and what was not."""

from hypothesis import given
from hypothesis import strategies as st

from recorder.core.coverage import (
    GAP,
    RECORDED,
    TAKEN_BACK,
    TRACKS_MAX,
    Coverage,
    Interval,
    Key,
    Missing,
)

KEY: Key = ("level2", "BTC-USD")
OTHER: Key = ("heartbeats", None)
CONNECTIONS = ("ws2", "ws10", "ws1")

# What happens, on which line, how long after, and how long before that the line was last heard.
happenings = st.lists(
    st.tuples(
        st.sampled_from(["begin", "end", "close", "cut", "saw"]),
        st.sampled_from(CONNECTIONS),
        st.integers(0, 5),
        st.integers(0, 8),
    ),
    max_size=30,
)


def missing(reason: str = "sequence_gap") -> Missing:
    """A gap's cause."""
    return Missing(0, reason, connection_id="ws1")


def play(coverage: Coverage, script: list[tuple[str, str, int, int]]) -> tuple[list[Interval], int]:
    """Let things happen to one track; returns what was given out, and the time at the end."""
    given_out: list[Interval] = []
    now = 100
    for number, (what, line, later, heard) in enumerate(script):
        now += later
        match what:
            case "begin":
                given_out += coverage.begin(KEY, line, now)
            case "end":
                given_out += coverage.end(KEY, line, now - heard, missing())
            case "close":
                given_out += coverage.end_all(line, now - heard, missing("connection_closed"))
            case "cut":
                given_out += coverage.cut(now)
            case "saw":
                coverage.saw(KEY, line, number, number)
    return given_out, now


@given(happenings, st.integers(0, 5))
def test_intervals_do_not_overlap_and_leave_no_hole(
    script: list[tuple[str, str, int, int]], later: int
) -> None:
    """Every moment from the begin to the end is recorded, by one line or more, or is a gap."""
    coverage = Coverage()
    given_out = coverage.begin(KEY, "ws1", 100)
    more, now = play(coverage, script)
    end = now + later
    given_out += more + coverage.finish(end)
    for interval in given_out:
        assert interval.start_ns <= interval.end_ns
        assert (interval.reason is not None) == (interval.state == GAP)
        assert interval.connection_id is not None
    back = [each for each in given_out if each.detail == TAKEN_BACK]
    for moment in range(100, end):
        here = [each for each in given_out if each.start_ns <= moment < each.end_ns]
        for gap in [each for each in here if each in back]:
            # What was given out before it of the same line is not true any more.
            told = given_out[: given_out.index(gap)]
            here = [each for each in here if each.state == GAP or each not in told]
        lines = [each.connection_id for each in here if each.state == RECORDED]
        gaps = [each for each in here if each.state == GAP]
        assert len(lines) == len(set(lines)), "a line records a moment once"
        assert len(gaps) + bool(lines) == 1, f"moment {moment}: {here}"
    assert coverage.tracks == {}


@given(happenings)
def test_a_cut_changes_nothing_but_the_pieces(script: list[tuple[str, str, int, int]]) -> None:
    """The hour's end gives out what was, and what goes on begins there again."""
    coverage = Coverage()
    coverage.begin(KEY, "ws1", 100)
    _, now = play(coverage, script)
    coverage.cut(now)
    assert coverage.tracks[KEY].covered == [], "nothing from before is needed"
    assert all(each.start_ns == each.end_ns for each in coverage.cut(now))
    pieces = coverage.cut(now + 10)
    assert {(each.start_ns, each.end_ns) for each in pieces} == {(now, now + 10)}


def test_a_gap_between_two_recordings() -> None:
    """It has both ends, the numbers and the cause."""
    coverage = Coverage()
    coverage.begin(KEY, "ws1", 100)
    coverage.saw(KEY, "ws1", 7, 9)
    recorded = coverage.end(KEY, "ws1", 150, Missing(0, "sequence_gap", 4, 8, 3, "ws1"))
    assert recorded == [
        Interval(
            *KEY, 100, 150, RECORDED, ingest_seq_first=7, ingest_seq_last=9, connection_id="ws1"
        )
    ]
    assert coverage.begin(KEY, "ws1", 170) == [
        Interval(*KEY, 150, 170, GAP, "sequence_gap", 4, 8, 3, connection_id="ws1")
    ]


def test_what_an_hour_told_is_taken_back() -> None:
    """The line was heard last before the turn of the hour, which shows only after it."""
    coverage = Coverage()
    coverage.begin(KEY, "ws1", 100)
    assert [(each.start_ns, each.end_ns) for each in coverage.cut(200)] == [(100, 200)]
    assert coverage.end(KEY, "ws1", 190, Missing(0, "connection_closed", connection_id="ws1")) == [
        Interval(*KEY, 190, 200, GAP, "connection_closed", connection_id="ws1", detail=TAKEN_BACK)
    ]
    (gap,) = coverage.begin(KEY, "ws2", 230)
    assert (gap.start_ns, gap.end_ns, gap.detail) == (200, 230, None)


def test_nothing_is_taken_back_that_another_line_recorded() -> None:
    """Only what none of the lines heard."""
    coverage = Coverage()
    coverage.begin(KEY, "ws1", 100)
    coverage.begin(KEY, "ws2", 100)
    coverage.cut(200)
    assert coverage.end(KEY, "ws1", 195, missing()) == []
    (back,) = coverage.end(KEY, "ws2", 190, missing())
    assert (back.start_ns, back.end_ns, back.detail) == (195, 200, TAKEN_BACK)


def test_lost_frames_within_one_instant_are_a_gap() -> None:
    """It took no time, but something is missing: it is written down."""
    coverage = Coverage()
    coverage.begin(KEY, "ws1", 100)
    coverage.end(KEY, "ws1", 150, Missing(0, "sequence_gap", 4, 8, 3, "ws1"))
    assert [each.state for each in coverage.begin(KEY, "ws1", 150)] == [GAP]


def test_a_loss_that_shows_behind_the_end_of_a_recording() -> None:
    """It was lost when that was recorded still: the gap that begins there has its numbers."""
    coverage = Coverage()
    loss = Missing(150, "sequence_gap", 4, 8, 3, "a")
    for line, ended_ns, count, told in (
        ("a", 150, None, (4, 8, 3)),
        ("b", 150, None, (None, None, None)),  # of another line
        ("a", 140, None, (None, None, None)),  # before what came in order
        ("a", 150, 7, (None, None, 7)),  # of trades
    ):
        coverage.begin(KEY, line, 100)
        left = Missing(0, "unsubscribed", messages_missing=count, connection_id=line)
        coverage.end(KEY, line, ended_ns, left)
        coverage.lost(loss)
        (gap,) = coverage.begin(KEY, "c", 160)
        assert (gap.sequence_before, gap.sequence_after, gap.messages_missing) == told
        assert (gap.reason, gap.start_ns) == ("unsubscribed", ended_ns)
        coverage.tracks.clear()
    coverage.begin(OTHER, "a", 100)
    coverage.lost(loss)  # what is recorded, and what nobody misses, is left alone
    assert coverage.records(OTHER, "a")


def test_what_never_was_recorded_misses_nothing() -> None:
    """Before the first data of a channel there is no gap, unless the hour ends without any."""
    coverage = Coverage()
    coverage.expect(KEY, 100, "not_served", quiet=True)
    assert coverage.begin(KEY, "ws1", 150) == []
    coverage.expect(OTHER, 100, "not_served", quiet=True)
    ended = coverage.cut(200)
    assert [(each.channel, each.state, each.start_ns, each.end_ns) for each in ended] == [
        ("level2", RECORDED, 150, 200),
        ("heartbeats", GAP, 100, 200),
    ]
    assert [each.state for each in coverage.begin(OTHER, "ws1", 250)] == [GAP]


def test_expecting_what_is_known_changes_nothing() -> None:
    """A second subscription does not end a recording."""
    coverage = Coverage()
    coverage.begin(KEY, "ws1", 100)
    coverage.expect(KEY, 120, "not_served", quiet=True)
    assert coverage.records(KEY, "ws1")


def test_a_second_line_takes_over() -> None:
    """While one line records there is no gap; the gap begins where the later of the two ended."""
    coverage = Coverage()
    coverage.begin(KEY, "a", 100)
    coverage.begin(KEY, "b", 110)
    coverage.end(KEY, "b", 150, missing())
    coverage.end(KEY, "a", 120, missing())
    assert [(each.start_ns, each.end_ns) for each in coverage.begin(KEY, "c", 160)] == [(150, 160)]


def test_lines_are_cut_by_name() -> None:
    """The order of rows does not depend on who came first."""
    coverage = Coverage()
    for line in CONNECTIONS:
        coverage.begin(KEY, line, 100)
    assert [each.connection_id for each in coverage.cut(200)] == sorted(CONNECTIONS)


def test_ending_what_is_not_recorded() -> None:
    """Nothing comes of it."""
    coverage = Coverage()
    assert coverage.end(KEY, "ws1", 100, missing()) == []
    coverage.saw(KEY, "ws1", 1, 1)
    assert coverage.end_all("ws1", 100, missing()) == []
    assert coverage.tracks == {}


def test_tracks_without_end() -> None:
    """Their number has a bound, and those known stay."""
    coverage = Coverage()
    for number in range(TRACKS_MAX):
        coverage.begin(("ticker", f"X{number}-USD"), "ws1", 100)
    coverage.begin(KEY, "ws1", 100)
    coverage.expect(OTHER, 100, "not_served", quiet=True)
    assert len(coverage.tracks) == TRACKS_MAX
    assert coverage.admits(("ticker", "X0-USD"))
    assert not coverage.admits(KEY)
