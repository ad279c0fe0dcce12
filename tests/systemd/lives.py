"""Trials of a recorder's life: ready, killed, stalled, stuck, cut off, stopped.

Each plays in a machine of its own, returns its figures, or fails as an assertion.
"""

import re
import signal
import time

from tests.systemd.acts import (
    DATA,
    UNIT,
    WATCHDOG_S,
    begin,
    kill,
    recorded_again,
    restarts,
    start,
    stopped_cleanly,
    trial,
)
from tests.systemd.installed import asked, configure, drop_in, events, serve
from tests.systemd.machine import Machine
from tests.systemd.roots import VENV

LATE_S = 3  # by which a stuck recorder may be replaced later than WatchdogSec
STOP_S_MAX = 5.0


@trial
def ready(machine: Machine) -> str:
    """READY=1 comes when something is recorded; the status line says how it goes."""
    serve(machine)
    configure(machine)
    took_s = start(machine)
    shown = machine.show(UNIT)
    assert shown["ActiveState"] == "active", shown
    assert events(machine, "session_opened"), "it said that it is ready, and was not connected"
    machine.wait(
        lambda: "books live" in machine.show(UNIT)["StatusText"], "the books are in the status line"
    )
    text = machine.show(UNIT)["StatusText"]
    assert not text.startswith("degraded"), text
    entries = machine.journal("EVENT=book_live", "PRODUCT_ID=BTC-USD")
    assert entries, "no entry of the journal is found by its fields"
    assert entries[0]["PRIORITY"] == "6", entries[0]
    return f"ready after {took_s:.2f} s; status: {text}"


@trial
def ready_without_the_venue(machine: Machine) -> str:
    """Without a venue it is ready after a while all the same, says so, and goes on trying."""
    configure(machine)
    took_s = start(machine)
    text = machine.show(UNIT)["StatusText"]
    assert text.startswith("degraded: no connection"), text
    at = time.time()
    serve(machine)
    again_s = recorded_again(machine, at)
    assert restarts(machine) == 0
    machine.wait(
        lambda: not machine.show(UNIT)["StatusText"].startswith("degraded"), "the status is better"
    )
    return f"degraded after {took_s:.1f} s; recording {again_s:.1f} s after the venue was started"


@trial
def killed(machine: Machine) -> str:
    """After kill -9 it records again, and nothing else is lost than coverage tells."""
    begin(machine)
    took = []
    for number in range(1, 4):
        at = kill(machine, signal.SIGKILL)
        took.append(recorded_again(machine, at))
        assert restarts(machine) == number
    machine.run("systemctl", "stop", UNIT)
    stopped_cleanly(machine)
    gaps = {row["reason"] for row in asked(machine, "coverage", "--data", DATA, "--gaps")}
    assert "recorder_down" in gaps, gaps
    return "recording again after " + ", ".join(f"{each:.2f} s" for each in took)


@trial
def stalled(machine: Machine) -> str:
    """A process that is stopped (SIGSTOP) is replaced by the watchdog."""
    drop_in(machine, UNIT, f"[Service]\nWatchdogSec={WATCHDOG_S}s\n")
    begin(machine)
    at = kill(machine, signal.SIGSTOP)
    took_s = recorded_again(machine, at)
    shown = machine.show(UNIT)
    assert restarts(machine) == 1, shown
    assert machine.journal(f"UNIT={UNIT}", "UNIT_RESULT=watchdog"), "it was not the watchdog"
    return f"WatchdogSec={WATCHDOG_S}s: recording again {took_s:.1f} s after it was stopped"


STUCK = """import os, threading, time
_sync = os.fdatasync
def _wait(handle):
    while os.path.exists("/var/lib/recorder/stuck"):
        time.sleep(0.1)
    _sync(handle)
os.fdatasync = _wait
"""


