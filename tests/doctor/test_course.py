"""All checks together."""

from pathlib import Path

from recorder.doctor import Asked, course, examine
from recorder.doctor.findings import bad, good
from recorder.errors import StorageError

SAMPLE = Path("data/sample").absolute()


def test_every_check_says_something_in_one_line(tmp_path, monkeypatch):
    """And each that is not well says what to do."""
    told = []
    found = examine(Asked(data=SAMPLE, offline=True), told.append)
    assert found.findings == told
    assert [each.check for each in told] == list(course.CHECKS)
    assert len(told) >= 15
    for each in told:
        assert each.found
        assert "\n" not in each.found + each.fix
        assert bool(each.fix) is (each.state in ("warn", "fail")), each
    assert sum(found.counts.values()) == len(told)


def test_one_failure_fails_all_and_stops_none(monkeypatch):
    def breaks(_):
        raise StorageError("the disk refused")

    checks = {"one": lambda _: good("x"), "two": breaks, "three": lambda _: bad("y", "z")}
    monkeypatch.setattr(course, "CHECKS", checks)
    found = examine(Asked(offline=True))
    assert [each.state for each in found.findings] == ["ok", "fail", "fail"]
    assert not found.ok
    checks |= {"two": lambda _: good("x"), "three": lambda _: good("x")}
    assert examine(Asked(offline=True)).ok


def test_a_wrong_or_missing_configuration_is_a_finding(tmp_path):
    wrong = tmp_path / "x.toml"
    assert course.case_of(Asked(wrong)).wrong is not None
    wrong.write_text("x = 1")
    case = course.case_of(Asked(wrong, SAMPLE))
    assert (case.data, case.source, case.pid) == (SAMPLE, wrong, None)
    assert examine(Asked(wrong, SAMPLE, offline=True)).findings[0].state == "fail"
