"""Trials of what is around a recorder: settings, keys, disks, shards, sandbox, timers, upgrades.

Each plays in a machine of its own, returns its figures, or fails as an assertion.
"""

import json
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

from tests.systemd import probe
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
from tests.systemd.installed import (
    PYTHON,
    UNITS,
    asked,
    configure,
    down,
    drop_in,
    events,
    files,
    serve,
)
from tests.systemd.machine import Machine
from tests.systemd.roots import DIST

DENIED_MIN = 15


@trial
def reload(machine: Machine) -> str:
    """A reload adds a product on the connection that is there; a bad file changes nothing."""
    serve(machine, "--product BTC-USD --product ETH-USD --product SOL-USD --depth 0.05")
    configure(machine)
    start(machine)
    pid, opened = machine.main_pid(UNIT), len(events(machine, "session_opened"))
    configure(machine, products=("BTC-USD", "ETH-USD", "SOL-USD"))
    at = time.time()
    machine.run("systemctl", "reload", UNIT)
    live = machine.wait(
        lambda: events(machine, "book_live", product_id="SOL-USD"), "SOL-USD is live"
    )
    machine.write("/etc/recorder/recorder.toml", "data = 3\n")
    machine.run("systemctl", "reload", UNIT)
    machine.wait(lambda: "refused" in machine.show(UNIT)["StatusText"], "the status tells of it")
    shown = machine.show(UNIT)
    assert (shown["ActiveState"], machine.main_pid(UNIT)) == ("active", pid), shown
    assert len(events(machine, "session_opened")) == opened
    assert len(events(machine, "config_refused")) == 1
    return (
        f"SOL-USD was live after {live[0] - at:.2f} s, on the same connection; a bad file: refused"
    )


@trial
def credentials(machine: Machine) -> str:
    """A key in the credential store reaches the service alone, and is gone when it stops."""
    serve(machine, "--depth 0.05 --rest-port 8766 --rest-key /var/lib/venue/key.json")
    found = machine.path("/var/lib/private/venue/key.json").read_text()
    secret = json.loads(found)["privateKey"].strip().splitlines()[1]
    machine.write("/etc/credstore/recorder.coinbase", found, 0o600)
    feed = 'rest_url = "http://127.0.0.1:8766"\nsign_all = true'
    configure(machine, feed=feed)
    start(machine)
    assert events(machine, "key_checked"), "the key was not used"
    pid = machine.main_pid(UNIT)
    folder = "/run/credentials/recorder.service"
    assert machine.run("cat", f"{folder}/coinbase") == found
    other = machine.try_("setpriv", "--reuid=65534", "--clear-groups", "cat", f"{folder}/coinbase")
    assert "Permission denied" in other.stderr, other
    store = machine.try_("setpriv", "--reuid=recorder", "--clear-groups", "cat",
                         "/etc/credstore/recorder.coinbase")  # fmt: skip
    assert "Permission denied" in store.stderr, store
    seen = [machine.path(f"/proc/{pid}/{name}").read_bytes() for name in ("environ", "cmdline")]
    seen.append(machine.run("journalctl", "-q", "--no-pager", "-o", "export", "--all").encode())
    seen += [each.read_bytes() for each in machine.path(DATA).rglob("*") if each.is_file()]
    assert not [each for each in seen if secret.encode() in each], "the key was told"
    machine.run("systemctl", "stop", UNIT)
    assert not machine.path(folder).exists()
    return f"used by its service, refused to others, in none of {len(seen)} places, gone after"


@trial
def disk_full(machine: Machine) -> str:
    """A full disk is waited for: it stays up, says so, and goes on when there is room."""
    drop_in(
        machine, UNIT,
        "[Service]\nTemporaryFileSystem=/srv/small:size=32M,mode=0777\n"
        f"WatchdogSec={WATCHDOG_S}s\n",
    )  # fmt: skip
    begin(machine, data="/srv/small/data", store='free_space_min = "0MB"')
    pid = machine.main_pid(UNIT)
    own = "/".join(("/proc", str(pid), "root", "srv", "small"))  # as the service sees it
    filler = machine.path(f"{own}/filler")
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    machine.wait(
        lambda: "the disk refuse" in machine.show(UNIT)["StatusText"], "the status tells of it"
    )
    time.sleep(WATCHDOG_S * 3)
    assert (restarts(machine), machine.main_pid(UNIT)) == (0, pid)
    at = time.time()
    filler.unlink()
    told = machine.wait(
        lambda: events(machine, "fault_recorded", kind="disk_recovered"), "it goes on"
    )
    found = asked(machine, "coverage", "--data", f"{own}/data", "--gaps")
    lost = [row for row in found if row["reason"] not in {"connecting", "recorder_down"}]
    assert not lost, lost
    return (
        f"full for {WATCHDOG_S * 3} s: 0 restarts; goes on {told[0] - at:.1f} s after there is room"
    )


@trial
def shards(machine: Machine) -> str:
    """Two at once, started by the target; one that dies does not touch the other."""
    serve(machine)
    for name, product in (("one", "BTC-USD"), ("two", "ETH-USD")):
        configure(machine, name, products=(product,))
    machine.run("systemctl", "enable", "recorder@one", "recorder@two")
    took_s = start(machine, "recorder.target")
    units = ["recorder@one.service", "recorder@two.service"]
    for unit in units:
        machine.wait(lambda unit=unit: machine.show(unit)["ActiveState"] == "active", unit)
        machine.wait(lambda unit=unit: events(machine, "book_live", unit), f"{unit}: a book")
    other = machine.main_pid(units[1])
    at = kill(machine, signal.SIGKILL, units[0])
    again_s = recorded_again(machine, at, units[0])
    assert machine.main_pid(units[1]) == other
    machine.run("systemctl", "stop", "recorder.target")
    for name, unit in zip(("one", "two"), units, strict=True):
        stopped_cleanly(machine, unit, f"/var/lib/recorder-{name}")
    return f"two ready after {took_s:.1f} s; one killed, recording again after {again_s:.2f} s"


