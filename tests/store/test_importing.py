"""The way back from half an import."""

import shutil

import pytest

from recorder.core.frames import FIRST_OFFSET
from recorder.errors import DataError
from recorder.recording import Recording
from recorder.store.importing import forget, note_begin, take_back
from recorder.store.paths import Root
from recorder.store.seal import taken_to
from tests.frames_made import HOUR
from tests.roots import live_rows
from tests.store.scripts import an_hour, record

ARRIVALS = an_hour()
HALF = len(ARRIVALS) // 2


def test_an_hour_that_began_with_the_import_goes_altogether(tmp_path):
    """Capture, parts, records of cuts; the note last."""
    root = Root(tmp_path)
    record(tmp_path, ARRIVALS, {30})
    note_begin(root, {HOUR: FIRST_OFFSET})
    assert take_back(root) == [HOUR]
    assert root.captured_hours() == root.part_hours() == []
    assert not root.importing.exists()
    assert not root.open.exists()
    assert take_back(root) == []


def test_what_was_there_before_stays(tmp_path):
    """The hour goes back to where the import found it, as often as one tries."""
    root = Root(tmp_path)
    record(tmp_path, ARRIVALS[:HALF])
    before, offset = live_rows(tmp_path), taken_to(root, HOUR)
    shutil.copytree(tmp_path, tmp_path / "copy")
    note_begin(root, {HOUR: offset})
    for _ in range(2):
        record_on = Recording(root, ARRIVALS[HALF].recv_ns, backfill=True)
        for arrival in ARRIVALS[HALF:]:
            record_on.take(arrival)
        record_on.flush()
        record_on.capture.close()
        assert live_rows(tmp_path) != before
        assert take_back(root) == [HOUR]
        assert live_rows(tmp_path) == before
        assert taken_to(root, HOUR) == offset
        note_begin(root, {HOUR: offset})
    forget(root)
    assert take_back(root) == []
    assert live_rows(tmp_path) == before


def test_a_recorder_that_starts_takes_it_back_first(tmp_path):
    """It never goes on where half an import ended."""
    root = Root(tmp_path)
    record(tmp_path, ARRIVALS)
    note_begin(root, {HOUR: FIRST_OFFSET})
    recording = Recording(root, ARRIVALS[0].recv_ns)
    recording.capture.close()
    assert recording.begin_offset == FIRST_OFFSET
    assert not root.importing.exists()


def test_a_note_that_cannot_be_read_is_told(tmp_path):
    """With what to do; nothing is removed on a guess."""
    root = Root(tmp_path)
    for text in ("", "[]", '{"begins":[]}', '{"begins":{"x":1}}'):
        root.importing.write_text(text)
        with pytest.raises(DataError, match="An import did not finish"):
            take_back(root)
