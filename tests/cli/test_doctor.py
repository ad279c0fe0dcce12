"""`recorder doctor`: what it shows, and its exit codes."""

import json
from pathlib import Path

import pytest

from recorder.doctor import course
from recorder.doctor.findings import Verdict

SAMPLE = Path("data/sample").absolute()


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("warn", 0), ("skip", 0), ("fail", 1)])
def test_the_exit_code_is_1_where_a_check_failed(state, code, call, monkeypatch):
    fix = "put it right" if state in ("warn", "fail") else ""
    monkeypatch.setattr(course, "CHECKS", {"thing": lambda _: Verdict(state, "as it is", fix)})
    shown = call("doctor", "--offline")
    assert shown.code == code
    assert "as it is" in shown.out
    assert ("→ put it right" in shown.out) is bool(fix)
    assert f"1 checks: 1 {state}." in shown.out
    document = json.loads(call("doctor", "--offline", "--json").out)
    assert document["ok"] is (code == 0)
    assert document["findings"] == [
        {"check": "thing", "state": state, "found": "as it is", "fix": fix}
    ]


def test_a_wrong_configuration_fails(call, tmp_path):
    wrong = tmp_path / "x.toml"
    wrong.write_text("[feed]\nproduct = 3\n")
    shown = call("doctor", "--offline", "--root", SAMPLE, "--config", wrong)
    assert shown.code == 1
    assert "feed.product (line 2)" in shown.out
    assert "FAIL" in shown.out
