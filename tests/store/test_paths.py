"""Names and back."""

import pytest

from recorder.core.tables import TABLES
from recorder.store.paths import Part, Root, Segment, hour_from_iso, hour_from_text, hour_text, iso
from tests.frames_made import HOUR


@pytest.mark.parametrize("hour", [0, 1, HOUR, 438_288, 410_000, 2_000_000])
def test_hours_as_text_and_back(hour):
    """From 1970 on."""
    assert hour_from_text(hour_text(hour)) == hour
    assert hour_from_iso(iso(hour)) == hour
    assert len(hour_text(hour)) == 10


def test_listings_find_what_belongs_there_and_nothing_else(tmp_path):
    """Files put aside, folders of others, half-written names: passed over."""
    root = Root(tmp_path)
    for path in (
        root.segment(HOUR, 7), root.segment(HOUR, 1 << 24), root.segment(HOUR - 1, 1 << 24),
        root.part("level2", HOUR, 0, 9), root.part("level2", HOUR - 1, 9, 12), root.cut(HOUR, 0, 9),
        root.commit(HOUR), root.capture / "lost+found" / "x", root.capture / "20261110" / "x",
        root.segment(HOUR, 7).with_suffix(".cap.torn-1"), root.live / "level2" / "0-empty.parquet",
        root.live / "level2" / "x.parquet", root.commits / "x.json", root.commits / "20261.json",
    ):  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    assert root.captured_hours() == [HOUR - 1, HOUR]
    assert root.committed_hours() == [HOUR]
    assert root.part_hours() == [HOUR - 1, HOUR]
    assert root.segments(HOUR) == [
        Segment(HOUR, 7, root.segment(HOUR, 7)),
        Segment(HOUR, 1 << 24, root.segment(HOUR, 1 << 24)),
    ]
    assert root.parts("level2", HOUR) == [Part(HOUR, 0, 9, root.part("level2", HOUR, 0, 9))]
    assert [part.hour for part in root.parts("level2")] == [HOUR - 1, HOUR]


def test_a_root_that_is_not_there_is_empty(tmp_path):
    """Listings never fail for want of a folder."""
    root = Root(tmp_path / "none")
    assert root.captured_hours() == root.committed_hours() == root.part_hours() == []


@pytest.mark.parametrize("table", [table for table in TABLES.values() if table.per_product])
def test_a_product_file_needs_its_product(tmp_path, table):
    """Our own bug otherwise."""
    with pytest.raises(AssertionError):
        Root(tmp_path).sealed(table, HOUR, None)
