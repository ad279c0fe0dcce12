"""The note of the last check."""

from pathlib import Path

import pytest

from recorder.store.paths import Root
from recorder.store.verified import FOLDER, NAME, Outcome, last, note, prepare


def test_a_note_tells_of_the_last_check_and_of_the_last_good_one(tmp_path: Path) -> None:
    root = Root(tmp_path)
    assert last(root) is None
    note(root, 0, 100.0)
    assert last(root) == Outcome(100.0, 100.0, 0, 0)
    note(root, 3, 200.0)
    note(root, 1, 300.5)
    assert last(root) == Outcome(300.5, 100.0, 1, 2)
    path = note(root, 0, 400.0)
    assert last(root) == Outcome(400.0, 400.0, 0, 2)
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in (tmp_path / FOLDER).iterdir()] == [NAME]


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", "null", '{"checked_s": 1', '{"checked_s": []}']
)
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    root = Root(tmp_path)
    prepare(root)
    (tmp_path / FOLDER / NAME).write_text(content)
    assert last(root) is None
    note(root, 1, 5.0)
    assert last(root) == Outcome(5.0, 0.0, 1, 1)


def test_only_its_folder_is_written_to(tmp_path: Path) -> None:
    """As the unit has it: all else is read-only."""
    root = Root(tmp_path / "data")
    root.path.mkdir()
    prepare(root)
    prepare(root)
    root.path.chmod(0o550)
    try:
        note(root, 0, 1.0)
        assert [each.name for each in root.path.iterdir()] == [FOLDER]
    finally:
        root.path.chmod(0o750)
