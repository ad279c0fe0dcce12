"""No bit of a record can be flipped without its being noticed."""

import json

import pytest

from recorder.store.records import CHECKSUM, publish_record, read_record

CONTENT = {"rows": {"level2": 12, "trades": 3}, "last_ns": 1_700_000_000_123_456_789, "trades": {}}


def test_what_is_published_is_read(tmp_path):
    publish_record(tmp_path / "staging", tmp_path / "x.json", CONTENT)
    assert read_record(tmp_path / "x.json", ()) == CONTENT


def test_every_flipped_bit_is_found(tmp_path):
    """All of them: what is read is the content, or nothing is."""
    path = tmp_path / "x.json"
    publish_record(tmp_path / "staging", path, CONTENT)
    content = path.read_bytes()
    for at in range(len(content)):
        for bit in range(8):
            spoiled = bytearray(content)
            spoiled[at] ^= 1 << bit
            path.write_bytes(spoiled)
            try:
                read = read_record(path, CONTENT)
            except ValueError:
                continue
            assert read == CONTENT


def test_a_record_of_before_there_were_checksums(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(CONTENT))
    assert read_record(path, CONTENT) == CONTENT
    path.write_text(json.dumps({**CONTENT, CHECKSUM[:-1]: "x"}))
    with pytest.raises(ValueError, match="no checksum"):
        read_record(path, CONTENT)
    path.write_text("[]")
    with pytest.raises(ValueError, match="no object"):
        read_record(path, CONTENT)
