"""The shapes themselves: what decoding into them keeps, ignores and refuses."""

import msgspec
import pytest

from recorder.core.wire import advanced_shapes as shapes


def test_what_can_be_read_of_any_frame() -> None:
    """The envelope comes out whatever the events and the message are, and these stay raw."""
    raw = b'{"sequence_num":7,"channel":"x","events":[{"a":[1]}],"message":5,"new":{}}'
    loose = msgspec.json.decode(raw, type=shapes.Loose)
    assert (loose.channel, loose.sequence_num, loose.type) == ("x", 7, None)
    assert (bytes(loose.events), bytes(loose.message)) == (b'[{"a":[1]}]', b"5")
    bare = msgspec.json.decode(b"{}", type=shapes.Loose)
    assert (bytes(bare.events), bytes(bare.message)) == (b"", b"")


@pytest.mark.parametrize("side", ["ask", "BID", "", None])
def test_a_side_that_is_not_in_the_vocabulary(side: str | None) -> None:
    """`bid` and `offer` are the wire's words; a third would be put on the wrong side."""
    change = {"side": side, "event_time": "", "price_level": "1", "new_quantity": "1"}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(change, shapes.Change)


def test_requests_do_not_share_their_products() -> None:
    """The default is a new list each time."""
    raw = b'{"type":"subscribe","channel":"heartbeats"}'
    one, other = (msgspec.json.decode(raw, type=shapes.Request) for _ in range(2))
    assert one.product_ids is not other.product_ids