@trial
def stuck_writer(machine: Machine) -> str:
    """Alive, connected and receiving, but its disk does not answer: the watchdog replaces it."""
    (packages,) = machine.path(f"{VENV}/lib").glob("python3*/site-packages")
    (packages / "stuck.py").write_text(STUCK)
    (packages / "stuck.pth").write_text("import stuck\n")
    drop_in(machine, UNIT, f"[Service]\nWatchdogSec={WATCHDOG_S}s\n")
    begin(machine)
    at = time.time()
    machine.write(f"{DATA}/stuck", "")
    machine.wait(lambda: restarts(machine) == 1, "it is replaced")
    told = events(machine, "watchdog_triggered")
    machine.path(f"{DATA}/stuck").unlink()
    took_s = told[0] - at
    assert took_s <= WATCHDOG_S + LATE_S, took_s
    again_s = recorded_again(machine, at)
    (entry,) = machine.journal("EVENT=watchdog_triggered")
    threads = machine.run("journalctl", "-q", "--no-pager", "-o", "cat", "-u", UNIT)
    assert "_wait" in threads, "the journal does not say where it was stuck"
    return f"told after {took_s:.1f} s ({entry['PROBLEM']}); recording again after {again_s:.1f} s"


@trial
def outage(machine: Machine) -> str:
    """The venue is away for several times WatchdogSec: no restart, and it comes back by itself."""
    drop_in(machine, UNIT, f"[Service]\nWatchdogSec={WATCHDOG_S}s\n")
    begin(machine)
    pid = machine.main_pid(UNIT)
    machine.run("systemctl", "stop", "venue")
    time.sleep(WATCHDOG_S * 5)
    text = machine.show(UNIT)["StatusText"]
    assert text.startswith("degraded: no connection"), text
    at = time.time()
    serve(machine)
    took_s = recorded_again(machine, at)
    assert (restarts(machine), machine.main_pid(UNIT)) == (0, pid)
    return f"{WATCHDOG_S * 5} s of outage: 0 restarts; recording {took_s:.1f} s after its end"


@trial
def stop_under_load(machine: Machine) -> str:
    """SIGTERM while much arrives: a clean end, exit code 0, all of it in seconds."""
    products = tuple(f"P{number}-USD" for number in range(10))
    serve(machine, " ".join(f"--product {name}" for name in products) + " --rate 30 --depth 0.1")
    configure(machine, products=products)
    start(machine)
    machine.wait(lambda: len(events(machine, "book_live")) >= len(products), "all books are live")
    time.sleep(5)
    text = machine.wait(lambda: _rate(machine) or None, "a rate is told")
    began_s = time.monotonic()
    machine.run("systemctl", "stop", UNIT)
    took_s = time.monotonic() - began_s
    stopped_cleanly(machine)
    (ended,) = machine.journal("EVENT=recorder_stopped")
    assert took_s <= STOP_S_MAX, f"{took_s:.1f} s at {text}"
    return f"stopped after {took_s:.2f} s at {text}; {int(ended['FRAMES']):,} frames, whole"


def _rate(machine: Machine) -> str:
    found = re.search(r"[\d,.]+ frames/s", machine.show(UNIT)["StatusText"])
    return found[0] if found else ""


@trial
def stopped_twice(machine: Machine) -> str:
    """A second SIGTERM waits for nobody: synced and gone, and the next start loses nothing."""
    begin(machine)
    time.sleep(3)
    pid = machine.main_pid(UNIT)
    began_s = time.monotonic()
    machine.run("systemctl", "stop", "--no-block", UNIT)
    machine.try_("kill", "-TERM", str(pid))
    machine.wait(lambda: machine.show(UNIT)["ActiveState"] == "inactive", "it has stopped")
    took_s = time.monotonic() - began_s
    shown = machine.show(UNIT)
    assert (shown["Result"], shown["ExecMainStatus"]) == ("success", "0"), shown
    start(machine)
    machine.run("systemctl", "stop", UNIT)
    stopped_cleanly(machine)
    return f"gone after {took_s:.2f} s; whole after the next start"
