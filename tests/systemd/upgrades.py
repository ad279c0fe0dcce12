"""Trials of packages: installed on a clean machine, upgraded while it records, removed, purged.

Each plays in a machine of its own, returns its figures, or fails as an assertion.
"""

import json
import time
from datetime import datetime, timedelta
from typing import Any

from tests.systemd.acts import DATA, UNIT, restarts, start, stopped_cleanly, trial
from tests.systemd.installed import PORT, UNITS, asked, configure, down, events, files, serve
from tests.systemd.machine import Machine
from tests.systemd.packaged import DEB_NEXT, DEB_NOW, NEXT, install, version

COMMANDS_MAX, FIRST_ROWS_S_MAX = 5, 60.0
SETTINGS = "/etc/recorder/upgrade.conf"


@trial(packaged=True)
def package_first_rows(machine: Machine) -> str:
    """From a clean machine to rows that can be seen, by the commands of docs/operating.md."""
    install_s = install(machine, DEB_NOW)
    serve(machine)  # what is there already where the venue is Coinbase
    took_s = {"install": install_s}
    for name, command in (
        ("setup", ("recorder", "setup", "--url", f"ws://127.0.0.1:{PORT}", "--offline", "--yes")),
        ("start", ("systemctl", "enable", "--now", "recorder")),
        ("status", ("recorder", "status", "--data", DATA)),
    ):
        began_s = time.monotonic()
        done = machine.try_(*command)
        took_s[name] = time.monotonic() - began_s
        # A machine without a network and a time server does not pass all checks.
        assert done.returncode == 0 or name == "setup", (command, done.stdout, done.stderr)
    began_s = time.monotonic()
    found = machine.wait(lambda: _rows(machine), "rows can be seen")
    took_s["rows"] = time.monotonic() - began_s
    assert len(took_s) <= COMMANDS_MAX
    assert sum(took_s.values()) <= FIRST_ROWS_S_MAX, took_s
    whose = machine.run("stat", "-c", "%U:%G %a", DATA, "/etc/credstore").split("\n")
    assert whose[:2] == ["recorder:recorder 750", "root:root 700"], whose
    assert machine.path("/usr/share/doc/recorder/recorder.cdx.json").exists()
    told = ", ".join(f"{name} {each:.1f} s" for name, each in took_s.items())
    return f"{told}; {sum(took_s.values()):.1f} s in all to {found:,} rows"


def _rows(machine: Machine) -> int:
    """How many changes of books a reader sees."""
    query = f"SELECT count(*) AS n FROM read_parquet('{DATA}/live/level2/*.parquet')"
    done = machine.try_("recorder", "sql", query, "--data", DATA, "--json")
    return int(json.loads(done.stdout)[0]["n"]) if done.returncode == 0 else 0


@trial(packaged=True)
def package_upgrade(machine: Machine) -> str:
    """The next version comes while it records: settings stay, the gap is short and written down."""
    install(machine, DEB_NOW)
    before = version(machine)
    serve(machine)
    configure(machine)
    start(machine)
    machine.wait(lambda: len(events(machine, "book_live")) >= 2, "the books are live")
    machine.write(SETTINGS, machine.path(SETTINGS).read_text() + "# by hand\n")
    took_s = install(machine, DEB_NEXT)
    assert version(machine) == NEXT != before
    assert machine.path(SETTINGS).read_text().endswith("# by hand\n")
    machine.wait(lambda: len(events(machine, "book_live")) >= 4, "the books are live again")
    assert restarts(machine) == 0
    running = asked(machine, "status", "--data", DATA)["live"]["version"]
    assert running == NEXT, running
    machine.run("systemctl", "stop", UNIT)
    stopped_cleanly(machine)
    return f"{before} to {NEXT} in {took_s:.1f} s; {down(machine)}"


@trial(packaged=True)
def package_upgrade_left_alone(machine: Machine) -> str:
    """With restart=no the program before runs on, until somebody restarts it."""
    install(machine, DEB_NOW)
    serve(machine)
    configure(machine)
    start(machine)
    pid = machine.main_pid(UNIT)
    text = machine.path(SETTINGS).read_text()
    machine.write(SETTINGS, text.replace("restart=rolling", "restart=no"))
    install(machine, DEB_NEXT)
    time.sleep(3)
    assert machine.main_pid(UNIT) == pid, "it was restarted"
    took_s = _restart(machine)
    assert machine.main_pid(UNIT) != pid
    machine.run("systemctl", "stop", UNIT)
    stopped_cleanly(machine)
    return f"the same process after the upgrade; restarted by hand in {took_s:.1f} s, whole"


