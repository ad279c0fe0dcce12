"""A frame's text but for its number."""

import json

import pytest

from recorder.broadcast.told import Told, around_number


@pytest.mark.parametrize(
    "text",
    [
        '{"channel":"ticker","timestamp":"t","sequence_num":17,"events":[]}',
        '{"channel":"ticker","client_id":"","sequence_num":0,"events":[{"sequence_num":5}]}',
        '{"events":[{"sequence_num":5}],"sequence_num":7,"channel":"ticker"}',
        '{"events":[{"a":"é"}],"sequence_num":7}',
    ],
)
def test_only_the_number_is_another(text):
    """Wherever it stands; one that stands deeper is left alone."""
    head, tail = around_number(text.encode())
    assert json.loads(head + b"99" + tail) == {**json.loads(text), "sequence_num": 99}
    if text.startswith('{"channel"'):
        old = json.loads(text)["sequence_num"]
        assert head + str(old).encode() + tail == text.encode()


def test_a_frame_of_several_products_is_cut():
    """Entries of others go, events that are empty then as well; everything else stays."""
    trades = [{"product_id": name, "price": "1.50"} for name in ("A-USD", "B-USD", "A-USD")]
    frame = {
        "channel": "market_trades", "sequence_num": 3,
        "events": [{"type": "update", "trades": trades},
                   {"type": "update", "trades": [{"product_id": "B-USD"}]}],
    }  # fmt: skip
    head, tail = around_number(json.dumps(frame).encode())
    told = Told(0, "c", "market_trades", ("A-USD", "B-USD"), False, head, tail, ())
    cut = json.loads(told.cut_to({"A-USD"}, 8))
    assert cut["sequence_num"] == 8
    assert cut["events"] == [{"type": "update", "trades": [trades[0], trades[2]]}]
