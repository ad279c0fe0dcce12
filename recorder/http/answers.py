"""Answers: JSON for programs, a refusal as JSON too, times and numbers as text."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from recorder.http.guard import HEADERS, Refusal

JSON = "application/json"


class RefusedError(Exception):
    """What was asked for cannot be answered; for the dispatcher, which makes an answer of it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


def document(content: Any, status: int = 200) -> web.Response:
    """Answer with a value as JSON."""
    return text(encoded(content), JSON, status)


def encoded(content: Any) -> bytes:
    """A value as JSON."""
    return msgspec.json.encode(content) + b"\n"


def text(content: bytes, content_type: str, status: int = 200) -> web.Response:
    """Answer with bytes of a type."""
    headers = {**HEADERS, "Content-Type": content_type}
    return web.Response(body=content, status=status, headers=headers)


def refused(refusal: Refusal) -> web.Response:
    """Answer with a refusal; the connection is closed after those that no client of ours makes."""
    answer = document({"error": refusal.kind, "detail": refusal.text}, refusal.status)
    answer.headers.update(refusal.headers)
    if refusal.status in {400, 405, 408, 413, 414, 421}:
        answer.force_close()
    return answer


def moment(at_ns: int | None) -> str | None:
    """A time as text, to the microsecond: ``2026-11-21T19:02:33.123456Z``."""
    if at_ns is None:
        return None
    at = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ns // 1000 % 1_000_000:06d}Z"


def seconds(span_ns: int | None) -> float | None:
    """A span in seconds, to the millisecond, at least 0."""
    return None if span_ns is None else max(0, span_ns) // 1_000_000 / 1000


def asked(request: web.BaseRequest, *known: str, many: tuple[str, ...] = ()) -> dict[str, str]:
    """The parameters of a request by name, each once but for ``many``.

    Raises:
        RefusedError: one is not known, or is there twice.
    """
    found: dict[str, str] = {}
    for name, value in request.query.items():
        if name not in (*known, *many):
            allowed = ", ".join((*known, *many)) or "none"
            raise RefusedError(Refusal(400, "parameter", f"parameters here are: {allowed}"))
        if name in found and name not in many:
            raise RefusedError(Refusal(400, "parameter", f"{name} is there twice"))
        found[name] = value
    return found
