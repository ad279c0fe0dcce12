"""How a recording goes, read off its parts: for the status line, and for the watchdog."""

from collections.abc import Mapping, Sequence

from recorder.core.session import Session
from recorder.disk import Disk
from recorder.feed.connection import Connection
from recorder.lineup import Lineup
from recorder.progress import Progress
from recorder.service.vitals import Signs


def doubts(progress: Progress, disk: Disk, lineup: Lineup) -> tuple[str, ...]:
    """What is not as it should be, the most important first; empty where all is."""
    found = []
    if disk.stopped:
        found.append(f"nothing is read: {disk.stopped}")
    elif disk.refusing:
        found.append("the disk refuses, what arrives is kept in memory")
    if progress.connections_up < progress.connections:
        down = progress.connections - progress.connections_up
        found.append(
            "no connection" if not progress.connections_up else f"connections down: {down}"
        )
    if lineup.refused:
        found.append("the changed configuration is refused (config_refused)")
    return tuple(found)


def signs(
    connections: Sequence[Connection],
    sessions: Mapping[str, Session],
    tries: Mapping[str, int],
    disk: Disk,
) -> Signs:
    """What moves while all gets on. ``tries`` counts, by line, what failed and is tried again."""
    lines = {}
    for each in connections:
        if not each.retiring:
            session = sessions.get(each.connection_id or "")
            heard_ns = None if session is None else session.last_ns
            label = each.line.label
            lines[label] = (each.connection_id, heard_ns, tries.get(label, 0))
    return Signs(lines, disk.stopped, *disk.signs())
