"""What the embedded venue and the service promise, with the real ones, as processes."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from recorder.cli.embedded import embedded_venue
from recorder.errors import UnavailableError
from recorder.logs import EVENTS

ORPHAN = """
import os, signal
from recorder.cli.embedded import embedded_venue
with embedded_venue(rate=1.0, seed=1) as venue:
    print(venue.url, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_service_records_from_the_venue_and_stops_on_sigterm(tmp_path: Path) -> None:
    """Its stdout is JSON lines of known events, the exit is 0, and the hour stays open."""
    with embedded_venue(rate=1.0, seed=1) as venue:
        command = ["run", "--url", venue.url, "--data", str(tmp_path), "--product", "ETH-USD"]
        service = subprocess.Popen(
            [sys.executable, "-m", "recorder", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert service.stdout is not None
        lines = []
        for line in service.stdout:
            lines.append(json.loads(line))
            if lines[-1]["event"] == "book_live":
                service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
        assert service.stderr is not None
        assert service.stderr.read() == ""
        service.stdout.close()
        service.stderr.close()
    events = [line["event"] for line in lines]
    assert set(events) <= set(EVENTS)
    assert events[0] == "config_loaded"
    assert events[-1] == "recorder_stopped"
    assert not list((tmp_path / "level2").rglob("*.parquet"))
    assert len(list((tmp_path / "live" / "level2").glob("*.parquet"))) > 1


def test_the_venue_stops_when_it_is_no_longer_needed() -> None:
    """Nothing listens on its port afterwards, and nothing of it is left."""
    with embedded_venue(rate=1.0, seed=1) as venue:
        assert urlsplit(venue.url).hostname == "127.0.0.1"
        assert _listens(venue.url)
    assert not _listens(venue.url)


def test_the_venue_stops_when_its_owner_is_killed() -> None:
    """No orphan is left behind by kill -9."""
    owner = subprocess.run(
        [sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True, check=False
    )
    assert owner.returncode == -signal.SIGKILL
    gone_s = time.monotonic() + 10
    while _listens(owner.stdout.strip()):
        assert time.monotonic() < gone_s


def test_a_venue_that_cannot_start_says_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message of the venue is in ours."""
    with pytest.raises(UnavailableError, match="rate"), embedded_venue(rate=-1.0, seed=1):
        pass
    monkeypatch.setattr(sys, "executable", "/bin/echo")
    with pytest.raises(UnavailableError, match="-m recorder venue"), embedded_venue(rate=1, seed=1):
        pass


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((parts.hostname, parts.port)) == 0
