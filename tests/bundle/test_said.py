"""The log in a bundle: of a file, and of a journal that a stand-in of journalctl tells."""

import json

import pytest

from recorder.bundle import said
from recorder.bundle.shown import Shown
from recorder.errors import NoInputError

SHOWN = Shown(["BTC-USD"])
EVENT = {
    "ts": "2026-11-21T19:02:33.123456789Z", "level": "warning", "event": "gap_found",
    "product_id": "BTC-USD", "missing": 3, "error": "no answer from q7Zxjdoe within 5 s",
    "q7Zx": "q7Zx",
}  # fmt: skip


def test_events_keep_their_keys_and_lose_what_nobody_knows(tmp_path):
    log = tmp_path / "log"
    made_up = {"event": "q7Zx_event", "level": "info"}
    lines = [json.dumps(EVENT), json.dumps(made_up), "Traceback (most recent call last):", "\0q7Zx"]
    log.write_text("\n".join(["first", *lines]) + "\n")
    first, *rest = said.of_file(log, 4, SHOWN)
    assert json.loads(first) == {
        **{name: EVENT[name] for name in ("ts", "level", "event", "product_id", "missing")},
        "error": "no answer from … within 5 s", "…": 1,
    }  # fmt: skip
    assert rest[1] == "Traceback (most recent call last):"
    assert "q7Zx" not in "".join(rest)


def test_a_log_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(NoInputError, match="cannot be read"):
        said.of_file(tmp_path / "no", 4, SHOWN)


def journal_of(folder, monkeypatch, *entries, code=0):
    """Put a journalctl into PATH that says these entries."""
    told = folder / "told"
    told.write_text("\n".join(json.dumps(each) for each in entries))
    program = folder / "journalctl"
    program.write_text(f'#!/bin/sh\necho "$@" > {folder}/asked\ncat {told}\nexit {code}\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_entries_of_the_journal_have_our_fields_and_no_others(tmp_path, monkeypatch):
    """What journald adds names the machine and the process: none of it is taken."""
    journal_of(
        tmp_path, monkeypatch,
        {
            "__REALTIME_TIMESTAMP": "1763751753123456", "_HOSTNAME": "q7Zx", "_CMDLINE": "q7Zx",
            "_SYSTEMD_UNIT": "recorder.service", "PRIORITY": "4", "EVENT": "gap_found",
            "PRODUCT_ID": "BTC-USD", "ERROR": "q7Zx", "MESSAGE": "gap_found q7Zx",
            "SYSLOG_IDENTIFIER": "recorder", "TS": "x",
        },
        {"MESSAGE": "Started recorder.service - q7Zx.", "_SYSTEMD_UNIT": "recorder@q7Zx.service"},
        {"MESSAGE": [1, 2, 3]},
    )  # fmt: skip
    found = said.of_journal(100, SHOWN)
    assert found is not None
    assert json.loads(found[0]) == {
        "ts": "2025-11-21T19:02:33.123+00:00", "unit": "recorder.service", "priority": "4",
        "event": "gap_found", "product_id": "BTC-USD", "error": "…",
    }  # fmt: skip
    assert json.loads(found[1])["message"] == "Started recorder.service - …."
    assert "q7Zx" not in "".join(found)
    assert "--lines=100" in (tmp_path / "asked").read_text()


def test_without_a_journal_there_are_no_lines(tmp_path, monkeypatch):
    journal_of(tmp_path, monkeypatch, code=1)
    assert said.of_journal(10, SHOWN) is None
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert said.of_journal(10, SHOWN) is None
