"""The store: capture, parts, seal, recovery, and what they take on disk."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.parquet as pq

from recorder import recovery
from recorder.core.frames import Frame, Opened, hour_of
from recorder.core.messages import BID
from recorder.core.tables import LEVEL2
from recorder.recording import Recording
from recorder.store.capture_writer import CaptureWriter
from recorder.store.parts import read_parts, write_file
from recorder.store.paths import Root
from tests.bench.figures import Figure
from tests.bench.hour import PARTS, PRODUCTS, make_hour
from tests.bench.timing import race
from tests.bench.traffic import SECOND_NS, Stamped, Traffic, changes_in

LINE = "bench-1"
BLOCK_NS = SECOND_NS // 5
PART_S = 10
BUSY_CHANGES_A_SECOND = 6.2e6 / 3600  # of the hour that the design's figures are of
FLUSH_ROWS = 1_000_000
RECOVERY_GOAL = 12
BATCH_GOAL = 1.5
REPOSITORY = Path(__file__).resolve().parents[2]

assert BID == "bid"


# --- capture --------------------------------------------------------------------------------------


def measure_capture(traffic: Traffic, folder: Path, frames_a_block: int, what: str) -> list[Figure]:
    """Append and write blocks, without fdatasync; snapshots are left out, they come once."""
    frames = [each for each in traffic.frames if len(each[1]) < 100_000]
    root = Root(folder / f"capture-{traffic.source[:4]}-{frames_a_block}")
    writer = CaptureWriter(root, hour_of(frames[0][0]))
    began_s = time.process_time()
    for at in range(0, len(frames), frames_a_block):
        for recv_ns, raw in frames[at : at + frames_a_block]:
            writer.append(Frame(recv_ns, LINE, raw))
        writer.write(writer.cut())
    seconds = time.process_time() - began_s
    writer.close()
    raw_bytes = sum(len(raw) for _, raw in frames)
    written = writer.bytes_written
    changes = changes_in(frames)
    head = f"capture, {what}, {traffic.source}"
    return [
        Figure(f"{head}: append, compress, write a frame", seconds / len(frames) * 1e6, "us",
               ("design", 1.4), "1.3-1.5 us"),
        Figure("  bytes a frame, on disk", written / len(frames), "B",
               ("raw", raw_bytes / len(frames)), "44 B at 2.8 changes"),
        Figure("  bytes a change, on disk", written / changes, "B", ("design", 19.5),
               "19.5 B (10.9x)"),
    ]  # fmt: skip


# --- import path ----------------------------------------------------------------------------------


def record(traffic: Traffic, root: Root, part_s: float | None = None) -> float:
    """Capture, core and parts of some traffic, one after the other; returns seconds.

    ``part_s``: parts and blocks as often as the daemon writes them, by the frames' times; otherwise
    as seldom as an import does.
    """
    began_s = time.perf_counter()
    recording = Recording(root, traffic.frames[0][0])
    recording.take(Opened(traffic.frames[0][0], LINE, "bench"))
    part_ns = block_ns = traffic.frames[0][0]
    for recv_ns, raw in traffic.frames:
        recording.take(Frame(recv_ns, LINE, raw))
        if recording.pending_rows > FLUSH_ROWS or recording.capture.buffered > 32 * 2**20:
            recording.flush()
        if part_s is not None and recv_ns >= block_ns + BLOCK_NS:
            block_ns = recv_ns
            recording.capture.write(recording.capture.cut())
        if part_s is not None and recv_ns >= part_ns + part_s * SECOND_NS:
            part_ns = recv_ns
            recording.flush()
    recording.stop(recording.last_ns)
    recording.flush()
    recording.capture.close()
    return time.perf_counter() - began_s


def measure_record(traffic: Traffic, root: Root) -> list[Figure]:
    """The import path, and what it writes."""
    seconds = record(traffic, root)
    gigabytes = traffic.bytes / 1e9
    return [
        Figure(f"pipeline, capture and parts to disk, one process, {traffic.source}",
               changes_in(traffic.frames) / seconds, "changes/s", ("design", 0.26e6),
               "0.26 M plain"),
        Figure("  the same by raw bytes", seconds / gigabytes, "s/GB", ("design", 13.6),
               "10.0 batch, 13.6 window s/GB"),
    ]  # fmt: skip


# --- parts ----------------------------------------------------------------------------------------


def measure_part(traffic: Traffic, folder: Path, rounds: int) -> Figure:
    """The processor that the parts of 10 s take, as a share of a core."""
    frames = [each for each in traffic.frames if len(each[1]) < 100_000]
    ten_s = [each for each in frames if each[0] < frames[0][0] + PART_S * SECOND_NS]
    root = Root(folder / f"part-{len(ten_s)}")
    recording = Recording(root, frames[0][0])
    recording.take(Opened(frames[0][0], LINE, "bench", None))
    recording.flush()
    for recv_ns, raw in ten_s:
        recording.take(Frame(recv_ns, LINE, raw))
    recording.cut()
    recording.capture.flush()
    pending = recording.take_ready()[0]
    spent = []

    def publish() -> None:
        began_s = time.process_time()
        pending.publish(root)
        spent.append(time.process_time() - began_s)

    race({"publish": publish}, rounds)
    share = sorted(spent)[len(spent) // 2] / PART_S * 100
    what = f"parts every 10 s, {len(ten_s)} frames, {pending.count:,} rows"
    return Figure(what, share, "% of a core", ("design", 0.09), "0.09 % of a core")


# --- seal -----------------------------------------------------------------------------------------


def measure_seal(root: Root) -> list[Figure]:
    """Seal the one hour of a data directory, its capture included."""
    sealed = _seal(root, root.captured_hours()[0])
    millions = sealed["rows"] / 1e6
    share = sealed["cpu_s"] / sealed["rows"] * BUSY_CHANGES_A_SECOND * 100
    return [
        Figure(f"seal {sealed['rows']:,} rows of 2 products, digest of the capture included",
               sealed["seconds"] / millions, "s/M rows", ("design", 14 / 6.2),
               "14 s for 6.2 M, 302 products"),
        Figure("  processor of it, at 6.2 M rows an hour", share, "% of a core"),
        Figure("  sealed bytes a row, all tables", sealed["bytes"] / sealed["rows"], "B"),
    ]  # fmt: skip


def measure_busy_seal(folder: Path, rows: int) -> list[Figure]:
    """Seal an hour of 302 products from its 360 parts."""
    root = Root(folder / "busy")
    sealed = _seal(root, make_hour(root, rows))
    design = "14 s, 0.55 GB for 6.2 M rows, 302 products"
    found = [
        Figure(f"seal {sealed['rows']:,} rows of {PRODUCTS} products from {PARTS} parts",
               sealed["seconds"], "s", ("design", 14.0 * sealed["rows"] / 6.2e6), design),
        Figure("  processor of it, an hour", sealed["cpu_s"] / 3600 * 100, "% of a core"),
        Figure("  peak memory of the process", sealed["rss_mb"], "MB", ("design", 550), design),
        Figure("  the same above its imports", sealed["rss_mb"] - sealed["rss_before_mb"], "MB"),
    ]  # fmt: skip
    shutil.rmtree(root.path)
    return found


def _seal(root: Root, hour: int) -> dict[str, Any]:
    """Seal in a process of its own; what it took."""
    command = [sys.executable, "-m", "tests.bench.sealing", str(root.path), str(hour)]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure_written(traffic: Traffic, folder: Path) -> list[Figure]:
    """Everything that the daemon writes of some traffic until it is sealed."""
    root = Root(folder / "written")
    record(traffic, root, PART_S)
    sealed = _seal(root, root.captured_hours()[0])
    live = sum(path.stat().st_size for path in root.live.rglob("*") if path.is_file())
    capture = sum(path.stat().st_size for path in root.capture.rglob("*.cap"))
    rate = changes_in(traffic.frames) / (traffic.frames[-1][0] - traffic.frames[0][0]) * SECOND_NS
    whole = capture + live + sealed["bytes"]
    head = f"written in all, parts every {PART_S} s, {rate:,.0f} changes/s"
    return [
        Figure(f"{head}: write amplification", whole / sealed["bytes"], "x sealed"),
        *(Figure(f"  {name}", size / sealed["rows"], "B a row") for name, size in
          (("capture", capture), ("live parts", live), ("sealed files", sealed["bytes"]))),
    ]  # fmt: skip


def measure_parquet(root: Root, folder: Path) -> Figure:
    """Bytes of Parquet a row of level2, in our encodings and in pyarrow's own."""
    files = sorted((root.path / "level2").rglob("level2-BTC-USD-*.parquet"))
    rows = read_parts(LEVEL2, files)
    ours, defaults = folder / "ours.parquet", folder / "defaults.parquet"
    write_file(ours, LEVEL2, rows, {})
    pq.write_table(rows, defaults)
    sizes = {path: path.stat().st_size / rows.num_rows for path in (ours, defaults)}
    what = f"Parquet bytes a level2 row, {rows.num_rows:,} of BTC-USD"
    return Figure(what, sizes[ours], "B", ("pyarrow defaults", sizes[defaults]),
                  "14.3 of 26 B: ratio 0.55")  # fmt: skip


