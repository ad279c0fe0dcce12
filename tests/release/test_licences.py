"""A licence that nobody read, or that asks for too much, is told and fails."""

from pathlib import Path

import pytest

from release import licences, lock

MIT = frozenset({"MIT", "GPL-2.0-only WITH Classpath-exception-2.0"})
PYTEST = next(each for each in lock.pins(lock.DEVELOPMENT) if each.name == "pytest")


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("MIT", True),
        ("mit", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("GPL-3.0-only OR MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only AND (MIT OR MIT)", False),
        ("(GPL-3.0-only OR MIT) AND MIT", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", True),
        ("GPL-2.0-only", False),
        ("", False),
        ("MIT License", False),
        ("MIT AND", False),
        ("LicenseRef-Proprietary", False),
    ],
)
def test_what_an_expression_comes_to(expression: str, holds: bool) -> None:
    assert licences.satisfied(expression, MIT) is holds


def review(**changed: object) -> licences.Review:
    kept = {"allowed": MIT, "allowed_for_tools": MIT | {"MPL-2.0"},
            "found": {"pytest": ("MIT", "MIT")}}  # fmt: skip
    return licences.Review(**{**kept, **changed})


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, ""),
        ({"found": {}}, "not reviewed"),
        ({"found": {"pytest": ("BSD", "MIT")}}, "read it again"),
        ({"found": {"pytest": ("MIT", "GPL-3.0-only")}}, "is not allowed"),
    ],
)
def test_what_is_wrong_is_told(changed: dict, told: str) -> None:
    wrong = licences.judged(PYTEST, review(**changed), shipped=True).wrong
    assert (told in wrong) if told else not wrong


def test_the_copyleft_of_files_is_for_tools_alone() -> None:
    found = review(found={"pytest": ("MIT", "MPL-2.0")})
    assert not licences.judged(PYTEST, found, shipped=False).wrong
    assert "MPL-2.0 is not allowed" in licences.judged(PYTEST, found, shipped=True).wrong


def test_everything_that_is_locked_was_reviewed() -> None:
    """By name; `make licences` holds it against the metadata."""
    reviewed = licences.read_review(licences.REVIEW)
    assert {each.name for each in lock.pins(lock.DEVELOPMENT, "3.11")} == reviewed.found.keys()
    for name, (_, spdx) in reviewed.found.items():
        assert licences.satisfied(spdx, reviewed.allowed_for_tools), name
    for each in lock.pins(lock.SHIPPED, "3.11"):
        assert licences.satisfied(reviewed.found[each.name][1], reviewed.allowed), each.name


def test_the_report_has_a_line_for_each(tmp_path: Path) -> None:
    report = [licences.Licence("b", "1", "MIT", shipped=False, wrong=""),
              licences.Licence("a", "2", "", shipped=True, wrong="x")]  # fmt: skip
    lines = licences.as_table(report).splitlines()
    assert lines[-2:] == ["| a | 2 | unknown | yes |", "| b | 1 | MIT | no |"]
