"""The shapes of the Exchange: what decoding into them keeps, ignores and refuses."""

import msgspec
import pytest

from recorder.core.wire import exchange_shapes as shapes


def test_what_can_be_read_of_any_frame() -> None:
    """Type and product come out whatever the rest is, and the words of an error stay raw."""
    raw = b'{"product_id":[7],"type":"x","changes":[{"a":[1]}],"message":5,"reason":{"b":1}}'
    loose = msgspec.json.decode(raw, type=shapes.Loose)
    assert (loose.type, loose.product_id) == ("x", [7])
    assert (bytes(loose.message), bytes(loose.reason)) == (b"5", b'{"b":1}')
    bare = msgspec.json.decode(b"{}", type=shapes.Loose)
    assert (bytes(bare.message), bytes(bare.reason)) == (b"", b"")


@pytest.mark.parametrize("side", ["bid", "BUY", "", None])
def test_a_side_that_is_not_in_the_vocabulary(side: str | None) -> None:
    """`buy` and `sell` are the wire's words; a third would be put on the wrong side."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert([side, "1", "1"], shapes.Change)


@pytest.mark.parametrize(
    ("shape", "type_name"),
    [
        (shapes.Snapshot, "snapshot"),
        (shapes.Update, "l2update"),
        (shapes.Match, "match"),
        (shapes.LastMatch, "last_match"),
        (shapes.Ticker, "ticker"),
        (shapes.Heartbeat, "heartbeat"),
        (shapes.Status, "status"),
        (shapes.Subscriptions, "subscriptions"),
    ],
)
def test_a_shape_s_type(shape: type[msgspec.Struct], type_name: str) -> None:
    """`type` says which shape a frame has; a shape made from another one has its own."""
    assert shape.__struct_config__.tag_field == "type"
    assert shape.__struct_config__.tag == type_name


def test_channels_of_a_request_are_names_or_objects() -> None:
    """Both stand in one list."""
    raw = b'{"type":"subscribe","channels":["matches",{"name":"ticker","product_ids":["A-B"]}]}'
    request = msgspec.json.decode(raw, type=shapes.Request)
    assert request.channels == ["matches", shapes.Subscribed("ticker", ["A-B"])]
    assert request.product_ids is None
