"""All of a bundle: each part by itself, so that what cannot be had keeps nothing else out."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recorder import config as settings
from recorder import doctor
from recorder.bundle import archive, held, machine, running, said
from recorder.bundle.archive import Member
from recorder.bundle.shown import Shown, mistakes, of_config
from recorder.config import Config, HttpConfig
from recorder.errors import ConfigError, RecorderError

ABOUT = """What the recorder tells of itself, for a report of a problem.

Nothing in here is a key: words are shown only if they stand in the recorder's own source or are
known to be harmless, and everything else is "\N{HORIZONTAL ELLIPSIS}". There is no market data, no
path of yours, no name of a user or a machine, no frame. Look for yourself; all of it is text.

"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a bundle is asked to be. ``log`` is a file with the log; None: systemd's journal.

    ``days``: how far back faults, coverage and hours go; ``lines``: how many of the log;
    ``offline``: whether the checks of `recorder.doctor` leave the network alone.
    """

    out: Path | None = None
    data: Path | None = None
    config: Path | None = None
    log: Path | None = None
    days: int = 7
    lines: int = 2_000
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bundle: its name, what it is, bytes; why it is not there, where it is not."""

    name: str
    what: str
    bytes: int = 0
    left_out: str | None = None


@dataclass(slots=True)
class Made:
    """A bundle that was made: where it is, and what is in it."""

    path: str
    bytes: int = 0
    parts: list[Part] = field(default_factory=list)


class _Course:
    """Collects the parts."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._config: Config | None = None
        self._wrong: ConfigError | None = None
        try:
            self._config = settings.load(asked.config)
        except ConfigError as error:
            self._wrong = error
        configured = Path("data") if self._config is None else self._config.data
        self._data = (asked.data or configured).expanduser()
        self._products = held.known_products(self._data)
        self._shown = Shown(self._products)
        self._secrets = archive.secrets_here(
            None if self._config is None else self._config.feed.key_file, self._http.token_file
        )
        self._members: list[Member] = []
        self.parts: list[Part] = []

    @property
    def _http(self) -> HttpConfig:
        return HttpConfig() if self._config is None else self._config.http

    def collect(self) -> list[Member]:
        """All members, with the one that says what is in there first."""
        looked = held.Held(self._data, self._asked.days, self._shown)
        days = f"the last {self._asked.days} days"
        self._add("about.json", "versions and the machine", machine.about)
        self._add("config.json", "the settings that no key fits into", self._settings)
        self._add("status.json", "what the recorder says of itself", self._status)
        self._add("metrics.txt", "its metrics", self._metrics)
        self._add("log.ndjson", "the last lines of its log", self._log)
        self._add("disk.json", "the disk and the limits", lambda: machine.disk(self._data))
        self._add("sizes.json", "files and bytes by folder", looked.sizes)
        self._add("hours.json", f"hours of {days} with their sizes", looked.hours)
        self._add("faults.json", f"faults of {days}, without frames", looked.faults)
        self._add("coverage.json", f"conditions of days and gaps of {days}", looked.coverage)
        self._add("whole.json", "whether the files are there that are named", looked.whole)
        self._add("doctor.json", "what `recorder doctor` finds", self._doctor)
        return [self._contents(), *self._members]

    def _add(self, name: str, what: str, look: Callable[[], Any]) -> None:
        """Add a part, or note why it is not there."""
        try:
            content = _encoded(look())
        except (RecorderError, OSError) as error:
            return self._leave_out(name, what, self._shown.text(str(error)))
        if not content.strip():
            return self._leave_out(
                name, what, "nobody serves it" if name != "log.ndjson" else NO_LOG
            )
        if archive.holds(content, self._secrets):
            return self._leave_out(name, what, "it held a key of this machine: please report that")
        self._members.append(Member(name, what, content))
        return self.parts.append(Part(name, what, len(content)))

    def _leave_out(self, name: str, what: str, why: str) -> None:
        self.parts.append(Part(name, what, left_out=why))

    def _contents(self) -> Member:
        lines = [
            f"{each.name:<15} {each.what}"
            + (f": NOT THERE, {each.left_out}" if each.left_out else "")
            for each in self.parts
        ]
        return Member("README.txt", "what is in here", (ABOUT + "\n".join(lines) + "\n").encode())

    def _settings(self) -> dict[str, Any]:
        if self._config is None:
            assert self._wrong is not None
            return {"is_right": False, "mistakes": mistakes(self._wrong.places)}
        return {"is_right": True, **of_config(self._config, self._products)}

    def _status(self) -> dict[str, Any]:
        return running.status(self._data, self._http, self._shown)

    def _metrics(self) -> str:
        return running.metrics(self._data, self._http, self._shown)

    def _doctor(self) -> dict[str, Any]:
        asked = doctor.Asked(self._asked.config, self._data, self._asked.offline)
        found = doctor.examine(asked)
        return {
            "ok": found.ok,
            "findings": [self._shown.value(asdict(each)) for each in found.findings],
        }

    def _log(self) -> str:
        if self._asked.log is not None:
            lines = said.of_file(self._asked.log, self._asked.lines, self._shown)
        else:
            lines = said.of_journal(self._asked.lines, self._shown) or []
        return "".join(f"{line}\n" for line in lines)


NO_LOG = "there is no journal with lines of it; name the file that has the log with --log"


def make(asked: Asked) -> Made:
    """Make a bundle; nothing is written but the file.

    Raises:
        UsageError: there is a file of that name already.
        NoInputError: the configuration cannot be read.
        StorageError: the file cannot be written.
    """
    name = f"recorder-support-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz"
    path = asked.out or Path(name)
    if path.is_dir():
        path /= name
    archive.refuse_existing(path)  # before anybody waits for what goes in
    course = _Course(asked)
    size = archive.write(path, course.collect())
    return Made(str(path.absolute()), size, course.parts)


def _encoded(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
