"""One writer."""

import fcntl
import os
import subprocess
import sys
import threading

import pytest

from recorder.errors import LockedError, StorageError
from recorder.store.lock import WriterLock, holder
from recorder.store.paths import Root

SECOND = """
import sys
from pathlib import Path
from recorder.errors import RecorderError
from recorder.store.lock import WriterLock
from recorder.store.paths import Root
try:
    with WriterLock(Root(Path(sys.argv[1]))):
        print("held")
except RecorderError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def second(path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", SECOND, path],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout


def test_a_second_process_is_refused_and_told_the_first_ones_pid(tmp_path):
    """Exit code 75; once the first has let go, the second may."""
    with WriterLock(Root(tmp_path)):
        code, said = second(tmp_path)
        assert code == 75
        assert f"process {os.getpid()} writes to it" in said
    assert second(tmp_path) == (0, "held\n")


def test_the_kernel_lets_go_for_a_process_that_died(tmp_path):
    """A pid in the file means nothing without the lock."""
    (tmp_path / ".lock").write_text("1\n")
    with WriterLock(Root(tmp_path)):
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"
    assert (tmp_path / ".lock").read_text() == ""


def test_who_holds_it_is_told_and_whoever_died_is_not(tmp_path):
    """The number of a dead process may be that of another one by now."""
    path = Root(tmp_path).lock
    assert holder(path) is None
    path.write_text(f"{os.getpid()}\n")
    assert holder(path) is None
    with WriterLock(Root(tmp_path)):
        assert holder(path) == os.getpid()
    assert holder(path) is None
    for content in (b"", b"\xff", b"x"):
        path.write_bytes(content)
        assert holder(path) is None


def test_who_only_looks_keeps_nobody_out(tmp_path):
    path = Root(tmp_path).lock
    path.touch()
    with path.open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.03, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        with WriterLock(Root(tmp_path)):
            assert holder(path) == os.getpid()


def test_the_same_process_twice(tmp_path):
    """Is refused as well; and a refusal leaves the first one's lock alone."""
    with WriterLock(Root(tmp_path)):
        for _ in range(2):
            with pytest.raises(LockedError, match=str(os.getpid())), WriterLock(Root(tmp_path)):
                pass


def test_a_directory_that_cannot_be_made_is_told(tmp_path):
    """A file in its way, for one; with what to check."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageError, match="cannot be written to"), WriterLock(Root(path)):
            pass


@pytest.mark.parametrize("call", ["ftruncate", "pwrite"])
def test_a_full_disk_keeps_nobody_out_and_nobody_in(tmp_path, monkeypatch, call):
    """The pid in the file is a courtesy; the lock holds without it, and is let go."""

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"recorder.store.lock.os.{call}", refuse)
    with WriterLock(Root(tmp_path)):
        assert second(tmp_path)[0] == 75
    assert second(tmp_path)[0] == 0
