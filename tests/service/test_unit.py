"""What a manager is told of a recording, from its start to its end."""

from typing import Any

import pytest

from recorder.progress import Progress
from recorder.service.notifier import Notifier
from recorder.service.unit import READY_S_MAX, State, Unit, status_line
from recorder.service.vitals import Signs


class Told(Notifier):
    """A manager with WatchdogSec=30, and all that it was told."""

    def __init__(self, watchdog_s: float = 30.0) -> None:
        super().__init__(lambda _: None)
        self.active, self.watchdog_s = True, watchdog_s
        self.messages: list[dict[str, Any]] = []

    def send(self, **fields: object) -> bool:
        self.messages.append(fields)
        return True

    def of(self, name: str) -> list[Any]:
        return [each[name] for each in self.messages if name in each]


def progress(frames: int = 0, up: int = 1) -> Progress:
    return Progress(2, frames, 0, 0, 0, 0, up, 1, 2 * up, 60.0, 5.0)


def state(frames: int = 0, *, recording: bool = True, recovered: bool = True, **more: Any) -> State:
    return State(progress(frames), recording, recovered, **more)


def run(unit: Unit, begin: int, end: int, *, stuck: bool = False, **how: Any) -> None:
    """Look once a second."""
    for second in range(begin, end):
        unit.look(state(10 * second, **how), Signs({}, "", "held" if stuck else second), second)


def test_ready_once_it_records_and_has_recovered() -> None:
    told = Told()
    unit = Unit(told)
    run(unit, 0, 5, recording=False, recovered=False)
    run(unit, 5, 8, recovered=False)
    assert told.of("READY") == []
    run(unit, 8, 20)
    assert told.of("READY") == [1]
    assert not told.of("STATUS")[-1].startswith("degraded")


@pytest.mark.parametrize("how", [{"recording": False}, {"recovered": False}])
def test_after_a_while_it_is_ready_all_the_same(how: dict[str, bool]) -> None:
    """Degraded, and it says so."""
    told = Told()
    run(Unit(told), 0, int(READY_S_MAX) + 1, **how, doubts=("no connection",))
    (ready,) = [each for each in told.messages if "READY" in each]
    assert ready["STATUS"].startswith("degraded: no connection")
    assert ("recovery is going on" in ready["STATUS"]) == ("recovered" in how)


def test_the_watchdog_is_fed_three_times_in_its_time() -> None:
    told = Told(watchdog_s=30.0)
    unit = Unit(told)
    run(unit, 0, 60)
    assert told.of("WATCHDOG") == [1] * 6
    assert unit.pings == 6
    quiet = Told(watchdog_s=0.0)
    run(Unit(quiet), 0, 60, stuck=True)
    assert quiet.of("WATCHDOG") == []


def test_what_is_stuck_is_told_and_not_fed() -> None:
    """Once, after WatchdogSec; and fed again should it get on after all."""
    told = Told(watchdog_s=30.0)
    unit = Unit(told)
    run(unit, 0, 90, stuck=True)
    assert told.of("WATCHDOG") == [1, 1, 1, 1, "trigger"]
    assert told.of("STATUS")[-1] == "stuck: the capture waits for the disk since 31 s"
    run(unit, 90, 110)
    assert told.of("WATCHDOG")[5:] == [1, 1]
    assert told.of("STATUS")[-1].startswith("2 products, 10 frames/s, ")


def test_a_reload_ends_with_ready() -> None:
    told = Told()
    unit = Unit(told)
    unit.reloading()  # nobody takes it for ready by this
    unit.reloaded()
    assert told.messages == []
    run(unit, 0, 2)
    unit.reloading()
    assert told.messages[-1]["RELOADING"] == 1
    assert "MONOTONIC_USEC" in told.messages[-1]
    unit.reloaded()
    assert told.of("READY") == [1, 1]
    unit.reloaded()  # of an earlier one
    assert told.of("READY") == [1, 1]


def test_a_stop_is_told_first_and_gets_time_while_it_gets_on() -> None:
    told = Told(watchdog_s=30.0)
    unit = Unit(told)
    run(unit, 0, 3)
    unit.stopping()
    unit.stopping()
    assert told.of("STOPPING") == [1]
    count = len(told.messages)
    run(unit, 3, 40)
    later = told.messages[count:]
    assert {name for each in later for name in each} == {"WATCHDOG", "EXTEND_TIMEOUT_USEC"}
    unit.flushing()
    assert "EXTEND_TIMEOUT_USEC" in told.messages[-1]


def test_a_stop_that_is_stuck_gets_no_more_time() -> None:
    """It is not triggered either: that would be a restart."""
    told = Told(watchdog_s=30.0)
    unit = Unit(told)
    run(unit, 0, 2, stuck=True)
    unit.stopping()
    run(unit, 2, 120, stuck=True)
    assert "trigger" not in told.of("WATCHDOG")
    assert len(told.of("EXTEND_TIMEOUT_USEC")) <= 3


def test_without_a_manager_nothing_is_done() -> None:
    unit = Unit()
    assert not unit.active
    run(unit, 0, 100, stuck=True)
    unit.reloading()
    unit.reloaded()
    unit.stopping()
    unit.flushing()


def test_the_status_is_one_line_for_people() -> None:
    one = Progress(1, 5, 0, 1, 1, 0, 1, 1, 1, 60.0, 5.0)
    assert status_line(one, None) == "1 product, 1 of 1 connection up, 1 book live, 1 gap"
    many = Progress(300, 5, 0, 2, 0, 0, 11, 12, 290, 60.0, 5.0)
    assert status_line(many, 1870.4, ("connections down: 1", "x")) == (
        "degraded: connections down: 1; x "
        "(300 products, 1,870 frames/s, 11 of 12 connections up, 290 books live, 2 gaps)"
    )
