"""Small JSON records that carry the checksum of their content: damage is never taken for truth.

A record of before there were checksums has none; it is taken as it is, if it has no field that such
a record did not have.
"""

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from recorder.store.publish import publish_json

CHECKSUM = "checksum"


def checksum(content: dict[str, Any]) -> str:
    """SHA-256 of a record without its checksum: keys sorted, no white space, ASCII."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def publish_record(
    staging: Path, final: Path, content: dict[str, Any], *, mode: int = 0o644
) -> None:
    """Publish a record with its checksum."""
    publish_json(staging, final, {**content, CHECKSUM: checksum(content)}, mode=mode)


def read_record(path: Path, older: Collection[str]) -> dict[str, Any]:
    """A record without its checksum; ``older`` are the fields of one that has none.

    Raises ValueError where it is damaged, OSError where it cannot be read.
    """
    return record_of(json.loads(path.read_text(encoding="utf-8")), older)


def record_of(content: Any, older: Collection[str] = ()) -> dict[str, Any]:
    """A record without its checksum, from what was read. Raises ValueError where it is damaged."""
    if not isinstance(content, dict):
        raise ValueError("it is no object")  # noqa: TRY004  damage, as any other
    told = content.pop(CHECKSUM, None)
    if told is None and (strange := content.keys() - set(older)):
        raise ValueError(f"it has no checksum, and a field {min(strange)!r}")
    if told is not None and told != checksum(content):
        raise ValueError("its checksum is not that of its content")
    return content
