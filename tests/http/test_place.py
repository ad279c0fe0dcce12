"""What `recorder.http.place` promises: a note that is whole, and of a process that runs."""

import os
import subprocess
import sys

import pytest

from recorder.http import place


def test_a_note_is_read_as_it_was_left(tmp_path):
    place.write(tmp_path, "http://127.0.0.1:1", token=True)
    assert place.read(tmp_path) == place.Place("http://127.0.0.1:1", os.getpid(), True)
    assert (tmp_path / place.NAME).stat().st_mode & 0o777 == 0o640
    place.remove(tmp_path)
    assert place.read(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"url": 1}', '{"url":"x","pid":"y","token":1}']
)
def test_what_is_no_note_is_none(tmp_path, content):
    (tmp_path / place.NAME).write_text(content)
    assert place.read(tmp_path) is None


def test_the_note_of_a_process_that_died_is_none(tmp_path):
    died = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    (tmp_path / place.NAME).write_text(
        f'{{"url": "http://127.0.0.1:1", "pid": {died.stdout.strip()}, "token": false}}'
    )
    assert place.read(tmp_path) is None


def test_a_folder_that_cannot_be_written_to_is_no_matter(tmp_path):
    place.write(tmp_path / "no" / "such", "x", token=False)
    place.remove(tmp_path / "no")
