"""(g) The daemon itself: its log, what it cleans up, how it ends; (h) how fast it records again."""

import json
from collections.abc import Iterator, Sequence

from recorder.logs import EVENTS
from tests.simulate.evidence import SECOND_NS, Captured, sent_ns
from tests.simulate.trial import Life


def check_life(life: Life) -> Iterator[str]:
    """Its log is JSON lines of known events, it cleans up, and it ends in order when asked to."""
    name = life.log.stem
    for file in life.left:
        yield f"(g) {name}: staging still holds {file} after the start"
    errors = life.errors.read_text(encoding="utf-8", errors="replace")
    if errors:
        yield f"(g) {name}: wrote to stderr: {_last_lines(errors)}"
    lines = life.log.read_text(encoding="utf-8", errors="replace").split("\n")
    if lines[-1] and not life.killed:
        yield f"(g) {name}: the last line of the log has no end"
    for line in lines[:-1]:
        yield from _check_log_line(name, line)
    started = any('"event":"recorder_started"' in line for line in lines)
    if not life.killed and started and life.exit_code != 0:
        yield f"(g) {name}: SIGTERM after its start, exit code {life.exit_code}"
    if life.orphans:
        yield f"(g) {name}: {life.orphans} processes of it outlived it"


def _check_log_line(name: str, line: str) -> Iterator[str]:
    try:
        content = json.loads(line)
    except ValueError:
        yield f"(g) {name}: not a line of JSON: {line[:160]!r}"
        return
    if content.get("event") not in EVENTS:
        yield f"(g) {name}: unknown event: {line[:160]}"
    if content.get("level") == "error" or "exception" in content:
        yield f"(g) {name}: {line[:400]}"


def _last_lines(text: str) -> str:
    return " | ".join(text.strip().splitlines()[-3:])


def recording_again(captured: Captured, lives: Sequence[Life]) -> list[float]:
    """For each run that got as far: seconds from its start to the first frame received."""
    times = sorted(recv_ns for line in captured.lines.values() for recv_ns, _ in line.frames)
    found = []
    for life in lives:
        at = next((ns for ns in times if life.spawned_ns <= ns <= life.ended_ns), None)
        if at is not None:
            found.append((at - life.spawned_ns) / SECOND_NS)
    return found


def recovery_ms(lives: Sequence[Life]) -> list[float]:
    """How long each finished recovery took, from the logs, the worker's start included."""
    found = []
    for life in lives:
        began = None
        for line in life.log.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                content = json.loads(line)
            except ValueError:
                continue
            if content.get("event") == "recovery_started":
                began = _log_ns(content["ts"])
            if content.get("event") == "recovery_finished" and began is not None:
                found.append((_log_ns(content["ts"]) - began) / 1e6)
    return found


def _log_ns(text: str) -> int:
    at = sent_ns(json.dumps({"timestamp": text}).encode())
    assert at is not None
    return at
