"""The declarations of the tables."""

import pytest

from recorder.core.tables import TABLES, Kind, Table


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_a_table_is_declared_whole(table: Table) -> None:
    """Names are unique, each column has a meaning, the order is a stored column without nulls."""
    names = [column.name for column in table.columns]
    assert len(names) == len(set(names))
    assert all(column.meaning for column in table.columns)
    assert table.meaning.endswith(".")
    order = next(column for column in table.columns if column.name == table.order)
    assert order.kind is Kind.INT
    assert not order.nullable
    assert order.name in table.stored()


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_derived_times_come_from_a_stored_column(table: Table) -> None:
    """A time that is computed has its nanoseconds beside it, and is null where they are."""
    columns = {column.name: column for column in table.columns}
    for column in table.columns:
        if column.derived is not None:
            source = columns[column.derived]
            assert column.kind is Kind.TIME
            assert source.kind is Kind.INT
            assert source.name in table.stored()
            assert source.nullable == column.nullable
            assert column.name not in table.stored()


def test_a_table_is_found_by_its_name() -> None:
    """The key is the name."""
    assert all(name == table.name for name, table in TABLES.items())
