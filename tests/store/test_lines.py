"""One arrival, one line."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recorder.core.frames import Carried, Closed, Ended, Fetched, Frame, Listed, Noted, Opened, Sent
from recorder.store.lines import from_line, to_line, to_pieces

times = st.integers(0, 2**62)
names = st.from_regex(r"\A[A-Za-z0-9_.][A-Za-z0-9_.+~>*-]{0,20}\Z")
raws = st.one_of(
    st.binary(max_size=60),
    st.text(alphabet="\\\n\r n\0é", max_size=30).map(str.encode),
    st.sampled_from([b"", b" ", b"\n", b"\\", b"\\n", b"\\\n", b"\xff\xfe", b"1 *ended {}"]),
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
arrivals = st.one_of(
    st.builds(Frame, times, names, raws),
    st.builds(Sent, times, names, raws),
    st.builds(Opened, times, names, texts, st.none() | st.integers(0, 2**53)),
    st.builds(Closed, times, names, st.integers(0, 4999), texts, st.booleans()),
    st.builds(
        Carried, times, st.sampled_from(["start", "hour"]), raws.filter(lambda r: b"\n" not in r)
    ),
    st.builds(Ended, times, st.sampled_from(["hour", "stop", "lost"])),
    st.builds(
        Fetched,
        times,
        st.just("BTC-USD"),
        st.integers(0, 2**62),
        st.integers(0, 2**62),
        st.sampled_from(
            [b"[]", b'[{"trade_id":7,"price":"1","size":"2","time":"x","side":"buy"}]']
        ),
        st.booleans(),
    ),
    st.builds(Listed, times, st.sampled_from([b"[]", b'[{"product_id":"BTC-USD","alias":null}]'])),
    st.builds(Noted, times, st.sampled_from(["clock_stepped", "disk_refused"]), st.text()),
)


@given(arrivals)
@example(Frame(1, "c", b"2 +c {}\n3 *ended {}"))
@example(Sent(1, "c", b'{"jwt":\n"cut"}'))
def test_every_arrival_comes_back_exactly(arrival):
    """A line is one line, and reading it gives the arrival again, byte for byte."""
    line = to_line(arrival)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert from_line(line[:-1]) == arrival


@given(st.builds(Frame, times, names, raws))
def test_the_pieces_of_a_frame_are_its_line(frame):
    """Whether they are copied together or not."""
    assert b"".join(to_pieces(frame)) == to_line(frame)


@given(st.binary(max_size=40).filter(lambda text: b"\n" not in text))
def test_garbage_is_an_arrival_or_a_value_error(text):
    """Nothing else can come out of a line that we did not write."""
    try:
        arrival = from_line(text)
    except ValueError:
        return
    assert arrival.recv_ns is not None


@pytest.mark.parametrize("raw", [b'{"a":"\\n"}', b"plain", b"\0\0", b"a\\nb"])
def test_a_frame_without_line_breaks_stands_there_as_it_was(raw):
    """`zstdcat | grep` finds the venue's own text; only line breaks cost an escape."""
    assert to_line(Frame(7, "c1", raw)) == b"7 c1 " + raw + b"\n"
