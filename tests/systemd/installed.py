"""The recorder installed in a machine as systemd/README.md says, and a venue beside it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.systemd import roots
from tests.systemd.machine import Machine
from tests.systemd.roots import DIST, VENV, Release

PORT = 8765
DATA = "/var/lib/recorder"
UNITS = "/etc/systemd/system"
PYTHON = f"{VENV}/bin/python"
RECORDER = f"{VENV}/bin/recorder"
PIP = (PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index",
       "--require-hashes", "--only-binary", ":all:")  # fmt: skip
VENUE = f"""[Service]
Type=exec
DynamicUser=yes
StateDirectory=venue
WorkingDirectory=%S/venue
Environment=PYTHONDONTWRITEBYTECODE=1
ExecStart={RECORDER} venue --port {PORT} --seed 1 OPTIONS
"""


def dist(folder: Path, release: Release) -> Path:
    """What the machine gets to see: the wheels, the recorder's own, lock files, units."""
    folder.mkdir()
    for path in roots.wheels(release).iterdir():
        (folder / path.name).hardlink_to(path) if _same_disk(path, folder) else shutil.copy(
            path, folder
        )
    shutil.copy(roots.LOCK, folder)
    roots.wheel(folder)
    shutil.copytree(roots.PROJECT / "systemd", folder / "systemd")
    return folder


def _same_disk(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev


def root_of(release: Release, dist_folder: Path) -> Path:
    """A root with the locked wheels installed, offline, by its own pip."""
    root, stamp = roots.unpacked(release), roots.stamp(release)
    if not stamp.exists():
        roots.unpack(release, root)
        with Machine(root, dist_folder, keep=True) as machine:
            machine.run("python3", "-m", "venv", VENV)
            machine.run(*PIP, "--find-links", DIST, "--requirement", f"{DIST}/requirements.lock")
        stamp.touch()
    return root


@contextmanager
def installed(root: Path, dist_folder: Path) -> Iterator[Machine]:
    """A machine with the recorder and its units, not configured and not started."""
    with Machine(root, dist_folder) as machine:
        machine.run(*PIP, "--no-deps", "--requirement", f"{DIST}/recorder.lock")
        machine.run("install", "-D", "-m", "0644", f"{DIST}/systemd/sysusers.conf",
                    "/usr/lib/sysusers.d/recorder.conf")  # fmt: skip
        machine.run("install", "-D", "-m", "0644", f"{DIST}/systemd/tmpfiles.conf",
                    "/usr/lib/tmpfiles.d/recorder.conf")  # fmt: skip
        machine.run("systemd-sysusers")
        machine.run("systemd-tmpfiles", "--create", "recorder.conf")
        names = sorted(path.name for path in (dist_folder / "systemd").glob("recorder*.*"))
        units = [f"{DIST}/systemd/{name}" for name in names if not name.endswith(".toml")]
        machine.run("install", "-m", "0644", *units, UNITS)
        machine.run("systemctl", "daemon-reload")
        yield machine


def configure(
    machine: Machine,
    name: str = "recorder",
    *,
    data: str | None = None,
    products: tuple[str, ...] = ("BTC-USD", "ETH-USD"),
    feed: str = "",
    store: str = "",
) -> None:
    """Write a configuration that records from the venue of the machine."""
    folder = data or f"/var/lib/{'recorder' if name == 'recorder' else f'recorder-{name}'}"
    machine.write(
        f"/etc/recorder/{name}.toml",
        f'data = "{folder}"\n[feed]\nurl = "ws://127.0.0.1:{PORT}"\n'
        f"products = {json.dumps(products)}\n{feed}\n[store]\npart_seconds = 2\n{store}\n",
        0o640,
    )
    machine.run("chgrp", "recorder", f"/etc/recorder/{name}.toml")


def serve(machine: Machine, options: str = "--depth 0.05") -> None:
    """Start the venue, or start it anew with other options."""
    machine.write(f"{UNITS}/venue.service", VENUE.replace("OPTIONS", options))
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "venue")
    machine.wait(lambda: "venue ready" in _said(machine), "the venue serves")


def _said(machine: Machine) -> str:
    return machine.run("journalctl", "--no-pager", "-q", "-o", "cat", "-u", "venue")


def drop_in(machine: Machine, unit: str, text: str) -> None:
    """Change a unit as `systemctl edit` does."""
    machine.write(f"{UNITS}/{unit}.d/trial.conf", text)
    machine.run("systemctl", "daemon-reload")


def events(
    machine: Machine, event: str, unit: str = "recorder.service", **fields: str
) -> list[float]:
    """When an event was logged, in seconds since 1970, by the fields of the journal."""
    matches = [f"EVENT={event}", f"_SYSTEMD_UNIT={unit}"]
    matches += [f"{name.upper()}={value}" for name, value in fields.items()]
    return [int(each["__REALTIME_TIMESTAMP"]) / 1e6 for each in machine.journal(*matches)]


def asked(machine: Machine, *command: str) -> Any:
    """What a command of ours answers as JSON; its exit code may be anything."""
    done = machine.try_(RECORDER, *command, "--json")
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def down(machine: Machine) -> str:
    """How long heartbeats were not recorded, by what coverage tells."""
    query = (
        "SELECT max(end_time) - min(start_time) AS down FROM coverage "
        "WHERE channel = 'heartbeats' AND state = 'gap' AND start_time >= "
        "(SELECT min(end_time) FROM coverage WHERE channel = 'heartbeats' AND state = 'recorded')"
    )
    (found,) = asked(machine, "sql", query, "--data", DATA)
    return f"heartbeats were not recorded for {found['down']}"


def files(machine: Machine) -> list[tuple[str, int]]:
    """Every file of the data, and its size."""
    top = machine.path(DATA)
    return sorted((str(path.relative_to(top)), path.stat().st_size)
                  for path in top.rglob("*") if path.is_file())  # fmt: skip
