"""What cannot be read is moved out of the way, and made again.

Records at a start: the rows and frames are in other files; a torn `current.json`, cut or commit
record only says which of them count, and `products.json` saves a question. Parts when they are
sealed. Nothing is deleted: it lies in ``quarantine/<time>/`` under its old path.
"""

import errno
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from recorder.errors import DataError
from recorder.store.parts import read_cut
from recorder.store.paths import CUTS, Root, hour_from_text
from recorder.store.products import kept_products
from recorder.store.publish import make_folder, sync_folder
from recorder.store.seal import read_commit, sealed_before

QUARANTINE = "quarantine"


def set_aside(root: Root, paths: Sequence[Path]) -> list[str]:
    """Move files of this data directory away, durably; returns their paths within it."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    for path in paths:
        place = root.path / QUARANTINE / moment / path.relative_to(root.path)
        make_folder(place.parent)
        path.rename(place)
        sync_folder(place.parent)
        sync_folder(path.parent)
    return [str(path.relative_to(root.path)) for path in paths]


def set_aside_unreadable(root: Root) -> list[str]:
    """Move unreadable records of this data directory away; returns their paths within it.

    A commit record stays where neither capture nor parts of its hour are kept: it could not be made
    again, and its hour must not vanish in silence.
    """
    return set_aside(root, [path for path in _records(root) if not _is_readable(root, path)])


def _records(root: Root) -> list[Path]:
    kept = set(root.captured_hours()) | set(root.part_hours())
    found = [root.current, root.products, *(cut.path for cut in root.parts(CUTS))]
    found += [root.commit(hour) for hour in root.committed_hours() if hour in kept]
    return [path for path in found if path.exists()]


def _is_readable(root: Root, path: Path) -> bool:
    try:
        if path == root.current:
            sealed_before(root)
        elif path == root.products:
            kept_products(root, "")
        elif path.parent == root.commits:
            read_commit(root, hour_from_text(path.stem))
        else:
            read_cut(path)
    except (DataError, ValueError):
        return False
    except OSError as error:
        if error.errno not in {errno.EIO, errno.ENOENT}:  # no more handles: nothing of the file
            raise
        return False
    return True
