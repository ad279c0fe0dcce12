"""`recorder publish`: what it shows, its exit codes, and a kill -9 in the middle."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.cli import main
from tests.objectstore import CUT, HOLD, SKEWED, Store, object_store
from tests.publishers import check_published, local_objects, set_keys, to

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    set_keys(monkeypatch)
    with object_store() as running:
        yield running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The sample, whose files are links: nothing changes them."""
    path = tmp_path / "data"
    for each in SAMPLE.rglob("*"):
        if each.is_file() and "live" not in each.parts:
            (path / each.relative_to(SAMPLE)).parent.mkdir(parents=True, exist_ok=True)
            (path / each.relative_to(SAMPLE)).symlink_to(each)
    return path


def arguments(data: Path, store: Store, *more: str) -> list[str]:
    return ["publish", "--data", str(data), "--to", to("x"), "--endpoint", store.endpoint, *more]


def test_it_says_what_was_published(data, store, capsys):
    """A line an hour and a sum; the second time that all was there."""
    assert main(arguments(data, store, "--dry-run")) == 0
    assert "Would publish: " in capsys.readouterr().out
    assert store.objects == {}
    assert main(arguments(data, store)) == 0
    out = capsys.readouterr().out
    assert out.count("Published: ") == len(list(SAMPLE.glob("commits/??????????.json")))
    assert " sent; 0 hours were there." in out
    assert main(arguments(data, store, "--json")) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["whole"], report["published"], report["conditional"]) == (True, [], True)


def test_the_commands_that_read(data, store, capsys, monkeypatch):
    """They take an address, and the environment's endpoint; SQL says why it does not."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", store.endpoint)
    assert main(arguments(data, store)) == 0
    capsys.readouterr()
    assert main(["products", "--data", to("x"), "--json"]) == 0
    there = json.loads(capsys.readouterr().out)
    assert main(["products", "--data", str(SAMPLE), "--json"]) == 0
    assert [each["product_id"] for each in json.loads(capsys.readouterr().out)] == [
        each["product_id"] for each in there
    ]
    assert main(["book", there[0]["product_id"], "--data", to("x")]) == 0
    assert main(["sql", "FROM trades", "--data", to("x")]) == 64
    assert "recorder.open" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--to", "market-data"], 64),
        (["--endpoint", "http://s3.example.com"], 64),
        (["--to", "s3://another/x"], 66),
        (["--data", "nothing-here"], 66),
        (["--since", "2026-11-21", "--until", "2026-11-20"], 64),
        (["--jobs", "0"], 64),
    ],
)
def test_mistakes(data, store, capsys, more, code):
    """Each with its exit code and what to do."""
    assert main(arguments(data, store, *more)) == code
    assert capsys.readouterr().err.startswith("recorder: ")


def test_a_store_that_refuses(data, store, capsys):
    for fault, code in ((CUT, 69), (SKEWED, 77)):
        store.fault = lambda _number, _method, _key, now=fault: now
        assert main(arguments(data, store)) == code
    assert "secret" not in capsys.readouterr().err


def test_an_hour_that_is_left_alone(data, store, capsys):
    """The exit code is 1, and it says which and why."""
    path = next(data.glob("level2/**/*.parquet"))
    body = path.read_bytes()
    path.unlink()
    path.write_bytes(body[:-1] + b"?")
    assert main(arguments(data, store)) == 1
    out = capsys.readouterr().out
    assert "Left alone: " in out
    assert "recorder repair" in out


@pytest.mark.parametrize("at", [5, 12, 21])
def test_kill_9_in_the_middle(data, store, at):
    """The next run goes on: all is there, once, and readers never saw half an hour."""
    store.fault = lambda number, _method, _key: HOLD if number == at else None
    command = [sys.executable, "-m", "recorder", *arguments(data, store, "--jobs", "2")]
    with subprocess.Popen(command, env=dict(os.environ)) as running:
        store.held.wait()
        running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL
    store.release.set()
    check_published(store.below("x"), whole=False)
    assert main(arguments(data, store)) == 0
    objects = store.below("x")
    check_published(objects, whole=True)
    wanted = local_objects(data)
    assert {key: objects[key] for key in wanted} == wanted
    assert len([key for key in objects if key.startswith("commits/")]) == len(
        [key for key in wanted if key.startswith("commits/")]
    )
