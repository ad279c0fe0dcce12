"""Which connection carries what, and how fast we speak."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.feed.plan import (
    HOLD_S_FIRST,
    PRODUCTS_MAX,
    WINDOW_S,
    Change,
    Line,
    Pace,
    change,
    replan,
    spread,
)

CHANNELS = ("level2", "heartbeats")


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


def test_the_most_traded_are_on_different_lines():
    """One after the other, so that no connection has all that is busy."""
    lines = spread([f"P{number:02d}-USD" for number in range(60)], CHANNELS)
    assert [line.products[0] for line in lines] == ["P00-USD", "P01-USD", "P02-USD"]
    assert {line.products[1] for line in lines} == {"P03-USD", "P04-USD", "P05-USD"}


def test_what_is_recorded_has_the_name_of_its_data():
    """`level2_batch` is asked for by its name, and recorded as `level2`."""
    line = Line(
        "ws1", ("BTC-USD",), ("level2_batch", "heartbeats", "status"), frozenset({"status"})
    )
    assert line.subscriptions()[0] == ("heartbeats", ("BTC-USD",))
    assert ("level2_batch", ("BTC-USD",)) in line.subscriptions()
    assert ("status", ()) in line.subscriptions()
    assert set(line.wanted()) == {
        ("level2", "BTC-USD"), ("heartbeats", "BTC-USD"), ("status", None),
    }  # fmt: skip


def test_a_line_without_products_asks_for_no_filtered_channel():
    """A subscription without products would be one to all of them."""
    line = Line("ws1", (), ("level2", "ticker", "heartbeats"))
    assert line.subscriptions() == [("heartbeats", ())]


NUMBERS = st.sets(st.integers(min_value=0, max_value=120), max_size=110)


@given(st.lists(NUMBERS, min_size=1, max_size=6))
def test_no_product_changes_its_line(steps):
    """Whatever is added and removed, in any order: the cap holds, and what stays, stays."""
    lines: list[Line] = []
    for numbers in steps:
        products = [f"P{number}-USD" for number in sorted(numbers)]
        before = {each: line.label for line in lines for each in line.products}
        lines = replan(lines, products, CHANNELS)
        after = {each: line.label for line in lines for each in line.products}
        assert sorted(after) == sorted(products)
        assert all(0 < len(line.products) <= PRODUCTS_MAX for line in lines)
        assert all(after[each] == before[each] for each in before.keys() & after.keys())
        assert len({line.label for line in lines}) == len(lines)
    assert replan(lines, products, CHANNELS) == lines


def test_what_is_new_fills_the_emptiest_line_before_there_is_another():
    """A connection is opened only for what finds no room."""
    products = [f"P{number:02d}-USD" for number in range(40)]
    lines = spread(products, CHANNELS)
    fewer = replan(lines, [each for each in products if each != lines[1].products[3]], CHANNELS)
    assert [len(line.products) for line in fewer] == [20, 19]
    more = replan(fewer, [*products, "A-USD", "B-USD"], CHANNELS)
    assert [len(line.products) for line in more] == [21, 21]
    full = replan(more, [f"Q{number:02d}-USD" for number in range(9)] + products, CHANNELS)
    assert [line.label for line in full] == ["ws1", "ws2"]
    wide = replan(lines, products + [f"Q{number:02d}-USD" for number in range(31)], CHANNELS)
    assert [(line.label, len(line.products)) for line in wide] == [
        ("ws1", 24), ("ws2", 24), ("ws3", 23),
    ]  # fmt: skip


def test_a_line_that_carries_nothing_is_left_out_and_its_label_is_free():
    """Its connection closes; a later one may be called the same."""
    lines = spread([f"P{number:02d}-USD" for number in range(50)], CHANNELS)
    left = replan(lines, lines[1].products, CHANNELS)
    assert [line.label for line in left] == ["ws2"]
    again = replan(left, [*lines[1].products, "NEW-USD"], CHANNELS)
    assert [line.label for line in again] == ["ws2", "ws1"]


def test_a_change_is_what_lies_between_two_lines():
    """Channels and products, each way; what stays is not mentioned."""
    before = Line("ws1", ("A-USD", "B-USD"), ("level2", "ticker", "heartbeats"))
    after = Line("ws1", ("B-USD", "C-USD"), ("level2", "market_trades", "heartbeats"))
    assert change(before, after) == Change(
        unsubscribe=(("level2", ("A-USD",)), ("ticker", ("A-USD", "B-USD"))),
        subscribe=(("level2", ("C-USD",)), ("market_trades", ("B-USD", "C-USD"))),
    )
    assert change(after, after) == Change((), ())
    nothing = Line("ws1", (), ())
    assert change(nothing, after).subscribe == tuple(after.subscriptions())
    assert change(nothing, after).subscribe[0] == ("heartbeats", ())


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


async def test_the_urgent_go_first():
    """The first request of a connection must be there within 5 s, whatever else waits."""
    pace, order = Pace(2), []

    async def take(name: str, *, urgent: bool = False) -> None:
        await pace.wait_turn(urgent=urgent)
        order.append(name)

    await asyncio.gather(take("a"), take("b"), take("c"), take("d"), take("e", urgent=True))
    assert order == ["a", "b", "e", "c", "d"]


async def test_who_gives_up_waiting_takes_no_turn():
    """A connection that closed does not hold up the others."""
    pace = Pace(1)
    await pace.wait_turn()
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    leaving = [asyncio.create_task(pace.wait_turn()) for _ in range(20)]
    await asyncio.sleep(0)
    staying = asyncio.create_task(pace.wait_turn())
    for each in leaving:
        each.cancel()
    await asyncio.wait_for(staying, 3)
    assert WINDOW_S - 0.1 <= loop.time() - began_s < 2 * WINDOW_S
    # Cancelled after the turn was given and before it was taken.
    late = asyncio.create_task(pace.wait_turn())
    await asyncio.sleep(WINDOW_S + 0.05)
    next_one = asyncio.create_task(pace.wait_turn())
    late.cancel()
    await asyncio.wait_for(next_one, 3)


async def test_a_turn_counts_from_when_it_is_taken():
    """A loop that was busy between giving and taking does not make two bursts into one."""
    pace = Pace(3)
    loop = asyncio.get_running_loop()
    taken: list[float] = []

    async def take() -> None:
        await pace.wait_turn()
        taken.append(loop.time())

    tasks = [asyncio.create_task(take()) for _ in range(6)]
    await asyncio.sleep(0)
    end_s = loop.time() + 0.3
    while loop.time() < end_s:
        pass
    await asyncio.gather(*tasks)
    assert all(
        after - before >= WINDOW_S - 0.01
        for before, after in zip(taken[:-3], taken[3:], strict=True)
    )


async def test_a_complaint_holds_everybody_and_the_wait_doubles(monkeypatch):
    """1 s, 2 s, 4 s; complaints in between are about what was sent before."""
    monkeypatch.setattr("recorder.feed.plan.HOLD_S_FIRST", 0.1)
    monkeypatch.setattr("recorder.feed.plan.CALM_S", 0.3)
    assert HOLD_S_FIRST == 1.0
    pace = Pace(50)
    loop = asyncio.get_running_loop()
    waits = []
    for _ in range(3):
        began_s = loop.time()
        waits.append(pace.back_off())
        assert pace.back_off() <= waits[-1]
        await asyncio.gather(pace.wait_turn(), pace.wait_turn(urgent=True))
        assert loop.time() - began_s >= waits[-1] - 0.01
    assert waits == pytest.approx([0.1, 0.2, 0.4])
    assert all(after > before for before, after in pairwise(waits))
    await asyncio.sleep(0.35)
    assert pace.back_off() == pytest.approx(0.1)
