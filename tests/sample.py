"""The sample data set, `data/sample`: a little of three products, made by the venue.

    python -m tests.sample        # make it again

It is the same to the byte wherever the same pyarrow writes it: the market is seeded, its clock is
the script's, and a commit record says that its hour was sealed at the end of the recording. Its
`recorder.sql` names `data/sample`, so it is right in the project's folder, wherever that lies.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recorder.core.frames import HOUR_NS, Arrival
from recorder.core.tables import TABLES
from recorder.recording import Recording
from recorder.recovery import seal_and_switch
from recorder.store.parts import write_empty_parts
from recorder.store.paths import CUTS, Root
from recorder.store.records import CHECKSUM, checksum
from recorder.store.views import NAME, views
from tests.frames_made import CHANNELS, SECOND_NS, Made

IN_PROJECT = "data/sample"
PLACE = Path(__file__).resolve().parents[1] / IN_PROJECT
PRODUCTS = ("BTC-USD", "ETH-USD", "SOL-USD")
HOUR = 498_690  # 2026-11-21T18 UTC
BEGIN_NS = HOUR * HOUR_NS + 45 * 60 * SECOND_NS
SEED, RATE, DEPTH = 20, 0.04, 0.004
FLUSH_S = 300


def make(folder: Path) -> None:
    """Make the sample in a folder that is not there yet."""
    root = Root(folder)
    folder.mkdir(parents=True)
    write_empty_parts(root)
    made = Made(SEED, BEGIN_NS, rate=RATE, depth=DEPTH, products=PRODUCTS)
    wanted = [("heartbeats", None), *((each, of) for each in CHANNELS[1:] for of in PRODUCTS)]
    recording = Recording(root, BEGIN_NS, wanted)

    def take(arrivals: Iterable[Arrival]) -> None:
        for arrival in arrivals:
            recording.take(arrival)
        recording.flush()

    def run(minutes: float) -> None:
        for _ in range(round(minutes * 60 / FLUSH_S)):
            take(made.run(FLUSH_S))

    take(made.open("ws1-20261121T184500.000Z"))
    run(60)
    take(made.close("ws1-20261121T184500.000Z"))
    made.wait(20)  # the gap of the sample
    take(made.open("ws2-20261121T194520.000Z"))
    run(30)
    recording.stop(recording.last_ns)
    recording.flush()
    recording.capture.close()
    hours = root.captured_hours()
    seal_and_switch(root, hours)
    for hour in hours:
        for table in (*TABLES, CUTS):
            for part in root.parts(table, hour):
                part.path.unlink()
        # Sealed when the script says, not when it ran.
        sealed_at = datetime.fromtimestamp(made.now_ns // SECOND_NS, UTC)
        _rewrite(root.commit(hour), sealed_at=f"{sealed_at:%Y-%m-%dT%H:%M:%SZ}")
    _rewrite(root.current, earlier=[])
    for path in (root.staging, root.open):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    text = views(root, place=IN_PROJECT, now_s=made.now_ns // SECOND_NS)
    (folder / NAME).write_text(text, encoding="utf-8")


def _rewrite(path: Path, **values: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8")) | values
    if content.pop(CHECKSUM, None) is not None:
        content[CHECKSUM] = checksum(content)
    path.chmod(0o644)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def files(folder: Path) -> dict[str, Path]:
    """The files of a folder by their paths in it; not the locks that commands leave there."""
    found = sorted(path for path in folder.rglob("[!.]*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in found}


def main() -> int:
    """Put a new one in the place of the old one."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "sample"
        make(made)
        shutil.rmtree(PLACE, ignore_errors=True)
        shutil.copytree(made, PLACE)
    size = sum(path.stat().st_size for path in files(PLACE).values())
    print(f"{PLACE.parent.name}/{PLACE.name}: {len(files(PLACE))} files, {size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
