"""Good frames of both venues, to be spoilt."""

import random
from collections.abc import Iterator

from recorder.core.frames import ADVANCED, EXCHANGE, Frame
from recorder.store.ndjson import read_lines
from tests.captures import ADVANCED as RECORDED_ADVANCED
from tests.captures import EXCHANGE as RECORDED_EXCHANGE
from tests.frames_made import HOUR_START_NS, Made

GIANT_BYTES = 400_000  # spoilt a thousand times over, 5 MB snapshots would take all of the time
FRAMES_A_FILE_MAX = 4_000
MADE_S = 20.0

_EXCHANGE_MADE = rb"""
{"type":"snapshot","product_id":"BTC-USD","asks":[["64123.45","0.2045"]],"bids":[["64120.1","1"]]}
{"type":"l2update","product_id":"BTC-USD","changes":[["buy","64120.10","0.61"],["sell","64180","0.00000000"]],"time":"2026-08-25T12:00:00.300000Z"}
{"type":"heartbeat","sequence":200000000111,"last_trade_id":500000002,"product_id":"BTC-USD","time":"2026-08-25T03:35:58.464459Z"}
{"type":"match","trade_id":500000002,"maker_order_id":"a","taker_order_id":"b","side":"sell","size":"0.0025","price":"64123.45","product_id":"BTC-USD","sequence":200000000111,"time":"2026-08-25T12:00:00.198001Z"}
{"type":"ticker","sequence":200000000111,"product_id":"BTC-USD","price":"64123.45","best_bid":"64120.10","best_ask":"64123.45","side":"buy","time":"2026-08-25T12:00:00.198Z","trade_id":500000002,"last_size":"0.0025"}
{"type":"subscriptions","channels":[{"name":"level2_50","product_ids":["BTC-USD"]}]}
{"type":"status","products":[{"id":"BTC-USD","status":"online"}],"currencies":[]}
["open","BTC-USD","200000000112","id","buy","64120.11","0.02","2026-08-25T12:00:00.199394Z"]
""".split(b"\n")[1:-1]


def good_frames() -> dict[str, tuple[list[bytes], list[bytes]]]:
    """Frames by venue, common ones and giants: recorded where there are any, always made ones."""
    made = Made(3, HOUR_START_NS)
    arrivals = [*made.open("ws1"), *made.run(MADE_S)]
    frames = {
        ADVANCED: [each.raw for each in arrivals if isinstance(each, Frame)],
        EXCHANGE: list(_EXCHANGE_MADE) * 20,
    }
    recorded = {ADVANCED: (RECORDED_ADVANCED,), EXCHANGE: RECORDED_EXCHANGE}
    for venue, paths in recorded.items():
        for path in paths:
            if path.exists():
                lines = (line.raw for line in read_lines(path) if not line.outgoing)
                frames[venue] += _some(lines)
    return {
        venue: (
            [each for each in found if len(each) < GIANT_BYTES],
            [each for each in found if len(each) >= GIANT_BYTES],
        )
        for venue, found in frames.items()
    }


def _some(frames: Iterator[bytes]) -> list[bytes]:
    """Some frames of a file: the first, which hold its snapshots, and a sample of the others."""
    every = list(frames)
    sample = random.Random(len(every)).sample(every, min(len(every), FRAMES_A_FILE_MAX))
    return every[:50] + sample
