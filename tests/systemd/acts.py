"""What all trials do: they start, kill, wait, and look at what was left. And their list."""

import time
from collections.abc import Callable
from typing import Any

from tests.systemd.installed import DATA, asked, configure, events, serve
from tests.systemd.machine import Machine

UNIT = "recorder.service"
WATCHDOG_S = 6  # of 30, so that nobody waits for long
Trial = Callable[[Machine], str]
TRIALS: dict[str, Trial] = {}
PACKAGED: set[str] = set()


def trial(function: Trial | None = None, *, packaged: bool = False) -> Any:
    """Make it one that is played, by its name; ``packaged``: on a machine without the recorder."""

    def known(function: Trial) -> Trial:
        name = function.__name__.replace("_", "-")
        TRIALS[name] = function
        if packaged:
            PACKAGED.add(name)
        return function

    return known if function is None else known(function)


def start(machine: Machine, unit: str = UNIT) -> float:
    """Start a unit and wait until it is ready, as systemctl does; seconds."""
    began_s = time.monotonic()
    machine.run("systemctl", "start", unit)
    return time.monotonic() - began_s


def begin(machine: Machine, **options: str) -> None:
    """A venue, a configuration, and a recorder that records."""
    serve(machine)
    configure(machine, **options)
    start(machine)


def restarts(machine: Machine, unit: str = UNIT) -> int:
    return int(machine.show(unit)["NRestarts"])


def recorded_again(machine: Machine, since: float, unit: str = UNIT) -> float:
    """Wait until a book is live again; seconds since then."""
    live = machine.wait(
        lambda: [at for at in events(machine, "book_live", unit) if at > since],
        "a book is live again",
    )
    return live[0] - since


def kill(machine: Machine, number: int, unit: str = UNIT) -> float:
    """Send a signal to the main process; when."""
    at = time.time()
    machine.run("kill", f"-{number}", str(machine.main_pid(unit)))
    return at


def stopped_cleanly(machine: Machine, unit: str = UNIT, data: str = DATA) -> None:
    """The unit ended by itself, and the data say so and are whole."""
    shown = machine.show(unit)
    assert (shown["Result"], shown["ExecMainStatus"]) == ("success", "0"), shown
    found = asked(machine, "verify", "--data", data)
    assert found["whole"], found
    rows = asked(machine, "coverage", "--data", data, "--intervals")
    ends = {row["end_time"] for row in rows}
    assert None not in ends, "an interval has no end"
