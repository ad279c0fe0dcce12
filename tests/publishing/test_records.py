"""Records as they are published: as they are, or with a checksum of their own."""

import json

import pytest

from recorder.errors import DataError
from recorder.publishing import records
from recorder.publishing.records import Key
from recorder.store.records import CHECKSUM, checksum
from tests.packs import HOURS

ORDERS = {
    "path": "user_orders/date=2026-11-10/hour=21/user_orders-20261110T21.parquet",
    "table": "user_orders",
    "product_id": None,
    "rows": 5,
    "bytes": 7,
    "sha256": "00",
    "ingest_seq_first": 1,
    "ingest_seq_last": 2,
}


def rewrite(path, **changes) -> None:
    content = json.loads(path.read_text()) | changes
    del content[CHECKSUM]
    path.write_text(json.dumps({**content, CHECKSUM: checksum(content)}))


def test_a_record_is_published_as_it_is(root):
    """Byte for byte, and read back as the same."""
    found = records.of_hour(root, HOURS[0], private=False)
    assert found.body == root.commit(HOURS[0]).read_bytes()
    assert records.parse(found.body) == found
    assert found.placed({file.key: file.path for file in found.files}) is found
    assert found.rows == found.content["rows"]


def test_private_tables_are_left_out(root):
    """Their rows do not count, and the record is whole without them; or with them if asked."""
    path = root.commit(HOURS[0])
    before = json.loads(path.read_text())
    rewrite(path, files=[*before["files"], ORDERS], rows=before["rows"] + 5)
    without = records.of_hour(root, HOURS[0], private=False)
    assert Key("user_orders", None) not in {file.key for file in without.files}
    assert without.content["rows"] == before["rows"]
    assert records.parse(without.body) == without
    whole = records.of_hour(root, HOURS[0], private=True)
    assert whole.body == path.read_bytes()
    assert whole.digests(private=False) == without.digests(private=True)


def test_files_under_other_names(root):
    """The record names them, with a checksum of its own."""
    found = records.of_hour(root, HOURS[0], private=False)
    names = {file.key: records.again(file.path, file.sha256) for file in found.files}
    placed = found.placed(names)
    assert [file.path for file in placed.files] == list(names.values())
    assert records.parse(placed.body) == placed
    assert all(path.endswith(".parquet") and path.count(".") == 2 for path in names.values())


def test_an_older_record_gets_a_checksum(root):
    """Of before there were any; published twice it is the same."""
    path = root.commit(HOURS[0])
    content = json.loads(path.read_text())
    del content[CHECKSUM]
    path.write_text(json.dumps(content))
    found = records.of_hour(root, HOURS[0], private=False)
    assert records.parse(found.body) == found == records.of_hour(root, HOURS[0], private=False)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"files": 1, "checksum": ""}', b"\xff"])
def test_damaged_records_are_none(body):
    assert records.parse(body) is None


def test_what_is_damaged_here_is_an_error(root):
    root.commit(HOURS[0]).write_text("{}")
    with pytest.raises(DataError, match="not a commit record"):
        records.of_hour(root, HOURS[0], private=False)
    assert records.of_hour(root, HOURS[0] + 24_000, private=False) is None
    assert records.of_day(root, HOURS[0] // 24, private=False) is None
