"""Where the real recordings lie, if they do: `shared/captures` beside the checkout.

They are other people's and stay outside of the project; tests that need them are skipped, with
this reason, where they are not there.
"""

import json
from pathlib import Path
from typing import Any

import pytest

CAPTURES = Path(__file__).resolve().parents[2] / "shared" / "captures"
ADVANCED_NAME = "coinbase-advanced-trade/20260809T210548Z-btc-eth-all-channels.part1.ndjson.gz"
ADVANCED = CAPTURES / ADVANCED_NAME
_EXCHANGE = CAPTURES / "coinbase-exchange"
EXCHANGE = (
    _EXCHANGE / "20180415T231142Z-btc-level2-matches-1min.recon.ndjson.gz",
    _EXCHANGE / "20180417T005501Z-btc-level2-matches-10min.recon.ndjson.gz",
    _EXCHANGE / "20210417T164337Z-ten-products-level2-ticker-matches.ndjson.gz",
    _EXCHANGE / "20251112T072011Z-btc-ticker-three-connections.ndjson.gz",
)

needs_captures = pytest.mark.skipif(
    not ADVANCED.exists(),
    reason="the recorded Coinbase traffic (../shared/captures) is not beside this checkout",
)


def expected(capture: Path = ADVANCED) -> dict[str, Any]:
    """What a correct reader finds in a capture."""
    content = json.loads((CAPTURES / "expected.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = content[str(capture.relative_to(CAPTURES))]
    return found
