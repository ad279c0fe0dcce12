"""What plan promises: what would be recorded, and why the rest is not."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from recorder import config as settings
from recorder.errors import UnavailableError
from recorder.feed.plan import spread
from recorder.feed.selection import Listed, explain, select
from recorder.listing import Planned

LIST = (
    Listed("BTC-USD", volume=9.5e8),
    Listed("BTC-USDC", alias="BTC-USD"),
    Listed("ETH-USD", "offline", volume=5e8),
    Listed("ETH-EUR"),
)


def planned(config: settings.Config, error: str = "", fetched: datetime | None = None) -> Planned:
    """A plan, made of the list above."""
    feed = config.feed
    found = select(feed.products, feed.exclude, LIST)
    verdicts = explain(feed.products, feed.exclude, LIST, found)
    lines = spread(found.products, feed.channels)
    return Planned("advanced", len(LIST), fetched, error, found, lines, verdicts)


def test_a_product_a_line_with_the_reason(
    call: Callable[..., Any], stand_in: Callable[..., None]
) -> None:
    """Those asked for, in the order of the recording; --all shows the others too."""
    stand_in("listing", plan_of=planned)
    found = call("plan", "--product", "*-USD", "--product", "NOPE-USD", "--product", "BTC-USDC")
    assert (found.code, found.err) == (0, "")
    rows = [row.split() for row in found.out.splitlines() if "USD" in row or "EUR" in row]
    assert rows[0][:5] == ["BTC-USD", "online", "950,000,000", "ws1", "asked"]
    assert rows[1] == ["BTC-USDC", "online", "ws1", "another", "name", "of", "BTC-USD"]
    assert "2 of 4 products over one connection." in found.out
    assert "Not a product of the venue: NOPE-USD." in found.out
    assert "ETH-EUR" not in found.out
    assert "ETH-EUR" in call("plan", "--product", "*-USD", "--all").out


def test_one_json_document(call: Callable[..., Any], stand_in: Callable[..., None]) -> None:
    """For programs: products, connections, verdicts."""
    fetched = datetime(2026, 11, 21, 19, tzinfo=UTC)
    stand_in("listing", plan_of=lambda config: planned(config, "it is down", fetched))
    arguments = ("plan", "--product", "all", "--exclude", "*-EUR", "--json")
    document = json.loads(call(*arguments).out)
    assert document["products"] == ["BTC-USD", "ETH-USD"]
    assert document["connections"] == {"ws1": ["BTC-USD", "ETH-USD"]}
    assert (document["error"], document["fetched"]) == ("it is down", "2026-11-21T19:00:00Z")
    assert document["excluded"] == ["ETH-EUR"]
    by_name = {each["product_id"]: each for each in document["verdicts"]}
    assert by_name["BTC-USDC"]["recorded_as"] == "BTC-USD"
    assert by_name["ETH-EUR"]["why"] == "excluded by *-EUR"


def test_an_old_list_is_told(call: Callable[..., Any], stand_in: Callable[..., None]) -> None:
    """Or that there is none."""
    fetched = datetime(2026, 11, 21, 19, tzinfo=UTC)
    stand_in("listing", plan_of=lambda config: planned(config, "it is down", fetched))
    out = " ".join(call("plan", "--product", "all").out.split())
    assert "could not be had, this is that of 2026-11-21 19:00:00.000 UTC: it is down" in out


@pytest.mark.parametrize(("product", "code"), [("btc-usd", 64), ("*-USD", 69)])
def test_what_cannot_be_planned(
    product: str, code: int, call: Callable[..., Any], stand_in: Callable[..., None]
) -> None:
    """A wrong option, and a list that nobody has."""

    def plan_of(_config: settings.Config) -> Planned:
        raise UnavailableError("no list")

    stand_in("listing", plan_of=plan_of)
    assert call("plan", "--product", product).code == code
