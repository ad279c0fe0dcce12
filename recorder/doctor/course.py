"""All checks in their order, each by itself: one that fails keeps no other from being done."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recorder import config as settings
from recorder.doctor import access, directory, network, service, system
from recorder.doctor import settings as installed
from recorder.doctor.findings import FAIL, Case, Check, Finding, bad
from recorder.errors import ConfigError, NoInputError, RecorderError
from recorder.http import asking
from recorder.masking import without_keys

CHECKS: dict[str, Check] = {
    "config": installed.config,
    "unknown-keys": installed.unknown_keys,
    "python": installed.python,
    "libraries": installed.libraries,
    "time-zones": system.time_zones,
    "clock": system.clock,
    "open-files": system.open_files,
    "memory": system.memory,
    "rights": directory.rights,
    "file-system": directory.file_system,
    "disk-speed": directory.speed,
    "space": directory.space,
    "inodes": directory.inodes,
    "writers": directory.writers,
    "recovery": directory.recovery,
    "last-seal": directory.last_seal,
    "names": network.names,
    "tls": network.tls,
    "web-socket": network.web_socket,
    "rest": network.rest,
    "trades": network.trades,
    "venue-clock": network.clock,
    "key": access.key,
    "unit": service.unit,
    "http": service.http,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is examined: settings, a data directory instead of theirs, the network or not."""

    config: Path | None = None
    data: Path | None = None
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What all checks found. ``ok``: none failed."""

    ok: bool
    data: str
    counts: dict[str, int]
    findings: list[Finding]


def examine(asked: Asked, told: Callable[[Finding], None] | None = None) -> Diagnosis:
    """Do every check; ``told`` hears of each as it is done. Blocks, for seconds at most."""
    case = case_of(asked)
    findings = []
    for name, check in CHECKS.items():
        findings.append(_finding(name, check, case))
        if told is not None:
            told(findings[-1])
    counts = Counter(each.state for each in findings)
    data = without_keys(str(case.data.absolute()))
    return Diagnosis(not counts[FAIL], data, dict(counts), findings)


def case_of(asked: Asked) -> Case:
    """Read the settings, right or wrong, and see who records."""
    wrong = None
    try:
        config = settings.load(asked.config)
    except ConfigError as error:
        wrong, config = error, settings.load(None)
    except NoInputError as error:
        wrong, config = ConfigError(str(error)), settings.load(None)
    data = (asked.data or config.data).expanduser()
    try:
        pid = asking.recording_pid(data)
    except RecorderError:  # `rights` tells of it
        pid = None
    return Case(config, data, asked.config, wrong, asked.offline, pid)


def _finding(name: str, check: Check, case: Case) -> Finding:
    try:
        verdict = check(case)
    except (OSError, RecorderError) as error:
        verdict = bad(f"could not be found out: {error}", "put that right, and ask again")
    # What was typed in place of a path, or stands in the configuration, may be a key.
    return Finding(name, verdict.state, without_keys(verdict.found), without_keys(verdict.fix))
