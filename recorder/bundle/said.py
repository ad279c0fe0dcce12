"""The last lines of the log: of systemd's journal where there is one, or of a file.

A line that is an event of ours keeps its keys; all texts are sieved. What else stands there, such
as a traceback or what systemd says, is sieved as text.
"""

import json
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recorder import logs
from recorder.bundle.shown import Shown
from recorder.credentials import environment_without
from recorder.errors import NoInputError

WAIT_S_MAX = 20.0
LINE_BYTES_MAX = 64 * 1024
UNITS = ("recorder.service", "recorder@*.service")
# Fields that journald makes itself: of these only when, who by its unit, and how bad.
_TIME, _UNIT, _PRIORITY = "__REALTIME_TIMESTAMP", "_SYSTEMD_UNIT", "PRIORITY"


def of_journal(lines_max: int, shown: Shown) -> list[str] | None:
    """The last lines that our units wrote; None where there is no journal to be read."""
    program = shutil.which("journalctl")
    if program is None:
        return None
    units = [f"--unit={unit}" for unit in UNITS]
    command = [program, "--no-pager", "--quiet", "--output=json", f"--lines={lines_max}", *units]
    try:
        ran = subprocess.run(  # noqa: S603  what PATH has, and numbers
            command, capture_output=True, check=False, timeout=WAIT_S_MAX, env=environment_without()
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if ran.returncode != 0:
        return None
    return list(_each(ran.stdout.splitlines(), lambda text: _entry(text, shown)))


def of_file(path: Path, lines_max: int, shown: Shown) -> list[str]:
    """The last lines of a file, to which somebody sent the log.

    Raises:
        NoInputError: it cannot be read.
    """
    last: deque[bytes] = deque(maxlen=lines_max)
    try:
        with path.open("rb") as file:
            while line := file.readline(LINE_BYTES_MAX):
                last.append(line.rstrip(b"\n"))
    except OSError as error:
        raise NoInputError(f"the log {path} cannot be read: {error.strerror}") from None
    return list(_each(last, lambda text: _line(text, shown)))


def _each(lines: Iterable[bytes], show: Callable[[str], str]) -> Iterator[str]:
    for line in lines:
        yield show(line[:LINE_BYTES_MAX].decode("utf-8", "replace"))


def _line(text: str, shown: Shown) -> str:
    """A line of a log: JSON of an event of ours, or text."""
    found = _object(text)
    if found is not None and found.get("event") in logs.EVENTS:
        return _json(shown.value(found))
    return shown.text(text)


def _entry(text: str, shown: Shown) -> str:
    """An entry of the journal: our fields by their names as in JSON, or the message."""
    found = _object(text) or {}
    entry = {
        "ts": _moment(found.get(_TIME)),
        "unit": shown.text(str(found.get(_UNIT, ""))),
        "priority": shown.value(found.get(_PRIORITY)),
    }
    if found.get("EVENT") in logs.EVENTS:
        fields = {
            name.lower(): value
            for name, value in found.items()
            if not name.startswith(("_", "SYSLOG_")) and name not in {"MESSAGE", _PRIORITY, "TS"}
        }
        return _json(entry | shown.value(fields))
    return _json({**entry, "message": shown.text(str(found.get("MESSAGE", "")))})


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _moment(microseconds: object) -> str | None:
    if not isinstance(microseconds, str) or not microseconds.isdecimal():
        return None
    seconds = int(microseconds[:16]) / 1e6
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
