"""Logging: one line for each change of state, as JSON in service and readable on a terminal.

Only the shell logs, and only events of the catalogue `EVENTS`; anything else is a bug and dies as
an assertion. What came from outside (a reason of a close, a product id, the text of an exception)
is data: it is a value, never part of the event's name, and whatever it holds, it cannot end the
line, steer a terminal, or pass for another key.

Secrets do not belong in logs. A key that is named like one loses its value, and so does a text
that looks like one, wherever it stands.
"""

import json
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import structlog

from recorder.credentials import without_secrets
from recorder.errors import UsageError
from recorder.masking import REDACTED, SECRET_NAMES, redact
from recorder.service import journal

EVENTS: dict[str, str] = {
    "config_loaded": "The settings were read and are right; every one of them is a key.",
    "recorder_started": "Recording begins: the data directory is locked and the capture is open.",
    "recorder_stopped": "Recording ended in order; everything received is on disk.",
    "key_checked": "The venue takes the key; what it may do, and how far the clocks are apart.",
    "key_doubted": "The key may do more than a recorder needs, or the clock is off.",
    "key_unchecked": "The venue could not be asked about the key; it is used all the same.",
    "key_refused": "The venue refuses the key, which is not needed: nothing is signed.",
    "session_opened": "A connection to the venue was established.",
    "session_closed": "A connection ended, by whom and why; its books are stale from here on.",
    "connect_failed": "The venue could not be reached, or refused the connection.",
    "products_selected": "What is recorded, and what of the products that were asked for is not.",
    "products_listed": "The venue's list of products came; it is kept for the next start.",
    "products_not_listed": "The venue's list of products could not be had; what is known holds.",
    "rest_not_asked": "A feed on this machine is no matter of the REST services elsewhere.",
    "plan_changed": "Products were added or removed while recording; other lines are untouched.",
    "config_changed": "The configuration was read again; these settings hold from now on.",
    "config_refused": "The configuration was read again and is wrong; the old one holds.",
    "restart_needed": "The configuration was read again; these keys change at a restart only.",
    "requests_held": "The venue says that we ask too often; nothing is asked for wait_s.",
    "subscription_sent": "A subscribe or unsubscribe request was sent.",
    "fault_recorded": "A doubt about the data was written to the faults table.",
    "gap_found": "Numbers are missing in a connection's sequence; written to coverage.",
    "book_live": "A product's book was built from a snapshot and can be trusted.",
    "book_stale": "A product's book cannot be trusted until its next snapshot.",
    "product_status_changed": "The venue says that a product's status is another one.",
    "backfill_waiting": "The venue does not answer for missing trades; asked again after wait_s.",
    "trades_backfilled": "Trades that were missing were fetched by REST and recorded.",
    "capture_opened": "A new capture segment takes the raw frames.",
    "part_written": "The rows of the last seconds were published for readers.",
    "hour_sealed": "The files of a finished hour were published with their commit record.",
    "hour_switched": "Readers now take a sealed hour instead of its parts.",
    "hour_removed": "The parts or the capture of a sealed hour were removed, as configured.",
    "recovery_started": "An earlier process left an hour unfinished; it is being finished.",
    "recovery_finished": "What an earlier process left is finished; nothing captured was lost.",
    "reconnect_waiting": "A connection ended or failed; the next try follows after wait_s.",
    "capture_damaged": "A stretch of an earlier capture is not whole; what is whole was used.",
    "work_failed": "Recovery, sealing or clearing up failed; recording goes on, it is tried again.",
    "watchdog_triggered": "Something does not get on; the service manager is asked to restart us.",
    "http_served": "State, books and metrics are served by HTTP at this address.",
    "http_not_served": "The HTTP address cannot be had; recording goes on, it is tried again.",
    "http_failed": "A request could not be answered, or a service of HTTP failed: a bug of ours.",
    "library_warned": "A library that the recorder uses logged a warning or an error.",
}

LEVELS = ("debug", "info", "warning", "error")

TEXT_CHARACTERS_MAX = 4_096
_EXCEPTION_CHARACTERS_MAX = 32_768
_NESTED_MAX = 6
_ITEMS_MAX = 1_000

