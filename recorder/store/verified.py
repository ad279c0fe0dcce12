"""The note of the last check of a data directory: when, and what came of it.

`recorder verify --note` leaves it, for the metrics of whoever records there. It lies in a folder of
its own, so that a check needs the right to write there and nowhere else.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from recorder.store.paths import Root
from recorder.store.publish import FOLDER_MODE, publish_json

FOLDER = ".verified"
NAME = "last.json"
MODE = 0o640
_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of checks: the last one ended at ``checked_s``, with so many ``findings``.

    ``whole_s`` is when the last one ended that had none, 0 for never; ``failures`` counts those
    that had some, since the first note. Times are seconds since 1970.
    """

    checked_s: float
    whole_s: float
    findings: int
    failures: int


def prepare(root: Root) -> None:
    """Make the folder; a disk that refuses it is no matter to who records."""
    with suppress(OSError):
        (root.path / FOLDER).mkdir(FOLDER_MODE, exist_ok=True)


def note(root: Root, findings: int, now_s: float) -> Path:
    """Note what came of a check that ended now; returns where. Raises OSError."""
    before = last(root) or Outcome(0.0, 0.0, 0, 0)
    whole_s = before.whole_s if findings else now_s
    found = Outcome(now_s, whole_s, findings, before.failures + bool(findings))
    folder = root.path / FOLDER
    publish_json(folder, folder / NAME, asdict(found), mode=MODE)
    return folder / NAME


def last(root: Root) -> Outcome | None:
    """Read the note; None where there is none that can be read."""
    try:
        with (root.path / FOLDER / NAME).open(encoding="utf-8") as file:
            content = json.loads(file.read(_BYTES_MAX))
        checked_s, whole_s = float(content["checked_s"]), float(content["whole_s"])
        return Outcome(checked_s, whole_s, int(content["findings"]), int(content["failures"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
