"""The catalogue of log events is the code's: every call that logs, found in its syntax, both ways.

`docs/operating.md` has each event with its level and fields, and what each field is. A call whose
event or fields are not written out at the call is named here, with what they are.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from recorder import daemon, logs
from recorder.config import KEYS
from recorder.core.messages import Fact
from recorder.feed.selection import Selection
from recorder.lineup import told
from tests.test_docs import OPERATING, SOURCE, codes, names, section, table

LEVELS = {"debug", "info", "warning", "error", "exception"}
SETTINGS = {"source", *(key.name for key in KEYS)}
SELECTED = set(told(Selection((), {"a": "b"}, *[("x",)] * 5)))

# `**` of something that is not a dict written out: what it holds.
OPEN = {
    "settings.describe(chosen)": SETTINGS,
    "changed": SETTINGS,
    "told(self.selection)": SELECTED,
    "fact.fields": set(),  # those of each `Fact`
}
# Calls whose event is a variable: (module, text of the call's function and first argument).
PASSED_ON = {
    ("daemon.py", "self._log.warning(event"),  # `tell`, whose callers are seen
    ("daemon.py", "tell(fact.event"),  # `Fact`, whose makers are seen
}


@dataclass
class Logged:
    """What the code logs of an event: at which levels, with which fields."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Call:
    """A call that logs, and the function that it stands in."""

    path: Path
    node: ast.Call
    within: ast.AST

    @property
    def called(self) -> str:
        return ast.unparse(self.node.func)

    @property
    def at(self) -> str:
        return f"{self.path.relative_to(SOURCE)}:{self.node.lineno}"


def calls() -> Iterator[Call]:
    """Every call that logs, or makes a fact that is logged."""
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if path.parent.name == "venue" or not re.search(r"\b(?:logs?|_log|Fact|tell)\b", text):
            continue  # the venue speaks for Coinbase, and logs nothing
        for within in ast.walk(ast.parse(text)):
            if isinstance(within, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(within):
                    if isinstance(node, ast.Call) and node.args and is_logging(node):
                        yield Call(path, node, within)


def is_logging(node: ast.Call) -> bool:
    called = ast.unparse(node.func)
    owner, _, method = called.rpartition(".")
    if called in {"Fact", "tell"} or called.endswith("_shell.tell"):
        return True
    return (owner.rpartition(".")[2] in {"_log", "log", "log()"} and method in LEVELS) or (
        called == "structlog.get_logger().log"
    )


def found(call: Call) -> tuple[str, Logged] | None:
    """Event, levels and fields of a call; None where it passes on what others say."""
    first = call.node.args[1 if call.called.endswith("().log") else 0]
    if not isinstance(first, ast.Constant):
        text = f"{call.called}({ast.unparse(first)}"
        assert (str(call.path.relative_to(SOURCE)), text) in PASSED_ON, f"{call.at}: {text}"
        return None
    fields = bound(call)
    for keyword in call.node.keywords:
        fields |= {keyword.arg} if keyword.arg else members(keyword.value, call)
    if call.called == "Fact":
        fields |= members(call.node.args[1], call)
    fields -= {"exc_info"}
    return first.value, Logged(levels(call, first.value), fields)


def levels(call: Call, event: str) -> set[str]:
    method = call.called.rpartition(".")[2]
    if method == "Fact":
        return {"warning" if event in daemon._WARNINGS else "info"}
    if method == "log":
        return {"warning", "error"}
    if call.called == "tell":  # one of several, chosen before
        (chosen,) = assigned("tell", call)
        return {ast.unparse(each).rpartition(".")[2] for each in (chosen.body, chosen.orelse)}
    return {"warning" if method == "tell" else method}


def bound(call: Call) -> set[str]:
    """The fields that a logger of this function carries."""
    if call.called.partition(".")[0] != "log":
        return set()
    (made,) = assigned("log", call)
    return {keyword.arg for keyword in made.keywords}


def members(node: ast.expr, call: Call) -> set[str]:
    """The keys of a dict, as far as they are written out; else as `OPEN` says."""
    match node:
        case ast.Dict(keys=keys, values=values):
            found = set()
            for key, value in zip(keys, values, strict=True):
                found |= members(value, call) if key is None else {ast.literal_eval(key)}
            return found
        case ast.BinOp(left=left, right=right):
            return members(left, call) | members(right, call)
        case ast.Name(id=name) if name not in OPEN:
            (value,) = assigned(name, call)
            return members(value, call)
    text = ast.unparse(node)
    assert text in OPEN, f"{call.at}: what does {text} hold?"
    return OPEN[text]


def assigned(name: str, call: Call) -> list[ast.expr]:
    """What a name is given in the function of a call, before it."""
    given = []
    for node in ast.walk(call.within):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        before = getattr(node, "lineno", call.node.lineno) < call.node.lineno
        if any(isinstance(each, ast.Name) and each.id == name for each in targets) and before:
            given.append(node.value)
    return given[-1:]


@cache
def logged() -> dict[str, Logged]:
    """Every event that the code logs."""
    events: dict[str, Logged] = defaultdict(Logged)
    for call in calls():
        if told_of := found(call):
            event, seen = told_of
            events[event].levels |= seen.levels
            events[event].fields |= seen.fields
    events["library_warned"].fields |= {"exception"}  # of `exc_info`
    return dict(events)


def catalogue() -> list[list[str]]:
    return table(section(OPERATING, "Log events"), "event", "level", "fields", "what it means")


def test_every_event_in_the_code_is_in_the_catalogue_and_the_other_way_round():
    assert set(logged()) == set(logs.EVENTS)
    assert sorted(names(catalogue())) == sorted(logs.EVENTS)
    assert all(row[3] for row in catalogue())


def test_levels_are_those_of_the_code():
    said = {codes(row[0])[0]: set(row[1].split(" or ")) for row in catalogue()}
    assert said == {event: each.levels for event, each in logged().items()}


def test_fields_are_those_of_the_code():
    """Written out, but for settings by their names, of which there are many."""
    for row in catalogue():
        (event,), said, fields = (
            codes(row[0]),
            set(codes(row[2])),
            logged()[codes(row[0])[0]].fields,
        )
        if fields >= SETTINGS:
            assert "every [setting](#configuration)" in row[2], event
            fields = fields - SETTINGS | {"source"}
        assert said == fields, event


def test_every_field_has_a_meaning():
    """One for all events that have it."""
    rows = table(section(OPERATING, "Fields of log events"), "field", "what")
    events = [each.fields for each in logged().values() if not each.fields >= SETTINGS]
    used = set[str]().union(*events)
    assert sorted(names(rows)) == sorted(used | {"source", "ts", "level", "event"})
    assert all(row[1] for row in rows)


def test_a_fact_has_what_is_read_here():
    """`Fact(event, fields)` is what the syntax is searched for."""
    assert Fact("gap_found", {"seq_from": 1}) == Fact(event="gap_found", fields={"seq_from": 1})