_SECRET_NAME = re.compile("|".join(SECRET_NAMES) + r"|^token$|^bearer$", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z0-9_.:/@+-]+")

EventDict = structlog.typing.EventDict


def configure(*, service: bool, level: str) -> None:
    """Set up logging for this process; call it once, first.

    Args:
        service: JSON lines to stdout, or entries of systemd's journal where stderr goes there;
            otherwise readable lines to stderr, coloured when that is a terminal.
        level: The least that is logged, one of `LEVELS`.

    Raises:
        UsageError: There is no such level.
    """
    if level not in LEVELS:
        raise UsageError(f"{escape(level)!r} is not a log level; allowed are {', '.join(LEVELS)}")
    render: structlog.typing.Processor = TerminalRenderer(colors=_colors())
    if service:
        render = render_for_journal if journal.is_stderr() else render_json
    lines: _Lines | _Entries = _Lines("stdout" if service else "stderr")
    if render is render_for_journal:
        lines = _Entries(_Lines("stdout").msg)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            check_catalogued,
            add_level,
            add_time,
            to_data,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_FromLibraries()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


def log(**bound: object) -> structlog.typing.FilteringBoundLogger:
    """Give a logger, with keys that all its lines carry."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger.bind(**bound)


def _colors() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def escape(text: str) -> str:
    """Give `text` on one line with everything that could steer a terminal written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def is_secret_name(name: str) -> bool:
    """Whether a key is named like one of a secret."""
    return _SECRET_NAME.search(name) is not None


def check_catalogued(_logger: object, _method: str, event_dict: EventDict) -> EventDict:
    """Assert that the event is in `EVENTS`: its name is a constant, upstream text is a value."""
    assert event_dict["event"] in EVENTS, f"not in recorder.logs.EVENTS: {event_dict['event']!r}"
    return event_dict


def add_level(_logger: object, method: str, event_dict: EventDict) -> EventDict:
    """Add the level; an exception is an error."""
    event_dict["level"] = "error" if method == "exception" else method
    return event_dict


