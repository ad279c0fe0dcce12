"""What was installed and configured: right, wrong, and almost right."""

import re
import tomllib
from pathlib import Path

import pytest

from recorder import machine
from recorder.doctor import settings
from recorder.machine import Library
from tests.doctor.cases import case

HERE = Path("x.toml")


def test_a_right_configuration_is_right(tmp_path):
    assert settings.config(case(tmp_path)).state == "ok"
    found = case(tmp_path, "[store]\npart_seconds = 5\n", source=HERE)
    assert settings.config(found).state == "ok"
    assert settings.unknown_keys(found).state == "ok"
    assert settings.unknown_keys(case(tmp_path)).state == "skip"


def test_a_wrong_configuration_names_its_first_mistake(tmp_path):
    found = case(tmp_path, "[store]\npart_seconds = 5000\n[feed]\nproducts = 3\n", source=HERE)
    told = settings.config(found)
    assert told.state == "fail"
    assert "x.toml:2: store.part_seconds" in told.found
    assert "(and 1 more)" in told.found
    assert "check-config x.toml" in told.fix
    assert settings.unknown_keys(found).state == "ok"


def test_unknown_keys_are_named_with_their_lines(tmp_path):
    told = settings.unknown_keys(case(tmp_path, "[feed]\nproduct = 1\n", source=HERE))
    assert (told.state, told.found) == ("fail", "feed.product (line 2)")


@pytest.mark.parametrize(
    ("version", "wanted", "enough"),
    [
        ("3.11.2", ">=3.11", True), ("3.10.9", ">=3.11", False), ("2.0", ">=1.26", True),
        ("1.9", ">=1.26", False), ("26.0.1rc1", ">=26", True), ("1", ">=1.0", True),
        ("1", "", True), ("5", "<6", True),
    ],
)  # fmt: skip
def test_versions_are_compared_by_their_numbers(version, wanted, enough):
    assert settings.at_least(version, wanted) is enough


def test_python_is_one_that_we_run_on(tmp_path, monkeypatch):
    assert settings.python(case(tmp_path)).state == "ok"
    monkeypatch.setattr(settings.platform, "python_version", lambda: "3.9.1")
    assert settings.python(case(tmp_path)).state == "fail"
    monkeypatch.undo()
    monkeypatch.setattr(settings.platform, "python_implementation", lambda: "PyPy")
    assert settings.python(case(tmp_path)).state == "warn"


@pytest.mark.parametrize(
    ("installed", "locked", "state"),
    [
        ("15.0", {"15.0"}, "ok"), ("15.1", {"15.0", "14.9"}, "warn"), ("14.0", {"15.0"}, "fail"),
        (None, {"15.0"}, "fail"), ("15.1", None, "ok"),
    ],
)  # fmt: skip
def test_libraries_are_held_against_what_is_wanted_and_tested(
    installed, locked, state, tmp_path, monkeypatch
):
    monkeypatch.setattr(machine, "libraries", lambda: [Library("Web_Sockets", ">=15", installed)])
    pinned = None if locked is None else {"web-sockets": locked}
    monkeypatch.setattr(settings, "pinned", lambda: pinned)
    told = settings.libraries(case(tmp_path))
    assert told.state == state
    assert bool(told.fix) is (state != "ok")


def test_the_lock_is_found():
    """Each library that we need is pinned in it."""
    found = settings.pinned()
    assert found is not None
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {re.split("[<>=;[]", each)[0] for each in project["dependencies"]} <= set(found)