def _restart(machine: Machine) -> float:
    began_s = time.monotonic()
    machine.run("systemctl", "restart", UNIT)
    return time.monotonic() - began_s


@trial(packaged=True)
def package_upgrade_without_a_gap(machine: Machine) -> str:
    """Two shards record the same: an upgrade takes one at a time, and together they have all."""
    install(machine, DEB_NOW)
    serve(machine)
    names = ("one", "two")
    for name in names:
        configure(machine, name)
        start(machine, f"recorder@{name}")
    units = [f"recorder@{name}.service" for name in names]
    for unit in units:
        machine.wait(lambda unit=unit: len(events(machine, "book_live", unit)) >= 2, "books")
    time.sleep(2)
    begun = time.time()
    took_s = install(machine, DEB_NEXT)
    for unit in units:
        machine.wait(lambda unit=unit: len(events(machine, "book_live", unit)) >= 4, "books again")
    time.sleep(2)
    ended = time.time()
    machine.run("systemctl", "stop", "recorder@one", "recorder@two")
    for name, unit in zip(names, units, strict=True):
        stopped_cleanly(machine, unit, f"/var/lib/recorder-{name}")
    each = [_recorded(machine, (name,), begun, ended) for name in names]
    both = _recorded(machine, names, begun, ended)
    assert not both, f"neither of them recorded: {both}"
    assert all(each), "an upgrade without a restart shows nothing"
    alone = " and ".join(f"{sum(found, timedelta()).total_seconds():.1f} s" for found in each)
    return f"upgraded in {took_s:.1f} s; each alone lacks {alone} (all streams), together nothing"


def _recorded(
    machine: Machine, names: tuple[str, ...], begun: float, ended: float
) -> list[timedelta]:
    """What none of the recordings has between two times, by product and channel."""
    streams: dict[tuple[Any, Any], list[tuple[float, float]]] = {}
    for name in names:
        rows = asked(machine, "coverage", "--data", f"/var/lib/recorder-{name}", "--intervals")
        for row in rows:
            key, times = (row["channel"], row["product_id"]), (row["start_time"], row["end_time"])
            found = streams.setdefault(key, [])
            if row["state"] == "recorded":
                found.append(tuple(datetime.fromisoformat(each).timestamp() for each in times))
    lacking = []
    for intervals in streams.values():
        at = begun
        for start_s, end_s in sorted(intervals):
            if start_s > at and at < ended:
                lacking.append(timedelta(seconds=min(start_s, ended) - at))
            at = max(at, end_s)
        if at < ended:
            lacking.append(timedelta(seconds=ended - at))
    return lacking


@trial(packaged=True)
def package_removed(machine: Machine) -> str:
    """Removed, then purged: the program is gone, the data are there to the last file; and again."""
    install(machine, DEB_NOW)
    serve(machine)
    configure(machine)
    machine.run("systemctl", "enable", "--now", UNIT)
    machine.wait(lambda: len(events(machine, "book_live")) >= 2, "the books are live")
    time.sleep(3)
    machine.run("apt-get", "remove", "--yes", "--quiet", "recorder")
    before = files(machine)
    assert before
    assert machine.try_("systemctl", "cat", UNIT).returncode != 0
    assert not machine.path("/usr/lib/recorder").exists(), "something of the program is left"
    assert not machine.path(f"{UNITS}/multi-user.target.wants/recorder.service").is_symlink()
    assert machine.path("/etc/recorder/recorder.toml").exists()
    assert machine.path(SETTINGS).exists()
    said = machine.run("apt-get", "purge", "--yes", "--quiet", "recorder")
    assert "recorder: kept /var/lib/recorder" in said, said
    assert not machine.path(SETTINGS).exists()
    assert files(machine) == before
    install(machine, DEB_NOW)
    serve(machine)
    start(machine)
    machine.run("systemctl", "stop", UNIT)
    stopped_cleanly(machine)
    size = sum(size for _, size in before)
    return f"{len(before)} files, {size:,} bytes are there after purge; installed again, it goes on"
