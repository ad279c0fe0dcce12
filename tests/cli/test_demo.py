"""What the demo promises about the data of others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recorder.cli.demo import new_root
from recorder.errors import UsageError


def test_a_demo_never_records_into_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each demo has a directory of its own, and none is removed."""
    monkeypatch.chdir(tmp_path)
    assert new_root(None) == Path("data/demo")
    Path("data/demo").mkdir(parents=True)
    Path("data/demo-2").write_text("a file")
    assert new_root(None) == Path("data/demo-3")


def test_a_directory_that_was_asked_for_must_be_new_or_empty(
    tmp_path: Path, call: Callable[..., Any]
) -> None:
    """Made-up data does not mix with real data."""
    assert new_root(tmp_path / "new") == tmp_path / "new"
    assert new_root(tmp_path) == tmp_path
    (tmp_path / "kept").write_text("precious")
    with pytest.raises(UsageError, match="must not mix"):
        new_root(tmp_path)
    assert (tmp_path / "kept").read_text() == "precious"
    assert not call("demo", "--data", tmp_path / "kept").out