# --- recovery -------------------------------------------------------------------------------------


def measure_recovery(root: Root, folder: Path, traffic: Traffic, rounds: int) -> list[Figure]:
    """Publish the rows of a capture of which no part is left; then a start with nothing to do.

    In turns with the live path: the same frames one by one into capture and parts.
    """
    source, live = Root(folder / "recovery"), Root(folder / "live-path")
    spent: dict[str, list[tuple[float, float]]] = {"live": [], "recovery": []}
    for _ in range(rounds):
        for each in (source, live):
            shutil.rmtree(each.path, ignore_errors=True)
        spent["live"].append(_both(partial(record, traffic, live, PART_S)))
        shutil.copytree(root.capture, source.capture)
        spent["recovery"].append(_both(partial(recovery.publish_missing, source.path)))
    gigabytes = traffic.bytes / 1e9
    (live_cpu, live_wall), (cpu, wall) = (
        (median(cpu for cpu, _ in each) / gigabytes, median(wall for _, wall in each) / gigabytes)
        for each in spent.values()
    )
    nothing_s = _both(partial(recovery.publish_missing, source.path))[1]
    on_disk = sum(path.stat().st_size for path in source.capture.rglob("*.cap"))
    goal = f"goal {RECOVERY_GOAL} s/GB, {BATCH_GOAL}x as fast as the live path"
    return [
        Figure("recovery, s per GB of frames, without any part: processor", cpu, "s/GB",
               ("live path", live_cpu), goal),
        Figure("  the same by the clock", wall, "s/GB", ("live path", live_wall), goal),
        Figure("  the same by capture on disk", wall * traffic.bytes / on_disk, "s/GB",
               ("design, 10.9x", 13.6 * 10.9), "13.6 s/GB of frames, 10.9x smaller on disk"),
        Figure("recovery with nothing to do", nothing_s * 1000, "ms", ("design", 12.0),
               "12 ms at the median"),
    ]  # fmt: skip


def _both(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the processor, all threads, and of the clock."""
    began_cpu_s, began_s = time.process_time(), time.perf_counter()
    run()
    return time.process_time() - began_cpu_s, time.perf_counter() - began_s


# --- fdatasync ------------------------------------------------------------------------------------


def measure_sync(frames: list[Stamped], folder: Path, times: int) -> Figure:
    """A block and its fdatasync, as every second of recording has one."""
    root = Root(folder / "sync")
    writer = CaptureWriter(root, hour_of(frames[0][0]))
    taken = []
    for at in range(times):
        for recv_ns, raw in frames[at * 50 : at * 50 + 50]:
            writer.append(Frame(recv_ns, LINE, raw))
        began_s = time.perf_counter()
        writer.flush()
        taken.append(time.perf_counter() - began_s)
    writer.close()
    taken.sort()
    os.sync()
    high = taken[min(len(taken) - 1, int(len(taken) * 0.99))]
    return Figure("write a block and fdatasync, p99", high * 1000, "ms", ("design", 1.2), "1.2 ms")
