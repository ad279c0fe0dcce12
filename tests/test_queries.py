"""Queries over a data directory."""

import pytest

from recorder.errors import RecorderError
from recorder.queries import Queries
from tests.damages import record_hours


def test_tables_hold_what_the_reader_has(tmp_path):
    """Sealed hours and the open one as one; a mistake is one readable error."""
    record_hours(tmp_path / "data")
    with Queries(tmp_path / "data") as queries:
        answer = queries.run("SELECT count(*), count(DISTINCT ingest_seq) FROM level2")
        ((rows, distinct),) = list(answer.rows)
        assert rows == distinct > 0
        assert {"book_at", "in_gap"} <= {each.name for each in queries.macros()}
        with pytest.raises(RecorderError):
            queries.run("SELECT nothing FROM nowhere")
        assert queries.statements("SELECT 1; SELECT 2;") != []