ALERT = '#!/bin/sh\necho "$1 failed"\n'


@trial
def wrong_configuration(machine: Machine) -> str:
    """A mistake in it ends the start with 78, once; somebody is told."""
    machine.write("/etc/recorder/alert", ALERT, 0o755)
    configure(machine, store='keep_capture = "two days"')
    machine.try_("systemctl", "start", UNIT)
    time.sleep(4)
    shown = machine.show(UNIT)
    assert (shown["ActiveState"], shown["ExecMainStatus"]) == ("failed", "78"), shown
    assert restarts(machine) == 0
    said = machine.run("journalctl", "-q", "--no-pager", "-o", "cat")
    assert "store.keep_capture" in said
    assert f"{UNIT} failed" in said, "nobody was told"
    return "exit code 78, 0 restarts, the alert was run"


@trial
def sandbox(machine: Machine) -> str:
    """What the unit denies, tried inside of it."""
    source = Path(probe.__file__).read_text(encoding="utf-8")
    machine.write("/usr/lib/recorder/probe.py", source)
    machine.write("/var/lib/recorder-other/x", "")
    configure(machine)
    drop_in(
        machine, UNIT,
        f"[Service]\nType=oneshot\nRestart=no\nWatchdogSec=0\nExecStart=\n"
        f"ExecStart={PYTHON} -I /usr/lib/recorder/probe.py\n",
    )  # fmt: skip
    machine.run("systemctl", "start", UNIT)
    report = json.loads(machine.path(f"{DATA}/probe.json").read_text())
    done = [name for name, error in report["denied"].items() if not error]
    assert not done, f"it could: {', '.join(done)}"
    assert not any(report["allowed"].values()), report["allowed"]
    assert int(report["status"]["CapBnd"], 16) == 0, report["status"]
    assert (report["status"]["NoNewPrivs"], report["status"]["Seccomp"]) == ("1", "2")
    assert len(report["denied"]) >= DENIED_MIN
    scores = [_score(machine, name) for name in ("recorder.service", "recorder@main.service",
                                                 "recorder-pack@recorder.service")]  # fmt: skip
    return f"{len(report['denied'])} actions denied; exposure {', '.join(scores)}"


def _score(machine: Machine, unit: str) -> str:
    told = machine.run("systemd-analyze", "security", "--no-pager", unit)
    return re.search(r"exposure level for \S+: ([\d.]+)", told)[1]


@trial
def maintenance(machine: Machine) -> str:
    """Verify, pack and prune run as units, beside a recorder; timers are set."""
    begin(machine)
    names = [f"recorder-{name}@recorder" for name in ("verify", "pack", "prune")]
    took = []
    for name in names:
        machine.run("systemctl", "enable", "--now", f"{name}.timer")
        began_s = time.monotonic()
        machine.run("systemctl", "start", f"{name}.service")
        took.append(f"{name.split('-')[1].split('@')[0]} {time.monotonic() - began_s:.1f} s")
        assert machine.show(f"{name}.service")["Result"] == "success"
    listed = machine.run("systemctl", "list-timers", "--no-pager")
    assert all(f"{name}.timer" in listed for name in names), listed
    assert restarts(machine) == 0
    return f"{', '.join(took)}; three timers are waiting"


@trial
def restart(machine: Machine) -> str:
    """An upgrade: another wheel, a restart; how long nothing is recorded."""
    begin(machine)
    time.sleep(3)
    machine.run(PYTHON, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
                "--force-reinstall", "--require-hashes", "-r", f"{DIST}/recorder.lock")  # fmt: skip
    assert machine.show(UNIT)["ActiveState"] == "active"
    began_s = time.monotonic()
    machine.run("systemctl", "restart", UNIT)
    took_s = time.monotonic() - began_s
    machine.wait(lambda: len(events(machine, "book_live")) >= 4, "the books are live again")
    machine.run("systemctl", "stop", UNIT)
    stopped_cleanly(machine)
    return f"systemctl restart took {took_s:.2f} s; {down(machine)}"


@trial
def removed(machine: Machine) -> str:
    """What README.md says under "Remove" takes the program away, and no data."""
    begin(machine)
    time.sleep(3)
    machine.run("systemctl", "disable", "--now", UNIT)
    before = files(machine)
    for name in [each.name for each in machine.path(UNITS).iterdir()]:
        if name.startswith("recorder"):
            machine.run("rm", "-r", f"{UNITS}/{name}")
    machine.run("systemctl", "daemon-reload")
    machine.run("rm", "-r", "/usr/lib/recorder", "/etc/recorder")
    machine.run("rm", "/usr/lib/sysusers.d/recorder.conf", "/usr/lib/tmpfiles.d/recorder.conf")
    assert machine.try_("systemctl", "cat", UNIT).returncode != 0
    assert files(machine) == before
    assert before
    return f"{len(before)} files, {sum(size for _, size in before):,} bytes are still there"
