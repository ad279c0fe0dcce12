"""What the command line as a whole promises: help, exit codes, one readable message."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

from recorder import errors
from recorder.cli import app

COMMANDS = (
    "api",
    "auth",
    "backfill",
    "book",
    "check-config",
    "coverage",
    "demo",
    "describe",
    "doctor",
    "export",
    "import",
    "pack",
    "plan",
    "products",
    "prune",
    "publish",
    "repair",
    "replay",
    "run",
    "status",
    "top",
    "seal",
    "setup",
    "sql",
    "support-bundle",
    "venue",
    "verify",
)


def _recorder(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "recorder", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_help_names_every_command(call: Callable[..., Any]) -> None:
    """Somebody new sees what there is."""
    found = call("--help")
    assert found.code == 0
    assert set(typer.main.get_command(app).commands) == set(COMMANDS)  # type: ignore[attr-defined]
    assert all(f" {name} " in found.out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_teaches(command: str, call: Callable[..., Any]) -> None:
    """What it does, with examples that stand on lines of their own."""
    found = call(command, "--help")
    assert found.code == 0
    assert "Examples" in found.out
    assert f" recorder {command}" in found.out.partition("Examples")[2]


def test_help_is_quick() -> None:
    """Nothing heavy is imported to show it."""
    program = "import sys, recorder.cli; print([m for m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    for heavy in (
        "duckdb",
        "pyarrow",
        "structlog",
        "asyncio",
        "numpy",
        "websockets",
        "recorder.live",
    ):
        assert f"'{heavy}'" not in found.stdout


def test_version(call: Callable[..., Any]) -> None:
    """The version is that of the installed package."""
    assert call("--version") == (0, f"recorder {version('recorder')}\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rum"], "Did you mean 'run'"),
        (["run", "--confg", "x"], "No such option"),
        (["book"], "Missing argument"),
        (["book", "BTC-USD", "--depth", "-1"], "--depth"),
        (["book", "BTC-USD", "--depth", "0"], "--depth"),
        (["book", "BTC-USD", "--depth", "x"], "--depth"),
        (["book", "BTC-USD", "--at", "yesterday"], "is not a time"),
        (["import"], "Missing argument"),
        (["venue", "--port", "70000"], "--port"),
        (["demo", "--seconds", "soon"], "--seconds"),
        (["run", "--product", "btc-usd"], 'did you mean "BTC-USD"?'),
        (["run", "--url", "ws://example.com"], "in the clear"),
        (["run", "--log-level", "loud"], "debug, info, warning, error"),
    ],
)
def test_a_wrong_call_is_64_and_says_why(
    arguments: list[str],
    words: str,
    call: Callable[..., Any],
    stand_in: Callable[..., None],
) -> None:
    """One message on stderr, nothing on stdout, and no traceback."""
    stand_in("live", record=lambda *_, **__: pytest.fail("it ran"))
    found = call(*arguments)
    assert (found.code, found.out) == (64, "")
    assert found.err.startswith("recorder: ")
    assert words in found.err
    assert "Traceback" not in found.err


def test_no_command_is_64_and_shows_the_help(call: Callable[..., Any]) -> None:
    """The bare word helps on."""
    found = call()
    assert found.code == 64
    assert "Usage:" in found.out


@pytest.mark.parametrize(
    "error",
    [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.RecorderError)
    ],
)
def test_an_operator_s_mistake_is_one_message_and_its_exit_code(
    error: type[errors.RecorderError], call: Callable[..., Any], stand_in: Callable[..., None]
) -> None:
    """Every error of the tree has its code; its text cannot steer the terminal."""

    def fail(_root: Path) -> None:
        raise error("it is \x1b[2J broken; mend it")

    stand_in("dataset", open_dataset=fail)
    assert call("products") == (error.exit_code, "", "recorder: it is \\x1b[2J broken; mend it\n")


def test_only_mistakes_are_counted_as_such(
    call: Callable[..., Any], stand_in: Callable[..., None], tmp_path: Path
) -> None:
    """Those of a file and of options are; the lines of another message are not."""
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[feed]\nvenue = 1\nsilly = 2\n")
    for arguments in (
        ("check-config", wrong),
        ("run", "--product", "btc-usd", "--url", "ws://example.com"),
    ):
        assert call(*arguments).err.startswith("recorder: 2 mistakes:\n  ")

    def fail(_root: Path) -> None:
        raise errors.IncompleteData("it is not complete: 1 gap.\n  the gap\nAsk for less.")

    stand_in("dataset", open_dataset=fail)
    told = "recorder: it is not complete: 1 gap.\n    the gap\n  Ask for less.\n"
    assert call("products") == (65, "", told)


def test_a_bug_is_not_hidden(call: Callable[..., Any], stand_in: Callable[..., None]) -> None:
    """An assertion goes through, with its traceback."""

    def fail(_root: Path) -> None:
        raise AssertionError("ours")

    stand_in("dataset", open_dataset=fail)
    with pytest.raises(AssertionError, match="ours"):
        call("products")


def test_ctrl_c_is_130(call: Callable[..., Any], stand_in: Callable[..., None]) -> None:
    """Without a word."""

    def interrupt(_root: Path) -> None:
        raise KeyboardInterrupt

    stand_in("dataset", open_dataset=interrupt)
    assert call("products") == (130, "", "")


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`recorder … | head` ends without a message, as programs that die of SIGPIPE do."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        found = subprocess.run(
            [sys.executable, "-m", "recorder", "check-config", "--example"],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)
    assert (found.returncode, found.stderr) == (141, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("auth", "check", "--config", "{}"), ("check-config", "--config", "{}"),
        ("auth", "check", "--scheme", "{}"), ("api", "{}", "x"),
        ("api", "GET", "x", "--query", "{}"),
        ("import", "{}"), ("pack", "{}"), ("coverage", "--data", "s3://u:{}@b/p"),
        ("doctor", "--json", "--offline", "--data", "{}"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "key",
    [
        "Dz8WVKYh3Nf8TVctA2f7vvWRwDb4McEI",
        "a968966cb059908fbf12890be2513616",
        "97ZZ5AkRqKq/UANLOSIskmz+MSoBi/Ymb8BCKUUeXKo=",
    ],
)
def test_a_key_in_a_wrong_place_is_not_repeated(call, arguments, key, tmp_path, monkeypatch):
    """Whoever pastes one where a path, a word or a product belongs does not find it in a log."""
    monkeypatch.chdir(tmp_path)
    found = call(*(each.format(key) for each in arguments))
    assert found.out + found.err
    assert key[:16] not in found.out + found.err


@pytest.mark.parametrize("command", ["products", "verify", "seal", "status", "support-bundle"])
def test_a_name_too_long_for_a_file_is_a_wrong_call(command, call):
    option = "--out" if command == "support-bundle" else "--data"
    code, out, err = call(command, option, "k" * 300)
    assert (code, out) == (64, "")
    assert "too long" in err
    assert "kkk" not in err


def test_a_request_that_is_not_sent_is_told_without_a_key(call):
    key = "97ZZ5AkRqKq/UANLOSIskmz+MSoBi/Ymb8BCKUUeXKo="
    code, out, err = call("api", "POST", key, "--query", f"k={key}")
    assert code == 64
    assert "Not sent" in err
    assert key[:12] not in out + err


def test_data_of_somebody_else_is_told_and_no_traceback(call, stand_in):
    def refuse(_root: Path) -> None:
        raise PermissionError(13, "Permission denied", "/data/current.json")

    stand_in("dataset", open_dataset=refuse)
    code, out, err = call("products")
    assert (code, out) == (77, "")
    assert err.startswith("recorder: /data/current.json: permission denied: run this as the user")


def test_a_configuration_that_may_not_be_read_is_not_tried_again_and_again(
    call, tmp_path, monkeypatch
):
    """77 is what the unit does not restart after."""
    settings = tmp_path / "x.toml"
    settings.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    opened = Path.open

    def refuse(path: Path, *arguments: Any, **named: Any) -> Any:
        if path == settings:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", refuse)
    code, _, err = call("run", "--config", str(settings), "--data", str(tmp_path / "data"))
    assert code == 77
    assert "cannot read the configuration" in err


@pytest.mark.parametrize("command", ["status", "coverage", "verify", "export", "book"])
def test_no_path_is_looked_at_before_its_command_does(command, call, tmp_path, monkeypatch):
    """What this user may not read is a permission (77) to us, a wrong call (64) to Typer."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "not readable" not in call(command, "--data", tmp_path).err


def test_the_home_of_nobody_is_a_wrong_call(call):
    code, out, err = call("status", "--data", "~nobody-of-this-name/data")
    assert (code, out) == (64, "")
    assert "no user's" in err
