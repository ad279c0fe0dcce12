"""Two wheels are compared byte for byte, and what differs is named."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from release import commit, wheel


def made(path: Path, *, year: int = 2020, **members: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), text)
    return path


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"a": "1", "b": "2"}, []),
        ({"a": "1", "b": "3"}, ["b: other content"]),
        ({"a": "1"}, ["b: only in one"]),
        (
            {"a": "1", "b": "2", "year": 2021},
            ["a: another time or mode", "b: another time or mode"],
        ),
        ({"b": "2", "a": "1"}, ["the order or the packing"]),
    ],
)
def test_what_differs_is_named(tmp_path: Path, other: dict, told: list[str]) -> None:
    one = made(tmp_path / "one/recorder-1-py3-none-any.whl", a="1", b="2")
    assert wheel.differences(one, made(tmp_path / "other" / one.name, **other)) == told


def test_the_time_is_that_of_the_commit_or_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1234567890")
    assert commit.epoch() == 1234567890
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "today")
    with pytest.raises(SystemExit, match="seconds since 1970"):
        commit.epoch()


def test_what_is_ignored_is_not_built_from(tmp_path: Path, monkeypatch) -> None:
    """What lies about in a checkout does not get into a wheel."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("*.log\n")
    for name in ("kept.py", "new/also.py", "not.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    monkeypatch.setattr(commit, "PROJECT", tmp_path)
    assert [str(each) for each in commit.files()] == [".gitignore", "kept.py", "new/also.py"]
    assert (commit.copy(tmp_path / "to") / "new/also.py").read_text() == "x"
