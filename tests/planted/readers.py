"""Readers that take their time while hours are sealed, switched and cleared up.

A reader does what the documentation says: the switch first, then the sealed files before it and the
parts from it on. Reading what it has listed takes it a moment.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recorder import recovery
from recorder.core.frames import HOUR_NS
from recorder.recording import Recording
from recorder.store.paths import Root
from recorder.store.retire import retire
from recorder.store.seal import read_commit, sealed_before
from tests.frames_made import HOUR_START_NS, SECOND_NS, WANTED, Made

HELD_S = 0.02  # between listing and reading: a query over some files


def seal_hours(path: Path, hours: int, plant: Callable[[], None] | None) -> None:
    """Record some short hours, and finish each as the daemon does; runs in a child."""
    if plant is not None:
        plant()
    root = Root(path)
    made = Made(0, HOUR_START_NS)
    recording = Recording(root, made.now_ns, WANTED)
    for arrival in made.open("c1"):
        recording.take(arrival)
    for _ in range(hours):
        hour = recording.hour
        while recording.hour == hour:
            for arrival in made.run(0.2):
                recording.take(arrival)
            recording.flush()
            left_ns = HOUR_NS - made.now_ns % HOUR_NS - SECOND_NS // 10
            made.wait(max(left_ns, 0) / SECOND_NS)
        recovery.seal_and_switch(root, [hour])
        retire(root, time.time(), None)
        time.sleep(HELD_S)


def read_meanwhile(path: Path, over: Callable[[], bool]) -> Iterator[str | None]:
    """Query until it is over: what is wrong with an answer, or None."""
    rows = 0
    while not over():
        root = Root(path)
        files = _listed(root)
        time.sleep(HELD_S)
        try:
            pieces = [_numbers(file) for file in files]
        except FileNotFoundError as error:
            yield f"a listed file is gone: {Path(error.filename).name}"
            continue
        held = pa.concat_arrays(pieces) if pieces else pa.array([], pa.int64())
        if len(pc.unique(held)) != len(held):
            yield "a row came twice"
        elif len(held) < rows:
            yield f"{len(held)} rows, and there were {rows} before"
        else:
            yield None
        rows = max(rows, len(held))


def _listed(root: Root) -> list[Path]:
    switched = sealed_before(root) or 0
    commits = [read_commit(root, hour) for hour in root.committed_hours() if hour < switched]
    sealed = [
        root.path / file.path
        for commit in commits if commit is not None
        for file in commit.files if file.table == "level2"
    ]  # fmt: skip
    return sealed + [part.path for part in root.parts("level2") if part.hour >= switched]


def _numbers(path: Path) -> pa.Array:
    with path.open("rb") as file:
        table = pq.ParquetFile(file).read(columns=["ingest_seq"], use_threads=False)
    return table.column(0).combine_chunks()
