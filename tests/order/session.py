"""A session that takes every path on which the store makes, renames or removes a file.

Run as ``python -m tests.order.session ROOT [PLANT]`` under strace; asserts that it did what it is
for. PLANT names a bug of `tests.planted`, which is then in this process.
"""

import asyncio
import importlib
import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

from recorder import finishing, hours, pack, recovery, replay, sealing
from recorder.core.frames import HOUR_NS, Arrival, Frame
from recorder.errors import DataError
from recorder.recording import Recording
from recorder.store.days import PACKING, note
from recorder.store.importing import note_begin
from recorder.store.lock import PackLock, WriterLock
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root
from recorder.store.retire import GRACE_S, remove_days, retire
from recorder.store.seal import sealed_before
from recorder.venue import Venue
from tests.frames_made import HOUR, HOUR_START_NS, SECOND_NS, WANTED, Made
from tests.recorders import config_for, recording, wait_for

LATER_S = 4e9
LIVE_HOUR = HOUR + 48


def main() -> None:
    """Everything, in the order of time."""
    root = Root(Path(sys.argv[1]))
    for name in sys.argv[2:]:
        importlib.import_module("tests.planted.plants").PLANTS[name].apply()
    with WriterLock(root):
        write_empty_parts(root)
        begin_ns = HOUR_START_NS + HOUR_NS - SECOND_NS
        made = Made(1, begin_ns)
        _record(root, made)
        _die(root, made)
    _recover(root, made)
    _import(root)
    asyncio.run(_daemon(root))
    finishing.seal(root.path, include_current=True)
    assert sealed_before(root) == LIVE_HOUR + 2
    _pack(root)


def _record(root: Root, made: Made) -> None:
    """Blocks, parts, a turn of the hour with its checkpoint."""
    recorded = Recording(root, made.now_ns, WANTED)
    for arrival in [*made.open("c1"), *made.run(0.3)]:
        recorded.take(arrival)
    recorded.flush()
    for arrival in made.run(1.5):
        recorded.take(arrival)
    assert recorded.hour == HOUR + 1
    _publish(recorded)
    recovery.seal_and_switch(root, [HOUR])
    assert retire(root, LATER_S, None)
    assert retire(root, LATER_S, 0)
    for arrival in made.close("c1"):
        recorded.take(arrival)
    recorded.stop(recorded.last_ns)
    _publish(recorded)
    recorded.capture.close()


def _publish(recorded: Recording) -> None:
    """What the daemon does: sync up to what is published, publish."""
    recorded.cut()
    capture = recorded.capture
    capture.write(capture.cut())
    for pending in recorded.take_ready():
        if pending.reached > capture.synced:
            capture.sync()
        pending.publish(root=recorded.root)


def _die(root: Root, made: Made) -> None:
    """Capture that no part holds, and a segment without one whole block."""
    recorded = Recording(root, made.now_ns + SECOND_NS, WANTED)
    made.wait(2)
    for arrival in [*made.open("c2"), *made.run(0.3)]:
        recorded.take(arrival)
    recorded.capture.close()
    offset = recorded.capture.offset
    root.segment(HOUR + 1, offset).write_bytes(b"torn")


def _recover(root: Root, made: Made) -> None:
    """Beside a recording, and then alone, which seals an hour again."""
    with WriterLock(root):
        recorded = Recording(root, made.now_ns + SECOND_NS, WANTED)
        until = recovery.Until(recorded.begin_hour, recorded.begin_offset)
        assert sealing.recover(root.path, until).rows
        recorded.capture.close()
    finishing.seal(root.path, include_current=True)
    with WriterLock(root):
        recorded = Recording(root, made.now_ns + 3 * SECOND_NS, WANTED)
        hours.show_open_hour(root, recorded.hour)
        recorded.capture.close()
    finishing.seal(root.path, include_current=True)


def _import(root: Root) -> None:
    """One that is whole, one that is refused in the middle, one whose process died."""
    made = Made(2, HOUR_START_NS + 10 * HOUR_NS)
    one, other = ([*made.open(name), *made.run(0.3)] for name in ("i1", "i2"))
    replay.import_captures([_file(root, "one", one)], root.path)
    with suppress(DataError):
        replay.import_captures([_file(root, "two", [*other, one[-1]])], root.path)
    begin_ns = HOUR_START_NS + 14 * HOUR_NS
    made = Made(2, begin_ns)
    with WriterLock(root):
        note_begin(root, {begin_ns // HOUR_NS: 1 << 24})
        died = Recording(root, begin_ns, backfill=True)
        for arrival in [*made.open("i3"), *made.run(0.2)]:
            died.take(arrival)
        died.flush()
        died.capture.close()
    finishing.seal(root.path, include_current=True)
    assert not root.importing.exists()
    assert begin_ns // HOUR_NS not in root.captured_hours()


def _file(root: Root, name: str, arrivals: list[Arrival]) -> Path:
    path = root.path.parent / f"{name}.ndjson"
    lines = [
        json.dumps({"t": each.recv_ns // 1000 / 1e6, "conn": each.connection_id, "dir": "in",
                    "raw": each.raw.decode()})
        for each in arrivals if type(each) is Frame
    ]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    return path


async def _daemon(root: Root) -> None:
    """The real one: its threads, the turn of an hour, the seal in a worker, switch and removal."""
    hours.SWITCH_DELAY_S, hours.LOOK_S, hours.RETIRE_S = 0.1, 0.05, 0.2
    ahead_ns = LIVE_HOUR * HOUR_NS + HOUR_NS - 2 * SECOND_NS - time.time_ns()
    async with Venue(seed=3, rate=3, depth=0.01) as venue:
        config = config_for(root.path, venue.url)
        async with recording(config, wall=lambda: time.time_ns() + ahead_ns):
            switched = lambda: (sealed_before(root) or 0) > LIVE_HOUR  # noqa: E731
            await wait_for(switched, "the hour to be sealed and switched")


def _pack(root: Root) -> None:
    """Days that are over, one of which a packer died of; the files of their hours; a whole day."""
    day = HOUR // 24
    pack.time = SimpleNamespace(time=lambda: LATER_S)
    note(root, day + 9, PACKING)
    report = pack.pack(root.path)
    assert len(report.packed) == 2, report
    pack.time = SimpleNamespace(time=lambda: LATER_S + GRACE_S)
    assert len(pack.pack(root.path).removed) == 2
    with WriterLock(root), PackLock(root):
        assert remove_days(root, (day + 1) * 86_400)
    assert root.packed_days() == [day + 1]


if __name__ == "__main__":
    main()
