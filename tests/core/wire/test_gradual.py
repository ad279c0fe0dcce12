"""A long frame decoded bit by bit is what it is decoded at once, or is left to that."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.frames import Frame, Opened
from recorder.core.pipeline import Pipeline
from recorder.core.wire import advanced, gradual
from recorder.core.wire.gradual import Gradual
from tests.bench.traffic import recorded
from tests.captures import needs_captures

TIME = "2026-11-21T19:32:11.123456Z"
TEXTS = st.sampled_from(
    ["1", "0.5", "65083.66", "0.00000001", "123456789.123456789", "99999999999999999"]
)
LEVELS = st.fixed_dictionaries(
    {
        "side": st.sampled_from(["bid", "offer"]),
        "event_time": st.sampled_from([TIME, "2026-11-21T19:32:12Z"]),
        "price_level": TEXTS,
        "new_quantity": TEXTS | st.just("0"),
    }
)


def framed(levels, *, kind="snapshot", product="BTC-USD", time=TIME, more=None) -> bytes:
    event = {"type": kind, "product_id": product, "updates": levels}
    frame = {"channel": "l2_data", "client_id": "", "timestamp": time, "sequence_num": 7,
             "events": [event], **(more or {})}  # fmt: skip
    return json.dumps(frame, separators=(",", ":")).encode()


def bit_by_bit(raw: bytes):
    """What comes of it, and in how many turns."""
    found = Gradual(raw)
    turns = sum(1 for _ in found)
    return found.decoded, turns


@given(st.lists(LEVELS, min_size=1, max_size=40), st.integers(1, 2000))
def test_it_is_what_decode_gives(levels, slice_bytes):
    """Whatever the levels, and wherever the slices end."""
    raw = framed(levels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradual, "SLICE_BYTES", slice_bytes)
        decoded, turns = bit_by_bit(raw)
    assert decoded == advanced.decode(raw)
    assert turns >= 2


@given(st.data())
def test_whatever_is_unusual_is_left_or_the_same(data):
    """Cut off, spoilt, repeated, nested: never something else than what decode makes of it."""
    raw = bytearray(framed(data.draw(st.lists(LEVELS, min_size=1, max_size=6))))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        until = data.draw(st.integers(at, min(len(raw), at + 80)))
        piece = data.draw(
            st.sampled_from([b"", b"}]", b"},{", b'"', b"]", b'"updates":[', b'"events":[{', b"{}"])
            | st.just(bytes(raw[at:until]) * 2)
        )
        raw[at:until] = piece
    decoded, _ = bit_by_bit(bytes(raw))
    assert decoded is None or decoded == advanced.decode(bytes(raw))


LEVEL = {"side": "bid", "event_time": TIME, "price_level": "1", "new_quantity": "2"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        framed([]),
        framed([{**LEVEL, "price_level": "1e5"}]),
        framed([{**LEVEL, "price_level": "0"}]),
        framed([{**LEVEL, "event_time": "yesterday"}]),
        framed([{**LEVEL, "side": "},{"}]),
        framed([LEVEL], product="btc usd"),
        framed([LEVEL], time="0001-01-01T00:00:00Z "),
        framed([LEVEL], more={"sequence_num": -1}),
        framed([LEVEL], more={"channel": "ticker"}),
        framed([LEVEL], more={"events": []}),
        framed([LEVEL], more={"client_id": "[{"}),
        framed([LEVEL]).replace(b'"updates"', b'"updates":[],"updates"'),
        framed([LEVEL]).replace(b"]}]}", b']},{"type":"update","product_id":"A-B","updates":[]}]}'),
    ],
)
def test_what_is_no_plain_long_book_is_left(raw):
    """`decode` says what is wrong with it, if anything is."""
    decoded, _ = bit_by_bit(raw)
    assert decoded is None


@needs_captures
def test_the_real_snapshots():
    """5 MB and 2.5 MB, in turns of equal size; and the rows are the same."""
    traffic = recorded()
    for recv_ns, raw in traffic.snapshots():
        decoded, turns = bit_by_bit(raw)
        assert decoded == advanced.decode(raw)
        assert turns >= len(raw) / gradual.SLICE_BYTES
        rows = []
        for known in (False, True):
            pipeline = Pipeline()
            pipeline.step(Opened(recv_ns, "ws1", "wss://x", decoded.sequence), 1 << 30)
            if known:
                pipeline.decoded(raw, decoded)
            rows.append(pipeline.step(Frame(recv_ns, "ws1", raw), 1 << 31).rows)
        assert rows[0] == rows[1]


def test_what_was_decoded_counts_for_its_frame_only():
    """Another frame that is delivered next is decoded itself."""
    pipeline, raw, other = Pipeline(), framed([LEVEL]), framed([LEVEL], product="ETH-USD")
    pipeline.step(Opened(1, "ws1", "wss://x", 7), 1 << 30)
    pipeline.decoded(raw, advanced.decode(raw))
    rows = pipeline.step(Frame(2, "ws1", other), 1 << 31).rows
    assert any("ETH-USD" in block.values for block in rows)
