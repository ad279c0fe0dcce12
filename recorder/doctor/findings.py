"""What a check says, and what it is given."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recorder.config import Config
from recorder.errors import ConfigError

OK, WARN, FAIL, SKIP = "ok", "warn", "fail", "skip"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How something is: ``found`` in words, and in one line the ``fix`` where there is one."""

    state: str
    found: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    check: str
    state: str
    found: str
    fix: str


@dataclass(frozen=True, slots=True)
class Case:
    """What is examined. ``config`` is the defaults where the file is ``wrong``.

    ``pid`` is the process that records into ``data``, if any.
    """

    config: Config
    data: Path
    source: Path | None = None
    wrong: ConfigError | None = None
    offline: bool = False
    pid: int | None = None


Check = Callable[[Case], Verdict]


def good(found: str) -> Verdict:
    """All is as it should be."""
    return Verdict(OK, found)


def doubtful(found: str, fix: str) -> Verdict:
    """It records, and not as well as it could."""
    return Verdict(WARN, found, fix)


def bad(found: str, fix: str) -> Verdict:
    """It does not record, or will not for long, or what it records cannot be trusted."""
    return Verdict(FAIL, found, fix)


def skipped(why: str) -> Verdict:
    """There is nothing to be found out here."""
    return Verdict(SKIP, why)
