"""What `recorder.logs` promises: only known events, no secrets, and nothing that can inject."""

import json
import logging
import re
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recorder import logs
from recorder.errors import UsageError

PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIcanary\n-----END EC PRIVATE KEY-----"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmVkY2FuYXJ5"
HOSTILE = (
    'x\n{"event":"recorder_stopped"}\r\x1b[2J\x1b]0;owned\x07\u202e\u2028\x85\x7f\x00 level=error'
)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    shown = warnings.showwarning
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(capture=False)
    warnings.showwarning = shown
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def _service(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    out, err = capsys.readouterr()
    assert err == ""
    assert out.isascii()
    assert "\x7f" not in out
    return [json.loads(line) for line in out.splitlines()]


def test_in_service_a_line_is_one_json_object_on_stdout(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Time in nanoseconds, level and event come first, then the keys in order."""
    logs.configure(service=True, level="info")
    logs.log(connection_id="c1").info("gap_found", messages_missing=3, after=7)
    line = capsys.readouterr().out
    assert list(json.loads(line)) == [
        "ts",
        "level",
        "event",
        "after",
        "connection_id",
        "messages_missing",
    ]
    found = json.loads(line)
    assert found["level"] == "info"
    assert found["event"] == "gap_found"
    assert found["messages_missing"] == 3
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", found["ts"])


def test_under_systemd_a_line_is_an_entry_of_the_journal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its keys as fields, a line for people, and without what is secret in either."""
    wrote: list[tuple[str, str, dict[str, Any]]] = []

    class Journal:
        def __init__(self, otherwise: Any) -> None:
            self.otherwise = otherwise

        def write(self, line: str, message: str, fields: dict[str, Any]) -> None:
            wrote.append((line, message, fields))
            self.otherwise(line)

    monkeypatch.setattr(logs.journal, "is_stderr", lambda: True)
    monkeypatch.setattr(logs.journal, "Journal", Journal)
    logs.configure(service=True, level="info")
    logs.log(product_id="BTC-USD").warning("book_stale", reason="a b", secret="s", text=PEM)
    ((line, message, fields),) = wrote
    expected = 'book_stale product_id=BTC-USD reason="a b" secret="[redacted]" text="[redacted]"'
    assert message == expected
    assert fields["product_id"] == "BTC-USD"
    assert line.startswith("<4>{")
    assert json.loads(line.removeprefix("<4>")) == fields
    assert capsys.readouterr().out == f"{line}\n", "what the journal does not take is a line"
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logs.log().exception("work_failed", what="seal")
    _, message, fields = wrote[-1]
    assert fields["exception"].startswith("Traceback")
    assert "Traceback" in message
    assert "\x1b" not in message


def test_on_a_terminal_a_line_is_readable_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Plain words stand as they are, everything else in quotes."""
    logs.configure(service=False, level="info")
    logs.log(product_id="BTC-USD").info(
        "book_stale", reason="no heartbeat", products=["A-B", "c d"]
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert 'product_id=BTC-USD products=[A-B, "c d"] reason="no heartbeat"' in err
    assert "book_stale" in err
    assert "\x1b" not in err


@pytest.mark.parametrize("level", logs.LEVELS)
def test_what_is_below_the_level_is_not_logged(
    level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A level lets itself and everything above it through."""
    logs.configure(service=True, level=level)
    for name in logs.LEVELS:
        getattr(logs.log(), name)("gap_found")
    assert [line["level"] for line in _service(capsys)] == list(
        logs.LEVELS[logs.LEVELS.index(level) :]
    )


def test_an_unknown_level_is_a_usage_error() -> None:
    """The message names the levels."""
    with pytest.raises(UsageError, match="debug, info, warning, error"):
        logs.configure(service=True, level="loud\n")


@pytest.mark.parametrize("service", [True, False])
def test_an_event_that_is_not_in_the_catalogue_is_a_bug(service: bool) -> None:
    """Upstream text cannot become an event, and none can be forgotten in the documentation."""
    logs.configure(service=service, level="info")
    with pytest.raises(AssertionError, match="no_such_event"):
        logs.log().info("no_such_event")


def test_the_catalogue_is_fit_for_documentation() -> None:
    """Every event is lower snake case, and its meaning a sentence."""
    for event, meaning in logs.EVENTS.items():
        assert re.fullmatch(r"[a-z]+(?:_[a-z]+)+", event)
        assert meaning.endswith(".")


def test_hostile_text_cannot_leave_its_value_in_service(capsys: pytest.CaptureFixture[str]) -> None:
    """Newlines, escape sequences and fake keys stay data, as values and as keys."""
    logs.configure(service=True, level="info")
    logs.log().warning(
        "fault_recorded", detail=HOSTILE, nested={HOSTILE: [HOSTILE]}, **{HOSTILE: 1}
    )
    (line,) = _service(capsys)
    assert line["detail"] == HOSTILE
    assert line["nested"] == {HOSTILE: [HOSTILE]}
    assert line[HOSTILE] == 1
    assert line["event"] == "fault_recorded"
    assert line["level"] == "warning"


def test_hostile_text_cannot_leave_its_value_on_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Newlines, escape sequences and fake keys are written as escapes, in quotes."""
    logs.configure(service=False, level="info")
    logs.log().warning(
        "fault_recorded", detail=HOSTILE, nested={HOSTILE: [HOSTILE]}, **{HOSTILE: 1}
    )
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err[:-1].isprintable()
    outside_quotes = re.sub(r'"(?:[^"\\]|\\.)*"', "", err)
    assert "level=error" not in outside_quotes


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(text=st.text(), service=st.booleans())
def test_any_text_is_one_line(text: str, service: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the value, one event is one printable line, lone surrogates included."""
    logs.configure(service=service, level="info")
    logs.log().info("gap_found", text=text)
    captured = capsys.readouterr()
    line = captured.out or captured.err
    assert line.endswith("\n")
    assert line[:-1].isprintable()


@pytest.mark.parametrize("service", [True, False])
def test_an_exception_cannot_pass_for_a_line_of_the_log(
    service: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its text may be the venue's: in JSON it is a value, on a terminal it is indented."""
    logs.configure(service=service, level="info")
    try:
        raise ValueError(f"{HOSTILE} {PEM}")
    except ValueError:
        logs.log().exception("recorder_stopped")
    captured = capsys.readouterr()
    text = captured.out or captured.err
    first, *others = text.splitlines()
    assert "recorder_stopped" in first
    assert all(line.startswith("    | ") and line.isprintable() for line in others)
    assert "ValueError" in text
    assert "canary" not in text


@pytest.mark.parametrize(
    "key",
    [
        "secret",
        "api_secret",
        "API-KEY",
        "apiKey",
        "passphrase",
        "CB-ACCESS-PASSPHRASE",
        "jwt",
        "authorization",
        "Proxy-Authorization",
        "signature",
        "privatekey",
        "private_key",
        "privateKey",
        "password",
        "cookie",
        "token",
    ],
)
@pytest.mark.parametrize("service", [True, False])
def test_a_key_that_is_named_like_a_secret_loses_its_value(
    key: str, service: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the top and nested, whatever the type of the value."""
    logs.configure(service=service, level="info")
    logs.log().info("config_loaded", **{key: "canary"}, deep={"a": [{key: ["canary", b"canary"]}]})
    captured = capsys.readouterr()
    assert "canary" not in captured.out + captured.err
    assert "[redacted]" in captured.out + captured.err


@pytest.mark.parametrize(
    "text",
    [
        PEM,
        PEM.replace("\n", "\\n"),
        PEM[:60],
        JWT,
        f"Authorization: Bearer {JWT}",
        "authorization: bearer abcdefgcanary",
        "wss://user:canary@example.com/x",
        '{"jwt":"canary","passphrase": "canary \\" canary"}',
        '{\\"signature\\":\\"canary\\"}',
        "{'api_key': 'canary'}",
        "https://example.com/?token=canary&secret=canary",
        "secret=canary",
    ],
)
@pytest.mark.parametrize("kind", [str, bytes, ValueError, list])
def test_a_text_that_looks_like_a_secret_is_not_logged(
    text: str, kind: type, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever it stands: keys, tokens, passwords in addresses, members of JSON."""
    logs.configure(service=True, level="info")
    value = text.encode() if kind is bytes else [text] if kind is list else kind(text)
    logs.log().info("fault_recorded", detail=value)
    out = capsys.readouterr().out
    assert "canary" not in out
    assert JWT.split(".")[2] not in out
    assert "[redacted]" in out


@pytest.mark.parametrize(
    "text", ["BTC-USD", "sequence_num 7 expected 6", "wss://advanced-trade-ws.coinbase.com"]
)
def test_what_is_no_secret_is_kept(text: str) -> None:
    """Ordinary texts are not touched."""
    assert logs.redact(text) == text


def test_every_kind_of_value_becomes_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers that JSON has not, huge ones, times, paths and objects are texts."""
    logs.configure(service=True, level="info")
    logs.log().info(
        "config_loaded",
        nan=float("nan"),
        huge=1 << 80,
        when=datetime(2026, 11, 21, tzinfo=UTC),
        path=Path("/x"),
        pair=("a", 1.5),
        nothing=None,
        raw=b"\xff",
    )
    (line,) = _service(capsys)
    assert line["nan"] == "nan"
    assert line["huge"] == hex(1 << 80)
    assert line["when"] == "2026-11-21T00:00:00+00:00"
    assert line["path"] == "/x"
    assert line["pair"] == ["a", 1.5]
    assert line["nothing"] is None
    assert line["raw"] == "\\xff"


def test_a_line_has_a_bound(capsys: pytest.CaptureFixture[str]) -> None:
    """A 5 MB frame or a nest without an end does not become a log line."""
    logs.configure(service=True, level="info")
    nest: list[Any] = []
    nest.append(nest)
    logs.log().info("fault_recorded", detail="x" * 5_000_000, nest=nest)
    (line,) = _service(capsys)
    assert line["detail"].endswith("… (5000000 characters)")
    assert len(str(line)) < 10_000


def test_libraries_log_as_one_event(capsys: pytest.CaptureFixture[str]) -> None:
    """What they say is a value of ours, from warning level on."""
    logs.configure(service=True, level="info")
    logging.getLogger("websockets").info("hidden")
    logging.getLogger("websockets").error("%s\n%s", HOSTILE, PEM)
    (line,) = _service(capsys)
    assert line["event"] == "library_warned"
    assert line["library"] == "websockets"
    assert line["level"] == "error"
    assert "canary" not in line["text"]


def test_warnings_of_python_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """They do not go to stderr past the log."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure(service=True, level="info")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    (line,) = _service(capsys)
    assert line["event"] == "library_warned"
    assert line["library"] == "py.warnings"


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk or a closed pipe behind stdout does not stop the recording."""

    class Broken:
        def write(self, _text: str) -> None:
            raise BrokenPipeError

    logs.configure(service=True, level="info")
    monkeypatch.setattr("sys.stdout", Broken())
    logs.log().info("recorder_started")
