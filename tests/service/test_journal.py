"""Entries of the journal: what a value may hold, and what happens where it cannot be written."""

import socket
import struct
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.service import journal
from recorder.service.journal import Journal, entry, field_name, is_stderr


def parsed(content: bytes) -> dict[str, str]:
    """Read an entry as journald does."""
    found: dict[str, str] = {}
    while content:
        line, _, content = content.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", content[:8])
            value, content = content[8 : 8 + length], content[8 + length :]
            assert content[:1] == b"\n"
            content = content[1:]
        assert name.decode() not in found, name
        found[name.decode()] = value.decode()
    return found


def test_an_entry_has_its_fields() -> None:
    fields = {"event": "gap_found", "level": "warning", "product_id": "BTC-USD", "missing": 3,
              "products": ["A", "B"], "ok": True, "none": None}  # fmt: skip
    assert parsed(entry("gap_found missing=3", fields)) == {
        "MESSAGE": "gap_found missing=3",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "recorder",
        "EVENT": "gap_found",
        "LEVEL": "warning",
        "PRODUCT_ID": "BTC-USD",
        "MISSING": "3",
        "PRODUCTS": '["A","B"]',
        "OK": "true",
        "NONE": "null",
    }


@given(st.dictionaries(st.text(max_size=80), st.text() | st.integers() | st.none(), max_size=6),
       st.text())  # fmt: skip
def test_no_value_is_another_field(fields: dict[str, str | int | None], message: str) -> None:
    """Whatever keys and values hold, they stay one field each, and ours cannot be replaced."""
    found = parsed(entry(message, fields))
    assert found["PRIORITY"] in "3467"
    assert found["SYSLOG_IDENTIFIER"] == "recorder"
    assert set(found) == {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER"} | set(map(field_name, fields))


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("product_id", "PRODUCT_ID"),
        ("message", "RECORDER_MESSAGE"),
        ("priority", "RECORDER_PRIORITY"),
        ("_pid", "RECORDER_PID"),
        ("1st", "RECORDER_1ST"),
        ("syslog_identifier", "RECORDER_SYSLOG_IDENTIFIER"),
        ("code", "CODE"),
        ("ä b", "RECORDER_B"),
        ("x" * 100, "X" * 64),
    ],
)
def test_names_of_fields(name: str, field: str) -> None:
    """Trusted fields begin with an underscore, and journald drops names that it does not take."""
    assert field_name(name) == field


def test_entries_arrive_and_what_is_lost_is_counted(tmp_path: Path) -> None:
    """A journal that does not read holds nobody up."""
    lines: list[str] = []
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as server:
        server.bind(str(tmp_path / "socket"))
        server.settimeout(5)
        with closing(Journal(lines.append, str(tmp_path / "socket"))) as writes:
            for _ in range(1000):
                writes.write("{}", "x" * 10_000, {"event": "e"})
            kept = 1000 - writes._lost
            assert 0 < kept < 1000
            for _ in range(kept):
                assert "ENTRIES_LOST" not in parsed(server.recv(1 << 20))
            for _ in range(2):
                writes.write("{}", "m", {"event": "e"})
        assert parsed(server.recv(1 << 20))["ENTRIES_LOST"] == str(1000 - kept)
        assert "ENTRIES_LOST" not in parsed(server.recv(1 << 20))
    assert lines == []


def test_what_cannot_be_an_entry_is_a_line(tmp_path: Path) -> None:
    """Too large for a datagram, or nobody there: JSON, where the unit's output goes."""
    lines: list[str] = []
    with closing(Journal(lines.append, str(tmp_path / "nobody"))) as writes:
        writes.write('{"a":1}', "a", {"a": 1})
    with (
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as server,
        closing(Journal(lines.append, str(tmp_path / "socket"))) as writes,
    ):
        server.bind(str(tmp_path / "socket"))
        writes.write('{"b":1}', "x" * (journal.BUFFER_BYTES * 3), {})
    assert lines == ['{"a":1}', '{"b":1}']


def test_stderr_is_the_journal_or_it_is_not() -> None:
    """By device and inode; a stream that was sent elsewhere since is none."""
    source = (
        "import os, sys; from recorder.service.journal import is_stderr\n"
        "s = os.fstat(2); told = f'{s.st_dev}:{s.st_ino}'\n"
        "sys.stdout.write(f'{is_stderr(lambda _: told)} {is_stderr(lambda _: told + chr(48))}')\n"
        "os.close(2); sys.stdout.write(f' {is_stderr(lambda _: told)}')"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True,
        text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout == "True False False"
    assert not is_stderr(lambda _: None)
