"""`recorder support-bundle`: what it hands on and what it shows."""

import json
import tarfile
from pathlib import Path

SAMPLE = Path("data/sample").absolute()


def test_it_says_what_is_in_it_and_where(tmp_path, call):
    out = tmp_path / "made.tar.gz"
    shown = call("support-bundle", "--data", SAMPLE, "--out", out, "--days", 30, "--offline")
    assert shown.code == 0
    assert "about.json" in shown.out
    assert "not there" in shown.out
    assert "made.tar.gz" in shown.out.replace("\n", "")
    assert call("support-bundle", "--data", SAMPLE, "--out", out).code == 64
    again = tmp_path / "again.tar.gz"
    document = json.loads(
        call("support-bundle", "--root", SAMPLE, "--out", again, "--json", "--offline").out
    )
    assert document["path"] == str(again)
    with tarfile.open(again) as found:
        names = {each.name.partition("/")[2] for each in found}
    assert names == {
        "README.txt", *(part["name"] for part in document["parts"] if not part["left_out"]),
    }  # fmt: skip


def test_impossible_numbers_are_refused(tmp_path, call):
    assert call("support-bundle", "--days", 0, "--out", tmp_path / "x").code == 64
    assert call("support-bundle", "--lines", 10**9, "--out", tmp_path / "x").code == 64
