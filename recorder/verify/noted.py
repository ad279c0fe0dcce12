"""What came of a check, noted in the directory for the metrics of whoever records there."""

import time
from pathlib import Path

from recorder.store import verified
from recorder.store.paths import Root
from recorder.verify.findings import Report


def note(path: Path, report: Report) -> None:
    """Note what came of a check that ended now. Raises OSError."""
    verified.note(Root(path), len(report.findings), time.time())
