"""What a recorder that runs says of itself, over HTTP; and what is known where none answers."""

import json
import re
from pathlib import Path
from typing import Any

from recorder.bundle.shown import Shown
from recorder.config import HttpConfig
from recorder.errors import RecorderError
from recorder.http import asking
from recorder.http.metrics import METRICS

_LINE = re.compile(r"(# (?:HELP|TYPE|UNIT) )?recorder_([a-z0-9_]+)(?:\{(.*)\})?(?: (.*))?")
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
_SUFFIXES = re.compile(r"_(?:total|bucket|sum|count|created|info)$")
_BOUND = re.compile(r"[0-9.]{1,8}(?:e-?[0-9]{1,2})?")  # of a histogram
_NUMBER = re.compile(r"(?:[-+]?[0-9.e+-]+|NaN|[-+]Inf)(?: [0-9.]+)?")


def status(data: Path, http: HttpConfig, shown: Shown) -> dict[str, Any]:
    """The state of the recorder that writes to a directory."""
    pid = asking.recording_pid(data)
    found: dict[str, Any] = {"recording": pid is not None, "asked": None, "live": None}
    try:
        live = asking.ask(data, http)
        ready = asking.fetch(data, http, "/readyz")
    except RecorderError as error:
        return {**found, "asked": shown.text(str(error))}
    if live is not None:
        live.pop("data", None)
        found["live"] = shown.value(live)
    if ready is not None:
        found["ready"] = {"status": ready[1], "said": shown.value(_decoded(ready[2]))}
    return found


def metrics(data: Path, http: HttpConfig, shown: Shown) -> str:
    """Its metrics: lines of those that we have, with labels that may be shown.

    Raises RecorderError where it cannot be asked.
    """
    answer = asking.fetch(data, http, "/metrics")
    if answer is None:
        return ""
    known = {metric.name for metric in METRICS}
    lines = (
        _metric(line, known, shown) for line in answer[2].decode("utf-8", "replace").split("\n")
    )
    return "".join(f"{line}\n" for line in lines if line)


def _metric(line: str, known: set[str], shown: Shown) -> str:
    """A line of a metric; empty where it is none of ours, or what describes it."""
    matched = _LINE.fullmatch(line)
    if matched is None or matched[1]:
        return ""
    _, name, labels, value = matched.groups()
    if not {name, _SUFFIXES.sub("", name)} & known or not _NUMBER.fullmatch(value or ""):
        return ""
    told = ",".join(
        f'{word}="{text if _BOUND.fullmatch(text) else shown.text(text)}"'
        for word, text in _LABEL.findall(labels or "")
    )
    return f"recorder_{name}{{{told}}} {value}" if told else f"recorder_{name} {value}"


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")
