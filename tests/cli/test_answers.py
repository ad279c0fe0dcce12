"""Answers as they are printed."""

import csv
import io
import json
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from rich.console import Console

from recorder.cli import terminal
from recorder.cli.answers import (
    ROWS_SHOWN,
    as_json,
    cell,
    print_csv,
    print_json,
    show_table,
)
from recorder.queries import Answer

MOMENT = datetime(2026, 11, 21, 19, 30, 0, 500, tzinfo=UTC)


def answer(*rows: tuple, kinds: tuple[str, ...] = ("BIGINT", "VARCHAR")) -> Answer:
    names = ("a", "b", "c")[: len(kinds)]
    return Answer(list(zip(names, kinds, strict=True)), iter(rows))


@pytest.mark.parametrize(
    ("value", "shown", "stored"),
    [
        (None, "", None), (True, "true", True), (7, "7", 7), ("x", "x", "x"), (1.5, "1.5", 1.5),
        (1e-8, "0.00000001", 1e-8), (1e20, "100000000000000000000", 1e20), (-0.0, "-0.0", -0.0),
        (math.nan, "nan", None), (math.inf, "inf", None), (Decimal("0.10"), "0.10", "0.10"),
        (MOMENT, "2026-11-21 19:30:00.000500", "2026-11-21T19:30:00.000500Z"),
        (MOMENT.replace(microsecond=0), "2026-11-21 19:30:00", "2026-11-21T19:30:00Z"),
        (MOMENT.replace(tzinfo=None), "2026-11-21 19:30:00.000500", "2026-11-21T19:30:00.000500"),
        (date(2026, 11, 21), "2026-11-21", "2026-11-21"), (time(1, 2), "01:02:00", "01:02:00"),
        (timedelta(seconds=90), "0:01:30", "0:01:30"),
        ([1, None, math.nan], "[1, null, null]", [1, None, None]),
        ({"k": MOMENT}, '{"k": "2026-11-21T19:30:00.000500Z"}', {"k": as_json(MOMENT)}),
        ((1, "x"), '[1, "x"]', [1, "x"]), (b"\xff1", r"b'\xff1'", "\\xff1"),
        (UUID(int=1), str(UUID(int=1)), str(UUID(int=1))),
    ],
)  # fmt: skip
def test_every_value_can_be_read(value, shown, stored):
    """By a person, and by a program; JSON has no NaN."""
    assert cell(value) == shown
    assert as_json(value) == stored
    json.dumps(as_json(value), allow_nan=False)


def test_json_is_one_document(capsys):
    """A row a line; no rows are an empty list; names are kept."""
    print_json(answer((1, "x"), (2, None), (3, 'q"\n')))
    out = capsys.readouterr().out
    assert json.loads(out) == [{"a": 1, "b": "x"}, {"a": 2, "b": None}, {"a": 3, "b": 'q"\n'}]
    assert len(out.splitlines()) == 3
    print_json(answer())
    assert json.loads(capsys.readouterr().out) == []


def test_csv_is_read_back(capsys):
    """Null is nothing, lists are JSON, what needs quotes has them."""
    print_csv(answer((1, "x,y"), (None, 'q"\n'), (3, [1, {"k": None}])))
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows == [["a", "b"], ["1", "x,y"], ["", 'q"\n'], ["3", '[1, {"k": null}]']]


def test_tables_stop_where_nobody_reads_on(capsys):
    """A hundred rows, and a word about the others; amounts stand on the right."""
    show_table(answer(*((number, "x") for number in range(ROWS_SHOWN + 5))))
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [" a  b", " 0  x"]
    assert lines[-1].startswith("The first 100 rows;")
    assert len(lines) == ROWS_SHOWN + 2
    show_table(answer(*((number, "x") for number in range(ROWS_SHOWN))))
    assert len(capsys.readouterr().out.splitlines()) == ROWS_SHOWN + 1
    show_table(answer())
    assert capsys.readouterr().out.split() == ["a", "b", "No", "rows."]


@pytest.mark.parametrize(
    ("kind", "right"),
    [("BIGINT", True), ("UINTEGER", True), ("DOUBLE", True), ("DECIMAL(18,3)", True),
     ("DECIMAL(18,3)[]", False), ("INTEGER[]", False), ("INTERVAL", False),
     ("STRUCT(a INTEGER)", False), ("VARCHAR", False)],
)  # fmt: skip
def test_amounts_stand_on_the_right(capsys, kind, right):
    show_table(answer(("1",), ("1000",), kinds=(kind,)))
    assert capsys.readouterr().out.splitlines()[1].startswith("   1" if right else "1")


def test_a_plan_is_drawn(capsys):
    plan = Answer(
        [("explain_key", "VARCHAR"), ("explain_value", "VARCHAR")], iter([("p", "┌─\n└─")])
    )
    show_table(plan)
    assert capsys.readouterr().out == "┌─\n└─\n"


def test_what_has_no_columns_prints_nothing(capsys):
    """SET, and the like."""
    for show in (show_table, print_json, print_csv):
        show(Answer([], iter([])))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("columns", "hidden"),
    [(120, ""), (80, "detail"), (60, "name, price, detail"), (10, "name, price, detail")],
)
def test_columns_without_room_are_named(monkeypatch, capsys, columns, hidden):
    """On a terminal: what is shown can be read, and is not cut to pieces."""
    monkeypatch.setattr(terminal, "output", lambda: Console(width=columns, force_terminal=True))
    names = [("recv_time", "TIMESTAMP"), ("name", "VARCHAR"), ("price", "DOUBLE"),
             ("detail", "VARCHAR")]  # fmt: skip
    show_table(Answer(names, iter([(MOMENT, "word " * 12, 65083.67, "whole")])))
    said = " ".join(capsys.readouterr().out.split())
    assert ("No room for" in said) == bool(hidden)
    assert not hidden or f"No room for {hidden}. Select what" in said
    assert ("2026-11-21 19:30:00.000500" in said) == (columns > 26)
    assert ("65083.67" in said) == (columns >= 80)


def test_where_nobody_sits_lines_are_whole(capsys):
    """A pipe has no edge."""
    row = ("x" * 150, "y" * 120, "z")
    show_table(Answer([("a", "VARCHAR"), ("b", "VARCHAR"), ("c", "VARCHAR")], iter([row])))
    header, line = capsys.readouterr().out.splitlines()
    assert (header.split(), line.split()) == (["a", "b", "c"], list(row))
