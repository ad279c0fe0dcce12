"""Which wire module speaks which protocol."""

import pytest

from recorder.core.frames import ADVANCED, EXCHANGE
from recorder.core.wire import advanced, exchange
from recorder.core.wire.venues import WIRES, decode_any, venue_of, wire_of


def test_each_venue_has_its_module() -> None:
    assert wire_of(ADVANCED) is advanced
    assert wire_of(EXCHANGE) is exchange
    assert wire_of("somewhere") is advanced
    assert set(WIRES) == {ADVANCED, EXCHANGE}


@pytest.mark.parametrize("venue", sorted(WIRES))
@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe"])
def test_a_request_is_read_as_it_was_meant(venue: str, kind: str) -> None:
    """On every venue, of every channel."""
    wire = wire_of(venue)
    for channel in sorted(wire.CHANNELS):
        products = () if channel in wire.UNFILTERED else ("BTC-USD", "ETH-USD")
        raw = wire.request(kind, channel, products)
        assert wire.requested(raw) == ((kind, channel, products),)


def test_whose_frame_it_is() -> None:
    """Errors look alike on both, and garbage is nobody's."""
    beat = b'{"type":"heartbeat","sequence":1,"last_trade_id":2,"product_id":"A-B","time":"x"}'
    mine = b'{"channel":"heartbeats","timestamp":"x","sequence_num":1,"events":[]}'
    assert venue_of(beat) == EXCHANGE
    assert venue_of(mine) == ADVANCED
    assert venue_of(b'{"type":"error","message":"no"}') is None
    assert venue_of(b"[]") is None
    assert decode_any(beat).label == "heartbeat"
    assert decode_any(mine).sequence == 1
    assert decode_any(b"{").label == "malformed"
