"""Which connection carries what, and how fast we speak."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from recorder.feed.plan import PRODUCTS_MAX, WINDOW_S, Pace, spread


@given(st.integers(min_value=1, max_value=200))
def test_every_product_is_on_one_connection_and_none_has_too_many(count):
    """Products are spread evenly over as few connections as the cap allows."""
    products = [f"P{number}-USD" for number in range(count)]
    lines = spread(products, ("level2", "heartbeats"))
    assert sorted(product for line in lines for product in line.products) == sorted(products)
    sizes = [len(line.products) for line in lines]
    assert max(sizes) <= PRODUCTS_MAX
    assert max(sizes) - min(sizes) <= 1
    assert len(lines) == -(-count // PRODUCTS_MAX)
    assert len({line.label for line in lines}) == len(lines)


def test_heartbeats_are_asked_for_first_and_without_products():
    """Heartbeats keep the other subscriptions alive, so they come first."""
    (line,) = spread(["BTC-USD"], ("level2", "ticker", "heartbeats"))
    assert line.subscriptions()[0] == ("heartbeats", ())
    assert ("heartbeats", None) in line.wanted()
    assert ("level2", "BTC-USD") in line.wanted()


async def test_a_burst_up_to_the_limit_goes_at_once_and_no_second_sees_more():
    """No window of a second has more turns than allowed, whoever waits."""
    pace = Pace(5)
    loop = asyncio.get_running_loop()
    turns: list[float] = []

    async def take() -> None:
        await pace.wait_turn()
        turns.append(loop.time())

    began_s = loop.time()
    await asyncio.gather(*(take() for _ in range(11)))
    assert turns[4] - began_s < 0.5
    assert turns[10] - began_s >= 2 * WINDOW_S - 0.01
    for index in range(len(turns) - 5):
        assert turns[index + 5] - turns[index] >= 1.0
