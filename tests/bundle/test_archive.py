"""The file of a bundle: for its owner alone, whole or not at all, and without keys."""

import json
import tarfile
from base64 import b64encode

import pytest

from recorder.bundle import archive
from recorder.bundle.archive import Member
from recorder.credentials import Secret
from recorder.errors import StorageError, UsageError

SECRET = Secret("PlAnTeD\nsecond line of a key, long enough")


def test_it_is_written_once_with_mode_0600(tmp_path):
    """Over nothing, through no link, and readable as any tar."""
    path = tmp_path / "made.tar.gz"
    size = archive.write(path, [Member("a.json", "a", b"{}"), Member("b.txt", "b", b"text")])
    assert (path.stat().st_mode & 0o777, path.stat().st_size) == (0o600, size)
    with tarfile.open(path) as found:
        assert [each.name for each in found] == [
            "recorder-support/a.json",
            "recorder-support/b.txt",
        ]
        assert {(each.uname, each.gname, each.uid) for each in found.getmembers()} == {("", "", 0)}
    before = path.read_bytes()
    with pytest.raises(UsageError, match="name another"):
        archive.write(path, [])
    assert path.read_bytes() == before
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError):
        archive.write(link, [])
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(StorageError, match="No such file"):
        archive.write(tmp_path / "no/made.tar.gz", [])


def test_what_could_not_be_written_is_gone(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.os, "fsync", full)
    with pytest.raises(StorageError, match="No space"):
        archive.write(tmp_path / "made.tar.gz", [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "form",
    [
        SECRET.reveal().encode(),
        json.dumps({"x": SECRET.reveal()}).encode(),
        SECRET.reveal().encode().hex().upper().encode(),
        b64encode(SECRET.reveal().encode()),
        b64encode(b"before" + SECRET.reveal().encode() + b"!"),
        b64encode(b"longer" + b"x" + SECRET.reveal().encode()),
        b"x second line of a key, long enough y",
    ],
)
def test_a_key_is_found_in_every_form(form):
    assert archive.holds(b"before " + form + b" behind", [SECRET])


def test_what_is_no_key_is_not_found():
    assert not archive.holds(b"PlAnTeD", [SECRET])
    assert not archive.holds(b"it was short", [Secret("short"), Secret("")])
    assert not archive.holds(b"anything", [])


def test_keys_of_this_machine_are_known(tmp_path, monkeypatch):
    """Of the environment, of a file and of HTTP; what must not be used is not read."""
    for name in ("COINBASE_API_KEY", "COINBASE_API_SECRET", "COINBASE_API_PASSPHRASE"):
        monkeypatch.setenv(name, f"{name} here")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    key, token = tmp_path / "key", tmp_path / "token"
    key.write_text('{"name": "n", "privateKey": "of the file"}')
    token.write_text("token of http")
    for file in (key, token):
        file.chmod(0o600)
    found = {each.reveal() for each in archive.secrets_here(key, token)}
    assert found == {
        *("COINBASE_API_SECRET here", "COINBASE_API_PASSPHRASE here", "of the file"),
        "token of http",
    }
    for file in (key, token):
        file.chmod(0o644)
    assert len(archive.secrets_here(key, token)) == 2
