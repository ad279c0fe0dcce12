"""What is said of where and how fast; serving from the command line, as a process."""

import asyncio
import json
import signal
import subprocess
import sys

import pytest

from recorder.broadcast import address, factor
from recorder.errors import UsageError
from tests.broadcast.made import Client, dial
from tests.frames_made import PRODUCTS


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("127.0.0.1:8765", ("127.0.0.1", 8765)),
        ("8765", ("127.0.0.1", 8765)),
        (":0", ("127.0.0.1", 0)),
        ("localhost:80", ("localhost", 80)),
        ("[::1]:8765", ("::1", 8765)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
    ],
)
def test_an_address(text, want):
    assert address(text) == want


@pytest.mark.parametrize("text", ["", "host", "::1:80", "a b:1", "1:2:3", "h:99999", "h:-1", "h:"])
def test_what_is_no_address(text):
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:8765"):
        address(text)


@pytest.mark.parametrize(("text", "want"), [("1", 1.0), ("0.5", 0.5), ("10", 10.0), ("max", None)])
def test_a_speed(text, want):
    assert factor(text) == want


@pytest.mark.parametrize("text", ["0", "-1", "fast", "nan", "inf", ""])
def test_what_is_no_speed(text):
    with pytest.raises(UsageError, match="max"):
        factor(text)


async def test_served_by_a_process_to_its_end(whole):
    """It says where, serves, and ends with a summary."""
    command = ["replay", "--data", whole, "--serve", "0", "--speed", "max", "--json"]
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "recorder", *command,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        ready = (await running.stderr.readline()).decode()
        async with dial(ready.removeprefix("Serving at ").strip()) as socket:
            client = Client(socket)
            await client.subscribe("level2", PRODUCTS)
            await client.read()
            assert socket.close_code == 1000
        out, _ = await running.communicate()
    summary = json.loads(out)
    assert running.returncode == 0
    assert summary["finished"]
    assert summary["frames"] == len(client.frames)
    assert summary["hours_captured"] == 2


def test_it_stops_when_it_is_told_to(whole):
    """SIGTERM, while it waits for a client: a summary, and no error."""
    command = [sys.executable, "-m", "recorder", "replay", "--data", whole, "--serve", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline().startswith("Serving at ws://127.0.0.1:")
        running.send_signal(signal.SIGTERM)
        out, _ = running.communicate(timeout=120)
        assert running.returncode == 0
    assert "Stopped" in out
