"""A small recording in all the states that it can be found in, and a way to ask it in SQL."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from recorder.recording import Recording
from recorder.store.parts import write_empty_parts
from recorder.store.paths import Root
from recorder.store.retire import retire
from recorder.store.seal import seal_hour, switch
from recorder.store.views import views
from tests.frames_made import HOUR, HOUR_START_NS, SECOND_NS, WANTED, Made

STATES = ("open", "sealed and open", "sealed, not switched", "sealed")
HOUR_S = 3600


def at(seconds: float, hour: int = HOUR) -> str:
    """A moment of an hour as a person writes it."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour, seconds=seconds)
    return moment.isoformat()


def ask(root: Path | Root, *statements: str) -> list[tuple[Any, ...]]:
    """What the last statement gives in a new session."""
    with session(root) as con:
        for statement in statements[:-1]:
            con.execute(statement)
        return con.execute(statements[-1]).fetchall()


def session(root: Path | Root) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(views(root if isinstance(root, Root) else Root(root)))
    return con


def record(path: Path, state: str) -> Root:
    """Two hours: a lost connection, frames that were lost, a turn, another lost connection."""
    root = Root(path)
    write_empty_parts(root)
    made = Made(3, HOUR_START_NS + (HOUR_S - 12) * SECOND_NS, rate=2)
    recording = Recording(root, made.now_ns, WANTED)

    def take(arrivals):
        for arrival in arrivals:
            recording.take(arrival)
        recording.flush()

    take(made.open("c0"))
    take(made.run(4))
    made.skip("c0")
    take(made.run(1))
    take(made.close("c0"))
    made.wait(0.5)
    take(made.open("c1"))
    take(made.run(8.5))
    take(made.close("c1"))
    made.wait(1)
    take(made.open("c2"))
    take(made.run(2))
    if state in ("sealed and open", "sealed"):
        seal_hour(root, HOUR)
        switch(root, HOUR + 1)
    if state == "sealed, not switched":
        seal_hour(root, HOUR)
    if state == "sealed":
        recording.stop(recording.last_ns)
        recording.flush()
        seal_hour(root, HOUR + 1)
        switch(root, HOUR + 2)
        retire(root, time.time() + 10**7, None)
    recording.capture.close()
    return root


def at_ns(moment: str) -> int:
    since = datetime.fromisoformat(moment) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since // timedelta(microseconds=1)) * 1000


MOMENTS = [
    at(each)
    for each in (
        *(HOUR_S - 12.5, HOUR_S - 11.9, HOUR_S - 10, HOUR_S - 7.5, HOUR_S - 6.7, HOUR_S - 3),
        *(HOUR_S - 0.000001, HOUR_S, HOUR_S + 0.000001, HOUR_S + 1.5, HOUR_S + 2.6, HOUR_S + 4),
    )
]
