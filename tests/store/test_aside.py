"""Records that cannot be read are put aside and made again; nothing vanishes."""

import json

import pytest

import recorder
from recorder import recovery
from recorder.core.frames import HOUR_NS
from recorder.finishing import seal
from recorder.recording import Recording
from recorder.store.aside import set_aside_unreadable
from recorder.store.parts import write_empty_parts
from recorder.store.paths import CUTS, Root
from recorder.venue import Venue
from tests.frames_made import HOUR_START_NS, WANTED, Made
from tests.recorders import config_for, live_rows, recording, wait_for
from tests.roots import sealed_bytes


@pytest.fixture
def root(tmp_path) -> Root:
    """Two sealed hours, parts and capture kept."""
    found = Root(tmp_path)
    write_empty_parts(found)
    made = Made(3, HOUR_START_NS + HOUR_NS - 1_000_000_000)
    running = Recording(found, made.now_ns, WANTED)
    for arrival in [*made.open("ws1-a"), *made.run(2.0)]:
        running.take(arrival)
    running.stop(running.last_ns)
    running.flush()
    running.capture.close()
    seal(tmp_path, include_current=True)
    return found


def damage(path, how: str) -> None:
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes({"torn": content[:9], "empty": b"", "zero": bytes(len(content))}[how])


@pytest.mark.parametrize("how", ["torn", "empty", "zero"])
def test_what_is_put_aside_is_made_again(root, how):
    """Torn switch, cut and commit records: the same files as before, after the next seal."""
    before = sealed_bytes(root.path)
    records = [root.current, root.parts(CUTS)[0].path, root.commit(root.committed_hours()[0])]
    for path in records:
        damage(path, how)
    aside = set_aside_unreadable(root)
    assert aside == [str(path.relative_to(root.path)) for path in records]
    assert not any(path.exists() for path in records)
    kept = sorted(path.name for path in (root.path / "quarantine").rglob("*") if path.is_file())
    assert kept == sorted(path.name for path in records)
    seal(root.path, include_current=True)
    assert sealed_bytes(root.path) == before
    assert recorder.open(root.path).book("BTC-USD").bids


def test_a_commit_record_that_cannot_be_made_again_stays(root):
    """Where capture and parts are gone, the hour must not vanish in silence."""
    hour = root.committed_hours()[0]
    for segment in root.segments(hour):
        segment.path.unlink()
    root.segment(hour, 0).parent.rmdir()
    for table in (*recovery.TABLES, CUTS):
        for part in root.parts(table, hour):
            part.path.unlink()
    damage(root.commit(hour), "torn")
    assert set_aside_unreadable(root) == []
    assert root.commit(hour).exists()


def test_readable_records_stay(root):
    """In ordinary running nothing is touched."""
    assert set_aside_unreadable(root) == []
    assert json.loads(root.current.read_text())["sealed_before"]


async def test_a_start_puts_them_aside_and_says_so(tmp_path):
    """The daemon does not refuse to record because of a torn record."""
    (tmp_path / "current.json").write_text("{", encoding="utf-8")
    async with (
        Venue(seed=14, rate=3, depth=0.02) as venue,
        recording(config_for(tmp_path, venue.url)) as running,
    ):
        await wait_for(lambda: running.progress().books_live == 2, "both books")
    assert ("record_set_aside",) in live_rows(tmp_path, "faults", "kind")
