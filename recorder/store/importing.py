"""An import is all or nothing: a note of where it began in each hour, and the way back.

The note stands from before the first byte until all that is imported is durable. Whoever records,
imports or seals next and finds one takes the half import back; the files can then be imported
again.
"""

import json
from collections.abc import Mapping
from contextlib import suppress

from recorder.core.frames import FIRST_OFFSET
from recorder.core.tables import TABLES
from recorder.errors import DataError
from recorder.store.paths import CUTS, Root, hour_from_text, hour_text
from recorder.store.publish import publish_json, remove


def note_begin(root: Root, begins: Mapping[int, int]) -> None:
    """Write down from which offset of which hours on everything belongs to this import."""
    content = {hour_text(hour): offset for hour, offset in sorted(begins.items())}
    publish_json(root.staging, root.importing, {"begins": content})


def forget(root: Root) -> None:
    """The import is whole: it is recorded data from here on."""
    remove(root.importing)


def take_back(root: Root) -> list[int]:
    """Remove what an import that did not finish has written; returns its hours.

    Raises DataError where the note cannot be read.
    """
    try:
        begins = json.loads(root.importing.read_text(encoding="utf-8"))["begins"]
        hours = {hour_from_text(text): int(offset) for text, offset in begins.items()}
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"{root.importing}: not readable ({error}). An import did not finish; move this file "
            "away to keep what it wrote as it is."
        ) from error
    for hour, offset in hours.items():
        _remove_from(root, hour, offset)
    remove(root.open)  # it names a cut of the import; nothing was going on before
    remove(root.importing)
    return sorted(hours)


def _remove_from(root: Root, hour: int, offset: int) -> None:
    for table in (*TABLES, CUTS):
        for part in root.parts(table, hour):
            # The part of an hour that was turned to begins at 0, before the first frame.
            if part.first >= offset or offset == FIRST_OFFSET:
                remove(part.path)
    for segment in root.segments(hour):
        if segment.first >= offset:
            remove(segment.path)
    with suppress(OSError):  # others' segments are in it, or it was never made
        (root.capture / hour_text(hour)).rmdir()