def add_time(_logger: object, _method: str, event_dict: EventDict) -> EventDict:
    """Add `ts`: the time of logging, ISO 8601 in UTC with nanoseconds."""
    seconds, ns = divmod(time.time_ns(), 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    event_dict["ts"] = f"{moment:%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"
    return event_dict


def to_data(_logger: object, _method: str, event_dict: EventDict) -> EventDict:
    """Reduce everything to plain JSON values without secrets, bounded in size and depth."""
    error = event_dict.pop("exc_info", None)
    plain = _members(event_dict, 0)
    if error:
        plain["exception"] = _cut(
            redact(without_secrets(_traceback(error))), _EXCEPTION_CHARACTERS_MAX
        )
    return plain


def render_json(_logger: object, _method: str, event_dict: EventDict) -> str:
    """Render one line of pure ASCII JSON: ts, level, event, then the other keys in order."""
    first = {name: event_dict.pop(name) for name in ("ts", "level", "event")}
    ordered = first | dict(sorted(event_dict.items()))
    # DEL is the one control character that JSON leaves as it is.
    return json.dumps(ordered, separators=(",", ":"), allow_nan=False).replace("\x7f", "\\u007f")


def render_for_journal(
    logger: object, method: str, event_dict: EventDict
) -> tuple[tuple[str, str, EventDict], dict[str, Any]]:
    """Render one entry: the line as JSON, a line for people, and the keys as they are."""
    fields = dict(event_dict)
    shown = [event_dict["event"]]
    shown += [
        f"{_word(name)}={_quoted(value)}"
        for name, value in sorted(event_dict.items())
        if name not in {"ts", "level", "event"}
    ]
    # Where the line stands for the entry, journald takes the number for its priority.
    line = f"<{journal.priority(fields)}>{render_json(logger, method, event_dict)}"
    return (line, " ".join(shown), fields), {}


class TerminalRenderer:
    """structlog's console line, with every key and value made harmless."""

    def __init__(self, *, colors: bool) -> None:
        style = structlog.dev.ConsoleRenderer.get_default_column_styles(colors)
        levels = structlog.dev.ConsoleRenderer.get_default_level_styles(colors)
        column = structlog.dev.Column

        def plain(color: str, width: int = 0) -> structlog.dev.KeyValueColumnFormatter:
            return structlog.dev.KeyValueColumnFormatter(None, color, style.reset, str, width)

        self._render = structlog.dev.ConsoleRenderer(
            columns=[
                column("ts", plain(style.timestamp)),
                column("level", structlog.dev.LogLevelColumnFormatter(levels, style.reset)),
                column("event", plain(style.bright, 20)),
                column(
                    "",
                    structlog.dev.KeyValueColumnFormatter(
                        style.kv_key, style.kv_value, style.reset, _quoted
                    ),
                ),
            ]
        )

    def __call__(self, logger: Any, method: str, event_dict: EventDict) -> str:
        """Render one line, and the lines of an exception below it."""
        exception = event_dict.pop("exception", None)
        ordered = {_word(name): event_dict[name] for name in sorted(event_dict)}
        line = self._render(logger, method, ordered)
        assert isinstance(line, str)
        if exception is not None:
            # Indented, so that no line of an exception's text can pass for a line of the log.
            rows = (f"    | {escape(row)}" for row in str(exception).splitlines())
            line = "\n".join((line, *rows))
        return line


class _Lines:
    """Writes finished lines to one of the process's streams, looked up at each line.

    (At each line, because a live status line replaces the stream while it is shown.) A log that
    cannot be written, to a full disk or a reader that has gone, does not stop the recording.
    """

    def __init__(self, stream: str) -> None:
        self._stream = stream

    def msg(self, message: str) -> None:
        """Write one line."""
        stream: TextIO = getattr(sys, self._stream)
        try:
            stream.write(f"{message}\n")
            stream.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = exception = msg


class _Entries:
    """Writes entries of the journal, or ``otherwise`` lines of JSON."""

    def __init__(self, otherwise: Callable[[str], None]) -> None:
        self._journal = journal.Journal(otherwise)

    def msg(self, line: str, message: str, fields: EventDict) -> None:
        """Write one entry."""
        self._journal.write(line, message, fields)

    debug = info = warning = error = critical = exception = msg


class _FromLibraries(logging.Handler):
    """Passes the warnings of libraries on as one catalogued event, their text as a value."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record of the standard library's logging."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            text = str(record.msg)
        structlog.get_logger().log(
            logging.ERROR if record.levelno >= logging.ERROR else logging.WARNING,
            "library_warned",
            library=record.name,
            text=text,
            exc_info=record.exc_info,
        )


def _members(members: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in list(members.items())[:_ITEMS_MAX]:
        word = _cut(redact(str(name)), TEXT_CHARACTERS_MAX)
        secret = _SECRET_NAME.search(word) and not (value is None or isinstance(value, bool))
        plain[word] = REDACTED if secret else _plain(value, depth)
    return plain


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int):
        return value if not isinstance(value, int) or abs(value) < 1 << 63 else hex(value)
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if depth < _NESTED_MAX and isinstance(value, Mapping):
        return _members(value, depth + 1)
    if depth < _NESTED_MAX and isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item in list(value)[:_ITEMS_MAX]]
    if isinstance(value, bytes | bytearray):
        value = bytes(value[: TEXT_CHARACTERS_MAX * 4]).decode("utf-8", "backslashreplace")
    elif isinstance(value, datetime):
        value = value.isoformat()
    elif not isinstance(value, str):
        value = str(value) if isinstance(value, Path | BaseException) else repr(value)
    return _cut(redact(without_secrets(value)), TEXT_CHARACTERS_MAX)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def _word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _quoted(value: object) -> str:
    """Give a value as one word, or in double quotes where it could be taken for more than one."""
    if isinstance(value, list):
        return f"[{', '.join(_quoted(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_word(name)}: {_quoted(item)}' for name, item in value.items())}}}"
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value):
        return value
    inner = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escape(inner)}"'


def _traceback(error: Any) -> str:
    if error is True:
        error = sys.exc_info()
    if isinstance(error, BaseException):
        error = (type(error), error, error.__traceback__)
    if not isinstance(error, tuple) or error[0] is None:
        return str(error)
    return "".join(traceback.format_exception(*error)).rstrip("\n")
