"""A folder is there whole, or not at all."""

import errno
import os
from pathlib import Path

import pytest

from recorder.errors import StorageError, UsageError
from recorder.export.place import placed


def test_it_takes_its_place_at_the_end(tmp_path):
    """Also that of an empty folder; what a dead one left is cleared away."""
    out = tmp_path / "deep" / "out"
    left = out.with_name(".out.partial")
    (left / "folder").mkdir(parents=True)
    (left / "folder" / "file").write_text("x")
    (left / "link").symlink_to(tmp_path)
    out.mkdir()
    with placed(out, tmp_path / "data") as folder:
        assert list(folder.iterdir()) == []
        (folder / "a").mkdir()
        (folder / "a" / "file").write_text("whole")
        assert list(out.iterdir()) == []
    assert (out / "a" / "file").read_text() == "whole"
    assert not left.exists()
    assert tmp_path.exists()


@pytest.mark.parametrize("what", [KeyboardInterrupt, ValueError])
def test_what_goes_wrong_leaves_nothing(what, tmp_path):
    """Whatever it is."""

    def export():
        with placed(tmp_path / "out", tmp_path / "data") as folder:
            (folder / "file").write_text("half")
            raise what

    with pytest.raises(what):
        export()
    assert list(tmp_path.iterdir()) == []


def test_places_that_are_refused(tmp_path):
    """What holds something, is a file, or lies in the data."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    for out in (tmp_path / "full", tmp_path / "full" / "file"):
        with pytest.raises(UsageError, match="not an empty directory"), placed(out, tmp_path / "d"):
            raise AssertionError
    with (
        pytest.raises(UsageError, match="in the data directory"),
        placed(tmp_path / "d/x", tmp_path / "d"),
    ):
        raise AssertionError
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_the_disk_refuses(tmp_path):
    """A full disk is said as that; what is no matter of the disk stays what it is."""
    with (
        pytest.raises(StorageError, match="No space left"),
        placed(tmp_path / "out", tmp_path / "d"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(StorageError, match="cannot be written"),
        placed(tmp_path / "file/out", tmp_path / "d"),
    ):
        raise AssertionError
    with pytest.raises(FileNotFoundError), placed(tmp_path / "out", tmp_path / "d"):
        Path(tmp_path / "nothing").read_text()
    refused = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/data/level2")
    with pytest.raises(PermissionError), placed(tmp_path / "out", tmp_path / "d"):
        raise refused  # of what is read
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOENT, errno.ELOOP])
def test_a_folder_above_that_cannot_be_made_is_said(tmp_path, monkeypatch, code):
    # It is not the folder that was named whose making fails, but the first that is not there.
    def refuse(path, *_args):
        raise OSError(code if Path(path) == tmp_path / "a" else errno.ENOENT, "no", str(path))

    monkeypatch.setattr(os, "mkdir", refuse)
    with (
        pytest.raises(StorageError, match="cannot be written"),
        placed(tmp_path / "a" / "b" / "out", tmp_path / "data"),
    ):
        pass
