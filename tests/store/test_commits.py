"""Commit records: read as written, refused where they cannot be one."""

import json

import pytest

from recorder.errors import DataError
from recorder.store.commits import Commit, SealedFile, publish_commit, read_commit
from recorder.store.paths import Root

HOUR = 498_427
FILE = SealedFile("trades/x.parquet", "trades", "BTC-USD", 3, 100, "ab", 1, 3)
COMMIT = Commit(HOUR, 20_000_000, None, 5, {"BTC-USD": {}}, (FILE,), "2026-11-10T20:00:00Z")


def test_what_is_published_is_read(tmp_path):
    root = Root(tmp_path)
    assert read_commit(root, HOUR) is None
    publish_commit(root, COMMIT)
    assert read_commit(root, HOUR) == COMMIT
    assert (COMMIT.rows, COMMIT.bytes) == (3, 100)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("capture_end", "x"), ("capture_end", -1), ("ended_ns", "x"), ("trades", [])),
        *(("sealed_at", "yesterday"), ("hour", "2026-11-10T20:00:00Z"), ("files", [{}])),
    ],
)
def test_a_record_that_cannot_be_one(tmp_path, field, value):
    """One of before there were checksums, too."""
    root = Root(tmp_path)
    publish_commit(root, COMMIT)
    content = json.loads(root.commit(HOUR).read_text())
    del content["checksum"]
    root.commit(HOUR).write_text(json.dumps(content))
    assert read_commit(root, HOUR) == COMMIT
    root.commit(HOUR).write_text(json.dumps({**content, field: value}))
    with pytest.raises(DataError, match="not a commit record"):
        read_commit(root, HOUR)
