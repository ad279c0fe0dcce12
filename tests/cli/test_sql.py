"""The command `sql`."""

import json

from tests.damages import record_hours


def test_a_query_prints_its_rows(tmp_path, call):
    """As JSON, as CSV, and as a table."""
    record_hours(tmp_path / "data")
    query = "SELECT product_id, count(*) AS n FROM trades GROUP BY ALL ORDER BY ALL"
    found = call("sql", query, "--data", tmp_path / "data", "--json")
    assert found.code == 0
    assert "BTC-USD" in json.dumps(json.loads(found.out))
    assert call("sql", query, "--data", tmp_path / "data", "--csv").out.startswith("product_id,n")
    assert "BTC-USD" in call("sql", query, "--data", tmp_path / "data").out


def test_mistakes_are_told(tmp_path, call):
    """Wrong SQL and two ways to print: an exit code and a message, no traceback."""
    record_hours(tmp_path / "data")
    wrong = call("sql", "SELECT x FROM nowhere", "--data", tmp_path / "data")
    assert wrong.code != 0
    assert "Traceback" not in wrong.err
    assert call("sql", "SELECT 1", "--data", tmp_path / "data", "--json", "--csv").code == 64
