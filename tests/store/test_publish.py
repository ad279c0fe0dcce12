"""Files appear whole or not at all."""

import json

import pytest

from recorder.store.publish import empty, make_folder, publish, publish_json, remove


def test_a_published_file_is_whole_read_only_and_gone_from_staging(tmp_path):
    """Its folders are made on the way."""
    staged, final = tmp_path / "staged", tmp_path / "a" / "b" / "final"
    staged.write_bytes(b"content")
    publish(staged, final)
    assert final.read_bytes() == b"content"
    assert final.stat().st_mode & 0o777 == 0o444
    assert not staged.exists()


def test_a_published_file_replaces_an_older_one(tmp_path):
    """Though that is read-only; a reader that has it open keeps the old bytes."""
    for content in (b"old", b"new"):
        staged = tmp_path / "staged"
        staged.write_bytes(content)
        publish(staged, tmp_path / "final")
        if content == b"old":
            reader = (tmp_path / "final").open("rb")
    with reader:
        assert reader.read() == b"old"
    assert (tmp_path / "final").read_bytes() == b"new"


def test_a_failed_write_leaves_the_old_document(tmp_path):
    """What cannot be written is never half there."""
    publish_json(tmp_path / "staging", tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError):
        publish_json(tmp_path / "staging", tmp_path / "x.json", {"a": object()})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}


def test_folders_removals_and_emptying_can_be_done_again(tmp_path):
    """A start after a crash does them twice."""
    folder = tmp_path / "a" / "b" / "c"
    make_folder(folder)
    make_folder(folder)
    (folder / "file").write_text("")
    (folder / "d").mkdir()
    (folder / "d" / "file").write_text("")
    remove(folder / "file")
    remove(folder / "file")
    assert empty(folder) == 1
    assert empty(folder) == 0
    assert empty(tmp_path / "none") == 0
