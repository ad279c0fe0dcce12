"""Checks of what runs: the unit of systemd, and the port of HTTP."""

import shutil
import subprocess
from pathlib import Path

from recorder.credentials import environment_without
from recorder.doctor.findings import Case, Verdict, bad, doubtful, good, skipped
from recorder.errors import RecorderError
from recorder.http import asking
from recorder.http.door import bound

BOOTED = Path("/run/systemd/system")
UNIT = "recorder.service"
WAIT_S_MAX = 10.0
RESTARTS_GOOD = 3
_SHOWN = ("LoadState", "ActiveState", "SubState", "Result", "NRestarts", "UnitFileState")
_LOOK = f"`journalctl -u {UNIT} -n 50` says why"
_LOG = f"its log says more (`journalctl -u {UNIT} -n 50` where systemd runs it)"


def unit(_: Case) -> Verdict:
    """The unit of systemd is well, where there is one."""
    if not BOOTED.exists() or (program := shutil.which("systemctl")) is None:
        return skipped("systemd does not run here")
    told = _properties(program)
    if told is None or told.get("LoadState") == "not-found":
        return skipped("systemctl does not answer" if told is None else f"no {UNIT} is installed")
    active, result = told.get("ActiveState"), told.get("Result")
    restarts = int(told.get("NRestarts") or 0)
    found = f"{active} ({told.get('SubState')}), {told.get('UnitFileState') or 'static'}"
    if active == "failed" or (active == "activating" and result not in (None, "success")):
        return bad(f"{found}: {result}", _LOOK)
    if active not in ("active", "activating", "reloading"):
        return doubtful(found, f"systemctl enable --now {UNIT}")
    if restarts > RESTARTS_GOOD:
        return doubtful(f"{found}, restarted {restarts} times", _LOOK)
    return good(found)


def _properties(program: str) -> dict[str, str] | None:
    command = [program, "show", UNIT, *(f"--property={name}" for name in _SHOWN)]
    try:
        ran = subprocess.run(  # noqa: S603  what PATH has, and constants
            command, capture_output=True, text=True, check=False, timeout=WAIT_S_MAX,
            env=environment_without(),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    if ran.returncode != 0:
        return None
    pairs = (line.partition("=") for line in ran.stdout.splitlines())
    return {name: value for name, _, value in pairs}


def http(case: Case) -> Verdict:
    """HTTP is served by the recorder that runs, or its port is free for one."""
    address = case.config.http.listen
    if case.pid is not None:
        return _served(case)
    if address is None:
        return skipped('http.listen is "off"')
    if address.port == 0:
        return good("any free port is taken")
    try:
        bound(address).close()
    except OSError as error:
        fix = f"stop who listens there (`ss -ltnp sport = :{address.port}`), or set http.listen"
        return doubtful(f"{address} cannot be had: {error.strerror}", fix)
    return good(f"{address} is free")


def _served(case: Case) -> Verdict:
    try:
        live = asking.ask(case.data, case.config.http)
    except RecorderError as error:
        return doubtful(str(error), "name the recorder's own configuration; see its log")
    if live is None:
        if case.config.http.listen is None:
            return skipped('http.listen is "off"')
        return doubtful(
            f"process {case.pid} serves none", "see its log for `http_not_served`; set http.listen"
        )
    if not live["ready"]:
        why = "; ".join(str(each["detail"]) for each in live["reasons"])
        return bad(f"it is served, and says that it does not record as it should: {why}", _LOG)
    return good(f"it is served, and ready with {live['products']} products")
