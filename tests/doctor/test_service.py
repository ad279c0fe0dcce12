"""The unit, told by a stand-in of systemctl, and the port of HTTP."""

import asyncio
import socket

import pytest

from recorder.doctor import service
from tests.doctor.cases import case
from tests.http.served import served
from tests.recorders import all_recorded, wait_for

RUNS = {
    "LoadState": "loaded", "ActiveState": "active", "SubState": "running", "Result": "success",
    "NRestarts": "0", "UnitFileState": "enabled",
}  # fmt: skip


def systemctl(folder, monkeypatch, code=0, **changed):
    """Put a systemctl into PATH that says this of the unit."""
    program, told = folder / "systemctl", folder / "told"
    told.write_text("".join(f"{name}={value}\n" for name, value in (RUNS | changed).items()))
    program.write_text(f"#!/bin/sh\ncat {told}\nexit {code}\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(service, "BOOTED", folder)


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({}, "ok"),
        ({"LoadState": "not-found", "ActiveState": "inactive"}, "skip"),
        ({"ActiveState": "failed", "Result": "exit-code"}, "fail"),
        ({"ActiveState": "activating", "SubState": "auto-restart", "Result": "exit-code"}, "fail"),
        ({"ActiveState": "inactive", "SubState": "dead"}, "warn"),
        ({"NRestarts": "40"}, "warn"),
        ({"code": 1}, "skip"),
    ],
)
def test_the_unit_is_as_systemd_says(changed, state, tmp_path, monkeypatch):
    systemctl(tmp_path, monkeypatch, **changed)
    found = service.unit(case(tmp_path))
    assert found.state == state, found


def test_without_systemd_there_is_no_unit(tmp_path, monkeypatch):
    monkeypatch.setattr(service, "BOOTED", tmp_path / "no")
    assert service.unit(case(tmp_path)).state == "skip"


def test_a_port_is_free_or_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = service.http(case(tmp_path, f'[http]\nlisten = "127.0.0.1:{port}"\n'))
        assert (found.state, f":{port}" in found.fix) == ("warn", True)
    assert service.http(case(tmp_path, f'[http]\nlisten = "127.0.0.1:{port}"\n')).state == "ok"
    assert service.http(case(tmp_path, '[http]\nlisten = "127.0.0.1:0"\n')).state == "ok"
    assert service.http(case(tmp_path, '[http]\nlisten = "off"\n')).state == "skip"


def test_a_recorder_that_serves_nothing_is_told(tmp_path):
    assert service.http(case(tmp_path, pid=1)).state == "warn"
    assert service.http(case(tmp_path, '[http]\nlisten = "off"\n', pid=1)).state == "skip"


async def test_a_recorder_that_runs_is_asked(tmp_path):
    """Ready or not; and one that cannot be asked."""
    async with served(tmp_path / "data") as there:
        here = case(tmp_path / "data", pid=1)
        await wait_for(lambda: all_recorded(there.recorder), "every channel")
        found = await asyncio.to_thread(service.http, here)
        assert found.state == "ok", found
    (tmp_path / "data/.http.json").write_text(
        f'{{"url": "http://127.0.0.1:9", "pid": {service.subprocess.os.getpid()}, "token": false}}'
    )
    assert service.http(here).state == "warn"


def test_one_that_is_not_ready_says_why(tmp_path, monkeypatch):
    said = {"ready": False, "reasons": [{"detail": "the disk refuses"}]}
    monkeypatch.setattr(service.asking, "ask", lambda *_: said)
    found = service.http(case(tmp_path, pid=1))
    assert (found.state, "the disk refuses" in found.found) == ("fail", True)
