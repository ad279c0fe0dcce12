"""What goes to the service manager, and that nothing can go wrong with it."""

import os
import socket
import time
from contextlib import closing
from pathlib import Path

import pytest

from recorder.service.notifier import EXTEND_S, Notifier

NAME = f"recorder-test-{os.getpid()}"


def listening(address: str) -> socket.socket:
    """A manager that listens."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind(address)
    server.setblocking(False)
    return server


def notifier(**environment: str) -> Notifier:
    return Notifier(environment.get)


@pytest.mark.parametrize("abstract", [False, True])
def test_a_message_is_assignments_in_one_datagram(abstract: bool, tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    address, told = (f"\0{NAME}", f"@{NAME}") if abstract else (path, path)
    with closing(listening(address)) as server:
        assert notifier(NOTIFY_SOCKET=told).send(READY=1, STATUS="2 products")
        assert server.recv(4096) == b"READY=1\nSTATUS=2 products"


def test_a_value_is_no_second_assignment(tmp_path: Path) -> None:
    """What came from outside may stand in a status."""
    with closing(listening(str(tmp_path / "notify"))) as server:
        notifier(NOTIFY_SOCKET=str(tmp_path / "notify")).send(
            STATUS="x\nWATCHDOG=trigger\r\x00\ud800"
        )
        assert server.recv(4096) == b"STATUS=x WATCHDOG=trigger   "


@pytest.mark.parametrize("told", ["", "relative", "vsock:2:1234"])
def test_without_a_manager_nothing_is_sent(told: str) -> None:
    silent = notifier(NOTIFY_SOCKET=told, WATCHDOG_USEC="3000000")
    assert not silent.active
    assert not silent.send(READY=1)
    assert silent.watchdog_s == 0


def test_a_manager_that_is_gone_or_busy_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    tells = notifier(NOTIFY_SOCKET=str(path))
    assert not tells.send(READY=1)
    with closing(listening(str(path))):
        while tells.send(STATUS="x" * 4096):  # until its queue is full: it does not read
            pass
        assert not tells.send(READY=1)
    assert not notifier(NOTIFY_SOCKET=f"/{'x' * 4096}").send(READY=1)


def test_reload_and_extension(tmp_path: Path) -> None:
    """The clock of a reload is CLOCK_MONOTONIC, in microseconds."""
    with closing(listening(str(tmp_path / "notify"))) as server:
        tells = notifier(NOTIFY_SOCKET=str(tmp_path / "notify"))
        before_us = time.monotonic_ns() // 1000
        tells.reloading()
        first, second = server.recv(4096).decode().split("\n")
        assert first == "RELOADING=1"
        name, _, usec = second.partition("=")
        assert name == "MONOTONIC_USEC"
        assert before_us <= int(usec) <= time.monotonic_ns() // 1000
        tells.extend()
        assert server.recv(4096) == f"EXTEND_TIMEOUT_USEC={int(EXTEND_S * 1e6)}".encode()


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("30000000", "", 30.0),
        ("30000000", "ours", 30.0),
        ("30000000", "1", 0.0),  # it is meant for another process
        ("", "", 0.0),
        ("-5", "", 0.0),
        ("1e6", "", 0.0),
        ("²", "", 0.0),
    ],
)
def test_the_watchdog_is_ours_or_not(usec: str, pid: str, seconds: float, tmp_path: Path) -> None:
    pid = pid.replace("ours", str(os.getpid()))
    told = {"NOTIFY_SOCKET": str(tmp_path), "WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}
    assert notifier(**told).watchdog_s == seconds
